"""The sheets about the renewal: required seats, scenarios, plan. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from isthmus.audit.figures import Report
from isthmus.audit.figures_renewal import ForecastLine
from isthmus.audit.report.cells import FIGURE, Table
from isthmus.audit.report.wording import PRICE_FROM

NO_CONTRACT: Final = "No contract file was given (--contract): quantities, dates and minimums are not known"


def renewal_tables(report: Report) -> tuple[Table, ...]:
    """Return the sheets. Renewal, scenarios and plan are always there; other licences only if there are any."""
    sheets = [_readiness(report), _scenarios(report)]
    if report.moves:
        sheets.append(_moves(report))
    if report.move_limits:
        rows = [(m.what, m.annual, m.currency, f"move_limits[{i}]") for i, m in enumerate(report.move_limits)]
        sheets.append(Table("Limits", ("Limit", "Costs a year", "Currency", FIGURE), rows))
    plan = [(p.day, p.days_left, p.product, p.what, f"plan[{i}]") for i, p in enumerate(report.plan)]
    sheets.append(Table("Plan", ("Day", "Days left", "Product", "What", FIGURE), plan, NO_CONTRACT))
    return tuple(sheets)


def _readiness(report: Report) -> Table:
    columns = (
        "Licence",
        "Bought",
        "Assigned",
        "Minimum",
        "Committed hires",
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
        FIGURE,
    )
    rows = [
        (
            line.product,
            line.bought,
            line.assigned,
            line.minimum,
            line.hires,
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
            f"readiness[{i}]",
        )
        for i, line in enumerate(report.readiness)
    ]
    return Table("Renewal", columns, rows, "Withheld: see Coverage" if report.withheld else "No paid licence is in use")


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
        FIGURE,
    )
    rows = [
        (m.source_name, m.target_name, m.how, m.people, m.moved, m.free, m.saves_monthly, m.currency, f"moves[{i}]")
        for i, m in enumerate(report.moves)
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
        FIGURE,
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
            f"scenarios[{i}]",
        )
        for i, s in enumerate(report.scenarios)
    ]
    return Table("Scenarios", columns, rows, _no_scenarios(report))


def _no_scenarios(report: Report) -> str:
    if report.money_withheld:
        return "Withheld: see Coverage"
    return "None of the contract's licences has a price and known seats" if report.contract else NO_CONTRACT


def prices_table(report: Report) -> Table:
    """Return the prices that were used, and what has none."""
    columns = (
        "Product",
        "Price a month",
        "Currency",
        "Price from",
        "In force since",
        "Source",
        "Confidence",
        "Note",
        FIGURE,
    )
    rows = [
        (
            p.product,
            p.price,
            p.currency,
            PRICE_FROM.get(p.basis, p.basis),
            p.effective_from,
            p.source,
            p.confidence,
            p.note,
            f"prices[{i}]",
        )
        for i, p in enumerate(report.prices)
    ]
    return Table("Price book", columns, rows, "The org has nothing that is paid by the seat")


def contract_table(report: Report) -> Table:
    """Return the contract's lines against what the org has."""
    columns = (
        "Product",
        "Contracted",
        "Provisioned",
        "Difference",
        "Unit price",
        "Currency",
        "Start",
        "End",
        "Notice days",
        "Notice deadline",
        "Days left",
        "Renews by itself",
        "Price rise at most (%)",
        "Minimum",
        "Source",
        "In force",
        FIGURE,
    )
    rows = [
        (
            c.product,
            c.contracted,
            c.provisioned,
            c.drift,
            c.unit_price,
            c.currency,
            c.start,
            c.end,
            c.notice_days,
            c.notice_deadline,
            c.days_left,
            c.auto_renew,
            c.uplift_cap,
            c.minimum,
            c.source,
            c.in_force,
            f"contract[{i}]",
        )
        for i, c in enumerate(report.contract)
    ]
    return Table("Contract", columns, rows, NO_CONTRACT)
