"""Made-up events in the order of their time, most of them at hours of work."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import numpy as np

from orgsim.generate.cells import Numbers

HISTORY_DAYS: Final = 182
_HOUR_S: Final = 3600
_DAY_S: Final = 86_400
_LATEST_S: Final = 60
_SATURDAY: Final = 5
_WEEKEND_SHARE: Final = 0.15
_HOURS: Final = (
    1, 1, 1, 1, 1, 2, 8, 30, 70, 80, 70, 60, 50, 55, 65, 60, 45, 30, 15, 10, 8, 6, 4, 2,
)  # fmt: skip
_THURSDAY: Final = 3  # 1970-01-01


class WorkingHours:
    """`count` events from the midnight HISTORY_DAYS before `now` until a minute before it; a Timeline.

    Each hour has a share of the events by hour of the day and day of the week; within it they lie evenly.
    """

    def __init__(self, now: datetime, count: int) -> None:
        end = int(now.timestamp()) - _LATEST_S
        start = int((now - timedelta(days=HISTORY_DAYS)).timestamp()) // _DAY_S * _DAY_S
        self.count = count
        self._edges: Numbers = np.append(np.arange(start, end, _HOUR_S, dtype=np.int64), end)
        self._lengths = np.diff(self._edges)
        hours = self._edges[:-1] // _HOUR_S
        weekdays = (hours // 24 + _THURSDAY) % 7
        weights = np.array(_HOURS)[hours % 24] * np.where(weekdays >= _SATURDAY, _WEEKEND_SHARE, 1.0)
        shares = np.cumsum(weights * self._lengths)
        self._firsts: Numbers = np.append(0, np.rint(shares / shares[-1] * count).astype(np.int64))
        self._numbers = np.diff(self._firsts)

    def seconds(self, rows: Numbers) -> Numbers:
        """Return the epoch seconds of these events."""
        cells = np.searchsorted(self._firsts, rows, side="right") - 1
        return self._edges[cells] + (rows - self._firsts[cells]) * self._lengths[cells] // self._numbers[cells]

    def first_at_or_after(self, instant: datetime) -> int:
        """Return the first event that is not before an instant; `count` if there is none."""
        moment = instant.timestamp()
        second = int(moment) + (moment > int(moment))
        if second <= self._edges[0]:
            return 0
        if second >= self._edges[-1]:
            return self.count
        cell = int(np.searchsorted(self._edges, second, side="right")) - 1
        number, length = int(self._numbers[cell]), int(self._lengths[cell])
        within = -(-(second - int(self._edges[cell])) * number // length)
        return int(self._firsts[cell]) + min(within, number)

    @property
    def middle(self) -> int:
        """The first event of the second half of the time."""
        half = (int(self._edges[0]) + int(self._edges[-1])) // 2
        return int(self._firsts[int(np.searchsorted(self._edges, half, side="right")) - 1])


def mixed(rows: Numbers, salt: int) -> Numbers:
    """Return a number below 2**53 per row that looks random and is the same for the same row and salt."""
    value = rows.astype(np.uint64) + np.uint64((salt * 0x9E3779B97F4A7C15 + 0x1234567) % 2**64)
    value *= np.uint64(0x9E3779B97F4A7C15)
    value ^= value >> np.uint64(30)
    value *= np.uint64(0xBF58476D1CE4E5B9)
    value ^= value >> np.uint64(27)
    value *= np.uint64(0x94D049BB133111EB)
    return (value >> np.uint64(11)).astype(np.int64)
