"""The year behind a report, week by week: who was there, and how many seats there were. Pure.

Weeks begin on Monday (UTC), so that every audit means the same weeks, whatever its day. Activity comes from the login
history, on the first day already for six months back, and beyond that from what earlier audits kept. Seats come from
audits alone: nobody can rebuild last year's. What is not known stays None, never zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Final

from isthmus.audit.analysis import Analysis
from isthmus.audit.figures import LicenseWeek, WeekPoint
from isthmus.audit.finding import Withhold
from isthmus.audit.given.history import WEEKS_MAX, PoolPoint, PoolWeek, monday, weekly
from isthmus.audit.login_table import DAYS_A_WEEK
from isthmus.audit.model import DAYS_KEPT, LicenseRow
from isthmus.audit.view import View

WEEK: Final = timedelta(days=DAYS_A_WEEK)
_WHOLE_WEEK: Final = (1 << DAYS_A_WEEK) - 1


@dataclass(frozen=True)
class _Known:
    """What is known of each pool by the Monday of a week."""

    activity: Mapping[tuple[str, date], PoolWeek]
    seats: Mapping[tuple[str, date], PoolPoint]
    blind: frozenset[str] = field(default_factory=frozenset[str])

    @cached_property
    def seen(self) -> frozenset[date]:
        """The weeks whose logins are known."""
        return frozenset(start for _, start in self.activity)

    @cached_property
    def audited(self) -> frozenset[date]:
        """The weeks in which there was an audit."""
        return frozenset(start for _, start in self.seats)


def week_lines(analysis: Analysis) -> tuple[tuple[LicenseWeek, ...], tuple[WeekPoint, ...]]:
    """Return the weeks of each paid licence, and of all together, of at most a year, oldest first.

    The first week is the first of which anything is known, the last one that of the audit.
    """
    view = analysis.view
    pools = [row for row in view.snapshot.licenses if view.categories[row.id].seat_costs and (row.total or row.used)]
    known = _known(analysis, pools)
    last = monday(view.now.date())
    firsts = [start for _, start in (*known.activity, *known.seats)]
    if not firsts:
        return (), ()
    first = max(min(firsts), last - (WEEKS_MAX - 1) * WEEK)
    starts = [first + number * WEEK for number in range((last - first) // WEEK + 1)]
    lines = tuple(_line(known, row, start) for start in starts for row in pools)
    size = len(pools)
    return lines, tuple(_sum(lines[at : at + size]) for at in range(0, len(lines), size))


def weeks_seen(view: View) -> tuple[date, ...]:
    """Return the Mondays of the weeks that lie wholly in the login history and are over, oldest first."""
    if view.history_start is None:
        return ()
    today = view.now.date()
    last = monday(today) - WEEK
    oldest = max(view.history_start.date() + timedelta(days=1), today - timedelta(days=DAYS_KEPT - 1))
    first = monday(oldest + timedelta(days=DAYS_A_WEEK - 1))
    return tuple(first + number * WEEK for number in range(max(0, (last - first) // WEEK + 1)))


def was_there(days: int, start: date, today: date) -> bool:
    """Whether a bit set of days (bit 0: today) has one of the week that begins on `start`."""
    return bool(days >> ((today - start).days - DAYS_A_WEEK + 1) & _WHOLE_WEEK)


def _known(analysis: Analysis, pools: Sequence[LicenseRow]) -> _Known:
    view = analysis.view
    seats = {
        (row.id, monday(point.day)): point
        for row in pools
        for point in weekly([*analysis.basis.history.points, *_now(view, pools)], row.id, view.now.date())
    }
    if analysis.withheld(Withhold.ACTIVITY):
        return _Known({}, seats)
    blind = frozenset(row.id for row in pools if analysis.withheld(Withhold.ESTIMATE, row.id))
    kept = {(week.pool, week.start): week for week in analysis.basis.history.weeks}
    return _Known(kept | _seen(view, pools), seats, blind)


def _now(view: View, pools: Iterable[LicenseRow]) -> list[PoolPoint]:
    return [PoolPoint(view.now.date(), row.id, view.seats_there(row), row.used) for row in pools]


def _seen(view: View, pools: Sequence[LicenseRow]) -> dict[tuple[str, date], PoolWeek]:
    """Count who was there in each week of the login history. Users deactivated since were there then, too."""
    today, starts = view.now.date(), weeks_seen(view)
    shifts = [(today - start).days - DAYS_A_WEEK + 1 for start in starts]
    counts = {row.id: [[0, 0] for _ in starts] for row in pools}
    for user in view.snapshot.users:
        mine = counts.get(user.license or "")
        if mine is None:
            continue
        activity = view.activity(user.id)
        people, machines = activity.human_days, activity.machine_days
        for count, shift in zip(mine, shifts, strict=True):
            if people >> shift & _WHOLE_WEEK:
                count[0] += 1
            elif machines >> shift & _WHOLE_WEEK:
                count[1] += 1
    return {
        (pool, start): PoolWeek(start, pool, *count)
        for pool, weeks in counts.items()
        for start, count in zip(starts, weeks, strict=True)
    }


def _line(known: _Known, row: LicenseRow, start: date) -> LicenseWeek:
    """Return one week of one licence. Where other licences are known and this one is not, there was none of it."""
    activity = known.activity.get((row.id, start), PoolWeek(start, row.id, 0, 0))
    seats = known.seats.get((row.id, start), PoolPoint(start, row.id, 0, 0))
    seen, audited = start in known.seen and row.id not in known.blind, start in known.audited
    return LicenseWeek(
        start=start,
        pool=row.id,
        product=row.label,
        people=activity.people if seen else None,
        machines=activity.machines if seen else None,
        assigned=seats.assigned if audited else None,
        purchased=seats.purchased if audited else None,
    )


def _sum(lines: Sequence[LicenseWeek]) -> WeekPoint:
    return WeekPoint(
        start=lines[0].start,
        people=_total([line.people for line in lines]),
        machines=_total([line.machines for line in lines]),
        assigned=_total([line.assigned for line in lines]),
        purchased=_total([line.purchased for line in lines]),
    )


def _total(counts: Sequence[int | None]) -> int | None:
    """Return the sum, or None if one of them is not known: a partial sum would look like a whole one."""
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
