"""Contract lines of permission set licences: what they pay for, what is needed of it, and what no line may count twice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import cast

import msgspec
import pytest

from isthmus.audit.composing.compose import compose
from isthmus.audit.evidence.bundle import bundle_files
from isthmus.audit.evidence.verify import verify_files
from isthmus.audit.figures import PslLine, Report
from isthmus.audit.given.contract import ContractItem
from isthmus.audit.given.options import LicenseThresholds
from isthmus.audit.given.prices import CustomerPrice
from isthmus.audit.model import PSLS_UNAVAILABLE
from isthmus.audit.report.summary import summary_data
from tests.unit.audit.world import Org, found

CPQ = ContractItem(
    "CpqPsl",
    40,
    date(2027, 1, 31),
    sku="CPQ",
    unit_price=Decimal(75),
    notice_days=45,
    uplift_cap=Decimal(5),
    minimum_quantity=10,
    source="Q-7",
)


def company(*, total: int = 50, held: int = 20, absent: int = 4) -> Org:
    """People who hold the permission set licence, some of whom have not come for long."""
    org = Org()
    org.license(total=80)
    org.regulars(30)
    psl = org.psl(total=total, used=held + absent)
    for user in org.users[:held]:
        org.grant(user, psl, 90)
    for n in range(absent):
        org.grant(org.user(f"Ivan {n}", last=130), psl, 300)
    return org


def report(
    org: Org,
    *contract: ContractItem,
    prices: Sequence[CustomerPrice] = (),
    licenses: Sequence[LicenseThresholds] = (),
) -> Report:
    return compose(org.analyse(contract=contract, prices=prices, licenses=licenses), "acme")


def pool(found: Report) -> PslLine:
    return found.psls[0]


def test_a_line_gives_price_quantity_days_and_minimum_of_its_permission_set_licence() -> None:
    found = report(company(), CPQ)
    line = pool(found)
    assert (line.unit_price, line.currency, line.price_basis) == (Decimal(75), "USD", "yours")
    (item,) = found.contract
    assert (item.pool, item.product, item.contracted, item.provisioned, item.drift) == (line.id, "CPQ", 40, 50, 10)
    assert (item.notice_deadline, item.days_left, item.minimum, item.in_force) == (date(2026, 12, 17), 25, 10, True)
    assert found.deadline == date(2026, 12, 17)
    assert [step.day for step in found.plan if step.product == "CPQ"][-2:] == [date(2026, 12, 17), date(2027, 1, 31)]
    assert not any("count for nothing" in text for text in found.assumptions)


def test_required_seats_are_those_assigned_less_absent_holders_and_no_peak_is_made_up() -> None:
    found = report(company(), CPQ)
    ready = next(line for line in found.readiness if line.pool == pool(found).id)
    assert (ready.bought, ready.assigned, ready.minimum, ready.spot) == (40, 24, 10, 21)  # 20 x 1.05
    assert (ready.conservative, ready.base, ready.aggressive, ready.forecast, ready.weeks) == (None,) * 4 + (0,)
    assert "weekly seats of permission set licences are not kept" in ready.note
    assert "weekly seats of permission set licences are not kept" in ready.forecast_note
    assert (ready.fewer_base, pool(found).renewal_seats) == (19, 19)
    assert pool(found).renewal_monthly == 19 * 75
    assert ready.break_even_percent == Decimal("90.5")  # 19 of 40, as f / (1 - f)


@pytest.mark.parametrize(("minimum", "fewer"), [(0, 19), (21, 19), (22, 18), (40, 0), (60, 0)])
def test_the_minimum_ends_what_can_be_saved(minimum: int, fewer: int) -> None:
    found = report(company(), msgspec.structs.replace(CPQ, minimum_quantity=minimum))
    assert (pool(found).renewal_seats, found.readiness[-1].fewer_base) == (fewer, fewer)


def test_prices_rise_up_to_the_cap_in_its_scenarios() -> None:
    lines = [line for line in report(company(), CPQ).scenarios if line.product == "CpqPsl" and line.years == 1]
    assert {(line.case, line.quantity) for line in lines} == {("as is", 40), ("today", 21)}
    assert {line.price_case for line in lines} == {
        "flat", "+3 %", "+6 %, above your cap", "+7 %, above your cap", "+10 %, above your cap"
    }  # fmt: skip
    flat = next(line for line in lines if line.case == "today" and line.price_case == "flat")
    assert (flat.annual, flat.difference) == (Decimal(21 * 75 * 12), Decimal(-19 * 75 * 12))


def test_headroom_and_hires_of_the_permission_set_licence_count_everywhere() -> None:
    own = LicenseThresholds("CpqPsl", headroom=Decimal("0.5"), hires=3)
    found_ = report(company(), CPQ, licenses=[own])
    assert (found_.readiness[-1].spot, pool(found_).renewal_seats) == (33, 7)  # 20 x 1.5 + 3
    assert found(company().analyse(contract=[CPQ], licenses=[own]), "R23") == [pool(found_).id]  # 40 - 24 - 12 - 3 = 1
    more = msgspec.structs.replace(own, hires=4)
    assert found(company().analyse(contract=[CPQ], licenses=[more]), "R23") == []


def test_without_a_line_or_a_price_of_yours_what_nobody_holds_may_come_bundled() -> None:
    alone = report(company())
    assert (pool(alone).unit_price, alone.contract, [line.product for line in alone.readiness]) == (
        None, (), ["Salesforce"]
    )  # fmt: skip
    priceless = report(company(), msgspec.structs.replace(CPQ, unit_price=None))
    assert (pool(priceless).unit_price, pool(priceless).renewal_seats) == (None, 19)  # seats, and no amount
    assert found(company().analyse(contract=[CPQ]), "R23") == [pool(alone).id]
    assert found(company().analyse(), "R23") == []


def test_no_more_seats_are_worth_money_than_are_paid_for() -> None:
    few = msgspec.structs.replace(CPQ, quantity=3, minimum_quantity=0)
    found = report(company(), few)
    crm = found.licenses[0]
    assert crm.reclaim_monthly == 4 * 175
    assert pool(found).reclaim_monthly == 3 * 75  # four were found, the others came with something else
    assert pool(found).renewal_monthly == 0
    total = found.money[0]
    assert total.annual_cost == Decimal(12 * (80 * 175 + 3 * 75))


def test_the_seat_and_the_grant_of_one_person_are_two_purchases_each_counted_once() -> None:
    found = report(company(absent=1), CPQ)
    mine = {(line.rule, line.valued) for line in found.findings if line.subject == "Ivan 0"}
    assert mine == {("R08", True), ("R12", True)}
    assert found.money[0].reclaim_now == Decimal(12 * (175 + 75))


def test_a_name_of_a_user_licence_is_never_a_permission_set_licence_too() -> None:
    org = company()
    org.psls[0] = msgspec.structs.replace(org.psls[0], label="Salesforce")
    found = report(org, ContractItem("Salesforce", 70, date(2027, 1, 31)))
    assert [line.pool for line in found.contract] == [found.licenses[0].id]
    assert pool(found).renewal_seats == 4  # as without a contract: those found


def test_a_label_of_two_permission_set_licences_is_neither_and_a_key_is_that_one() -> None:
    org = company()
    other = org.psl("0PL000000000002AAA", key="OtherPsl", total=9, used=1)
    org.psls = [msgspec.structs.replace(row, label="Quoting") for row in org.psls]
    both = report(org, msgspec.structs.replace(CPQ, license="quoting"))
    assert both.contract == ()
    assert any("or several, and count for nothing: 1 (quoting)" in text for text in both.assumptions)
    one = report(org, msgspec.structs.replace(CPQ, license="otherpsl"))
    assert [line.pool for line in one.contract] == [other.id]


def test_lines_in_two_currencies_have_no_price_and_a_price_of_yours_wins() -> None:
    euro = msgspec.structs.replace(CPQ, currency="EUR", quantity=5)
    assert (pool(report(company(), CPQ, euro)).unit_price, report(company(), CPQ, euro).readiness[-1].bought) == (
        None,
        45,
    )
    own = report(company(), CPQ, prices=[CustomerPrice("CpqPsl", Decimal(60), "USD")])
    assert pool(own).unit_price == Decimal(60)


def test_your_file_says_that_something_is_not_to_be_valued_whatever_the_contract_has() -> None:
    crm = ContractItem("SFDC", 80, date(2027, 1, 31), unit_price=Decimal(150))
    nothing = [CustomerPrice("CpqPsl", None, "USD"), CustomerPrice("SFDC", None, "USD")]
    found = report(company(), CPQ, crm, prices=nothing)
    assert (pool(found).unit_price, found.licenses[0].unit_price, found.money) == (None, None, ())


def test_a_price_of_zero_is_bundled_so_that_nobody_is_told_to_renew_fewer() -> None:
    free = msgspec.structs.replace(CPQ, unit_price=Decimal(0))
    assert found(company().analyse(contract=[free]), "R23") == []
    assert report(company(), free).psls[0].renewal_monthly == 0


def test_a_former_term_of_a_permission_set_licence_counts_for_nothing() -> None:
    over = msgspec.structs.replace(CPQ, end=date(2026, 1, 31), auto_renew=False)
    found = report(company(), over)
    assert (pool(found).unit_price, found.contract[0].in_force) == (None, False)
    assert [line.product for line in found.readiness] == ["Salesforce"]


def test_permission_set_licences_that_cannot_be_read_are_not_said_to_be_missing() -> None:
    org = company()
    org.psls, org.assigns, org.unavailable = [], [], (PSLS_UNAVAILABLE,)
    told = [text for text in report(org, CPQ).assumptions if "contract file that name" in text]
    assert [text.partition(", and count")[0] for text in told] == [
        "Entries of the contract file that name no licence of this org that can be read, or several"
    ]


def test_the_page_the_bundle_and_the_cases_hold_with_a_line_of_each_kind() -> None:
    org = company()
    crm = ContractItem("SFDC", 80, date(2027, 3, 31), unit_price=Decimal(150))
    analysis = org.analyse(contract=[crm, CPQ])
    whole = compose(analysis, "acme")
    page = summary_data(whole)
    assert "notice for CPQ (CpqPsl) is due by 17 December 2026" in str(page["deadline"])
    table = cast("dict[str, list[dict[str, list[str]]]]", page["table"])
    add_on = next(row["cells"] for row in table["rows"] if str(row["name"]) == "Add-on: CpqPsl")
    assert (add_on[0], add_on[1], add_on[9], add_on[10]) == ("40", "24", "21", "19")
    assert verify_files(bundle_files(analysis.view.snapshot, analysis.basis, "acme", whole)).report == whole
