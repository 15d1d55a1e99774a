"""Two-way deletions in the simulation: nothing goes that nobody deleted, nobody's change is lost; bugs are found."""

from __future__ import annotations

import pytest

from tests.simulation.bugs_of_deletions import DELETION_BUGS
from tests.simulation.seeds import play_seed

SEEDS = 15
SEEDS_MAX = 60
FOUND_BEFORE = (1054, 2039, 2272, 2640)
"""Seeds that have found faults: a purged deletion of ours, a retry that made nothing again, a first load's late job."""


def test_deletions_take_nothing_along_that_lives_and_the_orgs_agree() -> None:
    told = [play_seed(seed, deletions=True) for seed in (*range(SEEDS), *FOUND_BEFORE)]
    broken = [(each.seed, each.broken) for each in told if each.broken is not None]
    assert not broken, (
        f"play one alone: python -m tests.simulation --deletions --seeds 1 --trace --first {broken[0][0]}"
    )


@pytest.mark.parametrize("name", sorted(DELETION_BUGS))
def test_a_planted_bug_of_deletions_is_found(name: str) -> None:
    found = (play_seed(seed, DELETION_BUGS[name](), deletions=True).broken for seed in range(SEEDS_MAX))
    assert any(broken is not None for broken in found), f"{name} was not found in {SEEDS_MAX} seeds"


def test_the_same_seed_gives_the_same_trace_of_deletions() -> None:
    first = [play_seed(seed, deletions=True).trace for seed in range(2)]
    assert first == [play_seed(seed, deletions=True).trace for seed in reversed(range(2))][::-1]
