"""Lease channels: one socket per mover, on which it asks for tokens and is told of revocations."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias
from uuid import UUID

import msgspec

from isthmus.db.errors import DatabaseError
from isthmus.orgs.custodian import Custodian
from isthmus.orgs.leasing import LeaseAnswer, NotLeased, lease
from isthmus.salesforce.lease import (
    LEASE_MESSAGE_BYTES_MAX,
    LEASE_S,
    FromKeeper,
    FromMover,
    LeaseGranted,
    LeaseRefused,
    LeaseRevoked,
    MaskKeyGranted,
    MaskKeyRequest,
)
from isthmus.values import ConnectionId, TenantId

CHANNELS_MAX: Final = 256
IsRunning: TypeAlias = Callable[[], Awaitable[bool]]


@dataclass(slots=True, eq=False)
class _Channel:
    socket: socket.socket
    tenant: TenantId
    run: UUID | None
    connections: frozenset[UUID]
    is_running: IsRunning
    generations: dict[UUID, int] = field(default_factory=dict[UUID, int])
    revoked: set[UUID] = field(default_factory=set[UUID])


class TooManyChannels(Exception):
    """More movers than this keeper serves."""


class LeaseChannels:
    """The open channels of one keeper."""

    def __init__(self, custodian: Custodian, tasks: asyncio.TaskGroup) -> None:
        """Serve channels as tasks of `tasks`."""
        self._custodian = custodian
        self._tasks = tasks
        self._open: set[_Channel] = set()
        self._one_refresh: dict[UUID, asyncio.Lock] = {}

    def __len__(self) -> int:
        """How many channels are open."""
        return len(self._open)

    def open(
        self, tenant: TenantId, connections: frozenset[UUID], is_running: IsRunning, *, run: UUID | None = None
    ) -> socket.socket:
        """Return the mover's end of a new channel, and end an older one of the same `run`. Raises `TooManyChannels`.

        The mover of an attempt whose worker is not heard of any more may still be at work: without its channel it stops
        before it can write older values over what the new attempt writes.
        """
        if run is not None:
            self._end_older(run)
        if len(self._open) >= CHANNELS_MAX:
            message = f"the keeper serves {CHANNELS_MAX} movers at most"
            raise TooManyChannels(message)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)  # noqa: FBT003 the standard library's own signature
        channel = _Channel(ours, tenant, run, connections, is_running)
        self._open.add(channel)
        self._tasks.create_task(self._serve(channel))
        return theirs

    def _end_older(self, run: UUID) -> None:
        for channel in self._open:
            if channel.run == run:
                with contextlib.suppress(OSError):  # gone already
                    channel.socket.shutdown(socket.SHUT_RDWR)

    def push_revoked(self, connection: ConnectionId) -> None:
        """Tell every mover that holds a lease of `connection`, now; later answers on its channel are refusals."""
        packet = msgspec.json.encode(LeaseRevoked(connection))
        for channel in self._open:
            if connection in channel.connections:
                channel.revoked.add(connection)
                try:
                    channel.socket.send(packet)
                except OSError:  # gone, or not reading: its lease ends by itself within LEASE_S
                    continue

    def close(self) -> None:
        """End every channel."""
        for channel in self._open:
            channel.socket.close()

    async def _serve(self, channel: _Channel) -> None:
        loop = asyncio.get_running_loop()
        try:
            while True:
                packet = await loop.sock_recv(channel.socket, LEASE_MESSAGE_BYTES_MAX)
                if not packet:
                    return
                request = msgspec.json.decode(packet, type=FromMover)
                answer = await self._answer(channel, request)
                await loop.sock_sendall(channel.socket, msgspec.json.encode(answer))
        except (OSError, msgspec.MsgspecError):
            return  # the mover is gone, or is not one of ours
        finally:
            self._open.discard(channel)
            channel.socket.close()

    async def _answer(self, channel: _Channel, request: FromMover) -> FromKeeper:
        connection = ConnectionId(request.connection)
        if connection not in channel.connections or not await _asked(channel.is_running):
            return LeaseRefused(connection, "not_running")
        if isinstance(request, MaskKeyRequest):
            return MaskKeyGranted(connection, self._custodian.tenant_mask_key(channel.tenant).reveal().hex())
        try:
            found = await self._lease(channel, connection, stale=request.stale)
        except DatabaseError:
            found = NotLeased("unavailable")
        if connection in channel.revoked:
            found = NotLeased("revoked")
        if isinstance(found, NotLeased):
            return LeaseRefused(connection, found.reason)
        channel.generations[connection] = found.generation
        return LeaseGranted(connection, found.token.reveal_text(), found.instance.origin, LEASE_S)

    async def _lease(self, channel: _Channel, connection: ConnectionId, *, stale: bool) -> LeaseAnswer:
        held = channel.generations.get(connection)
        if not stale or held is None:
            return await lease(self._custodian, channel.tenant, connection, stale_generation=None)
        # Waiting here rather than on the row's lock keeps database connections free; the row's lock is what protects.
        waiting = self._one_refresh.setdefault(connection, asyncio.Lock())
        async with waiting:
            return await lease(self._custodian, channel.tenant, connection, stale_generation=held)


async def _asked(is_running: IsRunning) -> bool:
    try:
        return await is_running()
    except DatabaseError:
        return False
