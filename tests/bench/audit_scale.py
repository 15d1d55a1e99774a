"""How long an audit of a large org takes, with how much CPU and memory of which process and how many API calls.

    python -m tests.bench.audit_scale [--users 5000] [--logins 1000000] [--grants 2500] [--json]

The org is orgsim with virtual users and logins, on this machine: wall time is shared with it, its CPU is stated apart.
The command (which here is this process) and its mover are measured each; memory is the peak of resident sets, sampled,
and their sum counts twice what both map in common. Verifying runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from isthmus.audit.once import OnceResult
from tests.support.auditing import audit_org
from tests.support.orgsim import start_orgsim

SAMPLE_S = 0.1
VERIFY = """
import resource, sys, time
from pathlib import Path
from isthmus.audit.verify import verify_bundle
began = time.monotonic()
verify_bundle(Path(sys.argv[1]), sys.argv[2])
used = resource.getrusage(resource.RUSAGE_SELF)
peak = next(int(line.split()[1]) for line in open('/proc/self/status') if line.startswith('VmHWM'))
print(round(time.monotonic() - began, 1), round(used.ru_utime + used.ru_stime, 1), round(peak / 1000))
"""


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
    parser.add_argument("--grants", type=int)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    grants = options.users // 2 if options.grants is None else options.grants
    figures = measured(options.users, options.logins, grants)
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:24} {value}")
    return 0


def measured(users: int, logins: int, grants: int) -> dict[str, object]:
    """Audit an org of that size and verify its bundle; return the figures by name."""
    rows = {"User": users, "LoginHistory": logins, "PermissionSetLicenseAssign": grants}
    with tempfile.TemporaryDirectory() as out, start_orgsim(profile="bench", rows=rows) as org:
        assert org.process is not None
        server = psutil.Process(org.process.pid)
        server_before = sum(server.cpu_times()[:2])
        peak = Peak(org.process.pid)
        peak.start()
        began_cpu = time.process_time()
        result = audit_org(org, Path(out))
        cpu = time.process_time() - began_cpu
        peak.over.set()
        peak.join()
        figures = _figures(result) | {
            "command_cpu_s": round(cpu, 1),
            "command_peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000),
            "all_peak_mb": round(peak.bytes / 1e6),
            "orgsim_cpu_s": round(sum(server.cpu_times()[:2]) - server_before, 1),
            "documents_mb": {p.name: round(_size(p) / 1e6, 1) for p in result.files},
        }
        command = [sys.executable, "-c", VERIFY, str(Path(out) / "bundle"), result.fingerprint]
        took = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        names = ("verify_s", "verify_cpu_s", "verify_peak_mb")
        return figures | {name: float(value) for name, value in zip(names, took, strict=True)}


def _size(place: Path) -> int:
    return sum(file.stat().st_size for file in place.iterdir()) if place.is_dir() else place.stat().st_size


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
