"""The worker's side of the job queue: procrastinate, told to be quiet, quick and to retry what a dead worker left.

A stalled job may be started again while its first worker still lives; so each run carries a fencing token of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias
from uuid import UUID

import procrastinate
from procrastinate.retry import RetryStrategy
from psycopg.conninfo import make_conninfo

from isthmus.config import Settings
from isthmus.db.address import Role, connect_arguments
from isthmus.db.jobs import TaskName

POLL_S: Final = 1.0
"""How long a job that waited for a lock may go on waiting after the lock is free."""
HEARTBEAT_S: Final = 5.0
STALLED_AFTER_S: Final = 30.0
TICK_CRON: Final = "*/10 * * * * *"
RETRY_STALLED_CRON: Final = "*/10 * * * * *"
ATTEMPTS_MAX: Final = 5
RETRY_WAIT_S: Final = 5
KEPT_HOURS: Final = 24
POOL_SIZE_MAX: Final = 6

Handler: TypeAlias = Callable[[UUID, UUID], Awaitable[None]]
"""Called with tenant id and subject id. Returns nothing: a result would be logged and kept."""
Tick: TypeAlias = Callable[[], Awaitable[None]]


def make_app(settings: Settings, handlers: Mapping[TaskName, Handler], tick: Tick) -> procrastinate.App:
    """Return the queue as a worker sees it: `handlers` by task, `tick` called by one worker every ten seconds."""
    for name in list(logging.root.manager.loggerDict):
        if name == "procrastinate" or name.startswith("procrastinate."):
            silence(name)
    silence("procrastinate")
    connector = procrastinate.PsycopgConnector(
        conninfo=make_conninfo("", **connect_arguments(settings, Role.WORKER)),
        min_size=1,
        max_size=POOL_SIZE_MAX,
    )
    app = procrastinate.App(
        connector=connector,
        worker_defaults={
            "fetch_job_polling_interval": POLL_S,
            "update_heartbeat_interval": HEARTBEAT_S,
            "stalled_worker_timeout": STALLED_AFTER_S,
            "install_signal_handlers": False,
            "delete_jobs": "successful",
        },
    )
    for name, handler in handlers.items():
        _register(app, name, handler)
    _register_ticks(app, tick)
    return app


def silence(name: str) -> None:
    """Take a logger's voice: procrastinate's print the arguments and results of jobs."""
    logger = logging.getLogger(name)
    logger.handlers = [logging.NullHandler()]
    logger.propagate = False
    logger.disabled = True


def _register(app: procrastinate.App, name: TaskName, handler: Handler) -> None:
    @app.task(name=name.value, retry=RetryStrategy(max_attempts=ATTEMPTS_MAX, wait=RETRY_WAIT_S))
    async def work(tenant_id: str, subject_id: str) -> None:
        await handler(UUID(tenant_id), UUID(subject_id))

    del work


def _register_ticks(app: procrastinate.App, tick: Tick) -> None:
    @app.periodic(cron=TICK_CRON)
    @app.task(name=TaskName.TICK.value)
    async def on_tick(timestamp: int) -> None:
        del timestamp
        await tick()

    @app.periodic(cron=RETRY_STALLED_CRON)
    @app.task(name=TaskName.RETRY_STALLED.value)
    async def retry_stalled(timestamp: int) -> None:
        del timestamp
        for job in await app.job_manager.get_stalled_jobs(seconds_since_heartbeat=STALLED_AFTER_S):
            await app.job_manager.retry_job(job)
        await app.job_manager.delete_old_jobs(
            nb_hours=KEPT_HOURS, include_failed=True, include_cancelled=True, include_aborted=True
        )

    del on_tick, retry_stalled
