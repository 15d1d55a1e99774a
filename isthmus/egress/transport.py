"""The one way out: requests that the policy built, over connections that somebody judged and dialled for us.

The promise of a channel: nothing is sent that `policy.decide` did not build; no redirect is followed, no cookie kept,
no proxy or `.netrc` read from the environment; every reply has a limit in bytes and in time; and no error carries a
server's text.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import aiohttp
from isal import isal_zlib
from yarl import URL

from isthmus.egress.connector import Connect, DialledConnector
from isthmus.egress.errors import EgressError, Interrupted, ReplyTooLarge, RequestDenied, TlsRefused, Unreachable
from isthmus.egress.policy import Allowed, BodyKind, Call, Denied, Reach, Route, RouteName, decide
from isthmus.values import OrgHost, Secret

__all__ = ["Body", "Channel", "Connect", "Exchange", "Observe", "Reply", "StreamReply", "use_fast_inflate"]

Body: TypeAlias = bytes | AsyncIterable[bytes]

CONNECTIONS_MAX: Final = 16
CONNECT_S: Final = 30.0
SILENCE_S: Final = 150.0
"""How long a server may say nothing; Salesforce's own query limit is two minutes."""
REQUEST_S: Final = 660.0
"""How long one request may take; Salesforce ends a REST call after ten minutes."""
UPLOAD_S: Final = 3_600.0
READ_BUFFER_BYTES: Final = 512 * 1024
IDLE_S: Final = 20.0
USER_AGENT: Final = "isthmus"
_GZIP_WBITS: Final = 31


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request as it may be counted and shown: no target, no header, no body. `bytes_in` counts decoded bytes."""

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
    """A reply whose body is still arriving, decompressed. `chunks()` may be read once; it raises `EgressError`."""

    status: int
    headers: Mapping[str, str]
    chunks: Callable[[], AsyncIterator[bytes]]

    def __repr__(self) -> str:
        """Show the status, nothing more."""
        return f"<StreamReply {self.status}>"


@dataclass(slots=True)
class _Meter:
    bytes_out: int = 0
    bytes_in: int = 0
    body_fault: Exception | None = None


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
    ) -> None:
        """Open nothing yet. `tls` may be None only for a plain http host; `loopback` as the settings say."""
        self._host = host
        self._reach: Reach = reach
        self._routes = routes
        self._connect = connect
        self._tls = tls
        self._loopback = loopback
        self._observe = observe
        self._client: aiohttp.ClientSession | None = None
        self._upload_client: aiohttp.ClientSession | None = None

    @property
    def host(self) -> OrgHost:
        """The one host of this channel."""
        return self._host

    def route(self, name: RouteName) -> Route:
        """Return the route of that name. Raises `RequestDenied`."""
        route = self._routes.get(name)
        if route is None:
            message = "no such route"
            raise RequestDenied(message)
        return route

    async def send(self, call: Call, body: Body | None = None, *, bearer: Secret | None = None) -> Reply:
        """Send and read the whole reply. A `bytes` body has its length declared; another is streamed."""
        async with self.stream(call, body, bearer=bearer) as reply:
            parts = [chunk async for chunk in reply.chunks()]
        return Reply(reply.status, reply.headers, b"".join(parts))

    def stream(
        self, call: Call, body: Body | None = None, *, bearer: Secret | None = None
    ) -> AbstractAsyncContextManager[StreamReply]:
        """Send and hand out the reply while it arrives; leaving early drops the connection."""
        return self._stream(call, body, bearer)

    async def close(self) -> None:
        """Close every connection."""
        for client in (self._client, self._upload_client):
            if client is not None:
                await client.close()
        self._client = self._upload_client = None

    @asynccontextmanager
    async def _stream(self, call: Call, body: Body | None, bearer: Secret | None) -> AsyncGenerator[StreamReply]:
        allowed = decide(call, self._reach, self._host, self._routes, loopback=self._loopback)
        if isinstance(allowed, Denied):
            message = f"{call.route}: {allowed.reason.value}"
            raise RequestDenied(message)
        body = _with_body(allowed, body)
        meter = _Meter()
        status = 0
        started = asyncio.get_running_loop().time()
        usual_s = UPLOAD_S if allowed.route.body is BodyKind.CSV else REQUEST_S
        total_s = usual_s if allowed.route.seconds_max is None else allowed.route.seconds_max
        limit = aiohttp.ClientTimeout(total=total_s, connect=min(CONNECT_S, total_s), sock_read=min(SILENCE_S, total_s))
        context = self._client_for(allowed.route).request(
            allowed.method.value,
            URL(self._host.origin + allowed.target, encoded=True),
            headers=_headers(allowed, body, bearer),
            data=None if body is None else _outgoing(allowed.route, body, meter),
            allow_redirects=False,
            timeout=limit,
        )
        try:
            try:
                response = await context.__aenter__()
            except (aiohttp.ClientError, OSError, TimeoutError, asyncio.TimeoutError) as error:  # noqa: UP041 3.10's two
                # aiohttp hides what the body raised; the caller must see its own error, not a broken connection.
                raise meter.body_fault or _egress_error(call.route, error) from None
            status = response.status
            headers = {name.lower(): value for name, value in response.headers.items()}
            try:
                yield StreamReply(status, headers, lambda: _chunks(response, allowed.route, meter))
            finally:
                response.close() if not response.content.at_eof() else response.release()
        finally:
            if self._observe is not None:
                elapsed_ms = int((asyncio.get_running_loop().time() - started) * 1000)
                self._observe(Exchange(call.route, status, meter.bytes_out, meter.bytes_in, elapsed_ms))

    def _client_for(self, route: Route) -> aiohttp.ClientSession:
        # An upload cannot be begun again, so it never rides on a kept connection that may just have been closed.
        if route.body is BodyKind.CSV:
            if self._upload_client is None:
                self._upload_client = self._new_client(force_close=True)
            return self._upload_client
        if self._client is None:
            self._client = self._new_client(force_close=False)
        return self._client

    def _new_client(self, *, force_close: bool) -> aiohttp.ClientSession:
        connector = DialledConnector(
            self._connect,
            self._tls,
            connections_max=CONNECTIONS_MAX,
            keepalive_s=None if force_close else IDLE_S,
            force_close=force_close,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            read_bufsize=READ_BUFFER_BYTES,
            skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"),
        )


def use_fast_inflate() -> None:
    """Let replies be decompressed by isal (2 times faster than zlib). Once per process, before the first channel."""
    backend: Any = isal_zlib  # has every name of the protocol; its stubs annotate them loosely
    aiohttp.set_zlib_backend(backend)


def _with_body(allowed: Allowed, body: Body | None) -> Body | None:
    """Return what the request carries: what the policy wrote, where it did, and nothing of the caller's beside it."""
    if allowed.body is None:
        _check_body(allowed.route, body)
        return body
    if body is not None:
        message = f"{allowed.route.name}: the policy writes the body of this route"
        raise RequestDenied(message)
    _check_body(allowed.route, allowed.body)
    return allowed.body


def _check_body(route: Route, body: Body | None) -> None:
    if (body is None) != (route.body is BodyKind.NONE):
        message = f"{route.name}: a body is {'missing' if body is None else 'not part of the route'}"
        raise RequestDenied(message)
    if isinstance(body, bytes) and len(body) > route.request_bytes_max:
        message = f"{route.name}: the body is longer than the route's limit of {route.request_bytes_max} bytes"
        raise RequestDenied(message)


def _headers(allowed: Allowed, body: Body | None, bearer: Secret | None) -> dict[str, str]:
    headers = dict(allowed.headers)
    headers |= {"User-Agent": USER_AGENT, "Accept-Encoding": "gzip"}
    if body is not None:
        headers["Content-Type"] = allowed.route.body.value
        if allowed.route.compress:
            headers["Content-Encoding"] = "gzip"
    if bearer is not None:
        headers["Authorization"] = f"Bearer {bearer.reveal_text()}"
    return headers


def _outgoing(route: Route, body: Body, meter: _Meter) -> bytes | AsyncIterator[bytes]:
    if isinstance(body, bytes) and not route.compress:
        meter.bytes_out = len(body)
        return body
    return _outgoing_chunks(route, _one(body) if isinstance(body, bytes) else body, meter)


async def _one(body: bytes) -> AsyncIterator[bytes]:
    yield body


async def _outgoing_chunks(route: Route, body: AsyncIterable[bytes], meter: _Meter) -> AsyncIterator[bytes]:
    try:
        async for packed in _packed_chunks(route, body):
            meter.bytes_out += len(packed)
            yield packed
    except Exception as error:
        meter.body_fault = error
        raise


async def _packed_chunks(route: Route, body: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    pack: Any = isal_zlib  # its stubs annotate buffers as unknown
    deflate = pack.compressobj(level=1, wbits=_GZIP_WBITS) if route.compress else None
    total = 0
    async for chunk in body:
        total += len(chunk)
        if total > route.request_bytes_max:
            message = f"{route.name}: the body is longer than the route's limit of {route.request_bytes_max} bytes"
            raise RequestDenied(message)
        packed = chunk if deflate is None else deflate.compress(chunk)
        if packed:
            yield packed
    if deflate is not None:
        yield deflate.flush()


async def _chunks(response: aiohttp.ClientResponse, route: Route, meter: _Meter) -> AsyncIterator[bytes]:
    try:
        async for chunk in response.content.iter_any():
            meter.bytes_in += len(chunk)
            if meter.bytes_in > route.reply_bytes_max:
                message = f"{route.name}: the reply is longer than the route's limit of {route.reply_bytes_max} bytes"
                raise ReplyTooLarge(message)
            yield chunk
    except (aiohttp.ClientError, OSError, TimeoutError, asyncio.TimeoutError) as error:  # noqa: UP041 3.10's two
        raise _egress_error(route.name, error) from None


def _egress_error(route: RouteName, error: Exception) -> EgressError:
    """Sort an error by what the caller does next; its text stays behind."""
    match error:
        case ssl.SSLError() | aiohttp.ClientSSLError():
            return TlsRefused(route)
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            return Unreachable(route)
        case _:
            return Interrupted(route)
