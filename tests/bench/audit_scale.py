"""How long an audit of a large org takes, with how much CPU and memory and how many API calls.

    python -m tests.bench.audit_scale [--users 5000] [--logins 1000000] [--json]

The org is the stand-in of `tests.bench.audit_org` on this machine, so wall time is shared with it. Memory is the peak
of the sum of resident sets of this process and the mover, sampled; what both map in common counts twice.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from uuid import uuid4

import psutil

from isthmus.audit.once import OnceResult, audit_once
from isthmus.audit.options import AuditOptions
from isthmus.audit.verify import verify_bundle
from isthmus.clock import SystemClock
from isthmus.egress.hosts import HostDenied, parse_login_host
from isthmus.salesforce.endpoint import Endpoint
from isthmus.salesforce.lease import Lease
from isthmus.salesforce.version import API_VERSION_DEFAULT
from isthmus.values import Purpose, Secret
from tests.support.auditing import MOVER

SAMPLE_S = 0.1


class Peak(threading.Thread):
    """Samples the memory of this process and its children, the org left out."""

    def __init__(self, without: int) -> None:
        super().__init__(daemon=True)
        self.bytes = 0
        self.own = 0
        self.over = threading.Event()
        self._without = without

    def run(self) -> None:
        me = psutil.Process()
        while not self.over.wait(SAMPLE_S):
            own = total = me.memory_info().rss
            for child in me.children(recursive=True):
                try:
                    total += 0 if child.pid == self._without else child.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self.bytes, self.own = max(self.bytes, total), max(self.own, own)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--logins", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    command = [sys.executable, "-m", "tests.bench.audit_org"]
    command += ["--users", str(options.users), "--logins", str(options.logins)]
    with tempfile.TemporaryDirectory() as out, subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as org:
        try:
            assert org.stdout is not None
            port = json.loads(org.stdout.readline())["port"]
            peak = Peak(org.pid)
            peak.start()
            began_cpu = time.process_time()
            result = asyncio.run(_audit(f"http://127.0.0.1:{port}", Path(out)))
            cpu = time.process_time() - began_cpu
            peak.over.set()
            peak.join()
            figures = _figures(result) | {
                "own_cpu_s": round(cpu, 1),
                "peak_all_mb": round(peak.bytes / 1e6),
                "peak_own_mb": round(peak.own / 1e6),
            }
            began = time.monotonic()
            verify_bundle(Path(out) / "bundle", result.fingerprint)
            figures["verify_s"] = round(time.monotonic() - began, 1)
        finally:
            org.terminate()
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:24} {value}")
    return 0


async def _audit(origin: str, out: Path) -> OnceResult:
    host = parse_login_host(origin, allow_loopback_http=True)
    assert not isinstance(host, HostDenied)
    endpoint = Endpoint(uuid4(), origin, Purpose.AUDIT, API_VERSION_DEFAULT)
    lease = Lease(Secret("token"), host)
    return await audit_once(
        endpoint, lease, org="scale", out_dir=out, options=AuditOptions(), mover=MOVER, clock=SystemClock()
    )


def _figures(result: OnceResult) -> dict[str, object]:
    report = result.report
    return {
        "users": report.users,
        "logins": report.login_rows,
        "api_calls": report.api_calls,
        "api_calls_estimated": report.calls_estimated,
        "findings": len(report.findings),
        "withheld": list(report.withheld),
        "seconds": round(result.seconds, 1),
        "of_which_reading_s": round(result.read_s, 1),
        "mover_cpu_s": result.mover_cpu_s,
        "mover_peak_mb": round(result.mover_peak_rss_bytes / 1e6),
    }


if __name__ == "__main__":
    sys.exit(main())
