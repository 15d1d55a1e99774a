"""One audit from beginning to end without a database: for the command line and for CI."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from isthmus.audit.figures import Report
from isthmus.audit.options import AuditOptions
from isthmus.clock import Clock
from isthmus.salesforce.world import Endpoint

Dial = Callable[[int], Awaitable[socket.socket]]
OnProgress = Callable[[int, int, int], None]
"""Called with percent, rows and API calls so far."""


@dataclass(frozen=True, slots=True)
class OnceResult:
    """Where the documents lie, what they say, how long it took, how the mover was locked down."""

    report: Report
    files: tuple[Path, ...]
    seconds: float
    sandbox: str
    mover_peak_rss_bytes: int | None
    mover_cpu_s: float | None


async def audit_once(
    endpoint: Endpoint,
    *,
    dial: Dial,
    lease_socket: socket.socket,
    org: str,
    out_dir: Path,
    options: AuditOptions,
    clock: Clock,
    allow_no_sandbox: bool = False,
    on_progress: OnProgress | None = None,
) -> OnceResult:
    """Read the org through a mover, judge, and write report.pdf, report.xlsx, findings.csv, report.json and bundle/.

    `lease_socket` is the end for the mover; the caller answers the other end (`answer_fixed`). The documents appear in
    `out_dir` all together or not at all; files of an earlier audit there are replaced, anything else is left alone.
    Raises `AuditFailed` with what happened and the remedy.
    """
    raise NotImplementedError
