"""An org that needs a new login: its syncs wait, say so, and go on by themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID

import pytest

from isthmus.clock import SystemClock
from isthmus.db.address import Role
from isthmus.sync import definitions
from isthmus.sync.model import RunState, SyncState
from isthmus.sync.views import RunView, SyncView
from isthmus.values import SyncId
from isthmus.worker.due_syncs import queue_due
from tests.support.copying import two_orgs
from tests.support.postgres import FreshDatabase
from tests.support.working import Installation, installation, until

TEXT = "version: 1\nname: w\ninterval_s: 60\nsteps: [{object: Account, fields: {Name: Name}}]\n"


@pytest.fixture
async def product(fresh_database: FreshDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    with two_orgs(tmp_path) as pair:
        async with installation(fresh_database, pair) as running:
            yield running


async def runs_of(product: Installation, sync: SyncId) -> list[RunView]:
    async with product.transaction() as tx:
        return await definitions.runs(tx, sync)


async def view_of(product: Installation, sync: SyncId) -> SyncView:
    async with product.transaction() as tx:
        view = await definitions.sync_view(tx, sync)
    assert view is not None
    return view


async def set_state(product: Installation, connection: UUID, state: str) -> None:
    admin = await product.database.superuser()
    await admin.execute("update orgs.connection set state = %s where id = %s", (state, connection))
    await admin.execute("update sync.state set due_at = now() where state = 'active'")


@pytest.mark.parametrize("side", ["source", "target"])
async def test_a_sync_waits_for_a_new_login_without_a_run_and_goes_on_by_itself(
    product: Installation, side: str
) -> None:
    product.pair.source.add_rows("Account", [{"Name": "first"}])
    connection = product.source if side == "source" else product.target
    async with product.worker():
        sync = await product.save(TEXT)
        await product.activate(sync)

        async def one_is_done() -> bool:
            return [run.state for run in await runs_of(product, sync)] == [RunState.DONE]

        await until(one_is_done)
        before = len(await runs_of(product, sync))
        await set_state(product, connection, "needs_reauth")
        view = await view_of(product, sync)
        assert (view.state, view.waits_for) == (SyncState.ACTIVE, (side,))
        database = await product.database.open_as(Role.WORKER)
        assert (await queue_due(database, SystemClock())).begun == 0
        assert len(await runs_of(product, sync)) == before
        product.pair.source.add_rows("Account", [{"Name": "second"}])
        await set_state(product, connection, "active")

        async def goes_on() -> bool:
            return [run.state for run in await runs_of(product, sync)] == [RunState.DONE, RunState.DONE]

        await until(goes_on)
        assert (await view_of(product, sync)).waits_for == ()
    assert sorted(row["Name"] for row in product.pair.target.rows("Account")) == ["first", "second"]
