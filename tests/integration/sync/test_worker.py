"""Saved syncs through the real queue, worker and mover, against two emulated orgs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from isthmus.sync import definitions
from isthmus.sync.model import PauseReason, Rejected, RunState, SyncState
from isthmus.sync.views import RunView
from isthmus.values import RunId
from tests.support.copying import THREE_OBJECTS, two_orgs
from tests.support.postgres import FreshDatabase
from tests.support.working import Installation, installation, until


@pytest.fixture
async def product(fresh_database: FreshDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    with two_orgs(tmp_path) as pair:
        async with installation(fresh_database, pair) as running:
            yield running


async def test_a_sync_is_activated_copies_everything_and_then_only_what_changed(product: Installation) -> None:
    ids = product.pair.fill()
    async with product.worker():
        sync = await product.save()
        await product.activate(sync)
        first = await product.run(sync)
        assert first.run.state is RunState.DONE, first
        product.pair.assert_equal()
        changes = {"AccountId": None, "Description": "changed\nhere"}
        product.pair.source.control("PATCH", f"/rows/Contact/{ids['Contact'][1]}", changes)
        product.pair.source.add_rows("Account", [{"Name": "New one", "ParentId": ids["Account"][3]}])
        second = await product.run(sync)
        assert second.run.state is RunState.DONE
        product.pair.assert_equal()


async def test_new_syncs_are_inactive_and_cannot_run(product: Installation) -> None:
    sync = await product.save()
    async with product.transaction() as tx:
        view = await definitions.sync_view(tx, sync)
        assert view is not None
        assert view.state is SyncState.INACTIVE
        with pytest.raises(definitions.SyncProblem, match="Activate it first"):
            await definitions.request_run(tx, sync)


async def test_an_active_sync_runs_by_the_clock(product: Installation) -> None:
    product.pair.fill()
    async with product.worker():
        sync = await product.save()
        await product.activate(sync)

        async def has_run() -> bool:
            async with product.transaction() as tx:
                return any(run.state is RunState.DONE for run in await definitions.runs(tx, sync))

        await until(has_run)
        product.pair.assert_equal()


async def test_a_keeper_that_goes_away_in_mid_run_is_named_and_the_next_run_goes_on(product: Installation) -> None:
    product.pair.fill(60)
    product.pair.target.control("POST", "/faults", {"path": "/composite/sobjects", "method": "PATCH", "delay_s": 0.3})
    async with product.worker():
        sync = await product.save(THREE_OBJECTS + "interval_s: 604800\n")
        await product.activate(sync)
        found: list[RunView] = []

        async def writing() -> bool:
            async with product.transaction() as tx:
                found[:] = await definitions.runs(tx, sync)
            return bool(found) and found[0].rows_written > 0

        await until(writing)
        product.keeper.go_away()
        ended = await product.ended(RunId(found[0].id))
        assert ended.run.state is RunState.FAILED
        assert ended.message.startswith("Stopped: the keeper, which lends access to the orgs, went away")
        product.pair.target.control("DELETE", "/faults")
        assert (await product.run(sync)).run.state is RunState.DONE
        product.pair.assert_equal()


async def test_revoking_an_org_ends_the_run_and_pauses_the_sync(product: Installation) -> None:
    product.pair.fill(60)
    product.pair.target.control("POST", "/faults", {"path": "/composite/sobjects", "method": "PATCH", "delay_s": 0.3})
    async with product.worker():
        sync = await product.save()
        await product.activate(sync)
        async with product.transaction() as tx:
            run = await definitions.request_run(tx, sync)

        async def writing() -> bool:
            return (await product.detail(run)).run.rows_written > 0

        await until(writing)
        await product.keeper.revoke(product.target)
        ended = await product.ended(run)
        assert ended.run.state is RunState.REVOKED
        assert (
            ended.message
            == "Stopped: the target org was revoked, so the sync is paused. Connect it again, then resume."
        )
        async with product.transaction() as tx:
            view = await definitions.sync_view(tx, sync)
        assert view is not None
        assert (view.state, view.pause_reason) == (SyncState.PAUSED, PauseReason.TARGET_REVOKED)


async def test_a_plan_that_does_not_fit_is_rejected_with_every_reason(product: Installation) -> None:
    text = "version: 1\nname: x\nsteps: [{object: Account, fields: {Name: Name, No__c: Site}}, {object: Ghost__c}]\n"
    async with product.worker():
        sync = await product.save(text)
        found: list[Rejected] = []

        async def checked() -> bool:
            try:
                async with product.transaction() as tx:
                    drawn = await definitions.check(tx, sync)
            except definitions.SchemaPending:
                return False
            assert isinstance(drawn, Rejected)
            found.append(drawn)
            return True

        await until(checked)
    codes = {issue.code for issue in found[0].issues}
    assert {"target_field_missing", "source_object_missing", "target_object_missing"} <= codes
