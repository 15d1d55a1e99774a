"""From the worker to whoever looks: sealed messages over a unix socket that exists only while somebody waits at it.

The viewer's process (portal or command) listens under a name made of the look's id; the worker connects when it begins
and hands on what the mover says, which neither can read. Nothing is queued, stored or logged: if nobody waits any more,
the look is over. Both must be on one machine, as everything of `isthmus up` is.

A look that waits for decisions turns this round: the worker listens, under a second name, and whoever has an answer
brings it and takes what became of it. So it makes no difference which process of the portal is asked.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias
from uuid import UUID

from isthmus.salesforce.world import MESSAGE_BYTES_MAX

LENGTH_BYTES: Final = 4
NAME_LETTERS: Final = 12
"""Of the look's id: the path of a unix socket is short, and few looks last at once."""
MESSAGES_MAX: Final = 128
STAYS: Final = b"S"
CarryOut: TypeAlias = Callable[[bytes], Awaitable[bytes]]


class ViewerGone(Exception):
    """Nobody waits at the socket of this look (any more), or the viewer is on another machine."""


class WorkerGone(Exception):
    """The worker has not come, or went away in the middle; or it waits for no answer (any more)."""


_ENDED: Final = (OSError, asyncio.IncompleteReadError, ValueError, ViewerGone, asyncio.CancelledError)
"""How talking to the other side ends. A handler must not end as cancelled: asyncio would print where it stood."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A viewer that waits for its look."""

    arriving: asyncio.Queue[bytes | None]
    callers: Sequence[asyncio.StreamWriter] = ()

    def stay(self) -> None:
        """Tell the worker that this viewer stays while it decides: if it goes away, nobody is waited for any more."""
        for caller in self.callers:
            caller.write(STAYS)

    async def messages(self, timeout_s: float) -> AsyncIterator[bytes]:
        """Yield each message until the worker closes. Raises `WorkerGone` if none comes for `timeout_s` seconds."""
        for _ in range(MESSAGES_MAX):
            try:
                async with asyncio.timeout(timeout_s):
                    message = await self.arriving.get()
            except TimeoutError:
                text = f"the worker said nothing for {timeout_s:.0f} seconds"
                raise WorkerGone(text) from None
            if message is None:
                return
            yield message


@asynccontextmanager
async def waiting(run_dir: Path, look: UUID) -> AsyncGenerator[Waiting]:
    """Listen for the look's worker until the block ends. Begin before the look is asked for."""
    arriving: asyncio.Queue[bytes | None] = asyncio.Queue(MESSAGES_MAX)
    taken = False
    callers: list[asyncio.StreamWriter] = []

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal taken
        callers.append(writer)
        try:
            if not taken and await reader.readexactly(len(look.bytes)) == look.bytes:
                taken = True
                async for message in _frames(reader):
                    await arriving.put(message)
        except _ENDED:
            return
        finally:
            await arriving.put(None)
            writer.close()

    path = _path(run_dir, look)
    server = await asyncio.start_unix_server(take, path=path)
    try:
        path.chmod(0o600)
        yield Waiting(arriving, callers)
    finally:
        for caller in callers:
            caller.close()  # the worker sees that nobody looks any more
        server.close()
        await server.wait_closed()
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


@dataclass(frozen=True, slots=True)
class Relay:
    """The worker's end: hands on messages that it cannot read."""

    writer: asyncio.StreamWriter
    reader: asyncio.StreamReader | None = None

    async def gone(self) -> bool:
        """Wait until the viewer goes away; return whether it had said that it would stay."""
        stays = False
        if self.reader is not None:
            with contextlib.suppress(OSError):
                while await self.reader.read(1):  # a viewer says nothing else here
                    stays = True
        return stays

    async def send(self, message: bytes) -> None:
        """Hand one message on. Raises `ViewerGone`."""
        try:
            self.writer.write(len(message).to_bytes(LENGTH_BYTES, "big") + message)
            await self.writer.drain()
        except OSError:
            raise ViewerGone from None


@asynccontextmanager
async def relay_to(run_dir: Path, look: UUID) -> AsyncGenerator[Relay]:
    """Connect to whoever waits for `look`. Raises `ViewerGone` if nobody does."""
    try:
        reader, writer = await asyncio.open_unix_connection(_path(run_dir, look))
        writer.write(look.bytes)
        await writer.drain()
    except OSError:
        raise ViewerGone from None
    try:
        yield Relay(writer, reader)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


@asynccontextmanager
async def answers_to(run_dir: Path, look: UUID, carry_out: CarryOut) -> AsyncGenerator[None]:
    """The worker's end while a look waits for decisions: each answer goes to `carry_out`, one at a time."""
    turn = asyncio.Lock()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if await reader.readexactly(len(look.bytes)) == look.bytes:
                async for message in _frames(reader):
                    async with turn:
                        reply = await carry_out(message)
                    await Relay(writer).send(reply)
        except _ENDED:
            return
        finally:
            writer.close()

    path = _path(run_dir, look, "answer")
    server = await asyncio.start_unix_server(take, path=path)
    try:
        path.chmod(0o600)
        yield
    finally:
        server.close()
        await server.wait_closed()
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


async def answer(run_dir: Path, look: UUID, message: bytes, timeout_s: float) -> bytes:
    """Bring one answer to a look that waits, and return what became of it, sealed. Raises `WorkerGone`."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_unix_connection(_path(run_dir, look, "answer"))
            try:
                writer.write(look.bytes + len(message).to_bytes(LENGTH_BYTES, "big") + message)
                await writer.drain()
                async for reply in _frames(reader):
                    return reply
            finally:
                writer.close()
    except (OSError, ValueError, asyncio.IncompleteReadError):  # TimeoutError is an OSError
        pass
    text = "nobody waits for a decision any more"
    raise WorkerGone(text)


async def _frames(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while head := await reader.read(LENGTH_BYTES):
        head += await reader.readexactly(LENGTH_BYTES - len(head))
        length = int.from_bytes(head, "big")
        if length > MESSAGE_BYTES_MAX:
            text = "a message is longer than a mover may report"
            raise ValueError(text)
        yield await reader.readexactly(length)


def _path(run_dir: Path, look: UUID, kind: str = "look") -> Path:
    return run_dir / f"{look.hex[:NAME_LETTERS]}.{kind}"
