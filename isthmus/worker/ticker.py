"""What a worker does by the clock: queue the syncs that are due, and take up jobs of workers that died."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import procrastinate
from procrastinate.exceptions import ProcrastinateException

from isthmus.db.database import Database
from isthmus.db.errors import DatabaseError
from isthmus.db.jobs import TaskName
from isthmus.journal import Journal

TICK_S: Final = 5.0
DUE_AT_ONCE_MAX: Final = 50
STALLED_AFTER_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class _Due:
    tenant_id: UUID
    sync_id: UUID
    run_id: UUID


async def tick_until(stop: asyncio.Event, database: Database, app: procrastinate.App, journal: Journal) -> None:
    """Tick until `stop` is set. Several workers may tick: each due sync is taken once."""
    while not stop.is_set():
        try:
            await queue_due(database)
            await retry_stalled(app)
        except (DatabaseError, ProcrastinateException) as error:
            journal.unexpected(error)
        try:
            async with asyncio.timeout(TICK_S):
                await stop.wait()
        except TimeoutError:
            continue


async def queue_due(database: Database) -> int:
    """Make a run and a job for every sync that is due; return how many. Both exist, or neither does."""
    async with database.system() as tx:
        due = await tx.call("sync.take_due", row=_Due, arguments={"at_most": DUE_AT_ONCE_MAX})
        for run in due:
            await tx.execute(
                """
                select jobs.procrastinate_defer_jobs_v1(array[row(
                    'default', %(task)s, 0, %(sync)s::uuid::text, null,
                    jsonb_build_object('tenant_id', %(tenant)s::uuid, 'subject_id', %(run)s::uuid), null
                )::jobs.procrastinate_job_to_defer_v1])
                """,
                task=TaskName.RUN_SYNC,
                sync=run.sync_id,
                tenant=run.tenant_id,
                run=run.run_id,
            )
    return len(due)


async def retry_stalled(app: procrastinate.App) -> int:
    """Put jobs of workers that are no longer heard of back into the queue; return how many."""
    stalled = list(await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER_S))
    for job in stalled:
        await app.job_manager.retry_job(job, retry_at=datetime.now(UTC))
    return len(stalled)
