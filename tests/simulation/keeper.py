"""The keeper of a simulation: tickets, leases, revocations. It can be away, and it can be killed."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec

from isthmus.db.ticket import Ticket
from isthmus.orgs.keeper_client import KeeperRefused, KeeperUnavailable, RunKind
from isthmus.salesforce.lease import FromKeeper, LeaseGranted, LeaseRefused, LeaseRequest, LeaseRevoked
from tests.simulation.database import SimDatabase
from tests.simulation.loop import Pipe, Process, SimLoop
from tests.simulation.org import SimOrg

LEASE_S: Final = 60


class SimKeeper:
    """Stands where `orgs.keeper_client.KeeperClient` stands. `trouble` is the chance of a refusal for the moment."""

    def __init__(
        self, loop: SimLoop, database: SimDatabase, orgs: Mapping[UUID, SimOrg], origins: Mapping[UUID, str]
    ) -> None:
        self._loop = loop
        self._database = database
        self._orgs = orgs
        self._origins = origins
        self._channels: list[Pipe] = []
        self._of_subject: dict[UUID, Pipe] = {}
        self._process = Process("keeper")
        self.trouble = 0.0
        self.revoked: dict[UUID, float] = {}

    async def ticket_for_run(self, kind: RunKind, subject: UUID) -> Ticket:
        """Give a ticket while the run is queued or running."""
        del kind
        await self._answering()
        if not self._is_under_way(subject):
            message = "no such run under way"
            raise KeeperRefused(message)
        return Ticket("simulated")

    async def open_lease_channel(self, ticket: Ticket, subject: UUID, connections: Sequence[UUID]) -> Any:
        """Return the mover's end of a lease socket."""
        del ticket, connections
        await self._answering()
        older = self._of_subject.pop(subject, None)
        if older is not None:
            older.close()
        ours, theirs = Pipe.pair()
        self._of_subject[subject] = ours
        self._channels.append(ours)
        self._loop.spawn(self._process, self._answer(ours, subject))
        return theirs

    def revoke(self, connection: UUID) -> None:
        """Withdraw a connection: its row says so, and every mover is told."""
        self.revoked[connection] = self._loop.time()
        self._set_state(connection, "revoked")
        for channel in self._channels:
            self._loop.spawn(self._process, self._tell(channel, LeaseRevoked(connection)))

    def reconnect(self, connection: UUID) -> None:
        """A person connects the org again: there is a new grant."""
        self.revoked.pop(connection, None)
        self._orgs[connection].renew_token()
        self._set_state(connection, "connected")

    def restart(self) -> None:
        """Kill the keeper; another one is there at once, without the channels of the first."""
        self._loop.note("kill keeper")
        self._process.kill()
        for channel in self._channels:
            channel.close()
        self._channels = []
        self._process = Process("keeper")

    def _is_under_way(self, run: UUID) -> bool:
        return bool(
            self._database.look("select 1 from sync.run where id = %(id)s and state in ('queued', 'running')", id=run)
        )

    def _set_state(self, connection: UUID, state: str) -> None:
        self._database.connection.execute("update orgs.connection set state = ? where id = ?", (state, str(connection)))

    async def _answering(self) -> None:
        await asyncio.sleep(self._loop.rng.random() * 0.01)
        if self._unlucky():
            message = "the keeper does not answer"
            raise KeeperUnavailable(message)

    async def _answer(self, channel: Pipe, subject: UUID) -> None:
        while packet := await channel.receive():
            request = msgspec.json.decode(packet, type=LeaseRequest)
            await asyncio.sleep(self._loop.rng.random() * 0.1)
            answer: FromKeeper
            if not self._is_under_way(subject):
                answer = LeaseRefused(request.connection, "not_running")
            elif request.connection in self.revoked:
                answer = LeaseRefused(request.connection, "revoked")
            elif self._unlucky():
                answer = LeaseRefused(request.connection, "unavailable")
            else:
                token = self._orgs[request.connection].token
                answer = LeaseGranted(request.connection, token, self._origins[request.connection], LEASE_S)
            await self._tell(channel, answer)

    async def _tell(self, channel: Pipe, answer: FromKeeper) -> None:
        try:
            await channel.send(msgspec.json.encode(answer))
        except BrokenPipeError:
            return

    def _unlucky(self) -> bool:
        return self.trouble > 0.0 and self._loop.rng.random() < self.trouble
