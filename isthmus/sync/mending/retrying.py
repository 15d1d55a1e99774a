"""When a window with failed rows is read again, and what its reading corrects. Pure.

The first time in the very next run: most parents and locks are there by then. After that the pause doubles, so that ten
attempts reach over a day and no storm of them meets an org in trouble.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from isthmus.salesforce.status_code import StatusCode

Reasons: TypeAlias = Mapping[tuple[StatusCode, int | None], int]
"""Failed rows by code and column (None: the org named none)."""
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


@dataclass(frozen=True, slots=True)
class Correction:
    """How the counts of the run that first met a window change after another reading of it.

    `changes` by reason, none of them 0; `failed` is their sum; `settled` rows had failed and are written now.
    """

    changes: Reasons
    failed: int
    settled: int


def correction(before: Reasons, now: Reasons) -> Correction:
    """Return what a reading that found `now` corrects where the last one had found `before`."""
    reasons = dict.fromkeys((*before, *now))
    differences = {reason: now.get(reason, 0) - before.get(reason, 0) for reason in reasons}
    changes = {reason: rows for reason, rows in differences.items() if rows}
    failed = sum(changes.values())
    return Correction(changes, failed, max(-failed, 0))
