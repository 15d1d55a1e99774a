"""The tenant ticket: a claim signed outside the database and verified inside every row-level policy.

Why not a plain session variable: one `set_config` through an injected statement would read another tenant. The
signature is an HMAC-SHA256; the database holds its two pads in a table that no serving role can read (`ctx.pad`).
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from isthmus.values import ConnectionId, MemberId, Secret, TenantId

TICKET_VERSION: Final = "v1"
TICKET_LENGTH_MAX: Final = 512
HMAC_BLOCK_BYTES: Final = 64
NOBODY: Final = MemberId(UUID(int=0))
"""The member of a ticket that no person stands behind (a run)."""
NO_CONNECTION: Final = ConnectionId(UUID(int=0))
_PART_COUNT: Final = 7


@dataclass(frozen=True, slots=True)
class Ticket:
    """A signed ticket. It opens rows of one tenant to one database role until it expires."""

    text: str

    @property
    def claims(self) -> Claims:
        """What the ticket says of itself. Raises `TicketMalformed`; the signature is *not* checked."""
        return read_claims(self.text)

    def __repr__(self) -> str:
        """Show nothing of the ticket."""
        return "<Ticket>"


@dataclass(frozen=True, slots=True)
class Claims:
    """What a ticket says. `role` is the database role that it works for."""

    role: str
    tenant: TenantId
    member: MemberId
    connection: ConnectionId
    expires_at: datetime


class TicketMalformed(ValueError):
    """A text that is not a ticket."""


class TicketRefused(Exception):
    """A ticket with a wrong signature, out of date, or made out to another role."""


def sign_ticket(key: Secret, claims: Claims) -> Ticket:
    """Sign `claims`. Only the keeper holds `key`."""
    body = "|".join(
        (
            TICKET_VERSION,
            claims.role,
            str(claims.tenant),
            str(claims.member),
            str(claims.connection),
            str(int(claims.expires_at.timestamp())),
        )
    )
    return Ticket(f"{body}|{_mac(key, body)}")


def verify_ticket(key: Secret, ticket: Ticket, *, roles: frozenset[str], now: datetime) -> Claims:
    """Return the claims of a ticket made out to one of `roles`. Raises `TicketRefused`."""
    try:
        claims = ticket.claims
    except TicketMalformed:
        message = "the ticket is malformed"
        raise TicketRefused(message) from None
    body, _, mac = ticket.text.rpartition("|")
    if not hmac.compare_digest(_mac(key, body).encode(), mac.encode()):
        message = "the ticket's signature is wrong"
        raise TicketRefused(message)
    if claims.expires_at <= now or claims.role not in roles:
        message = "the ticket is out of date or made out to another role"
        raise TicketRefused(message)
    return claims


def read_claims(text: str) -> Claims:
    """Parse a ticket without checking its signature. Raises `TicketMalformed`."""
    parts = text.split("|") if len(text) <= TICKET_LENGTH_MAX else []
    if len(parts) != _PART_COUNT or parts[0] != TICKET_VERSION:
        message = "not a ticket"
        raise TicketMalformed(message)
    _, role, tenant, member, connection, expiry, _ = parts
    try:
        return Claims(
            role=role,
            tenant=TenantId(UUID(tenant)),
            member=MemberId(UUID(member)),
            connection=ConnectionId(UUID(connection)),
            expires_at=datetime.fromtimestamp(int(expiry), UTC),
        )
    except (ValueError, OverflowError, OSError):
        message = "not a ticket"
        raise TicketMalformed(message) from None


def pads(key: Secret) -> tuple[bytes, bytes]:
    """Return the inner and outer pad of HMAC-SHA256 under `key`, as the database keeps them."""
    material = key.reveal()
    if len(material) > HMAC_BLOCK_BYTES:
        material = hashlib.sha256(material).digest()
    block = material.ljust(HMAC_BLOCK_BYTES, b"\0")
    return bytes(byte ^ 0x36 for byte in block), bytes(byte ^ 0x5C for byte in block)


def _mac(key: Secret, body: str) -> str:
    return hmac.new(key.reveal(), body.encode(), hashlib.sha256).hexdigest()
