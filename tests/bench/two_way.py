"""`python -m tests.bench.two_way --seeds N`: tell N two-way stories, and let the stories find every planted fault.

Each story is two orgs, 24 turns of people and runs (some killed, some hampered), then peace and the demands of
`tests.support.two_way_model`. Prints one line per story that breaks, then figures. Exit status 1 if a story breaks or a
plant is not found.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from tests.support.two_orgs import SkippingLoop
from tests.support.two_way_model import Broken, tell
from tests.support.two_way_plants import PLANTS

PLANT_SEEDS_MAX = 400


def story(seed: int) -> str | None:
    """Tell one story; return how it broke, or None."""
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        try:
            runner.run(tell(seed))
        except Broken as broken:
            return str(broken)
        except Exception as error:
            return f"seed {seed}: {error!r}"
    return None


def first_broken(first: int, most: int) -> int | None:
    """Return the first seed from `first` on whose story breaks, None if none of `most` does."""
    return next((seed for seed in range(first, first + most) if story(seed) is not None), None)


def main() -> int:
    """Tell the stories."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--plants", action="store_true", help="plant each fault and count the stories until it shows")
    given = parser.parse_args()
    began = time.monotonic()
    broken = 0
    for seed in range(given.first, given.first + given.seeds):
        found = story(seed)
        if found is not None:
            broken += 1
            print(found.splitlines()[0], flush=True)
    print(f"{given.seeds} stories, {broken} broken, {time.monotonic() - began:.0f} s", flush=True)
    missed = 0
    for name, plant in PLANTS.items() if given.plants else ():
        with plant():
            seed = first_broken(given.first, PLANT_SEEDS_MAX)
        missed += seed is None
        print(f"{name}: {'not found' if seed is None else f'found by story {seed}'}", flush=True)
    return 1 if broken or missed else 0


if __name__ == "__main__":
    sys.exit(main())
