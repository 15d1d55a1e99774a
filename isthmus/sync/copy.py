"""`copy`: the one-shot sync without a database and without a keeper; the same plan, the same mover.

The caller's process answers the movers' questions for tokens itself, from the two that it was given. Tracking fields
that the target lacks are created first, unless it is a dry run, which changes nothing anywhere.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Final
from uuid import uuid4

from isthmus.clock import Clock
from isthmus.config import Settings
from isthmus.salesforce.endpoint import Endpoint
from isthmus.salesforce.lease import Lease
from isthmus.salesforce.version import API_VERSION_DEFAULT
from isthmus.sandbox.report import SandboxReport
from isthmus.sync.activation import activation_job, nothing_to_keep
from isthmus.sync.drive import Driven, Moving, RunningMover, drive
from isthmus.sync.errors import NOTE_CODES, explain, explain_end
from isthmus.sync.flow.computed import needs_key
from isthmus.sync.flow.frames import Frame
from isthmus.sync.flow.job import BULK_ROWS_MIN, SOURCE, TARGET, SyncJob
from isthmus.sync.flow.sides import turned
from isthmus.sync.lending import lent
from isthmus.sync.looking import field_name, path_name, step_title
from isthmus.sync.model import Drawn, EndReason, Issue, Plan, Rejected
from isthmus.sync.moving import moving_to
from isthmus.sync.plan import draw_plan, objects_of, schema_of
from isthmus.sync.planning.estimate import Estimate, OrgUsage, estimate
from isthmus.sync.planning.run_tag import tag_of
from isthmus.sync.planning.schemas import SchemaUnread, read_schemas
from isthmus.sync.planning.suggestions import Suggestion, suggest
from isthmus.sync.run import Run, begin
from isthmus.sync.spec import SyncSpec
from isthmus.sync.windows import step_jobs
from isthmus.values import OrgHost, Purpose, Secret


@dataclass(frozen=True, slots=True)
class CopyOrg:
    """One side of a copy: the org and a token for it."""

    host: OrgHost
    token: Secret


@dataclass(frozen=True, slots=True)
class StepCount:
    """Rows of one step so far. `rows_created` is known on the REST path only."""

    title: str
    path: str
    rows_expected: int
    rows_read: int
    rows_written: int
    rows_created: int
    rows_failed: int
    settled: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """How many rows of a step failed for one reason, or did not fail and are worth a note."""

    step: str
    code: str
    field: str | None
    rows: int
    cause: str
    remedy: str
    failed: bool = True


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What a copy did. `message` is None when it ran to its end, else what stopped it, with the remedy.

    `estimate` is what the copy would cost, of a dry run that came to its end.
    """

    plan: Plan | None
    issues: tuple[Issue, ...]
    dry_run: bool
    steps: tuple[StepCount, ...]
    failures: tuple[Failure, ...]
    calls_source: int
    calls_target: int
    seconds: float
    message: str | None
    sandbox: SandboxReport | None
    mover_peak_rss_bytes: int | None
    mover_cpu_s: float | None
    suggestions: tuple[Suggestion, ...] = ()
    estimate: Estimate | None = None

    @property
    def exit_status(self) -> int:
        """0 done, 1 done with failed rows, 2 refused or stopped."""
        if self.message is not None or self.plan is None:
            return 2
        return 1 if any(step.rows_failed for step in self.steps) else 0


DRY_RUN_KEY: Final = Secret(b"a dry run makes no pseudonyms")
"""Its mover asks for the key of masks all the same, before it counts."""
NO_MASK_KEY: Final = (
    "The sync masks fields, and there is no key to make pseudonyms with. Set ISTHMUS_MASK_KEY to 32 characters of your "
    "own, and to the same ones each time: the same key gives the same pseudonyms."
)
OnProgress = Callable[[tuple[StepCount, ...]], None]


async def copy_once(
    spec: SyncSpec,
    source: CopyOrg,
    target: CopyOrg,
    *,
    settings: Settings,
    clock: Clock,
    dry_run: bool = False,
    bulk_rows_min: int | None = None,
    on_progress: OnProgress | None = None,
    mask_key: Secret | None = None,
) -> CopyResult:
    """Copy what `spec` says; `mask_key` makes its pseudonyms.

    Never raises for what an org or a mover does: the result's `message` says it.
    """
    copy = _Copy(spec, (source, target), settings, clock, dry_run=dry_run, on_progress=on_progress, mask_key=mask_key)
    return await copy.carry_out(bulk_rows_min)


class _Copy:
    """One copy while it runs."""

    def __init__(
        self,
        spec: SyncSpec,
        orgs: tuple[CopyOrg, CopyOrg],
        settings: Settings,
        clock: Clock,
        *,
        dry_run: bool,
        on_progress: OnProgress | None,
        mask_key: Secret | None,
    ) -> None:
        self._spec = spec
        self._orgs = orgs
        self._clock = clock
        self._began_s = clock.monotonic_s()
        self._dry_run = dry_run
        self._bulk_rows_min = BULK_ROWS_MIN
        self._on_progress = on_progress
        self._mask_key = mask_key
        self._settings = settings
        self._endpoints = [Endpoint(uuid4(), org.host.origin, Purpose.SYNC, API_VERSION_DEFAULT) for org in orgs]
        self._plan: Plan | None = None
        self._suggestions: tuple[Suggestion, ...] = ()
        self._calls_before = (0, 0)

    async def carry_out(self, bulk_rows_min: int | None) -> CopyResult:
        if bulk_rows_min is not None:
            self._bulk_rows_min = bulk_rows_min
        try:
            drawn = await self._drawn()
        except SchemaUnread as unread:
            self._count(unread.calls)
            return self._stopped(str(unread), ())
        if isinstance(drawn, Rejected):
            return self._stopped("The sync does not fit these orgs; see the errors.", drawn.issues)
        self._plan = drawn.plan
        if self._mask_key is None and needs_key(drawn.plan.steps) and not self._dry_run:
            return self._stopped(NO_MASK_KEY, drawn.issues)
        for side, objects in ((TARGET, drawn.plan.tracking), (SOURCE, drawn.plan.tracking_source)):
            if objects and not self._dry_run:
                made = (await self._activated(objects, self._endpoints[side])).run
                self._count((0, made.calls_target) if side == TARGET else (made.calls_target, 0))
                if made.end is not EndReason.FINISHED:
                    end = turned(made.end or EndReason.BUG, backward=side == SOURCE)
                    return self._stopped(_end_message(replace(made, end=end)), drawn.issues)
        driven = await self._moved(drawn.plan)
        return self._result(driven, drawn.issues)

    async def _drawn(self) -> Drawn | Rejected:
        objects = objects_of(self._spec)
        async with self._leases() as lease:
            read = await read_schemas(self._endpoints, objects, self._moving(), lease)
        self._count(read.calls)
        schemas = [schema_of(d.describe for d in side if d.describe is not None) for side in read.described]
        self._suggestions = suggest(self._spec, schemas[SOURCE], schemas[TARGET])
        return draw_plan(self._spec, schemas[SOURCE], schemas[TARGET])

    async def _activated(self, objects: tuple[str, ...], endpoint: Endpoint) -> Driven:
        async with self._leases() as lease:
            return await drive(
                activation_job(objects, endpoint),
                begun=begin(len(objects)),
                moving=moving_to([endpoint.origin], self._settings),
                lease_socket=lease,
                on_start=_unobserved,
                on_frame=nothing_to_keep,
            )

    async def _moved(self, plan: Plan) -> Driven:
        steps = step_jobs(plan, settled=(), marks={}, retries=(), tag=tag_of(uuid4()))
        job = SyncJob(self._endpoints, steps, self._bulk_rows_min, plan.budget, unbounded=True, dry_run=self._dry_run)
        async with self._leases() as lease:
            return await drive(
                job,
                begun=begin(len(plan.steps)),
                moving=self._moving(),
                lease_socket=lease,
                on_start=_unobserved,
                on_frame=self._framed,
            )

    def _count(self, calls: Sequence[int]) -> None:
        """Add the API calls of a mover that ended before the one that moves records."""
        if calls:
            source, target = self._calls_before
            self._calls_before = (source + calls[SOURCE], target + calls[TARGET])

    def _moving(self) -> Moving:
        return moving_to([endpoint.origin for endpoint in self._endpoints], self._settings)

    def _leases(self) -> AbstractAsyncContextManager[socket.socket]:
        """Lend a lease socket for one mover and answer it meanwhile."""
        leases = {
            endpoint.connection: Lease(org.token, org.host)
            for endpoint, org in zip(self._endpoints, self._orgs, strict=True)
        }
        return lent(leases, self._mask_key or (DRY_RUN_KEY if self._dry_run else None))

    async def _framed(self, run: Run, _frame: Frame) -> None:
        if self._on_progress is not None and self._plan is not None:
            self._on_progress(_counts(self._plan, run))

    def _stopped(self, message: str, issues: Sequence[Issue]) -> CopyResult:
        run = begin(0)
        return self._result(Driven(run, None, None), issues, message)

    def _result(self, driven: Driven, issues: Sequence[Issue], message: str | None = None) -> CopyResult:
        run = driven.run
        if message is None and run.end is not EndReason.FINISHED:
            message = _end_message(run)
        plan = self._plan
        return CopyResult(
            plan=plan,
            issues=tuple(issues),
            dry_run=self._dry_run,
            steps=_counts(plan, run) if plan is not None and run.steps else (),
            failures=_failures(plan, run) if plan is not None else (),
            calls_source=self._calls_before[SOURCE] + run.calls_source,
            calls_target=self._calls_before[TARGET] + run.calls_target,
            seconds=self._clock.monotonic_s() - self._began_s,
            message=message,
            sandbox=driven.sandbox,
            mover_peak_rss_bytes=driven.exit.memory_max_kb * 1024 if driven.exit else None,
            mover_cpu_s=driven.exit.cpu_s if driven.exit else None,
            suggestions=self._suggestions,
            estimate=self._estimate(run) if self._dry_run and message is None else None,
        )

    def _estimate(self, run: Run) -> Estimate | None:
        if self._plan is None:
            return None
        usage = [
            None if each is None else OrgUsage(each.used, each.allowed) for each in (run.usage_source, run.usage_target)
        ]
        rows = [step.rows_expected for step in run.steps]
        sources, targets = objects_of(self._spec)
        return estimate(
            self._plan,
            rows,
            (usage[SOURCE], usage[TARGET]),
            describes=(len(sources), len(targets)),
            bulk_rows_min=self._bulk_rows_min,
        )


async def _unobserved(_mover: RunningMover) -> None:
    return


def _end_message(run: Run) -> str:
    why = explain_end(EndReason.BUG if run.end is None else run.end, run.end_code)
    return f"Stopped: {why.cause}. {why.remedy}"


def _counts(plan: Plan, run: Run) -> tuple[StepCount, ...]:
    return tuple(
        StepCount(
            title=step_title(step),
            path=path_name(done.path),
            rows_expected=done.rows_expected,
            rows_read=done.rows_read,
            rows_written=done.rows_written,
            rows_created=done.rows_created,
            rows_failed=done.rows_failed,
            settled=done.done,
        )
        for step, done in zip(plan.steps, run.steps, strict=True)
    )


def _failures(plan: Plan, run: Run) -> tuple[Failure, ...]:
    found: list[Failure] = []
    for (number, code, ordinal), rows in sorted(run.outcomes.items(), key=lambda item: -item[1]):
        step = plan.steps[number]
        why = explain(code)
        failed, field = code not in NOTE_CODES, field_name(step, ordinal)
        found.append(Failure(step_title(step), code.name, field, rows, why.cause, why.remedy, failed))
    return tuple(found)
