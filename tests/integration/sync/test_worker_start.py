"""A worker looks at the database's catalogue before it claims a job."""

from __future__ import annotations

import asyncio

import pytest

from isthmus.clock import SystemClock
from isthmus.db.errors import DatabaseError
from isthmus.journal import Journal
from isthmus.worker.app import run_worker
from tests.support.postgres import FreshDatabase


async def start(database: FreshDatabase, stop: asyncio.Event) -> list[str]:
    lines: list[str] = []
    clock = SystemClock()
    async with asyncio.timeout(60):
        await run_worker(
            database.settings, clock=clock, journal=Journal("worker", lines.append, clock), pid=1, stop=stop
        )
    return lines


async def test_a_worker_starts_on_a_sound_database(fresh_database: FreshDatabase):
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(1, stop.set)
    assert any("ProcessStarted" in line for line in await start(fresh_database, stop))


async def test_a_worker_does_not_start_where_a_table_has_lost_its_forced_policies(fresh_database: FreshDatabase):
    superuser = await fresh_database.superuser()
    await superuser.execute("alter table sync.run no force row level security")
    with pytest.raises(DatabaseError, match=r"sync\.run"):
        await start(fresh_database, asyncio.Event())
