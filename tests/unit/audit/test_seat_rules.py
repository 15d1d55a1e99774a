"""R08b, R09, R15 and R19: seats of software, of one person twice, of people who hardly come."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec
import pytest

from isthmus.audit.analysis import Analysis, analyse
from isthmus.audit.composing.compose import compose
from isthmus.audit.given.exemptions import Exemption
from isthmus.audit.given.prices import CustomerPrice
from isthmus.audit.given.snooze import Snooze, Snoozes
from isthmus.audit.model import LoginKind
from isthmus.audit.rules.r09_integration import FREE_SEAT
from tests.unit.audit.world import CRM, PLATFORM, Org, found, graded

INTEGRATION = "100000000000009AAA"


def company(**more: object) -> Org:
    org = Org(**more)
    org.license()
    org.regulars(10)
    return org


def robot(org: Org, name: str = "Robot", *, kind: LoginKind = LoginKind.MACHINE, logins: int = 20, **more: object):
    user = org.user(name, last=1, human=[], **more)
    for n in range(logins):
        org.login(user, 1 + n % 80, kind)
    return user


def worth(analysis: Analysis, rule: str) -> list[Decimal | None]:
    report = compose(analysis, "acme")
    return [f.saving_monthly for f in report.findings if f.rule == rule and f.valued]


# R09 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "grade"),
    [
        (LoginKind.MACHINE, "B"),
        (LoginKind.API, "B"),
        (LoginKind.SEEDED, "C"),
        (LoginKind.TOOL, None),
        (LoginKind.APP, None),
    ],
)
def test_an_integration_is_known_by_how_it_logs_in(kind: LoginKind, grade: str | None) -> None:
    org = company()
    robot(org, kind=kind, logins=40)  # a mobile-only rep (APP) and a developer (TOOL) are people
    analysis = org.analyse()
    assert found(analysis, "R09") == ([] if grade is None else ["Robot"])
    if grade is not None:
        assert graded(analysis, "R09", "Robot") == grade


@pytest.mark.parametrize(("logins", "hit"), [(19, False), (20, True)])
def test_fewer_than_twenty_logins_are_no_integration(logins: int, *, hit: bool) -> None:
    org = company()
    robot(org, logins=logins)
    assert (found(org.analyse(), "R09") == ["Robot"]) is hit


@pytest.mark.parametrize(("others", "hit"), [(1, True), (2, False)])
def test_software_makes_up_99_percent_of_the_logins(others: int, *, hit: bool) -> None:
    org = company()
    user = robot(org, logins=99)
    org.login(user, 3, LoginKind.WEAK, count=others)
    assert (found(org.analyse(), "R09") == ["Robot"]) is hit


def test_a_person_who_logged_in_lately_is_no_integration_and_one_of_long_ago_lowers_the_grade() -> None:
    org = company()
    org.login(robot(org, "Shared"), 30, LoginKind.UI)
    org.login(robot(org, "Consented"), 150, LoginKind.UI)
    analysis = org.analyse()
    assert found(analysis, "R09") == ["Consented"]
    assert graded(analysis, "R09", "Consented") == "C"


def test_a_login_that_we_do_not_see_keeps_an_account_from_being_called_an_integration() -> None:
    org = company()
    user = org.user("Hidden", last=1, human=[])
    for n in range(30):
        org.login(user, 20 + n, LoginKind.MACHINE)
    assert found(org.analyse(), "R09") == []


def test_an_integration_already_on_its_own_licence_is_left_alone() -> None:
    org = company()
    org.license(INTEGRATION, name="Salesforce Integration", key="", total=5)
    robot(org, seat=INTEGRATION)
    assert found(org.analyse(), "R09") == []


def test_free_integration_seats_are_used_up_first_and_others_need_a_price() -> None:
    org = company()
    org.license(INTEGRATION, name="Salesforce Integration", key="", total=1)
    robot(org, "Sure")
    robot(org, "Seeded", kind=LoginKind.SEEDED)
    robot(org, "Second")
    assert sorted(worth(org.analyse(), "R09"), key=str) == [Decimal("175.00"), None, None]
    report = compose(org.analyse(), "acme")
    assert report.unpriced_seats == 2
    assert report.money[0].reclaim_now == Decimal(175 * 12)
    assert report.money[0].at_risk == 0
    priced = org.analyse(prices=[CustomerPrice("Salesforce Integration", Decimal(10), "USD")])
    assert sorted(worth(priced, "R09"), key=str) == [Decimal("165.00"), Decimal("165.00"), Decimal("175.00")]
    total = compose(priced, "acme").money[0]
    assert (total.reclaim_now, total.at_risk) == (Decimal((175 + 165) * 12), Decimal(165 * 12))


@pytest.mark.parametrize("how", ["exempt", "put off", "inactive and surely so"])
def test_an_integration_that_saves_nothing_takes_no_free_seat_from_another(how: str) -> None:
    org = company()
    org.license(INTEGRATION, name="Salesforce Integration", key="", total=1)
    first = org.user("Aaron", last=20, human=[], machine=[20 + d / 3 for d in range(30)])
    robot(org, "Second")
    exempt = [Exemption("aaron@acme.example", "stays")] if how == "exempt" else []
    snoozes = (Snooze("R09", first.id, CRM, date(2027, 1, 1), "later"),) if how == "put off" else ()
    usual = org.analyse(exemptions=exempt, inactive_days=14 if how.startswith("inactive") else 90)
    if how.startswith("inactive"):  # in person long ago: R09 is a C only, and R08 has the seat
        org.login(first, 140)
        usual = org.analyse(inactive_days=14)
        assert [f.rule for n, f in enumerate(usual.findings) if n in usual.valued and f.subject_id == first.id] == [
            "R08"
        ]
    analysis = analyse(usual.view.snapshot, msgspec.structs.replace(usual.basis, snoozes=Snoozes(snoozes)))
    free = {
        analysis.view.users[f.subject_id].name: {fact.label: fact.value for fact in f.facts}[FREE_SEAT]
        for f in analysis.findings
        if f.rule == "R09"
    }
    assert free == {"Aaron": False, "Second": True}
    second = next(n for n in analysis.valued if analysis.findings[n].rule == "R09")
    assert analysis.worth[second] == Decimal("175.00")


def test_a_dearer_or_foreign_replacement_never_makes_a_saving_negative_or_mixed() -> None:
    org = company()
    robot(org)
    assert worth(org.analyse(prices=[CustomerPrice("Salesforce Integration", Decimal(900), "USD")]), "R09") == [0]
    assert worth(org.analyse(prices=[CustomerPrice("Salesforce Integration", Decimal(9), "EUR")]), "R09") == [None]


# R08b ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [LoginKind.TOOL, LoginKind.MAIL, LoginKind.SEEDED])
def test_someone_seen_through_software_only_is_asked_about(kind: LoginKind) -> None:
    org = company()
    user = org.user("Mel", last=2, human=[150])
    org.login(user, 2, kind)
    analysis = org.analyse()
    assert graded(analysis, "R08b", "Mel") == "C"
    assert worth(analysis, "R08b") == []
    assert found(analysis, "R08") == []


@pytest.mark.parametrize(("days", "hit"), [(89.9, False), (90.1, True)])
def test_a_login_in_person_within_the_threshold_settles_it(days: float, *, hit: bool) -> None:
    org = company()
    user = org.user("Mel", last=2, human=[days])
    org.login(user, 2, LoginKind.MAIL)
    assert (found(org.analyse(), "R08b") == ["Mel"]) is hit


def test_software_only_is_not_claimed_against_a_later_last_login_date_nor_of_an_integration() -> None:
    org = company()
    user = org.user("Hole", last=1, human=[])
    org.login(user, 30, LoginKind.TOOL)
    robot(org)
    assert found(org.analyse(), "R08b") == []


# R15 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"employee_number": "E7"}, {"employee_number": " e7 "}),
        ({"email": "Nora@x.example"}, {"email": "nora+crm@X.example.invalid"}),
        ({"federation_id": "NORA"}, {"federation_id": "nora"}),
    ],
)
def test_one_person_on_two_seats_is_found_by_exact_signs(first: dict, second: dict) -> None:
    org = company()
    org.user("Nora", last=2, **first)
    org.user("Nora Old", last=50, **second)
    analysis = org.analyse()
    assert found(analysis, "R15") == ["Nora Old"]
    assert graded(analysis, "R15", "Nora Old") == "B"


def test_the_seat_used_least_recently_is_valued_at_the_lowest_price_and_once() -> None:
    org = company()
    org.license(PLATFORM, name="Salesforce Platform", key="AUL", total=5)
    org.user("Nora", last=2, seat=PLATFORM, employee_number="7")
    org.user("Nora Two", last=100, employee_number="7")
    analysis = org.analyse()
    assert worth(analysis, "R15") == [Decimal("25.00")]
    assert worth(analysis, "R08") == []  # one seat, one dollar: R15 comes first


def test_names_need_a_department_or_manager_and_a_similar_user_name() -> None:
    org = company()
    org.user("Jo Poe", last=2, department="Sales")
    org.user("Jo Poe", last=60, department="Sales", email="other@acme.example")
    org.users[-1] = _named(org, "jo.poe.old@acme.example")
    org.user("Jo Poe", last=61, department="Legal", email="third@acme.example")
    analysis = org.analyse()
    assert [f.grade.value for f in analysis.findings if f.rule == "R15"] == ["C"]


def _named(org: Org, username: str):
    import msgspec  # noqa: PLC0415 one helper's own need

    return msgspec.structs.replace(org.users[-1], username=username)


@pytest.mark.parametrize(("people", "hit"), [(3, True), (4, False)])
def test_four_users_on_one_address_are_a_shared_mailbox(people: int, *, hit: bool) -> None:
    org = company()
    for n in range(people):
        org.user(f"Desk {chr(65 + n)}", last=2 + n, email="desk@acme.example")
    assert bool(found(org.analyse(), "R15")) is hit


def test_traps_lower_the_grade_of_duplicates() -> None:
    org = company()
    org.user("Ada", last=2, employee_number="1", human=[2])
    org.user("Ada Admin", last=50, employee_number="1", human=[50])
    org.user("Bob", last=2, employee_number="2", human=[2])
    org.user("Bob Sand", last=3, employee_number="2", human=[3])
    org.user("Cyd", last=2, employee_number="3", external=True)
    org.user("Cyd Int", last=50, employee_number="3")
    analysis = org.analyse()
    assert {graded(analysis, "R15", name) for name in ("Ada Admin", "Bob Sand", "Cyd Int")} == {"C"}


def test_a_deactivated_twin_and_a_free_seat_are_no_duplicates() -> None:
    org = company()
    org.license("100FREE", name="Chatter Free", key="", total=50)
    org.user("Nora", last=2, employee_number="7")
    org.user("Nora Old", last=50, employee_number="7", active=False)
    org.user("Nora Chat", last=50, employee_number="7", seat="100FREE")
    assert found(org.analyse(), "R15") == []


# R19 -------------------------------------------------------------------------------------------------------------


def test_two_days_a_month_are_few_and_three_are_not() -> None:
    org = company()
    org.license(PLATFORM, name="Salesforce Platform", key="AUL", total=5)
    few = [m * 30 + d for m in range(6) for d in (3, 9)]
    org.user("Few", last=3, human=few)
    org.user("More", last=3, human=[*few, 64])
    analysis = org.analyse()
    assert found(analysis, "R19") == ["Few"]
    assert worth(analysis, "R19") == [Decimal("150.00")]
    assert compose(analysis, "acme").money[0].at_risk == Decimal(150 * 12)


def test_a_site_only_user_is_hinted_at_however_often_they_come() -> None:
    org = company()
    user = org.user("Site", last=1, human=[])
    for day in range(1, 100):
        org.login(user, day, LoginKind.COMMUNITY)
    assert found(org.analyse(), "R19") == ["Site"]


def test_new_users_external_users_and_those_with_software_are_not_hinted_at() -> None:
    org = company()
    org.user("New", last=3, created=100, human=[3])
    org.user("Ext", last=3, human=[3], external=True)
    org.login(org.user("Dev", last=3, human=[3]), 2, LoginKind.TOOL)
    org.user("Gone", last=130, human=[130])
    assert found(org.analyse(), "R19") == []


@pytest.mark.parametrize(("days", "hit"), [(149, False), (150, True)])
def test_a_short_history_gives_no_hint(days: float, *, hit: bool) -> None:
    org = company(history_days=days)
    org.user("Few", last=3, human=[3])
    assert bool(found(org.analyse(), "R19")) is hit


def test_without_a_lighter_licence_in_the_org_nothing_is_valued() -> None:
    org = company()
    org.user("Few", last=3, human=[3])
    analysis = org.analyse()
    assert found(analysis, "R19") == ["Few"]
    assert worth(analysis, "R19") == []
