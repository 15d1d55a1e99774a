"""The contract file: which lines count today, what several lines of one licence cost, and when money can be saved."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import cast

import pytest

from isthmus.audit.composing.compose import compose
from isthmus.audit.explain.explain import Explainer, Explanation
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


def explained(figure: str, *contract: ContractItem, total: int = 120) -> Explanation:
    org = Org()
    org.license(total=total)
    org.regulars(60)
    analysis = org.analyse(contract=contract)
    return Explainer(analysis, compose(analysis, "acme")).explain(figure)


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
    assert any("1 line of the contract file is of terms that are over" in text for text in found.assumptions)
    assert {step.day.year for step in found.plan} == {2027, 2028}  # none of the term that is over


def ramp(*seats: int, minimum: int = 0) -> tuple[ContractItem, ...]:
    """An order of years that follow one another, the present one first."""
    return tuple(
        ContractItem(
            "SFDC",
            count,
            date(2027 + year, 1, 31),
            start=date(2026 + year, 2, 1),
            unit_price=Decimal(150),
            minimum_quantity=minimum if year == len(seats) - 1 else 0,
            notice_days=60,
        )
        for year, count in enumerate(seats)
    )


@pytest.mark.parametrize(
    ("seats", "minimum", "fewer"),
    [
        ((120,), 0, 57),  # 63 of 120 are needed
        ((120, 150, 200), 0, 57),  # what the ramp adds is not bought yet
        ((120, 80), 0, 17),  # 40 of them end by the contract itself
        ((120, 50), 0, 0),
        ((120, 150, 200), 100, 20),  # the minimum is that of the last term
    ],
)
def test_seats_of_a_ramp_can_be_given_back_when_its_last_term_ends(
    seats: tuple[int, ...], minimum: int, fewer: int
) -> None:
    found = report(*ramp(*seats, minimum=minimum))
    assert (found.money[0].renewal_seats, found.readiness[0].fewer_base) == (fewer, fewer)
    assert found.money[0].annual_cost == Decimal(120 * 150 * 12)
    last = 2026 + len(seats)
    assert [(line.followed, line.renews) for line in found.contract] == [
        *[(True, False)] * (len(seats) - 1),
        (False, True),
    ]
    assert found.deadline == date(last - 1, 12, 2)
    notices = [step.day for step in found.plan if "notice in writing" in step.what]
    assert notices == [date(last - 1, 12, 2)]
    ends = [step.day.year for step in found.plan if "no notice is due" in step.what]
    assert ends == list(range(2027, last))
    assert {line.quantity for line in found.scenarios if line.case == "as is"} == {seats[-1]}
    assert any(f"when the last one ends, on {last}-01-31" in text for text in found.assumptions) is (len(seats) > 1)
    told = explained("licenses[0].renewal_seats", *ramp(*seats, minimum=minimum))
    assert sum(step.value for step in told.source.steps) == fewer
    if fewer and len(seats) > 1:
        assert f"after 31 January {last}" in when(found)
        assert f"2 December {last - 1}" in str(summary_data(found)["deadline"])


@pytest.mark.parametrize(
    ("start", "end", "follows"),
    [
        (date(2027, 1, 31), date(2028, 1, 30), True),
        (date(2027, 2, 1), date(2028, 1, 31), True),
        (date(2027, 2, 2), date(2028, 1, 31), False),  # a gap: nothing is signed for the day between
        (date(2026, 12, 1), date(2027, 1, 31), False),  # seats added up to the same end
        (None, date(2028, 1, 31), False),
    ],
)
def test_a_line_follows_that_begins_when_the_present_one_ends(start: date | None, end: date, *, follows: bool) -> None:
    coming = ContractItem("SFDC", 50, end, start=start)
    assert report(PRESENT, coming).contract[0].followed is follows


def test_of_two_products_that_end_together_only_the_one_that_was_renewed_is_followed() -> None:
    sales = ContractItem("SFDC", 60, date(2027, 1, 31), "Sales", Decimal(150))
    service = ContractItem("SFDC", 60, date(2027, 1, 31), "Service", Decimal(150))
    again = ContractItem("SFDC", 60, date(2028, 1, 31), "Sales", Decimal(150), start=date(2027, 2, 1))
    found = report(sales, service, again)
    assert [(line.product, line.followed) for line in found.contract] == [
        ("Sales", True), ("Service", False), ("Sales", False)
    ]  # fmt: skip
    assert found.deadline == service.notice_deadline


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
    cases = {scenario.price_case for scenario in report(line).scenarios}
    listed = {case for case in cases if case.startswith("list")}  # 175, a rise of 16.7 %
    assert listed == {"list" if cap is None else "list, above your cap"}
    cases -= listed
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


@pytest.mark.parametrize(
    ("column", "value", "says"),
    [
        ("minimum_quantity", "6", "the minimum quantity is above the quantity"),
        ("uplift_cap", "-3", "the uplift cap is no percentage from 0 to 100"),
        ("uplift_cap", "700", "the uplift cap is no percentage from 0 to 100"),
        ("uplift_cap", "seven", "the uplift cap is no percentage from 0 to 100"),
    ],
)
def test_a_minimum_or_a_cap_that_cannot_be_is_refused(column: str, value: str, says: str) -> None:
    with pytest.raises(PricesInvalid, match=f"line 2: {says}"):
        parse_contract(f"license,quantity,end,{column}\nSFDC,5,2027-01-31,{value}\n", "c.csv")


def test_an_uplift_cap_is_a_percentage_with_or_without_its_sign() -> None:
    for cap, number in (("7", 7), ("7%", 7), ("7 %", 7), ("0", 0), ("100", 100)):
        (line,) = parse_contract(f"license,quantity,end,uplift_cap\nSFDC,5,2027-01-31,{cap}\n", "c.csv")
        assert line.uplift_cap == number


def test_nothing_rises_from_a_price_of_zero() -> None:
    found = report(ContractItem("SFDC", 100, date(2027, 1, 31), unit_price=Decimal(0)))
    assert found.scenarios == ()
    assert (found.money[0].cash_at_renewal, found.money[0].break_even_uplift_percent) == (0, None)
    assert found.readiness[0].fewer_base == 37


@pytest.mark.parametrize(
    ("end", "renews", "which"),
    [
        (date(2026, 11, 22), True, "the contract after next"),  # it renews itself today
        (date(2026, 12, 21), True, "the contract after next"),  # notice was due yesterday
        (date(2026, 12, 22), True, "the next contract"),  # notice is due today
        (date(2026, 12, 21), False, "the next contract"),
        (date(2026, 11, 21), True, "the next contract"),  # renewed yesterday, until a day that is not known
    ],
)
def test_with_notice_overdue_the_next_contract_cannot_have_fewer_seats(end: date, *, renews: bool, which: str) -> None:
    found = report(ContractItem("SFDC", 100, end, unit_price=Decimal(150), auto_renew=renews))
    assert f"37 seats fewer in {which} you save" in str(summary_data(found)["standfirst"])
    assert found.contract[0].days_left == (end - date(2026, 12, 22)).days


def test_a_minimum_above_what_is_needed_is_what_is_renewed() -> None:
    found = report(ContractItem("SFDC", 100, date(2027, 1, 31), unit_price=Decimal(150), minimum_quantity=90))
    ready = found.readiness[0]
    assert (ready.spot, ready.fewer_base, ready.break_even_percent) == (90, 10, Decimal("11.1"))
    assert found.money[0].cash_at_renewal == 10 * 150 * 12


def test_the_list_price_of_a_term_that_renewed_itself_is_that_of_today() -> None:
    old = ContractItem("SFDC", 100, date(2025, 6, 30), unit_price=Decimal(150))  # 165 was the list price then
    listed = {line.unit_price for line in report(old).scenarios if line.price_case == "list"}
    assert listed == {Decimal(175)}
    assert any("nor whether its price has risen" in text for text in report(old).assumptions)
