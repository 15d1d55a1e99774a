"""Hostile moods, many seeds: every copy ends equal, or says the truth and the next one converges.

    python -m tests.bench.kill_points whims --points 40      (add `--rows 60`, `--seed 1`)
    python -m tests.bench.kill_points mover --points 200     (kill -9 of the mover at random moments of a copy)

Prints one line per point that needed attention, and a summary; exits 1 if any point ended unequal or lied.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path

from tests.support.copying import Pair, two_orgs
from tests.support.trouble import TroubleSeen, copy_until_equal, killed_copy


async def whims(pair: Pair, points: int, rows: int, first: int) -> Counter[str]:
    """Copy under hostile moods, one seed after another, on both paths."""
    seen: Counter[str] = Counter()
    for seed in range(first, first + points):
        await _point(seen, seed, copy_until_equal(pair, seed, rows, bulk_rows_min=(1, 100_000, 30)[seed % 3]))
    return seen


async def mover(pair: Pair, points: int, rows: int, first: int) -> Counter[str]:
    """Kill the mover at a random moment of a hostile copy, again and again, then let one finish."""
    seen: Counter[str] = Counter()
    for seed in range(first, first + points):
        await _point(seen, seed, killed_copy(pair, seed, rows, bulk_rows_min=(1, 100_000, 30)[seed % 3]))
    return seen


async def _point(seen: Counter[str], seed: int, attempt: Awaitable[TroubleSeen]) -> None:
    began = time.monotonic()
    try:
        result = await attempt
    except AssertionError as wrong:
        seen["WRONG"] += 1
        print(f"seed {seed}: WRONG: {wrong}", flush=True)
        return
    seen["equal"] += 1
    seen["copies"] += result.copies
    seen["kills"] += result.kills
    for message in result.messages:
        seen[message[:90]] += 1
    print(f"seed {seed}: {result.copies} copies, {time.monotonic() - began:.1f} s", flush=True)


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("whims", "mover"))
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, two_orgs(Path(home)) as pair:
        work = whims if given.what == "whims" else mover
        seen = asyncio.run(work(pair, given.points, given.rows, given.seed))
    for name, number in seen.most_common():
        print(f"{number:6} {name}")
    return 1 if seen["WRONG"] else 0


if __name__ == "__main__":
    sys.exit(main())
