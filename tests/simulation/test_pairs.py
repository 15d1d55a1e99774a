"""Two-way syncs in the simulation: a hundred seeds keep every law, and planted bugs are found."""

from __future__ import annotations

import pytest

from tests.simulation.bugs_of_pairs import PAIR_BUGS
from tests.simulation.seeds import play_seed

LOT = 25
SEEDS_MAX = 60


@pytest.mark.parametrize("first", range(0, 100, LOT))
def test_two_orgs_agree_and_nothing_is_lost_whatever_happens(first: int) -> None:
    told = [play_seed(seed, pairs=True) for seed in range(first, first + LOT)]
    broken = [(each.seed, each.broken) for each in told if each.broken is not None]
    assert not broken, f"play one alone: python -m tests.simulation --pairs --seeds 1 --trace --first {broken[0][0]}"


@pytest.mark.parametrize("seed", [493, 790])
def test_a_pass_of_links_hides_nothing_that_the_load_has_yet_to_read(seed: int) -> None:
    assert play_seed(seed, pairs=True).broken is None


def test_a_second_attempt_at_a_first_load_waits_for_the_upload_of_the_first_one() -> None:
    assert play_seed(5265, pairs=True).broken is None


@pytest.mark.parametrize("name", sorted(PAIR_BUGS))
def test_a_planted_bug_of_pairs_is_found(name: str) -> None:
    found = (play_seed(seed, PAIR_BUGS[name](), pairs=True).broken for seed in range(SEEDS_MAX))
    assert any(broken is not None for broken in found), f"{name} was not found in {SEEDS_MAX} seeds"


def test_the_same_seed_gives_the_same_trace_of_pairs() -> None:
    first = [play_seed(seed, pairs=True).trace for seed in range(4)]
    assert first == [play_seed(seed, pairs=True).trace for seed in reversed(range(4))][::-1]
    assert len(set(first)) == len(first)
