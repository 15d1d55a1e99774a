"""One audit from beginning to end without a database: for the command line and for CI."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from isthmus.audit.collect import AuditJob
from isthmus.audit.collecting.checkpoint import EVERY_S, Keeping
from isthmus.audit.collecting.folder_shelf import FolderShelf, ShelfRefused
from isthmus.audit.collecting.reading import MoverSetting, read_org
from isthmus.audit.evidence.parts import Parts, parts_of
from isthmus.audit.failures import AuditFailed, Failure
from isthmus.audit.figures import Report
from isthmus.audit.given.options import AuditOptions
from isthmus.audit.judge import Judged, judge
from isthmus.audit.model import ProgressMessage
from isthmus.clock import Clock
from isthmus.salesforce.endpoint import Endpoint
from isthmus.salesforce.lease import Lease, answer_fixed
from isthmus.sandbox.packets import packet_pair
from isthmus.sandbox.report import SandboxReport

BUNDLE_DIR: Final = "bundle"
UNFINISHED_DIR: Final = ".isthmus-unfinished"
OPTIONAL: Final = ("renewal.ics", "focus.csv")
"""Documents that only some audits leave."""
OnProgress = Callable[[ProgressMessage], None]


class OutputRefused(Exception):
    """The documents cannot be written where they were asked for; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class OnceResult:
    """Where the documents lie, what they say, how the mover fared; `read_s` of `seconds` went into reading."""

    report: Report
    files: tuple[Path, ...]
    fingerprint: str
    seconds: float
    read_s: float
    sandbox: SandboxReport
    mover_cpu_s: float
    mover_peak_rss_bytes: int


async def audit_once(
    endpoint: Endpoint,
    lease: Lease,
    *,
    org: str,
    out_dir: Path,
    options: AuditOptions,
    mover: MoverSetting,
    clock: Clock,
    on_progress: OnProgress | None = None,
    checkpoint_every_s: float = EVERY_S,
) -> OnceResult:
    """Read the org through a mover, judge, and write report.pdf, report.xlsx, findings.csv, report.json and bundle/.

    The documents appear in `out_dir` complete or not at all: each audit's own files are replaced, anything else there
    is left alone. Raises `AuditFailed` or `OutputRefused` with what happened and the remedy; then there is no document.
    What was read is kept in `UNFINISHED_DIR`: the next audit of this org into this folder goes on from there.
    """
    check_output(out_dir)
    shelf = FolderShelf(out_dir / UNFINISHED_DIR)
    # Where names are to be replaced, none may be written before.
    keeping = Keeping(shelf, clock, checkpoint_every_s) if options.pseudonym_key is None else None
    began_s = clock.monotonic_s()
    ours, theirs = packet_pair()
    answering = asyncio.create_task(answer_fixed(ours, {endpoint.connection: lease}))
    try:
        job = AuditJob([endpoint], options.as_of)
        read = await read_org(job, mover, theirs, _heard, _teller(on_progress), keeping=keeping)
    except ShelfRefused as refused:
        raise OutputRefused(str(refused)) from None
    except AuditFailed as failed:
        if failed.failure is Failure.SIGHT_CHANGED:
            shelf.drop()
        raise
    finally:
        answering.cancel()
        await asyncio.gather(answering, return_exceptions=True)
        ours.close()
    read_s = clock.monotonic_s() - began_s
    sandbox, ended = read.sandbox, read.exit
    judged = await asyncio.to_thread(judge, read.snapshot, options, org)
    del read  # so that it goes when `judged` lets it go
    files = await asyncio.to_thread(write_output, judged, out_dir, lets_go=True)
    shelf.drop()
    return OnceResult(
        report=judged.report,
        files=files,
        fingerprint=judged.fingerprint,
        seconds=clock.monotonic_s() - began_s,
        read_s=read_s,
        sandbox=sandbox,
        mover_cpu_s=ended.cpu_s,
        mover_peak_rss_bytes=ended.memory_max_kb * 1024,
    )


async def _heard(_report: SandboxReport) -> None:
    return


def _teller(on_progress: OnProgress | None) -> Callable[[ProgressMessage], Awaitable[None]]:
    async def tell(message: ProgressMessage) -> None:
        if on_progress is not None:
            on_progress(message)

    return tell


def check_output(out_dir: Path) -> None:
    """Make the folder if it is missing. Raises `OutputRefused` if it is no folder or not ours to write."""
    try:
        out_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".isthmus-", dir=out_dir):
            pass
    except OSError as error:
        message = f"{out_dir} cannot be written ({error.strerror}). Name a folder of your own with --out."
        raise OutputRefused(message) from None
    bundle = out_dir / BUNDLE_DIR
    if bundle.exists() and not (bundle.is_dir() and (bundle / "manifest.json").is_file()):
        message = f"{bundle} exists and is no evidence bundle. Move it away, or name another folder with --out."
        raise OutputRefused(message)


def write_output(judged: Judged, out_dir: Path, *, lets_go: bool = False) -> tuple[Path, ...]:
    """Write everything beside its place first, then move it there. Returns the files and the bundle folder.

    `lets_go`: what was read is dropped once the bundle is written, before the documents are made.
    """
    places = tuple(out_dir / name for name in (*judged.documents, BUNDLE_DIR))
    aside = Path(tempfile.mkdtemp(prefix=".isthmus-", dir=out_dir))
    try:
        fresh = aside / BUNDLE_DIR
        fresh.mkdir(mode=0o700)
        for name in judged.bundle:
            _write(fresh / name, parts_of(judged.bundle, name))
        if lets_go:
            judged.let_go()
        for name in judged.documents:
            _write(aside / name, parts_of(judged.documents, name))
        if (out_dir / BUNDLE_DIR).exists():
            (out_dir / BUNDLE_DIR).rename(aside / "former")
            for name in OPTIONAL:  # of the former audit
                (out_dir / name).unlink(missing_ok=True)
        for place in places:
            (aside / place.name).replace(place)
    except OSError as error:
        message = f"{out_dir} cannot be written ({error.strerror}). Free some space, or name another folder with --out."
        raise OutputRefused(message) from None
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return places


def _write(place: Path, parts: Parts) -> None:
    place.touch(mode=0o600)
    with place.open("wb") as file:
        for part in parts:
            file.write(part)
