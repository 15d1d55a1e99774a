"""What a mover is told about a sync: endpoints, steps and windows. Names and times only; no value travels this way."""

from __future__ import annotations

from datetime import datetime
from typing import Final

import msgspec

from isthmus.salesforce.bulk import INGEST_BYTES_MAX
from isthmus.salesforce.endpoint import Endpoint
from isthmus.sync.model import Budget, Step

SOURCE: Final = 0
TARGET: Final = 1
BULK_ROWS_MIN: Final = 2000
"""From this many rows on a window travels by Bulk API 2.0 (Salesforce's own advice)."""


class WindowJob(msgspec.Struct, frozen=True):
    """One window to move. `until` None: now, by the source's own clock. `retry` 0 is the step's own window."""

    since: datetime | None
    until: datetime | None = None
    retry: int = 0


class StepJob(msgspec.Struct, frozen=True):
    """One step of the plan with its windows, oldest first.

    `uncarried` is for steps of a two-way sync: spans in which the target's records were changed without the step of the
    other direction having carried it (`until` None: up to now). `seen_until` is where an earlier run's reading ended:
    rows of the step's own window that were changed before it have been read once already. `unloaded`, for a pass that
    sets links: spans that the other direction's load, which carries all other fields, has not carried.
    """

    ordinal: int
    step: Step
    windows: tuple[WindowJob, ...]
    uncarried: tuple[WindowJob, ...] = ()
    seen_until: datetime | None = None
    overlap_since: datetime | None = None
    unloaded: tuple[WindowJob, ...] = ()


class Ceiling(msgspec.Struct, frozen=True):
    """What one org's budget leaves to this run: the share of the day's calls, used by whomever, and calls of ours."""

    day_percent: int = 100
    calls_left: int | None = None


class SyncJob(msgspec.Struct, frozen=True, tag_field="kind", tag="sync"):
    """Move the windows of `steps` from `endpoints[SOURCE]` to `endpoints[TARGET]`, in the plan's order.

    A step that goes `backward` moves the other way.

    `unbounded` reads without an upper bound (a one-shot copy); `dry_run` counts and writes nothing. `tagged`: rows
    carry the run's tag, so the run says from when on by the target's clock.
    """

    endpoints: list[Endpoint]
    steps: tuple[StepJob, ...]
    bulk_rows_min: int = BULK_ROWS_MIN
    budget: Budget = Budget()
    ceilings: tuple[Ceiling, Ceiling] = (Ceiling(), Ceiling())
    upload_bytes_max: int = INGEST_BYTES_MAX
    unbounded: bool = False
    dry_run: bool = False
    tagged: bool = False


class RollbackStep(msgspec.Struct, frozen=True):
    """One object whose records a run has created; `ordinal` is the step of the plan that did."""

    ordinal: int
    target: str


class RollbackJob(msgspec.Struct, frozen=True, tag_field="kind", tag="rollback"):
    """Delete, in `endpoints[0]`, what has `tag` in the field `run_tag` and was created by us after `since`."""

    endpoints: list[Endpoint]
    steps: tuple[RollbackStep, ...]
    steps_count: int
    run_tag: str
    tag: str
    since: datetime


class ActivateJob(msgspec.Struct, frozen=True, tag_field="kind", tag="activate"):
    """Create the tracking field on each of `objects` in `endpoints[0]`, with its field permissions."""

    endpoints: list[Endpoint]
    objects: tuple[str, ...]
    field: str
    label: str
