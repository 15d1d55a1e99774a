"""Orgs that do not serve the API version that we prefer: another one that both know, or a plain word on why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.copying import Pair, sync_settings
from tests.support.orgsim import start_orgsim

TEXT = "version: 1\nname: v\nsteps: [{object: Account, fields: {Name: Name}}]\n"


@pytest.mark.parametrize("bulk_rows_min", [100_000, 1], ids=["REST", "Bulk"])
async def test_two_orgs_of_different_releases_each_get_the_newest_version_that_we_share(
    tmp_path: Path, bulk_rows_min: int
) -> None:
    with (
        start_orgsim(name="old", more=["--set", "version_newest=60"]) as source,
        start_orgsim(name="new", seed=2) as target,
    ):
        source.add_rows("Account", [{"Name": f"A{n}"} for n in range(5)])
        result = await Pair(source, target, sync_settings(tmp_path)).copy(TEXT, bulk_rows_min=bulk_rows_min)
        assert (result.message, result.steps[0].rows_written) == (None, 5)
        for org, version in ((source, "v60.0"), (target, "v62.0")):
            served = [call["path"].removeprefix("/services/data") for call in org.transcript() if call["status"] == 200]
            assert {path.split("/")[1] for path in served if path.startswith("/v")} == {version}


@pytest.mark.parametrize("setting", ["version_newest=57", "version_oldest=63"])
async def test_an_org_that_shares_no_version_with_us_is_refused_for_that_reason(tmp_path: Path, setting: str) -> None:
    with start_orgsim(name="far", more=["--set", setting]) as source, start_orgsim(name="t", seed=2) as target:
        result = await Pair(source, target, sync_settings(tmp_path)).copy(TEXT)
        assert result.message is not None
        assert "none of the API versions 58.0 to 62.0" in result.message
