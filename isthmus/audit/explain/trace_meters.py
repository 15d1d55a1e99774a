"""Where the figures of login-based licences and of seats created together come from. Pure."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

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
