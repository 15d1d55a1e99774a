"""The mover's own attempt to break out, made after lockdown and before the first record: all of it must fail."""

from __future__ import annotations

import errno
import importlib
import mmap
import os
import resource
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from isthmus.sandbox.libc import (
    PR_GET_DUMPABLE,
    PR_GET_NO_NEW_PRIVS,
    PR_GET_SECCOMP,
    Libc,
    syscall_numbers,
)
from isthmus.sandbox.report import Probe, SandboxReport

_AT_FDCWD: Final = -100
_CLONE_THREAD: Final = 0x00010000  # without CLONE_SIGHAND an unconfined kernel answers EINVAL
_PTRACE_SEIZE: Final = 0x4206  # of process 0: an unconfined kernel answers ESRCH
_IPC_CREATE: Final = 0o1000
_EMPTY_FLAGS: Final = 0
_UNIMPORTED_MODULE: Final = "mailbox"
_SECCOMP_FILTER: Final = 2


@dataclass(frozen=True, slots=True)
class ProcessCounts:
    """What must be read before lockdown, because afterwards nothing can be opened."""

    threads: int
    descriptors: int
    swap_kb: int


def process_counts() -> ProcessCounts:
    """Return threads, open descriptors and swapped memory of this process; zeros where there is no /proc."""
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        # One of them is the descriptor that lists them.
        descriptors = len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208 no Path objects needed
    except OSError:
        return ProcessCounts(threads=0, descriptors=0, swap_kb=0)
    values = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if len(line.split()) > 1}
    return ProcessCounts(int(values["Threads"]), descriptors, int(values.get("VmSwap", "0")))


def unconfined(counts: ProcessCounts) -> SandboxReport:
    """Return the report of a process that is not confined: the promise is withdrawn."""
    return SandboxReport(
        confined=False,
        landlock_abi=0,
        seccomp_mode=0,
        no_new_privs=0,
        dumpable=1,
        memory_locked=False,
        core_limit=resource.getrlimit(resource.RLIMIT_CORE)[0],
        file_size_limit=resource.getrlimit(resource.RLIMIT_FSIZE)[0],
        processes_limit=resource.getrlimit(resource.RLIMIT_NPROC)[0],
        threads=counts.threads,
        descriptors=counts.descriptors,
        swap_kb=counts.swap_kb,
        tried=0,
        refused=0,
    )


def probe(libc: Libc, abi: int, counts: ProcessCounts, *, memory_locked: bool) -> SandboxReport:
    """Try everything that must fail and report. The positive control: memory may be mapped, time be read."""
    attempts = _attempts(libc)
    refused = 0
    for what, attempt in attempts.items():
        if _is_refused(attempt):
            refused |= 1 << what
    tried = sum(1 << what for what in attempts)
    seccomp_mode = libc.prctl(PR_GET_SECCOMP)
    no_new_privs = libc.prctl(PR_GET_NO_NEW_PRIVS)
    dumpable = libc.prctl(PR_GET_DUMPABLE)
    limits = [
        resource.getrlimit(name)[0] for name in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE, resource.RLIMIT_NPROC)
    ]
    mmap.mmap(-1, mmap.PAGESIZE).close()
    confined = refused == tried and seccomp_mode == _SECCOMP_FILTER and no_new_privs == 1 and dumpable == 0
    return SandboxReport(
        confined=confined and not any(limits),
        landlock_abi=abi,
        seccomp_mode=seccomp_mode,
        no_new_privs=no_new_privs,
        dumpable=dumpable,
        memory_locked=memory_locked,
        core_limit=limits[0],
        file_size_limit=limits[1],
        processes_limit=limits[2],
        threads=counts.threads,
        descriptors=counts.descriptors,
        swap_kb=counts.swap_kb,
        tried=tried,
        refused=refused,
    )


def _is_refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except ImportError:
        return True
    except OSError as error:
        # Any other error means that the kernel went on to look at the (useless) arguments: the door is open.
        return error.errno in {errno.EPERM, errno.EACCES}
    return False


def _attempts(libc: Libc) -> dict[Probe, Callable[[], object]]:
    """Return the attempts. Unconfined, each would have no effect or fail by its arguments, not for want of a right."""
    number = syscall_numbers()
    call = libc.syscall
    return {
        Probe.OPEN_READ: lambda: call(number["openat"], _AT_FDCWD, b"/proc/self/status", os.O_RDONLY, 0),
        Probe.OPEN_WRITE: lambda: call(number["openat"], _AT_FDCWD, b"/dev/null", os.O_WRONLY, 0),
        Probe.SOCKET: lambda: call(number["socket"], socket.AF_INET, socket.SOCK_STREAM, 0),
        Probe.CONNECT: lambda: call(number["connect"], -1, None, 0),
        Probe.BIND: lambda: call(number["bind"], -1, None, 0),
        Probe.SENDMSG: lambda: call(number["sendmsg"], -1, None, 0),
        Probe.FORK: _fork,
        Probe.THREAD: lambda: call(number["clone"], _CLONE_THREAD, None, None, None, None),
        Probe.EXEC: lambda: call(number["execve"], b"/nonexistent", None, None),
        Probe.PTRACE: lambda: call(number["ptrace"], _PTRACE_SEIZE, 0, 0, 0),
        Probe.MEMFD: lambda: call(number["memfd_create"], None, 0),
        Probe.SHM: lambda: call(number["shmget"], 0, 0, _IPC_CREATE),
        Probe.KEYRING: lambda: call(number["add_key"], None, None, None, 0, 0),
        Probe.XATTR: lambda: call(number["setxattr"], None, None, None, 0, 0),
        Probe.UTIME: lambda: call(number["utimensat"], _AT_FDCWD, None, None, _EMPTY_FLAGS),
        Probe.IO_URING: lambda: call(number["io_uring_setup"], 0, None),
        Probe.UNSHARE: lambda: call(number["unshare"], 0),
        Probe.VM_WRITE: lambda: call(number["process_vm_writev"], os.getpid(), None, 0, None, 0, 0),
        Probe.KILL: lambda: call(number["kill"], os.getpid(), 0),
        Probe.IMPORT: lambda: importlib.import_module(_UNIMPORTED_MODULE),
    }


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)
