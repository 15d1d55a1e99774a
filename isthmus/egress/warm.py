"""Driving everything once that a library would load late: after lockdown no file can be opened any more.

A whole exchange with a canned server runs over a socket pair, compressed both ways, and a TLS handshake is begun in
memory. What a future library version loads late will show in `tests/integration/mover`.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from isthmus.egress.errors import EgressError
from isthmus.egress.policy import BodyKind, Call, Method, Route, RouteName
from isthmus.egress.transport import Channel, use_fast_inflate
from isthmus.values import OrgHost, Purpose, Secret

_UP: Final = RouteName("up")
_DOWN: Final = RouteName("down")
_REACHES: Final = frozenset({Purpose.SYNC})
_ROUTES: Final = {
    _UP: Route(_UP, Method.PUT, "/up", _REACHES, body=BodyKind.CSV, compress=True, request_bytes_max=100),
    _DOWN: Route(_DOWN, Method.GET, "/down", _REACHES),
}
_PACKED: Final = gzip.compress(b"{}")
_ANSWER: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=UTF-8\r\nContent-Encoding: gzip\r\n"
    b"Set-Cookie: a=b; path=/\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: %d\r\n\r\n%s"
) % (len(_PACKED), _PACKED)
_BROKEN: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx"


def warm(tls: ssl.SSLContext | None) -> None:
    """Rehearse; once per process, before lockdown, outside any event loop."""
    use_fast_inflate()
    "a.b".encode("idna")
    asyncio.run(_rehearse())
    if tls is not None:
        handshake = tls.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="a.my.salesforce.com")
        with suppress(ssl.SSLWantReadError):
            handshake.do_handshake()


async def _rehearse() -> None:
    for answer in (_ANSWER, _BROKEN):
        for name, body in ((_DOWN, None), (_UP, _body())):
            await _exchange(Call(name), body, answer)


async def _exchange(call: Call, body: AsyncIterator[bytes] | None, answer: bytes) -> None:
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)  # noqa: FBT003 positional by its signature

    async def connect() -> socket.socket:
        return ours

    loop = asyncio.get_running_loop()
    channel = Channel(OrgHost("http", "127.0.0.1", 80), Purpose.SYNC, _ROUTES, connect, None, loopback=True)
    with ours, theirs:
        exchange = asyncio.create_task(channel.send(call, body, bearer=Secret("x")))
        await loop.sock_recv(theirs, 65_536)
        await loop.sock_sendall(theirs, answer)
        theirs.shutdown(socket.SHUT_WR)
        with suppress(EgressError):
            await exchange
        await channel.close()


async def _body() -> AsyncIterator[bytes]:
    yield b"Id\n"
