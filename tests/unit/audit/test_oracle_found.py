"""Faults that the second calculator (tests/oracle) told apart from the texts, each with the least org that shows it."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import msgspec
import pytest

from isthmus.audit.composing.compose import compose
from isthmus.audit.given.contract import ContractItem
from isthmus.audit.given.prices import CustomerPrice
from isthmus.audit.rules.r08_inactive import SEASON_SPAN, went_together
from tests.unit.audit.world import NOW, Org, ago, found, graded

DOLLARS = (CustomerPrice("SFDC", Decimal(100), "USD"),)
DAY_US = 86_400_000_000


def test_hints_about_seats_used_beyond_what_there_is_are_no_money_at_risk() -> None:
    """Seven of ten hints only bring the used seats back to what the org has: three seats can be used again."""
    org = Org()
    org.license(total=23)
    org.regulars(20)
    for number in range(10):
        org.user(f"Back {number}", last=95, human=[95, 170])  # grade C: came back before
    (total,) = compose(org.analyse(prices=DOLLARS), "acme").money
    assert (total.reclaim_seats, total.risk_seats, total.at_risk) == (0, 3, 3 * 100 * 12)


@pytest.mark.parametrize(("total", "used", "least"), [(5, 1, 1), (1, 2, 1), (2, 4, 1), (9, 4, 3)])
def test_no_more_grants_are_at_risk_than_the_org_has_and_counts_as_used(total: int, used: int, least: int) -> None:
    org = Org()
    org.regulars(20)
    psl = org.psl(total=total, used=used)
    for number in range(3):
        org.grant(org.user(f"Gone {number}", active=False, last=200), psl, 100)  # grade C: the count explains nothing
    (money,) = compose(org.analyse(prices=(CustomerPrice("CpqPsl", Decimal(10), "EUR"),)), "acme").money[-1:]
    assert (money.currency, money.risk_seats, money.at_risk) == ("EUR", least, 120 * least)


def test_no_more_seats_of_an_add_on_are_worth_money_than_its_contract_has() -> None:
    """Three are certain and two are asked about; the contract has four."""
    org = Org()
    org.regulars(20)
    psl = org.psl(total=30, used=10)
    for number in range(3):
        org.grant(org.user(f"Never {number}", last=None, created=200), psl, 100)
    for number in range(2):
        org.grant(org.user(f"Gone {number}", active=False, last=200), psl, 100)
    line = ContractItem("CpqPsl", 4, date(2027, 1, 31), unit_price=Decimal(10), currency="EUR")
    (total,) = (t for t in compose(org.analyse(contract=(line,)), "acme").money if t.currency == "EUR")
    assert (total.reclaim_seats, total.risk_seats) == (3, 1)


def test_an_empty_price_of_yours_is_not_overruled_by_the_contract() -> None:
    org = Org()
    org.license(total=30)
    org.regulars(20)
    org.user("Ivan", last=130)
    line = ContractItem("SFDC", 30, date(2027, 1, 31), unit_price=Decimal(90))
    report = compose(org.analyse(prices=(CustomerPrice("SFDC", None, "USD"),), contract=(line,)), "acme")
    assert (report.money, report.unpriced_seats, report.licenses[0].unit_price) == ((), 1, None)


def test_software_is_not_counted_over_days_that_the_history_does_not_have() -> None:
    org = Org(history_days=89)
    org.regulars(20)
    org.user("Robot", last=1, human=[], machine=[d + 0.5 for d in range(60)])
    (line,) = compose(org.analyse(), "acme").licenses
    assert (line.active_60, line.active_90, line.machines_90) == (20, None, None)


def test_somebody_who_left_long_before_hides_no_department_that_went_silent_together() -> None:
    org = Org()
    org.regulars(20)
    for number in range(8):
        org.user(f"Season {number}", last=100 + number, department="Harvest")
    org.user("Long gone", last=170, department="Harvest")
    org.user("Still here", last=1, department="Harvest")
    analysis = org.analyse()
    assert [graded(analysis, "R08", f"Season {number}") for number in range(8)] == ["C"] * 8
    assert graded(analysis, "R08", "Long gone") == "A"


@pytest.mark.parametrize(
    ("days", "holders", "together"),
    [
        ([0, 1, 2, 3, 14], 6, [5, 5, 5, 5, 5]),
        ([0, 1, 2, 3, 14], 7, [0, 0, 0, 0, 0]),  # not four fifths
        ([0, 1, 2, 3], 4, [0, 0, 0, 0]),  # not five
        ([0, 10, 11, 12, 13, 24], 6, [5, 5, 5, 5, 5, 5]),  # two spans of five
        ([0, 20, 21, 22, 23, 24], 6, [0, 5, 5, 5, 5, 5]),
        ([], 0, []),
    ],
)
def test_people_went_together_who_lie_within_two_weeks_with_enough_others(
    days: list[int], holders: int, together: list[int]
) -> None:
    assert timedelta(days=14) == SEASON_SPAN
    assert went_together([day * DAY_US for day in days], holders) == together


def test_a_seat_that_only_a_name_joins_is_not_surer_because_others_are_joined_by_an_address() -> None:
    org = Org()
    org.regulars(20)
    org.user("Jo Poe", last=60, department="Sales", email="one@acme.example")
    for number, local in enumerate(("jo.poe.old", "jo.poe2")):
        user = org.user("Jo Poe", last=3 + number, department="Sales", email="two@acme.example")
        org.users[-1] = msgspec.structs.replace(user, username=f"{local}@acme.example")
    analysis = org.analyse()
    (finding,) = (f for f in analysis.findings if f.rule == "R15")
    assert (found(analysis, "R15"), finding.grade.value, {f.label: f.value for f in finding.facts}) == (
        ["Jo Poe"],
        "C",
        {
            "joined by": "name",
            "weight of these signs": 2,
            "seats of the person": 3,
            "last login here": ago(60),
            "last login elsewhere": ago(3),
        },
    )


def test_the_tag_of_a_role_address_does_not_make_it_a_persons() -> None:
    org = Org()
    org.regulars(20)
    org.user("Kim", last=40, email="Support+kim@acme.example")
    org.user("Lee", last=2, email="support@acme.example.invalid")
    (finding,) = (f for f in org.analyse().findings if f.rule == "R15")
    assert (finding.grade.value, finding.traps) == ("C", ("joined by a role's address, which several people may read",))


@pytest.mark.parametrize(("days", "hit"), [(-1, False), (0, True), (1, True), (None, True)])
def test_a_permission_set_licence_that_has_ended_replaces_none(days: int | None, *, hit: bool) -> None:
    org = Org()
    org.regulars(20)
    user = org.user("Ann", last=1)
    less, more = org.psl(permissions=["A"]), org.psl("0PL000000000002AAA", key="More", permissions=["A", "B"])
    ends = None if days is None else NOW.date() + timedelta(days=days)
    org.psls[1] = msgspec.structs.replace(more, expires_on=ends)
    org.grant(user, less, 5)
    org.grant(user, more, 5)
    assert found(org.analyse(), "R14") == (["Ann"] if hit else [])


def test_nothing_is_saved_at_the_renewal_of_seats_that_nobody_counts() -> None:
    """A negative total is no count: `readiness` has no line of the pool, so the cash has none of its seats either."""
    org = Org()
    org.license(total=-1)
    org.regulars(5)
    for number in range(6):
        org.user(f"Gone {number}", last=150)
    report = compose(org.analyse(prices=DOLLARS), "acme")
    (total,) = report.money
    assert (report.readiness, total.renewal_seats, total.cash_at_renewal, total.annual_cost) == ((), 0, 0, 0)
    assert total.reclaim_seats == 6


def test_somebody_on_a_licence_that_is_not_listed_is_in_no_sum_of_seats() -> None:
    org = Org()
    org.regulars(20)
    org.user("Fresh", last=None, created=5)
    org.user("Odd", last=60, seat="100000000000099AAA")
    report = compose(org.analyse(inactive_days=45), "acme")
    assert (report.seats_assigned, report.seats_active, report.seats_unused, report.seats_other) == (21, 20, 0, 1)


def test_an_org_without_paid_licences_has_no_count_where_nobody_can_be_seen() -> None:
    org = Org(blind=True)
    org.license(name="Chatter Free", key="")
    org.regulars(5)
    blind = compose(org.analyse(), "acme")
    assert (blind.seats_active, blind.seats_unused, blind.seats_unused_a, blind.seats_other) == (None,) * 4
    org.blind = False
    seen = compose(org.analyse(), "acme")
    assert (seen.seats_active, seen.seats_unused, seen.seats_unused_a, seen.seats_other) == (0,) * 4
