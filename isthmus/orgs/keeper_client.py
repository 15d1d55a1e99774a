"""Asking the keeper, for portal, cli and worker: one short connection to its unix socket per question."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

import msgspec

from isthmus.db.ticket import Ticket
from isthmus.orgs import keeper_wire as wire
from isthmus.orgs.model import (
    CONNECTING_FAILURES,
    AuthorizationBegun,
    AuthorizationWanted,
    Custody,
    RunKind,
)
from isthmus.values import ConnectionId, Secret

__all__ = [
    "AuthorizationBegun",
    "AuthorizationWanted",
    "Custody",
    "DatabaseAway",
    "KeeperClient",
    "KeeperRefused",
    "KeeperUnavailable",
    "NoSession",
    "NoTenant",
    "RunKind",
]

CALL_TIMEOUT_S: Final = 90.0
"""Longer than the keeper's own limit for an exchange with Salesforce."""

AnswerType = TypeVar("AnswerType", bound=wire.Answer)
_answers = msgspec.json.Decoder(wire.Answer)


class KeeperUnavailable(Exception):
    """The keeper does not answer. `isthmus up` starts it."""


class DatabaseAway(KeeperUnavailable):
    """The keeper answers, but its database does not; it goes on by itself when that is back."""


class KeeperRefused(Exception):
    """The keeper will not do this for this caller."""


class NoSession(KeeperRefused):
    """The session is unknown, over, or was ended: sign in again."""


class NoTenant(KeeperRefused):
    """No such tenant, or there are several and none was named."""


class KeeperClient:
    """The keeper as its callers see it. Holds nothing but the socket's path."""

    def __init__(self, socket_path: Path) -> None:
        """Ask at `settings.keeper_portal_socket` (portal, cli) or `settings.keeper_worker_socket` (worker)."""
        self._path = socket_path

    async def ticket_for_session(self, session: Secret) -> Ticket:
        """Return a portal ticket for the member of a session. Raises `NoSession`, `KeeperUnavailable`."""
        answer = await self._ask(wire.SessionTicket(session.reveal_text()), wire.TicketGiven)
        return Ticket(answer.text)

    async def ticket_for_operator(self, tenant: str | None) -> Ticket:
        """Return a portal ticket for the operator of this machine. Raises `NoTenant`, `KeeperUnavailable`."""
        answer = await self._ask(wire.OperatorTicket(tenant), wire.TicketGiven)
        return Ticket(answer.text)

    async def ticket_for_run(self, kind: RunKind, subject: UUID) -> Ticket:
        """Return a worker ticket (5 minutes: ask again while working). Raises `KeeperRefused`, `KeeperUnavailable`."""
        answer = await self._ask(wire.RunTicket(kind.value, subject), wire.TicketGiven)
        return Ticket(answer.text)

    async def begin_authorization(self, ticket: Ticket, wanted: AuthorizationWanted) -> AuthorizationBegun:
        """Return where to send the browser. Raises `ConnectingFailed` kinds, `KeeperRefused`, `KeeperUnavailable`."""
        answer = await self._ask(
            wire.Begin(
                ticket=ticket.text,
                alias=str(wanted.alias),
                purpose=wanted.purpose.value,
                login_scheme=wanted.login_host.scheme,
                login_name=wanted.login_host.name,
                login_port=wanted.login_host.port,
                client_id=str(wanted.client_id),
                client_secret=None if wanted.client_secret is None else wanted.client_secret.reveal_text(),
                org=wanted.org,
            ),
            wire.Begun,
        )
        return AuthorizationBegun(answer.authorize_url, Secret(answer.browser_binding))

    async def finish_authorization(
        self, state: str, code: str | None, error: str | None, browser_binding: Secret | None, ticket: Ticket
    ) -> ConnectionId:
        """Exchange the code, keep the grant. Raises `ConnectingFailed` kinds, `KeeperRefused`, `KeeperUnavailable`."""
        binding = None if browser_binding is None else browser_binding.reveal_text()
        answer = await self._ask(wire.Finish(ticket.text, state, code, error, binding), wire.Connected)
        return ConnectionId(answer.connection)

    async def revoke(self, ticket: Ticket, connection: ConnectionId) -> None:
        """Stop every use of a connection now; Salesforce is told afterwards. Raises `UnknownConnection`."""
        await self._ask(wire.Revoke(ticket.text, connection), wire.Done)

    async def open_lease_channel(
        self, ticket: Ticket, subject: UUID, connections: Sequence[ConnectionId]
    ) -> socket.socket:
        """Return a SEQPACKET socket to hand to a mover. Raises `KeeperRefused` if `subject` does not use them."""
        request = wire.OpenLeases(ticket.text, subject, tuple(connections))
        _, descriptors = await self._exchange(request, wire.Done)
        if len(descriptors) != 1:
            message = "the keeper sent no lease channel"
            raise KeeperUnavailable(message)
        channel = socket.socket(fileno=descriptors[0])
        channel.setblocking(False)  # noqa: FBT003 the standard library's own signature
        return channel

    async def custody(self) -> Custody:
        """Return the keeper's facts for the trust page. Raises `KeeperUnavailable`."""
        told = await self._ask(wire.AskCustody(), wire.CustodyTold)
        return Custody(**{field: getattr(told, field) for field in told.__struct_fields__})

    async def _ask(self, request: wire.Request, expected: type[AnswerType]) -> AnswerType:
        answer, _ = await self._exchange(request, expected)
        return answer

    async def _exchange(self, request: wire.Request, expected: type[AnswerType]) -> tuple[AnswerType, list[int]]:
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                body, descriptors = await _call(self._path, wire.encode(request))
            answer = _answers.decode(body)
        except (OSError, TimeoutError, msgspec.MsgspecError):
            message = "the keeper does not answer; is Isthmus running (isthmus up)?"
            raise KeeperUnavailable(message) from None
        if isinstance(answer, wire.Failed):
            raise _failure(answer)
        if not isinstance(answer, expected):
            message = "the keeper gave an answer of another kind"
            raise KeeperUnavailable(message)
        return answer, descriptors


async def _call(path: Path, frame: bytes) -> tuple[bytes, list[int]]:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.setblocking(False)  # noqa: FBT003 the standard library's own signature
        await loop.sock_connect(connection, str(path))
        await loop.sock_sendall(connection, frame)
        return await _receive(connection)


async def _receive(connection: socket.socket) -> tuple[bytes, list[int]]:
    """Read one frame; descriptors travel with its first byte."""
    received = bytearray()
    descriptors: list[int] = []
    wanted = wire.LENGTH_BYTES
    while len(received) < wanted:
        await _readable(connection)
        chunk, ancillary, _, _ = socket.recv_fds(connection, wanted - len(received), 1)
        descriptors.extend(ancillary)
        if not chunk:
            message = "the keeper closed the connection"
            raise ConnectionError(message)
        received += chunk
        if len(received) == wire.LENGTH_BYTES and wanted == wire.LENGTH_BYTES:
            length = int.from_bytes(received, "big")
            if length > wire.FRAME_BYTES_MAX:
                message = "the keeper's answer is too long"
                raise ConnectionError(message)
            wanted += length
    return bytes(received[wire.LENGTH_BYTES :]), descriptors


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    loop.add_reader(connection, lambda: None if ready.done() else ready.set_result(None))
    try:
        await ready
    finally:
        loop.remove_reader(connection)


def _failure(answer: wire.Failed) -> Exception:
    if answer.code in CONNECTING_FAILURES:
        return CONNECTING_FAILURES[answer.code](answer.message)
    kind = {"no_session": NoSession, "no_tenant": NoTenant, "unavailable": DatabaseAway}.get(answer.code)
    return (kind or KeeperRefused)(answer.message)
