"""Windows with failed rows: read again by themselves within the sync's own limit, or by hand; counts are corrected."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from isthmus.sync import definitions
from isthmus.sync.model import RunState
from isthmus.sync.views import RunDetail, RunView
from isthmus.values import RunId, SyncId
from tests.support.copying import two_orgs
from tests.support.postgres import FreshDatabase
from tests.support.working import Installation, installation, until

WEEK = "interval_s: 604800\n"
TEXT = "version: 1\nname: r\nsteps: [{object: Contact, fields: {LastName: LastName, Email: Email}}]\n" + WEEK


@pytest.fixture
async def product(fresh_database: FreshDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    with two_orgs(tmp_path) as pair:
        async with installation(fresh_database, pair) as running:
            yield running


async def first_run(product: Installation, sync: SyncId) -> RunDetail:
    """Wait for the end of the run that the clock begins at once; the next one is a week away."""
    found: list[RunView] = []

    async def over() -> bool:
        async with product.transaction() as tx:
            found[:] = await definitions.runs(tx, sync)
        return bool(found) and found[0].ended_at is not None

    await until(over)
    assert len(found) == 1
    return await product.detail(RunId(found[0].id))


def add(product: Installation, *names: str) -> None:
    """Put contacts into the source, ten minutes ago: no later window of its own reads them again."""
    product.pair.source.add_rows("Contact", [{"LastName": name} for name in names])
    product.pair.source.control("POST", "/clock", {"advance_s": 600})


def refuse(product: Installation, name: str, code: str) -> None:
    fault = {"object": "Contact", "where": {"LastName": name}, "row_error": {"code": code, "fields": ["LastName"]}}
    product.pair.target.control("POST", "/faults", fault)


async def make_due(product: Installation) -> None:
    """Let the pauses between two attempts be over."""
    admin = await product.database.superuser()
    await admin.execute("update sync.failed_window set read_at = now() - interval '1 day'")


async def test_a_retry_by_hand_corrects_the_run_in_which_the_rows_had_failed(product: Installation) -> None:
    add(product, *(f"Person {n}" for n in range(5)))
    refuse(product, "Person 3", "FIELD_CUSTOM_VALIDATION_EXCEPTION")
    refuse(product, "Person 4", "FIELD_CUSTOM_VALIDATION_EXCEPTION")
    async with product.worker():
        sync = await product.save(TEXT)
        await product.activate(sync)
        first = await first_run(product, sync)
        assert (first.run.state, first.run.rows_failed, first.failed_windows_open) == (RunState.PARTIAL, 2, 1)
        assert [(each.code, each.field, each.rows) for each in first.outcomes] == [
            ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "LastName", 2)
        ]
        product.pair.target.control("DELETE", "/faults")
        refuse(product, "Person 4", "STRING_TOO_LONG")
        half = await product.run(sync, retry=True)
        assert (half.run.state, half.run.rows_failed) == (RunState.PARTIAL, 1)
        corrected = await product.detail(RunId(first.run.id))
        assert (corrected.run.rows_written, corrected.run.rows_failed, corrected.run.rows_retried) == (4, 1, 1)
        assert [(each.code, each.rows) for each in corrected.outcomes] == [("STRING_TOO_LONG", 1)]
        assert corrected.run.state is RunState.PARTIAL
        product.pair.target.control("DELETE", "/faults")
        whole = await product.run(sync, retry=True)
        assert (whole.run.state, whole.failed_windows_open) == (RunState.DONE, 0)
        corrected = await product.detail(RunId(first.run.id))
    assert (corrected.run.state, corrected.run.rows_written, corrected.run.rows_failed) == (RunState.DONE, 5, 0)
    assert (corrected.outcomes, corrected.run.corrected_at is not None) == ((), True)
    assert corrected.message == "Every row was applied; 2 of them failed at first, and a later run brought them in."
    assert len(product.pair.target.rows("Contact")) == 5


@pytest.mark.parametrize("times", [0, 2])
async def test_rows_that_may_pass_by_themselves_are_tried_as_often_as_the_sync_says(
    product: Installation, times: int
) -> None:
    add(product, "Locked", "Free")
    refuse(product, "Locked", "PROCESSING_HALTED")
    async with product.worker():
        sync = await product.save(f"{TEXT}retry: {{times: {times}}}\n")
        await product.activate(sync)
        first = await first_run(product, sync)
        assert (first.run.rows_failed, first.failed_windows_open) == (1, 1)
        tried: list[int] = []
        for _ in range(times + 2):
            await make_due(product)
            tried.append((await product.run(sync)).run.rows_failed)
        assert sum(tried) == times, "each attempt meets the row once more"
        product.pair.target.control("DELETE", "/faults")
        assert (await product.run(sync, retry=True)).failed_windows_open == 0
    assert len(product.pair.target.rows("Contact")) == 2


async def test_a_window_waits_longer_after_each_attempt(product: Installation) -> None:
    add(product, "Locked")
    refuse(product, "Locked", "PROCESSING_HALTED")
    async with product.worker():
        sync = await product.save(TEXT)
        await product.activate(sync)
        await first_run(product, sync)
        assert (await product.run(sync)).run.rows_failed == 1, "the first attempt comes at once"
        assert (await product.run(sync)).run.rows_failed == 0, "the second only after its pause"
        await make_due(product)
        assert (await product.run(sync)).run.rows_failed == 1
