"""Play one seed, or many; say which laws were broken."""

from __future__ import annotations

import gc
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from tests.simulation.laws import Broken
from tests.simulation.loop import Stuck
from tests.simulation.pair_people import DeletingWorld, play_deletions
from tests.simulation.pairs import PairWorld, play_pairs
from tests.simulation.story import play
from tests.simulation.world import Plant, World


@dataclass(frozen=True)
class Told:
    """What one seed brought. `broken` is None if every law held."""

    seed: int
    trace: int
    broken: str | None
    runs: int
    frames: int
    notes: list[str]


def play_seed(
    seed: int, plant: Plant | None = None, *, keep_notes: bool = False, pairs: bool = False, deletions: bool = False
) -> Told:
    """Play `seed`. The same seed gives the same trace. `pairs`: of a two-way sync; `deletions`: of one with those."""
    kind = DeletingWorld if deletions else PairWorld if pairs else World
    world = kind(seed, plant or Plant(), keep_notes=keep_notes)
    broken: str | None = None
    # When memory is tidied up must not depend on what was played before.
    gc.disable()
    try:
        world.loop.run(_story(world))
    except (Broken, Stuck) as found:
        broken = f"{found}"
    finally:
        gc.enable()
    [(runs,)] = world.database.look("select count(*) from sync.run")
    world.database.connection.close()
    return Told(seed, world.loop.trace, broken, runs, world.judge.frames, world.loop.notes or [])


def _story(world: World) -> Coroutine[Any, Any, None]:
    if isinstance(world, DeletingWorld):
        return play_deletions(world)
    return play_pairs(world) if isinstance(world, PairWorld) else play(world)
