"""The sheets about licences paid by the login, and about seats by the day or month of their creation. Pure."""

from __future__ import annotations

from isthmus.audit.figures import Report
from isthmus.audit.report.cells import FIGURE, Table
from isthmus.audit.report.tables_pools import UNKNOWN


def more_tables(report: Report) -> tuple[Table, ...]:
    """Return the sheets that have rows."""
    return tuple(table for table in (_meters(report), _cohorts(report), _months(report)) if table.rows)


def _meters(report: Report) -> Table:
    columns = (
        "Licence",
        "Logins bought a month",
        "Logins so far this month",
        "Share of the month passed (%)",
        "Projected for the month",
        "Needed in a month like those visible, at most (95 %)",
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


def _months(report: Report) -> Table:
    columns = (
        "Created in the month from",
        "Created",
        "Deactivated by now",
        "Never used",
        "Last there within 30 days",
        "31 to 90 days ago",
        "Longer ago",
        "Created 30 days ago or earlier",
        "First login within 30 days",
        FIGURE,
    )
    rows = [
        (
            m.start,
            m.created,
            m.deactivated,
            m.never_used,
            m.last_30,
            m.last_90,
            m.longer,
            *(UNKNOWN if count is None else count for count in (m.followed, m.came_in_30)),
            f"cohort_months[{i}]",
        )
        for i, m in enumerate(report.cohort_months)
    ]
    return Table("Cohorts by month", columns, rows)
