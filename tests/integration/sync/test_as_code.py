"""Syncs as code: plan shows and saves nothing, apply switches on, export says the same again; no terminal anywhere."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from isthmus.cli.planning import Planned, plain_planned, planned, print_planned
from isthmus.clock import SystemClock
from isthmus.db.address import Role
from isthmus.db.ticket import Ticket
from isthmus.orgs.keeper_client import KeeperClient
from isthmus.sync import definitions
from isthmus.sync.looking import list_syncs
from isthmus.sync.model import RunState
from isthmus.values import Alias, ConnectionId, SyncId, UserText
from isthmus.wiring.installation import Installation as Operators
from tests.support.copying import two_orgs
from tests.support.postgres import FreshDatabase
from tests.support.working import Installation, installation

TEXT = """
version: 1
name: as code
steps:
  - object: Account
    fields: {Name: Name}
    where: Name LIKE 'A%'
"""


@pytest.fixture
async def product(fresh_database: FreshDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    with two_orgs(tmp_path) as pair:
        async with installation(fresh_database, pair) as running:
            yield running


async def plan(product: Installation, text: str, *, count: bool = False) -> Planned:
    """What `isthmus sync plan` works out."""
    ticket = product.database.ticket(Role.PORTAL, product.tenant)
    keeper = _OneTicket(product)
    operators = Operators(product.settings, product.portal, keeper, SystemClock(), ticket)
    return await planned(operators, text, Alias("source"), Alias("target"), count=count)


class _OneTicket(KeeperClient):
    """The keeper's operator socket is not part of this installation; its ticket is."""

    def __init__(self, product: Installation) -> None:
        super().__init__(product.settings.keeper_portal_socket)
        self._product = product

    async def ticket_for_operator(self, tenant: str | None) -> Ticket:
        del tenant
        return self._product.database.ticket(Role.PORTAL, self._product.tenant)


async def test_plan_apply_and_export_agree_and_only_apply_changes_anything(
    product: Installation, capsys: pytest.CaptureFixture[str]
) -> None:
    product.pair.source.add_rows("Account", [{"Name": f"{'AB'[n % 2]}{n}"} for n in range(7)])
    async with product.worker():
        new = await plan(product, TEXT, count=True)
        assert new.exit_status == 1
        assert new.estimate is not None
        assert (new.estimate.rows, new.estimate.source.allowed_per_day) == (4, 100_000)
        assert {"Account", "Account: tracking field"} <= {change.place for change in new.preview.changes}
        async with product.transaction() as tx:
            assert await list_syncs(tx) == []
        assert product.pair.target.rows("Account") == []
        fields = product.pair.target.call("GET", "/services/data/v62.0/sobjects/Account/describe")[2]["fields"]
        assert "SwiftPort_Source_Id__c" not in {field["name"] for field in fields}
        print_planned(new)
        assert "about" in capsys.readouterr().out
        json.dumps(plain_planned(new, None))

        sync = await product.save(TEXT)
        await product.activate(sync)
        assert (await product.run(sync)).run.rows_written == 4
        for text in (TEXT, await exported(product, sync)):
            again = await plan(product, text)
            assert (again.exit_status, again.preview.changes) == (0, ())
        print_planned(again)
        assert "No changes" in capsys.readouterr().out

        changed = TEXT.replace("{Name: Name}", "{Name: Name, Phone: Phone}").replace("A%", "B%")
        while (other := await plan(product, changed, count=True)).estimate is None:
            assert "under way" in (other.uncounted or "")  # a run by the schedule
            await asyncio.sleep(0.5)
        assert other.exit_status == 1
        assert [change.place for change in other.preview.changes] == ["Account.where", "Account.fields.Phone"]
        assert other.estimate is not None
        assert other.estimate.rows == 3
        assert await exported(product, sync) == await exported(product, sync)
        assert (await plan(product, TEXT)).exit_status == 0
        # The dry run of another plan has not moved the sync off its own.
        assert (await product.run(sync)).run.state is RunState.DONE
        assert len(product.pair.target.rows("Account")) == 4
        async with product.transaction() as tx:
            (view,) = await list_syncs(tx)
        assert view.last_run_state is RunState.DONE

        assert (await plan(product, TEXT.replace("LIKE", "~"))).exit_status == 2


async def exported(product: Installation, sync: SyncId) -> str:
    async with product.transaction() as tx:
        return await definitions.export(tx, sync)


async def test_what_a_killed_plan_leaves_is_on_no_list_and_is_swept(product: Installation) -> None:
    source, target = ConnectionId(product.source), ConnectionId(product.target)
    async with product.transaction() as tx:
        drafts = [await definitions.save(tx, UserText(TEXT), source, target, draft=True) for _ in range(2)]
        assert await list_syncs(tx) == []
        assert await definitions.sync_view(tx, drafts[0]) is not None
    admin = await product.database.superuser()
    await admin.execute(
        "update sync.definition set created_at = now() - interval '2 hours' where id = %s", (drafts[0],)
    )
    saved = await product.save(TEXT)
    async with product.transaction() as tx:
        assert [sync.id for sync in await list_syncs(tx)] == [saved]
        assert [await definitions.sync_view(tx, draft) is None for draft in drafts] == [True, False]
