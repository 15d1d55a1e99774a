"""Where the figures of login-based licences, and of seats by their day or month of creation, come from. Pure."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from isthmus.audit.composing.cohorts import month_members
from isthmus.audit.explain.model import How, Source
from isthmus.audit.explain.rows import LICENSES, LOGINS, PRICES, USERS
from isthmus.audit.explain.tracer import Ground, of_row
from isthmus.audit.model import UserRow

_COLUMNS: Final = MappingProxyType(
    {"pool": "id", "product": "label", "entitled": "logins_entitled", "used": "logins_used"}
)
_RECKONED: Final = MappingProxyType(
    {
        "passed_percent": "The day and hour of the audit (UTC) as a share of its month.",
        "projected": "Logins so far, divided by the share of the month that has passed; not before its eighth day.",
        "needed": (
            "The larger of two: the 95 % end of the projection, logins coming at random; and the 95th percentile of "
            "the holders' visible logins in four weeks, for 30 days."
        ),
        "unneeded": "Logins bought a month, less those needed.",
        "price": "Your own price of a login; a list price is never used here.",
        "currency": "That of your price.",
        "saving_monthly": "Logins bought and not needed, times the price of one.",
        "break_even_logins": "The price of a member divided by that of a login, both yours.",
    }
)


def meter_trace(ground: Ground, field: str, at: tuple[int, ...]) -> Source:
    """Return where a figure of a login-based licence comes from."""
    row = ground.pool(ground.report.meters[at[0]].pool)
    if field in _COLUMNS:
        return of_row(row, _COLUMNS[field])
    return Source(How.RECKONED, _RECKONED[field], row, (USERS, LOGINS, PRICES), ("taken_at",), rules=("R20",))


def cohort_trace(ground: Ground, field: str, at: tuple[int, ...]) -> Source:
    """Return where a day on which many seats were created comes from."""
    line = ground.report.cohorts[at[0]]
    view = ground.view
    if field in {"pool", "product"}:
        return of_row(ground.pool(line.pool), _COLUMNS[field])

    def counted(user: UserRow) -> bool:
        here = user.active and user.license == line.pool and user.created_at.date() == line.day
        if field == "never_used":
            return here and view.last_seen(user) is None and view.exemption_of(user.id, "R06") is None
        return here

    rows = ground.users(user.id for user in view.snapshot.users if counted(user))
    if field == "day":
        return Source(How.RECKONED, "The day (UTC) on which all of these were created.", rows, (USERS,))
    said = "Active holders of the licence who were created on that day" + (
        ", have no LastLoginDate and no login in the history, and are not exempt." if field == "never_used" else "."
    )
    return Source(How.ROWS, said, rows, (USERS, LOGINS, LICENSES), rules=("R06",))


_MONTHS: Final = MappingProxyType(
    {
        "created": "All users of paid licences who were created in that month, active or not.",
        "deactivated": "Those of them who are not active.",
        "never_used": "Those who are active, with no LastLoginDate and no login in the history.",
        "last_30": "Those who are active and were last there within 30 days.",
        "last_90": "Those who are active and were last there 31 to 90 days ago.",
        "longer": "Those who are active and were last there longer ago.",
        "followed": "Those who were created 30 days ago or earlier.",
        "came_in_30": "Those of them whose first successful login came within 30 days of their creation.",
    }
)


def cohort_month_trace(ground: Ground, field: str, at: tuple[int, ...]) -> Source:
    """Return where a figure of a month in which seats were created comes from."""
    line = ground.report.cohort_months[at[0]]
    members = month_members(ground.view)[line.start]
    if field == "start":
        rows = ground.users(members["created"])
        return Source(How.RECKONED, "The first day (UTC) of the month in which these were created.", rows, (USERS,))
    if line.followed is None and field in {"followed", "came_in_30"}:
        said = "The login history begins within that month or after it, so first logins are not known."
        return Source(How.WITHHELD, said, parts=("history_start",), files=(LOGINS,))
    return Source(How.ROWS, _MONTHS[field], ground.users(members[field]), (USERS, LOGINS, LICENSES))
