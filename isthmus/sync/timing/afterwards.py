"""What a run leaves behind for the schedule: when the sync is due next, how idle it is, which calls it made. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from isthmus.sync.flow.frames import Usage
from isthmus.sync.model import EndReason
from isthmus.sync.run import Run
from isthmus.sync.timing.budget import PAUSE
from isthmus.sync.timing.schedule import Due, DueReason, Schedule, next_due
from isthmus.sync.timing.timetable import OrgUse

_BY_THE_PLAN: Final = frozenset({"scheduled", "by_hand"})
"""Runs of the whole plan. Retries, dry runs and the like say nothing about when it is due, or how idle it is."""
RETRY: Final = "retry"
DRY_RUN: Final = "dry_run"
IDLE_RUNS_MAX: Final = 1_000_000
_BUDGET: Final = frozenset({EndReason.SOURCE_BUDGET, EndReason.TARGET_BUDGET})
_LIMITED: Final = frozenset({EndReason.SOURCE_LIMITED, EndReason.TARGET_LIMITED})


@dataclass(frozen=True, slots=True)
class Afterwards:
    """When the sync is due next, and how many runs in a row found nothing to do."""

    due: Due
    idle_runs: int


def after(
    schedule: Schedule, run: Run, *, kind: str, began: datetime, now: datetime, idle_runs: int
) -> Afterwards | None:
    """Return what follows from the end of `run`; None if the schedule stays as it is."""
    if kind == DRY_RUN or schedule.manual:
        return None
    if run.end in _BUDGET or run.end in _LIMITED:
        due = next_due(schedule, started=began, now=now + PAUSE, idle_runs=0)
        return Afterwards(Due(due.at, DueReason.BUDGET if run.end in _BUDGET else DueReason.LIMITED), idle_runs)
    if kind not in _BY_THE_PLAN:
        return None
    idle = min(idle_runs + 1, IDLE_RUNS_MAX) if was_idle(run) else idle_runs if run.end is not EndReason.FINISHED else 0
    return Afterwards(next_due(schedule, started=min(began, now), now=now, idle_runs=idle), idle)


def was_idle(run: Run) -> bool:
    """Whether the run came to its end and found nothing to do."""
    moved = any(step.rows_expected or step.rows_read or step.rows_failed for step in run.steps)
    return run.end is EndReason.FINISHED and not moved


def new_use(orgs: Sequence[UUID], saved: Run, run: Run) -> dict[int, OrgUse]:
    """Return what `run` says of API calls that `saved` did not, by side; nothing where nothing is new."""
    sides: tuple[tuple[Usage | None, Usage | None, int], ...] = (
        (saved.usage_source, run.usage_source, run.calls_source - saved.calls_source),
        (saved.usage_target, run.usage_target, run.calls_target - saved.calls_target),
    )
    uses: dict[int, OrgUse] = {}
    for side, (org, (before, seen, own)) in enumerate(zip(orgs, sides, strict=False)):
        if own or seen != before:
            uses[side] = OrgUse(org, seen.used if seen else None, seen.allowed if seen else None, own)
    return uses
