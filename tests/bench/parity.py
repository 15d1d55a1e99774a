"""A longer campaign of `tests/integration/sync/test_parity.py`, with other seeds each time.

python -m tests.bench.parity [--examples 50]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.integration.sync.test_parity import Batch, carry
from tests.support.every_type import RECORDS, three_orgs


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.parity", description=__doc__)
    parser.add_argument("--examples", type=int, default=50)
    examples = parser.parse_args().examples
    rows, differing = 0, 0
    with tempfile.TemporaryDirectory() as home, three_orgs(Path(home)) as orgs:

        @given(records=st.lists(RECORDS, min_size=12, max_size=24).map(Batch))
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def go(records: Batch) -> None:
            nonlocal rows, differing
            found = asyncio.run(carry(orgs, records))
            rows += len(records)
            differing += len(found)
            for field, values in found.items():
                print(field, *(ascii(value)[:200] for value in values), sep="\n    ")

        go()
    print(f"{examples} batches, {rows} records by both paths, {differing} fields differ")
    return int(differing > 0)


if __name__ == "__main__":
    raise SystemExit(main())
