"""What changed from one audit of an org to the next: seats, findings, money. Pure; names nobody.

A figure that either audit withheld has no change. Findings are compared by rule and subject, only for rules that both
audits could run: otherwise a gate that closes would look like a hundred findings resolved.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime
from decimal import Decimal

import msgspec


class ToldFinding(msgspec.Struct, frozen=True):
    """What tells one finding from another."""

    rule: str
    subject_kind: str
    subject_id: str
    pool: str


class ToldRule(msgspec.Struct, frozen=True):
    """A rule, and how many findings it has (None: it could not run)."""

    id: str
    findings: int | None


class ToldMoney(msgspec.Struct, frozen=True):
    """The three figures of one currency, per year."""

    currency: str
    reclaim_now: Decimal
    cash_at_renewal: Decimal
    at_risk: Decimal


class ToldContract(msgspec.Struct, frozen=True):
    """A contract's day to give notice."""

    product: str
    end: date
    notice_deadline: date


class ToldReport(msgspec.Struct, frozen=True):
    """The part of a report.json that is told of it, whatever else later versions add."""

    org: str
    taken_at: datetime
    seats_purchased: int
    seats_assigned: int
    seats_active: int | None
    seats_unused: int | None
    pseudonymous: bool
    withheld: tuple[str, ...]
    money: tuple[ToldMoney, ...]
    money_withheld: bool
    findings: tuple[ToldFinding, ...]
    rules: tuple[ToldRule, ...]
    contract: tuple[ToldContract, ...] = ()


class ToldSummary(msgspec.Struct, frozen=True):
    """The part of an audit's summary (`audit.summary`) that is told: it is kept when the report is not."""

    seats_purchased: int
    seats_assigned: int
    seats_active: int | None
    seats_unused: int | None
    money: tuple[ToldMoney, ...]
    money_withheld: bool
    findings: int


class MoneyChange(msgspec.Struct, frozen=True):
    """One currency before and now; `was` None: the audit before had no figure in it."""

    now: ToldMoney
    was: ToldMoney | None


class Change(msgspec.Struct, frozen=True):
    """The difference from the audit of `since`."""

    since: datetime
    purchased: int
    assigned: int
    active: int | None
    unused: int | None
    findings_new: int | None
    findings_resolved: int | None
    rules_left_out: tuple[str, ...]


def told_report(content: bytes) -> ToldReport | None:
    """Return what is told of a report.json, None of one whose format is not ours."""
    try:
        return msgspec.json.decode(content, type=ToldReport)
    except msgspec.DecodeError:
        return None


def told_summary(line: str | None) -> ToldSummary | None:
    """Return what is told of a summary, None of none and of one whose format is not ours."""
    try:
        return None if line is None else msgspec.json.decode(line, type=ToldSummary)
    except msgspec.DecodeError:
        return None


def change_between(was: ToldReport, now: ToldReport) -> Change:
    """Return what changed from `was` to `now`."""
    new, resolved, left_out = _findings(was, now)
    return Change(
        since=was.taken_at,
        purchased=now.seats_purchased - was.seats_purchased,
        assigned=now.seats_assigned - was.seats_assigned,
        active=_difference(was.seats_active, now.seats_active),
        unused=_difference(was.seats_unused, now.seats_unused),
        findings_new=new,
        findings_resolved=resolved,
        rules_left_out=left_out,
    )


def money_changes(was: ToldReport | None, now: ToldReport) -> tuple[MoneyChange, ...]:
    """Return each currency's figures beside those of before; none where they are withheld."""
    if now.money_withheld:
        return ()
    before = {} if was is None or was.money_withheld else {money.currency: money for money in was.money}
    return tuple(MoneyChange(money, before.get(money.currency)) for money in now.money)


def _findings(was: ToldReport, now: ToldReport) -> tuple[int | None, int | None, tuple[str, ...]]:
    if was.pseudonymous != now.pseudonymous:  # a person has another id in each
        return None, None, ()
    ran = [{rule.id for rule in report.rules if rule.findings is not None} for report in (was, now)]
    both = ran[0] & ran[1]
    before = Counter(finding for finding in was.findings if finding.rule in both)
    after = Counter(finding for finding in now.findings if finding.rule in both)
    return (after - before).total(), (before - after).total(), tuple(sorted(ran[0] ^ ran[1]))


def _difference(was: int | None, now: int | None) -> int | None:
    return None if was is None or now is None else now - was
