"""The queue as a worker uses it: only who holds a job ends it, or puts it back.

Procrastinate ends a job by its number, whoever asks. A worker that stood still (a suspended machine) finds its jobs
handed on when it wakes; without this it would end the job that another is doing, its run would look forsaken, and the
next run of the sync would begin beside it. Each handing-on raises the job's `attempts`: that is what is compared.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from procrastinate.jobs import Job, Status
from procrastinate.manager import JobManager

# The first statement holds the job's row to the end, so that nobody hands it on in between.
_HELD: Final = """
    from (select id from jobs.procrastinate_jobs
          where id = %(job_id)s and attempts = %(attempts)s and status = 'doing' for update) held
"""
_FINISH: Final = "select jobs.procrastinate_finish_job_v1(held.id, %(status)s, %(delete_job)s)" + _HELD
_RETRY: Final = (
    "select jobs.procrastinate_retry_job_v2(held.id, %(retry_at)s, %(priority)s, %(queue)s, %(lock)s)" + _HELD
)


class HeldJobs(JobManager):
    """Does nothing where the job was handed on since `job` was read."""

    async def finish_job(self, job: Job, status: Status, delete_job: bool) -> None:  # noqa: FBT001 - its signature
        """End a job that is still held."""
        await self.connector.execute_query_async(
            _FINISH, job_id=job.id, attempts=job.attempts, status=status.value, delete_job=delete_job
        )

    async def retry_job(
        self,
        job: Job,
        retry_at: datetime | None = None,
        priority: int | None = None,
        queue: str | None = None,
        lock: str | None = None,
    ) -> None:
        """Put a job that is still held back into the queue."""
        await self.connector.execute_query_async(
            _RETRY,
            job_id=job.id,
            attempts=job.attempts,
            retry_at=retry_at or datetime.now(UTC),
            priority=priority,
            queue=queue,
            lock=lock,
        )
