"""Confining this process for good, in the order that leaves no gap.

What a mover may do afterwards: compute, and use the sockets that it was given or is handed later.
"""

from __future__ import annotations

import asyncio.selector_events
import os
import resource
import signal
import sys
from collections.abc import Set as AbstractSet
from typing import Final

from isthmus.sandbox.landlock import landlock_abi, restrict_self
from isthmus.sandbox.libc import PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS, PR_SET_PDEATHSIG, Libc, NotLinux, machine
from isthmus.sandbox.probe import probe, process_counts, unconfined
from isthmus.sandbox.report import SandboxReport
from isthmus.sandbox.seccomp import install_filter

DESCRIPTORS_MAX: Final = 65_536


class CannotConfine(Exception):
    """This kernel cannot confine a process as promised, or the probe found a hole."""


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when its parent dies; end at once if it died already. Linux only."""
    if sys.platform != "linux":
        return
    Libc().prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)


def close_others(keep: AbstractSet[int]) -> None:
    """Close every descriptor but 0, 1, 2 and those in `keep`."""
    borders = sorted({0, 1, 2} | keep)
    for low, high in zip(borders, [*borders[1:], DESCRIPTORS_MAX], strict=True):
        os.closerange(low + 1, high)


def forget_sendmsg() -> None:
    """Make asyncio (from Python 3.12 on) write with `send`: `sendmsg`, which can pass descriptors on, is refused."""
    if hasattr(asyncio.selector_events, "_HAS_SENDMSG"):
        setattr(asyncio.selector_events, "_HAS_SENDMSG", False)  # noqa: B010 private, absent in 3.11


def confine(*, allow_no_sandbox: bool) -> SandboxReport:
    """Lock this single-threaded process down and prove it. `close_others` and the event loop come before.

    1. undumpable, no core; 2. no file may grow, no process be made; 3. memory out of swap where permitted; 4. no new
    privileges; 5. Landlock; 6. seccomp; 7. probe. Raises `CannotConfine` if the kernel lacks a part or the probe finds
    a hole, unless `allow_no_sandbox`: then the report says so.
    """
    counts = process_counts()
    try:
        machine()
        libc = Libc()
        abi = landlock_abi(libc)
        if abi == 0 or counts.threads != 1:
            raise CannotConfine
        locked = _shrink(libc)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1)
        restrict_self(libc, abi)
        install_filter(libc)
    except (NotLinux, OSError, CannotConfine):
        if not allow_no_sandbox:
            message = "this kernel lacks Landlock or seccomp"
            raise CannotConfine(message) from None
        return unconfined(counts)
    report = probe(libc, abi, counts, memory_locked=locked)
    if not report.confined and not allow_no_sandbox:
        message = "the probe found a hole"
        raise CannotConfine(message)
    return report


def _shrink(libc: Libc) -> bool:
    libc.prctl(PR_SET_DUMPABLE, 0)
    for limit in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC):
        resource.setrlimit(limit, (0, 0))
    unlimited = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0] == resource.RLIM_INFINITY
    # With a finite limit a later allocation would fail instead: better pages that might be swapped than a dead run.
    return libc.lock_memory() if unlimited or os.geteuid() == 0 else False
