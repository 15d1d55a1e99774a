"""The findings as the PDF prints them: what they are worth by rule, then each by name. Pure.

Their money adds up to the amounts of the summary page. Where a seat is counted with another finding, the row says with
which: otherwise a reader adds the same seat twice, or looks for money that is not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from isthmus.audit.figures import FindingLine, MoneyTotal, Report
from isthmus.audit.money import MONTHS
from isthmus.audit.report.wording import NOT_PRINTED, breakable, money_text, number, one_line
from isthmus.audit.rules.registry import PSL_PRIORITY, SEAT_PRIORITY

FINDINGS_PRINTED_MAX: Final = 500
"""More make the document unreadable, and setting them costs 100 MB a thousand; the workbook and CSV have them all."""
_COUNTING: Final = frozenset({*SEAT_PRIORITY, *PSL_PRIORITY})
_HELD: Final = frozenset({"user", "psl_assignment"})
"""Findings about a seat that somebody holds; the others are about seats that nobody holds, saved at a renewal only."""


def counted_with(report: Report) -> dict[int, int]:
    """Return, of findings whose seat or grant is counted with another one, their numbers and that of the other one."""
    counting = {(f.subject_id, f.pool): f.ordinal for f in report.findings if f.valued}
    return {
        line.ordinal: counting[line.subject_id, line.pool]
        for line in report.findings
        if not line.valued and line.rule in _COUNTING and (line.subject_id, line.pool) in counting
    }


# ---- by rule --------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Worth:
    """Seats and a year's money of some findings: by grade, and of seats that nobody holds."""

    seats: int = 0
    grades: dict[str, Decimal] = field(default_factory=dict[str, Decimal])
    unheld: Decimal = Decimal(0)

    def add(self, line: FindingLine) -> None:
        """Add a finding that is valued."""
        amount = (line.saving_monthly or Decimal(0)) * MONTHS
        self.seats += line.quantity
        if line.subject_kind in _HELD:
            self.grades[line.grade] = self.grades.get(line.grade, Decimal(0)) + amount
        else:
            self.unheld += amount

    def cells(self) -> list[str]:
        """Return the amounts as texts, a dash for none."""
        amounts = [*(self.grades.get(grade) for grade in ("A", "B", "C")), self.unheld]
        return [money_text(amount or None, None) for amount in amounts]


def worth_by_rule(report: Report) -> list[dict[str, object]]:
    """Return a table for each currency: a row for each rule that is worth money, their sum, and what is to be said."""
    return [] if report.money_withheld else [_of_currency(report, total) for total in report.money]


def _of_currency(report: Report, total: MoneyTotal) -> dict[str, object]:
    titles = {rule.id: rule.title for rule in report.rules}
    rules: dict[str, _Worth] = {}
    together = _Worth()
    for line in report.findings:
        if line.valued and line.currency == total.currency and line.saving_monthly is not None:
            rules.setdefault(line.rule, _Worth()).add(line)
            together.add(line)
    rows = [[rule, titles.get(rule, ""), number(w.seats), *w.cells()] for rule, w in sorted(rules.items())]
    found = sum((together.grades.get(grade, Decimal(0)) for grade in ("A", "B")), Decimal(0))
    capped = found - total.reclaim_now + together.grades.get("C", Decimal(0)) - total.at_risk
    return {
        "currency": total.currency,
        "rows": rows,
        "sum": ["", f"Total in {total.currency}", number(together.seats), *together.cells()],
        "note": _adds_up(total, capped),
    }


def _adds_up(total: MoneyTotal, capped: Decimal) -> str:
    cut = (
        f" That is {money_text(capped, None)} less than the rows have: no more counts than the licences can give."
        if capped > 0
        else ""
    )
    return (
        f"A and B together are Reclaim now ({money_text(total.reclaim_now, total.currency)}), C is At risk "
        f"({money_text(total.at_risk, total.currency)}).{cut} Cash at renewal is reckoned by licence (see Renewal), "
        "not from these rows."
    )


# ---- by name --------------------------------------------------------------------------------------------------------


def finding_groups(report: Report) -> list[dict[str, object]]:
    """Return the findings by rule, then those that are put off."""
    groups: dict[str, list[FindingLine]] = {}
    put_off: list[FindingLine] = []
    for line in report.findings[:FINDINGS_PRINTED_MAX]:
        (groups.setdefault(line.rule, []) if line.snoozed_until is None else put_off).append(line)
    row = _Rows(report)
    found: list[dict[str, object]] = [
        {
            "rule": rule,
            "title": lines[0].title,
            "count": _count(report, rule),
            "remedy": lines[0].remedy,
            "rows": [row.cells(line) for line in lines],
        }
        for rule, lines in sorted(groups.items())
    ]
    if put_off:
        rows = [row.cells(line) for line in put_off]
        count = number(sum(1 for line in report.findings if line.snoozed_until is not None))
        remedy = "You decided to look at these later. Until their day they count for no money; then they are back."
        found.append({"rule": "", "title": "Put off", "count": count, "remedy": remedy, "rows": rows})
    return found


def _count(report: Report, rule: str) -> str:
    own = [line for line in report.findings if line.rule == rule]
    later = sum(1 for line in own if line.snoozed_until is not None)
    return number(len(own) - later) + (f", and {number(later)} put off" if later else "")


class _Rows:
    """Makes rows of findings; amounts of one report have cents everywhere, or nowhere."""

    def __init__(self, report: Report) -> None:
        """Look at all amounts once."""
        amounts = [line.saving_monthly for line in report.findings if line.saving_monthly is not None]
        self._cents = any(amount != amount.to_integral_value() for amount in amounts)
        self._counted_with = counted_with(report)

    def cells(self, line: FindingLine) -> Sequence[str]:
        """Return a row."""
        why = line.why + (f" But: {'; '.join(line.traps)}." if line.traps else "")
        if line.snoozed_until is not None:
            why = f"{line.rule}, until {line.snoozed_until.isoformat()}: {line.snooze_reason or 'put off'}. {why}"
        return [
            number(line.ordinal),
            line.grade,
            one_line(line.subject),
            breakable(one_line(line.detail)),
            one_line(line.pool_name),
            why,
            self._worth(line),
        ]

    def _worth(self, line: FindingLine) -> str:
        if line.valued:
            unpriced = line.saving_monthly is None
            return "no price" if unpriced else money_text(line.saving_monthly, line.currency, cents=self._cents)
        other = self._counted_with.get(line.ordinal)
        return NOT_PRINTED if other is None else f"in No. {number(other)}"
