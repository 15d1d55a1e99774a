"""How a mover gets an access token: it asks the keeper on a socket of its own, so that the worker never sees one.

One msgspec-JSON message per packet of a SEQPACKET unix socket. A lease lasts `LEASE_S`; the mover renews it at half
time while it works, and at once (`stale`) after a 401. The keeper may push a revocation at any time.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias
from uuid import UUID

import msgspec

from isthmus.clock import Clock
from isthmus.egress.hosts import HostDenied, parse_login_host
from isthmus.salesforce.errors import LeaseLost
from isthmus.values import OrgHost, Secret

LEASE_S: Final = 60
RENEW_TICK_S: Final = 1.0
ANSWER_S: Final = 30.0
"""How long the keeper may take: it may have to refresh at Salesforce first."""
LEASE_MESSAGE_BYTES_MAX: Final = 16 * 1024
LeaseRefusal: TypeAlias = Literal["revoked", "needs_reauth", "not_running", "unavailable"]
_UNAVAILABLE: Final = "unavailable"
ENDED: Final = "ended"
"""Why a lease is lost when the keeper itself is gone: neither org is to blame."""
_REVOKED: Final = "revoked"


class LeaseRequest(msgspec.Struct, frozen=True, tag_field="kind", tag="lease"):
    """Mover → keeper: a token for `connection`; `stale` if the last one was answered 401."""

    connection: UUID
    stale: bool


class LeaseGranted(msgspec.Struct, frozen=True, tag_field="kind", tag="granted"):
    """Keeper → mover: the token. Has no repr of its fields."""

    connection: UUID
    token: str
    instance_url: str
    expires_in_s: int

    def __repr__(self) -> str:
        """Show nothing of the token."""
        return "<LeaseGranted>"


class MaskKeyRequest(msgspec.Struct, frozen=True, tag_field="kind", tag="mask"):
    """Mover → keeper: the key of the tenant's pseudonyms, for a job that works with `connection`."""

    connection: UUID


class MaskKeyGranted(msgspec.Struct, frozen=True, tag_field="kind", tag="mask_key"):
    """Keeper → mover: the key, in hex. Has no repr of its fields."""

    connection: UUID
    key: str

    def __repr__(self) -> str:
        """Show nothing of the key."""
        return "<MaskKeyGranted>"


class LeaseRefused(msgspec.Struct, frozen=True, tag_field="kind", tag="refused"):
    """Keeper → mover: no token, and why."""

    connection: UUID
    reason: LeaseRefusal


class LeaseRevoked(msgspec.Struct, frozen=True, tag_field="kind", tag="revoked"):
    """Keeper → mover, unasked: stop using `connection` now."""

    connection: UUID


FromMover: TypeAlias = LeaseRequest | MaskKeyRequest
FromKeeper: TypeAlias = LeaseGranted | LeaseRefused | LeaseRevoked | MaskKeyGranted


@dataclass(frozen=True, slots=True)
class Lease:
    """A token, and the org that it is for."""

    token: Secret
    instance: OrgHost


class Leases(Protocol):
    """Where a session gets its token from."""

    async def current(self) -> Lease:
        """Return a token that is valid for some seconds yet. Raises `LeaseLost`."""
        ...

    async def renew(self) -> Lease:
        """Return another token than the last one, which the org refused. Raises `LeaseLost`."""
        ...


class FixedLeases:
    """Leases of a token that somebody gave on the command line: nothing to renew."""

    def __init__(self, token: Secret, instance: OrgHost) -> None:
        """Take the token and its org."""
        self._lease = Lease(token, instance)

    async def current(self) -> Lease:
        """Return the token."""
        return self._lease

    async def renew(self) -> Lease:
        """Raise `LeaseLost`: there is no other token."""
        reason = "needs_reauth"
        raise LeaseLost(reason)


class LeaseBook:
    """The mover's side of the lease socket: asks, keeps, renews, and hears of revocations.

    `run` must be running while anybody leases. It ends with `LeaseLost` as soon as a connection in use is revoked, is
    refused, or could not be renewed before it ran out; whoever runs it then stops all work.
    """

    def __init__(self, sock: socket.socket, clock: Clock, *, loopback: bool) -> None:
        """Take over the socket (SEQPACKET, non-blocking)."""
        self._socket = sock
        self._clock = clock
        self._loopback = loopback
        self._held: dict[UUID, _Held] = {}
        self._waiting: dict[UUID, asyncio.Future[FromKeeper]] = {}
        self._asking: dict[UUID, asyncio.Lock] = {}

    def leases_of(self, connection: UUID) -> ChannelLeases:
        """Return the leases of one connection."""
        return ChannelLeases(self, connection)

    async def run(self) -> None:
        """Listen and renew until cancelled. Raises `LeaseLost`."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._keep_fresh())

    async def lease(self, connection: UUID, *, stale: bool) -> Lease:
        """Return a lease: the held one while it is fresh, another one if `stale`. Raises `LeaseLost`."""
        before = self._held.get(connection)
        async with self._asking.setdefault(connection, asyncio.Lock()):
            held = self._held.get(connection)
            # Somebody else may have renewed while we waited: one refresh serves all who saw the same token refused.
            if held is not None and ((stale and held is not before) or (not stale and self._is_fresh(held))):
                return held.lease
            return (await self._ask(connection, stale=stale)).lease

    async def mask_key(self, connection: UUID) -> Secret:
        """Return the key of the pseudonyms. Raises `LeaseLost`."""
        async with self._asking.setdefault(connection, asyncio.Lock()):
            match await self._answer_to(MaskKeyRequest(connection)):
                case MaskKeyGranted() as granted:
                    return Secret(bytes.fromhex(granted.key))
                case LeaseRefused() as refused:
                    raise LeaseLost(refused.reason)
                case _:
                    raise LeaseLost(_UNAVAILABLE)

    def _is_fresh(self, held: _Held) -> bool:
        return self._clock.monotonic_s() < held.renew_at_s

    async def _ask(self, connection: UUID, *, stale: bool) -> _Held:
        asked_at_s = self._clock.monotonic_s()
        match await self._answer_to(LeaseRequest(connection, stale)):
            case LeaseGranted() as message:
                host = parse_login_host(message.instance_url, allow_loopback_http=self._loopback)
                if isinstance(host, HostDenied):
                    raise LeaseLost(_UNAVAILABLE)
                life_s = min(message.expires_in_s, LEASE_S)
                held = _Held(Lease(Secret(message.token), host), asked_at_s + life_s / 2, asked_at_s + life_s)
                self._held[connection] = held
                return held
            case LeaseRefused() as refused:
                raise LeaseLost(refused.reason)
            case LeaseRevoked():
                raise LeaseLost(_REVOKED)
            case MaskKeyGranted():
                raise LeaseLost(_UNAVAILABLE)

    async def _answer_to(self, request: FromMover) -> FromKeeper:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[FromKeeper] = loop.create_future()
        self._waiting[request.connection] = answer
        try:
            await loop.sock_sendall(self._socket, msgspec.json.encode(request))
            async with asyncio.timeout(ANSWER_S):
                return await answer
        except TimeoutError:
            raise LeaseLost(_UNAVAILABLE) from None
        except OSError:
            raise LeaseLost(ENDED) from None
        finally:
            self._waiting.pop(request.connection, None)

    async def _listen(self) -> None:
        loop = asyncio.get_running_loop()
        while packet := await loop.sock_recv(self._socket, LEASE_MESSAGE_BYTES_MAX):
            message = msgspec.json.decode(packet, type=FromKeeper)
            waiting = self._waiting.get(message.connection)
            if waiting is not None and not waiting.done():
                waiting.set_result(message)
            if isinstance(message, LeaseRevoked):
                self._held.pop(message.connection, None)
                raise LeaseLost(_REVOKED)
        raise LeaseLost(ENDED)

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(RENEW_TICK_S)
            now_s = self._clock.monotonic_s()
            for connection, held in list(self._held.items()):
                if now_s < held.renew_at_s:
                    continue
                try:
                    await self.lease(connection, stale=False)
                except LeaseLost as lost:
                    if lost.reason != "unavailable" or self._clock.monotonic_s() >= held.ends_at_s:
                        raise


@dataclass(frozen=True, slots=True)
class _Held:
    lease: Lease
    renew_at_s: float
    ends_at_s: float


class ChannelLeases:
    """The leases of one connection of a `LeaseBook`."""

    def __init__(self, book: LeaseBook, connection: UUID) -> None:
        """Made by `LeaseBook.leases_of`."""
        self._book = book
        self._connection = connection

    async def current(self) -> Lease:
        """Return a token that is valid for some seconds yet. Raises `LeaseLost`."""
        return await self._book.lease(self._connection, stale=False)

    async def renew(self) -> Lease:
        """Return another token than the last one, which the org refused. Raises `LeaseLost`."""
        return await self._book.lease(self._connection, stale=True)


async def answer_fixed(sock: socket.socket, leases: Mapping[UUID, Lease], mask_key: Secret | None = None) -> None:
    """Answer a mover's lease socket with what was given on the command line, until the mover goes away."""
    loop = asyncio.get_running_loop()
    while packet := await _receive_or_end(sock):
        request = msgspec.json.decode(packet, type=FromMover)
        lease = leases.get(request.connection)
        answer: FromKeeper
        if lease is None:
            answer = LeaseRefused(request.connection, "not_running")
        elif isinstance(request, MaskKeyRequest):
            unknown = LeaseRefused(request.connection, "unavailable")
            answer = MaskKeyGranted(request.connection, mask_key.reveal().hex()) if mask_key else unknown
        elif request.stale:
            answer = LeaseRefused(request.connection, "needs_reauth")
        else:
            answer = LeaseGranted(request.connection, lease.token.reveal_text(), lease.instance.origin, LEASE_S)
        try:
            await loop.sock_sendall(sock, msgspec.json.encode(answer))
        except OSError:
            return


async def _receive_or_end(sock: socket.socket) -> bytes:
    try:
        return await asyncio.get_running_loop().sock_recv(sock, LEASE_MESSAGE_BYTES_MAX)
    except OSError:
        return b""
