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
from isthmus.audit.cadence.telling_pages import (
    OVERLAP,
    WITHHELD,
    deadlines_grid,
    money_blocks,
    paragraphs,
    plain_money,
    seats_grid,
    signed,
)
from isthmus.audit.failures import Failure, explain
from isthmus.notices.model import ATTACHMENT_BYTES_MAX, Attachment, Delivery, Notice, Span
from isthmus.notices.page import Block, Grid, Heading, Paragraph, html_page

FINANCE_AT: Final = time(7)
"""When a finance summary is made, by the channel's zone."""
NO_AUDIT: Final = "No org has an audit in this time."
NOT_KEPT: Final = "Its figures are not kept."
UNPRICED: Final = "No unused seat has a known price."
NO_MONEY: Final = "Money is withheld."
NO_REPORT: Final = "Its report is not kept any more, so no contract's days are known."
NO_NOTICE: Final = "No notice day ahead is known: give its contract file."
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
    today = facts.made_at.astimezone(zone).date()
    attached, too_large = _attachments(org, told.files)
    first, last = [*lines, _change_line(change, zone)], _documents_lines(now, attached, too_large)
    unsaid = _unsaid_lines(now, change)
    figures = [*_money_lines(was, now), _figures_line(now, len(now.findings))]
    subject = f"{org}: {_short(change, now)}"
    blocks = [
        *paragraphs(first),
        seats_grid(now, len(now.findings), change, "" if change is None else _day(change.since, zone)),
        *_money_blocks(was, now),
        *paragraphs(unsaid),
        *deadlines_grid(_ahead(now, today)),
        *paragraphs(last),
    ]
    return Notice(
        subject=subject,
        text="\n".join([*first, *figures, *unsaid, *_deadline_lines(now, today), *last]),
        html=html_page(subject, blocks, link),
        attachments=attached,
        link=link,
        key=str(facts.notice_id),
        event=event,
        facts=_facts(org, change, now),
    )


def _unsaid_lines(now: ToldReport, change: Change | None) -> list[str]:
    lines = [f"Withheld: {text}" for text in now.withheld]
    if change is not None and change.rules_left_out:
        lines.append(f"Not compared, because one of the two audits could not run them: {_joined(change)}.")
    return lines


def _documents_lines(now: ToldReport, attached: Sequence[Attachment], too_large: Sequence[str]) -> list[str]:
    whose = "with pseudonyms for names" if now.pseudonymous else "with names"
    lines = [f"Attached, {whose}: {', '.join(file.name for file in attached)}."] if attached else []
    return lines + [f"{name} is too large for a mail; it is in Isthmus." for name in too_large]


def failure_notice(facts: AuditDelivery, public_url: str, zone: ZoneInfo) -> Notice:
    """Return the notice of an audit that failed: cause and remedy, and since when there is no new audit."""
    org = facts.alias or "The org"
    failure = Failure(facts.failure or Failure.INTERNAL.value)
    good = "There is no earlier one." if facts.good_at is None else f"The last good one: {_at(facts.good_at, zone)}."
    subject, link = f"{org}: the audit has failed", f"{public_url}/audits/{facts.audit_id}"
    lines = [f"The audit of {org} has failed: {explain(failure, facts.failure_object)}", good]
    return Notice(
        subject=subject,
        text="\n".join(lines),
        html=html_page(subject, list(paragraphs(lines)), link),
        link=link,
        key=str(facts.notice_id),
        event="failure",
        facts={"org": org, "failure": failure.value},
    )


def finance_notice(facts: AuditDelivery, months: Sequence[Month], public_url: str, zone: ZoneInfo) -> Notice:
    """Return the finance summary: per org the three figures, the seats, how they went, and what has to be decided."""
    today = (facts.until or facts.made_at).astimezone(zone).date()
    span = f"{_day(facts.since, zone)} to {_day(facts.until, zone)}"
    intro = f"Finance summary, {span}. Figures are per year; they overlap, so do not add them up."
    lines: list[str] = [intro]
    blocks: list[Block] = [Paragraph(intro)]
    orgs: list[dict[str, str | int]] = []
    for alias, group in groupby(months, key=lambda month: month.alias):
        found = list(group)
        latest = found[-1]
        title = f"{alias}, as of {_day(latest.taken_at, zone)}"
        lines += ["", f"{title}:", *_org_lines(latest, today)]
        blocks += [Heading(title), *_org_blocks(latest, today)]
        if len(found) > 1:
            lines.append("By month (last audit of each):")
            lines += [_month_line(month) for month in found]
            blocks.append(_months_grid(found))
        orgs.append({"org": alias, "seats": 0 if latest.summary is None else latest.summary.seats_assigned})
    if not orgs:
        lines += ["", NO_AUDIT]
        blocks.append(Paragraph(NO_AUDIT))
    subject, link = f"Licences of {facts.tenant_name}: finance summary to {today:%Y-%m-%d}", f"{public_url}/audits"
    return Notice(
        subject=subject,
        text="\n".join(lines),
        html=html_page(subject, blocks, link),
        link=link,
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
    return f"{signed(by)} {word}"


def _money_lines(was: ToldReport | None, now: ToldReport) -> list[str]:
    if now.money_withheld:
        return [NO_MONEY]
    lines = [
        f"Reclaim now {change.now.reclaim_now:,.0f} {change.now.currency} a year"
        f"{_was(change.was and change.was.reclaim_now)}, "
        f"cash at renewal {change.now.cash_at_renewal:,.0f}{_was(change.was and change.was.cash_at_renewal)}, "
        f"at risk {change.now.at_risk:,.0f}{_was(change.was and change.was.at_risk)}."
        for change in money_changes(was, now)
    ]
    return [*lines, OVERLAP] if lines else [UNPRICED]


def _money_blocks(was: ToldReport | None, now: ToldReport) -> list[Block]:
    if now.money_withheld:
        return [Paragraph(NO_MONEY)]
    return list(money_blocks(money_changes(was, now))) or [Paragraph(UNPRICED)]


def _was(amount: Decimal | None) -> str:
    return "" if amount is None else f" (was {amount:,.0f})"


def _figures_line(now: ToldReport | ToldSummary, findings: int) -> str:
    return (
        f"Now: {now.seats_purchased:,} paid seats, {now.seats_assigned:,} assigned, "
        f"{_count(now.seats_active, 'active')}, {_count(now.seats_unused, 'unused')}; {findings:,} findings."
    )


def _count(figure: int | None, word: str) -> str:
    return f"{word} {WITHHELD}" if figure is None else f"{figure:,} {word}"


def _ahead(now: ToldReport, today: date) -> list[tuple[str, date, int, date]]:
    """Return the notice days that are still to come, the next one first: product, day, days left, end."""
    ahead = sorted((line for line in now.contract if line.notice_deadline >= today), key=lambda c: c.notice_deadline)
    return [(line.product, line.notice_deadline, (line.notice_deadline - today).days, line.end) for line in ahead]


def _deadline_lines(now: ToldReport, today: date) -> list[str]:
    return [
        f"Notice for {product} by {day} ({left:,} day{'' if left == 1 else 's'} left); its contract ends {end}."
        for product, day, left, end in _ahead(now, today)
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
        return [NOT_KEPT]
    lines = [_figures_line(latest.summary, latest.summary.findings)]
    if latest.summary.money_withheld:
        lines.append(NO_MONEY)
    lines += [
        f"{total.currency} a year: reclaim now {total.reclaim_now:,.0f}, cash at renewal {total.cash_at_renewal:,.0f}, "
        f"at risk {total.at_risk:,.0f}."
        for total in (() if latest.summary.money_withheld else latest.summary.money)
    ]
    if latest.report is None:
        return [*lines, NO_REPORT]
    return lines + (_deadline_lines(latest.report, today) or [NO_NOTICE])


def _org_blocks(latest: Month, today: date) -> list[Block]:
    seen, shown = latest.summary, latest.report
    if seen is None:
        return [Paragraph(NOT_KEPT)]
    money = [Paragraph(NO_MONEY)] if seen.money_withheld else money_blocks(plain_money(seen.money))
    ahead = [] if shown is None else _ahead(shown, today)
    days = list(deadlines_grid(ahead)) or [Paragraph(NO_REPORT if shown is None else NO_NOTICE)]
    return [seats_grid(seen, seen.findings, None, ""), *money, *days]


def _months_grid(months: Sequence[Month]) -> Grid:
    head = ("Month", "Assigned", "Active", "Unused", "Reclaim now")
    return Grid("By month (last audit of each)", head, tuple(_month_cells(month) for month in months))


def _month_cells(month: Month) -> tuple[str, ...]:
    seen = month.summary
    if seen is None:
        return (f"{month.taken_at:%Y-%m}", *("not kept",) * 4)
    counts = (WITHHELD if n is None else f"{n:,}" for n in (seen.seats_assigned, seen.seats_active, seen.seats_unused))
    return (f"{month.taken_at:%Y-%m}", *counts, _reclaim(seen))


def _reclaim(seen: ToldSummary) -> str:
    if seen.money_withheld:
        return WITHHELD
    return ", ".join(f"{total.reclaim_now:,.0f} {total.currency}" for total in seen.money) or "not priced"


def _month_line(month: Month) -> str:
    seen = month.summary
    if seen is None:
        return f"  {month.taken_at:%Y-%m}: not kept"
    active, unused = _count(seen.seats_active, "active"), _count(seen.seats_unused, "unused")
    seats = f"{seen.seats_assigned:,} assigned, {active}, {unused}"
    return f"  {month.taken_at:%Y-%m}: {seats}, reclaim now {_reclaim(seen)}"


def _month_before(day: date) -> date:
    return (day.replace(day=1) - timedelta(days=1)).replace(day=day.day)


def _day(moment: datetime | None, zone: ZoneInfo) -> str:
    return "" if moment is None else moment.astimezone(zone).strftime("%Y-%m-%d")


def _at(moment: datetime, zone: ZoneInfo) -> str:
    return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M %Z")
