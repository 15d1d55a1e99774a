"""The sheets about licences paid by the login, and about days on which many seats were created. Pure."""

from __future__ import annotations

from isthmus.audit.figures import Report
from isthmus.audit.report.cells import FIGURE, Table


def more_tables(report: Report) -> tuple[Table, ...]:
    """Return the sheets that have rows."""
    return tuple(table for table in (_meters(report), _cohorts(report)) if table.rows)


def _meters(report: Report) -> Table:
    columns = (
        "Licence",
        "Logins bought a month",
        "Logins so far this month",
        "Share of the month passed (%)",
        "Projected for the month",
        "Needed in 19 of 20 months, at most",
        "Bought and not needed",
        "Price of a login",
        "Currency",
        "Cost of those a month, at renewal, in no total",
        "Logins a month from which a member is cheaper",
        FIGURE,
    )
    rows = [
        (
            line.product,
            line.entitled,
            line.used,
            line.passed_percent,
            line.projected,
            line.needed,
            line.unneeded,
            line.price,
            line.currency,
            line.saving_monthly,
            line.break_even_logins,
            f"meters[{i}]",
        )
        for i, line in enumerate(report.meters)
    ]
    return Table("Login-based", columns, rows)


def _cohorts(report: Report) -> Table:
    columns = ("Created on", "Licence", "Seats still held", "Never used", FIGURE)
    rows = [(c.day, c.product, c.seats, c.never_used, f"cohorts[{i}]") for i, c in enumerate(report.cohorts)]
    return Table("Cohorts", columns, rows)
