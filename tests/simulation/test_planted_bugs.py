"""The simulation is worth something only if it finds what is wrong: every planted bug breaks a law within its seeds."""

from __future__ import annotations

import pytest

from tests.simulation.bugs import BUGS
from tests.simulation.seeds import Told, play_seed

SEEDS_MAX = 120
RARE = {"LeavesOutTheBorder": (150, 120), "OverlooksEarlierJobs": (150, 600)}
"""Found in one seed of a hundred or more: where the search begins, and how many seeds it may take."""


@pytest.mark.parametrize("name", sorted(BUGS))
def test_a_planted_bug_is_found(name: str) -> None:
    found: Told | None = None
    first, seeds = RARE.get(name, (0, SEEDS_MAX))
    for told in (play_seed(seed, BUGS[name]()) for seed in range(first, first + seeds)):
        if told.broken is not None:
            found = told
            break
    assert found is not None, f"{name} was not found in {seeds} seeds"


def test_the_same_seed_gives_the_same_trace() -> None:
    first = [play_seed(seed).trace for seed in range(12)]
    again = [play_seed(seed, keep_notes=False).trace for seed in reversed(range(12))]
    assert first == again[::-1]
    assert len(set(first)) == len(first)


def test_a_seed_that_is_played_alone_goes_as_it_went_among_others() -> None:
    among_others = play_seed(7)
    play_seed(8)
    assert play_seed(7) == among_others
