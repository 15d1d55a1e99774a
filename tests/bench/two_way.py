"""`python -m tests.bench.two_way --seeds N [--first M]`: tell N two-way stories; exit status 1 if one breaks.

Each story is two orgs, 24 turns of people and runs (some killed, some hampered), then peace and the demands of
`tests.support.two_way_model`. The rule for conflicts, the clocks and the trouble come from the seed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

from tests.support.two_orgs import SkippingLoop
from tests.support.two_way_model import Broken, tell


def story(seed: int) -> str | None:
    """Tell one story; return how it broke, or None."""
    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        try:
            runner.run(tell(seed))
        except Broken as broken:
            return str(broken)
    return None


def main() -> int:
    """Tell the stories."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    began_s, broken = time.monotonic(), 0
    for seed in range(given.first, given.first + given.seeds):
        found = story(seed)
        if found is not None:
            broken += 1
            print(found, flush=True)
    print(f"{given.seeds} stories, {broken} broken, {time.monotonic() - began_s:.0f} s", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
