"""Hostile moods, many seeds: every copy ends equal, or says the truth and the next one converges.

    python -m tests.bench.kill_points whims --points 40      (add `--rows 60`, `--seed 1`)
    python -m tests.bench.kill_points mover --points 200     (kill -9 of the mover at random moments of a copy)
    python -m tests.bench.kill_points revoke --points 20     (how long a revoked token is still used)

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
from tests.support.revoking import revoked_copy
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


async def revoke(pair: Pair, points: int, rows: int, first: int) -> Counter[str]:
    """Revoke the target's lease at a random moment and measure how long requests with its token still arrive."""
    seen: Counter[str] = Counter()
    pair.fill(rows)
    planned = await pair.copy()
    assert planned.plan is not None
    # Slow enough that the moment of the revocation falls into the run.
    pair.target.control("POST", "/faults", {"path": "/composite/sobjects", "delay_s": 0.3})
    worst_ms = 0
    for seed in range(first, first + points):
        late_ms = await revoked_copy(pair, planned.plan, seed)
        seen["revoked"] += late_ms is not None
        seen["with a request after it"] += bool(late_ms)
        worst_ms = max(worst_ms, late_ms or 0)
    print(f"worst delay of a request after the revocation was sent: {worst_ms} ms")
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
    parser.add_argument("what", choices=("whims", "mover", "revoke"))
    parser.add_argument("--points", type=int, default=20)
    parser.add_argument("--rows", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home, two_orgs(Path(home)) as pair:
        work = {"whims": whims, "mover": mover, "revoke": revoke}[given.what]
        seen = asyncio.run(work(pair, given.points, given.rows, given.seed))
    for name, number in seen.most_common():
        print(f"{number:6} {name}")
    return 1 if seen["WRONG"] else 0


if __name__ == "__main__":
    sys.exit(main())
