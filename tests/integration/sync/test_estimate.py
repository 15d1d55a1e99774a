"""The estimate of a dry run beside what the run then used, counted by orgsim's own transcript."""

from __future__ import annotations

from pathlib import Path

import pytest

from isthmus.sync.planning.estimate import Pace, estimate
from tests.support.copying import THREE_OBJECTS, two_orgs

HERE = Pace(bulk_fixed_s=0.5, bulk_rows_per_s=20_000)
"""orgsim has done a job at once; the published pace is a real org's."""
RATIO_MAX = 1.5


@pytest.mark.parametrize("bulk_rows_min", [100_000, 500], ids=["REST", "Bulk"])
async def test_an_estimate_comes_close_to_the_calls_that_the_run_uses(tmp_path: Path, bulk_rows_min: int) -> None:
    rows = {"Account": 600, "Contact": 1300, "Opportunity": 600}
    with two_orgs(tmp_path) as pair:
        ids = pair.source.add_rows("Account", [{"Name": f"A{n}"} for n in range(rows["Account"])])
        pair.source.add_rows(
            "Contact", [{"LastName": f"C{n}", "AccountId": ids[n % 600]} for n in range(rows["Contact"])]
        )
        deal = {"StageName": "Prospecting", "CloseDate": "2026-12-31"}
        pair.source.add_rows("Opportunity", [{"Name": f"O{n}", **deal} for n in range(rows["Opportunity"])])
        dry = await pair.copy(dry_run=True, bulk_rows_min=bulk_rows_min)
        assert dry.estimate is not None
        assert dry.plan is not None
        assert [step.rows for step in dry.estimate.steps[:3]] == list(rows.values())
        assert dry.estimate.source.allowed_per_day == 100_000
        assert pair.target.rows("Account") == []
        for org in (pair.source, pair.target):
            org.control("DELETE", "/transcript")
        done = await pair.copy(THREE_OBJECTS, bulk_rows_min=bulk_rows_min)
        assert done.message is None
        local = estimate(
            dry.plan,
            [step.rows for step in dry.estimate.steps],
            describes=(3, 3),
            bulk_rows_min=bulk_rows_min,
            pace=HERE,
        )
        for org, guess, published, own in (
            (pair.source, local.source.calls, dry.estimate.source.calls, done.calls_source),
            (pair.target, local.target.calls, dry.estimate.target.calls, done.calls_target),
        ):
            used = sum(call["path"].startswith("/services/data/v") for call in org.transcript())
            print(f"bulk from {bulk_rows_min}: used {used}, here {guess}, published {published}, counted {own}")
            assert used == own
            assert 1 / RATIO_MAX <= guess / used <= RATIO_MAX
            assert guess <= published
