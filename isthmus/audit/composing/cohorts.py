"""Days on which many seats were created of which many were never used, and seats by the month of their creation. Pure.

Counts, not a survival curve: since when a deactivated user is so is not visible, so a curve would be wrong at its end.
At its beginning the login history is cut: when somebody first logged in is said for months only that it covers whole,
and of people who have had thirty days for it. Whether somebody ever came, and when last, is known for all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Final

from isthmus.audit.analysis import Analysis
from isthmus.audit.figures_more import CohortLine, CohortMonth
from isthmus.audit.finding import Withhold
from isthmus.audit.model import UserRow
from isthmus.audit.view import View

SEATS_MIN: Final = 10
NEVER_MIN: Final = 5
NEVER_PERCENT: Final = 25
MONTHS_MAX: Final = 12
FIRST_DAYS: Final = 30
LAST_DAYS: Final = 90
_COUNTED: Final = tuple(name for name in CohortMonth.__struct_fields__ if name != "start")


def cohort_lines(analysis: Analysis) -> tuple[CohortLine, ...]:
    """Return the days (UTC) on which ten seats or more of a licence were created and a quarter was never used since.

    Days within the grace period are left out, and people who are exempt. Nothing where activity is withheld.
    """
    view = analysis.view
    if analysis.withheld(Withhold.ACTIVITY):
        return ()
    found: list[CohortLine] = []
    for license_, users in view.seat_pools():
        days: dict[date, list[UserRow]] = defaultdict(list)
        for user in users:
            if not view.within(user.created_at, view.thresholds_of(license_).grace_days):
                days[user.created_at.date()].append(user)
        for day, created in days.items():
            never = sum(
                1 for user in created if view.last_seen(user) is None and view.exemption_of(user.id, "R06") is None
            )
            if len(created) < SEATS_MIN or never < NEVER_MIN or never * 100 < NEVER_PERCENT * len(created):
                continue
            row = view.licenses.get(license_)
            found.append(CohortLine(day, license_, row.label if row else license_, len(created), never))
    return tuple(sorted(found, key=lambda line: (-line.never_used, line.day, line.pool)))


def cohort_months(analysis: Analysis) -> tuple[CohortMonth, ...]:
    """Return the last twelve months in which users of paid licences were created; none where activity is withheld."""
    if analysis.withheld(Withhold.ACTIVITY):
        return ()
    view, lines = analysis.view, list[CohortMonth]()
    for start, found in sorted(month_members(analysis.view).items()):
        covered = view.history_start is not None and view.history_start <= datetime(*start.timetuple()[:3], tzinfo=UTC)
        lines.append(
            CohortMonth(
                start=start,
                created=len(found["created"]),
                deactivated=len(found["deactivated"]),
                never_used=len(found["never_used"]),
                last_30=len(found["last_30"]),
                last_90=len(found["last_90"]),
                longer=len(found["longer"]),
                followed=len(found["followed"]) if covered else None,
                came_in_30=len(found["came_in_30"]) if covered else None,
            )
        )
    return tuple(lines)


def month_members(view: View) -> Mapping[date, Mapping[str, list[str]]]:
    """Return the users behind each figure of each month, by the month's first day."""
    found: dict[date, dict[str, list[str]]] = {}
    oldest = _months_before(view.now.date(), MONTHS_MAX - 1)
    for user in view.snapshot.users:
        row = view.licenses.get(user.license or "")
        start = user.created_at.date().replace(day=1)
        if row is None or not view.categories[row.id].seat_costs or start < oldest:
            continue
        month = found.setdefault(start, {name: [] for name in _COUNTED})
        for name in ("created", _state(view, user), *_first(view, user)):
            month[name].append(user.id)
    return found


def _state(view: View, user: UserRow) -> str:
    last = view.last_seen(user)
    if not user.active:
        return "deactivated"
    if last is None:
        return "never_used"
    return "last_30" if view.within(last, FIRST_DAYS) else "last_90" if view.within(last, LAST_DAYS) else "longer"


def _first(view: View, user: UserRow) -> Iterable[str]:
    if view.within(user.created_at, FIRST_DAYS) or (view.history_start or view.now) > user.created_at:
        return
    yield "followed"
    by = user.created_at + timedelta(days=FIRST_DAYS)
    if any(login.row().first <= by for login in view.successes(user.id)):
        yield "came_in_30"


def _months_before(day: date, months: int) -> date:
    """Return the first day of the month so many months before that of `day`."""
    months_since = day.year * 12 + day.month - 1 - months
    return date(months_since // 12, months_since % 12 + 1, 1)
