"""What a worker does for syncs by the clock: begin those that are due, and take up jobs of workers that died."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import procrastinate

from isthmus.clock import Clock
from isthmus.db.database import Arguments, Database, SystemTx
from isthmus.db.jobs import TaskName, enqueue_due
from isthmus.sync.timing.budget import OrgCalls
from isthmus.sync.timing.ticking import Candidate, Decision, Room, Verdict, decide
from isthmus.sync.timing.timetable import OrgCallsRow, decoded_schedule

SYNC_TICK_S: Final = 5.0
DUE_AT_ONCE_MAX: Final = 50
STALLED_AFTER_S: Final = 15.0
SLOTS_PER_WORKER: Final = 4
"""Jobs that a worker does at the same time."""


@dataclass(frozen=True, slots=True)
class _Due:
    tenant_id: UUID
    sync_id: UUID
    due_at: datetime
    schedule: bytes
    idle_runs: int
    busy: bool
    source_org: UUID
    target_org: UUID


@dataclass(frozen=True, slots=True)
class _InFlight:
    tenant_id: UUID
    runs: int


@dataclass(frozen=True, slots=True)
class _Number:
    number: int


@dataclass(frozen=True, slots=True)
class _Begun:
    run_id: UUID


@dataclass(frozen=True, slots=True)
class Ticked:
    """What a tick did: how many runs it began, and how many due syncs wait for room."""

    begun: int
    waiting: int


async def tick_syncs(database: Database, app: procrastinate.App, clock: Clock) -> bool:
    """Do once what is due; return whether a due sync waits for room."""
    ticked = await queue_due(database, clock)
    await retry_stalled(app)
    await end_forsaken(database)
    return ticked.waiting > 0


async def queue_due(database: Database, clock: Clock) -> Ticked:
    """Decide on every sync that is due; make a run and a job for each that begins. Both exist, or neither does."""
    async with database.system() as tx:
        rows = await tx.call("sync.due", row=_Due, arguments={"at_most": DUE_AT_ONCE_MAX})
        if not rows:
            return Ticked(0, 0)
        calls = {org: await _calls(tx, org) for row in rows for org in (row.source_org, row.target_org)}
        flying = await tx.call("sync.in_flight", row=_InFlight, arguments={})
        room = Room(
            SLOTS_PER_WORKER * await _workers(tx), Counter({tenant.tenant_id: tenant.runs for tenant in flying})
        )
        candidates = [
            Candidate(
                tenant_id=row.tenant_id,
                sync_id=row.sync_id,
                due_at=row.due_at,
                schedule=decoded_schedule(row.schedule),
                idle_runs=row.idle_runs,
                busy=row.busy,
                source=calls[row.source_org],
                target=calls[row.target_org],
            )
            for row in rows
        ]
        decisions = decide(candidates, room, clock.now())
        for decision in decisions:
            await _carry_out(tx, decision)
    verdicts = Counter(decision.verdict for decision in decisions)
    return Ticked(verdicts[Verdict.BEGINS], verdicts[Verdict.NO_ROOM])


async def _workers(tx: SystemTx) -> int:
    """Return how many workers were heard of lately; at least one asks."""
    alive = await tx.fetch_one(
        "select count(*) as number from jobs.procrastinate_workers where last_heartbeat > now() - %(silence)s",
        row=_Number,
        silence=timedelta(seconds=STALLED_AFTER_S),
    )
    return max(1, alive.number if alive else 0)


async def _calls(tx: SystemTx, org: UUID) -> OrgCalls:
    rows = await tx.call("sync.org_calls_of", row=OrgCallsRow, arguments={"org": org})
    return rows[0].calls() if rows else OrgCalls()


async def _carry_out(tx: SystemTx, decision: Decision) -> None:
    if decision.due is None:
        return
    sync = decision.candidate
    arguments: Arguments = {
        "tenant": sync.tenant_id,
        "sync": sync.sync_id,
        "next_at": decision.due.at,
        "reason": int(decision.due.reason),
    }
    if decision.verdict is not Verdict.BEGINS:
        await tx.count("sync.put_off_due", arguments=arguments)
        return
    for run in await tx.call("sync.begin_due", row=_Begun, arguments=arguments):
        # Among queued runs, the first of a tenant comes before the second of another; by hand (0) before both.
        await enqueue_due(
            tx,
            TaskName.RUN_SYNC,
            run.run_id,
            tenant=sync.tenant_id,
            lock=sync.sync_id,
            priority=-1 - decision.rank,
        )


async def end_forsaken(database: Database) -> int:
    """Close runs that no job works on any more, so that they hold up none of their sync; return how many."""
    async with database.system() as tx:
        return await tx.count("sync.end_forsaken", arguments={})


async def retry_stalled(app: procrastinate.App) -> int:
    """Put jobs of workers that are no longer heard of back into the queue; return how many."""
    stalled = list(await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER_S))
    for job in stalled:
        await app.job_manager.retry_job(job, retry_at=datetime.now(UTC))
    return len(stalled)
