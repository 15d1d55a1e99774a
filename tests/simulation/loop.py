"""A small event loop for simulations: virtual time, one thread, and a seed that orders whatever is ready.

Callbacks belong to *processes*: the one in whose context they were made. A process can be killed (its tasks are
cancelled, and nothing that they still try reaches the world: see `Process.require_alive`) or frozen for a while (its
callbacks wait, as those of a machine that was paused). Nothing here sleeps, and nothing depends on the real clock.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import sys
import zlib
from asyncio import Task
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, TypeVar

Result = TypeVar("Result")
CALLBACKS_MAX = 400_000
"""More than any honest run takes: whoever gets here turns in a circle."""


class Stuck(AssertionError):
    """The simulation waits for something that will never come, or turns in a circle."""


class Process:
    """Something that can be killed with all that it holds in memory. Children die with it, as a mover does."""

    def __init__(self, name: str, parent: Process | None = None) -> None:
        self.name = name
        self.alive = True
        self.frozen = False
        self.steps_left: int | None = None
        self.tasks: list[Task[Any]] = []
        self.children: list[Process] = []
        self.when_killed: list[Callable[[], None]] = []
        self.held: list[_Handle] = []
        if parent is not None:
            parent.children.append(self)

    def kill(self) -> None:
        """End it as SIGKILL does: no effect of it reaches the world any more."""
        if not self.alive:
            return
        self.alive = False
        for child in self.children:
            child.kill()
        for tell in self.when_killed:
            tell()
        for task in self.tasks:
            task.cancel()

    def require_alive(self) -> None:
        """Stop whoever still runs on behalf of a dead process; every way out into the world asks this first."""
        if not self.alive:
            raise asyncio.CancelledError


PROCESS: ContextVar[Process | None] = ContextVar("simulated process", default=None)


class _Handle:
    """A callback that waits for its turn."""

    __slots__ = ("args", "call", "context", "gone", "moment")

    def __init__(self, call: Callable[..., object], args: tuple[Any, ...], context: Context, moment: float) -> None:
        self.call = call
        self.args = args
        self.context = context
        self.moment = moment
        self.gone = False

    def cancel(self) -> None:
        self.gone = True

    def cancelled(self) -> bool:
        return self.gone

    def when(self) -> float:
        return self.moment


class Pipe:
    """One end of a simulated socket that keeps message borders; `loop.sock_recv` and `sock_sendall` take it."""

    def __init__(self, capacity: int = 64) -> None:
        self.waiting: deque[bytes] = deque()
        self.closed = False
        self.other = self
        self.capacity = capacity
        self._wakes: list[asyncio.Future[None]] = []

    @classmethod
    def pair(cls, capacity: int = 64) -> tuple[Pipe, Pipe]:
        left, right = cls(capacity), cls(capacity)
        left.other, right.other = right, left
        return left, right

    def close(self) -> None:
        self.closed = True
        for end in (self, self.other):
            end.wake()

    def wake(self) -> None:
        wakes, self._wakes = self._wakes, []
        for each in wakes:
            if not each.done():
                each.set_result(None)

    async def send(self, packet: bytes) -> None:
        while len(self.other.waiting) >= self.capacity and not (self.closed or self.other.closed):
            await self._change()
        if self.closed or self.other.closed:
            raise BrokenPipeError
        self.other.waiting.append(packet)
        self.other.wake()

    async def receive(self) -> bytes:
        """Return the next packet; b"" when the other end is closed and nothing is left."""
        while not self.waiting:
            if self.closed or self.other.closed:
                return b""
            await self._change()
        packet = self.waiting.popleft()
        self.other.wake()
        return packet

    async def _change(self) -> None:
        wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wakes.append(wake)
        await wake


class SimLoop(asyncio.AbstractEventLoop):
    """Runs coroutines in virtual time. `trace` is a checksum over all that was noted; equal seeds give equal traces."""

    def __init__(self, seed: int, *, keep_notes: bool = False) -> None:
        self.rng = random.Random(seed)
        self.trace = 0
        self.notes: list[str] | None = [] if keep_notes else None
        self.faults: list[BaseException] = []
        self._now = 0.0
        self._ready: list[_Handle] = []
        self._later: list[tuple[float, int, _Handle]] = []
        self._frozen: list[Process] = []
        self._numbered = 0
        self._ran = 0
        self._running = False

    def note(self, text: str) -> None:
        """Put `text` with the moment into the trace."""
        line = f"{self._now:.4f} {text}"
        self.trace = zlib.crc32(line.encode(), self.trace)
        if self.notes is not None:
            self.notes.append(line)

    def run(self, main: Coroutine[Any, Any, Result]) -> Result:
        """Run `main` to its end; then end whatever else still runs, and see it gone."""
        hooks = sys.get_asyncgen_hooks()
        sys.set_asyncgen_hooks(firstiter=None, finalizer=self._finalise)
        asyncio._set_running_loop(self)
        self._running = True
        try:
            task = self.create_task(main)
            self._until(task.done)
            for process in list(self._frozen):
                self.thaw(process)
            for other in asyncio.all_tasks(self):
                other.cancel()
            self._until(lambda: not asyncio.all_tasks(self))
            return task.result()
        finally:
            self._running = False
            asyncio._set_running_loop(None)
            sys.set_asyncgen_hooks(*hooks)

    def spawn(self, process: Process, work: Coroutine[Any, Any, Result]) -> Task[Result]:
        """Run `work` as a task of `process`."""
        context = copy_context()
        context.run(PROCESS.set, process)
        task = Task(work, loop=self, context=context)
        process.tasks.append(task)
        return task

    def freeze(self, process: Process) -> None:
        """Let a process stand still, as that of a machine that was paused."""
        process.frozen = True
        self._frozen.append(process)

    def thaw(self, process: Process) -> None:
        """Let a frozen process go on."""
        if process not in self._frozen:
            return
        process.frozen = False
        self._frozen.remove(process)
        self._ready += process.held
        process.held.clear()

    def _until(self, over: Callable[[], bool]) -> None:
        pick = self.rng.random
        ready = self._ready
        while not over():
            if not ready:
                self._to_next_moment()
            # The last one takes the place of the one that is picked: no list is moved.
            place = int(pick() * len(ready))
            handle = ready[place]
            ready[place] = ready[-1]
            ready.pop()
            if not handle.gone:
                self._turn(handle)

    def _turn(self, handle: _Handle) -> None:
        process = handle.context.get(PROCESS)
        if process is not None:
            if process.frozen:
                process.held.append(handle)
                return
            if process.steps_left is not None and process.alive:
                process.steps_left -= 1
                if process.steps_left <= 0:
                    self.note(f"kill {process.name}")
                    process.kill()
        self._ran += 1
        if self._ran > CALLBACKS_MAX:
            message = f"more than {CALLBACKS_MAX} callbacks"
            raise Stuck(message)
        handle.context.run(handle.call, *handle.args)

    def _to_next_moment(self) -> None:
        while self._later:
            moment = self._later[0][0]
            while self._later and self._later[0][0] <= moment:
                handle = heapq.heappop(self._later)[2]
                if not handle.gone:
                    self._ready.append(handle)
            if self._ready:
                self._now = max(self._now, moment)
                return
        message = "nothing is ready and nothing is due"
        raise Stuck(message)

    def _finalise(self, generator: AsyncGenerator[Any, Any]) -> None:
        if self._running:
            self.create_task(_closed(generator))

    # What asyncio's own parts ask of a loop.

    def time(self) -> float:
        return self._now

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Any:
        handle = _Handle(callback, args, context or copy_context(), self._now)
        self._ready.append(handle)
        return handle

    def call_at(self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Any:
        handle = _Handle(callback, args, context or copy_context(), when)
        self._numbered += 1
        heapq.heappush(self._later, (when, self._numbered, handle))
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Any:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: str | None = None, context: Context | None = None) -> Task[Any]:
        return Task(coro, loop=self, name=name, context=context)

    async def sock_recv(self, sock: Any, nbytes: int) -> bytes:
        del nbytes
        end: Pipe = sock
        return await end.receive()

    async def sock_sendall(self, sock: Any, data: Any) -> None:
        end: Pipe = sock
        await end.send(bytes(data))

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Keep what nobody awaited; the simulation judges it."""
        error = context.get("exception")
        if isinstance(error, BaseException):
            self.faults.append(error)


async def _closed(generator: AsyncGenerator[Any, Any]) -> None:
    closing: Awaitable[None] = generator.aclose()
    await closing
