"""Rolling a run back: what portal asks for, and what the worker makes of it. The rows are found again in the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NoReturn
from uuid import UUID

from isthmus.db.database import TenantTx
from isthmus.db.jobs import TaskName, enqueue
from isthmus.salesforce.endpoint import Endpoint
from isthmus.sync.definitions import SyncProblem, check_connections
from isthmus.sync.flow.job import RollbackJob
from isthmus.sync.model import Plan, SyncState
from isthmus.sync.planning.run_tag import rollback_steps, tag_of
from isthmus.values import ConnectionId, RunId

ROLLBACK: Final = "rollback"


@dataclass(frozen=True, slots=True)
class _Run:
    sync_id: UUID
    plan_version: int
    tagged_at: datetime | None
    under_way: int
    state: SyncState
    source_connection: UUID
    target_connection: UUID


@dataclass(frozen=True, slots=True)
class _Id:
    id: UUID


@dataclass(frozen=True, slots=True)
class _Tagged:
    id: UUID
    tagged_at: datetime


async def request_rollback(tx: TenantTx, run: RunId) -> RunId:
    """Queue the deletion of everything that `run` created in its target; return the run that does it.

    The sync is inactive from then on: its next activation begins at the beginning. Raises `SyncProblem`.
    """
    found = await tx.fetch_one(
        """
        select r.sync_id, r.plan_version, r.tagged_at, s.state, d.source_connection, d.target_connection,
            (select count(*) from sync.run o where o.sync_id = r.sync_id and o.state in ('queued', 'running'))::integer
                as under_way
        from sync.run r
        join sync.definition d on d.tenant_id = r.tenant_id and d.id = r.sync_id
        join sync.state s on s.tenant_id = r.tenant_id and s.sync_id = r.sync_id
        where r.id = %(run)s
        """,
        row=_Run,
        run=run,
    )
    if found is None:
        _problem("There is no such run. `isthmus sync list --json` and the portal show runs with their ids.")
    if found.tagged_at is None:
        _problem("The run left no tag on what it wrote. Only a sync with `run_tag` can be rolled back.")
    if found.under_way or found.state is SyncState.ACTIVATING:
        _problem("A run of this sync is under way. Wait for its end, or pause the sync and wait.")
    await check_connections(tx, ConnectionId(found.source_connection), ConnectionId(found.target_connection))
    made = await tx.fetch_one(
        """
        insert into sync.run (sync_id, plan_version, kind, rolls_back)
        values (%(sync)s, %(version)s, 'rollback', %(run)s) returning id
        """,
        row=_Id,
        sync=found.sync_id,
        version=found.plan_version,
        run=run,
    )
    if made is None:
        _problem("The rollback could not be queued. Try again.")
    await tx.execute(
        "update sync.state set state = 'inactive', due_at = null, changed_at = now() where sync_id = %(sync)s",
        sync=found.sync_id,
    )
    await enqueue(tx, TaskName.RUN_SYNC, made.id, lock=found.sync_id)
    return RunId(made.id)


async def save_tag_time(tx: TenantTx, run: UUID, at: datetime) -> None:
    """Keep from when on, by the target's clock, rows carry the run's tag: the first attempt's word counts."""
    await tx.execute("update sync.run set tagged_at = coalesce(tagged_at, %(at)s) where id = %(run)s", run=run, at=at)


async def rollback_job(tx: TenantTx, run: UUID, plan: Plan, endpoints: Sequence[Endpoint]) -> RollbackJob | None:
    """Return what the worker has a mover do for a rollback; None if the run to roll back is not there any more."""
    found = await tx.fetch_one(
        """
        select t.id, t.tagged_at from sync.run r
        join sync.run t on t.tenant_id = r.tenant_id and t.id = r.rolls_back
        where r.id = %(run)s and t.tagged_at is not null
        """,
        row=_Tagged,
        run=run,
    )
    if found is None or plan.run_tag is None:
        return None
    return RollbackJob(
        endpoints=[*endpoints[1:]],
        steps=rollback_steps(plan),
        steps_count=len(plan.steps),
        run_tag=plan.run_tag,
        tag=tag_of(found.id),
        since=found.tagged_at,
    )


def _problem(message: str) -> NoReturn:
    raise SyncProblem(message)
