"""The keeper's unix sockets: one question per connection, from processes of our own user only."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
from pathlib import Path
from typing import Final

import msgspec

from isthmus.journal import Journal
from isthmus.keeper.service import Keeper
from isthmus.orgs import keeper_wire as wire

QUESTION_TIMEOUT_S: Final = 10.0
"""How long a caller may take to put its question."""
CALLERS_MAX: Final = 128
BACKLOG: Final = 64
_CREDENTIALS: Final = struct.Struct("3i")
_requests = msgspec.json.Decoder(wire.Request)


class SocketInUse(Exception):
    """Another keeper answers on this socket; the message says what to do."""


def listen(path: Path) -> socket.socket:
    """Return a listening socket at `path`, mode 0600, replacing one left by a dead keeper. Raises `SocketInUse`."""
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.suppress(FileNotFoundError, ConnectionRefusedError), socket.socket(socket.AF_UNIX) as probe:
        probe.connect(str(path))
        listening.close()
        message = f"another keeper answers at {path}: Isthmus is running here. Stop it first."
        raise SocketInUse(message)
    path.unlink(missing_ok=True)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    finally:
        os.umask(before)
    listening.listen(BACKLOG)
    listening.setblocking(False)  # noqa: FBT003 the standard library's own signature
    return listening


def peer_uid(connection: socket.socket) -> int:
    """Return the user id of the process at the other end, as the kernel knows it."""
    if hasattr(socket, "SO_PEERCRED"):
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        _, uid, _ = _CREDENTIALS.unpack(raw)
        return int(uid)
    # macOS: LOCAL_PEERCRED gives struct xucred {version, uid, ...}.
    raw = connection.getsockopt(0, 1, 76)
    return int(struct.unpack_from("Ii", raw)[1])


async def serve(
    listening: socket.socket, keeper: Keeper, journal: Journal, *, from_worker: bool, allowed_uids: frozenset[int]
) -> None:
    """Answer callers until cancelled. A mistake of ours in one answer ends that answer, not the keeper."""
    loop = asyncio.get_running_loop()
    free = asyncio.Semaphore(CALLERS_MAX)
    async with asyncio.TaskGroup() as callers:
        while True:
            await free.acquire()
            connection, _ = await loop.sock_accept(listening)
            if peer_uid(connection) not in allowed_uids:
                connection.close()
                free.release()
                continue
            task = callers.create_task(_one_question(connection, keeper, journal, from_worker=from_worker))
            task.add_done_callback(lambda _task: free.release())


async def _one_question(connection: socket.socket, keeper: Keeper, journal: Journal, *, from_worker: bool) -> None:
    with connection:
        connection.setblocking(False)  # noqa: FBT003 the standard library's own signature
        try:
            async with asyncio.timeout(QUESTION_TIMEOUT_S):
                request = _requests.decode(await _frame(connection))
        except (OSError, TimeoutError, msgspec.MsgspecError):
            return
        try:
            answer, channel = await keeper.answer(request, from_worker=from_worker)
        except Exception as error:  # noqa: BLE001 - the keeper's edge: an org's answer must not end everybody's leases
            journal.unexpected(error)
            return
        frame = wire.encode(answer)
        try:
            if channel is None:
                await asyncio.get_running_loop().sock_sendall(connection, frame)
                return
            with channel:
                socket.send_fds(connection, [frame], [channel.fileno()])
        except OSError:
            return


async def _frame(connection: socket.socket) -> bytes:
    loop = asyncio.get_running_loop()
    header = await _exactly(loop, connection, wire.LENGTH_BYTES)
    length = int.from_bytes(header, "big")
    if length > wire.FRAME_BYTES_MAX:
        message = "the question is too long"
        raise ConnectionError(message)
    return await _exactly(loop, connection, length)


async def _exactly(loop: asyncio.AbstractEventLoop, connection: socket.socket, count: int) -> bytes:
    received = bytearray()
    while len(received) < count:
        chunk = await loop.sock_recv(connection, count - len(received))
        if not chunk:
            message = "the caller went away"
            raise ConnectionError(message)
        received += chunk
    return bytes(received)
