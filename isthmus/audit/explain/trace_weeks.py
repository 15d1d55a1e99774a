"""Where the figures of weeks come from. Pure."""

from __future__ import annotations

from typing import Final

from isthmus.audit.composing.weeks import was_there, weeks_seen
from isthmus.audit.explain.model import How, RowRef, Source
from isthmus.audit.explain.rows import HISTORY, LOGINS, USERS
from isthmus.audit.explain.tracer import Ground, of_row, words
from isthmus.audit.figures import LicenseWeek
from isthmus.audit.finding import Withhold
from isthmus.audit.given.history import monday, weekly

_COLUMNS: Final = {"assigned": "used", "purchased": "total"}


def weeks_trace(ground: Ground, field: str, at: tuple[int, ...]) -> Source:
    """Return where a figure of all licences in one week comes from."""
    week = ground.report.weeks[at[0]]
    if field == "start":
        return words("Mondays of the calendar; the last week is that of the audit.")
    parts = tuple(
        f"license_weeks[{i}].{field}" for i, line in enumerate(ground.report.license_weeks) if line.start == week.start
    )
    if getattr(week, field) is None:
        return Source(How.WITHHELD, "It is not known of every licence.", parts=parts)
    return Source(How.SUM, "The paid licences together.", parts=parts)


def license_week_trace(ground: Ground, field: str, at: tuple[int, ...]) -> Source:
    """Return where a figure of one licence in one week comes from."""
    line = ground.report.license_weeks[at[0]]
    if field == "start":
        return words("Mondays of the calendar; the last week is that of the audit.")
    if field in {"pool", "product"}:
        return of_row(ground.pool(line.pool), "id" if field == "pool" else "label")
    if field in _COLUMNS:
        return _seats(ground, line, field)
    return _activity(ground, line, field)


def _seats(ground: Ground, line: LicenseWeek, field: str) -> Source:
    if getattr(line, field) is None:
        said = "No audit of that week was kept: seats of the past cannot be read from Salesforce."
        return Source(How.WITHHELD, said, files=(HISTORY,))
    if line.start == monday(ground.view.now.date()):
        return of_row(ground.pool(line.pool), _COLUMNS[field])
    points = ground.analysis.basis.history.points
    mine = [p for p in weekly(points, line.pool, ground.view.now.date()) if monday(p.day) == line.start]
    if not mine:
        return Source(How.RECKONED, "The audits of that week saw no such licence.", files=(HISTORY,))
    column = f"points[{points.index(mine[0])}].{field}"
    return Source(How.FIELD, rows=(RowRef(HISTORY, 1),), column=column)


def _activity(ground: Ground, line: LicenseWeek, field: str) -> Source:
    if getattr(line, field) is None:
        return _unknown(ground, line)
    view, kept = ground.view, ground.analysis.basis.history.weeks
    if line.start not in weeks_seen(view):
        found = [i for i, week in enumerate(kept) if (week.pool, week.start) == (line.pool, line.start)]
        if not found:
            return Source(How.RECKONED, "The audits of that week saw no such licence.", files=(HISTORY,))
        said = "As an earlier audit saw it; Salesforce has forgotten these logins."
        return Source(How.FIELD, said, rows=(RowRef(HISTORY, 1),), column=f"weeks[{found[0]}].{field}")
    today = view.now.date()
    people = field == "people"
    ids = [
        user.id
        for user in view.snapshot.users
        if user.license == line.pool
        and was_there(view.activity(user.id).human_days, line.start, today) is people
        and (people or was_there(view.activity(user.id).machine_days, line.start, today))
    ]
    said = "Users of the licence with a login in person on one of the seven days."
    if not people:
        said = "Users of the licence with a login by software on one of the seven days, and none in person."
    return Source(How.ROWS, said, ground.users(ids), (USERS, LOGINS))


def _unknown(ground: Ground, line: LicenseWeek) -> Source:
    withheld = ground.analysis.withheld
    if withheld(Withhold.ACTIVITY) or withheld(Withhold.ESTIMATE, line.pool):
        return ground.withheld(Withhold.ACTIVITY, Withhold.ESTIMATE, pool=line.pool)
    said = "The week is not over, or lies before the login history, and no earlier audit kept it."
    return Source(How.WITHHELD, said, files=(LOGINS, HISTORY))
