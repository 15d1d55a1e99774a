"""When a window with rows that may pass by themselves is read again: pure, from how often it was and when.

The first time in the very next run: most parents and locks are there by then. After that the pause doubles, so that ten
attempts reach over a day and no storm of them meets an org in trouble.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

PAUSE_FIRST: Final = timedelta(minutes=2)
PAUSE_MAX: Final = timedelta(hours=6)


def pause_after(attempts: int) -> timedelta:
    """Return how long to wait after the window was read again `attempts` times."""
    if attempts <= 0:
        return timedelta(0)
    doublings = min(attempts - 1, 16)  # the longest pause is reached long before
    return min(PAUSE_FIRST * 2**doublings, PAUSE_MAX)


def is_due(attempts: int, read_at: datetime, now: datetime, *, times: int) -> bool:
    """Whether a window that was last read at `read_at` is to be read again now; `times` is the sync's own limit."""
    return attempts < times and now >= read_at + pause_after(attempts)
