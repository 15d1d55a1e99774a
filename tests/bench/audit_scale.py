"""How long an audit of a large org takes, with how much CPU and memory of which process and how many API calls.

    python -m tests.bench.audit_scale [--users 5000] [--logins 1000000] [--grants 2500] [--kill-after SECONDS] [--json]

The org is orgsim with virtual users and logins, on this machine: wall time is shared with it, its CPU is stated apart.
What is measured is `isthmus audit run` as a process of its own with its mover and the typesetter of its PDF, then `isthmus audit verify` on what it
left. Memory is the resident sets added up, sampled ten times a second: pages that two of them share count twice.

With --kill-after the command is killed (kill -9) after so many seconds first, and what is measured is the second one, which
goes on from there; `calls_of_the_org` counts the requests that the org got from both.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.support.commands import ISTHMUS, bare_environ, org_environ
from tests.support.orgsim import start_orgsim

SAMPLE_S = 0.1
MB = 1e6


@dataclass
class Measured:
    """One command with its children, the mover told apart."""

    began: float = field(default_factory=time.monotonic)
    seconds: float = 0.0
    mover_seconds: float = 0.0
    cpu_s: float = 0.0
    mover_cpu_s: float = 0.0
    peak: int = 0
    own_peak: int = 0
    mover_peak: int = 0

    def look(self, process: psutil.Process) -> None:
        """Take a sample."""
        own = total = process.memory_info().rss
        for child in process.children(recursive=True):
            try:
                resident, words = child.memory_info().rss, child.cmdline()
                total += resident
                if not any("isthmus.worker.mover" in word for word in words):  # the typesetter of the PDF
                    continue
                self.mover_cpu_s = max(self.mover_cpu_s, sum(child.cpu_times()[:2]))
            except psutil.NoSuchProcess:
                continue
            self.mover_peak = max(self.mover_peak, resident)
            self.mover_seconds = time.monotonic() - self.began
        self.peak, self.own_peak = max(self.peak, total), max(self.own_peak, own)


def killed(command: list[str], environ: dict[str, str], after_s: float) -> None:
    """Run the command, and kill it in the middle."""
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        time.sleep(after_s)
        assert running.poll() is None, "it was done before it was killed"
        running.kill()


def measured(command: list[str], environ: dict[str, str], statuses: set[int]) -> Measured:
    """Run the command to its end."""
    found = Measured()
    with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL) as running:
        process = psutil.Process(running.pid)
        while True:
            pid, status, usage = os.wait4(running.pid, os.WNOHANG)
            if pid:
                break
            try:
                found.look(process)
            except psutil.NoSuchProcess:
                continue
            time.sleep(SAMPLE_S)
        running.returncode = os.waitstatus_to_exitcode(status)
    assert running.returncode in statuses, running.returncode
    found.seconds = time.monotonic() - found.began
    found.cpu_s = usage.ru_utime + usage.ru_stime
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--logins", type=int, default=1_000_000)
    parser.add_argument("--grants", type=int)
    parser.add_argument("--kill-after", type=float, metavar="SECONDS")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    grants = options.users // 2 if options.grants is None else options.grants
    figures = audited(options.users, options.logins, grants, options.kill_after)
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:24} {value}")
    return 0


def audited(users: int, logins: int, grants: int, kill_after_s: float | None = None) -> dict[str, object]:
    """Audit an org of that size and verify its bundle; return the figures by name."""
    rows = {"User": users, "LoginHistory": logins, "PermissionSetLicenseAssign": grants}
    with tempfile.TemporaryDirectory() as folder, start_orgsim(profile="bench", rows=rows) as org:
        assert org.process is not None
        out = Path(folder) / "out"
        server = psutil.Process(org.process.pid)
        server_before = sum(server.cpu_times()[:2])
        environ = bare_environ(Path(folder)) | org_environ("bench", org)
        command = [ISTHMUS, "audit", "run", "--org", "bench", "--out", str(out)]
        if kill_after_s is not None:
            killed(command, environ, kill_after_s)
        audit = measured(command, environ, {0, 1})
        server_cpu = sum(server.cpu_times()[:2]) - server_before
        report = json.loads((out / "report.json").read_bytes())
        check = measured(
            [ISTHMUS, "audit", "verify", str(out / "bundle"), "--fingerprint", report["bundle_sha256"]], environ, {0}
        )
        return {
            "users": report["users"],
            "logins": report["login_rows"],
            "findings": len(report["findings"]),
            "withheld": report["withheld"],
            "api_calls": report["api_calls"],
            "calls_of_the_org": org.control("POST", "/usage", {})["used"],
            "interruptions": report["interruptions"],
            "api_calls_estimated": report["calls_estimated"],
            "estimated_of_made": round(report["calls_estimated"] / report["api_calls"], 2),
            "seconds": round(audit.seconds, 1),
            "of_which_reading_s": round(audit.mover_seconds, 1),
            "cpu_s": round(audit.cpu_s, 1),
            "of_which_mover_cpu_s": round(audit.mover_cpu_s, 1),
            "orgsim_cpu_s": round(server_cpu, 1),
            "all_peak_mb": round(audit.peak / MB),
            "command_peak_mb": round(audit.own_peak / MB),
            "mover_peak_mb": round(audit.mover_peak / MB),
            "documents_mb": {place.name: round(_size(place) / MB, 1) for place in sorted(out.iterdir())},
            "verify_s": round(check.seconds, 1),
            "verify_cpu_s": round(check.cpu_s, 1),
            "verify_peak_mb": round(check.peak / MB),
        }


def _size(place: Path) -> int:
    return sum(file.stat().st_size for file in place.iterdir()) if place.is_dir() else place.stat().st_size


if __name__ == "__main__":
    sys.exit(main())
