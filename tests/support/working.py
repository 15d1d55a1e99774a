"""An installation for sync tests: real PostgreSQL, real worker code and mover, a stand-in at the keeper's socket."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from uuid import UUID

from isthmus.clock import SystemClock
from isthmus.config import Settings
from isthmus.db.address import Role
from isthmus.db.database import Database, TenantTx
from isthmus.egress.hosts import HostDenied, parse_login_host
from isthmus.journal import Journal
from isthmus.salesforce.lease import Lease
from isthmus.sync import definitions
from isthmus.sync.model import Drawn, RunState, SyncState
from isthmus.sync.views import RunDetail
from isthmus.values import ConnectionId, RunId, Secret, SyncId, UserText
from isthmus.worker.app import run_worker
from tests.support.copying import THREE_OBJECTS, Pair
from tests.support.orgsim import Orgsim
from tests.support.postgres import FreshDatabase, TestTenant
from tests.support.standin_keeper import StandinKeeper, standin_keeper

PAUSE_S_MIN, PAUSE_S_MAX = 0.05, 0.3
WAIT_S = 60
ENDED = frozenset({RunState.DONE, RunState.PARTIAL, RunState.FAILED, RunState.REVOKED})


@dataclass
class Installation:
    """What a test works with: it asks as portal does, and the worker does the work."""

    pair: Pair
    database: FreshDatabase
    tenant: TestTenant
    settings: Settings
    portal: Database
    keeper: StandinKeeper
    source: UUID
    target: UUID
    journal_lines: list[str]

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[TenantTx]:
        async with self.portal.tenant(self.database.ticket(Role.PORTAL, self.tenant)) as tx:
            yield tx

    async def save(self, text: str = THREE_OBJECTS) -> SyncId:
        async with self.transaction() as tx:
            return await definitions.save(tx, UserText(text), ConnectionId(self.source), ConnectionId(self.target))

    async def activate(self, sync: SyncId) -> None:
        """Wait for the describes, activate, wait for the worker to have switched the sync on."""

        async def ready() -> bool:
            try:
                async with self.transaction() as tx:
                    drawn = await definitions.activate(tx, sync)
            except definitions.SchemaPending:
                return False
            assert isinstance(drawn, Drawn), drawn
            return True

        await until(ready)
        await until(lambda: self.state_is(sync, SyncState.ACTIVE))

    async def state_is(self, sync: SyncId, state: SyncState) -> bool:
        async with self.transaction() as tx:
            view = await definitions.sync_view(tx, sync)
        return view is not None and view.state is state

    async def run(self, sync: SyncId, *, retry: bool = False) -> RunDetail:
        """Ask for a run and wait for its end."""
        async with self.transaction() as tx:
            run = await definitions.request_run(tx, sync, retry=retry)
        return await self.ended(run)

    async def detail(self, run: RunId) -> RunDetail:
        async with self.transaction() as tx:
            detail = await definitions.run_detail(tx, run)
        assert detail is not None
        return detail

    async def ended(self, run: RunId) -> RunDetail:
        async def over() -> bool:
            return (await self.detail(run)).run.state in ENDED

        await until(over)
        return await self.detail(run)

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        """Run the worker's code in this process."""
        stop = asyncio.Event()
        journal = Journal("worker", self.journal_lines.append, SystemClock())
        working = asyncio.create_task(
            run_worker(self.settings, clock=SystemClock(), journal=journal, pid=os.getpid(), stop=stop)
        )
        try:
            yield
        finally:
            stop.set()
            await working

    async def start_worker_process(self) -> asyncio.subprocess.Process:
        """Run the worker as a process of its own, to be killed."""
        environ = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.settings.home),
            "ISTHMUS_HOME": str(self.settings.home),
            "ISTHMUS_SECRETS_DIR": str(self.settings.secrets_dir),
            "ISTHMUS_DATABASE_URL": self.settings.database_url or "",
            "ISTHMUS_ALLOW_LOOPBACK_HTTP": "1",
        }
        return await asyncio.create_subprocess_exec(sys.executable, "-m", "isthmus.worker", env=environ)


async def until(holds: Callable[[], object], wait_s: float = WAIT_S) -> None:
    """Wait until the awaitable that `holds` returns gives true."""
    pause_s = PAUSE_S_MIN
    async with asyncio.timeout(wait_s):
        while not await holds():  # pyright: ignore[reportGeneralTypeIssues] - a coroutine function
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, PAUSE_S_MAX)


@asynccontextmanager
async def installation(database: FreshDatabase, pair: Pair) -> AsyncIterator[Installation]:
    """Connect both orgs of `pair` to a fresh installation."""
    settings = replace(database.settings, allow_loopback_http=True)
    tenant = await database.make_tenant()
    source = await database.make_connection(tenant, "source", origin=pair.source.instance_url)
    target = await database.make_connection(tenant, "target", origin=pair.target.instance_url)
    leases = {source.connection: _lease(pair.source), target.connection: _lease(pair.target)}
    portal = await database.open_as(Role.PORTAL)
    async with standin_keeper(settings.keeper_worker_socket, database, tenant, dict(leases)) as keeper:
        yield Installation(pair, database, tenant, settings, portal, keeper, source.connection, target.connection, [])


def _lease(org: Orgsim) -> Lease:
    host = parse_login_host(org.instance_url, allow_loopback_http=True)
    assert not isinstance(host, HostDenied)
    return Lease(Secret(org.access_token), host)
