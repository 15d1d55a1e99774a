"""Blind data: what nobody can know stands in no output of an audit, neither as in truth nor as it would seem.

Each situation is one company of which something is hidden. The figures that depend on it, as the whole company has them
(sighted) and as the blind data give them to a tool without gates (naive), must stand in none of our outputs: PDF, XLSX,
CSV, JSON, FOCUS, calendar, the portal's JSON, what-if answers, mail and the command's own words. A last test sees that
the same search finds them where nothing is hidden.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache

import msgspec
import pytest

from isthmus.audit.figures import Report
from isthmus.audit.model import (
    FEATURES_UNAVAILABLE,
    PERMISSIONS_UNAVAILABLE,
    PSLS_UNAVAILABLE,
    UnknownWordMessage,
    Vocabulary,
)
from tests.unit.audit.outputs import Figure, company, figures_in, naive, outputs_of, report_of
from tests.unit.audit.world import CRM, Org

ABSENCE_RULES = {"R06", "R07", "R08", "R08b", "R09", "R11", "R12", "R15", "R17", "R19", "R21", "R22"}
PSL_RULES = {"R10", "R11", "R12", "R13", "R14", "R23", "R24"}


@dataclass(frozen=True)
class Blind:
    """A situation: how it comes about, and which figures of a report depend on what is hidden.

    `nobody`: it names none of those who seem to be absent. `printed`: its documents are searched, not its report alone.
    `hides`: the whole company has these figures.
    """

    make: Callable[[Org], None]
    figures: Callable[[Report], Iterator[Figure]]
    nobody: bool = False
    printed: bool = True
    hides: bool = True


def activity(report: Report) -> Iterator[Figure]:
    """Who is there, who is not, and all money."""
    yield from estimates(report)
    yield from (report.seats_unused, report.seats_unused_a, report.seats_unused_b, report.seats_unused_c)
    for line in report.licenses:
        yield from (line.unused, line.unused_a, line.unused_b, line.unused_c)
    yield from (point.seats for point in report.sensitivity)
    yield from (line.never_used for line in report.psls)
    for line in report.readiness:
        yield from (line.spot, line.conservative, line.base, line.base_before, line.aggressive, line.fewer_base)
    yield from (rule.findings for rule in report.rules if rule.id in ABSENCE_RULES)
    yield from amounts(report)


def estimates(report: Report) -> Iterator[Figure]:
    """How many people are active."""
    yield from (report.seats_active, report.seats_other)
    for line in report.licenses:
        if line.id == CRM:
            yield from (line.active_30, line.active_60, line.active_90, line.machines_90)
    for week in (*report.weeks, *(week for week in report.license_weeks if week.pool == CRM)):
        yield from (week.people, week.machines)


def amounts(report: Report) -> Iterator[Figure]:
    """What can be saved."""
    yield report.unpriced_seats
    for total in report.money:
        yield from (total.reclaim_now, total.cash_at_renewal, total.at_risk, total.break_even_uplift_percent)
        yield total.annual_cost
    for line in report.licenses:
        yield from (line.reclaim_monthly, line.renewal_seats, line.renewal_monthly, line.risk_monthly)
    for psl in report.psls:
        yield from (psl.reclaim_monthly, psl.risk_monthly, psl.renewal_monthly)
    yield from (finding.saving_monthly for finding in report.findings)
    yield from (point.annual for point in report.sensitivity)
    yield from (line.difference for line in report.scenarios)
    yield from (line.annual for line in report.scenarios if line.case != "as is")
    yield from (line.saves_monthly for line in report.moves)
    yield from (line.annual for line in report.move_limits)


def of_psls(report: Report) -> Iterator[Figure]:
    """Everything about permission set licences."""
    for line in report.psls:
        yield from (line.purchased, line.used, line.assignments, line.held_by_deactivated, line.never_used)
    yield from (rule.findings for rule in report.rules if rule.id in PSL_RULES)


def at_ninety_days(report: Report) -> Iterator[Figure]:
    """What needs ninety days of history or more."""
    yield report.seats_active
    for line in report.licenses:
        yield from (line.active_90,)
    for point in report.sensitivity:
        if point.days >= 90:
            yield from (point.seats, point.annual)


def of_features(report: Report) -> Iterator[Figure]:
    yield from (rule.findings for rule in report.rules if rule.id == "R21")


def of_permissions(report: Report) -> Iterator[Figure]:
    yield from (rule.findings for rule in report.rules if rule.id == "R14")


def of_the_unpriced(report: Report) -> Iterator[Figure]:
    """The money of a licence that has no price."""
    for line in report.licenses:
        if line.name == "Wonder Cloud":
            yield from (line.reclaim_monthly, line.renewal_monthly, line.risk_monthly, line.unit_price)
    yield from (f.saving_monthly for f in report.findings if f.pool_name == "Wonder Cloud")


# The situations --------------------------------------------------------------------------------------------------


def only_own_logins_are_visible(org: Org) -> None:
    org.logins = [row for row in org.logins if row.user == org.users[0].id]


def login_history_is_no_object_for_the_user(org: Org) -> None:
    org.blind, org.unavailable = True, ("LoginHistory",)


def login_history_is_empty(org: Org) -> None:
    org.blind = True


def a_tenth_of_the_people_s_logins_are_hidden(org: Org) -> None:
    hidden = {user.id for user in org.users[::10]}
    org.logins = [row for row in org.logins if row.user not in hidden]


def a_sandbox_that_was_refreshed_three_weeks_ago(org: Org) -> None:
    org.host = "acme--full.sandbox.my.salesforce.com"
    a_new_org(org)


def a_new_org(org: Org) -> None:
    org.history_days = 21
    org.logins = [row for row in org.logins if (org.now - row.first).days < 21]


def the_last_two_months_were_purged(org: Org) -> None:
    org.logins = [row for row in org.logins if (org.now - row.first).days > 60]


def the_audit_s_clock_is_ahead(org: Org) -> None:
    """Judged as of a day that has not been: to the data, everybody has been away since today."""
    cut = {user.id: user.last_login_at for user in org.users}
    days = 45
    org.users = [
        msgspec.structs.replace(u, last_login_at=at - timedelta(days) if (at := cut[u.id]) is not None else None)
        for u in org.users
    ]
    org.logins = [
        msgspec.structs.replace(
            r, day=r.day - timedelta(days), first=r.first - timedelta(days), last=r.last - timedelta(days)
        )
        for r in org.logins
    ]


def words_of_logins_are_unknown(org: Org) -> None:
    org.unknown = [UnknownWordMessage(Vocabulary.LOGIN_TYPE, "Telepathy", 10_000_000)]


def users_are_hidden_by_sharing(org: Org) -> None:
    org.licenses = [msgspec.structs.replace(row, used=row.used + 200) for row in org.licenses]
    row = org.licenses[0]
    org.licenses[0] = msgspec.structs.replace(row, used=640)


def a_history_of_sixty_days(org: Org) -> None:
    org.history_days = 61
    org.logins = [row for row in org.logins if (org.now - row.first).days < 61]


def a_sandbox_by_its_host(org: Org) -> None:
    org.host = "acme--uat.sandbox.my.salesforce.com"


def a_sandbox_by_its_addresses(org: Org) -> None:
    org.users = [msgspec.structs.replace(u, email=u.email + ".invalid") for u in org.users]


def a_developer_org(org: Org) -> None:
    org.host = "acme-dev-ed.develop.my.salesforce.com"


def permission_set_licences_are_unreadable(org: Org) -> None:
    org.psls, org.assigns, org.unavailable = [], [], (PSLS_UNAVAILABLE,)


def feature_licences_are_unreadable(org: Org) -> None:
    org.users = [msgspec.structs.replace(u, features=()) for u in org.users]
    org.unavailable = (FEATURES_UNAVAILABLE,)


def permissions_are_unreadable(org: Org) -> None:
    org.psls = [msgspec.structs.replace(row, permissions=()) for row in org.psls]
    org.unavailable = (PERMISSIONS_UNAVAILABLE,)


def a_paid_licence_has_no_price(_org: Org) -> None:
    """The company has one: its price is in no book."""


SITUATIONS = (
    Blind(only_own_logins_are_visible, activity, nobody=True),
    Blind(login_history_is_no_object_for_the_user, activity, nobody=True),
    Blind(login_history_is_empty, activity, nobody=True, printed=False),
    Blind(a_tenth_of_the_people_s_logins_are_hidden, activity, nobody=True),
    Blind(a_sandbox_that_was_refreshed_three_weeks_ago, activity, nobody=True),
    Blind(a_new_org, activity, nobody=True, printed=False),
    Blind(the_last_two_months_were_purged, activity, nobody=True),
    Blind(the_audit_s_clock_is_ahead, activity, nobody=True),
    Blind(words_of_logins_are_unknown, estimates),
    Blind(users_are_hidden_by_sharing, estimates),
    Blind(a_history_of_sixty_days, at_ninety_days, printed=False),  # who is there at 60 days is there at 90
    Blind(a_sandbox_by_its_host, amounts),
    Blind(a_sandbox_by_its_addresses, amounts, printed=False),
    Blind(a_developer_org, amounts, printed=False),
    Blind(permission_set_licences_are_unreadable, of_psls),
    Blind(feature_licences_are_unreadable, of_features, printed=False),
    Blind(permissions_are_unreadable, of_permissions, printed=False),
    Blind(a_paid_licence_has_no_price, of_the_unpriced, printed=False, hides=False),
)


@cache
def sighted() -> Report:
    return report_of(company())


def made(blind: Blind) -> Org:
    org = company()
    blind.make(org)
    return org


def distinctive(figures: Iterator[Figure]) -> set[Decimal]:
    """Return what cannot be anything else by chance: no small counts; of amounts also the form without cents."""
    known = {Decimal(figure) for figure in figures if figure is not None}
    whole = {figure.quantize(Decimal(1), ROUND_HALF_UP) for figure in known if figure >= 1000}
    return {figure for figure in known | whole if figure >= 100 or figure != int(figure)}


def stated(report: Report) -> set[Decimal]:
    """Return what a report states that depends on nothing hidden, should a hidden figure be the same number."""
    plain = [report.users, report.users_active, report.seats_purchased, report.seats_assigned, report.login_rows]
    plain += [n for line in report.licenses for n in (line.purchased, line.assigned)]
    plain += [n for line in report.contract for n in (line.contracted, line.minimum, line.days_left)]
    plain += [line.fewer_base or 0 for line in report.readiness]  # seats; none where activity is hidden
    for total in report.money:  # the same of a currency together
        plain.append(sum(line.renewal_seats or 0 for line in report.licenses if line.currency == total.currency))
    plain += [days.days for days in report.sensitivity]
    prices = [line.price for line in report.prices if line.price is not None]
    prices += [line.unit_price for line in report.scenarios]
    return {Decimal(n) for n in plain} | set(prices)


@pytest.mark.parametrize("blind", [b for b in SITUATIONS if not b.printed], ids=lambda blind: blind.make.__name__)
def test_in_the_report_every_figure_that_depends_on_what_is_hidden_is_null_or_absent(blind: Blind) -> None:
    assert {figure for figure in blind.figures(report_of(made(blind))) if figure is not None} == set()


@pytest.mark.parametrize("blind", [b for b in SITUATIONS if b.printed], ids=lambda blind: blind.make.__name__)
def test_no_output_has_a_figure_as_it_is_in_truth_or_as_the_blind_data_make_it_seem(blind: Blind) -> None:
    org = made(blind)
    report = report_of(org)
    assert {figure for figure in blind.figures(report) if figure is not None} == set()
    hidden = (distinctive(blind.figures(sighted())) | distinctive(blind.figures(naive(org)))) - stated(report)
    whole, brief = outputs_of(org)
    assert {name: hidden & figures_in(text) for name, text in brief.items() if hidden & figures_in(text)} == {}
    amounts_hidden = {figure for figure in hidden if figure != int(figure)}
    assert {name for name, text in whole.items() if amounts_hidden & figures_in(text)} == set()
    assert not blind.nobody or {name for name, text in whole.items() if "Absent" in text} == set()


def test_the_search_finds_all_of_it_where_nothing_is_hidden() -> None:
    whole, brief = outputs_of(company())
    there = {name: figures_in(text) for name, text in brief.items()}
    report = sighted()
    unused, active, cash = report.seats_unused, report.seats_active, report.money[0].cash_at_renewal
    assert unused is not None
    assert active is not None
    for name in ("report.pdf", "report.xlsx", "report.json", "portal", "command", "command.json", "mail"):
        assert {Decimal(unused), Decimal(active)} <= there[name], name
        assert {cash, cash.quantize(Decimal(1), ROUND_HALF_UP)} & there[name], name
    crm = next(line for line in report.licenses if line.id == CRM)
    assert {Decimal(crm.unused or 0), crm.reclaim_monthly} <= there["what-if"]
    assert Decimal(crm.purchased - crm.assigned + (crm.unused or 0)) in there["focus.csv"]
    assert all("Absent" in whole[name] for name in ("report.pdf", "report.xlsx", "findings.csv", "portal"))
    for blind in SITUATIONS:
        assert any(figure is not None for figure in blind.figures(report)) or not blind.hides, blind.make.__name__


def test_naive_figures_are_the_wrong_ones_that_the_gates_keep_back() -> None:
    org = company()
    only_own_logins_are_visible(org)
    wrong = naive(org)
    assert (wrong.seats_active or 0) <= 1
    assert report_of(org).seats_active is None
