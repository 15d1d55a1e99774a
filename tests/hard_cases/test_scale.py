"""Hard cases 54 to 58: much of one parent, large files, full and refreshed orgs, runs that would overlap."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator

import pytest

from isthmus.sync import definitions
from isthmus.sync.flow.job import INGEST_BYTES_MAX, TARGET
from isthmus.sync.model import EndReason, RunState
from isthmus.sync.views import RunView
from tests.support.engine import BULK, REST, Engine
from tests.support.postgres import FreshDatabase
from tests.support.working import Installation, installation, until

BOTH = pytest.mark.parametrize("rows_min", [REST, BULK], ids=["REST", "Bulk"])
KEY = "SwiftPort_Source_Id__c"
ACCOUNTS = "version: 1\nname: a\nsteps: [{object: Account, fields: {Name: Name, Description: Description}}]\n"
CROWD = """
version: 1
name: c
steps:
  - {object: Account, fields: {Name: Name}}
  - {object: Contact, fields: {LastName: LastName, Email: Email, AccountId: AccountId}}
"""


async def test_case_54_children_of_one_parent_that_lock_each_other_out_go_one_lot_after_another(engine: Engine) -> None:
    parent = engine.source.add_rows("Account", [{"Name": "crowded"}])[0]
    engine.source.add_rows("Contact", [{"LastName": f"C {n}", "AccountId": parent} for n in range(1200)])
    engine.source.control("POST", "/settings", {"bulk_query_page_rows": 200})
    engine.target.control("POST", "/settings", {"parent_locks": "on"})
    standing = await engine.standing(CROWD)
    # Small files, so that several jobs with children of the one parent run at once.
    ran = await engine.again(standing, BULK, upload_bytes_max=20_000)
    assert ran.ok, ran.failures
    assert len([sent for sent in engine.sent[TARGET] if sent.route == "ingest_create"]) > 3
    assert engine.target.control("GET", "/counts")["Contact"] == 1200
    assert {row["AccountId"] for row in engine.target.rows("Contact")} == {engine.target.rows("Account")[0]["Id"]}


async def test_case_55_no_upload_is_larger_than_a_job_takes(engine: Engine) -> None:
    assert INGEST_BYTES_MAX <= 100_000_000
    rows = [{"Name": f"N {n}", "Description": f"{n} " * 5000} for n in range(200)]
    ids = engine.source.add_rows("Account", rows)
    limit = 1_500_000
    ran = await engine.again(await engine.standing(ACCOUNTS), BULK, upload_bytes_max=limit)
    assert ran.ok, ran.failures
    sizes = [len(sent.body) for sent in engine.sent[TARGET] if sent.route == "ingest_upload"]
    assert len(sizes) > 2
    assert max(sizes) <= limit
    assert {row[KEY] for row in engine.target.rows("Account")} == set(ids)


@BOTH
async def test_case_56_a_full_target_is_said_and_what_fits_is_kept(engine: Engine, rows_min: int) -> None:
    engine.source.add_rows("Account", [{"Name": f"N {n}"} for n in range(10)])
    standing = await engine.standing(ACCOUNTS)
    used = sum(engine.target.control("GET", "/counts").values())
    engine.target.control("POST", "/settings", {"storage_rows_max": used + 4})
    ran = await engine.again(standing, rows_min)
    assert set(ran.failures) == {"STORAGE_LIMIT_EXCEEDED"}, (ran.run.end, ran.failures)
    assert "storage" in ran.told[0].remedy
    kept = engine.target.control("GET", "/counts")["Account"]
    assert (kept, ran.failures["STORAGE_LIMIT_EXCEEDED"]) == (10 - ran.run.rows_failed, 10 - kept)
    engine.target.control("POST", "/settings", {"storage_rows_max": 0})
    assert (await engine.again(standing, rows_min)).ok
    assert engine.target.control("GET", "/counts")["Account"] == 10


async def test_case_57_a_target_that_was_refreshed_is_not_written_into_blindly(engine: Engine) -> None:
    ids = engine.source.add_rows("Account", [{"Name": f"N {n}"} for n in range(3)])
    standing = await engine.standing(ACCOUNTS)
    assert (await engine.again(standing)).ok
    engine.target.control("POST", "/reset")  # as a sandbox is after its refresh: no tracking field, no copies
    engine.source.control("PATCH", f"/rows/Account/{ids[0]}", {"Name": "changed"})
    mark = standing.marks[0]
    ran = await engine.again(standing)
    assert ran.run.end is EndReason.TARGET_REFUSED or ran.run.rows_failed == 1, (ran.run.end, ran.failures)
    assert engine.target.rows("Account") == [], "nothing is made there that could not be found again"
    if ran.run.end is not EndReason.FINISHED:
        assert standing.marks[0] == mark
    # Activating the sync anew makes the field and reads everything from the beginning.
    assert (await engine.again(await engine.standing(ACCOUNTS))).ok
    assert {row[KEY] for row in engine.target.rows("Account")} == set(ids)


@pytest.fixture
async def product(fresh_database: FreshDatabase, engine: Engine) -> AsyncIterator[Installation]:
    async with installation(fresh_database, engine.pair) as running:
        yield running


async def test_case_58_runs_of_one_sync_never_overlap_whoever_asks_for_them(
    product: Installation, engine: Engine
) -> None:
    engine.source.add_rows("Account", [{"Name": f"N {n}"} for n in range(3)])
    async with product.worker():
        sync = await product.save(ACCOUNTS)
        await product.activate(sync)
        engine.fault(engine.source, path="/query", delay_s=0.4)
        for _ in range(3):  # beside the one that the clock begins
            async with product.transaction() as tx:
                await definitions.request_run(tx, sync)

        async def found() -> list[RunView]:
            async with product.transaction() as tx:
                return await definitions.runs(tx, sync)

        async def all_ended() -> bool:
            return all(run.state is RunState.DONE for run in await found())

        await until(all_ended)
        spans = sorted((run.started_at, run.ended_at) for run in await found())
    assert len(spans) >= 3
    assert all(earlier[1] <= later[0] for earlier, later in itertools.pairwise(spans)), spans
