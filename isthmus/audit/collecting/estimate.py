"""How many calls a login history will cost, said before it is read. Runs in the mover.

A grouped query shows so many groups, and how many logins share a group depends on the org: one or two of a person, some
thousand of an integration. So three windows of the size in which the history will be read are looked at first, one in
the newest week, one in the oldest and one between them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Final

from isthmus.audit.collecting.logins import (
    BLOCK_DAYS,
    BLOCK_LOGINS_AIMED,
    BLOCK_LOGINS_MAX,
    Groups,
    Window,
    groups_or_none,
)
from isthmus.audit.collecting.pace import DAY, GROUPS_AIMED

WORKING_DAYS: Final = 5
WEDNESDAY: Final = 2
TRIES_MAX: Final = 4
STEP: Final = 3
"""A sample that is far too large or too small is tried again, so many times shorter or longer."""
WHOLE_DAY_LOGINS: Final = 10
"""A day with at most so many times the logins that fit in one answer as groups is tried as a whole."""
SECOND: Final = timedelta(seconds=1)
MISSED: Final = 1.03
"""About one window in thirty turns out to have too many groups and costs a second call."""

Counted = Sequence[tuple[Window, int]]


async def groups_per_login(counted: Counted, groups: Groups) -> float:
    """Return how many groups a login makes, on average over a few windows; 1, the most there can be, if none has any.

    `counted`: the history's blocks with their logins. Asks nothing where a call a day will do whatever the answer.
    """
    if max((logins for _, logins in counted), default=0) <= WORKING_DAYS * GROUPS_AIMED:
        return 1.0
    whole = [(window, logins) for window, logins in counted if window.until - window.since > (BLOCK_DAYS - 1) * DAY]
    busy = [(window, logins) for window, logins in whole or counted if logins]
    sums = [await _sample(*busy[place], groups) for place in sorted({0, len(busy) // 2, len(busy) - 1})]
    logins = sum(seen for _, seen in sums)
    return sum(found for found, _ in sums) / logins if logins else 1.0


async def _sample(window: Window, logins: int, groups: Groups) -> tuple[int, int]:
    """Return groups and logins of one window on the block's Wednesday: the day if it may fit, else a part from noon."""
    day, share = _wednesday(window), GROUPS_AIMED * WORKING_DAYS / logins
    length = DAY if share * WHOLE_DAY_LOGINS >= 1 else DAY * share
    found = seen = 0
    for _ in range(TRIES_MAX):
        since = day if length > DAY / 2 else day + DAY / 2
        until = min(since + max(length, SECOND), day + DAY).replace(microsecond=0)
        records = await groups_or_none(since, until, groups)
        if records is None:
            length /= STEP
            continue
        found, seen = len(records), sum(record.logins for record in records)
        if found * STEP > GROUPS_AIMED or until == day + DAY:
            break
        length *= STEP
    return found, seen


def _wednesday(window: Window) -> datetime:
    first = datetime.combine(window.since.date(), datetime.min.time(), UTC)
    day = first + timedelta(days=(WEDNESDAY - first.weekday()) % BLOCK_DAYS)
    return day if day < window.until else first


def calls_estimated(window: Window, logins: int, ratio: float) -> int:
    """Return about how many calls a block with so many logins will cost, at so many groups a login."""
    days = ceil((window.until - window.since) / DAY)
    working = max(1, round(days * WORKING_DAYS / BLOCK_DAYS))
    a_day = logins / working
    answers = a_day * ratio / GROUPS_AIMED
    windows = answers * MISSED + 0.5 if answers > 1 else 1.0
    counts = days - 1 if logins > BLOCK_LOGINS_MAX else 0
    if a_day > BLOCK_LOGINS_MAX:
        counts += working * (ceil(a_day / BLOCK_LOGINS_AIMED) - 1)
    return ceil(days - working + working * windows) + counts if logins else 0
