"""The parent's side of a mover: start it, hand it its job and dialled sockets, take its messages, see it end.

The mover inherits three sockets and nothing else: control (job in, reports out), dial (requests for connections) and
lease (straight to the keeper). What it writes to stdout or stderr is counted and thrown away.
"""

from __future__ import annotations

import asyncio
import os
import site
import socket
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from isthmus.egress.errors import DialRefused, EgressError
from isthmus.sandbox.packets import (
    ANSWER,
    DIAL_OK,
    DIAL_REFUSED,
    DIAL_REPLY,
    DIAL_REQUEST,
    DIAL_UNREACHABLE,
    EXIT,
    EXIT_FRAME,
    MESSAGE,
    PACKET_BYTES_MAX,
    SANDBOX,
    STOP,
    job_packets,
    packet_pair,
)
from isthmus.sandbox.report import ExitKind, MoverExit, MoverFailure, SandboxReport

Dial: TypeAlias = Callable[[int], Awaitable[socket.socket]]
"""Endpoint index → connected, non-blocking TCP socket, already judged and pinned. May raise `EgressError`."""

MOVER_ENVIRONMENT: Final[Mapping[str, str]] = {
    # One thread only: Landlock does not bind threads that exist already.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "LC_ALL": "C.UTF-8",
    # aiohttp makes a context of its own when it is loaded, which nothing here uses: let it trust nobody, and read no
    # file of certificates, which takes as long as the rest of it. `egress.tls` reads the roots that count, by name.
    "SSL_CERT_FILE": os.devnull,
    "SSL_CERT_DIR": os.devnull,
}
_DRAIN_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class MoverLimits:
    """Bounds of one mover. `dials_max` counts connections over its whole life."""

    start_s: float = 60.0
    stop_s: float = 5.0
    dials_max: int = 10_000


class MoverRefused(Exception):
    """No mover may run here: the kernel cannot confine it, or it died before it said so. The message has the remedy."""

    def __init__(self, message: str, failure: MoverFailure) -> None:
        """Keep why."""
        super().__init__(message)
        self.failure = failure


def mover_command(*, loopback: bool, ca_file: Path | None) -> tuple[str, ...]:
    """Return the command line of a mover: this Python, cut off from the environment, and two settings.

    Without `site` (`-S`): no `.pth` file of the environment is run, and the mover starts sooner. It also starts without
    looking for garbage, see `isthmus.worker.mover`.
    """
    roots = list(dict.fromkeys([*site.getsitepackages(), str(Path(__file__).parents[2])]))
    begin = f"import gc, sys; gc.disable(); sys.path += {roots!r}; from isthmus.worker.mover import main; main()"
    command = [sys.executable, "-I", "-S", "-B", "-X", "utf8", "-c", begin]
    if loopback:
        command.append("--loopback")
    if ca_file is not None:
        command.append(f"--ca-file={ca_file}")
    return tuple(command)


@dataclass(slots=True)
class _Output:
    bytes: int = 0


class Mover:
    """A running mover. Take its messages, then ask `exit` how it ended."""

    def __init__(
        self, process: Process, control: socket.socket, sandbox: SandboxReport, limits: MoverLimits, output: _Output
    ) -> None:
        """Made by `spawn` only."""
        self.pid = process.pid
        self.sandbox = sandbox
        self._process = process
        self._control = control
        self._limits = limits
        self._last: bytes | None = None
        self._output = output
        self._ended = False
        self._stopping = False

    async def messages(self) -> AsyncIterator[bytes]:
        """Yield what the job reports until the mover ends. A reader that waits makes the mover wait."""
        while (packet := await self._packet()) is not None:
            yield packet

    async def answer(self, message: bytes) -> None:
        """Hand a viewer's sealed answer to the mover. Does nothing if the mover has ended."""
        with suppress(OSError):
            await asyncio.get_running_loop().sock_sendall(self._control, ANSWER + message)

    async def stop(self) -> None:
        """Ask the mover to stop, and kill it if it has not ended within `limits.stop_s`."""
        self._stopping = True
        with suppress(OSError):
            await asyncio.get_running_loop().sock_sendall(self._control, STOP)
        try:
            async with asyncio.timeout(self._limits.stop_s):
                await self._drain()
                await self._process.wait()
        except TimeoutError:
            self.kill()
        await self._process.wait()

    async def exit(self) -> MoverExit:
        """Wait for the end (messages not yet taken are dropped) and return how it ended."""
        await self._drain()
        status = await self._process.wait()
        failure, detail, cpu_us, memory_kb = (MoverFailure.UNEXPECTED, 0, 0, 0)
        if self._last is not None:
            number, detail, cpu_us, memory_kb = EXIT_FRAME.unpack(self._last)
            failure = MoverFailure(number)
        return MoverExit(
            kind=self._kind(status, failure),
            failure=failure,
            detail=detail,
            signal=-status if status < 0 else 0,
            exit_status=max(status, 0),
            output_bytes=self._output.bytes,
            cpu_s=cpu_us / 1e6,
            memory_max_kb=memory_kb,
        )

    def kill(self) -> None:
        """Kill the mover at once."""
        with suppress(ProcessLookupError):
            self._process.kill()

    def _kind(self, status: int, failure: MoverFailure) -> ExitKind:
        if self._stopping:
            return ExitKind.STOPPED
        if self._last is None:
            return ExitKind.DIED
        return ExitKind.DONE if status == 0 and failure is MoverFailure.NONE else ExitKind.FAILED

    async def _packet(self) -> bytes | None:
        """Return the next message, or None at the end."""
        while not self._ended:
            packet = await _receive(self._control, self._process)
            if packet[:1] == MESSAGE:
                return packet[1:]
            if packet[:1] == EXIT and len(packet) == 1 + EXIT_FRAME.size:
                self._last = packet[1:]
            self._ended = not packet or self._last is not None
        return None

    async def _drain(self) -> None:
        while await self._packet() is not None:
            pass


@asynccontextmanager
async def spawn(
    command: Sequence[str],
    job: bytes,
    *,
    dial: Dial,
    lease_socket: socket.socket,
    limits: MoverLimits,
    allow_no_sandbox: bool,
) -> AsyncGenerator[Mover]:
    """Start a mover on `job` and yield it once it has reported its confinement; leaving kills it if it still runs.

    Takes over `lease_socket` (closed here). Raises `MoverRefused`.
    """
    control, control_theirs = packet_pair()
    dial_ours, dial_theirs = packet_pair()
    with control, dial_ours:
        with control_theirs, dial_theirs, lease_socket:
            inherited = (control_theirs.fileno(), dial_theirs.fileno(), lease_socket.fileno())
            process = await _start(command, inherited, allow_no_sandbox=allow_no_sandbox)
        output = _Output()
        helpers = [
            asyncio.create_task(_answer_dials(dial_ours, dial, limits.dials_max)),
            *(asyncio.create_task(_discard(stream, output)) for stream in (process.stdout, process.stderr)),
        ]
        try:
            sandbox = await _begin(process, control, job, limits)
            yield Mover(process, control, sandbox, limits, output)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            for helper in helpers:
                helper.cancel()
            await asyncio.gather(*helpers, return_exceptions=True)


async def _start(command: Sequence[str], inherited: tuple[int, int, int], *, allow_no_sandbox: bool) -> Process:
    control, dial, lease = inherited
    arguments = [f"--control={control}", f"--dial={dial}", f"--lease={lease}", f"--parent={os.getpid()}"]
    if allow_no_sandbox:
        arguments.append("--allow-no-sandbox")
    return await asyncio.create_subprocess_exec(
        *command,
        *arguments,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=inherited,
        env=MOVER_ENVIRONMENT,
        cwd="/",
    )


async def _begin(process: Process, control: socket.socket, job: bytes, limits: MoverLimits) -> SandboxReport:
    """Hand over the job and wait for the mover's word on its confinement."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(limits.start_s):
            for packet in job_packets(job):
                await loop.sock_sendall(control, packet)
            first = await _receive(control, process)
    except (TimeoutError, OSError):
        first = b""
    if first[:1] == SANDBOX:
        return msgspec.json.decode(first[1:], type=SandboxReport)
    failure = MoverFailure.UNEXPECTED
    if first[:1] == EXIT and len(first) == 1 + EXIT_FRAME.size:
        failure = MoverFailure(EXIT_FRAME.unpack(first[1:])[0])
    if failure is MoverFailure.SANDBOX_REFUSED:
        message = (
            "This kernel cannot lock the mover down (it needs Landlock and seccomp: Linux 5.13 or newer, and a "
            "container runtime that permits both). To go on without that promise set ISTHMUS_ALLOW_NO_SANDBOX=1."
        )
    elif failure is MoverFailure.BAD_JOB:
        message = "The mover does not understand its job: portal, worker and mover are of different versions."
    else:
        message = "The mover ended before it had begun. Run `isthmus doctor`."
    raise MoverRefused(message, failure)


async def _receive(control: socket.socket, process: Process) -> bytes:
    """Return the next packet, or b"" when the mover has ended."""
    loop = asyncio.get_running_loop()
    if sys.platform == "linux":
        try:
            return await loop.sock_recv(control, PACKET_BYTES_MAX)
        except OSError:
            return b""
    # Datagrams do not tell that the other side is gone: watch the process too.
    receive = asyncio.ensure_future(loop.sock_recv(control, PACKET_BYTES_MAX))
    ended = asyncio.ensure_future(process.wait())
    await asyncio.wait({receive, ended}, return_when=asyncio.FIRST_COMPLETED)
    ended.cancel()
    if receive.done():
        return receive.result()
    receive.cancel()
    try:
        return control.recv(PACKET_BYTES_MAX)
    except OSError:
        return b""


async def _discard(stream: asyncio.StreamReader | None, output: _Output) -> None:
    while stream is not None and (chunk := await stream.read(_DRAIN_BYTES)):
        output.bytes += len(chunk)


async def _answer_dials(dial_socket: socket.socket, dial: Dial, dials_max: int) -> None:
    """Dial what the mover asks for and pass the sockets in. Ends when the mover does."""
    loop = asyncio.get_running_loop()
    dials = 0
    async with asyncio.TaskGroup() as tasks:
        while True:
            try:
                request = await loop.sock_recv(dial_socket, PACKET_BYTES_MAX)
            except OSError:
                return
            if len(request) != DIAL_REQUEST.size:
                return
            number, endpoint = DIAL_REQUEST.unpack(request)
            dials += 1
            if dials > dials_max:
                _reply(dial_socket, number, DIAL_REFUSED)
            else:
                tasks.create_task(_answer_dial(dial_socket, dial, number, endpoint))


async def _answer_dial(dial_socket: socket.socket, dial: Dial, number: int, endpoint: int) -> None:
    try:
        dialled = await dial(endpoint)
    except (DialRefused, IndexError, KeyError):
        _reply(dial_socket, number, DIAL_REFUSED)
    except (EgressError, OSError):
        _reply(dial_socket, number, DIAL_UNREACHABLE)
    else:
        with dialled:
            _reply(dial_socket, number, DIAL_OK, dialled)


def _reply(dial_socket: socket.socket, number: int, outcome: int, dialled: socket.socket | None = None) -> None:
    # A full buffer or a dead mover: the mover's own time limit, or its end, settles it.
    with suppress(OSError):
        socket.send_fds(dial_socket, [DIAL_REPLY.pack(number, outcome)], [] if dialled is None else [dialled.fileno()])
