"""What a mover says about its own confinement, and how it ended: numbers only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

import msgspec


class Probe(IntEnum):
    """One thing that a locked-down mover must not be able to do. The numbers are bits of `SandboxReport.refused`."""

    OPEN_READ = 0
    OPEN_WRITE = 1
    SOCKET = 2
    FORK = 3
    EXEC = 4
    PTRACE = 5
    MEMFD = 6
    SHM = 7
    KEYRING = 8
    XATTR = 9
    UTIME = 10
    IO_URING = 11
    UNSHARE = 12
    VM_WRITE = 13
    SENDMSG = 14
    THREAD = 15
    CONNECT = 16
    BIND = 17
    KILL = 18
    IMPORT = 19


class SandboxReport(msgspec.Struct, frozen=True, kw_only=True):
    """The confinement of one mover as its own probe found it after lockdown, before the first record.

    `refused` has the bit of each :class:`Probe` that was tried and refused; `tried` of each that was tried.
    `landlock_abi` is 0 without Landlock, `seccomp_mode` 2 when a filter is active.
    """

    confined: bool
    landlock_abi: int
    seccomp_mode: int
    no_new_privs: int
    dumpable: int
    memory_locked: bool
    core_limit: int
    file_size_limit: int
    processes_limit: int
    threads: int
    descriptors: int
    swap_kb: int
    tried: int
    refused: int

    @property
    def withdrawn(self) -> bool:
        """Whether the promise does not hold for this mover (the operator allowed it to run all the same)."""
        return not self.confined


class MoverFailure(IntEnum):
    """Why a mover gave up. A closed list: no text leaves a mover."""

    NONE = 0
    UNEXPECTED = 1  # an exception of ours: a bug
    SANDBOX_REFUSED = 2  # the kernel cannot confine us and the operator has not allowed that
    BAD_JOB = 3
    LEASE_REVOKED = 4  # somebody revoked the connection: stop, do not retry
    LEASE_NEEDS_REAUTH = 5  # the org no longer accepts the grant: a person must reconnect
    LEASE_NOT_RUNNING = 6  # the keeper no longer knows this run
    LEASE_UNAVAILABLE = 7  # the keeper could not answer: may be retried
    TRANSIENT = 8  # the org was unavailable or the connection broke: may be retried
    LIMITED = 9  # the org's API allowance is used up
    REFUSED = 10  # the org refused; `detail` is the ordinal of the StatusCode
    UNREADABLE = 11  # the org's answer is not what its documentation promises
    DIAL_REFUSED = 12  # the host or its address is not permitted
    TLS_REFUSED = 13
    REQUEST_DENIED = 14  # our own policy refused a request: a bug
    INCOMPLETE = 15  # fewer or more rows arrived than the org said there are
    STOPPED = 16  # asked to stop
    BROKEN_PIPE = 17  # the parent went away
    LEASES_ENDED = 18  # the keeper went away: may be retried


class ExitKind(StrEnum):
    """How a mover ended."""

    DONE = "done"
    FAILED = "failed"  # it said so itself: see `failure`
    STOPPED = "stopped"  # we asked, it obeyed or was killed
    DIED = "died"  # killed by a signal or gone without a word: see `signal`


@dataclass(frozen=True, slots=True)
class MoverExit:
    """How a mover ended. `output_bytes` counts what it wrote to stdout and stderr (discarded, must be 0)."""

    kind: ExitKind
    failure: MoverFailure
    detail: int
    signal: int
    exit_status: int
    output_bytes: int
    cpu_s: float
    memory_max_kb: int
