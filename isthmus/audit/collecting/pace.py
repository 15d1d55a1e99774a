"""How long a window of LoginHistory may be, learned from the windows that were read. Runs in the mover; pure.

A grouped query shows fewer than 2,000 groups, so a large org needs many windows. Trying whole days and halving wastes
up to half of the calls; this remembers how many groups an hour of a working day or a weekend brings and aims just
below the limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import ceil
from typing import Final

from isthmus.salesforce.audit_queries import GROUPS_MAX

GROUPS_AIMED: Final = GROUPS_MAX * 18 // 20
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
SATURDAY: Final = 5
CORRECTION_MAX: Final = 4.0

Hour = tuple[bool, int]


class Pace:
    """Groups per second by hour of the day, apart for weekends. Shared by all readers of one history."""

    def __init__(self) -> None:
        """Begin without knowledge: the first window is a whole day."""
        self._density: dict[Hour, float] = {}
        self._last = 0.0

    def until(self, since: datetime, end: datetime) -> datetime:
        """Return where a window from `since` should end, at `end` at the latest.

        What is left until `end` is shared out evenly, so that no small rest costs a call of its own.
        """
        return self.edges(since, end, ceil(self._expected(since, end) / GROUPS_AIMED))[1]

    def edges(self, since: datetime, end: datetime, pieces: int) -> list[datetime]:
        """Return the `pieces + 1` edges of pieces (at least one) with about as many groups each; seconds are whole."""
        share = self._expected(since, end) / max(1, pieces)
        edges = [since]
        if not share:
            step = (end - since) / max(1, pieces)
            edges.extend((since + number * step).replace(microsecond=0) for number in range(1, pieces))
        expected = 0.0
        for start, stop in _hours(since, end):
            density = self._density_at(start)
            hour = density * (stop - start).total_seconds()
            while share and len(edges) < pieces and expected + hour >= share * len(edges):
                cut = start + timedelta(seconds=int((share * len(edges) - expected) / density))
                edges.append(max(cut, edges[-1] + timedelta(seconds=1)))
            expected += hour
        return [*(edge for edge in edges if edge < end), end]

    def _expected(self, since: datetime, end: datetime) -> float:
        return sum(self._density_at(start) * (stop - start).total_seconds() for start, stop in _hours(since, end))

    def _density_at(self, at: datetime) -> float:
        return self._density.get(_key(at), self._last)

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


def _hours(since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the pieces of [since, until) that lie in one hour each."""
    start = since
    while start < until:
        stop = min(start.replace(minute=0, second=0, microsecond=0) + HOUR, until)
        yield start, stop
        start = stop


def _key(at: datetime) -> Hour:
    return at.weekday() >= SATURDAY, at.hour
