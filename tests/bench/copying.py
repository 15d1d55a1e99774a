"""How fast, with how much CPU, memory and API calls, `copy` moves accounts from one emulated org to another.

Both orgs are orgsim processes of the `bench` profile on this machine, so wall time is shared with them; CPU and memory
are the mover's own, as it reports them at its end.
"""

from __future__ import annotations

import asyncio
import json
import resource
import shlex
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from isthmus.clock import SystemClock
from isthmus.sync.copy import CopyOrg, CopyResult, copy_once
from isthmus.sync.flow.mapping import StepMapping
from isthmus.sync.model import StepKind
from isthmus.sync.spec import parse_spec
from isthmus.values import OrgHost, Secret
from tests.support.copying import sync_settings
from tests.support.orgsim import Orgsim, start_orgsim

Columns = Mapping[str, tuple[str, ...]]
HEAD = "version: 1\nname: bench\nsteps:\n"
ACCOUNTS = ("Account",)
BOTH = ("Account", "Contact")
VERSION = "v62.0"
CA_FILE = "ca.pem"
LOCATOR = "sforce-locator"
SAY_BYTES = ("-o", "/dev/null", "-w", "%{size_upload}")


@dataclass(frozen=True)
class Figures:
    """What one bench measured. `relay_cpu_s` is the CPU of both curls of the relay, None if it was not run."""

    rows: int
    objects: tuple[str, ...]
    tls: bool
    message: str | None
    rows_in_target: int
    seconds: float
    mover_cpu_s: float
    mover_peak_rss_bytes: int
    calls_source: int
    calls_target: int
    columns: Columns = field(default_factory=dict[str, tuple[str, ...]])
    relay_bytes: int | None = None
    relay_cpu_s: float | None = None
    relay_seconds: float | None = None

    def told(self) -> dict[str, object]:
        told: dict[str, object] = {
            "rows": self.rows,
            "objects": " + ".join(self.objects),
            "tls": self.tls,
            "message": self.message,
            "rows_in_target": self.rows_in_target,
            "seconds": round(self.seconds, 2),
            "rows_per_second": round(self.rows_in_target / self.seconds),
            "mover_cpu_s": round(self.mover_cpu_s, 2),
            "mover_peak_rss_mb": round(self.mover_peak_rss_bytes / 1e6, 1),
            "calls": f"{self.calls_source} + {self.calls_target}",
        }
        if self.relay_cpu_s is not None and self.relay_bytes is not None and self.relay_seconds is not None:
            told["relay_megabytes"] = round(self.relay_bytes / 1e6, 1)
            told["relay_seconds"] = round(self.relay_seconds, 2)
            told["relay_cpu_s"] = round(self.relay_cpu_s, 2)
            told["mover_cpu_over_relay"] = round(self.mover_cpu_s / self.relay_cpu_s, 1)
        return told


def measure(rows: int, *, tls: bool, relay: bool, objects: tuple[str, ...] = ACCOUNTS) -> Figures:
    """Copy `rows` of each object once; with `relay` also let two curls carry the same export into the same target."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "tls" if tls else None
        with (
            start_orgsim(name="from", profile="bench", rows=dict.fromkeys(objects, rows), tls=folder) as source,
            start_orgsim(name="to", profile="bench", rows=dict.fromkeys(objects, 0), seed=2, tls=folder) as target,
        ):
            ca_file = folder / CA_FILE if folder else None
            figures = _copied(rows, objects, (source, target), Path(home), ca_file)
            return _relayed(figures, source, target, ca_file) if relay else figures


def measure_calls(rows: int) -> tuple[Figures, Figures]:
    """Copy `rows` accounts into an empty target, then once more: now each of them is there already."""
    with (
        tempfile.TemporaryDirectory() as home,
        start_orgsim(name="from", profile="bench", rows={"Account": rows}) as source,
        start_orgsim(name="to", profile="bench", rows={"Account": 0}, seed=2) as target,
    ):
        empty = _copied(rows, ACCOUNTS, (source, target), Path(home), None)
        return empty, _copied(rows, ACCOUNTS, (source, target), Path(home), None)


def _copied(
    rows: int, objects: tuple[str, ...], orgs: tuple[Orgsim, Orgsim], home: Path, ca_file: Path | None
) -> Figures:
    source, target = orgs
    text = HEAD + "".join(f"  - object: {name}\n" for name in objects)
    settings = replace(sync_settings(home), ca_file=ca_file)
    began = time.monotonic()
    copying = copy_once(parse_spec(text), _side(source), _side(target), settings=settings, clock=SystemClock())
    result: CopyResult = asyncio.run(copying)
    return Figures(
        rows=rows,
        objects=objects,
        tls=ca_file is not None,
        message=result.message,
        rows_in_target=sum(target.control("GET", "/counts")[name] for name in objects),
        seconds=time.monotonic() - began,
        mover_cpu_s=result.mover_cpu_s or 0.0,
        mover_peak_rss_bytes=result.mover_peak_rss_bytes or 0,
        calls_source=result.calls_source,
        calls_target=result.calls_target,
        columns=_selected(result),
    )


def columns_of(objects: tuple[str, ...], orgs: tuple[Orgsim, Orgsim], home: Path, ca_file: Path) -> Columns:
    """Return which columns a copy of these objects would select; nothing is copied."""
    text = HEAD + "".join(f"  - object: {name}\n" for name in objects)
    settings = replace(sync_settings(home), ca_file=ca_file)
    source, target = map(_side, orgs)
    planning = copy_once(parse_spec(text), source, target, settings=settings, clock=SystemClock(), dry_run=True)
    return _selected(asyncio.run(planning))


def _side(org: Orgsim) -> CopyOrg:
    scheme, _, rest = org.instance_url.partition("://")
    name, _, port = rest.partition(":")
    return CopyOrg(OrgHost(scheme, name, int(port)), Secret(org.access_token))


def _selected(result: CopyResult) -> Columns:
    """Return what the first reading of each object asked for."""
    steps = () if result.plan is None else result.plan.steps
    return {step.source: StepMapping(step).select for step in steps if step.kind is StepKind.LOAD}


def _relayed(figures: Figures, source: Orgsim, target: Orgsim, ca_file: Path | None) -> Figures:
    relayed = relay(figures.columns, (source, target), ca_file, PLAIN)
    return replace(figures, relay_bytes=relayed.size_bytes, relay_cpu_s=relayed.cpu_s, relay_seconds=relayed.seconds)


@dataclass(frozen=True)
class Way:
    """How a relay carries bytes: what it asks for, what it pipes them through, and what it says of them."""

    asking: tuple[str, ...] = ()
    through: str = ""
    saying: tuple[str, ...] = ()


PACKED_HEADER = ("-H", "Content-Encoding: gzip")
PLAIN = Way()
PACKED = Way(("-H", "Accept-Encoding: gzip"), "", PACKED_HEADER)
REPACKED = Way(("--compressed",), "gzip -1 | ", PACKED_HEADER)


@dataclass(frozen=True)
class Relayed:
    """What a relay spent: CPU of all its processes; `size_bytes` as they went into the target."""

    size_bytes: int
    cpu_s: float
    seconds: float


def relay(columns: Columns, orgs: tuple[Orgsim, Orgsim], ca_file: Path | None, way: Way) -> Relayed:
    """Ask for the same exports, then pipe their pages from one curl into another, one object after the other."""
    ask = _Asking(ca_file)
    source, target = orgs
    size, cpu_s, seconds = 0, 0.0, 0.0
    for name, selected in columns.items():
        query = f"SELECT {','.join(selected)} FROM {name}"
        export = ask(source, "POST", "/jobs/query", {"operation": "query", "query": query, "contentType": "CSV"})["id"]
        while ask(source, "GET", f"/jobs/query/{export}")["state"] != "JobComplete":
            time.sleep(0.2)
        wanted = {"object": name, "operation": "upsert", "externalIdFieldName": "SwiftPort_Source_Id__c"}
        upload = ask(target, "POST", "/jobs/ingest", {**wanted, "contentType": "CSV", "lineEnding": "LF"})["id"]
        pages = ask.pages(source, export)
        reading = " && ".join(shlex.join(ask.curl(source, page, *way.asking)) for page in pages)
        put = ask.curl(
            target,
            f"/jobs/ingest/{upload}/batches",
            *("-X", "PUT", "-T", "-", "-H", "Content-Type: text/csv", *way.saying, *SAY_BYTES),
        )
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.monotonic()
        pipe = f"({reading}) | {way.through}{shlex.join(put)}"
        done = subprocess.run(["bash", "-c", pipe], capture_output=True, check=True)
        seconds += time.monotonic() - began
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu_s += after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        size += int(done.stdout)
    return Relayed(size, cpu_s, seconds)


class _Asking:
    """Calls by curl, so that a private authority works the same for all of them."""

    def __init__(self, ca_file: Path | None) -> None:
        self._trust = ["--cacert", str(ca_file)] if ca_file else []

    def curl(self, org: Orgsim, path: str, *more: str) -> list[str]:
        url = f"{org.instance_url}/services/data/{VERSION}{path}"
        return ["curl", "-sS", "--fail", *self._trust, "-H", f"Authorization: Bearer {org.access_token}", *more, url]

    def __call__(self, org: Orgsim, method: str, path: str, body: object = None) -> Any:
        more = ["-X", method]
        if body is not None:
            more += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        return json.loads(subprocess.run(self.curl(org, path, *more), capture_output=True, check=True).stdout)

    def pages(self, org: Orgsim, export: str) -> list[str]:
        """Return the paths of the result's pages; read once, so that the measured reading need not look for them."""
        first = f"/jobs/query/{export}/results"
        found = [first]
        while True:
            head = subprocess.run(
                self.curl(org, found[-1], "-D", "-", "-o", "/dev/null"), capture_output=True, check=True, text=True
            ).stdout
            named = [line.partition(":")[2].strip() for line in head.splitlines() if line.lower().startswith(LOCATOR)]
            if not named or named[0] == "null":
                return found
            found.append(f"{first}?locator={named[0]}")
