"""The worker's statements: it reads definitions and plans, and writes ids, numbers and times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from isthmus.db.database import TenantTx
from isthmus.salesforce.status_code import StatusCode
from isthmus.sync.model import Path, PauseReason, SyncState
from isthmus.sync.run import Run, StepRun

NO_FIELD = -1


class FenceLost(Exception):
    """Another attempt at the run has begun: this one may write no more."""


@dataclass(frozen=True, slots=True)
class RunRow:
    """What a worker needs to begin a run."""

    sync_id: UUID
    plan_version: int
    kind: str
    fence: int
    document: bytes
    source_connection: UUID
    target_connection: UUID
    sync_state: SyncState
    schedule: bytes
    idle_runs: int
    began_at: datetime
    winner: int | None


@dataclass(frozen=True, slots=True)
class ActivationRow:
    """What a worker needs to activate a sync."""

    document: bytes
    source_connection: UUID
    target_connection: UUID


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """Where a connection leads."""

    id: UUID
    org_id: UUID
    origin: str
    state: str


@dataclass(frozen=True, slots=True)
class StepTime:
    """A step and its watermark."""

    step: int
    watermark: datetime


@dataclass(frozen=True, slots=True)
class _Settled:
    step: int
    path: int
    rows_expected: int
    rows_read: int
    rows_written: int
    rows_created: int
    rows_failed: int


@dataclass(frozen=True, slots=True)
class _Number:
    number: int


async def begin(tx: TenantTx, run: UUID) -> RunRow | None:
    """Claim the run: raise its fence and return what it needs; None if it has ended already."""
    return await tx.fetch_one(
        """
        update sync.run r set state = 'running', fence = r.fence + 1, started_at = coalesce(r.started_at, now())
        from sync.plan p, sync.definition d, sync.state s
        where r.id = %(run)s and r.state in ('queued', 'running')
          and p.tenant_id = r.tenant_id and p.sync_id = r.sync_id and p.version = r.plan_version
          and d.tenant_id = r.tenant_id and d.id = r.sync_id
          and s.tenant_id = r.tenant_id and s.sync_id = r.sync_id
        returning r.sync_id, r.plan_version, r.kind, r.fence, p.document, d.source_connection, d.target_connection,
                  s.state as sync_state, d.schedule, s.idle_runs, r.started_at as began_at, r.winner
        """,
        row=RunRow,
        run=run,
    )


async def activation(tx: TenantTx, sync: UUID) -> ActivationRow | None:
    """Return what an activation needs; None if the sync does not wait for one."""
    return await tx.fetch_one(
        """
        select p.document, d.source_connection, d.target_connection
        from sync.state s
        join sync.plan p on p.tenant_id = s.tenant_id and p.sync_id = s.sync_id and p.version = s.plan_version
        join sync.definition d on d.tenant_id = s.tenant_id and d.id = s.sync_id
        where s.sync_id = %(sync)s and s.state = 'activating'
        """,
        row=ActivationRow,
        sync=sync,
    )


async def endpoint(tx: TenantTx, connection: UUID) -> EndpointRow | None:
    """Return where the connection leads."""
    return await tx.fetch_one(
        """
        select c.id, c.org_id, o.instance_origin as origin, c.state
        from orgs.connection c join orgs.org o on o.tenant_id = c.tenant_id and o.id = c.org_id
        where c.id = %(connection)s
        """,
        row=EndpointRow,
        connection=connection,
    )


async def settled_steps(tx: TenantTx, run: UUID) -> dict[int, StepRun]:
    """Return the steps that an earlier attempt at this run finished, and forget the counts of the others."""
    await tx.execute(
        """
        delete from sync.outcome o where o.run_id = %(run)s and o.step in (
            select step from sync.run_step where run_id = %(run)s and not settled)
        """,
        run=run,
    )
    await tx.execute("delete from sync.run_step where run_id = %(run)s and not settled", run=run)
    rows = await tx.fetch_all(
        """
        select step, path, rows_expected, rows_read, rows_written, rows_created, rows_failed from sync.run_step
        where run_id = %(run)s and settled
        """,
        row=_Settled,
        run=run,
    )
    return {
        row.step: StepRun(
            path=Path(row.path),
            rows_expected=row.rows_expected,
            rows_read=row.rows_read,
            rows_written=row.rows_written,
            rows_created=row.rows_created,
            rows_failed=row.rows_failed,
            done=True,
        )
        for row in rows
    }


async def checkpoints(tx: TenantTx, sync: UUID, plan_version: int) -> dict[int, datetime]:
    """Return the watermark of each step."""
    rows = await tx.fetch_all(
        "select step, watermark from sync.checkpoint where sync_id = %(sync)s and plan_version = %(version)s",
        row=StepTime,
        sync=sync,
        version=plan_version,
    )
    return {row.step: row.watermark for row in rows}


async def read_times(tx: TenantTx, sync: UUID, plan_version: int) -> dict[int, datetime]:
    """Return up to where each step has read."""
    rows = await tx.fetch_all(
        """
        select step, read_until as watermark from sync.checkpoint
        where sync_id = %(sync)s and plan_version = %(version)s and read_until is not null
        """,
        row=StepTime,
        sync=sync,
        version=plan_version,
    )
    return {row.step: row.watermark for row in rows}


async def check_fence(tx: TenantTx, run: UUID, fence: int) -> None:
    """Lock the run's row for this transaction; raise `FenceLost` unless this attempt is the latest."""
    row = await tx.fetch_one(
        "select fence as number from sync.run where id = %(run)s and state = 'running' for update", row=_Number, run=run
    )
    if row is None or row.number != fence:
        message = "another attempt at this run has begun"
        raise FenceLost(message)


async def save_step(tx: TenantTx, run: UUID, number: int, step: StepRun) -> None:
    """Write the counts of one step."""
    await tx.execute(
        """
        insert into sync.run_step (run_id, step, path, rows_expected, rows_read, rows_written, rows_created,
                                   rows_failed, settled)
        values (%(run)s, %(step)s, %(path)s, %(expected)s, %(read)s, %(written)s, %(created)s, %(failed)s, %(settled)s)
        on conflict (tenant_id, run_id, step) do update set path = excluded.path,
            rows_expected = excluded.rows_expected, rows_read = excluded.rows_read,
            rows_written = excluded.rows_written, rows_created = excluded.rows_created,
            rows_failed = excluded.rows_failed, settled = excluded.settled
        """,
        run=run,
        step=number,
        path=int(step.path),
        expected=step.rows_expected,
        read=step.rows_read,
        written=step.rows_written,
        created=step.rows_created,
        failed=step.rows_failed,
        settled=step.done,
    )


async def save_outcome(tx: TenantTx, run: UUID, outcome: tuple[int, StatusCode, int | None], rows: int) -> None:
    """Write how many rows of a step failed for one reason: (step, code, column)."""
    step, code, field = outcome
    await tx.execute(
        """
        insert into sync.outcome (run_id, step, code, field, row_count)
        values (%(run)s, %(step)s, %(code)s, %(field)s, %(rows)s)
        on conflict (tenant_id, run_id, step, code, field) do update set row_count = excluded.row_count
        """,
        run=run,
        step=step,
        code=int(code),
        field=NO_FIELD if field is None else field,
        rows=rows,
    )


async def save_checkpoint(
    tx: TenantTx, sync: UUID, plan_version: int, step: int, *, watermark: datetime, read_until: datetime
) -> None:
    """Move a step's watermark forward, and up to where it has read; they never go back."""
    await tx.execute(
        """
        insert into sync.checkpoint (sync_id, plan_version, step, watermark, read_until)
        values (%(sync)s, %(version)s, %(step)s, %(watermark)s, %(read_until)s)
        on conflict (tenant_id, sync_id, plan_version, step)
            do update set watermark = greatest(sync.checkpoint.watermark, excluded.watermark),
                read_until = greatest(sync.checkpoint.read_until, excluded.read_until)
        """,
        sync=sync,
        version=plan_version,
        step=step,
        watermark=watermark,
        read_until=read_until,
    )


async def save_calls(tx: TenantTx, run: UUID, state: Run) -> None:
    """Write the API calls so far."""
    await tx.execute(
        "update sync.run set calls_source = %(source)s, calls_target = %(target)s where id = %(run)s",
        run=run,
        source=state.calls_source,
        target=state.calls_target,
    )


async def end(tx: TenantTx, run: UUID, state: Run) -> None:
    """Close the run."""
    await tx.execute(
        """
        update sync.run set state = %(state)s, end_reason = %(reason)s, end_step = %(step)s, end_code = %(code)s,
            calls_source = %(source)s, calls_target = %(target)s, ended_at = now()
        where id = %(run)s
        """,
        run=run,
        state=state.state,
        reason=None if state.end is None else int(state.end),
        step=state.end_step,
        code=None if state.end_code is None else int(state.end_code),
        source=state.calls_source,
        target=state.calls_target,
    )


async def pause(tx: TenantTx, sync: UUID, reason: PauseReason) -> None:
    """Stop the schedule of a sync because an org is gone."""
    await set_state(tx, sync, SyncState.PAUSED, reason)


async def save_activation_calls(tx: TenantTx, sync: UUID, calls: int) -> None:
    """Write how many API calls the latest activation asked of the target."""
    await tx.execute(
        "update sync.state set activation_calls = %(calls)s where sync_id = %(sync)s", sync=sync, calls=calls
    )


async def save_reading(tx: TenantTx, connection: UUID, calls: int) -> None:
    """Add the API calls that a reading of describes took of a connection's org."""
    await tx.execute(
        """
        insert into sync.schema_reading (connection_id, calls) values (%(connection)s, %(calls)s)
        on conflict (tenant_id, connection_id)
            do update set calls = sync.schema_reading.calls + excluded.calls, read_at = now()
        """,
        connection=connection,
        calls=calls,
    )


async def set_state(tx: TenantTx, sync: UUID, state: SyncState, reason: PauseReason | None) -> None:
    """Write a sync's state; one that becomes active is due when its activation said."""
    await tx.execute(
        """
        update sync.state set state = %(state)s::sync.sync_state, pause_reason = %(reason)s, changed_at = now(),
            due_at = case when %(state)s::sync.sync_state = 'active' then due_at end
        where sync_id = %(sync)s
        """,
        sync=sync,
        state=state,
        reason=reason,
    )


async def wanted_objects(tx: TenantTx, connection: UUID) -> Sequence[str]:
    """Return the objects whose describes syncs, and people who compare, need of this connection's org."""
    rows = await tx.fetch_all(
        """
        select distinct w.object_name as name
        from sync.wanted_object w join sync.definition d on d.tenant_id = w.tenant_id and d.id = w.sync_id
        where (w.side = 0 and d.source_connection = %(connection)s)
           or (w.side = 1 and d.target_connection = %(connection)s)
        union select a.object_name from sync.asked_object a where a.connection_id = %(connection)s
        order by 1
        """,
        row=_Name,
        connection=connection,
    )
    return [row.name for row in rows]


@dataclass(frozen=True, slots=True)
class _Name:
    name: str
