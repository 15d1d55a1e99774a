"""A thousand seeds: whatever goes wrong on the way, every law holds. The other thousand is in the file beside."""

from __future__ import annotations

import pytest

from tests.simulation.seeds import play_seed

LOT = 50


@pytest.mark.parametrize("first", range(0, 1000, LOT))
def test_every_law_holds_whatever_happens(first: int) -> None:
    broken = [(told.seed, told.broken) for told in map(play_seed, range(first, first + LOT)) if told.broken is not None]
    assert not broken, f"play one alone: python -m tests.simulation --seeds 1 --trace --first {broken[0][0]}"
