"""Seats that a licence needs at its renewal, by its weekly history: one number for cash and for the cases. Pure.

Conservative is the maximum week, less what is certainly unused; base the 95th percentile of the weeks, less grades A
and B, raised to the upper end of the forecast where there is one; aggressive the median, less A, B and C.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from math import ceil
from typing import Final

from isthmus.audit.forecast import SOON_WEEKS, WEEKS_AHEAD_MAX, Forecast, NotSaid, forecast
from isthmus.audit.given.contract import ContractItem
from isthmus.audit.given.history import PERCENTILE, WEEKS_MIN, PoolPoint, by_week, weekly


def known_weeks(points: Iterable[PoolPoint], pool: str, today: date) -> tuple[PoolPoint, ...]:
    """Return the weeks of one licence whose seats and findings are known, oldest first."""
    return tuple(point for point in weekly(points, pool, today) if point.unused_a is not None)


def case_values(weeks: Sequence[PoolPoint]) -> tuple[int, int, int] | None:
    """Return the seats of the conservative, base and aggressive case, by the weeks alone; None if there are too few."""
    if len(weeks) < WEEKS_MIN:
        return None
    conservative, base, aggressive = (_case(weeks, *case) for case in _CASES)
    return conservative, base, aggressive


def forecast_of(weeks: Sequence[PoolPoint], items: Sequence[ContractItem], today: date) -> Forecast | NotSaid:
    """Return what the weeks say about the end of the term; about eight weeks from now without a contract."""
    days = [(item.end - today).days for item in items if item.end > today]
    ahead = min(ceil(min(days) / 7), WEEKS_AHEAD_MAX) if days else SOON_WEEKS
    return forecast([in_use(point) for point in by_week(weeks)], ahead)


def base_need(weeks: Sequence[PoolPoint], items: Sequence[ContractItem], today: date) -> int:
    """Return the seats of the base case before headroom, today's own need apart; 0 where the weeks are too few."""
    cases = case_values(weeks)
    if cases is None:
        return 0
    told = forecast_of(weeks, items, today)
    return max(cases[1], told.high if isinstance(told, Forecast) else 0)


def certain(point: PoolPoint) -> int:
    """Return the assigned seats less those of grade A."""
    return point.assigned - (point.unused_a or 0)


def in_use(point: PoolPoint) -> int:
    """Return the assigned seats less those of grades A and B."""
    return certain(point) - (point.unused_b or 0)


def _least(point: PoolPoint) -> int:
    return in_use(point) - (point.unused_c or 0)


def _percentile(values: Sequence[int]) -> int:
    return values[ceil(PERCENTILE * len(values)) - 1]


def _median(values: Sequence[int]) -> int:
    return values[len(values) // 2]


def _last(values: Sequence[int]) -> int:
    return values[-1]


_CASES: Final = ((certain, _last), (in_use, _percentile), (_least, _median))


def _case(weeks: Sequence[PoolPoint], seats: Callable[[PoolPoint], int], pick: Callable[[Sequence[int]], int]) -> int:
    """Return one value of the rising list of seats in use, week by week."""
    return pick(sorted(seats(point) for point in weeks))
