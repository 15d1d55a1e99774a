"""Schedules through the real database, queue, worker and mover: what a person wrote decides when runs begin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from isthmus.clock import SystemClock
from isthmus.db.address import Role
from isthmus.sync import definitions
from isthmus.sync.model import EndReason, RunState
from isthmus.sync.telling.outlook import Outlook, outlook
from isthmus.sync.timing.timetable import set_budget
from isthmus.values import ConnectionId, SyncId, UserText
from isthmus.worker.due_syncs import queue_due
from tests.support.copying import two_orgs
from tests.support.postgres import FreshDatabase
from tests.support.working import Installation, installation, until

SLOW = "version: 1\nname: slow\nschedule: {interval_s: 86400}\nsteps: [{object: Account}]\n"


@pytest.fixture
async def product(fresh_database: FreshDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    with two_orgs(tmp_path) as pair:
        async with installation(fresh_database, pair) as running:
            yield running


async def stands(product: Installation, sync: SyncId) -> Outlook:
    async with product.transaction() as tx:
        seen = await outlook(tx, sync)
    assert seen is not None
    return seen


async def test_a_cron_schedule_is_kept_shown_and_waited_for(product: Installation) -> None:
    text = (
        "version: 1\nname: nightly\nschedule: {cron: 30 2 * * *, zone: Europe/Berlin, quiet_hours: ['08:00-18:00']}\n"
        "steps: [{object: Account}]\n"
    )
    async with product.worker():
        sync = await product.save(text)
        await product.activate(sync)
        seen = await stands(product, sync)
        assert seen.schedule == "cron 30 2 * * * (Europe/Berlin), not in its quiet hours"
        assert seen.due_at is not None
        assert seen.due_at > datetime.now(UTC)
        assert seen.due_reason == "by its cron expression"
        async with product.transaction() as tx:
            assert await definitions.runs(tx, sync) == []
            assert "cron: 30 2 * * *" in await definitions.export(tx, sync)
        # A run by hand asks no schedule, and leaves the next one where the expression puts it.
        assert (await product.run(sync)).run.state is RunState.DONE
        assert (await stands(product, sync)).due_at == seen.due_at


async def test_a_schedule_that_cannot_be_kept_is_refused_by_line(product: Installation) -> None:
    text = "version: 1\nname: x\nschedule:\n  cron: 0 6 * *\nsteps: [{object: Account}]\n"
    with pytest.raises(definitions.SpecRefused, match=r"line 4, schedule.cron: it is not a cron expression"):
        await product.save(text)


async def test_an_active_sync_begins_at_once_and_its_org_tells_what_is_left(product: Installation) -> None:
    product.pair.fill()
    async with product.worker():
        sync = await product.save(SLOW)
        await product.activate(sync)

        async def over() -> bool:
            async with product.transaction() as tx:
                return any(run.state is RunState.DONE for run in await definitions.runs(tx, sync))

        await until(over)
    seen = await stands(product, sync)
    assert seen.due_at is not None
    assert seen.due_at > datetime.now(UTC) + timedelta(hours=23)
    for org, calls in zip(seen.orgs, (product.pair.source, product.pair.target), strict=True):
        limits = calls.call("GET", "/services/data/v62.0/limits")[2]["DailyApiRequests"]
        assert org.forecast is not None
        assert org.forecast.allowed == limits["Max"]
        assert 0 < org.forecast.own <= org.forecast.used < limits["Max"] - limits["Remaining"]


async def test_a_used_up_budget_of_an_org_pauses_its_syncs_between_two_windows(product: Installation) -> None:
    product.pair.fill()
    async with product.worker():
        sync = await product.save(SLOW.replace("}]", "}, {object: Lead}]"))
        await product.activate(sync)
        assert (await product.run(sync)).run.state is RunState.DONE
        product.pair.target.control("POST", "/usage", {"used": 900, "per_day": 1_000})
        product.pair.source.add_rows("Account", [{"Name": "Late"}])
        stopped = await product.run(sync)
        # The first window told how it stands; it is written whole, and the second not begun.
        assert stopped.run.end_reason == EndReason.TARGET_BUDGET
        assert stopped.run.rows_written >= 1
        product.pair.assert_equal("Account")
        seen = await stands(product, sync)
        assert seen.due_reason == "when it may be within the org's budget of API calls again"
        assert seen.due_at is not None
        assert seen.due_at > datetime.now(UTC) + timedelta(minutes=55)
        product.pair.target.control("POST", "/usage", {"used": 100})
        assert (await product.run(sync)).run.state is RunState.DONE


async def test_all_syncs_of_an_org_share_its_budget(product: Installation) -> None:
    product.pair.fill()
    async with product.worker():
        first = await product.save(SLOW)
        await product.activate(first)
        assert (await product.run(first)).run.state is RunState.DONE
        org = (await stands(product, first)).orgs[0]
        assert org.forecast is not None
        async with product.transaction() as tx:
            await set_budget(tx, org.org_id, day_percent=80, own_percent=1)
        product.pair.source.control("POST", "/usage", {"per_day": org.forecast.own * 100})
        second = await product.save(SLOW.replace("slow", "second").replace("Account", "Contact"))
        await product.activate(second)
        await product.run(second)
        assert (await product.run(second)).run.end_reason == EndReason.SOURCE_BUDGET
        assert (await product.run(first)).run.end_reason == EndReason.SOURCE_BUDGET
    left = (await stands(product, first)).orgs[0].forecast
    assert left is not None
    assert left.left == 0


@dataclass(frozen=True, slots=True)
class _Run:
    sync_id: UUID
    tenant_id: UUID


async def active_syncs(product: Installation, many: int) -> list[SyncId]:
    """Make syncs that are due now, without any worker."""
    syncs: list[SyncId] = []
    async with product.transaction() as tx:
        for number in range(many):
            text = UserText(SLOW.replace("slow", f"s{number}"))
            sync = await definitions.save(tx, text, ConnectionId(product.source), ConnectionId(product.target))
            await tx.execute(
                "insert into sync.plan (sync_id, version, document) values (%(sync)s, 1, '{}'::text::bytea)", sync=sync
            )
            await tx.execute(
                """
                update sync.state set state = 'active', plan_version = 1, due_at = now() - interval '1 minute'
                where sync_id = %(sync)s
                """,
                sync=sync,
            )
            syncs.append(sync)
    return syncs


async def test_several_ticks_at_once_begin_each_due_sync_once(product: Installation) -> None:
    syncs = await active_syncs(product, 3)
    worker = await product.database.open_as(Role.WORKER)
    ticked = await asyncio.gather(*(queue_due(worker, SystemClock()) for _ in range(6)))
    assert sum(each.begun for each in ticked) == 3
    async with product.transaction() as tx:
        for sync in syncs:
            assert len(await definitions.runs(tx, sync)) == 1
            await tx.execute(
                "update sync.state set due_at = now() - interval '1 minute' where sync_id = %(sync)s", sync=sync
            )
    assert (await queue_due(worker, SystemClock())).begun == 0
    seen = await stands(product, syncs[0])
    assert seen.due_at is not None
    assert seen.due_at > datetime.now(UTC)


async def test_a_tenant_with_many_due_syncs_leaves_room_for_another(
    product: Installation, fresh_database: FreshDatabase
) -> None:
    crowd = await active_syncs(product, 70)
    other = await fresh_database.make_tenant()
    source = await fresh_database.make_connection(other, "source", origin=product.pair.source.instance_url)
    target = await fresh_database.make_connection(other, "target", origin=product.pair.target.instance_url)
    theirs = Installation(
        product.pair,
        fresh_database,
        other,
        product.settings,
        product.portal,
        product.keeper,
        source.connection,
        target.connection,
        [],
    )
    (late,) = await active_syncs(theirs, 1)
    worker = await product.database.open_as(Role.WORKER)
    ticked = await queue_due(worker, SystemClock())
    assert (ticked.begun, ticked.waiting) == (4, 46)
    async with theirs.transaction() as tx:
        assert len(await definitions.runs(tx, late)) == 1
    begun = 0
    async with product.transaction() as tx:
        for sync in crowd:
            begun += len(await definitions.runs(tx, sync))
    assert begun == 3
