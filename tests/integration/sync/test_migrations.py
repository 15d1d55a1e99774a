"""Migrations: runs by hand only, stops at a critical step, goes on there, and can be taken back without harm."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from isthmus.sync import definitions
from isthmus.sync.definitions import SyncProblem
from isthmus.sync.mending.rollbacks import request_rollback
from isthmus.sync.model import RunState, SyncState
from isthmus.sync.views import RunDetail
from isthmus.values import RunId, SyncId
from tests.support.copying import two_orgs
from tests.support.postgres import FreshDatabase
from tests.support.working import Installation, installation

MIGRATION = """
version: 1
name: merger
schedule: {manual: true}
run_tag: Site
steps:
  - object: Account
    fields: {Name: Name, ParentId: ParentId}
    critical: true
"""
TWO_STEPS = """
version: 1
name: merger
schedule: {manual: true}
steps:
  - {object: Account, critical: true}
  - {object: Contact}
"""


@pytest.fixture
async def product(fresh_database: FreshDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    with two_orgs(tmp_path) as pair:
        async with installation(fresh_database, pair) as running:
            yield running


async def rolled_back(product: Installation, run: RunId) -> RunDetail:
    async with product.transaction() as tx:
        made = await request_rollback(tx, run)
    return await product.ended(made)


async def state_of(product: Installation, sync: SyncId) -> SyncState:
    async with product.transaction() as tx:
        view = await definitions.sync_view(tx, sync)
    assert view is not None
    return view.state


async def test_a_migration_never_runs_by_itself(product: Installation) -> None:
    product.pair.fill()
    async with product.worker():
        sync = await product.save(TWO_STEPS)
        await product.activate(sync)
        async with product.transaction() as tx:
            view = await definitions.sync_view(tx, sync)
        assert view is not None
        assert view.due_at is None
        await product.run(sync)
        async with product.transaction() as tx:
            view = await definitions.sync_view(tx, sync)
        assert view is not None
        assert view.due_at is None


async def test_a_failed_row_of_a_critical_step_holds_up_the_steps_after_it_and_the_next_run_goes_on_there(
    product: Installation,
) -> None:
    product.pair.fill()
    name = product.pair.source.rows("Account")[2]["Name"]
    error = {"code": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "fields": ["Name"]}
    product.pair.target.control("POST", "/faults", {"object": "Account", "where": {"Name": name}, "row_error": error})
    async with product.worker():
        sync = await product.save(TWO_STEPS)
        await product.activate(sync)
        first = await product.run(sync)
        assert first.run.state is RunState.FAILED
        assert first.message is not None
        assert "critical step" in first.message
        assert product.pair.target.rows("Contact") == []
        again = await product.run(sync)
        assert again.run.state is RunState.FAILED, "what failed is tried again, and still fails"
        assert product.pair.target.rows("Contact") == []
        product.pair.target.control("DELETE", "/faults")
        last = await product.run(sync)
        assert last.run.state is RunState.DONE, last
        product.pair.assert_equal("Account", "Contact")


async def test_a_rollback_deletes_what_the_run_created_and_leaves_what_was_there(product: Installation) -> None:
    ids = product.pair.fill()
    async with product.worker():
        sync = await product.save(MIGRATION)
        await product.activate(sync)
        early = product.pair.source.rows("Account")[0]
        kept = product.pair.target.add_rows(
            "Account", [{"Name": "there before", "SwiftPort_Source_Id__c": early["Id"]}, {"Name": "a stranger"}]
        )
        done = await product.run(sync)
        assert done.run.state is RunState.DONE, done
        assert len(product.pair.target.rows("Account")) == len(ids["Account"]) + 1
        back = await rolled_back(product, RunId(done.run.id))
        assert back.run.state is RunState.DONE, back
        assert back.run.rows_written == len(ids["Account"]) - 1
        assert {row["Id"] for row in product.pair.target.rows("Account")} == set(kept)
        assert await state_of(product, sync) is SyncState.INACTIVE
        with pytest.raises(SyncProblem, match="Activate it first"):
            await product.run(sync)


async def test_what_a_later_run_wrote_or_an_earlier_one_created_stays(product: Installation) -> None:
    ids = product.pair.fill()["Account"]
    async with product.worker():
        sync = await product.save(MIGRATION)
        await product.activate(sync)
        first = await product.run(sync)
        await asyncio.sleep(1.1)  # orgs stamp in whole seconds
        product.pair.source.control("PATCH", f"/rows/Account/{ids[0]}", {"Name": "touched"})
        product.pair.source.add_rows("Account", [{"Name": "new"}])
        second = await product.run(sync)
        back = await rolled_back(product, RunId(second.run.id))
        assert back.run.state is RunState.DONE, back
        left = product.pair.target_by_source("Account")
        assert set(left) == set(ids), "only the new one goes"
        again = await rolled_back(product, RunId(first.run.id))
        assert again.run.state is RunState.DONE, again
        assert ids[0] in product.pair.target_by_source("Account"), "the second run wrote it last"


async def test_a_run_without_a_tag_cannot_be_rolled_back(product: Installation) -> None:
    product.pair.fill(3)
    async with product.worker():
        sync = await product.save(TWO_STEPS)
        await product.activate(sync)
        run = await product.run(sync)
    async with product.transaction() as tx:
        with pytest.raises(SyncProblem, match="left no tag"):
            await request_rollback(tx, RunId(run.run.id))


async def test_children_go_before_their_parents(product: Installation) -> None:
    product.pair.fill()
    metadata = {"type": "Text", "label": "Run", "length": 40}
    for name in ("Account", "Contact"):
        product.pair.target.control(
            "POST", "/fields", {"FullName": f"{name}.Run__c", "Metadata": metadata, "granted": True}
        )
    text = MIGRATION.replace("run_tag: Site", "run_tag: Run__c").replace(
        "    critical: true\n", "  - {object: Contact, fields: {LastName: LastName, AccountId: AccountId}}\n"
    )
    async with product.worker():
        sync = await product.save(text)
        await product.activate(sync)
        done = await product.run(sync)
        assert done.run.state is RunState.DONE, done
        back = await rolled_back(product, RunId(done.run.id))
        assert back.run.state is RunState.DONE, back
    assert product.pair.target.rows("Account") == product.pair.target.rows("Contact") == []
    deletions = [
        entry
        for entry in product.pair.target.transcript()
        if entry["method"] == "POST" and entry["path"].endswith("/jobs/ingest")
    ]
    assert len(deletions) == 2
