"""What earlier audits of the same org knew: seats by pool and day, and who was seen deactivated when. Pure data.

Nobody can rebuild last year's seats from Salesforce, so each audit's counts are kept: as rows of the product's
database, or as the bundles of earlier command line audits (`--previous`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

import msgspec

PERCENTILE: Final = Decimal("0.95")
WEEKS_MAX: Final = 52
WEEKS_MIN: Final = 8
"""With fewer weeks than this no required seats are printed."""


class PoolPoint(msgspec.Struct, frozen=True):
    """One pool's seats on the day of an audit. `unused_*` by grade, None where they were withheld."""

    day: date
    pool: str
    purchased: int
    assigned: int
    unused_a: int | None = None
    unused_b: int | None = None
    unused_c: int | None = None


class PoolWeek(msgspec.Struct, frozen=True):
    """Who was there in one week (`start` is its Monday, UTC): people, and holders seen by software alone.

    Kept because Salesforce forgets logins after six months.
    """

    start: date
    pool: str
    people: int
    machines: int


class SeenDeactivated(msgspec.Struct, frozen=True):
    """A user whom an audit at this instant saw deactivated, the first one that did."""

    user: str
    at: datetime


class History(msgspec.Struct, frozen=True):
    """Everything that earlier audits add to a judgement."""

    points: tuple[PoolPoint, ...] = ()
    deactivated: tuple[SeenDeactivated, ...] = ()
    weeks: tuple[PoolWeek, ...] = ()


def weekly(points: Iterable[PoolPoint], pool: str, today: date) -> tuple[PoolPoint, ...]:
    """Return the last point of each ISO week of the pool, of the 52 weeks up to `today`, oldest first."""
    last: dict[tuple[int, int], PoolPoint] = {}
    for point in sorted((p for p in points if p.pool == pool), key=lambda p: p.day):
        if 0 <= (today - point.day).days < WEEKS_MAX * 7:
            last[point.day.isocalendar()[:2]] = point
    return tuple(last[week] for week in sorted(last))


def by_week(points: Iterable[PoolPoint]) -> tuple[PoolPoint, ...]:
    """Return one point for each week from the first to the last; a week without an audit has that of the week before.

    `points` are as `weekly` gives them.
    """
    filled: list[PoolPoint] = []
    for point in points:
        if filled:
            gap = (monday(point.day) - monday(filled[-1].day)).days // 7
            filled.extend([filled[-1]] * (gap - 1))
        filled.append(point)
    return tuple(filled)


def monday(day: date) -> date:
    """Return the Monday of the day's week."""
    return day - timedelta(days=day.weekday())
