"""How long an audit of a large org takes when it is asked for at the portal, and what it takes of which process.

    python -m tests.bench.audit_worker [--users 5000] [--logins 1000000] [--grants 2500] [--times 1] [--json]

The way of a customer: `isthmus up`, an org connected through its login page, the audit asked for by the JSON API, carried
out by the worker with its mover and stored in PostgreSQL. Memory is the resident sets of worker, mover, typesetter and
keeper added up, sampled ten times a second: pages that two of them share count twice. The portal is stated apart.
`stall_s` is the longest time that the worker's event loop did not answer, `stall_cpu_s` the most CPU that its thread used
in one (see `watching/sitecustomize.py`): heartbeats, tickers and leases wait so long.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg

from isthmus.config import read_settings
from isthmus.db.address import Role, connect_arguments
from isthmus.demo.processes import EmulatedOrg
from isthmus.demo.story import Portal
from tests.support.orgsim import Orgsim, start_orgsim
from tests.support.portal import Product, start_product

SAMPLE_S: Final = 0.1
MB: Final = 1e6
OF_THE_RUN: Final = ("worker", "mover", "typesetter", "keeper")
CHILDREN: Final = {"isthmus.worker.mover": "mover", "report.typesetter": "typesetter"}
STALLS_TOLD: Final = 5
ENDED: Final = frozenset({"done", "failed"})


@dataclass
class Watched:
    """The processes of one installation."""

    product: Product
    peaks: dict[str, int] = field(default_factory=dict[str, int])
    together: int = 0
    at_peak: dict[str, int] = field(default_factory=dict[str, int])
    at_peak_state: str = ""
    cpu_s: dict[int, tuple[str, float]] = field(default_factory=dict[int, tuple[str, float]])
    state: str = ""
    timeline: list[tuple[float, str, dict[str, int]]] = field(default_factory=list[tuple[float, str, dict[str, int]]])

    def look(self) -> None:
        """Take a sample."""
        resident: dict[str, int] = {}
        for process in psutil.process_iter(["cmdline"]):
            kind = _kind(process.info["cmdline"] or [])
            if kind is None:
                continue
            try:
                owner = process.parent() if kind in CHILDREN.values() else process
                if owner is None or owner.environ().get("ISTHMUS_HOME") != self.product.environ["ISTHMUS_HOME"]:
                    continue
                resident[kind] = resident.get(kind, 0) + process.memory_info().rss
                self.cpu_s[process.pid] = kind, sum(process.cpu_times()[:2])
            except psutil.Error:
                continue
        for kind, size in resident.items():
            self.peaks[kind] = max(self.peaks.get(kind, 0), size)
        together = sum(resident.get(kind, 0) for kind in OF_THE_RUN)
        self.timeline.append((time.monotonic(), self.state, resident))
        if together > self.together:
            self.together, self.at_peak, self.at_peak_state = together, resident, self.state

    def cpu_of(self, kind: str) -> float:
        """Return the CPU seconds of all processes of a kind."""
        return sum(seconds for of, seconds in self.cpu_s.values() if of == kind)


def _kind(words: list[str]) -> str | None:
    for module, kind in CHILDREN.items():
        if any(module in word for word in words):
            return kind
    last = words[-1] if words else ""
    return last.removeprefix("isthmus.") if last in {"isthmus.worker", "isthmus.keeper", "isthmus.portal"} else None


@contextmanager
def sampled(watched: Watched) -> Generator[None]:
    """Take samples until the block ends."""
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(SAMPLE_S):
            watched.look()

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def audited(users: int, logins: int, grants: int, times: int, stalls_at: Path) -> dict[str, object]:
    """Audit an org of that size `times` times; return the figures of the last one by name."""
    mine = str(Path(__file__).with_name("watching"))
    os.environ["PYTHONPATH"] = os.pathsep.join([mine, os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    os.environ["WATCH_TO"] = str(stalls_at)
    rows = {"User": users, "LoginHistory": logins, "PermissionSetLicenseAssign": grants}
    with start_product() as product:
        more = ("--redirect-uri", f"{product.url}/oauth/callback")
        with start_orgsim(profile="bench", rows=rows, more=more) as org:
            portal = Portal(product.url, product.sign_in_url)
            connection = portal.connect(_as_person(org), "audit")
            found: dict[str, object] = {}
            for _ in range(times):
                stalls_at.write_text("")
                found = _once(portal, product, connection) | {"org_calls": org.control("POST", "/usage", {})["used"]}
            return found | _stalls(stalls_at)


def _once(portal: Portal, product: Product, connection: str) -> dict[str, object]:
    watched = Watched(product)
    watched.look()
    before = {kind: watched.cpu_of(kind) for kind in OF_THE_RUN}
    began = time.monotonic()
    reading_s = 0.0
    with sampled(watched):
        audit = portal.post("/api/v1/audits", {"connection": connection})["audit"]
        while watched.state not in ENDED:
            time.sleep(1.0)
            listed: list[dict[str, Any]] = portal.get("/api/v1/audits")["audits"]
            told = next(each for each in listed if each["id"] == audit)
            watched.state = told["state"]
            if watched.state in {"queued", "reading"}:
                reading_s = time.monotonic() - began
    assert watched.state == "done", told
    seconds = time.monotonic() - began
    if "TIMELINE_TO" in os.environ:
        Path(os.environ["TIMELINE_TO"]).write_text(json.dumps(watched.timeline))
    return {
        "seats": told["seats"],
        "findings": told["findings"],
        "seconds": round(seconds, 1),
        "of_which_reading_s": round(reading_s, 1),
        "together_peak_mb": round(watched.together / MB),
        "at_that_peak_mb": {kind: round(size / MB) for kind, size in watched.at_peak.items()},
        "at_that_peak": watched.at_peak_state,
        "peaks_mb": {kind: round(size / MB) for kind, size in watched.peaks.items()},
        "cpu_s": {kind: round(watched.cpu_of(kind) - before[kind], 1) for kind in OF_THE_RUN},
        "stored_mb": _stored(product),
    }


def _stored(product: Product) -> dict[str, float]:
    """Return what PostgreSQL has on disk of each table of audits, TOAST and indexes included."""
    settings = read_settings(product.environ)
    query = """
        select c.relname, pg_total_relation_size(c.oid) from pg_class c
        join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'audit' and c.relkind = 'r'
    """
    with psycopg.connect(**connect_arguments(settings, Role.PORTAL)) as connection:
        sizes = dict(connection.execute(query).fetchall())
    return {name: round(size / MB, 1) for name, size in sorted(sizes.items()) if size > MB / 10}


def _stalls(place: Path) -> dict[str, object]:
    stalls = [json.loads(line) for line in place.read_text().splitlines()]
    worst = sorted(stalls, key=lambda stall: -stall["s"])[:STALLS_TOLD]
    return {
        "stalls": len(stalls),
        "stall_s": max((stall["s"] for stall in stalls), default=0.0),
        "stall_cpu_s": max((stall["cpu_s"] for stall in stalls), default=0.0),
        "worst": worst,
    }


def _as_person(org: Orgsim) -> EmulatedOrg:
    return EmulatedOrg("bench", org.instance_url, org.control_url, org.client_id, org.username, org.password)


def main() -> int:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--logins", type=int, default=1_000_000)
    parser.add_argument("--grants", type=int)
    parser.add_argument("--times", type=int, default=1, help="how often in a row; the last is told")
    parser.add_argument("--stalls", type=Path, default=Path("/tmp/isthmus-stalls.jsonl"))
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    grants = options.users // 2 if options.grants is None else options.grants
    figures = audited(options.users, options.logins, grants, options.times, options.stalls)
    if options.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name:24} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
