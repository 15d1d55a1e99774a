"""aiohttp's connector with both doors closed: it neither resolves nor connects, it asks for a dialled socket.

Overrides two private methods of aiohttp 3.14 (`_resolve_host`, `_wrap_create_connection`); the version is locked and
`tests/unit/egress/test_transport.py` fails if a new one goes another way.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler

from isthmus.egress.errors import TlsRefused, Unreachable

Connect: TypeAlias = Callable[[], Awaitable[socket.socket]]
"""Returns a connected, non-blocking TCP socket to the channel's host; raises `DialRefused` or `Unreachable`."""


class DialledConnector(aiohttp.TCPConnector):
    """A pool of connections to one host that `connect` dials."""

    def __init__(
        self,
        connect: Connect,
        tls: ssl.SSLContext | None,
        *,
        connections_max: int,
        keepalive_s: float | None,
        force_close: bool,
    ) -> None:
        """Keep at most `connections_max` connections, each idle for at most `keepalive_s`."""
        # aiohttp refuses a keep-alive time together with force_close, whatever its value.
        keepalive: dict[str, Any] = {} if force_close else {"keepalive_timeout": keepalive_s}
        super().__init__(  # pyright: ignore[reportUnknownMemberType] a bare tuple in aiohttp's own annotation
            limit=connections_max,
            ssl=tls if tls is not None else True,
            use_dns_cache=False,
            force_close=force_close,
            resolver=_NoResolver(),
            **keepalive,
        )
        self._connect_socket = connect

    async def _resolve_host(self, host: str, port: int, traces: Sequence[Any] | None = None) -> list[ResolveResult]:
        del traces
        unused = ResolveResult(hostname=host, host="0.0.0.0", port=port, family=socket.AF_INET, proto=0, flags=0)  # noqa: S104 never dialled: the socket comes dialled
        return [unused]

    async def _wrap_create_connection(self, *args: Any, **kwargs: Any) -> tuple[asyncio.Transport, ResponseHandler]:
        factory: Callable[[], ResponseHandler] = args[0]
        sock = await self._connect_socket()
        try:
            return await asyncio.get_running_loop().create_connection(
                factory, sock=sock, ssl=kwargs["ssl"], server_hostname=kwargs["server_hostname"]
            )
        except ssl.SSLError:
            sock.close()
            message = "the server could not prove that it is the host"
            raise TlsRefused(message) from None
        except OSError:
            sock.close()
            message = "the connection broke while it was being made"
            raise Unreachable(message) from None


class _NoResolver(AbstractResolver):
    """Resolves nothing: a connector without a resolver of its own would bring aiohttp's."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Refuse."""
        del host, port, family
        message = "names are resolved by the dialer only"
        raise Unreachable(message)

    async def close(self) -> None:
        """Hold nothing, close nothing."""
