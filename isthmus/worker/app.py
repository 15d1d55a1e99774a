"""A worker: claims jobs of the queue, supervises one mover per run, writes counts, codes and times."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import procrastinate
import psycopg
from procrastinate.exceptions import ProcrastinateException
from psycopg_pool import AsyncConnectionPool

from isthmus.audit.given.options import AuditOptions
from isthmus.audit.perform import AuditApp
from isthmus.clock import Clock
from isthmus.config import Settings
from isthmus.db.address import Role, connect_arguments
from isthmus.db.database import POOL_WAIT_S, Database, still_answers
from isthmus.db.errors import Unavailable
from isthmus.db.gate import require_sound
from isthmus.egress.outside import OutsideDialer
from isthmus.egress.tls import tls_context
from isthmus.journal import Journal, ProcessStarted, ProcessStopped
from isthmus.notices.channels import load_channels
from isthmus.notices.sending import Sender
from isthmus.orgs.keeper_client import KeeperClient
from isthmus.sync.app import SyncApp
from isthmus.values import Secret
from isthmus.worker.audit_herald import AuditHerald
from isthmus.worker.due_audits import AUDIT_TICK_S, tick_audits
from isthmus.worker.due_syncs import SLOTS_PER_WORKER, STALLED_AFTER_S, SYNC_TICK_S, tick_syncs
from isthmus.worker.herald import HERALD_TICK_S
from isthmus.worker.queue import HeldJobs
from isthmus.worker.sync_herald import SyncHerald
from isthmus.worker.tasks import WorkerServices, register
from isthmus.worker.ticker import Ticker

POLL_S: Final = 1.0
"""A job that waits for its lock is looked at this often."""
HEARTBEAT_S: Final = 4.0
STOP_GRACE_S: Final = 10.0
QUEUE_AGAIN_S: Final = 2.0
"""Between two attempts at a queue whose database is away."""


async def run_worker(settings: Settings, *, clock: Clock, journal: Journal, pid: int, stop: asyncio.Event) -> None:
    """Work until `stop` is set.

    Raises `DatabaseError` if the database does not let us in, or the catalogue gate finds a fault.
    """
    database = await Database.open(settings, Role.WORKER)
    try:
        async with database.gate_connection() as connection:
            await require_sound(connection, Role.WORKER, managed_server=settings.database_url is not None)
        await _serve(database, settings, clock=clock, journal=journal, pid=pid, stop=stop)
    finally:
        await database.close()


async def _serve(
    database: Database, settings: Settings, *, clock: Clock, journal: Journal, pid: int, stop: asyncio.Event
) -> None:
    keeper = KeeperClient(settings.keeper_worker_socket)
    sync = SyncApp(database=database, keeper=keeper, settings=settings, clock=clock, journal=journal)
    audit = AuditApp(
        database=database, keeper=keeper, settings=settings, clock=clock, journal=journal, options=AuditOptions()
    )
    app = queue_app(settings)
    register(app, WorkerServices(sync, audit, journal))
    by_the_clock = tickers(app, database, settings, clock)
    try:
        await app.open_async()
    except (ProcrastinateException, psycopg.OperationalError):
        message = "PostgreSQL went away while the worker was starting"
        raise Unavailable(message) from None
    try:
        journal.emit(ProcessStarted(pid))
        await _work(app, by_the_clock, journal, stop)
    finally:
        journal.emit(ProcessStopped(pid))
        await app.close_async()


def queue_app(settings: Settings) -> procrastinate.App:
    """Return the queue as this role sees it, and how its workers behave."""
    arguments = connect_arguments(settings, Role.WORKER)
    connector = procrastinate.PsycopgConnector(
        pool_factory=_pool, kwargs=arguments, min_size=1, max_size=4, timeout=POOL_WAIT_S, reconnect_timeout=POOL_WAIT_S
    )
    app = procrastinate.App(
        connector=connector,
        worker_defaults={
            "queues": ["default"],
            "concurrency": SLOTS_PER_WORKER,
            "fetch_job_polling_interval": POLL_S,
            "update_heartbeat_interval": HEARTBEAT_S,
            "stalled_worker_timeout": STALLED_AFTER_S,
            "shutdown_graceful_timeout": STOP_GRACE_S,
            "delete_jobs": "always",
            "install_signal_handlers": False,
        },
    )
    app.job_manager = HeldJobs(connector)
    return app


def _pool(**arguments: Any) -> AsyncConnectionPool:
    """Make the queue's pool with a check that a server which stands still cannot hold up."""
    arguments["check"] = still_answers
    return AsyncConnectionPool(**arguments)


def tickers(app: procrastinate.App, database: Database, settings: Settings, clock: Clock) -> list[Ticker]:
    """Return what a worker does by the clock: begin what is due, and tell the operator's channels of it.

    A mail with documents may take its time: notices of audits are told beside those of syncs. Raises `ChannelsRefused`
    if the file of channels cannot be used, `NoRoots`.
    """
    sender = _sender(settings, clock)
    return [
        Ticker(SYNC_TICK_S, partial(tick_syncs, database, app, clock)),
        Ticker(AUDIT_TICK_S, partial(tick_audits, database, clock)),
        Ticker(HERALD_TICK_S, SyncHerald(database, sender, settings.public_url).tick),
        Ticker(HERALD_TICK_S, AuditHerald(database, sender, settings.public_url).tick),
    ]


def _sender(settings: Settings, clock: Clock) -> Sender:
    channels = load_channels(settings.notices_file, Secret(settings.smtp_url) if settings.smtp_url else None)
    # Without a channel nothing is ever dialled, and a machine may do without certificate authorities.
    tls = tls_context(settings.ca_file) if channels.channels else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return Sender(channels, OutsideDialer(), tls, clock)


async def _work(app: procrastinate.App, by_the_clock: Sequence[Ticker], journal: Journal, stop: asyncio.Event) -> None:
    working = asyncio.create_task(_work_off(app, journal))
    ticking = [asyncio.create_task(ticker.until(stop, journal)) for ticker in by_the_clock]
    stopping = asyncio.create_task(stop.wait())
    loops = (working, *ticking)
    try:
        await asyncio.wait({*loops, stopping}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.set()
        working.cancel()
        results = await asyncio.gather(*loops, return_exceptions=True)
        await stopping
    for result in results:
        if isinstance(result, Exception):
            raise result


async def _work_off(app: procrastinate.App, journal: Journal) -> None:
    """Work off the queue until cancelled. Procrastinate's worker ends when one of its connections is lost.

    What it was doing is taken up again as what a worker that died was doing: by whoever ticks next.
    """
    while True:
        try:
            await app.run_worker_async()
        except ProcrastinateException as error:
            journal.unexpected(error)
        await asyncio.sleep(QUEUE_AGAIN_S)
