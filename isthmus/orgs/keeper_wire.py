"""What portal, cli and worker say to the keeper, and what it answers: one frame each, a length and msgspec JSON."""

from __future__ import annotations

from typing import Final, TypeAlias
from uuid import UUID

import msgspec

FRAME_BYTES_MAX: Final = 64 * 1024
LENGTH_BYTES: Final = 4


class _Message(msgspec.Struct, frozen=True, tag_field="kind"):
    """A message whose repr shows nothing: most carry a ticket or a secret."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class SessionTicket(_Message, frozen=True, tag="session_ticket"):
    """Portal: a ticket for whoever holds this session."""

    session: str


class OperatorTicket(_Message, frozen=True, tag="operator_ticket"):
    """Cli: a ticket for the operator of this machine. `tenant` is a tenant's name or id; None means the only one."""

    tenant: str | None


class RunTicket(_Message, frozen=True, tag="run_ticket"):
    """Worker: a ticket for the tenant of what it works on."""

    run_kind: str
    subject: UUID


class Begin(_Message, frozen=True, tag="begin"):
    """Begin to connect an org."""

    ticket: str
    alias: str
    purpose: str
    login_scheme: str
    login_name: str
    login_port: int
    client_id: str
    client_secret: str | None
    org: UUID | None


class Finish(_Message, frozen=True, tag="finish"):
    """The browser came back."""

    ticket: str
    state: str
    code: str | None
    error: str | None
    browser_binding: str | None


class Revoke(_Message, frozen=True, tag="revoke"):
    """Give a grant back."""

    ticket: str
    connection: UUID


class OpenLeases(_Message, frozen=True, tag="open_leases"):
    """Worker: a channel on which a mover may ask for tokens of these connections."""

    ticket: str
    subject: UUID
    connections: tuple[UUID, ...]


class AskCustody(_Message, frozen=True, tag="ask_custody"):
    """The trust page's question."""


Request: TypeAlias = SessionTicket | OperatorTicket | RunTicket | Begin | Finish | Revoke | OpenLeases | AskCustody


class TicketGiven(_Message, frozen=True, tag="ticket"):
    """A ticket."""

    text: str


class Begun(_Message, frozen=True, tag="begun"):
    """Where to send the browser."""

    authorize_url: str
    browser_binding: str


class Connected(_Message, frozen=True, tag="connected"):
    """The connection that was made or renewed."""

    connection: UUID


class Done(_Message, frozen=True, tag="done"):
    """Nothing more to say. For `OpenLeases` the channel's descriptor travels beside it."""


class CustodyTold(_Message, frozen=True, tag="custody"):
    """The keeper's facts."""

    key_mode: str
    key_id: str
    key_file_mode: str
    key_file_outside_data_dir: bool
    key_file_owner_is_keeper: bool
    dumpable: bool
    core_limit: int
    swap_locked: bool
    pkce_method: str
    pkce_enforcement: str
    connections_sealed: int
    open_lease_channels: int


class Failed(_Message, frozen=True, tag="failed"):
    """It did not succeed. `code` chooses the exception at the other end, `message` is the keeper's own text."""

    code: str
    message: str


Answer: TypeAlias = TicketGiven | Begun | Connected | Done | CustodyTold | Failed


def encode(message: Request | Answer) -> bytes:
    """Return the frame of a message. Raises `ValueError` if it is too long."""
    body = msgspec.json.encode(message)
    if len(body) > FRAME_BYTES_MAX:
        too_long = "the message is too long for a frame"
        raise ValueError(too_long)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body
