"""Several orgs side by side: what each one's newest audit says, what can be added up, and who is paid for twice. Pure.

Figures are added over orgs, never over currencies, and no sum leaves an org out in silence: where one withheld a
figure, the sum says of how many orgs it is. Persons who hold paid seats in two orgs are figures of their own, which
overlap with those of the orgs and are never added to them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Final

import msgspec

from isthmus.audit.benign import is_role_address
from isthmus.audit.figures import MoneyTotal, Report
from isthmus.audit.given.options import Thresholds
from isthmus.audit.money import ZERO, annual
from isthmus.audit.people import normal_email
from isthmus.audit.rules import r04_sandbox
from isthmus.audit.rules.r15_duplicate import IN_USE_DAYS, SHARED_MIN
from isthmus.audit.snapshot import Snapshot
from isthmus.audit.view import View

_SANDBOX: Final = r04_sandbox.RULE.id
PERSONS_MAX: Final = 1_000
"""Persons that are listed; all of them are counted."""


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


class Holder(msgspec.Struct, frozen=True):
    """Somebody who holds a paid seat in an org. `key` is the address as persons are compared; `price` a month."""

    key: str
    org: str
    user: str
    name: str
    username: str
    license: str
    last_login_at: datetime | None
    last_human_at: datetime | None
    taken_at: datetime
    price: Decimal | None
    currency: str | None


class Person(msgspec.Struct, frozen=True):
    """One address with paid seats in several orgs. The seat used least recently is in question, at the lowest price.

    Grade B: the same address. C: a trap applies. `annual` is None where a price is missing or currencies differ.
    """

    email: str
    grade: str
    traps: tuple[str, ...]
    seats: tuple[Holder, ...]
    idle_org: str
    annual: Decimal | None
    currency: str | None


class AtRisk(msgspec.Struct, frozen=True):
    """Seats of persons and what they cost a year in one currency (None: without a price)."""

    grade: str
    currency: str | None
    seats: int
    annual: Decimal | None


class Persons(msgspec.Struct, frozen=True):
    """Persons who hold paid seats in several orgs. Their money is at risk and overlaps with the orgs' own figures.

    `not_compared` are orgs without an audit, with pseudonyms for names, or whose seats cost nothing (sandboxes).
    """

    persons: tuple[Person, ...]
    count: int
    at_risk: tuple[AtRisk, ...]
    not_compared: tuple[str, ...]
    note: str = "These seats overlap with the findings of each org: do not add them to any other figure."


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


def _persons(holders: Iterable[Holder], orgs: Sequence[Org]) -> Persons:
    found: list[Person] = []
    blind = {org.org for org in orgs if org.summary is None or org.summary.seats_unused is None}
    free = {org.org for org in orgs if org.summary is not None and _free(org.summary)}
    ordered = sorted((h for h in holders if h.key and h.org not in free), key=lambda h: (h.key, h.org, h.user))
    for _, group in groupby(ordered, key=lambda holder: holder.key):
        person = _person(tuple(group), blind)
        if person is not None:
            found.append(person)
    found.sort(key=lambda person: (person.grade, -(person.annual or ZERO), person.email))
    at_risk: dict[tuple[str, str | None], list[Person]] = defaultdict(list)
    for person in found:
        at_risk[person.grade, person.currency].append(person)
    return Persons(
        persons=tuple(found[:PERSONS_MAX]),
        count=len(found),
        at_risk=tuple(
            AtRisk(grade, currency, len(of), sum((p.annual or ZERO for p in of), ZERO) if currency else None)
            for (grade, currency), of in sorted(at_risk.items(), key=lambda item: (item[0][0], item[0][1] or ""))
        ),
        not_compared=tuple(
            org.org for org in orgs if org.summary is None or org.summary.pseudonymous or org.org in free
        ),
    )


def _person(seats: tuple[Holder, ...], blind: AbstractSet[str]) -> Person | None:
    """Return the person behind one address, or None: seats in one org alone are R15's, many are a shared mailbox."""
    orgs = {seat.org for seat in seats}
    if len(orgs) < 2 or any(sum(1 for s in seats if s.org == org) >= SHARED_MIN for org in orgs):  # noqa: PLR2004 two
        return None
    # Of each org the seat that was used last stands for the person there.
    there = [max((s for s in seats if s.org == org), key=_last) for org in sorted(orgs)]
    idle = min(there, key=lambda seat: (_last(seat), seat.org))
    traps: list[str] = []
    if all(_in_use(seat) for seat in there):
        traps.append(f"in use within {IN_USE_DAYS} days in every org")
    if is_role_address(seats[0].key):
        traps.append("joined by a role's address, which several people may read")
    if any(_by_software(seat) for seat in there):
        traps.append("one of them seems to be used by software only")
    if unseen := sorted(orgs & blind):
        traps.append(f"who is active cannot be seen in {', '.join(unseen)}")
    prices = [seat.price for seat in there]
    currencies = {seat.currency for seat in there}
    priced = [price for price in prices if price is not None] if len(currencies) == 1 else []
    known = len(priced) == len(there)
    return Person(
        email=seats[0].key,
        grade="C" if traps else "B",
        traps=tuple(traps),
        seats=seats,
        idle_org=idle.org,
        annual=annual(min(priced), 1) if known else None,
        currency=there[0].currency if known else None,
    )


def _last(seat: Holder) -> float:
    return seat.last_login_at.timestamp() if seat.last_login_at is not None else 0.0


def _in_use(seat: Holder) -> bool:
    return seat.last_human_at is not None and seat.last_human_at > seat.taken_at - timedelta(days=IN_USE_DAYS)


def _by_software(seat: Holder) -> bool:
    """Whether somebody logged in within the last days, and never a person as far as the history shows."""
    recent = seat.last_login_at is not None and seat.last_login_at > seat.taken_at - timedelta(days=IN_USE_DAYS)
    return recent and seat.last_human_at is None


def holders_of(snapshot: Snapshot, report: Report, org: str) -> list[Holder]:
    """Return who holds a paid seat in an audited org, for portfolios without a database."""
    view = View(snapshot, Thresholds())
    lines = {line.id: line for line in report.licenses}
    return [
        Holder(
            key=person_key(user.email, pseudonymous=report.pseudonymous),
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
        )
        for pool, users in view.seat_pools()
        for user in users
        if user.email
    ]


def person_key(email: str, *, pseudonymous: bool) -> str:
    """Return the address as persons are compared over orgs; empty where it is a pseudonym, or none."""
    return "" if pseudonymous or not email else normal_email(email)
