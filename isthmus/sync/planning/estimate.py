"""What a plan will cost, before it runs: rows, API calls of both orgs, minutes and shares of the day's allowance. Pure.

Calls are counted as the mover makes them: a question for the number of rows per step, a page for each 2,000 rows read
and a call for each 200 rows written by REST, or the requests of a Bulk job. How often a job is asked whether it is done
depends on the org, so minutes and Bulk calls rest on figures that others measured (800 rows a second by Bulk and about
ten seconds for any job; 200 rows a second by REST). They are meant to be right within a factor of two.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from msgspec import Struct

from isthmus.salesforce.bulk import INGEST_BYTES_MAX
from isthmus.salesforce.waiting import Watch, wait_s
from isthmus.sync.flow.job import BULK_ROWS_MIN
from isthmus.sync.flow.paths import BULK_FIXED_S, BULK_ROWS_PER_S, REST_ROWS_PER_CALL, choose_path
from isthmus.sync.looking import path_name, step_title
from isthmus.sync.model import ColumnKind, LookupRule, OwnerRule, Path, Plan, RecordTypeRule, Step, StepKind

DAY_S: Final = 24 * 3600
PERCENT: Final = 100
PAGE_ROWS: Final = 2000
"""Rows of a page of a REST query."""
BULK_PAGE_ROWS: Final = 50_000
CELL_BYTES: Final = 16
"""A cell's usual size in an upload, with its comma."""
ASKED_AT_ONCE: Final = 60
OWNERS_USUAL: Final = 60
JOB_CALLS: Final = 4
"""Create, upload, close and delete a job of an upload; a query's job is created, read by pages and deleted."""
EXPORT_CALLS: Final = 2
TRACKING_CALLS: Final = 5
"""Describe, create the field, find the permission set by two queries, grant, see that it shows: less what is shared."""
KINDS_MAX: Final = 12
"""Rows with more combinations of lookups than that are rare."""
TOGETHER: Final = 5
"""Questions that one call carries when a sync is idle."""


class StepEstimate(Struct, frozen=True, kw_only=True):
    """What one step will cost in the first run."""

    title: str
    path: str
    rows: int
    calls_source: int
    calls_target: int
    seconds: int


class OrgEstimate(Struct, frozen=True, kw_only=True):
    """Calls that the first run asks of one org, and what they are of a day. None: its allowance is not known."""

    calls: int
    used_today: int | None
    allowed_per_day: int | None
    percent_of_day: float | None
    fits_budget: bool | None


class Estimate(Struct, frozen=True, kw_only=True):
    """The whole of it. `idle_calls_per_day` is what the schedule asks of the source while nothing changes."""

    rows: int
    minutes: float
    source: OrgEstimate
    target: OrgEstimate
    idle_calls_per_day: int | None
    steps: tuple[StepEstimate, ...]


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast an org works, as far as anybody knows beforehand."""

    bulk_fixed_s: float = BULK_FIXED_S
    bulk_rows_per_s: float = BULK_ROWS_PER_S
    rest_rows_per_s: float = 200.0
    call_s: float = 0.3

    def job_s(self, rows: int) -> float:
        """Return how long a Bulk job of so many rows takes."""
        return self.bulk_fixed_s + rows / self.bulk_rows_per_s


USUAL: Final = Pace()


@dataclass(frozen=True, slots=True)
class OrgUsage:
    """The org's own word on its calls of the last 24 hours."""

    used: int
    allowed: int


def estimate(
    plan: Plan,
    rows: Sequence[int],
    usage: tuple[OrgUsage | None, OrgUsage | None] = (None, None),
    *,
    interval_s: int | None = None,
    describes: tuple[int, int] = (0, 0),
    bulk_rows_min: int = BULK_ROWS_MIN,
    pace: Pace = USUAL,
) -> Estimate:
    """Return what the first run of `plan` will cost, given how many rows each step finds.

    `describes`: objects that are described first, in both orgs. `interval_s`: the pause between runs, if there is one.
    """
    steps = [
        _step(step, count, pace, scheduled=interval_s is not None, bulk_rows_min=bulk_rows_min)
        for step, count in zip(plan.steps, rows, strict=True)
    ]
    source = sum(step.calls_source for step in steps) + describes[0]
    target = sum(step.calls_target for step in steps) + describes[1] + TRACKING_CALLS * len(plan.tracking)
    fixed_s = pace.call_s * (sum(describes) + TRACKING_CALLS * len(plan.tracking))
    loads = sum(step.kind is StepKind.LOAD for step in plan.steps)
    return Estimate(
        rows=sum(rows),
        minutes=round((fixed_s + sum(step.seconds for step in steps)) / 60, 1),
        source=_org(plan, source, usage[0]),
        target=_org(plan, target, usage[1]),
        idle_calls_per_day=None if interval_s is None else DAY_S // interval_s * math.ceil(loads / TOGETHER),
        steps=tuple(steps),
    )


def _step(step: Step, rows: int, pace: Pace, *, scheduled: bool, bulk_rows_min: int) -> StepEstimate:
    paired = step.pairing is not None
    chosen = choose_path(rows, bulk_rows_min=bulk_rows_min, rest_rows_per_s=None, usage=None).path
    path = Path.COLLECTIONS if rows and paired else chosen
    source, target = _asked(step, rows)
    seconds = pace.call_s * (source + target)
    if path is Path.COLLECTIONS:
        read, written = math.ceil(rows / PAGE_ROWS), math.ceil(rows / REST_ROWS_PER_CALL)
        source, target = source + read, target + written * (2 if paired else 1)
        seconds += pace.call_s * read + rows / pace.rest_rows_per_s
    elif path is Path.BULK:
        size = rows * CELL_BYTES * (len(step.columns) + 1)
        jobs = max(math.ceil(size / INGEST_BYTES_MAX), min(_kinds(step), max(1, rows // bulk_rows_min)))
        source += EXPORT_CALLS + math.ceil(rows / BULK_PAGE_ROWS) + polls(rows, pace)
        target += 1 + jobs * (JOB_CALLS + polls(rows // jobs, pace))
        seconds += pace.job_s(rows)
    source += int(scheduled and rows > 0)  # where the next window may begin
    if step.backward:
        source, target = target, source
    return StepEstimate(
        title=step_title(step),
        path=path_name(path),
        rows=rows,
        calls_source=source,
        calls_target=target,
        seconds=math.ceil(seconds),
    )


def _kinds(step: Step) -> int:
    """Into how many uploads the rows are parted at most: by which lookups are empty, and where the others point."""
    parents = [column for column in step.columns if column.kind is ColumnKind.PARENT]
    return min(KINDS_MAX, math.prod(1 + len(column.headers) for column in parents))


def _asked(step: Step, rows: int) -> tuple[int, int]:
    """The questions beside the rows: how many there are, who owns them, what their types are called."""
    source = target = 0
    if step.kind is not StepKind.DELETE:
        source += 1
    if not rows:
        return source, target
    for column in step.columns:
        if column.kind is not ColumnKind.MAP:
            continue
        lots = math.ceil(min(rows, OWNERS_USUAL) / ASKED_AT_ONCE)
        match column.rule:
            case OwnerRule(match=None):
                target += 1
            case OwnerRule(fallback=fallback):
                source, target = source + lots, target + lots + int(fallback is not None)
            case RecordTypeRule():
                source, target = source + 1, target + 1
            case LookupRule():
                target += lots
            case _:
                pass
    return source, target


def polls(rows: int, pace: Pace) -> int:
    """Return how often a job of `rows` rows is asked whether it is done: by the rule that the mover itself follows."""
    lasts_s, age_s, asked = pace.job_s(rows), 0.0, 1
    while age_s < lasts_s:
        done = int(rows * max(0.0, age_s - pace.bulk_fixed_s) / (lasts_s - pace.bulk_fixed_s)) if rows else 0
        age_s += wait_s(Watch(0.0, age_s, processed=done), age_s, rows) or lasts_s
        asked += 1
    return asked


def _org(plan: Plan, calls: int, usage: OrgUsage | None) -> OrgEstimate:
    if usage is None or usage.allowed <= 0:
        return OrgEstimate(calls=calls, used_today=None, allowed_per_day=None, percent_of_day=None, fits_budget=None)
    day = (usage.used + calls) * PERCENT <= plan.budget.day_percent * usage.allowed
    return OrgEstimate(
        calls=calls,
        used_today=usage.used,
        allowed_per_day=usage.allowed,
        percent_of_day=round(calls * PERCENT / usage.allowed, 2),
        fits_budget=day and calls * PERCENT <= plan.budget.run_percent * usage.allowed,
    )
