"""Two-way syncs as stories: people and hampered runs take turns, and at the end both orgs must agree."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.two_orgs import SkippingLoop
from tests.support.two_way_model import tell

SEEDS = range(8)


@pytest.mark.parametrize("seed", SEEDS)
def test_after_the_edits_stop_both_orgs_agree_and_nothing_is_lost(seed: int) -> None:
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        runner.run(tell(seed))
