"""Blind data: ten situations in which a number would be wrong, and none is printed."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from isthmus.audit.composing.compose import compose
from isthmus.audit.figures import Report
from isthmus.audit.model import LicenseRow, UnknownWordMessage, Vocabulary
from tests.unit.audit.world import CRM, Org


def busy() -> Org:
    org = Org()
    org.license(total=40)
    org.regulars(20)
    org.user("Ivan", last=130)
    org.user("Nora", last=None)
    return org


def own_logins_only() -> Org:
    org = busy()
    org.logins = [row for row in org.logins if row.user == org.users[0].id]
    return org


def no_logins_at_all() -> Org:
    org = busy()
    org.blind = True
    return org


def some_people_s_logins_hidden() -> Org:
    org = busy()
    org.logins = [row for row in org.logins if row.user not in {u.id for u in org.users[:2]}]
    return org


def new_org() -> Org:
    org = Org(history_days=12)
    org.license()
    org.regulars(20)
    org.user("Ivan", last=130)
    return org


def history_purged_a_month_ago() -> Org:
    org = busy()
    org.history_days = 29
    org.logins = [row for row in org.logins if (org.now - row.first).days < 29]
    return org


def history_object_hidden() -> Org:
    org = no_logins_at_all()
    org.unavailable = ("LoginHistory",)
    return org


def report_of(org: Org) -> Report:
    return compose(org.analyse(), "acme")


BLIND: tuple[Callable[[], Org], ...] = (
    own_logins_only,
    no_logins_at_all,
    some_people_s_logins_hidden,
    new_org,
    history_purged_a_month_ago,
    history_object_hidden,
)


@pytest.mark.parametrize("situation", BLIND, ids=lambda f: f.__name__)
def test_blind_data_name_nobody_and_print_no_activity(situation: Callable[[], Org]) -> None:
    report = report_of(situation())
    assert [f for f in report.findings if f.subject_kind == "user" or f.rule == "R11"] == []
    assert report.seats_active is None
    assert report.seats_unused is None
    assert all(
        line.active_90 is None and line.unused is None and line.reclaim_monthly is None for line in report.licenses
    )
    assert all(point.seats is None and point.annual is None for point in report.sensitivity)
    assert all(week.people is None and week.machines is None for week in (*report.weeks, *report.license_weeks))
    assert report.withheld


def test_the_same_company_with_everything_visible_is_judged() -> None:
    report = report_of(busy())
    assert {f.subject for f in report.findings if f.subject_kind == "user"} == {"Ivan", "Nora"}
    assert report.seats_active == 20
    assert report.withheld == ()


def test_own_logins_only_says_which_permission_is_missing() -> None:
    gate = next(gate for gate in report_of(own_logins_only()).gates if gate.rule == "R00")
    assert gate.verdict == "fail"
    assert "Monitor Login History" in gate.remedy


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_visibility_fails_above_five_percent_hidden(missing: int) -> None:
    org = Org()
    org.regulars(21)
    hidden = {user.id for user in org.users[:missing]}
    org.logins = [row for row in org.logins if row.user not in hidden]
    verdict = next(gate.verdict for gate in org.analyse().gates if gate.rule == "R00")
    assert verdict.value == ("fail" if missing == 2 else "pass")


def sandbox_by_host() -> Org:
    org = busy()
    org.host = "acme--uat.sandbox.my.salesforce.com"
    return org


def sandbox_by_email() -> Org:
    org = busy()
    org.users = [msgspec.structs.replace(u, email=u.email + ".invalid") for u in org.users]
    return org


@pytest.mark.parametrize("situation", [sandbox_by_host, sandbox_by_email])
def test_a_sandbox_has_no_money(situation: Callable[[], Org]) -> None:
    report = report_of(situation())
    assert report.money == ()
    assert report.money_withheld
    assert all(f.saving_monthly is None for f in report.findings)
    assert all(point.annual is None for point in report.sensitivity)
    assert report.unpriced_seats is None


def test_users_hidden_by_sharing_withhold_the_active_count_of_their_licence() -> None:
    org = busy()
    org.licenses = [LicenseRow(CRM, "Salesforce", "Salesforce", "SFDC", "Active", 100, 80)]
    report = report_of(org)
    assert report.licenses[0].active_90 is None
    assert report.seats_active is None
    assert report.licenses[0].unused == 2  # those that are seen are named: a lower bound


def test_two_hidden_users_are_a_warning_only() -> None:
    org = busy()
    org.licenses = [LicenseRow(CRM, "Salesforce", "Salesforce", "SFDC", "Active", 100, 24)]
    gate = next(gate for gate in org.analyse().gates if gate.rule == "R01")
    assert gate.verdict.value == "warn"


@pytest.mark.parametrize(("count", "verdict"), [(0, "pass"), (1, "warn"), (100_000, "fail")])
def test_unknown_words_are_shown_and_too_many_withhold_the_estimate(count: int, verdict: str) -> None:
    org = busy()
    if count:
        org.unknown = [UnknownWordMessage(Vocabulary.LOGIN_TYPE, "Telepathy", count)]
    analysis = org.analyse()
    gate = next(gate for gate in analysis.gates if gate.rule == "R05")
    assert gate.verdict.value == verdict
    assert (compose(analysis, "acme").seats_active is None) == (verdict == "fail")


def test_working_days_without_any_login_between_busy_ones_are_a_warning() -> None:
    org = busy()
    gap = {(org.now.date().toordinal() - d) for d in range(30, 37)}
    org.logins = [row for row in org.logins if row.day.toordinal() not in gap]
    org.regulars(0)
    for offset in (33,):
        for user in org.users[:20]:
            org.login(user, offset)
    says = [gate.says for gate in org.analyse().gates if gate.rule == "R03" and gate.verdict.value == "warn"]
    assert any("holes" in text for text in says)


def test_less_than_five_months_is_a_warning() -> None:
    org = Org(history_days=100)
    org.regulars(20)
    verdicts = {gate.verdict.value for gate in org.analyse().gates if gate.rule == "R03"}
    assert verdicts == {"warn"}


@pytest.mark.parametrize(
    ("used", "convention"),
    [(2, "everyone"), (1, "active only"), (5, "unknown")],
)
def test_how_holders_are_counted_is_inferred(used: int, convention: str) -> None:
    org = busy()
    psl = org.psl(used=used)
    org.grant(org.users[0], psl, 50)
    org.grant(org.user("Gone", active=False), psl, 50)
    assert report_of(org).psls[0].convention == convention
