"""The one way out: requests that the policy built, over connections that somebody judged and dialled for us."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from isthmus.egress.policy import Call, Reach, Route, RouteName
from isthmus.values import OrgHost, Secret

Body: TypeAlias = bytes | AsyncIterable[bytes]
Connect: TypeAlias = Callable[[], Awaitable[socket.socket]]
"""Returns a connected, non-blocking TCP socket to the channel's host; raises `DialRefused` or `Unreachable`."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request as it may be counted and shown: no target, no header, no body."""

    route: RouteName
    status: int
    bytes_out: int
    bytes_in: int
    duration_ms: int


Observe: TypeAlias = Callable[[Exchange], None]


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply read to its end. Header names in lower case. Its repr shows the status only."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def __repr__(self) -> str:
        """Show the status, nothing more."""
        return f"<Reply {self.status}>"


@dataclass(frozen=True, slots=True)
class StreamReply:
    """A reply whose body is still arriving, decompressed."""

    status: int
    headers: Mapping[str, str]
    chunks: Callable[[], AsyncIterator[bytes]]

    def __repr__(self) -> str:
        """Show the status, nothing more."""
        return f"<StreamReply {self.status}>"


class Channel:
    """Requests of one reach to one host. Raises `EgressError` only; every HTTP status is a reply."""

    def __init__(
        self,
        host: OrgHost,
        reach: Reach,
        routes: Mapping[RouteName, Route],
        connect: Connect,
        tls: ssl.SSLContext | None,
        *,
        loopback: bool,
        observe: Observe | None = None,
    ) -> None: ...

    async def send(self, call: Call, body: Body | None = None, *, bearer: Secret | None = None) -> Reply:
        """Send and read the whole reply."""
        raise NotImplementedError

    def stream(
        self, call: Call, body: Body | None = None, *, bearer: Secret | None = None
    ) -> AbstractAsyncContextManager[StreamReply]:
        """Send and hand out the reply while it arrives."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close every connection."""


def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Return the context for every org: TLS 1.2 or newer, the system's roots and `ca_file`, names checked."""
    raise NotImplementedError
