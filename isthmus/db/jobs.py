"""Enqueue a job in the caller's own transaction: it exists if, and only if, what it works on exists.

A job carries two ids and nothing else; the database refuses anything more (`schema/070_jobs.sql`).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from isthmus.db.database import SystemTx, TenantTx


class TaskName(StrEnum):
    """Every task that a worker knows."""

    RUN_SYNC = "run_sync"
    RUN_AUDIT = "run_audit"
    READ_SCHEMA = "read_schema"
    ACTIVATE_SYNC = "activate_sync"
    LOOK = "look"


@dataclass(frozen=True, slots=True)
class JobId:
    """The queue's own number of a job."""

    id: int


async def enqueue(tx: TenantTx, task: TaskName, subject: UUID, *, lock: UUID | None = None) -> JobId:
    """Queue `task` for `subject` of the transaction's tenant. Jobs with the same `lock` run one after the other."""
    job = await tx.fetch_one(
        """
        select unnest(jobs.procrastinate_defer_jobs_v1(array[row(
            'default', %(task)s, 0, %(lock)s::uuid::text, null,
            jsonb_build_object('tenant_id', (select ctx.tenant()), 'subject_id', %(subject)s::uuid), null
        )::jobs.procrastinate_job_to_defer_v1])) as id
        """,
        row=JobId,
        task=task,
        lock=lock,
        subject=subject,
    )
    if job is None:
        message = "the queue gave no number to a job"
        raise RuntimeError(message)
    return job


async def enqueue_due(tx: SystemTx, task: TaskName, subject: UUID, *, tenant: UUID, lock: UUID, priority: int) -> None:
    """Queue `task` for a subject of `tenant` that is due by the clock: no tenant's ticket is at hand then.

    Jobs of a higher `priority` come first; what a person asks for has 0.
    """
    await tx.execute(
        """
        select jobs.procrastinate_defer_jobs_v1(array[row(
            'default', %(task)s, %(priority)s, %(lock)s::uuid::text, null,
            jsonb_build_object('tenant_id', %(tenant)s::uuid, 'subject_id', %(subject)s::uuid), null
        )::jobs.procrastinate_job_to_defer_v1])
        """,
        task=task,
        priority=priority,
        lock=lock,
        tenant=tenant,
        subject=subject,
    )
