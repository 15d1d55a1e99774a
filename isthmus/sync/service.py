"""A run inside the worker: claim it, start a mover on its windows, keep its counts, close it.

1. The keeper's ticket says whose run it is; a run that has ended already gets none.
2. `begin` raises the fence: an older attempt that still lives can write nothing more.
3. The job is made of the frozen plan and of what is settled: own windows begin at the checkpoints, failed windows are
   read again.
4. Counts are written now and then, checkpoints and failed windows with the window that they belong to.
5. However it ends, the run is closed; a revoked org pauses the sync, and so do orgs that answer each other for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from isthmus.db.database import TenantTx
from isthmus.db.ticket import Ticket
from isthmus.journal import RunEnded, RunStarted
from isthmus.orgs.attestation import save_attestation
from isthmus.orgs.keeper_client import KeeperRefused, RunKind
from isthmus.orgs.model import ConnectionState
from isthmus.salesforce.endpoint import Endpoint
from isthmus.salesforce.status_code import StatusCode
from isthmus.salesforce.version import API_VERSION_DEFAULT
from isthmus.sync import store
from isthmus.sync.app import SyncApp
from isthmus.sync.drive import Driven, RunningMover, drive
from isthmus.sync.errors import TRANSIENT_CODES
from isthmus.sync.flow.frames import Calls, Frame, Moved, Noted, RowsFailed, Tagged, WindowSettled
from isthmus.sync.flow.job import SOURCE, Ceiling, RollbackJob, StepJob, SyncJob
from isthmus.sync.looping import is_looping
from isthmus.sync.mending import failed_windows
from isthmus.sync.mending.rollbacks import ROLLBACK, rollback_job, save_tag_time
from isthmus.sync.model import Budget, EndReason, PauseReason, Plan, RunState, SyncState
from isthmus.sync.planning.run_tag import tag_of
from isthmus.sync.run import Run, StepRun, begin, stopped
from isthmus.sync.telling.alerts import note_end, note_unusual
from isthmus.sync.timing.afterwards import DRY_RUN, RETRY, after, new_use
from isthmus.sync.timing.budget import own_left
from isthmus.sync.timing.timetable import decoded_schedule, org_calls, save_usage, set_due_after
from isthmus.sync.windows import read_until, step_jobs
from isthmus.values import ConnectionId, Purpose, RunId

RETRY_WINDOWS_MAX: Final = 64
SAVE_EVERY_S: Final = 0.5
TICKET_FRESH_S: Final = 120.0


async def perform(run: RunId, app: SyncApp) -> None:
    """Carry out one queued run. A second call for a run that has ended does nothing.

    Raises `DatabaseError` or `KeeperUnavailable` if the installation itself is not there: the job is then tried again.
    """
    tickets = _Tickets(app, RunKind.SYNC, run)
    try:
        ticket = await tickets.get()
    except KeeperRefused:
        return
    async with app.database.tenant(ticket) as tx:
        row = await store.begin(tx, run)
        if row is None:
            return
        job = await _job(tx, run, row, app.clock.now())
    app.journal.emit(RunStarted(run, row.fence))
    began_s = app.clock.monotonic_s()
    keeping = _Keeping(app, run, row, tickets, job)
    state = await keeping.carry_out()
    duration_ms = int((app.clock.monotonic_s() - began_s) * 1000)
    app.journal.emit(RunEnded(run, row.fence, state.state, duration_ms))


@dataclass(frozen=True, slots=True)
class _Job:
    """What to do: endpoints with their states, steps, and which failed window each retry is."""

    begun: Run
    endpoints: Sequence[store.EndpointRow]
    steps: tuple[StepJob, ...]
    retries: Sequence[failed_windows.FailedWindow]
    budget: Budget
    ceilings: tuple[Ceiling, Ceiling]
    tagged: bool
    rollback: RollbackJob | None

    def for_mover(self, *, dry_run: bool) -> SyncJob | RollbackJob:
        """Return what the mover is told."""
        return self.rollback or SyncJob(
            endpoints=_told(self.endpoints),
            steps=self.steps,
            budget=self.budget,
            ceilings=self.ceilings,
            dry_run=dry_run,
            tagged=self.tagged,
        )


def _told(endpoints: Sequence[store.EndpointRow]) -> list[Endpoint]:
    return [Endpoint(e.id, e.origin, Purpose.SYNC, API_VERSION_DEFAULT) for e in endpoints]


async def _job(tx: TenantTx, run: UUID, row: store.RunRow, now: datetime) -> _Job:
    plan = msgspec.json.decode(row.document, type=Plan)
    rows = [await store.endpoint(tx, connection) for connection in (row.source_connection, row.target_connection)]
    settled = await store.settled_steps(tx, run)
    marks = await store.checkpoints(tx, row.sync_id, row.plan_version)
    again_only, dry_run = row.kind == RETRY, row.kind == DRY_RUN
    retries = await failed_windows.due_windows(
        tx,
        row.sync_id,
        row.plan_version,
        times=plan.retry_times,
        now=now,
        by_hand=again_only or plan.by_hand,
        rows_max=0 if dry_run else RETRY_WINDOWS_MAX,
    )
    steps = step_jobs(
        plan,
        settled=settled,
        marks=marks,
        seen=await store.read_times(tx, row.sync_id, row.plan_version) if plan.two_way else {},
        retries=[(each.step, each.window) for each in retries],
        waiting=await failed_windows.waiting_windows(tx, row.sync_id, row.plan_version) if plan.two_way else (),
        own=not again_only,
        winner=row.winner,
        tag=tag_of(run),
    )
    endpoints = [found for found in rows if found is not None]
    return _Job(
        begin(len(plan.steps), settled),
        endpoints,
        steps,
        retries,
        plan.budget,
        await _ceilings(tx, endpoints),
        plan.run_tag is not None,
        await rollback_job(tx, run, plan, _told(endpoints)) if row.kind == ROLLBACK else None,
    )


async def _ceilings(tx: TenantTx, endpoints: Sequence[store.EndpointRow]) -> tuple[Ceiling, Ceiling]:
    """What the budgets of both orgs leave to a run that begins now."""
    calls = [await org_calls(tx, endpoint.org_id) for endpoint in endpoints]
    source, target = (Ceiling(each.day_percent, own_left(each)) for each in calls)
    return source, target


class _Tickets:
    """A ticket lasts five minutes, a run may last hours."""

    def __init__(self, app: SyncApp, kind: RunKind, subject: UUID) -> None:
        self._app = app
        self._kind = kind
        self._subject = subject
        self._ticket: Ticket | None = None
        self._got_s = 0.0

    async def get(self) -> Ticket:
        now_s = self._app.clock.monotonic_s()
        if self._ticket is None or now_s - self._got_s > TICKET_FRESH_S:
            self._ticket = await self._app.keeper.ticket_for_run(self._kind, self._subject)
            self._got_s = now_s
        return self._ticket


class _Keeping:
    """One attempt at a run: drives the mover and keeps what it says."""

    def __init__(self, app: SyncApp, run: RunId, row: store.RunRow, tickets: _Tickets, job: _Job) -> None:
        self._app = app
        self._run = run
        self._row = row
        self._tickets = tickets
        self._job = job
        self._saved_s = 0.0
        self._saved: tuple[StepRun, ...] = job.begun.steps
        self._saved_run = job.begun

    async def carry_out(self) -> Run:
        """Move, then close the run whatever happened."""
        refusal = refusal_of(self._job.endpoints)
        if self._row.kind == ROLLBACK and self._job.rollback is None:
            refusal = EndReason.BUG  # never a run of the sync itself in place of a rollback
        if refusal is not None:
            state = stopped(self._job.begun, refusal)
        else:
            driven = await self._drive()
            state = await self._explained(driven)
        await self._close(state)
        return state

    async def _drive(self) -> Driven:
        endpoints = self._job.endpoints
        connections = [ConnectionId(endpoint.id) for endpoint in endpoints]
        lease = await self._app.keeper.open_lease_channel(await self._tickets.get(), self._run, connections)
        job = self._job.for_mover(dry_run=self._row.kind == DRY_RUN)
        moving = self._app.movers([endpoint.origin for endpoint in job.endpoints], self._app.settings)
        return await drive(
            job,
            begun=self._job.begun,
            moving=moving,
            lease_socket=lease,
            on_start=self._started,
            on_frame=self._framed,
        )

    async def _started(self, mover: RunningMover) -> None:
        async with self._app.database.tenant(await self._tickets.get()) as tx:
            await store.check_fence(tx, self._run, self._row.fence)
            await save_attestation(tx, mover.sandbox)

    async def _framed(self, run: Run, frame: Frame) -> None:
        now_s = self._app.clock.monotonic_s()
        often = isinstance(frame, (Moved, RowsFailed, Noted, Calls)) and now_s - self._saved_s < SAVE_EVERY_S
        if often:
            return
        self._saved_s = now_s
        async with self._app.database.tenant(await self._tickets.get()) as tx:
            await store.check_fence(tx, self._run, self._row.fence)
            await self._save_counts(tx, run)
            if isinstance(frame, Tagged):
                await save_tag_time(tx, self._run, frame.at)
            if isinstance(frame, WindowSettled) and self._job.rollback is None:
                await self._save_window(tx, run.steps[frame.step], frame)

    async def _save_counts(self, tx: TenantTx, run: Run) -> None:
        for number, step in enumerate(run.steps):
            known = self._saved[number]
            if step != known:
                await store.save_step(tx, self._run, number, step)
        for outcome, rows in run.outcomes.items():
            if rows != self._saved_run.outcomes.get(outcome):
                await store.save_outcome(tx, self._run, outcome, rows)
        await store.save_calls(tx, self._run, run)
        orgs = [endpoint.org_id for endpoint in self._job.endpoints]
        await save_usage(tx, new_use(orgs, self._saved_run, run), self._app.clock.now())
        self._saved = run.steps
        self._saved_run = run

    async def _save_window(self, tx: TenantTx, step: StepRun, frame: WindowSettled) -> None:
        transient, held = bool(step.open_codes & TRANSIENT_CODES), StatusCode.CONFLICT_HELD in step.open_codes
        if frame.retry:
            window = self._job.retries[frame.retry - 1]
            await failed_windows.save_retry(
                tx, window, self._run, reasons=step.open_outcomes, transient=transient, held=held
            )
            return
        if step.open_failures:
            await failed_windows.save_failed_window(
                tx,
                self._row,
                self._run,
                step=frame.step,
                window=frame.window,
                reasons=step.open_outcomes,
                transient=transient,
                held=held,
            )
        if frame.watermark is not None:
            await store.save_checkpoint(
                tx,
                self._row.sync_id,
                self._row.plan_version,
                frame.step,
                watermark=frame.watermark,
                read_until=read_until(frame.window),
            )

    async def _explained(self, driven: Driven) -> Run:
        """A mover that lost its lease cannot always say which org's: the connections' states do."""
        state = driven.run
        if state.end not in {EndReason.SOURCE_LEASE_LOST, EndReason.TARGET_LEASE_LOST}:
            return state
        async with self._app.database.tenant(await self._tickets.get()) as tx:
            found = [await store.endpoint(tx, endpoint.id) for endpoint in self._job.endpoints]
        return blamed(state, [None if endpoint is None else endpoint.state for endpoint in found])

    async def _close(self, state: Run) -> None:
        async with self._app.database.tenant(await self._tickets.get()) as tx:
            await store.check_fence(tx, self._run, self._row.fence)
            await self._save_counts(tx, state)
            await store.end(tx, self._run, state)
            now = self._app.clock.now()
            row, schedule = self._row, decoded_schedule(self._row.schedule)
            follows = after(schedule, state, kind=row.kind, began=row.began_at, now=now, idle_runs=row.idle_runs)
            if follows is not None:
                await set_due_after(tx, row.sync_id, follows.due, idle_runs=follows.idle_runs)
            if row.kind != DRY_RUN:
                await note_end(tx, row.sync_id, self._run, state, now)
                await note_unusual(tx, row.sync_id, self._run)
            if self._row.sync_state is SyncState.ACTIVE and await is_looping(tx, row.sync_id, state):
                await store.pause(tx, row.sync_id, PauseReason.LOOPING)
            if state.state is RunState.REVOKED and self._row.sync_state is SyncState.ACTIVE:
                source = state.end is EndReason.SOURCE_REVOKED
                reason = PauseReason.SOURCE_REVOKED if source else PauseReason.TARGET_REVOKED
                await store.pause(tx, self._row.sync_id, reason)


def refusal_of(endpoints: Sequence[store.EndpointRow]) -> EndReason | None:
    """Return why nothing may be moved between these (source, target), or None."""
    for side, endpoint in enumerate(endpoints):
        if endpoint.state == ConnectionState.REVOKED:
            return EndReason.SOURCE_REVOKED if side == SOURCE else EndReason.TARGET_REVOKED
        if endpoint.state == ConnectionState.NEEDS_REAUTH:
            return EndReason.SOURCE_LEASE_LOST if side == SOURCE else EndReason.TARGET_LEASE_LOST
    return None


def blamed(run: Run, states: Sequence[str | None]) -> Run:
    """Return a run that lost a lease with the end that the connections' `states` (source, target) give.

    A revocation comes first; the mover's own word stands if its side is as it said, or if neither side is to blame.
    """
    if ConnectionState.REVOKED in states:
        source = states[SOURCE] == ConnectionState.REVOKED
        end = EndReason.SOURCE_REVOKED if source else EndReason.TARGET_REVOKED
        return replace(run, end=end, state=RunState.REVOKED)
    lost = [state == ConnectionState.NEEDS_REAUTH for state in states]
    if sum(lost) == 1:
        return replace(run, end=EndReason.SOURCE_LEASE_LOST if lost[SOURCE] else EndReason.TARGET_LEASE_LOST)
    return run
