"""Drive one mover through a sync job: start it, judge each frame, keep the run's state. For worker and cli alike."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Final, Protocol

import msgspec

from isthmus.sandbox.report import ExitKind, MoverExit, MoverFailure, SandboxReport
from isthmus.sandbox.spawn import Dial, MoverLimits, MoverRefused, mover_command, spawn
from isthmus.sync.flow.frames import BadFrame, Frame, decode
from isthmus.sync.flow.job import ActivateJob, RollbackJob, SyncJob
from isthmus.sync.model import EndReason
from isthmus.sync.run import OutOfOrder, Run, advance, stopped

_FAILURES: Final = {
    MoverFailure.LEASE_REVOKED: EndReason.SOURCE_LEASE_LOST,
    MoverFailure.LEASE_NEEDS_REAUTH: EndReason.SOURCE_LEASE_LOST,
    MoverFailure.LEASE_NOT_RUNNING: EndReason.LEASES_ENDED,
    MoverFailure.LEASES_ENDED: EndReason.LEASES_ENDED,
    MoverFailure.LEASE_UNAVAILABLE: EndReason.SOURCE_UNAVAILABLE,
    MoverFailure.TRANSIENT: EndReason.SOURCE_UNAVAILABLE,
    MoverFailure.LIMITED: EndReason.SOURCE_LIMITED,
    MoverFailure.REFUSED: EndReason.SOURCE_REFUSED,
    MoverFailure.UNREADABLE: EndReason.UNEXPECTED_ANSWER,
    MoverFailure.DIAL_REFUSED: EndReason.SOURCE_UNAVAILABLE,
    MoverFailure.TLS_REFUSED: EndReason.SOURCE_UNAVAILABLE,
    MoverFailure.INCOMPLETE: EndReason.INCOMPLETE_READ,
    MoverFailure.BROKEN_PIPE: EndReason.MOVER_DIED,
    MoverFailure.STOPPED: EndReason.MOVER_DIED,
}
"""What a mover's own last code means where it could not send a last frame (the side is then not known)."""


_REFUSALS: Final = {
    MoverFailure.SANDBOX_REFUSED: EndReason.MOVER_REFUSED,
    # It ended without a word before it had begun: killed, or short of memory or time. The next run goes on.
    MoverFailure.UNEXPECTED: EndReason.MOVER_DIED,
}


class RunningMover(Protocol):
    """A mover as it is driven; `sandbox.spawn.Mover` is the one that is a process."""

    @property
    def pid(self) -> int:
        """Its process."""
        ...

    @property
    def sandbox(self) -> SandboxReport:
        """Its word on its own confinement."""
        ...

    def messages(self) -> AsyncIterator[bytes]:
        """Yield what the job reports until the mover ends."""
        ...

    async def answer(self, message: bytes) -> None:
        """Hand it what a viewer answers to a look."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...

    async def exit(self) -> MoverExit:
        """Wait for the end and return how it ended."""
        ...


class StartMover(Protocol):
    """How a mover comes to be; see `sandbox.spawn.spawn`."""

    def __call__(
        self,
        command: Sequence[str],
        job: bytes,
        *,
        dial: Dial,
        lease_socket: socket.socket,
        limits: MoverLimits,
        allow_no_sandbox: bool,
    ) -> AbstractAsyncContextManager[RunningMover]:
        """Start one on `job`. Raises `MoverRefused`."""
        ...


@dataclass(frozen=True, slots=True)
class Moving:
    """What it takes to start a mover: how to dial an endpoint, and the operator's settings."""

    dial: Dial
    allow_no_sandbox: bool
    loopback: bool
    ca_file: FilePath | None
    limits: MoverLimits
    start: StartMover = spawn


@dataclass(frozen=True, slots=True)
class Driven:
    """How it went. `exit` and `sandbox` are None if no mover would start."""

    run: Run
    exit: MoverExit | None
    sandbox: SandboxReport | None


OnStart = Callable[[RunningMover], Awaitable[None]]
OnFrame = Callable[[Run, Frame], Awaitable[None]]


async def drive(
    job: SyncJob | ActivateJob | RollbackJob,
    *,
    begun: Run,
    moving: Moving,
    lease_socket: socket.socket,
    on_start: OnStart,
    on_frame: OnFrame,
) -> Driven:
    """Run `job` in a mover, from `begun` on.

    `on_frame` gets the run after each frame; a mover that waits for it reads no further.

    Never raises for what a mover does: the run's `end` says it. Whatever the callbacks raise passes through, and the
    mover is killed.
    """
    run = begun
    command = mover_command(loopback=moving.loopback, ca_file=moving.ca_file)
    try:
        async with moving.start(
            command,
            msgspec.json.encode(job),
            dial=moving.dial,
            lease_socket=lease_socket,
            limits=moving.limits,
            allow_no_sandbox=moving.allow_no_sandbox,
        ) as mover:
            await on_start(mover)
            run = await _follow(mover, run, on_frame)
            exit_ = await mover.exit()
            return Driven(_after_exit(run, exit_), exit_, mover.sandbox)
    except MoverRefused as refused:
        return Driven(stopped(run, _REFUSALS.get(refused.failure, EndReason.BUG)), None, None)


async def _follow(mover: RunningMover, run: Run, on_frame: OnFrame) -> Run:
    async for message in mover.messages():
        try:
            frame = decode(message)
            run = advance(run, frame)
        except (BadFrame, OutOfOrder):
            # A mover whose word cannot be trusted is not asked anything further.
            mover.kill()
            return stopped(run, EndReason.BUG)
        await on_frame(run, frame)
    return run


def _after_exit(run: Run, exit_: MoverExit) -> Run:
    return run if run.end is not None else stopped(run, reason_of(exit_))


def reason_of(exit_: MoverExit) -> EndReason:
    """Return why a mover ended that did not say so itself."""
    return EndReason.MOVER_DIED if exit_.kind is ExitKind.DIED else _FAILURES.get(exit_.failure, EndReason.BUG)
