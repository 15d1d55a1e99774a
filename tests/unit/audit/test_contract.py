"""The contract file: which lines count today, what several lines of one licence cost, and when money can be saved."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import cast

import pytest

from isthmus.audit.composing.compose import compose
from isthmus.audit.figures import PriceLine, Report
from isthmus.audit.given.contract import ContractItem, parse_contract
from isthmus.audit.given.exemptions import Exemption, ExemptionKind
from isthmus.audit.given.options import LicenseThresholds
from isthmus.audit.given.prices import CustomerPrice, PricesInvalid
from isthmus.audit.report.summary import summary_data
from tests.unit.audit.world import CRM, PLATFORM, Org

FORMER = ContractItem("SFDC", 100, date(2026, 1, 31), unit_price=Decimal(100), minimum_quantity=90)
PRESENT = ContractItem("SFDC", 120, date(2027, 1, 31), start=date(2026, 2, 1), unit_price=Decimal(150))
COMING = ContractItem("SFDC", 200, date(2028, 1, 31), start=date(2027, 2, 1), unit_price=Decimal(90))


def report(*contract: ContractItem, total: int = 120, platform: int = 0) -> Report:
    org = Org()
    org.license(total=total)
    if platform:
        org.license(PLATFORM, name="Salesforce Platform", key="AUL", total=platform)
    org.regulars(60)
    return compose(org.analyse(contract=contract), "acme")


def crm_price(found: Report) -> PriceLine:
    return next(line for line in found.prices if line.pool == CRM)


def when(found: Report) -> str:
    cards = cast("list[dict[str, str]]", summary_data(found)["cards"])
    return next(card["sub"] for card in cards if card["label"] == "Cash at renewal")


def test_a_former_and_a_coming_term_are_not_added_to_the_present_one() -> None:
    found = report(FORMER, PRESENT, COMING)
    assert [(line.contracted, line.drift, line.in_force) for line in found.contract] == [
        (100, 0, False),
        (120, 0, True),
        (200, 0, False),
    ]
    ready = found.readiness[0]
    assert (ready.bought, ready.minimum) == (120, 0)
    assert crm_price(found).price == Decimal(150)
    assert found.money[0].cash_at_renewal == (120 - 63) * 150 * 12
    assert any("2 lines of the contract file" in text for text in found.assumptions)
    assert {step.day.year for step in found.plan} == {2026, 2027, 2028}  # none of the term that is over


def test_a_term_that_renewed_itself_counts_until_the_file_has_the_next_one() -> None:
    found = report(FORMER)
    assert (found.readiness[0].bought, found.readiness[0].minimum) == (100, 90)
    assert any("taken to have renewed itself" in text for text in found.assumptions)
    assert str(summary_data(found)["deadline"]).startswith(
        "Unknown: by your contract file the term of Salesforce ended"
    )
    assert "its day is not known" in when(found)


def test_a_term_that_is_over_and_does_not_renew_is_no_contract() -> None:
    over = ContractItem("SFDC", 100, date(2026, 1, 31), unit_price=Decimal(100), auto_renew=False)
    found = report(over)
    assert found.readiness[0].bought == 120
    assert crm_price(found).basis == "list"


@pytest.mark.parametrize(("end", "counts"), [(date(2026, 11, 22), True), (date(2026, 11, 21), False)])
def test_a_term_counts_up_to_its_last_day(end: date, *, counts: bool) -> None:
    line = ContractItem("SFDC", 100, end, auto_renew=False)
    assert report(line).contract[0].in_force is counts


def test_several_lines_cost_their_average_by_quantity_and_say_so() -> None:
    lines = (
        ContractItem("SFDC", 100, date(2027, 1, 31), unit_price=Decimal(150), source="Q-1"),
        ContractItem("SFDC", 50, date(2027, 1, 31), unit_price=Decimal(120), source="Q-2"),
    )
    price = crm_price(report(*lines, total=150))
    assert (price.price, price.currency, price.basis, price.source) == (Decimal(140), "USD", "yours", "Q-1; Q-2")
    assert "100 x 150 USD, 50 x 120 USD" in price.note


def test_lines_in_two_currencies_have_no_price_together() -> None:
    lines = (
        ContractItem("SFDC", 100, date(2027, 1, 31), unit_price=Decimal(150)),
        ContractItem("SFDC", 50, date(2027, 1, 31), unit_price=Decimal(120), currency="EUR"),
    )
    found = report(*lines, total=150)
    assert (crm_price(found).price, found.money) == (None, ())
    assert "one price for both cannot be said" in crm_price(found).note


def test_the_page_names_the_first_notice_of_all_terms_that_save_money() -> None:
    found = report(
        ContractItem("SFDC", 100, date(2027, 1, 31)),
        ContractItem("AUL", 50, date(2027, 2, 28), notice_days=90),
        platform=50,
    )
    assert when(found).startswith(
        "When: term by term, the first after 31 January 2027, if notice is given in time, first by 30 November 2026."
    )


def test_a_licence_without_a_contract_line_has_no_day() -> None:
    found = report(ContractItem("AUL", 50, date(2027, 2, 28)), platform=50)
    assert "of other licences the day is not known" in when(found)


@pytest.mark.parametrize(
    ("renews", "says"),
    [(True, "at the renewal after next: notice is overdue"), (False, "after 1 December 2026, when the term ends")],
)
def test_notice_is_overdue_only_for_a_term_that_renews_by_itself(*, renews: bool, says: str) -> None:
    assert says in when(report(ContractItem("SFDC", 100, date(2026, 12, 1), auto_renew=renews)))


@pytest.mark.parametrize("end", ["9999-12-31", "0001-01-01", "1999-12-31", "2101-01-01"])
def test_a_term_without_a_real_end_is_refused(end: str) -> None:
    with pytest.raises(PricesInvalid, match="line 2: the end lies outside 2000 to 2100"):
        parse_contract(f"license,quantity,end\nSFDC,5,{end}\n", "c.csv")


def test_a_term_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(PricesInvalid, match="line 2: the start lies behind the end"):
        parse_contract("license,quantity,start,end\nSFDC,5,2027-02-01,2027-01-31\n", "c.csv")


@pytest.mark.parametrize(("cap", "allowed"), [(None, 5), ("10", 5), ("7", 4), ("6.5", 3), ("0", 1)])
def test_a_rise_above_the_contract_s_cap_says_so(cap: str | None, allowed: int) -> None:
    line = ContractItem(
        "SFDC", 100, date(2027, 1, 31), unit_price=Decimal(150), uplift_cap=None if cap is None else Decimal(cap)
    )
    cases = {scenario.price_case for scenario in report(line).scenarios} - {"list"}
    assert (len(cases), sum(1 for case in cases if "above your cap" not in case)) == (5, allowed)


@pytest.mark.parametrize(("minimum", "says"), [(0, "with the reserve all"), (40, "the contract's minimum all")])
def test_a_minimum_that_no_contract_has_is_not_named(minimum: int, says: str) -> None:
    line = ContractItem("SFDC", 63, date(2027, 1, 31), minimum_quantity=minimum)
    page = summary_data(report(line, total=63))
    assert (says in str(page["standfirst"]), page["headline"]) == (True, "No assigned seat looks unused.")


@pytest.mark.parametrize(
    ("sure", "exempt", "told"),
    [
        (1, (), "release the 1 sure seat, unless your leave list has its holder"),
        (3, (), "check the 3 sure seats against your leave list and release the rest"),
        (3, ("ivan.0@x.example",), "release the 2 sure seats, if all who are on leave are in your file of exemptions"),
    ],
)
def test_nobody_is_told_to_release_seats_of_people_on_leave(sure: int, exempt: tuple[str, ...], told: str) -> None:
    org = Org()
    org.license(total=70)
    org.regulars(60)
    for n in range(sure):
        org.user(f"Ivan {n}", last=130, email=f"ivan.{n}@x.example")
    org.user("Bea", last=100)
    leave = [Exemption(who, "parental leave", ExemptionKind.LEAVE) for who in exempt]
    steps = " ".join(cast("list[str]", summary_data(compose(org.analyse(exemptions=leave), "acme"))["next"]))
    assert f"Now: {told}; ask about the 1 other (listed" in steps


def test_a_slip_in_a_licence_s_name_does_not_pass_in_silence() -> None:
    org = Org()
    org.license()
    org.regulars(10)
    analysis = org.analyse(
        contract=[ContractItem("SFCD", 100, date(2027, 1, 31)), ContractItem(" sfdc", 9, date(2027, 1, 31))],
        prices=[CustomerPrice("Sales Force", Decimal(1), "USD"), CustomerPrice("salesforce integration", None, "USD")],
        licenses=[LicenseThresholds("AULL_IGHT", 180), LicenseThresholds("Salesforce", 60)],
    )
    told = [text for text in compose(analysis, "acme").assumptions if text.startswith("Entries of the")]
    assert told == [
        "Entries of the contract file that name no licence of this org, or several, and count for nothing: 1 (SFCD).",
        "Entries of the price file that name nothing of this org, and count for nothing: 1 (Sales Force).",
        "Entries of the settings file that name no licence of this org, and count for nothing: 1 (AULL_IGHT).",
    ]


def test_a_price_without_a_currency_is_refused_and_not_taken_for_dollars() -> None:
    with pytest.raises(PricesInvalid, match="line 2: the unit price has no currency"):
        parse_contract("license,quantity,end,unit_price\nSFDC,5,2027-01-31,150\n", "c.csv")
    (line,) = parse_contract("license,quantity,end\nSFDC,5,2027-01-31\n", "c.csv")
    assert line.unit_price is None
