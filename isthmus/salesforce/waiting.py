"""Waiting for the end of a Bulk job: how often its state is asked for, and when it counts as stuck.

Each question is an API call, so a job is asked the more seldom the longer it lasts: never sooner than in a third of
its age, and, once it shows progress, in half of what it needs yet. A job that shows no progress for `STUCK_S` is given
up: nobody waits for ever for a job that an org has forgotten. A job that somebody else left there, or an earlier run,
is given up after `EARLIER_STUCK_S`: each run that comes to it would wait as long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from isthmus.clock import Clock
from isthmus.egress.policy import RouteName
from isthmus.salesforce.errors import Transient
from isthmus.salesforce.session import RowCount
from isthmus.salesforce.status_code import StatusCode

POLL_FIRST_S: Final = 0.2
POLL_BLIND_MAX_S: Final = 30.0
"""The longest wait while the job says nothing of its progress."""
POLL_MAX_S: Final = 120.0
BLIND_SHARE: Final = 0.35
"""Of a job's age: the wait before the next question, while nothing is known of its progress."""
AGE_SHARE: Final = 0.5
"""Of a job's age: the longest wait of all, so that a wrong forecast costs at most half as much again."""
REST_SHARE: Final = 0.6
STUCK_S: Final = 3_600.0
EARLIER_STUCK_S: Final = 600.0


class JobState(msgspec.Struct, frozen=True, rename="camel"):
    """What an org says of a job. `error_message` is the org's text: only the code that it begins with may be kept."""

    state: str
    number_records_processed: RowCount = 0
    number_records_failed: RowCount = 0
    error_message: str | None = None


@dataclass(frozen=True, slots=True)
class Watch:
    """What has been seen of a job: since when it is waited for, and since when it says the same."""

    began_s: float
    changed_s: float
    state: str = ""
    processed: int = 0


def seen(watch: Watch, found: JobState, now_s: float) -> Watch:
    """Return the watch after an answer at `now_s`."""
    if (found.state, found.number_records_processed) == (watch.state, watch.processed):
        return watch
    return replace(watch, changed_s=now_s, state=found.state, processed=found.number_records_processed)


def wait_s(watch: Watch, now_s: float, rows_expected: int | None, stuck_s: float = STUCK_S) -> float | None:
    """Return after how many seconds to ask again; None if the job is stuck."""
    if now_s - watch.changed_s >= stuck_s:
        return None
    age_s = max(now_s - watch.began_s, 0.0)
    if watch.processed and rows_expected is not None and rows_expected > watch.processed:
        rest_s = age_s * (rows_expected - watch.processed) / watch.processed
        wanted_s, limit_s = rest_s * REST_SHARE, min(age_s * AGE_SHARE, POLL_MAX_S)
    else:
        wanted_s, limit_s = age_s * BLIND_SHARE, POLL_BLIND_MAX_S
    return max(min(wanted_s, limit_s), POLL_FIRST_S)


async def ended(
    ask: Callable[[], Awaitable[JobState]],
    clock: Clock,
    route: RouteName,
    rows_expected: int | None,
    stuck_s: float = STUCK_S,
) -> JobState:
    """Ask until the job is over, and return its last state. Raises `Transient` with JOB_STUCK."""
    began_s = clock.monotonic_s()
    watch = Watch(began_s, began_s)
    while True:
        found = await ask()
        if found.state in {"JobComplete", "Failed", "Aborted"}:
            return found
        now_s = clock.monotonic_s()
        watch = seen(watch, found, now_s)
        pause_s = wait_s(watch, now_s, rows_expected, stuck_s)
        if pause_s is None:
            raise Transient(route, StatusCode.JOB_STUCK)
        await asyncio.sleep(pause_s)
