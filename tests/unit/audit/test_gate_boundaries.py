"""Where each gate begins to fail or to warn, and what looks like its fault and is none."""

from __future__ import annotations

import msgspec
import pytest

from isthmus.audit.composing.compose import compose
from isthmus.audit.finding import GateResult
from isthmus.audit.given.history import History, PoolPoint
from isthmus.audit.model import LicenseRow, LoginKind, UnknownWordMessage, Vocabulary
from isthmus.audit.report.summary import summary_data
from tests.unit.audit.world import CRM, Org, ago, found


def company(people: int = 20, **more: object) -> Org:
    org = Org(**more)
    org.license(total=200)
    org.regulars(people)
    return org


def verdicts(org: Org, rule: str) -> set[str]:
    return {gate.verdict.value for gate in gates(org, rule)}


def gates(org: Org, rule: str) -> list[GateResult]:
    return [gate for gate in org.analyse().gates if gate.rule == rule]


# R00, R01, R02 ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("others", "verdict"), [(0, "pass"), (1, "fail")])
def test_r00_people_who_were_there_lately_without_any_visible_login_are_a_sign_of_blindness(
    others: int, verdict: str
) -> None:
    org = company(2)
    for n in range(others):
        org.user(f"Other {n}", last=29, human=[])
    assert verdicts(org, "R00") == {verdict}


def test_r00_people_who_were_last_there_before_the_history_are_no_sign_of_blindness() -> None:
    org = company()
    for n in range(15):
        org.user(f"Long ago {n}", last=300)
    assert verdicts(org, "R00") == {"pass"}


@pytest.mark.parametrize(("used", "verdict"), [(20, "pass"), (22, "warn"), (23, "fail"), (19, "warn")])
def test_r01_more_than_two_and_five_percent_of_hidden_holders_fail(used: int, verdict: str) -> None:
    org = company()
    org.licenses = [LicenseRow(CRM, "Salesforce", "Salesforce", "SFDC", "Active", 200, used)]
    assert verdicts(org, "R01") == {verdict}


def test_r01_where_people_are_hidden_the_summary_says_at_least() -> None:
    org = company()
    org.user("Ivan", last=130)
    org.licenses = [LicenseRow(CRM, "Salesforce", "Salesforce", "SFDC", "Active", 200, 80)]
    assert summary_data(compose(org.analyse(), "acme"))["headline"] == "At least 1 of 80 assigned seats looks unused."
    org.licenses = [LicenseRow(CRM, "Salesforce", "Salesforce", "SFDC", "Active", 200, 21)]
    assert summary_data(compose(org.analyse(), "acme"))["headline"] == "1 of 21 assigned seats looks unused."


def test_r02_without_a_deactivated_holder_nothing_tells_the_conventions_apart() -> None:
    org = company()
    org.grant(org.users[0], org.psl(used=1), 50)
    assert compose(org.analyse(), "acme").psls[0].convention == "undetermined"
    assert verdicts(org, "R02") == {"pass"}


def test_r10_a_grant_of_a_user_whom_we_do_not_see_is_not_judged() -> None:
    org = company()
    org.grant(msgspec.structs.replace(org.users[0], id="005hidden"), org.psl(used=1), 50)
    assert found(org.analyse(), "R10") == []


# R03 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "verdict"), [(29, "fail"), (30, "warn"), (149, "warn"), (150, "pass")])
def test_r03_thirty_days_are_needed_and_a_hundred_and_fifty_are_enough(days: int, verdict: str) -> None:
    assert verdicts(company(history_days=days), "R03") == {verdict}


@pytest.mark.parametrize(("newest", "verdict"), [(7, "pass"), (8, "fail")])
def test_r03_a_history_that_ends_more_than_a_week_before_the_audit_fails(newest: int, verdict: str) -> None:
    org = company()
    today = org.now.date()
    org.logins = [row for row in org.logins if (today - row.day).days >= newest]
    assert verdicts(org, "R03") == {verdict}


def test_r03_failed_and_software_logins_of_this_week_show_that_the_history_is_whole() -> None:
    org = company()
    today = org.now.date()
    org.logins = [row for row in org.logins if (today - row.day).days > 20]
    org.login(org.users[0], 1, LoginKind.MACHINE)
    assert verdicts(org, "R03") <= {"pass", "warn"}


def test_r03_a_weekend_without_logins_is_no_hole() -> None:
    org = company()
    org.logins = [row for row in org.logins if row.day.weekday() < 5]
    assert verdicts(org, "R03") == {"pass"}


def test_the_gates_say_no_more_than_the_data_tell_of_why_something_is_missing() -> None:
    alone, some = company(), company()
    alone.logins = [row for row in alone.logins if row.user == alone.users[0].id]
    some.logins = [row for row in some.logins if row.user not in {user.id for user in some.users[:2]}]
    assert "cannot see other people's logins. So" in gates(alone, "R00")[0].says
    assert "cannot see theirs, or rows were deleted. So" in gates(some, "R00")[0].says
    hidden = company(5)
    hidden.licenses = [msgspec.structs.replace(hidden.licenses[0], used=15)]
    assert "cannot see them, or the org's counter is behind" in gates(hidden, "R01")[0].says


# R04, R05 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "verdict"),
    [
        ("acme.my.salesforce.com", "pass"),
        ("acme-north.my.salesforce.com", "pass"),
        ("acme--uat.my.salesforce.com", "fail"),
        ("acme--uat.sandbox.my.salesforce.com", "fail"),
        ("acme.scratch.my.salesforce.com", "fail"),
        ("acme-dev-ed.develop.my.salesforce.com", "fail"),
        ("acme.trailblaze.my.salesforce.com", "fail"),
        ("acme-dev-ed.my.salesforce.com", "fail"),
        ("acme.demo.my.salesforce.com", "fail"),
        ("acme.free.my.salesforce.com", "fail"),
    ],
)
def test_r04_hosts_of_orgs_that_cost_nothing(host: str, verdict: str) -> None:
    assert verdicts(company(host=host), "R04") == {verdict}


@pytest.mark.parametrize(("invalid", "verdict"), [(10, "pass"), (11, "fail")])
def test_r04_more_than_half_of_the_addresses_end_in_invalid(invalid: int, verdict: str) -> None:
    org = company()
    org.users = [
        msgspec.structs.replace(u, email=u.email + (".invalid" if n < invalid else "")) for n, u in enumerate(org.users)
    ]
    assert verdicts(org, "R04") == {verdict}


@pytest.mark.parametrize(("email", "verdict"), [("u{}=acme.com@example.com", "fail"), ("u{}@example.com", "pass")])
def test_r04_addresses_as_older_copies_of_orgs_have_them(email: str, verdict: str) -> None:
    org = company()
    org.users = [msgspec.structs.replace(u, email=email.format(n)) for n, u in enumerate(org.users)]
    assert verdicts(org, "R04") == {verdict}
    assert not org.analyse().money_withheld or "made unusable" in gates(org, "R04")[0].says


def test_r04_addresses_of_people_who_left_say_nothing() -> None:
    org = company(4)
    for n in range(30):
        org.user(f"Gone {n}", active=False, last=200, email=f"gone.{n}@acme.example.invalid")
    assert verdicts(org, "R04") == {"pass"}


@pytest.mark.parametrize(
    ("host", "verdict"),
    [
        ("acme.my.salesforce.com", "pass"),  # the convention of many production orgs that have sandboxes
        ("127.0.0.1:8443", "warn"),  # no My Domain: it does not say what it is
        ("acme--uat.sandbox.my.salesforce.com", "fail"),
    ],
)
def test_r04_user_names_with_one_common_ending_decide_nothing(host: str, verdict: str) -> None:
    org = company(host=host)
    org.users = [msgspec.structs.replace(u, username=f"{u.email}.prod") for u in org.users]
    (gate,) = gates(org, "R04")
    assert (gate.verdict.value, gate.facts[2].value) == (verdict, 20)
    assert org.analyse().money_withheld is (verdict == "fail")


def test_r04_user_names_of_a_company_that_are_no_addresses_are_no_suffix() -> None:
    org = company()
    org.users = [msgspec.structs.replace(u, username=f"u{n}@acme.crm") for n, u in enumerate(org.users)]
    assert verdicts(org, "R04") == {"pass"}


@pytest.mark.parametrize(("count", "verdict"), [(720, "warn"), (721, "fail")])
def test_r05_more_than_a_fifth_of_unknown_logins_fails(count: int, verdict: str) -> None:
    org = company()
    assert sum(row.count for row in org.logins) == 3600
    org.unknown = [UnknownWordMessage(Vocabulary.LOGIN_STATUS, "Hm", count)]
    assert verdicts(org, "R05") == {verdict}


# Rules whose boundary is a share or a span -----------------------------------------------------------------------


@pytest.mark.parametrize(("there", "hit"), [(1, True), (2, False)])
def test_r08_four_fifths_of_a_department_make_a_season(there: int, *, hit: bool) -> None:
    org = company()
    for n in range(5):
        org.user(f"Season {n}", last=100 + n, department="Harvest")
    for n in range(there):
        org.user(f"Here {n}", last=2, department="Harvest")
    assert any(f.traps for f in org.analyse().findings if f.rule == "R08") is hit


@pytest.mark.parametrize(("span", "hit"), [(14, True), (15, False)])
def test_r08_a_season_ends_within_two_weeks(span: int, *, hit: bool) -> None:
    org = company()
    for n in range(5):
        org.user(f"Season {n}", last=100 + span * n / 4, department="Harvest")
    assert any(f.traps for f in org.analyse().findings if f.rule == "R08") is hit


def test_r17_a_pool_that_grows_is_listed_before_it_is_nine_tenths_full() -> None:
    org = Org()
    org.license(total=120)
    org.regulars(100)  # 83 %
    today = org.now.date()
    points = [PoolPoint(today.fromordinal(today.toordinal() - 7 * n), CRM, 120, 100 - 3 * n) for n in range(1, 31)]
    assert found(org.analyse(), "R17") == []
    assert found(org.analyse(history=History(tuple(points))), "R17") == [CRM]


@pytest.mark.parametrize(("days", "hit"), [(1.1, True), (0.9, False)])
def test_r16_a_counter_is_old_after_a_day(days: float, *, hit: bool) -> None:
    org = Org()
    org.license(total=100, updated=ago(days))
    org.regulars(10)
    assert bool(next(f for f in org.analyse().findings if f.rule == "R16").traps) is hit
