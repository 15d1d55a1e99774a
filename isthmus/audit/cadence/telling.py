"""The texts of notices about audits, made when they are sent: the change first, then the figures. Pure.

No name of a person is in any text; names are in the documents, which go along by mail where the channel asks for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Final
from uuid import UUID
from zoneinfo import ZoneInfo

from isthmus.audit.cadence.change import Change, ToldReport, ToldSummary, change_between, money_changes
from isthmus.audit.failures import Failure, explain
from isthmus.notices.model import ATTACHMENT_BYTES_MAX, Attachment, Delivery, Notice, Span

FINANCE_AT: Final = time(7)
"""When a finance summary is made, by the channel's zone."""
_MINUS: Final = "\N{MINUS SIGN}"
_MEDIA_TYPES: Final = {
    "report.pdf": "application/pdf",
    "report.xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}


@dataclass(frozen=True, slots=True)
class AuditDelivery(Delivery):
    """A notice about audits that goes to one channel: a row of `audit.take_deliveries`."""

    alias: str | None
    audit_id: UUID | None
    scheduled: bool
    failure: str | None
    failure_object: str | None
    good_at: datetime | None


@dataclass(frozen=True, slots=True)
class Told:
    """What a notice of a finished audit is made of: its report, the one before, and the files that go along.

    A report is None where it is not kept any more, or, of the one before, where there was none.
    """

    now: ToldReport | None
    was: ToldReport | None
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Month:
    """The last audit of one org in one month. `report` of the latest one only, None where it is not kept any more."""

    alias: str
    taken_at: datetime
    summary: ToldSummary | None
    report: ToldReport | None


def finance_span(month_day: int, zone: ZoneInfo, now: datetime) -> Span:
    """Return the latest whole month from that day (1 to 28) to that day, at seven o'clock in `zone`."""
    day = now.astimezone(zone).date().replace(day=month_day)
    if datetime.combine(day, FINANCE_AT, zone) > now:
        day = _month_before(day)
    before = _month_before(day)
    return Span(datetime.combine(before, FINANCE_AT, zone), datetime.combine(day, FINANCE_AT, zone))


def result_notice(facts: AuditDelivery, told: Told, public_url: str, zone: ZoneInfo) -> Notice:
    """Return the notice of a finished audit: what changed first, then the figures."""
    now, was = told.now, told.was
    org = facts.alias or "The org"
    link = f"{public_url}/audits/{facts.audit_id}"
    event = "recovery" if facts.kind == "recovery" else "audit"
    lines = [f"Audits of {org} work again."] if event == "recovery" else []
    if now is None:
        lines.append("The audit is finished; its report is not kept any more.")
        subject = f"{org}: audit finished"
        return Notice(subject, "\n".join(lines), link=link, key=str(facts.notice_id), event=event, facts={"org": org})
    change = None if was is None else change_between(was, now)
    lines += [_change_line(change, zone), *_money_lines(was, now), _figures_line(now, len(now.findings))]
    lines += [f"Withheld: {text}" for text in now.withheld]
    if change is not None and change.rules_left_out:
        lines.append(f"Not compared, because one of the two audits could not run them: {_joined(change)}.")
    lines += _deadline_lines(now, facts.made_at.astimezone(zone).date())
    attached, too_large = _attachments(org, told.files)
    if attached:
        lines.append(f"Attached, with names: {', '.join(file.name for file in attached)}.")
    lines += [f"{name} is too large for a mail; it is in Isthmus." for name in too_large]
    return Notice(
        subject=f"{org}: {_short(change, now)}",
        text="\n".join(lines),
        attachments=attached,
        link=link,
        key=str(facts.notice_id),
        event=event,
        facts=_facts(org, change, now),
    )


def failure_notice(facts: AuditDelivery, public_url: str, zone: ZoneInfo) -> Notice:
    """Return the notice of an audit that failed: cause and remedy, and since when there is no new audit."""
    org = facts.alias or "The org"
    failure = Failure(facts.failure or Failure.INTERNAL.value)
    good = "There is no earlier one." if facts.good_at is None else f"The last good one: {_at(facts.good_at, zone)}."
    text = explain(failure, facts.failure_object)
    return Notice(
        subject=f"{org}: the audit has failed",
        text=f"The audit of {org} has failed: {text}\n{good}",
        link=f"{public_url}/audits/{facts.audit_id}",
        key=str(facts.notice_id),
        event="failure",
        facts={"org": org, "failure": failure.value},
    )


def finance_notice(facts: AuditDelivery, months: Sequence[Month], public_url: str, zone: ZoneInfo) -> Notice:
    """Return the finance summary: per org the three figures, the seats, how they went, and what has to be decided."""
    today = (facts.until or facts.made_at).astimezone(zone).date()
    span = f"{_day(facts.since, zone)} to {_day(facts.until, zone)}"
    lines: list[str] = []
    orgs: list[dict[str, str | int]] = []
    for alias, group in groupby(months, key=lambda month: month.alias):
        found = list(group)
        latest = found[-1]
        lines += ["", f"{alias}, as of {_day(latest.taken_at, zone)}:", *_org_lines(latest, today)]
        if len(found) > 1:
            lines.append("By month (last audit of each):")
            lines += [_month_line(month) for month in found]
        orgs.append({"org": alias, "seats": 0 if latest.summary is None else latest.summary.seats_assigned})
    if not orgs:
        lines += ["", "No org has an audit in this time."]
    return Notice(
        subject=f"Licences of {facts.tenant_name}: finance summary to {today:%Y-%m-%d}",
        text="\n".join(
            [f"Finance summary, {span}. Figures are per year; they overlap, so do not add them up.", *lines]
        ),
        link=f"{public_url}/audits",
        key=str(facts.notice_id),
        event="audit",
        facts={"tenant": facts.tenant_name, "orgs": orgs},
    )


def _change_line(change: Change | None, zone: ZoneInfo) -> str:
    if change is None:
        return "This is the first audit: there is nothing to compare it with yet."
    parts = [_seats("assigned", change.assigned), _seats("active", change.active), _seats("unused", change.unused)]
    if change.purchased:
        parts.append(_seats("paid for", change.purchased))
    return f"Since {_day(change.since, zone)}: {', '.join(parts)}; {_findings(change)}."


def _short(change: Change | None, now: ToldReport) -> str:
    if change is None:
        unused = "unused seats withheld" if now.seats_unused is None else f"{now.seats_unused:,} unused seats"
        return f"first audit, {unused}"
    return f"{_seats('assigned', change.assigned)}, {_seats('active', change.active)}, {_findings(change)}"


def _findings(change: Change) -> str:
    if change.findings_new is None or change.findings_resolved is None:
        return "findings cannot be compared"
    plural = "" if change.findings_new == 1 else "s"
    return f"{change.findings_new:,} new finding{plural}, {change.findings_resolved:,} resolved"


def _seats(word: str, by: int | None) -> str:
    if by is None:
        return f"{word} withheld"
    sign = "+" if by > 0 else _MINUS if by < 0 else "\N{PLUS-MINUS SIGN}"
    return f"{sign}{abs(by):,} {word}"


def _money_lines(was: ToldReport | None, now: ToldReport) -> list[str]:
    if now.money_withheld:
        return ["Money is withheld."]
    lines = [
        f"Reclaim now {change.now.reclaim_now:,.0f} {change.now.currency} a year"
        f"{_was(change.was and change.was.reclaim_now)}, "
        f"cash at renewal {change.now.cash_at_renewal:,.0f}{_was(change.was and change.was.cash_at_renewal)}, "
        f"at risk {change.now.at_risk:,.0f}{_was(change.was and change.was.at_risk)}."
        for change in money_changes(was, now)
    ]
    return lines or ["No unused seat has a known price."]


def _was(amount: Decimal | None) -> str:
    return "" if amount is None else f" (was {amount:,.0f})"


def _figures_line(now: ToldReport | ToldSummary, findings: int) -> str:
    return (
        f"Now: {now.seats_purchased:,} paid seats, {now.seats_assigned:,} assigned, "
        f"{_count(now.seats_active)} active, {_count(now.seats_unused)} unused; {findings:,} findings."
    )


def _count(figure: int | None) -> str:
    return "(withheld)" if figure is None else f"{figure:,}"


def _deadline_lines(now: ToldReport, today: date) -> list[str]:
    ahead = sorted((line for line in now.contract if line.notice_deadline >= today), key=lambda c: c.notice_deadline)
    return [
        f"Notice for {line.product} by {line.notice_deadline} ({(line.notice_deadline - today).days:,} days left); "
        f"its contract ends {line.end}."
        for line in ahead
    ]


def _joined(change: Change) -> str:
    return ", ".join(change.rules_left_out)


def _attachments(org: str, files: Mapping[str, bytes]) -> tuple[tuple[Attachment, ...], list[str]]:
    attached: list[Attachment] = []
    too_large: list[str] = []
    room = ATTACHMENT_BYTES_MAX
    for name, content in files.items():
        if len(content) > room:
            too_large.append(name)
            continue
        room -= len(content)
        attached.append(Attachment(f"{org}-{name}", _MEDIA_TYPES[name], content))
    return tuple(attached), too_large


def _facts(org: str, change: Change | None, now: ToldReport) -> dict[str, str | int | list[dict[str, str | int]]]:
    """Return the figures for programs; what is withheld is left out."""
    given: dict[str, int | None] = {
        "seats": now.seats_assigned,
        "seats_active": now.seats_active,
        "seats_unused": now.seats_unused,
        "findings": len(now.findings),
    }
    if change is not None:
        given |= {
            "assigned_change": change.assigned,
            "active_change": change.active,
            "unused_change": change.unused,
            "findings_new": change.findings_new,
            "findings_resolved": change.findings_resolved,
        }
    money: list[dict[str, str | int]] = [
        {
            "currency": total.currency,
            "reclaim_now": str(total.reclaim_now),
            "cash_at_renewal": str(total.cash_at_renewal),
            "at_risk": str(total.at_risk),
        }
        for total in (() if now.money_withheld else now.money)
    ]
    return {"org": org, **{name: figure for name, figure in given.items() if figure is not None}, "money": money}


def _org_lines(latest: Month, today: date) -> list[str]:
    if latest.summary is None:
        return ["Its figures are not kept."]
    lines = [_figures_line(latest.summary, latest.summary.findings)]
    if latest.summary.money_withheld:
        lines.append("Money is withheld.")
    lines += [
        f"{total.currency} a year: reclaim now {total.reclaim_now:,.0f}, cash at renewal {total.cash_at_renewal:,.0f}, "
        f"at risk {total.at_risk:,.0f}."
        for total in (() if latest.summary.money_withheld else latest.summary.money)
    ]
    if latest.report is None:
        return [*lines, "Its report is not kept any more, so no contract's days are known."]
    return lines + (_deadline_lines(latest.report, today) or ["No notice day ahead is known: give its contract file."])


def _month_line(month: Month) -> str:
    seen = month.summary
    if seen is None:
        return f"  {month.taken_at:%Y-%m}: not kept"
    seats = f"{seen.seats_assigned:,} assigned, {_count(seen.seats_active)} active, {_count(seen.seats_unused)} unused"
    money = ", ".join(f"{total.reclaim_now:,.0f} {total.currency}" for total in seen.money)
    reclaim = "withheld" if seen.money_withheld else money or "not priced"
    return f"  {month.taken_at:%Y-%m}: {seats}, reclaim now {reclaim}"


def _month_before(day: date) -> date:
    return (day.replace(day=1) - timedelta(days=1)).replace(day=day.day)


def _day(moment: datetime | None, zone: ZoneInfo) -> str:
    return "" if moment is None else moment.astimezone(zone).strftime("%Y-%m-%d")


def _at(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")
