"""The summary page's three amounts, of what they consist, and when they are saved. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from isthmus.audit.figures import ContractLine, GradeSplit, MoneyTotal, Report
from isthmus.audit.money import MONTHS
from isthmus.audit.report.wording import WITHHELD, counted, long_day, money_text, number

CASH: Final = "Cash at renewal"
RECLAIM: Final = "Reclaim now"
RISK: Final = "At risk"
UPLIFT_SHOWN_MAX: Final = 900
CURRENCIES_MAX: Final = 3
_HINTS: Final = {
    CASH: "what you stop paying",
    RECLAIM: "no cash: for use before buying more",
    RISK: "doubtful savings: ask first",
}
UNUSED: Final = frozenset({"R06", "R07", "R08"})
_SECOND_SEATS: Final = "R15"
_GRADED: Final = frozenset({"unused", "grant"})
"""Kinds that the table has by grade."""
_KINDS: Final = {
    "unused": ("not used", "not used"),
    "R15": ("second seat of a person", "second seats of a person"),
    "R09": ("used by software", "used by software"),
    "R19": ("perhaps on too large a licence", "perhaps on too large a licence"),
    "grant": ("add-on grant", "add-on grants"),
    "other": ("other", "others"),
}


def money_cards(report: Report, main: MoneyTotal | None) -> list[dict[str, object]]:
    """Return the three amounts, cash first, each with what it consists of and when it comes."""
    if report.money_withheld or main is None or report.seats_unused is None:
        value, note = (WITHHELD, "see what could be wrong")
        if main is None and not report.money_withheld:
            value, note = "unpriced", "give prices"
        elif not report.money_withheld:
            note = "activity is not visible"
        return [_card(label, value, note) for label in (CASH, RECLAIM, RISK)]
    uplift = main.break_even_uplift_percent
    cost = money_text(main.annual_cost, None)
    undone = f" A rise of all unit prices by {uplift} % would cancel it." if uplift is not None else ""
    return [
        _card(
            CASH,
            money_text(main.cash_at_renewal, main.currency),
            f"a year, of {cost} in all ({at_basis(main).strip()})",
            _split(main.renewal_split, "A, or held by nobody"),
            f"When: {when(report, main)}.{undone if uplift is not None and uplift <= UPLIFT_SHOWN_MAX else ''}",
        ),
        _card(
            RECLAIM,
            money_text(main.reclaim_now, main.currency),
            f"a year: {_parts(report, main, main.reclaim_seats, main.reclaim_now, 'AB')}",
            _split(main.reclaim_split),
        ),
        _card(
            RISK,
            money_text(main.at_risk, main.currency),
            f"a year: {_parts(report, main, main.risk_seats, main.at_risk, 'C')}",
            _hints(report, main),
        ),
    ]


def _card(label: str, value: str, note: str, split: str = "", sub: str = "") -> dict[str, object]:
    return {"label": label, "hint": _HINTS[label], "value": value, "note": note, "split": split, "sub": sub}


def at_basis(total: MoneyTotal) -> str:
    """Return whose prices lie behind the amounts."""
    return {"list": " at list price", "yours": " at your prices"}.get(total.basis, " at list and your prices")


def _split(split: GradeSplit, sure: str = "A") -> str:
    return f"sure ({sure}) {money_text(split.a, None)}, likely (B) {money_text(split.b, None)}"


def renewal_by_pool(report: Report, main: MoneyTotal) -> dict[str, Decimal]:
    """Return what a year of each pool saves at its renewal, of those that save any."""
    lines = (*report.licenses, *report.psls)
    return {
        line.id: line.renewal_monthly * MONTHS
        for line in lines
        if line.renewal_monthly and line.currency == main.currency
    }


def fewer_seats(report: Report, main: MoneyTotal) -> tuple[int, int]:
    """Return how many fewer seats, and how many fewer permission set licences, are renewed for the cash."""
    seats = sum(line.renewal_seats or 0 for line in report.licenses if line.currency == main.currency)
    add_ons = sum(line.renewal_seats or 0 for line in report.psls if line.currency == main.currency)
    return seats, add_ons


def _hints(report: Report, main: MoneyTotal) -> str:
    """Say of what grade the amount at risk is: most of it is about seats in use, which the table does not grade."""
    kinds = set(_composition(report, main.currency, "C"))
    if not kinds & _GRADED or not main.risk_seats:
        return "hints (grade C) about seats in use, none of those not used" if main.risk_seats else ""
    return "all of grade C" + ("; beyond the table's ask C: hints about seats in use" if kinds - _GRADED else "")


def _parts(report: Report, main: MoneyTotal, seats: int, amount: Decimal, grades: Collection[str]) -> str:
    """Say of which findings an amount consists; amounts only where they add up to it, with what was taken off them."""
    parts = _composition(report, main.currency, grades)
    together = sum((part.worth for part in parts.values()), Decimal(0))
    whole = sum(part.seats for part in parts.values()) == seats and abs(together - amount) < 1
    told = [
        f"{counted(part.seats, *_KINDS[kind])}{part.said(alone=len(parts) == 1) if whole else ''}"
        for kind, part in parts.items()
    ]
    if not told:
        return counted(seats, "seat", "seats")
    capped = "" if whole else f"; no more than the {number(seats)} that the licences can give"
    return ", ".join(told) + capped + (_less(parts.values()) if whole else "")


@dataclass(frozen=True, slots=True)
class _Part:
    """Findings of one kind: seats, and a year's amount. `full`: at the licence's own price, before what is taken off.

    `instead`: another seat is needed instead of some; `cheaper`: of two seats the cheaper one counts.
    """

    seats: int = 0
    worth: Decimal = Decimal(0)
    full: Decimal = Decimal(0)
    instead: bool = False
    cheaper: bool = False

    @property
    def less(self) -> Decimal:
        """Return what is taken off, as whole as the amounts are printed."""
        full, worth = (amount.quantize(Decimal(1), ROUND_HALF_UP) for amount in (self.full, self.worth))
        return full - worth

    def said(self, *, alone: bool) -> str:
        """Return the amount in brackets; nothing where the card's own amount says it all."""
        if self.less:
            return f" ({money_text(self.full, None)} less {money_text(self.less, None)})"
        return "" if alone else f" ({money_text(self.worth, None)})"


def _less(parts: Iterable[_Part]) -> str:
    """Say why something was taken off."""
    off = [part for part in parts if part.less]
    why = ["seats needed instead"] if any(part.instead for part in off) else []
    why += ["of two seats the cheaper one counts"] if any(part.cheaper for part in off) else []
    return f"; less: {', and '.join(why)}" if why else ""


def _composition(report: Report, currency: str, grades: Collection[str]) -> dict[str, _Part]:
    """Return what was found by kind of finding, each seat once."""
    unused = {(f.subject_id, f.pool) for f in report.findings if f.rule in UNUSED and f.grade != "D"}
    prices = {line.id: line.unit_price for line in (*report.licenses, *report.psls)}
    found = {kind: _Part() for kind in _KINDS}
    for line in report.findings:
        if not line.valued or line.grade not in grades or line.currency != currency or line.saving_monthly is None:
            continue
        if line.subject_kind == "psl_assignment":
            kind = "grant"
        elif line.subject_kind != "user":
            continue  # seats that nobody holds: worth money at the renewal only
        else:
            kind = "unused" if (line.subject_id, line.pool) in unused else line.rule
        kind = kind if kind in found else "other"
        part, full = found[kind], (prices.get(line.pool) or Decimal(0)) * line.quantity
        cut = full > line.saving_monthly
        found[kind] = _Part(
            part.seats + line.quantity,
            part.worth + line.saving_monthly * MONTHS,
            part.full + full * MONTHS,
            part.instead or (cut and line.rule != _SECOND_SEATS),
            part.cheaper or (cut and line.rule == _SECOND_SEATS),
        )
    return {kind: part for kind, part in found.items() if part.seats}


# ---- when -----------------------------------------------------------------------------------------------------------


def _terms(report: Report, main: MoneyTotal) -> list[ContractLine]:
    """Return the contract's lines that decide when the money of these totals is saved, the first notice first."""
    pools, today = renewal_by_pool(report, main), report.day
    lines = [c for c in report.contract if c.pool in pools and c.renews and c.end >= today]
    return sorted(lines, key=lambda line: (line.notice_deadline, line.end))


def _undated(report: Report, main: MoneyTotal) -> Decimal:
    """Return what of the cash belongs to licences whose term is not known."""
    dated = {line.pool for line in _terms(report, main)}
    return sum((amount for pool, amount in renewal_by_pool(report, main).items() if pool not in dated), Decimal(0))


def is_too_late(report: Report, main: MoneyTotal) -> bool:
    """Whether every term that saves money renews itself before anything can be given back: its notice is overdue."""
    terms = _terms(report, main)
    late = all(line.auto_renew and line.notice_deadline < report.day for line in terms)
    return bool(terms) and late and not _undated(report, main)


def since(report: Report, main: MoneyTotal) -> str:
    """Return after which day the cash is saved, as the end of a sentence."""
    terms, undated = _terms(report, main), _undated(report, main)
    ends = {line.end for line in terms}
    overdue = any(line.auto_renew and line.notice_deadline < report.day for line in terms)
    if len(ends) != 1 or overdue:
        return " from its renewal on" if main.renewal_seats == 1 else " from their renewals on"
    end = long_day(min(ends))
    if not undated:
        return f" after {end}"
    dated = money_text(main.cash_at_renewal - undated, None)
    return f": {dated} of it after {end}, the rest at a renewal whose day is not known"


def when(report: Report, main: MoneyTotal) -> str:
    """Return when the cash is saved, and on what condition."""
    today, terms, undated = report.day, _terms(report, main), _undated(report, main)
    if not terms:
        return "at the renewal, its day is not known"
    others = f"; of other licences the day is not known ({money_text(undated, None)})" if undated else ""
    ahead = [line for line in terms if line.notice_deadline >= today or not line.auto_renew]
    if not ahead:
        return f"at the renewal after next: notice is overdue{others}"
    late = "; for some terms notice is overdue" if len(ahead) < len(terms) else ""
    notice = list(dict.fromkeys(long_day(line.notice_deadline) for line in ahead if line.auto_renew))
    end = long_day(min(line.end for line in ahead))
    if len({(line.end, line.notice_deadline, line.auto_renew) for line in ahead}) == 1:
        given = f"if notice is given by {notice[0]}" if notice else "when the term ends by itself"
        return f"after {end}, {given}{late}{others}"
    given = f", if notice is given in time, first by {notice[0]}" if notice else ", when the terms end by themselves"
    return f"term by term, the first after {end}{given}{late}{others}"


# ---- other currencies -----------------------------------------------------------------------------------------------


def other_currencies(totals: Sequence[MoneyTotal]) -> list[str]:
    """Return a line for each further currency."""
    more = len(totals) - CURRENCIES_MAX
    told = [_other_currency(total) for total in totals[:CURRENCIES_MAX]]
    return [*told, f"{counted(more, 'more currency is', 'more currencies are')} in the workbook."] if more > 0 else told


def _other_currency(total: MoneyTotal) -> str:
    return (
        f"In {total.currency}: cash at renewal {money_text(total.cash_at_renewal, None)}, reclaim now "
        f"{money_text(total.reclaim_now, None)}, at risk {money_text(total.at_risk, None)} a year{at_basis(total)}."
    )
