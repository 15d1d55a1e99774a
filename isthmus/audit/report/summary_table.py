"""The summary page's table of seats: from what is bought to what need not be renewed, so that rows add up. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from isthmus.audit.figures import LicenseLine, MoneyTotal, PslLine, Report
from isthmus.audit.figures_renewal import ReadinessLine
from isthmus.audit.money import annual
from isthmus.audit.report.wording import NOT_PRINTED, counted, money_text, number, shortened
from isthmus.audit.view import DISABLED

LICENSES_MAX: Final = 4
"""Rows of licences; further ones are one row together."""
ADD_ONS_MAX: Final = 1
CONTRACT_NAMES_MAX: Final = 2
"""With more licences than this the table has no room for what the contract calls them."""
LICENSE_LENGTH_MAX: Final = 34
LICENSE_LENGTH_OF_MANY_MAX: Final = 26
THOUSANDS_FROM: Final = Decimal(100_000_000)
"""From amounts like this on the table prints thousands, so that it does not outgrow the page."""
CONTRACT_LENGTH_MAX: Final = 40
PAID: Final = frozenset({"paid", "legacy", "external", "unclassified"})
_GRADES: Final = ("A", "B", "C")
_ASKED_BY: Final = {"today": "in use today", "weeks": "in 95 % of weeks", "forecast": "by forecast"}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table. None: not known, or withheld. `cost` and `saved` are amounts of a year."""

    name: str
    contract: str
    bought: int | None
    assigned: int | None
    active: int | None
    graded: tuple[int | None, int | None, int | None]
    price: Decimal | None
    currency: str | None
    cost: Decimal | None
    fewer: int | None
    saved: Decimal | None
    unpriced: bool = False

    @property
    def unused(self) -> int | None:
        """Return the seats of all grades."""
        return _sum(self.graded)

    @property
    def renew(self) -> int | None:
        """Return the seats to renew."""
        return None if self.bought is None or self.fewer is None else self.bought - self.fewer


def license_rows(report: Report) -> list[Row]:
    """Return the paid licences that the org has, as the report sorts them."""
    ready = {line.pool: line for line in report.readiness}
    lines = [line for line in report.licenses if line.category in PAID and (line.purchased or line.assigned)]
    return [_license(report, line, ready.get(line.id)) for line in lines]


def _license(report: Report, line: LicenseLine, ready: ReadinessLine | None) -> Row:
    contract = [c for c in report.contract if c.pool == line.id and c.in_force]
    there = 0 if line.status == DISABLED else line.purchased
    bought = sum(c.contracted for c in contract) if contract else there if there >= 0 else None
    names = [c.product for c in contract if c.product.casefold() not in line.name.casefold()]
    fewer = line.renewal_seats
    if fewer is None and ready is not None:
        need = ready.spot if ready.base is None else ready.base
        fewer = None if need is None or bought is None else max(0, min(bought, line.purchased) - need)
    return Row(
        name=line.name,
        contract=" + ".join(dict.fromkeys(names)),
        bought=bought,
        assigned=line.assigned,
        active=line.active_90,
        graded=(line.unused_a, line.unused_b, line.unused_c),
        price=line.unit_price,
        currency=line.currency,
        cost=None
        if line.unit_price is None or bought is None or report.money_withheld
        else annual(line.unit_price, bought),
        fewer=fewer,
        saved=None if line.renewal_monthly is None else annual(line.renewal_monthly, 1),
        unpriced=line.unit_price is None,
    )


def add_on_rows(report: Report) -> list[Row]:
    """Return the permission set licences with a price, those first of which most is saved."""
    if report.money_withheld:
        return []
    found: dict[str, Counter[str]] = {}
    for line in report.findings:
        if line.valued and line.subject_kind == "psl_assignment":
            found.setdefault(line.pool, Counter())[line.grade] += line.quantity
    rows = [_add_on(report, line, found.get(line.id, Counter())) for line in report.psls if line.unit_price is not None]
    return sorted(rows, key=lambda row: (-(row.saved or 0), row.name))


def _add_on(report: Report, line: PslLine, found: Counter[str]) -> Row:
    contract = [c.contracted for c in report.contract if c.pool == line.id and c.in_force]
    there = 0 if line.status == DISABLED else line.purchased if line.purchased >= 0 else None
    bought = sum(contract) if contract else there
    return Row(
        name=f"Add-on: {line.name}",
        contract="",
        bought=bought,
        assigned=line.used,
        active=None,
        graded=(found["A"], found["B"], found["C"]),
        price=line.unit_price,
        currency=line.currency,
        cost=None if line.unit_price is None or bought is None else annual(line.unit_price, bought),
        fewer=line.renewal_seats,
        saved=None if line.renewal_monthly is None else annual(line.renewal_monthly, 1),
    )


def seat_table(report: Report, main: MoneyTotal | None) -> dict[str, object]:
    """Return the rows as texts, each with its kind, and what is to be said about them."""
    currency = main.currency if main is not None else None
    licenses, add_ons = license_rows(report), add_on_rows(report)
    whole = _together("All paid seats", licenses, currency)
    rows = [(row, "row") for row in _folded(licenses, LICENSES_MAX, "other licences", currency)]
    if len(licenses) > 1 or add_ons:
        rows.append((whole, "sum"))
    if add_ons:
        rows += [(row, "row") for row in _folded(add_ons, ADD_ONS_MAX, "other add-on licences", currency)]
        rows.append((_total(main), "sum"))
    few = len(licenses) <= CONTRACT_NAMES_MAX
    thousands = any(amount >= THOUSANDS_FROM for row, _ in rows for amount in (row.cost, row.saved) if amount)
    return {
        "rows": [
            {
                "kind": kind,
                "name": _name(row, currency, LICENSE_LENGTH_MAX if few else LICENSE_LENGTH_OF_MANY_MAX),
                "contract": shortened(row.contract, CONTRACT_LENGTH_MAX) if few else "",
                "cells": _cells(row, thousands=thousands),
            }
            for row, kind in rows
        ],
        "note": _note(report, main, [row for row, kind in rows if kind == "row"], thousands=thousands),
        "cases": _cases(report, licenses),
        "cases_note": _cases_note(report, licenses),
    }


def _name(row: Row, currency: str | None, most: int) -> str:
    """Return a row's name, with its currency where that is not the main one."""
    own = f" ({row.currency})" if row.currency not in {currency, None} else ""
    return shortened(row.name, most - len(own)) + own


def _folded(rows: Sequence[Row], most: int, rest: str, currency: str | None) -> list[Row]:
    """Return the first rows, and what is left of them as one."""
    kept, more = list(rows[:most]), rows[most:]
    return [*kept, _together(f"{number(len(more))} {rest}", more, currency)] if more else kept


def _together(name: str, rows: Sequence[Row], currency: str | None) -> Row:
    """Return the sum of rows; amounts of the main currency only."""
    mine = [row for row in rows if row.currency == currency and row.price is not None]
    grades = (_sum([row.graded[i] for row in rows]) for i in range(len(_GRADES)))
    return Row(
        name=name,
        contract="",
        bought=_sum([row.bought for row in rows]),
        assigned=_sum([row.assigned for row in rows]),
        active=_sum([row.active for row in rows]),
        graded=(next(grades), next(grades), next(grades)),
        price=None,
        currency=currency,
        cost=_amount(mine, lambda row: row.cost),
        fewer=_sum([row.fewer for row in rows]),
        saved=_amount(mine, lambda row: row.saved),
    )


def _total(main: MoneyTotal | None) -> Row:
    """Return the last line: what all of it costs and saves in the main currency."""
    empty = Row("Total", "", None, None, None, (None, None, None), None, None, None, None, None)
    if main is None:
        return empty
    return replace(
        empty,
        name=f"Total in {main.currency}",
        currency=main.currency,
        cost=main.annual_cost,
        fewer=main.renewal_seats,
        saved=main.cash_at_renewal,
    )


def _sum(counts: Sequence[int | None]) -> int | None:
    """Return the sum, or None if one of them is not known: a partial sum would look like a whole one."""
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _amount(rows: Sequence[Row], of: Callable[[Row], Decimal | None]) -> Decimal | None:
    amounts = [amount for row in rows if (amount := of(row)) is not None]
    return sum(amounts, Decimal(0)) if amounts else None


def _cells(row: Row, *, thousands: bool) -> list[str]:
    """Return a row's numbers as texts."""
    price = "no price" if row.unpriced else money_text(row.price, None, cents=True) if row.price is not None else ""
    counts = (row.bought, row.assigned, row.active, row.unused, *row.graded)
    unknown = all(count is None for count in counts)
    cost, saved = (None if amount is None else amount / (1000 if thousands else 1) for amount in (row.cost, row.saved))
    return [
        *("" if unknown else number(count) for count in counts),
        price,
        money_text(cost, None),
        "" if row.bought is None else number(row.renew),
        number(row.fewer),
        money_text(saved, None),
    ]


def _note(report: Report, main: MoneyTotal | None, rows: Sequence[Row], *, thousands: bool) -> str:
    said: list[str] = []
    if main is not None and not report.money_withheld:
        said.append(f"Amounts in {main.currency}{', of a year in thousands' if thousands else ''}.")
        said.append("Cost: bought x price x 12. Saved: fewer x price x 12.")
        if any("dd-on" in row.name for row in rows):
            said.append("Add-on: a permission set licence.")
        if any(row.currency not in {None, main.currency} for row in rows):
            said.append("Totals leave other currencies out.")
        said.append(_prices_from(report))
        said.append(_worth_less(rows, main.currency))
    said.append(_drift(report))
    if any(row.fewer is not None for row in rows) and not any(line.base is not None for line in _ready(report)):
        said.append("Renew: the seats in use today with a reserve, at least the contract's minimum.")
    return " ".join(text for text in said if text)


def _drift(report: Report) -> str:
    """Say how the contract's quantities differ from what the org has; seats it does not have save nothing here."""
    drift = {line.pool: line.drift for line in report.contract if line.in_force}
    more, fewer = (sum(abs(n) for n in drift.values() if (n > 0) is above and n) for above in (True, False))
    told = [
        text
        for text in (
            f"{counted(more, 'seat', 'seats')} more than it" if more else "",
            f"{counted(fewer, 'seat', 'seats')} fewer, which save nothing here" if fewer else "",
        )
        if text
    ]
    return f"Bought is by your contract file; the org has {' and '.join(told)}." if told else ""


def _prices_from(report: Report) -> str:
    pools = {line.id for line in report.licenses if line.category in PAID} | {line.id for line in report.psls}
    yours = dict.fromkeys(p.source for p in report.prices if p.pool in pools and p.basis == "yours" and p.source)
    listed = any(p.basis == "list" and p.pool in pools for p in report.prices)
    sources = [shortened("; ".join(yours), 70)] if yours else []
    return f"Prices: {', '.join([*sources, *(['list prices'] if listed else [])])}." if sources or listed else ""


def _worth_less(rows: Sequence[Row], currency: str) -> str:
    """Say how much less than fewer x price is saved, because of seats of which a cheaper one is needed instead."""
    less = sum(
        (annual(row.price, row.fewer) - row.saved for row in rows
         if row.price is not None and row.fewer is not None and row.saved is not None and row.currency == currency),
        Decimal(0),
    )  # fmt: skip
    return f"{money_text(less, None)} is taken off for cheaper seats that are needed instead." if less else ""


def _cases(report: Report, licenses: Sequence[Row]) -> list[list[str]]:
    """Return the seats to renew in three cases, or in one while there is too little history."""
    lines = [line for line in _ready(report) if line.spot is not None]
    if not lines:
        return []
    bought, used = _sum([row.bought for row in licenses]) or 0, _sum([row.renew for row in licenses])
    above = " (used above)" if report.money and not report.money_withheld else ""
    if any(line.base is None for line in lines) or len(lines) < len(licenses):
        return [_case(f"By today's use{above}", used, bought)]
    has = {line.id: line.purchased for line in report.licenses}

    def together(seats: Sequence[int | None]) -> int | None:
        """Sum up what to renew; what the contract has beyond the org is no part of any case, and stays."""
        pairs = [(n, line.bought, min(line.bought, has[line.pool])) for n, line in zip(seats, lines, strict=True)]
        return _sum([None if n is None else min(n, here) + paid - here for n, paid, here in pairs])

    return [
        _case("Conservative", together([line.conservative for line in lines]), bought),
        _case(f"Base{above}", used, bought),
        _case("Aggressive", together([line.aggressive for line in lines]), bought),
    ]


def _ready(report: Report) -> list[ReadinessLine]:
    """Return what the user licences need: the cases are about these, permission set licences have no past."""
    licenses = {line.id for line in report.licenses}
    return [line for line in report.readiness if line.pool in licenses]


def _case(name: str, seats: int | None, bought: int) -> list[str]:
    return [name, number(seats), NOT_PRINTED if seats is None else number(bought - seats)]


def _cases_note(report: Report, licenses: Sequence[Row]) -> str:
    lines = [line for line in _ready(report) if line.spot is not None]
    if not lines:
        return "Not known." if report.seats_assigned else ""
    if any(line.base is None for line in lines):
        return "Three cases follow after eight weeks of audits."
    hires = ", promised hires" if any(line.hires for line in lines) else ""
    return (
        "Cases: seats assigned in each weekly audit kept less those not used then. Conservative: highest week less A, "
        "or forecast. Base: enough for 95 % of weeks, less A and B, or forecast. Aggressive: middle week less A, B and "
        f"C. All with headroom (a reserve){hires} and contract minimum.{_base_of(report, licenses)}"
    )


def _base_of(report: Report, licenses: Sequence[Row]) -> str:
    """Say of the base case how it comes about, licence by licence, where there are few."""
    if len(licenses) > CONTRACT_NAMES_MAX:
        return ""
    rows = {row.name: row.renew for row in licenses}
    told = [
        f"{shortened(line.product, LICENSE_LENGTH_OF_MANY_MAX)} {number(line.base)} = {_made_of(line)}"
        for line in _ready(report)
        if line.base is not None and line.base_before is not None and rows.get(line.product) == line.base
    ]
    return f" Base here: {'; '.join(told)}." if told else ""


def _made_of(line: ReadinessLine) -> str:
    """Return the seats that are needed, and what is added to them."""
    if line.base_by == "minimum":
        return "the contract minimum"
    before = line.base_before or 0
    reserve = (line.base or 0) - before - line.hires
    hires = f" + {number(line.hires)} hires" if line.hires else ""
    return f"{number(before)} {_ASKED_BY[line.base_by]} + {number(reserve)} headroom{hires}"
