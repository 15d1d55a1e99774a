"""Movers of a simulation: the real work in a simulated process, with the real leases and the real frames."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from isthmus.clock import Clock
from isthmus.salesforce.endpoint import Endpoint
from isthmus.salesforce.lease import LeaseBook, Leases
from isthmus.salesforce.session import Session, Wire
from isthmus.salesforce.world import MoverWorld, Report
from isthmus.sandbox.report import ExitKind, MoverExit, MoverFailure, SandboxReport
from isthmus.sandbox.spawn import Dial, MoverLimits, MoverRefused
from isthmus.sync.flow.job import SyncJob
from isthmus.worker.mover import carry_out, failure_of, load_job
from tests.simulation.loop import PROCESS, Pipe, Process, SimLoop

PACKETS_MAX: Final = 6
"""So few reports wait for a slow worker: a mover meets a full socket often."""
SANDBOX: Final = SandboxReport(
    confined=True, landlock_abi=4, seccomp_mode=2, no_new_privs=1, dumpable=0, memory_locked=True, core_limit=0,
    file_size_limit=0, processes_limit=0, threads=1, descriptors=4, swap_kb=0, tried=1, refused=1,
)  # fmt: skip


@dataclass(frozen=True)
class Parts:
    """What a mover is made of. A planted bug puts another part in the place of one of these."""

    wire: Callable[[Process, int, Endpoint], Wire]
    leases: Callable[[LeaseBook, Endpoint], Leases]
    report: Callable[[Report], Report]
    job: Callable[[SyncJob], SyncJob]
    deaf: bool = False
    """Nobody listens to the keeper: only a planted bug is so."""


class SimMover:
    """A running mover, as its worker sees it."""

    def __init__(self, process: Process, control: Pipe) -> None:
        self.pid = 1
        self.sandbox = SANDBOX
        self.ended = asyncio.Event()
        self.failure: tuple[MoverFailure, int] | None = None
        self._process = process
        self._control = control

    async def messages(self) -> AsyncIterator[bytes]:
        while packet := await self._control.receive():
            yield packet

    async def answer(self, message: bytes) -> None:
        """Nobody looks in the simulation."""

    def kill(self) -> None:
        self._process.kill()

    async def exit(self) -> MoverExit:
        await self.ended.wait()
        failure, detail = self.failure or (MoverFailure.UNEXPECTED, 0)
        done = failure is MoverFailure.NONE
        kind = ExitKind.DIED if self.failure is None else ExitKind.DONE if done else ExitKind.FAILED
        return MoverExit(kind, failure, detail, 9 if self.failure is None else 0, 0, 0, 0.0, 0)


class SimReport:
    """The mover's way out; every packet passes the judge's eyes."""

    def __init__(self, process: Process, control: Pipe, seen: Callable[[bytes], None]) -> None:
        self._process = process
        self._control = control
        self._seen = seen

    async def send(self, message: bytes) -> None:
        self._process.require_alive()
        self._seen(message)
        await self._control.send(message)


class Movers:
    """Starts movers; stands where `sandbox.spawn.spawn` stands."""

    def __init__(self, loop: SimLoop, parts: Parts, clock: Clock, seen: Callable[[bytes], None]) -> None:
        self._loop = loop
        self._parts = parts
        self._clock = clock
        self._seen = seen
        self.running: list[Process] = []
        self.no_start = 0.0
        self.bugs: list[BaseException] = []

    @asynccontextmanager
    async def start(
        self,
        command: Sequence[str],
        job: bytes,
        *,
        dial: Dial,
        lease_socket: Any,
        limits: MoverLimits,
        allow_no_sandbox: bool,
    ) -> AsyncGenerator[SimMover]:
        del command, dial, limits, allow_no_sandbox
        await asyncio.sleep(self._loop.rng.random())
        if self.no_start and self._loop.rng.random() < self.no_start:
            lease_socket.close()
            message = "ended before it had begun"
            raise MoverRefused(message, MoverFailure.UNEXPECTED)
        process = Process("mover", PROCESS.get())
        ours, theirs = Pipe.pair(PACKETS_MAX)
        mover = SimMover(process, ours)
        process.when_killed += [theirs.close, lease_socket.close, mover.ended.set]
        self.running.append(process)
        self._loop.spawn(process, self._main(process, mover, job, theirs, lease_socket))
        try:
            yield mover
        finally:
            process.kill()
            self.running.remove(process)

    async def _main(self, process: Process, mover: SimMover, packed: bytes, control: Pipe, lease: Any) -> None:
        wanted = self._parts.job(msgspec.json.decode(packed, type=SyncJob))
        loaded = load_job(msgspec.json.encode(wanted))
        book = LeaseBook(lease, self._clock, loopback=True)
        sessions = [
            Session(
                self._parts.wire(process, index, endpoint),
                self._parts.leases(book, endpoint),
                endpoint.api_version,
                self._clock,
            )
            for index, endpoint in enumerate(loaded.endpoints)
        ]
        report = self._parts.report(SimReport(process, control, self._seen))
        world = MoverWorld(sessions, report, self._clock)
        try:
            listening = _deaf(book) if self._parts.deaf else book.run()
            await carry_out(loaded.work, world, [listening])
        except asyncio.CancelledError:
            if process.alive:
                raise
            return
        except BaseException as error:
            mover.failure = failure_of(error)
            if mover.failure[0] is MoverFailure.UNEXPECTED and process.alive:
                self.bugs.append(error)
        else:
            mover.failure = (MoverFailure.NONE, 0)
        if not process.alive:
            mover.failure = None
        control.close()
        lease.close()
        mover.ended.set()


async def _deaf(book: LeaseBook) -> None:
    """Listen, and make nothing of what ends it."""
    while True:
        with suppress(BaseExceptionGroup):
            await book.run()
        await asyncio.sleep(1.0)
