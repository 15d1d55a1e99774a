"""A run whose job the queue has given up is closed, so that it holds up no later one; a run with a job is left alone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from isthmus.db.address import Role
from isthmus.sync import definitions
from isthmus.sync.model import RunState
from isthmus.values import RunId, SyncId
from isthmus.worker.due_syncs import end_forsaken
from tests.support.copying import two_orgs
from tests.support.postgres import FreshDatabase
from tests.support.working import Installation, installation

TEXT = "version: 1\nname: accounts\nschedule: {manual: true}\nsteps: [{object: Account, fields: {Name: Name}}]\n"


@pytest.fixture
async def product(fresh_database: FreshDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    with two_orgs(tmp_path) as pair:
        async with installation(fresh_database, pair) as running:
            yield running


async def queued(product: Installation, sync: SyncId) -> RunId:
    async with product.transaction() as tx:
        return await definitions.request_run(tx, sync)


async def test_only_a_run_without_a_job_is_closed_and_the_next_one_goes_on(product: Installation) -> None:
    product.pair.fill(3)
    async with product.worker():
        sync = await product.save(TEXT)
        await product.activate(sync)
    forsaken, waiting = await queued(product, sync), await queued(product, sync)
    admin = await product.database.superuser()
    await admin.execute("update sync.run set requested_at = now() - interval '1 hour'")
    await admin.execute("delete from jobs.procrastinate_jobs where args ->> 'subject_id' = %s", (str(forsaken),))
    worker = await product.database.open_as(Role.WORKER)
    assert await end_forsaken(worker) == 1
    assert await end_forsaken(worker) == 0
    closed = await product.detail(forsaken)
    assert closed.run.state is RunState.FAILED
    assert closed.message is not None
    assert "Nothing to do" in closed.message
    assert (await product.detail(waiting)).run.state is RunState.QUEUED
    async with product.worker():
        assert (await product.ended(waiting)).run.state is RunState.DONE
    assert len(product.pair.target.rows("Account")) == 3
