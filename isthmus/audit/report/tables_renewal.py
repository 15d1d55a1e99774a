"""The sheets about the renewal: required seats, scenarios, plan. Pure."""

from __future__ import annotations

from decimal import Decimal

from isthmus.audit.figures import ForecastLine, Report
from isthmus.audit.report.cells import Table


def renewal_tables(report: Report) -> tuple[Table, ...]:
    """Return the sheets; scenarios and plan only with a contract."""
    sheets = [_readiness(report)] if report.readiness else []
    if report.scenarios:
        sheets.append(_scenarios(report))
    if report.moves:
        sheets.append(_moves(report))
    if report.move_limits:
        head = ("Limit", "Costs a year", "Currency")
        sheets.append(Table("Limits", head, [(m.what, m.annual, m.currency) for m in report.move_limits]))
    if report.plan:
        sheets.append(
            Table(
                "Plan",
                ("Day", "Days left", "Product", "What"),
                [(p.day, p.days_left, p.product, p.what) for p in report.plan],
            )
        )
    return tuple(sheets)


def _readiness(report: Report) -> Table:
    columns = (
        "Licence",
        "Bought",
        "Assigned",
        "Minimum",
        "Weeks of history",
        "Required today",
        "Required, conservative",
        "Required, base",
        "Required, aggressive",
        "Fewer at renewal (base, else today)",
        "Unit price rise that would cancel it (%)",
        "Note",
        "Forecast in weeks",
        "Forecast",
        "Forecast, low",
        "Forecast, high",
        "Span holds in (%), by back-test",
        "Mean error in seats",
        'Mean error of "as today"',
        "Why no forecast",
    )
    rows = [
        (
            line.product,
            line.bought,
            line.assigned,
            line.minimum,
            line.weeks,
            line.spot,
            line.conservative,
            line.base,
            line.aggressive,
            line.fewer_base,
            line.break_even_percent,
            line.note,
            *_forecast(line.forecast),
            line.forecast_note,
        )
        for line in report.readiness
    ]
    return Table("Renewal", columns, rows)


def _moves(report: Report) -> Table:
    columns = (
        "Licence now",
        "Licence then",
        "What it takes",
        "People who could",
        "Move (least cost)",
        "Free seats",
        "A paid seat saves a month",
        "Currency",
    )
    rows = [
        (m.source_name, m.target_name, m.how, m.people, m.moved, m.free, m.saves_monthly, m.currency)
        for m in report.moves
    ]
    return Table("Other licences", columns, rows)


def _forecast(line: ForecastLine | None) -> tuple[int | Decimal | None, ...]:
    if line is None:
        return (None,) * 7
    spread = (line.weeks_ahead, line.expected, line.low, line.high, line.covered_percent)
    return (*spread, line.error, line.error_as_today)


def _scenarios(report: Report) -> Table:
    columns = (
        "Licence",
        "Quantity case",
        "Quantity",
        "Price case",
        "Unit price a month",
        "Currency",
        "Years",
        "Cost a year",
        "Cost of the term",
        "A year against today",
        "Unit price rise that would cancel it (%)",
    )
    rows = [
        (
            s.product,
            s.case,
            s.quantity,
            s.price_case,
            s.unit_price,
            s.currency,
            s.years,
            s.annual,
            s.term,
            s.difference,
            s.break_even_percent,
        )
        for s in report.scenarios
    ]
    return Table("Scenarios", columns, rows)
