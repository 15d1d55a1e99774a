"""Deletions carried over by a saved sync, through the real worker and mover."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from isthmus.sync.model import RunState
from tests.support.copying import two_orgs
from tests.support.orgsim import Orgsim
from tests.support.postgres import FreshDatabase
from tests.support.working import Installation, installation

TEXT = "version: 1\nname: d\nsteps: [{object: Account, fields: {Name: Name}, deletes: {action: delete, ceiling: 2}}]\n"


@pytest.fixture
async def product(fresh_database: FreshDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    with two_orgs(tmp_path) as pair:
        async with installation(fresh_database, pair) as running:
            yield running


def delete(org: Orgsim, row_id: str) -> None:
    status, _, _ = org.call("DELETE", f"/services/data/v62.0/sobjects/Account/{row_id}")
    assert status == 204


async def test_what_is_deleted_in_the_source_is_deleted_in_the_target_up_to_the_ceiling(product: Installation) -> None:
    """Hard cases 29, 44, 45: by getDeleted, counted, with a ceiling that stops the run before the first deletion."""
    source, target = product.pair.source, product.pair.target
    ids = source.add_rows("Account", [{"Name": f"Account {n}"} for n in range(6)])
    own = target.add_rows("Account", [{"Name": "the target's own"}])
    async with product.worker():
        sync = await product.save(TEXT)
        await product.activate(sync)
        assert (await product.run(sync)).run.state is RunState.DONE
        delete(source, ids[0])
        second = await product.run(sync)
        assert second.run.state is RunState.DONE, second
        assert sorted(product.pair.target_by_source("Account").keys() - {None}) == sorted(ids[1:])
        assert (second.steps[1].title, second.steps[1].rows_written) == ("Account: deletions", 1)
        for row_id in ids[1:4]:
            delete(source, row_id)
        third = await product.run(sync)
        assert (third.run.state, "ceiling" in third.message) == (RunState.FAILED, True)
    left = {row["Id"]: row["SwiftPort_Source_Id__c"] for row in target.rows("Account")}
    assert sorted(key for key in left.values() if key) == sorted(ids[1:])
    assert own[0] in left
