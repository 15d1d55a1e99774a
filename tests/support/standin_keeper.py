"""A stand-in for the keeper at its socket: signs tickets as the keeper would and leases fixed tokens.

It speaks the keeper's own wire format over a real unix socket, asks the same definer functions whose a subject is, and
can revoke. What it lacks is what these tests do not need: a vault and OAuth.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import msgspec

from isthmus.db.address import Role
from isthmus.orgs import keeper_wire as wire
from isthmus.salesforce.lease import LEASE_S, Lease, LeaseGranted, LeaseRefused, LeaseRequest, LeaseRevoked
from isthmus.sandbox.packets import packet_pair
from tests.support.postgres import FreshDatabase, TestTenant

SUBJECTS = {
    "sync": "select connections from sync.run_subject(%s)",
    "activation": "select connections from sync.activation_subject(%s)",
    "look": "select connections from sync.look_subject(%s)",
    "schema": "select connections from orgs.connection_subject(%s)",
}


@dataclass
class StandinKeeper:
    """`leases` are the tokens that it gives out; `revoke` takes one back at once."""

    database: FreshDatabase
    tenant: TestTenant
    leases: dict[UUID, Lease]
    channels: list[socket.socket] = field(default_factory=list)
    revoked: set[UUID] = field(default_factory=set)
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def revoke(self, connection: UUID) -> None:
        """Mark the connection as revoked and push it to every mover, as the keeper does."""
        self.revoked.add(connection)
        admin = await self.database.superuser()
        await admin.execute(
            "update orgs.connection set state = 'revoked', epoch = epoch + 1 where id = %s", (connection,)
        )
        for channel in self.channels:
            with contextlib.suppress(OSError):
                channel.send(msgspec.json.encode(LeaseRevoked(connection)))

    def go_away(self) -> None:
        """Break every channel of leases, as a keeper does that ends; new ones can be had at once."""
        for channel in self.channels:
            with contextlib.suppress(OSError):
                channel.shutdown(socket.SHUT_RDWR)
        self.channels.clear()

    async def answer(self, request: wire.Request) -> tuple[wire.Answer, socket.socket | None]:
        match request:
            case wire.RunTicket(run_kind=kind, subject=subject):
                admin = await self.database.superuser()
                row = await (await admin.execute(SUBJECTS[kind], (subject,))).fetchone()
                if row is None:
                    return wire.Failed("refused", "there is nothing to work on"), None
                return wire.TicketGiven(self.database.ticket(Role.WORKER, self.tenant).text), None
            case wire.OpenLeases():
                ours, theirs = packet_pair()
                ours.setblocking(False)
                self.channels.append(ours)
                self._spawn(self._lease(ours))
                return wire.Done(), theirs
            case _:
                return wire.Failed("refused", "the stand-in does not do this"), None

    async def serve(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(listener)
            self._spawn(self._serve_one(connection))

    async def _serve_one(self, connection: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with connection:
            head = await loop.sock_recv(connection, 4)
            body = b""
            while len(body) < int.from_bytes(head, "big"):
                body += await loop.sock_recv(connection, 65536)
            answer, channel = await self.answer(msgspec.json.decode(body, type=wire.Request))
            descriptors = [] if channel is None else [channel.fileno()]
            socket.send_fds(connection, [wire.encode(answer)], descriptors)
            if channel is not None:
                channel.close()

    async def _lease(self, channel: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            while packet := await loop.sock_recv(channel, 65536):
                request = msgspec.json.decode(packet, type=LeaseRequest)
                lease = self.leases[request.connection]
                if request.connection in self.revoked:
                    answer: object = LeaseRefused(request.connection, "revoked")
                elif request.stale:
                    answer = LeaseRefused(request.connection, "needs_reauth")
                else:
                    token = lease.token.reveal_text()
                    answer = LeaseGranted(request.connection, token, lease.instance.origin, LEASE_S)
                await loop.sock_sendall(channel, msgspec.json.encode(answer))

    def _spawn(self, work: object) -> None:
        task = asyncio.ensure_future(work)  # pyright: ignore[reportArgumentType] - a coroutine
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


@asynccontextmanager
async def standin_keeper(
    path: Path, database: FreshDatabase, tenant: TestTenant, leases: dict[UUID, Lease]
) -> AsyncIterator[StandinKeeper]:
    """Serve at `path` until the block ends."""
    path.unlink(missing_ok=True)
    keeper = StandinKeeper(database, tenant, leases)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(32)
        listener.setblocking(False)
        serving = asyncio.create_task(keeper.serve(listener))
        try:
            yield keeper
        finally:
            serving.cancel()
            for task in list(keeper.tasks):
                task.cancel()
            await asyncio.gather(serving, *keeper.tasks, return_exceptions=True)
            for channel in keeper.channels:
                channel.close()
            path.unlink(missing_ok=True)
