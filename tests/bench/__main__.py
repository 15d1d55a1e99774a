"""Run the benches and print their figures; nothing is judged here.

    python -m tests.bench [--rows 100000] [--growth] [--calls] [--kills 40] [--sfdmu] [--json]

1. `copy` of accounts, and of as many accounts and contacts, from one emulated org to another, over plain and over TLS connections, beside a relay of the same
   bytes by two `curl` processes and a pipe: the relay does nothing with a record, so it is the floor.
2. With `--growth`: the mover's peak memory for 10,000 to 1,000,000 rows.
3. With `--calls`: nothing but API calls of both orgs, for 1,000,000 rows into an empty and into a full target.
4. With `--sfdmu`: nothing but accounts and contacts by relays, by `isthmus copy` and by SFDMU from npm, in one table
   (`tests/bench/beside.py`); some minutes, most of them SFDMU's and orgsim's.
5. With `--kills N`: N kills of the product's processes under three objects (`tests/bench/product_kills.py`).
"""

from __future__ import annotations

import argparse
import json
import sys

from tests.bench.beside import measure_beside, show_beside
from tests.bench.copying import ACCOUNTS, BOTH, Figures, measure, measure_calls
from tests.bench.product_kills import campaign

GROWTH_ROWS = (10_000, 100_000, 1_000_000)
KILLS_PER_ROUND = 12


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000, help="accounts to copy (default 100000)")
    parser.add_argument("--growth", action="store_true", help="also measure memory for 10k, 100k and 1M rows")
    parser.add_argument("--kills", type=int, default=0, help="also kill processes of the product, so many times")
    parser.add_argument("--json", action="store_true", help="one JSON object per bench")
    parser.add_argument("--calls", action="store_true", help="API calls for 1M rows into an empty and a full target")
    parser.add_argument("--sfdmu", action="store_true", help="nothing but the same load by relays, isthmus and SFDMU")
    options = parser.parse_args()
    if options.sfdmu:
        show_beside(measure_beside(options.rows))
        return 0
    if options.calls:
        both = measure_calls(GROWTH_ROWS[-1])
        for figures in both:
            show(figures, as_json=options.json)
        return int(any(figures.message is not None for figures in both))
    runs = [(options.rows, False, ACCOUNTS), (options.rows, True, ACCOUNTS), (options.rows, True, BOTH)]
    runs += [(rows, False, ACCOUNTS) for rows in GROWTH_ROWS] if options.growth else []
    exit_status = 0
    for rows, tls, objects in runs:
        figures = measure(rows, tls=tls, relay=rows == options.rows, objects=objects)
        show(figures, as_json=options.json)
        exit_status = exit_status or int(figures.message is not None)
    if options.kills:
        seen = campaign(options.kills, 1, options.rows, KILLS_PER_ROUND)
        print(f"{seen.points.total()} kills in {seen.rounds} rounds, wrong: {len(seen.wrong)}")
        exit_status = exit_status or int(bool(seen.wrong))
    return exit_status


def show(figures: Figures, *, as_json: bool) -> None:
    told = figures.told()
    if as_json:
        print(json.dumps(told))
        return
    for name, value in told.items():
        print(f"{name:26} {value}")
    print()


if __name__ == "__main__":
    sys.exit(main())
