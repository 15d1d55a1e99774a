"""How long a window of LoginHistory may be, learned from the windows that were read. Runs in the mover; pure.

A grouped query shows fewer than 2,000 groups, so a large org needs many windows. Trying whole days and halving wastes
up to half of the calls; this remembers how many groups an hour of a working day or a weekend brings and aims just
below the limit. It also says beforehand about how many calls a history will cost.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import ceil
from typing import Final

from isthmus.salesforce.audit_queries import GROUPS_MAX

GROUPS_AIMED: Final = GROUPS_MAX * 17 // 20
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
SATURDAY: Final = 5
CORRECTION_MAX: Final = 4.0
GROUPS_A_USER_AND_DAY: Final = 1.5
"""Kinds of login that a user has on a day with logins, about: a person by browser and by phone."""

Hour = tuple[bool, int]


class Pace:
    """Groups per second by hour of the day, apart for weekends. Shared by all readers of one history."""

    def __init__(self) -> None:
        """Begin without knowledge: the first window is a whole day."""
        self._density: dict[Hour, float] = {}
        self._last = 0.0

    def until(self, since: datetime, end: datetime) -> datetime:
        """Return where a window from `since` should end, at `end` at the latest."""
        expected = 0.0
        for start, stop in _hours(since, end):
            density = self._density.get(_key(start), self._last)
            seconds = (stop - start).total_seconds()
            if expected + density * seconds > GROUPS_AIMED:
                cut = start + timedelta(seconds=int((GROUPS_AIMED - expected) / density))
                return max(cut, since + timedelta(seconds=1))
            expected += density * seconds
        return end

    def learn(self, since: datetime, until: datetime, groups: int) -> None:
        """Take in how many groups a window had; `GROUPS_MAX` or more says that they were too many to show."""
        seconds = (until - since).total_seconds()
        known = sum(self._density.get(_key(a), 0.0) * (b - a).total_seconds() for a, b in _hours(since, until))
        ratio = min(max(groups / known, 1 / CORRECTION_MAX), CORRECTION_MAX) if known else 0.0
        self._last = groups / seconds
        weight = 0.5 if groups < GROUPS_MAX else 0.0  # too many to show: at least so many, so nothing is smoothed
        for start, _ in _hours(since, until):
            old = self._density.get(_key(start))
            self._density[_key(start)] = groups / seconds if old is None else old * (weight + (1 - weight) * ratio)


def calls_estimated(logins: int, days: int, users: int) -> int:
    """Return about how many grouped queries so many logins of so many users in so many days will cost."""
    groups = min(logins, int(users * days * GROUPS_A_USER_AND_DAY))
    return ceil(groups / GROUPS_AIMED) + days


def _hours(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the pieces of [since, until) that lie in one hour each."""
    start = since
    while start < until:
        stop = min(start.replace(minute=0, second=0, microsecond=0) + HOUR, until)
        yield start, stop
        start = stop


def _key(at: datetime) -> Hour:
    return at.weekday() >= SATURDAY, at.hour
