"""The workbook's first sheet: every figure of the summary page, with the name under which it is explained. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from isthmus.audit.evidence.bundle import Manifest
from isthmus.audit.figures import Report
from isthmus.audit.report.cells import FIGURE, Cell, Table
from isthmus.audit.report.summary_money import at_basis

Row: TypeAlias = tuple[str, Cell, str]


def summary_table(report: Report, manifest: Manifest) -> Table:
    """Return the sheet."""
    rows = [
        *_head(report),
        *_money(report),
        *_thresholds(report),
        *(("Withheld", text, f"withheld[{i}]") for i, text in enumerate(report.withheld)),
        *(("Warning", gate.says, f"gates[{i}]") for i, gate in enumerate(report.gates) if gate.verdict == "warn"),
        *(("Assumption", text, f"assumptions[{i}]") for i, text in enumerate(report.assumptions)),
        *(("Blind spot", text, f"blind_spots[{i}]") for i, text in enumerate(report.blind_spots)),
        ("Bundle fingerprint", manifest.fingerprint, ""),
        ("How to check", "isthmus audit explain bundle FIGURE, with a name of the column Figure", ""),
    ]
    return Table("Summary", ("What", "Value", FIGURE), rows)


def _head(report: Report) -> Iterator[Row]:
    yield "Org", report.org, "org"
    yield "Host", report.host, "host"
    yield "As of (UTC)", report.taken_at, "taken_at"
    yield "Today, for notice and terms", report.day, "today"
    yield "Time zone of today", report.time_zone, "time_zone"
    yield "Seats purchased (paid licences)", report.seats_purchased, "seats_purchased"
    yield "Seats assigned", report.seats_assigned, "seats_assigned"
    yield "Seats estimated active, 90 days", _or_withheld(report.seats_active), "seats_active"
    yield "Seats unused", _or_withheld(report.seats_unused), "seats_unused"
    yield (
        "Seats unused, grade A: certain from Salesforce's own fields",
        _or_withheld(report.seats_unused_a),
        "seats_unused_a",
    )
    yield "Seats unused, grade B: very likely", _or_withheld(report.seats_unused_b), "seats_unused_b"
    yield "Seats unused, grade C: to be asked about first", _or_withheld(report.seats_unused_c), "seats_unused_c"
    yield "Seats neither active nor unused", _or_withheld(report.seats_other), "seats_other"
    yield "Inactive means no login for (days)", report.effective_threshold_days, "effective_threshold_days"
    yield "Login history begins (UTC)", report.history_start, "history_start"
    yield "Notice deadline", report.deadline or "unknown without a contract", "deadline"


def _or_withheld(count: int | None) -> Cell:
    return "withheld" if count is None else count


def _money(report: Report) -> Iterator[Row]:
    for i, total in enumerate(report.money):
        path, unit = f"money[{i}]", f"{total.currency} a year"
        yield f"Cost today ({unit}{at_basis(total)})", total.annual_cost, f"{path}.annual_cost"
        yield f"Cash at renewal ({unit}{at_basis(total)})", total.cash_at_renewal, f"{path}.cash_at_renewal"
        yield f"Cash at renewal, grade A or held by nobody ({unit})", total.renewal_split.a, f"{path}.renewal_split.a"
        yield f"Cash at renewal, grade B ({unit})", total.renewal_split.b, f"{path}.renewal_split.b"
        yield f"Cash at renewal, seats and grants ({total.currency})", total.renewal_seats, f"{path}.renewal_seats"
        yield f"Reclaim now ({unit}{at_basis(total)})", total.reclaim_now, f"{path}.reclaim_now"
        yield f"Reclaim now, grade A ({unit})", total.reclaim_split.a, f"{path}.reclaim_split.a"
        yield f"Reclaim now, grade B ({unit})", total.reclaim_split.b, f"{path}.reclaim_split.b"
        yield f"Reclaim now, seats and grants ({total.currency})", total.reclaim_seats, f"{path}.reclaim_seats"
        yield f"At risk, grade C ({unit}{at_basis(total)})", total.at_risk, f"{path}.at_risk"
        yield f"At risk, seats and grants ({total.currency})", total.risk_seats, f"{path}.risk_seats"
        uplift = total.break_even_uplift_percent
        what = f"Rise of unit prices that would cancel the cash at renewal, {total.currency} (%)"
        yield what, uplift, f"{path}.break_even_uplift_percent"
    if report.money:
        yield "The amounts", "Cash at renewal, Reclaim now and At risk overlap: never add them up", ""
    if report.money_withheld:
        yield "Money", "withheld: see Coverage", "money_withheld"
    yield "Seats and grants found without a known price", _or_withheld(report.unpriced_seats), "unpriced_seats"


def _thresholds(report: Report) -> Iterator[Row]:
    for i, point in enumerate(report.sensitivity):
        path = f"sensitivity[{i}]"
        yield f"If inactive meant {point.days} days: seats", _or_withheld(point.seats), f"{path}.seats"
        if point.annual is not None:
            yield f"If inactive meant {point.days} days: {point.currency} a year", point.annual, f"{path}.annual"
