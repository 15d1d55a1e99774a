"""The sheets about pools: licences, their weeks, permission set licences. Pure."""

from __future__ import annotations

from typing import Final

from isthmus.audit.figures import Report
from isthmus.audit.report.cells import FIGURE, Cell, Table
from isthmus.audit.report.wording import PRICE_FROM

UNKNOWN: Final = "unknown"
"""For what nobody can know any more; an empty cell would look like nothing, and a zero like none."""


def licenses_table(report: Report) -> Table:
    """Return one row for each licence."""
    columns = (
        "Licence",
        "Key",
        "Paid how",
        "Status",
        "Purchased",
        "Assigned",
        "Active 30 d",
        "Active 60 d",
        "Active 90 d",
        "Software only 90 d",
        "Unused",
        "Unused A",
        "Unused B",
        "Unused C",
        "Unit price a month",
        "Currency",
        "Price from",
        "Reclaim now a month",
        "Fewer at renewal",
        "Cash at renewal a month",
        "At risk a month",
        FIGURE,
    )
    rows = [
        (
            line.name,
            line.key,
            line.category,
            line.status,
            line.purchased,
            line.assigned,
            line.active_30,
            line.active_60,
            line.active_90,
            line.machines_90,
            line.unused,
            line.unused_a,
            line.unused_b,
            line.unused_c,
            line.unit_price,
            line.currency,
            PRICE_FROM.get(line.price_basis, line.price_basis),
            line.reclaim_monthly,
            line.renewal_seats,
            line.renewal_monthly,
            line.risk_monthly,
            f"licenses[{i}]",
        )
        for i, line in enumerate(report.licenses)
    ]
    return Table("Licences", columns, rows, "The org has no user licences")


def weeks_table(report: Report) -> Table:
    """Return one row for each week and paid licence, the oldest first; what is not known says so."""
    columns = (
        "Week from",
        "Licence",
        "People with a login",
        "Software only",
        "Assigned",
        "Purchased",
        FIGURE,
    )
    rows = [
        (
            week.start,
            week.product,
            _known(week.people),
            _known(week.machines),
            _known(week.assigned),
            _known(week.purchased),
            f"license_weeks[{i}]",
        )
        for i, week in enumerate(report.license_weeks)
    ]
    return Table("Licence weeks", columns, rows, "The org has no paid user licences")


def _known(count: int | None) -> Cell:
    return UNKNOWN if count is None else count


def psl_pools_table(report: Report) -> Table:
    """Return one row for each permission set licence."""
    columns = (
        "Permission set licence",
        "Key",
        "Status",
        "Purchased",
        "Used",
        "Grants",
        "Grants to active users",
        "Holders counted",
        "Expires",
        "Held by deactivated",
        "Never used since granted",
        "Unit price a month",
        "Currency",
        "Reclaim now a month",
        "Fewer seats at renewal",
        "Cash at renewal a month",
        "At risk a month",
        FIGURE,
    )
    rows = [
        (
            line.name,
            line.key,
            line.status,
            line.purchased,
            line.used,
            line.assignments,
            line.assignments_active,
            line.convention,
            line.expires_on,
            line.held_by_deactivated,
            line.never_used,
            line.unit_price,
            line.currency,
            line.reclaim_monthly,
            line.renewal_seats,
            line.renewal_monthly,
            line.risk_monthly,
            f"psls[{i}]",
        )
        for i, line in enumerate(report.psls)
    ]
    return Table("PSL pools", columns, rows, "The org has no permission set licences, or they are not readable")
