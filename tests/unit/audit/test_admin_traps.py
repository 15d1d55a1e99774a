"""What an administrator knows and a table of rules does not say: odd counts, odd accounts, odd numbers. By hand."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, cast

import msgspec
import pytest

from isthmus.audit.composing.compose import compose
from isthmus.audit.figures import Report
from isthmus.audit.given.catalogue import Category, category_of
from isthmus.audit.given.contract import ContractItem
from isthmus.audit.given.options import AuditOptions
from isthmus.audit.given.prices import CustomerPrice
from isthmus.audit.judge import judge
from isthmus.audit.model import LoginKind
from isthmus.audit.people import normal_number
from isthmus.audit.report.focus import render_focus
from isthmus.audit.report.summary import summary_data
from isthmus.audit.report.summary_table import license_rows
from isthmus.values import Secret
from tests.unit.audit.world import CRM, NOW, PLATFORM, Org, found, graded

INTEGRATION = "100000000000003AAA"
DAILY = [day + 0.5 for day in range(100)]


def company(people: int = 10, *, total: int = 100) -> Org:
    org = Org()
    org.license(total=total)
    org.regulars(people)
    return org


def robot(org: Org, name: str, seat: str = CRM) -> None:
    org.user(name, last=0.5, human=[], machine=DAILY, seat=seat)


def report(org: Org, **settings: Any) -> Report:
    return compose(org.analyse(**settings), "acme")


# Counts that are none -----------------------------------------------------------------------------------------------


def test_a_seat_whose_licence_is_not_visible_stops_no_audit_and_has_no_price() -> None:
    org = company()
    org.user("Lost Never", last=None, created=200, seat="100GONE")
    robot(org, "Lost Robot", "100GONE")
    outcome = report(org)
    assert {(f.rule, f.subject) for f in outcome.findings if f.pool == "100GONE"} == {
        ("R06", "Lost Never"),
        ("R09", "Lost Robot"),
    }
    assert all(f.saving_monthly is None for f in outcome.findings if f.pool == "100GONE")


def test_a_negative_total_is_no_count_of_seats() -> None:
    org = company(total=-1)
    org.psl(total=-1, used=3)
    outcome = report(org)
    assert (outcome.findings, outcome.seats_purchased, outcome.readiness) == ((), 0, ())
    assert [(row.bought, row.cost) for row in license_rows(outcome)] == [(None, None)]
    org.user("Ivan", last=130)
    assert [(total.reclaim_seats, total.renewal_seats) for total in report(org).money] == [(1, 0)]  # 5 % headroom


def test_a_licence_that_has_ended_is_neither_bought_nor_paid_for_nor_used_again() -> None:
    org = company(total=20)
    org.license("100OLD", name="Old Cloud", key="AUL1", total=500, status="Disabled")
    org.user("Ivan", last=130, seat="100OLD")
    prices = (CustomerPrice("SFDC", Decimal(100), "USD"), CustomerPrice("AUL1", Decimal(10), "USD"))
    outcome = report(org, prices=prices)
    (total,) = outcome.money
    assert (outcome.seats_purchased, outcome.seats_assigned, total.reclaim_seats) == (20, 11, 0)
    assert (total.annual_cost, total.cash_at_renewal) == (20 * 100 * 12, 9 * 100 * 12)
    assert total.break_even_uplift_percent == Decimal("81.8")  # 10,800 of 24,000
    assert outcome.weeks[-1].purchased == 20
    page = {row.name: (row.bought, row.cost) for row in license_rows(outcome)}
    assert page == {"Salesforce": (20, Decimal(24_000)), "Old Cloud": (0, Decimal(0))}
    assert "Old Cloud" not in render_focus(outcome).decode()
    assert found(org.analyse(), "R18") == ["100OLD"]


@pytest.mark.parametrize(("total", "used", "hit"), [(0, 1, True), (0, 0, False), (3, 3, False), (3, 4, True)])
def test_a_pool_of_permission_set_licences_with_more_used_than_there_are_is_noted(
    total: int, used: int, *, hit: bool
) -> None:
    org = company()
    org.psl(total=total, used=used)
    assert bool(found(org.analyse(), "R23")) is hit


@pytest.mark.parametrize(("total", "seats"), [(0, 0), (1, 0), (0, 1)])
def test_an_org_of_next_to_nothing_has_its_documents(total: int, seats: int) -> None:
    org = Org()
    org.license(total=total, used=seats)
    documents = judge(org.snapshot(), AuditOptions(), "acme").documents
    assert documents["report.pdf"].startswith(b"%PDF-")


def test_nothing_is_said_of_how_long_somebody_has_had_the_seat() -> None:
    org = company()
    org.user("Nora", last=None, created=200)
    (why,) = [f.why for f in org.analyse().findings if f.rule == "R06"]
    assert why == "Created 200 days ago, holds a paid seat and never logged in."


# Software, and administrators ---------------------------------------------------------------------------------------


def test_a_grant_to_an_account_that_only_software_uses_is_not_called_unused() -> None:
    org = company()
    org.license(INTEGRATION, name="Salesforce Integration", key="", total=5)
    robot(org, "Robot", INTEGRATION)
    org.grant(org.users[-1], org.psl(key="SalesforceAPIIntegrationPsl"), 60)
    assert found(org.analyse(), "R11") == []


def test_a_person_since_whose_grant_only_software_logged_in_is_asked_about_in_these_words() -> None:
    org = company()
    org.grant(org.user("Pia", last=5, human=[100], machine=[5]), org.psl(used=1), 60)
    (why,) = [f.why for f in org.analyse().findings if f.rule == "R11"]
    assert why == "CpqPsl was granted 60 days ago; no login in person since."


@pytest.mark.parametrize("kind", [LoginKind.SYSTEM, LoginKind.WEAK])
def test_an_administrator_who_logs_in_as_somebody_does_not_make_them_present(kind: LoginKind) -> None:
    org = company()
    ina = org.user("Ina", last=130)
    org.login(ina, 10, kind)
    analysis = org.analyse()
    assert graded(analysis, "R08", "Ina") == "A"
    line = next(f for f in compose(analysis, "acme").findings if f.subject == "Ina")
    assert line.last_login_at == NOW - timedelta(days=130)


def test_two_currencies_do_not_move_onto_the_same_free_seats() -> None:
    org = company()
    org.license("100WONDER", name="Wonder", key="W", total=20)
    org.license(INTEGRATION, name="Salesforce Integration", key="", total=2)
    for n in range(3):
        robot(org, f"Robot {n}")
        robot(org, f"Bot {n}", "100WONDER")
    prices = (CustomerPrice("SFDC", Decimal(100), "USD"), CustomerPrice("W", Decimal(50), "EUR"))
    assert sum(line.moved for line in report(org, prices=prices).moves) == 2


# Persons ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", ["0", "000", "n/a", "N/A", "-", " none ", "99999", "XXX", "TBD"])
def test_what_people_write_where_there_is_no_number_joins_nobody(number: str) -> None:
    org = company()
    org.user("Ann One", employee_number=number)
    org.user("Bob Two", employee_number=number)
    assert found(org.analyse(), "R15") == []


@pytest.mark.parametrize("number", ["7", "0042", "A-1", "9", "99", "nanni"])
def test_a_short_number_is_one(number: str) -> None:
    assert normal_number(f" {number.upper()} ") == number.casefold()


def test_pseudonyms_join_the_same_persons_as_names() -> None:
    org = company()
    for name, number in (("Ann", "n/a"), ("Bob", "N/A"), ("Cyd", "ab-1"), ("Dee", " AB-1")):
        org.user(name, employee_number=number)
    keyed = judge(org.snapshot(), AuditOptions(pseudonym_key=Secret(b"k" * 32)), "acme").report
    assert [f.subject_id for f in keyed.findings if f.rule == "R15"] == [
        f.subject_id for f in report(org).findings if f.rule == "R15"
    ]
    assert sum(1 for f in keyed.findings if f.rule == "R15") == 1


@pytest.mark.parametrize(("created", "grade"), [(29.9, "C"), (30.0, "B")])
def test_r15_trap_an_account_that_the_person_may_just_be_moving_to(created: float, grade: str) -> None:
    org = company()
    org.license(PLATFORM, name="Salesforce Platform", key="AUL", total=5)
    org.user("Ann Old", last=40, email="ann@acme.example")
    org.user("Ann New", last=None, created=created, seat=PLATFORM, email="ann@acme.example")
    assert graded(org.analyse(), "R15", "Ann New") == grade


# Holes --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hole", "says"),
    [((5,), "1 working day has"), ((5, 6), "2 working days have"), (range(5, 13), "6 working days have"), ((1,), "")],
)
def test_a_hole_of_several_days_is_as_much_a_hole_as_one_of_a_day(hole: tuple[int, ...], says: str) -> None:
    org = Org()
    org.license()
    for n in range(8):
        org.user(f"Regular {n}", last=0.1, human=[day + 0.1 for day in range(180) if day not in hole])
    verdicts = [gate.says for gate in org.analyse().gates if gate.rule == "R03" and gate.verdict.value == "warn"]
    assert [text.partition(" no login")[0] for text in verdicts] == ([says] if says else [])


# Money --------------------------------------------------------------------------------------------------------------


def test_nothing_found_at_list_prices_is_not_called_your_price() -> None:
    assert [total.basis for total in report(company(20, total=20)).money] == ["list"]


def test_flat_means_the_price_of_today_to_its_last_digit() -> None:
    line = ContractItem("SFDC", 100, date(2027, 1, 31), unit_price=Decimal("58.3333"))
    flat = [s for s in report(company(), contract=[line]).scenarios if s.price_case == "flat" and s.case == "as is"]
    assert {(s.unit_price, s.difference) for s in flat} == {(Decimal("58.3333"), Decimal(0))}


@pytest.mark.parametrize(("headroom", "says"), [("0.125", "12.5 %"), ("0.005", "0.5 %"), ("0.1", "10 %"), ("0", "0 %")])
def test_headroom_is_printed_as_it_was_given(headroom: str, says: str) -> None:
    assert f"headroom is {says}." in report(company(), headroom=headroom).assumptions[0]


def test_cost_rows_are_of_the_seats_under_contract_not_of_free_ones() -> None:
    line = ContractItem("SFDC", 80, date(2027, 1, 31), unit_price=Decimal(10))
    rows = list(csv.DictReader(io.StringIO(render_focus(report(company(), contract=[line])).decode())))
    assert [(row["CommitmentDiscountStatus"], row["PricingQuantity"]) for row in rows] == [
        ("Used", "10"),
        ("Unused", "70"),
    ]


def test_somebody_may_be_active_and_unused_by_a_short_threshold_and_is_counted_once_among_the_others() -> None:
    org = company()
    for n in range(5):
        org.user(f"Mid {n}", last=50 + n)
    org.user("New", last=None, created=5)
    outcome = report(org, inactive_days=30)
    assert (outcome.seats_assigned, outcome.seats_active, outcome.seats_unused) == (16, 15, 5)
    assert outcome.seats_other == 1


def test_seats_under_contract_that_the_org_has_not_are_named_and_save_nothing_here() -> None:
    line = ContractItem("SFDC", 50, date(2027, 1, 31), unit_price=Decimal(10))
    outcome = report(company(30, total=40), contract=[line])
    ready = outcome.readiness[0]
    assert (ready.bought, ready.spot, ready.fewer_base) == (50, 32, 8)  # of the 40 that the org has
    assert ready.break_even_percent == Decimal("19.0")  # 8 of 50
    assert sum(row.fewer or 0 for row in license_rows(outcome)) == outcome.money[0].renewal_seats == 8
    card = cast("list[dict[str, str]]", summary_data(outcome)["seats"])[0]
    assert (card["label"], card["value"]) == ("In the org", "40")
    assert card["note"] == "paid seats, 10 held by nobody; 50 by contract"


def test_a_proxy_for_other_orgs_is_not_called_free() -> None:
    assert {category_of("", name) for name in ("XOrg Proxy User", "Cross Org Data Proxy User")} == {Category.LEGACY}


# R21, R24: no numbers of their own, but boundaries ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "created", "hit"),
    [(89.9, 400, False), (90.0, 400, True), (None, 29.9, False), (None, 30.0, True), (300, 400, True)],
)
def test_r21_begins_where_the_rule_that_it_follows_begins(last: float | None, created: float, *, hit: bool) -> None:
    org = company()
    org.user("Fay", last=last, created=created, features=("Marketing User", "Knowledge User"))
    analysis = org.analyse()
    assert (found(analysis, "R21") == ["Fay"]) is hit
    assert [f.why.partition(". ")[0] for f in analysis.findings if f.rule == "R21"] == (
        ["Has Marketing User, Knowledge User"] if hit else []
    )


def test_r21_follows_no_finding_that_is_information_only_and_no_deactivated_user() -> None:
    org = company()
    for n in range(5):  # a go-live ahead and a name of software: two traps make grade D
        org.user(f"Svc Bot {n}", last=None, created=40, features=("Flow User",))
    org.user("Gone", last=300, active=False, features=("Flow User",))
    analysis = org.analyse()
    assert graded(analysis, "R06", "Svc Bot 0") == "D"
    assert found(analysis, "R21") == []


@pytest.mark.parametrize(
    ("license_", "for_integrations", "active", "hit"),
    [
        ("Chatter Free", False, True, True),
        ("Chatter Free", True, True, True),
        ("Identity", False, True, True),
        ("Guest User License", False, True, True),
        ("Salesforce Integration", False, True, True),
        ("Salesforce Integration", True, True, False),
        ("Salesforce Integration", False, False, False),
        ("Salesforce Platform", False, True, False),
        ("Chatter Plus", False, True, False),
    ],
)
def test_r24_asks_about_light_licences_and_about_integrations_that_it_is_not_meant_for(
    license_: str, *, for_integrations: bool, active: bool, hit: bool
) -> None:
    org = company()
    org.license(INTEGRATION, name=license_, key="", total=5)
    psl = msgspec.structs.replace(org.psl(used=1), for_integrations=for_integrations)
    org.psls[-1] = psl
    org.grant(org.user("Gus", last=1, seat=INTEGRATION, active=active), psl, 10)
    hits = [f for f in org.analyse().findings if f.rule == "R24"]
    assert [f.grade.value for f in hits] == (["C"] if hit else [])
