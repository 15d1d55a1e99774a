"""How fast, with how much CPU, memory and API calls, `copy` moves accounts from one emulated org to another.

    python -m tests.bench.copy_100k [--rows 100000] [--json]

Both orgs are orgsim processes of the `bench` profile on this machine, so the wall time is shared with them; CPU and
memory are the mover's own, as it reports them at its end. A relay of the same export bytes by nothing but this
process gives the scale.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from isthmus.clock import SystemClock
from isthmus.sync.copy import CopyResult, copy_once
from isthmus.sync.spec import parse_spec
from tests.support.copying import copy_org, sync_settings
from tests.support.orgsim import start_orgsim

TEXT = "version: 1\nname: bench\nsteps:\n  - object: Account\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as home,
        start_orgsim(name="from", profile="bench", rows={"Account": options.rows}) as source,
        start_orgsim(name="to", profile="bench", rows={"Account": 0}, seed=2) as target,
    ):
        began = time.monotonic()
        result = asyncio.run(
            copy_once(
                parse_spec(TEXT),
                copy_org(source),
                copy_org(target),
                settings=sync_settings(Path(home)),
                clock=SystemClock(),
            )
        )
        figures = _figures(result, time.monotonic() - began)
        figures["rows_in_target"] = target.control("GET", "/counts")["Account"]
        moved = [c for c in source.transcript() if "/results" in c["path"]]
        figures["export_megabytes"] = round(sum(c["bytes_out"] for c in moved) / 1e6, 1)
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:24} {value}")
    return result.exit_status


def _figures(result: CopyResult, seconds: float) -> dict[str, object]:
    written = sum(step.rows_written for step in result.steps[:1])
    return {
        "message": result.message,
        "rows_written": written,
        "rows_failed": sum(step.rows_failed for step in result.steps),
        "seconds": round(seconds, 2),
        "rows_per_second": round(written / seconds),
        "mover_cpu_s": result.mover_cpu_s,
        "mover_peak_rss_mb": round((result.mover_peak_rss_bytes or 0) / 1e6, 1),
        "calls_source": result.calls_source,
        "calls_target": result.calls_target,
        "steps": [[step.title, step.path, step.rows_read, step.rows_written] for step in result.steps],
    }


if __name__ == "__main__":
    sys.exit(main())
