"""Kill -9 in mid-audit, of worker, mover and keeper: the audit ends whole or with its reason, and the next one works."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from psycopg.sql import SQL, Identifier

from isthmus.audit import service
from isthmus.audit.desk.views import AuditDetail, AuditState
from isthmus.clock import SystemClock
from isthmus.config import Settings
from isthmus.db.address import Role
from isthmus.db.database import Database
from isthmus.values import AuditId, ConnectionId, Purpose
from isthmus.wiring.first_start import prepare
from tests.integration.notices.test_sending import Hook, hook_server
from tests.support.keeper import RunningKeeper, serving
from tests.support.orgsim import Orgsim, start_orgsim
from tests.support.postgres import Connection, FreshDatabase
from tests.support.working import until

DOCUMENTS = 5
"""PDF, workbook, findings, figures, bundle: the demo org has neither contract nor prices of its own."""
SLOW = {"path": "/query", "method": "GET", "delay_s": 0.4}
WAIT_S = 240
"""An audit of 450 users takes some seconds of a machine that has nothing else to do."""
PYTHON = (sys.executable, "-m")


@pytest.fixture(scope="module")
def demo() -> Iterator[Orgsim]:
    with start_orgsim(name="acme") as org:
        yield org


@dataclass
class Installed:
    keeper: RunningKeeper
    portal: Database
    admin: Connection
    org: Orgsim
    connection: ConnectionId
    keeper_process: asyncio.subprocess.Process

    async def request(self) -> AuditId:
        async with self.portal.tenant(self.keeper.ticket) as tx:
            return await service.request_audit(tx, self.connection)

    async def detail(self, audit: AuditId) -> AuditDetail:
        async with self.portal.tenant(self.keeper.ticket) as tx:
            detail = await service.audit_detail(tx, audit)
        assert detail is not None
        return detail

    async def reading(self, audit: AuditId) -> None:
        """Wait until the mover is in the middle of the org's data."""

        async def begun() -> bool:
            queries = sum("/query" in call["path"] for call in await asyncio.to_thread(self.org.transcript))
            return queries > 2 and (await self.detail(audit)).audit.state is AuditState.READING

        await until(begun, WAIT_S)

    async def ended(self, audit: AuditId) -> AuditDetail:
        async def over() -> bool:
            return (await self.detail(audit)).audit.state in {AuditState.DONE, AuditState.FAILED}

        await until(over, WAIT_S)
        return await self.detail(audit)

    async def kept(self, audit: AuditId) -> int:
        """How many documents, findings and persons there are of an audit."""
        total = 0
        for table in ("document", "finding", "person"):
            cursor = await self.admin.execute(
                SQL("select count(*) from audit.{} where audit_id = %s").format(Identifier(table)),
                (audit,),
            )
            row = await cursor.fetchone()
            assert row is not None
            total += row[0]
        return total

    @asynccontextmanager
    async def worker(self) -> AsyncGenerator[asyncio.subprocess.Process]:
        process = await start(self.keeper, "isthmus.worker")
        try:
            yield process
        finally:
            await end(process)

    def calls(self) -> int:
        return len(self.org.transcript())


@pytest.fixture
async def installed(fresh_database: FreshDatabase, keeper_settings: Settings, demo: Orgsim) -> AsyncIterator[Installed]:
    """An installation whose keeper is a process of its own, to be killed."""
    acme = await fresh_database.make_tenant("Acme")
    await prepare(keeper_settings, clock=SystemClock(), random_bytes=secrets.token_bytes)
    async with serving(keeper_settings, fresh_database, acme) as keeper:
        connection = await keeper.connect(demo, "north", Purpose.AUDIT)
    demo.control("DELETE", "/transcript")
    demo.control("POST", "/faults", SLOW)
    portal = await fresh_database.open_as(Role.PORTAL)
    process = await start(keeper, "isthmus.keeper")
    found = Installed(keeper, portal, await fresh_database.superuser(), demo, connection, process)
    yield found
    await end(found.keeper_process)
    demo.control("DELETE", "/faults")


async def start(keeper: RunningKeeper, module: str) -> asyncio.subprocess.Process:
    settings = keeper.settings
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(settings.home),
        "ISTHMUS_HOME": str(settings.home),
        "ISTHMUS_SECRETS_DIR": str(settings.secrets_dir),
        "ISTHMUS_KEY_FILE": str(settings.key_file),
        "ISTHMUS_DATABASE_URL": settings.database_url or "",
        "ISTHMUS_ALLOW_LOOPBACK_HTTP": "1",
    }
    return await asyncio.create_subprocess_exec(*PYTHON, module, env=environ)


async def end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        await process.wait()


def movers_of(worker: asyncio.subprocess.Process) -> list[psutil.Process]:
    children = psutil.Process(worker.pid).children(recursive=True)
    return [child for child in children if "isthmus.worker.mover" in " ".join(child.cmdline())]


async def test_an_audit_whose_worker_is_killed_is_finished_by_another_worker(installed: Installed) -> None:
    async with installed.worker() as first:
        audit = await installed.request()
        await installed.reading(audit)
        os.kill(first.pid, signal.SIGKILL)
        await first.wait()
    assert await installed.kept(audit) == 0
    assert await installed.request() == audit, "it is still under way, for the next worker"
    await installed.admin.execute("update jobs.procrastinate_workers set last_heartbeat = now() - interval '1 hour'")
    before = installed.calls()
    installed.org.control("DELETE", "/faults")
    async with installed.worker():
        done = await installed.ended(audit)
        once = installed.calls() - before
        assert done.audit.state is AuditState.DONE
        assert len(done.documents) == DOCUMENTS
        cursor = await installed.admin.execute("select attempt from audit.audit")
        assert await cursor.fetchone() == (2,)
        assert installed.calls() <= 2 * once, "an attempt reads the org once"
        assert await installed.request() != audit


async def test_an_audit_whose_mover_is_killed_says_so_and_the_next_request_works(installed: Installed) -> None:
    async with installed.worker() as worker:
        audit = await installed.request()
        await installed.reading(audit)
        for mover in movers_of(worker):
            mover.kill()
        failed = await installed.ended(audit)
        assert failed.audit.state is AuditState.FAILED
        assert failed.audit.problem is not None
        assert failed.audit.problem.startswith("The reading process ended before it was done.")
        assert await installed.kept(audit) == 0
        installed.org.control("DELETE", "/faults")
        assert (await installed.ended(await installed.request())).audit.state is AuditState.DONE


async def test_a_scheduled_audit_is_told_by_the_next_worker_if_the_first_is_killed_before_anybody_took_it(
    installed: Installed,
) -> None:
    installed.org.control("DELETE", "/faults")
    await installed.admin.execute(
        "insert into audit.schedule (tenant_id, connection_id, due_at) values (%s, %s, now() - interval '3 weeks')",
        (installed.keeper.acme.tenant, installed.connection),
    )
    async with hook_server(status=503) as hook, notices_to(hook, installed.keeper.settings.notices_file):
        async with installed.worker() as first:
            await until(lambda: told(hook, 1), WAIT_S)
            os.kill(first.pid, signal.SIGKILL)
            await first.wait()
        hook.status = 200
        await installed.admin.execute("update audit.delivery set next_try_at = now()")
        async with installed.worker():
            await until(lambda: told(hook, 2), WAIT_S)
    first_told, second_told = (json.loads(body) for body in hook.bodies)
    assert first_told == second_told
    assert second_told["text"].startswith("This is the first audit")
    cursor = await installed.admin.execute("select count(*) from audit.audit where scheduled and state = 'done'")
    assert await cursor.fetchone() == (1,), "three missed weeks are one audit"


@asynccontextmanager
async def notices_to(hook: Hook, file: Path) -> AsyncGenerator[None]:
    """Let workers that start now tell `hook`."""
    file.write_text(f'version: 1\nchannels: {{h: {{webhook: "{hook.url}", private: yes}}}}\n')
    file.chmod(0o600)
    try:
        yield
    finally:
        file.unlink()


async def told(hook: Hook, times: int) -> bool:
    return len(hook.bodies) >= times


async def test_an_audit_whose_keeper_is_killed_goes_on_with_the_next_keeper(installed: Installed) -> None:
    async with installed.worker():
        audit = await installed.request()
        await installed.reading(audit)
        installed.keeper_process.kill()
        await installed.keeper_process.wait()
        installed.keeper_process = await start(installed.keeper, "isthmus.keeper")
        installed.org.control("DELETE", "/faults")
        done = await installed.ended(audit)
    assert done.audit.problem is None
    assert done.audit.state is AuditState.DONE
    assert len(done.documents) == DOCUMENTS
