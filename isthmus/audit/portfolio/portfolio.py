"""Several orgs side by side: what each one's newest audit says, what can be added up, and who is paid for twice. Pure.

Figures are added over orgs, never over currencies, and no sum leaves an org out in silence: where one withheld a
figure, the sum says of how many orgs it is. Persons who hold paid seats in two orgs are figures of their own, which
overlap with those of the orgs and are never added to them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from isthmus.audit.figures import MoneyTotal, Report
from isthmus.audit.given.options import Thresholds
from isthmus.audit.money import ZERO
from isthmus.audit.portfolio.persons import Holder, Persons, keys_of, persons_in
from isthmus.audit.rules import r04_sandbox
from isthmus.audit.snapshot import Snapshot
from isthmus.audit.view import View

_SANDBOX: Final = r04_sandbox.RULE.id


class Summary(msgspec.Struct, frozen=True):
    """What of an audit's report goes into a portfolio; fields are the report's. `gates` are those that failed."""

    taken_at: datetime
    threshold_days: int
    pseudonymous: bool
    seats_purchased: int
    seats_assigned: int
    seats_active: int | None
    seats_unused: int | None
    seats_unused_a: int | None
    seats_unused_b: int | None
    seats_unused_c: int | None
    money: tuple[MoneyTotal, ...]
    money_withheld: bool
    unpriced_seats: int | None
    findings: int
    snoozed: int
    gates: tuple[str, ...]
    withheld: tuple[str, ...]


class Org(msgspec.Struct, frozen=True):
    """An org and its newest finished audit, if it has one. `age_days`: whole days since it was taken."""

    org: str
    host: str
    audit: str | None
    age_days: int | None
    summary: Summary | None


class MoneySum(msgspec.Struct, frozen=True):
    """One currency's figures of a year, over `orgs` orgs; `without` are orgs that withheld money or have no audit."""

    currency: str
    reclaim_now: Decimal
    cash_at_renewal: Decimal
    at_risk: Decimal
    orgs: int
    without: tuple[str, ...]


class Totals(msgspec.Struct, frozen=True):
    """What can be added up, sandboxes left out. Counts of what was found are None as soon as one org withheld them.

    `without` names the orgs that withheld them, have no audit, or are sandboxes.
    """

    orgs: int
    seats_purchased: int
    seats_assigned: int
    seats_unused: int | None
    seats_unused_a: int | None
    seats_unused_b: int | None
    seats_unused_c: int | None
    unpriced_seats: int | None
    money: tuple[MoneySum, ...]
    without: tuple[str, ...]


class Portfolio(msgspec.Struct, frozen=True):
    """Several orgs side by side."""

    as_of: datetime
    orgs: tuple[Org, ...]
    totals: Totals
    persons: Persons


def summary_of(report: Report) -> Summary:
    """Return what of a report goes into a portfolio."""
    return Summary(
        taken_at=report.taken_at,
        threshold_days=report.effective_threshold_days,
        pseudonymous=report.pseudonymous,
        seats_purchased=report.seats_purchased,
        seats_assigned=report.seats_assigned,
        seats_active=report.seats_active,
        seats_unused=report.seats_unused,
        seats_unused_a=report.seats_unused_a,
        seats_unused_b=report.seats_unused_b,
        seats_unused_c=report.seats_unused_c,
        money=report.money,
        money_withheld=report.money_withheld,
        unpriced_seats=report.unpriced_seats,
        findings=len(report.findings),
        snoozed=sum(1 for line in report.findings if line.snoozed_until is not None),
        gates=tuple(gate.rule for gate in report.gates if gate.verdict == "fail"),
        withheld=report.withheld,
    )


def portfolio(orgs: Iterable[Org], holders: Iterable[Holder], as_of: datetime) -> Portfolio:
    """Put the orgs side by side. `holders` are of the same audits, in any order."""
    listed = tuple(sorted(orgs, key=lambda org: (org.org, org.host)))
    return Portfolio(as_of, listed, _totals(listed), _persons(holders, listed))


def _persons(holders: Iterable[Holder], orgs: Sequence[Org]) -> Persons:
    free = {org.org for org in orgs if org.summary is not None and _free(org.summary)}
    blind = {org.org for org in orgs if org.summary is None or org.summary.seats_unused is None}
    hidden = tuple(org.org for org in orgs if org.summary is None or org.summary.pseudonymous or org.org in free)
    return persons_in((holder for holder in holders if holder.org not in free), blind, hidden)


def _totals(orgs: Sequence[Org]) -> Totals:
    known = [(org.org, org.summary) for org in orgs if org.summary is not None and not _free(org.summary)]

    def added(name: str) -> int | None:
        counts: list[int | None] = [getattr(summary, name) for _, summary in known]
        return None if None in counts else sum(count for count in counts if count is not None)

    quiet = {name for name, summary in known if summary.seats_unused is None}
    return Totals(
        orgs=len(known),
        seats_purchased=sum(summary.seats_purchased for _, summary in known),
        seats_assigned=sum(summary.seats_assigned for _, summary in known),
        seats_unused=added("seats_unused"),
        seats_unused_a=added("seats_unused_a"),
        seats_unused_b=added("seats_unused_b"),
        seats_unused_c=added("seats_unused_c"),
        unpriced_seats=added("unpriced_seats"),
        money=_money(orgs),
        without=tuple(sorted(quiet | {org.org for org in orgs if org.summary is None or _free(org.summary)})),
    )


def _money(orgs: Sequence[Org]) -> tuple[MoneySum, ...]:
    silent = tuple(sorted(org.org for org in orgs if org.summary is None or _quiet(org.summary)))
    found: dict[str, list[MoneyTotal]] = defaultdict(list)
    for org in orgs:
        if org.summary is not None and not _quiet(org.summary):
            for total in org.summary.money:
                found[total.currency].append(total)
    return tuple(
        MoneySum(
            currency=currency,
            reclaim_now=sum((total.reclaim_now for total in totals), ZERO),
            cash_at_renewal=sum((total.cash_at_renewal for total in totals), ZERO),
            at_risk=sum((total.at_risk for total in totals), ZERO),
            orgs=len(totals),
            without=silent,
        )
        for currency, totals in sorted(found.items())
    )


def _free(summary: Summary) -> bool:
    """Whether the org's seats cost nothing: those of a sandbox are the production org's once more."""
    return _SANDBOX in summary.gates


def _quiet(summary: Summary) -> bool:
    """Whether the audit's money does not say how much is unused: withheld itself, or all activity is."""
    return summary.money_withheld or summary.seats_unused is None


def holders_of(snapshot: Snapshot, report: Report, org: str) -> list[Holder]:
    """Return who holds a paid seat in an audited org, for portfolios without a database."""
    view = View(snapshot, Thresholds())
    lines = {line.id: line for line in report.licenses}
    return [
        Holder(
            key=keys.email,
            org=org,
            user=user.id,
            name=user.name,
            username=user.username,
            license=lines[pool].name if pool in lines else "",
            last_login_at=view.last_seen(user),
            last_human_at=view.activity(user.id).human_last,
            taken_at=report.taken_at,
            price=lines[pool].unit_price if pool in lines else None,
            currency=lines[pool].currency if pool in lines else None,
            federation_key=keys.federation,
            number_key=keys.number,
        )
        for pool, users in view.seat_pools()
        for user in users
        if any(keys := keys_of(user, pseudonymous=report.pseudonymous))
    ]
