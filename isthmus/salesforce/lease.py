"""How a mover gets an access token: it asks the keeper on a socket of its own, so that the worker never sees one.

One msgspec-JSON message per packet of a SEQPACKET unix socket. A lease lasts `LEASE_S`; the mover renews it at half
time while it works, and at once (`stale`) after a 401. The keeper may push a revocation at any time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias
from uuid import UUID

import msgspec

from isthmus.values import OrgHost, Secret

LEASE_S: Final = 60
LEASE_RENEW_AFTER_S: Final = 30
LEASE_MESSAGE_BYTES_MAX: Final = 16 * 1024
LeaseRefusal: TypeAlias = Literal["revoked", "needs_reauth", "not_running", "unavailable"]


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


class LeaseRefused(msgspec.Struct, frozen=True, tag_field="kind", tag="refused"):
    """Keeper → mover: no token, and why."""

    connection: UUID
    reason: LeaseRefusal


class LeaseRevoked(msgspec.Struct, frozen=True, tag_field="kind", tag="revoked"):
    """Keeper → mover, unasked: stop using `connection` now."""

    connection: UUID


FromKeeper: TypeAlias = LeaseGranted | LeaseRefused | LeaseRevoked


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


class ChannelLeases:
    """The mover's side: one per connection, all over the one lease socket. See :class:`LeaseBook`."""


class FixedLeases:
    """Leases of a token that somebody gave on the command line: nothing to renew."""

    def __init__(self, token: Secret, instance: OrgHost) -> None: ...

    async def current(self) -> Lease:
        """Return the token."""
        raise NotImplementedError

    async def renew(self) -> Lease:
        """Raise `LeaseLost("needs_reauth")`: there is no other token."""
        raise NotImplementedError
