"""Notices about audits as blocks of a page: the same words and figures as the text, in tables. Pure; names nobody."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Final

from isthmus.audit.cadence.change import Change, MoneyChange, ToldMoney, ToldReport, ToldSummary
from isthmus.notices.page import Block, Grid, Paragraph

WITHHELD: Final = "withheld"
SEATS: Final = "Seats and findings"
OVERLAP: Final = "These amounts overlap: never add them up."
_AMOUNTS: Final = (
    ("Cash at renewal", "cash_at_renewal"),
    ("Reclaim now", "reclaim_now"),
    ("At risk, ask first", "at_risk"),
)


def signed(by: int) -> str:
    """Return a change with its sign."""
    sign = "+" if by > 0 else "\N{MINUS SIGN}" if by < 0 else "\N{PLUS-MINUS SIGN}"
    return f"{sign}{abs(by):,}"


def seats_grid(now: ToldReport | ToldSummary, findings: int, change: Change | None, since: str) -> Grid:
    """Return seats and findings, with what changed."""
    rows = [
        ("Paid seats", now.seats_purchased, None if change is None else change.purchased),
        ("Assigned", now.seats_assigned, None if change is None else change.assigned),
        ("Active in 90 days", now.seats_active, None if change is None else change.active),
        ("Unused", now.seats_unused, None if change is None else change.unused),
    ]
    if change is None:
        plain = [(name, _count(figure)) for name, figure, _ in rows]
        return Grid(SEATS, ("Figure", "Now"), (*plain, ("Findings", f"{findings:,}")))
    told = [(name, _count(figure), WITHHELD if by is None else signed(by)) for name, figure, by in rows]
    if change.findings_new is None or change.findings_resolved is None:
        found = "not comparable"
    else:
        found = f"{change.findings_new:,} new, {change.findings_resolved:,} resolved"
    return Grid(SEATS, ("Figure", "Now", f"Since {since}"), (*told, ("Findings", f"{findings:,}", found)))


def money_blocks(changes: Sequence[MoneyChange]) -> Iterator[Block]:
    """Yield a table for each currency, and how its amounts hang together."""
    for change in changes:
        was = change.was
        rows: list[tuple[str, ...]] = []
        for name, figure in _AMOUNTS:
            row = (name, _whole(getattr(change.now, figure)))
            rows.append(row if was is None else (*row, _whole(getattr(was, figure))))
        head = ("Amount", "Now") if was is None else ("Amount", "Now", "Before")
        yield Grid(f"{change.now.currency} a year", head, tuple(rows))
    if changes:
        yield Paragraph(OVERLAP, small=True)


def plain_money(money: Iterable[ToldMoney]) -> list[MoneyChange]:
    """Return amounts without any before."""
    return [MoneyChange(each, None) for each in money]


def deadlines_grid(rows: Iterable[tuple[str, date, int, date]]) -> Iterator[Block]:
    """Yield the table of the days by which notice has to be given: product, day, days left, end."""
    told = tuple((product, day.isoformat(), f"{left:,}", end.isoformat()) for product, day, left, end in rows)
    if told:
        yield Grid("Notice", ("Product", "By", "Days left", "Contract ends"), told)


def paragraphs(lines: Iterable[str]) -> Iterator[Block]:
    """Yield each line as a paragraph."""
    return (Paragraph(line) for line in lines if line)


def _count(figure: int | None) -> str:
    return WITHHELD if figure is None else f"{figure:,}"


def _whole(amount: Decimal) -> str:
    return f"{amount:,.0f}"
