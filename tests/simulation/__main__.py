"""Play many seeds and tell which laws were broken; a seed that breaks one is named and can be played alone.

    python -m tests.simulation --seeds 2000 [--first 0] [--bug NAME] [--trace] [--pairs | --deletions]

Exits 1 if a law was broken (with `--bug`: if none was).
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.simulation.bugs import BUGS
from tests.simulation.bugs_of_deletions import DELETION_BUGS
from tests.simulation.bugs_of_pairs import PAIR_BUGS
from tests.simulation.seeds import play_seed
from tests.simulation.world import Plant


def main() -> int:
    """Play what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=100, help="how many (default 100)")
    parser.add_argument("--first", type=int, default=0, help="the first one (default 0)")
    parser.add_argument(
        "--bug",
        choices=sorted({*BUGS, *PAIR_BUGS, *DELETION_BUGS}),
        help="plant a bug; stops at the first seed that finds it",
    )
    parser.add_argument("--trace", action="store_true", help="print everything that happened in a seed")
    parser.add_argument("--pairs", action="store_true", help="a two-way sync")
    parser.add_argument("--deletions", action="store_true", help="a two-way sync that carries deletions")
    given = parser.parse_args()
    bugs = DELETION_BUGS if given.deletions else PAIR_BUGS if given.pairs else BUGS
    began_s, broken, runs, frames = time.process_time(), 0, 0, 0
    for seed in range(given.first, given.first + given.seeds):
        plant = bugs[given.bug]() if given.bug else Plant()
        told = play_seed(seed, plant, keep_notes=given.trace, pairs=given.pairs, deletions=given.deletions)
        runs += told.runs
        frames += told.frames
        if given.trace:
            print("\n".join(told.notes))
        if told.broken is not None:
            broken += 1
            print(f"seed {seed}: {told.broken}", flush=True)
            if given.bug:
                break
    spent_s = time.process_time() - began_s
    print(f"{given.seeds} seeds from {given.first}: {broken} broken, {runs} runs, {frames} frames, {spent_s:.1f} CPU s")
    return int((broken == 0) if given.bug else (broken > 0))


if __name__ == "__main__":
    sys.exit(main())
