"""What the end of a run means for the schedule."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from isthmus.sync.flow.frames import Usage
from isthmus.sync.model import EndReason, RunState
from isthmus.sync.run import Run, StepRun, begin
from isthmus.sync.timing.afterwards import Afterwards, after, new_use, was_idle
from isthmus.sync.timing.schedule import Due, DueReason, ScheduleSpec, read_schedule
from isthmus.sync.timing.timetable import OrgUse

NOON = datetime(2026, 6, 10, 12, tzinfo=UTC)
PLAIN = read_schedule(ScheduleSpec(idle_max_s=600))
IDLE = replace(begin(1), end=EndReason.FINISHED, state=RunState.DONE)
BUSY = replace(IDLE, steps=(StepRun(rows_expected=3, rows_read=3, rows_written=3, done=True),))


def follows(run: Run, *, kind: str = "scheduled", idle_runs: int = 0) -> Afterwards | None:
    return after(PLAIN, run, kind=kind, began=NOON, now=NOON + timedelta(seconds=5), idle_runs=idle_runs)


def test_an_idle_run_counts_and_a_busy_one_starts_anew() -> None:
    assert follows(IDLE, idle_runs=8) == Afterwards(Due(NOON + timedelta(minutes=10), DueReason.IDLE), 9)
    assert follows(BUSY, idle_runs=8) == Afterwards(Due(NOON + timedelta(minutes=2), DueReason.INTERVAL), 0)


def test_a_run_that_did_not_come_to_its_end_proves_no_idleness() -> None:
    away = replace(IDLE, end=EndReason.SOURCE_UNAVAILABLE, state=RunState.FAILED)
    assert not was_idle(away)
    result = follows(away, idle_runs=3)
    assert result is not None
    assert result.idle_runs == 3


@pytest.mark.parametrize(
    ("end", "reason"), [(EndReason.TARGET_BUDGET, DueReason.BUDGET), (EndReason.SOURCE_LIMITED, DueReason.LIMITED)]
)
def test_a_used_up_budget_waits_an_hour_and_says_so(end: EndReason, reason: DueReason) -> None:
    result = follows(replace(IDLE, end=end), kind="retry")
    assert result is not None
    assert result.due == Due(NOON + timedelta(hours=1, seconds=5), reason)


@pytest.mark.parametrize("kind", ["retry", "dry_run"])
def test_what_is_no_run_of_the_plan_leaves_the_schedule_alone(kind: str) -> None:
    assert follows(BUSY, kind=kind) is None


def test_calls_are_written_down_once() -> None:
    orgs = (UUID(int=1), UUID(int=2))
    first = replace(begin(1), calls_source=3, usage_source=Usage(0, 100, 1000))
    assert new_use(orgs, begin(1), first) == {0: OrgUse(orgs[0], 100, 1000, 3)}
    assert new_use(orgs, first, first) == {}
    later = replace(first, calls_source=5, calls_target=1)
    assert new_use(orgs, first, later) == {0: OrgUse(orgs[0], 100, 1000, 2), 1: OrgUse(orgs[1], None, None, 1)}
