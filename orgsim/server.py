"""The HTTP shell: sockets, gzip, streaming, the transcript, and the trouble that only a socket can make."""

from __future__ import annotations

import asyncio
import logging
import secrets
import socket
import struct
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from email.utils import format_datetime
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from orgsim.emulator import Emulator
from orgsim.faults import Trouble
from orgsim.packing import Overlong, Packer, Unreadable, gzipped, unpacked
from orgsim.store.values import json_value
from orgsim.transcript import Entry, safe_query
from orgsim.wire import Body, Request, Response, json_response

BODY_BYTES_MAX: Final = 160_000_000
_WRITE_BYTES: Final = 256 * 1024
_GZIP_FROM_BYTES: Final = 860
_ALWAYS: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Robots-Tag", "none"),
    ("Cache-Control", "no-cache,must-revalidate,max-age=0,no-store,private"),
)
_REFUSALS_FROM: Final = 400
_RST_ON_CLOSE: Final = struct.pack("ii", 1, 0)


@dataclass(slots=True)
class _Traffic:
    bytes_in: int = 0
    bytes_out: int = 0
    status: int = 0
    note: str = ""


class _Brokenness(logging.Filter):
    """Lets no traceback out for a request that is no HTTP: it was answered with 400."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Say whether the record goes on."""
        kind = record.exc_info[0] if record.exc_info else None
        return kind is None or not issubclass(kind, HttpProcessingError)


def server_log() -> logging.Logger:
    """Return the log of the HTTP server: faults of orgsim's own, nothing about what clients break."""
    log = logging.getLogger("orgsim.server")
    log.addFilter(_Brokenness())
    return log


class Front:
    """Answers the calls of one org's port."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def application(self) -> web.Application:
        """Return the web application; run it with `auto_decompress=False`."""
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self.handle)
        return app

    async def handle(self, raw: web.Request) -> web.StreamResponse:
        """Answer one call and write it into the transcript, however it ends."""
        traffic = _Traffic()
        target = raw.raw_path
        at = str(json_value(self._emulator.clock.now()))
        try:
            return await self._serve(raw, target, traffic)
        except (ConnectionError, web.RequestPayloadError):
            # Nobody is left to be answered.
            traffic.note = "; ".join(part for part in (traffic.note, "the client broke the connection") if part)
            return web.Response(status=400)
        finally:
            path, _, query = target.partition("?")
            transcript = self._emulator.org.transcript
            note = "; ".join(part for part in (traffic.note, transcript.take_note()) if part)
            transcript.add(
                Entry(
                    at, raw.method, path, safe_query(query), traffic.status, traffic.bytes_in, traffic.bytes_out, note
                )
            )

    async def _serve(self, raw: web.Request, target: str, traffic: _Traffic) -> web.StreamResponse:
        try:
            body = await _read_body(raw, traffic)
        except Overlong:
            return await self._send(
                raw, json_response(_problem("EXCEEDED_MAX_SIZE_REQUEST", "too large"), 413), traffic
            )
        except Unreadable:
            text = "The body does not fit its Content-Encoding"
            return await self._send(raw, json_response(_problem("INVALID_CONTENT_ENCODING", text), 400), traffic)
        request = Request.build(raw.method, target, headers=_headers(raw), body=body)
        trouble = self._emulator.trouble_for(request, target)
        if trouble is not None:
            return await self._troubled(raw, request, trouble, traffic)
        return await self._send(raw, await self._answered(request), traffic)

    async def _answered(self, request: Request) -> Response:
        """Answer a call; while a long one pauses, others are answered."""
        steps = self._emulator.answer_steps(request)
        while True:
            try:
                next(steps)
            except StopIteration as done:
                return done.value
            await asyncio.sleep(0)

    async def _troubled(
        self, raw: web.Request, request: Request, trouble: Trouble, traffic: _Traffic
    ) -> web.StreamResponse:
        traffic.note = trouble.note
        if trouble.delay_s:
            await asyncio.sleep(trouble.delay_s)
        if trouble.expire_token:
            self._emulator.expire_token_of(request)
        if trouble.reset:
            _cut(raw)
            return web.Response(status=500)
        if trouble.answer is not None:
            answer = trouble.answer
            return await self._send(raw, Response(answer.status, answer.body, answer.headers), traffic)
        response = await self._answered(request)
        if trouble.half_after_bytes is not None:
            return await _send_half(raw, response, trouble.half_after_bytes, traffic)
        return await self._send(raw, response, traffic)

    async def _send(self, raw: web.Request, response: Response, traffic: _Traffic) -> web.StreamResponse:
        traffic.status = response.status
        # The date of an answer is the org's own time, which clients may go by.
        date = format_datetime(self._emulator.clock.now(), usegmt=True)
        number = f"{secrets.randbits(128):032x}"
        extra = [("Date", date), *_ALWAYS, ("X-SFDC-Request-Id", number), ("X-Request-Id", number)]
        given = {name.lower() for name, _ in response.headers}
        response = response.with_headers([header for header in extra if header[0].lower() not in given])
        zipped = _wants_gzip(raw)
        if isinstance(response.body, bytes):
            return await _send_whole(raw, response, response.body, traffic, zipped=zipped)
        out = web.StreamResponse(status=response.status, headers=_multi(response))
        out.headers["Vary"] = "Accept-Encoding"
        if zipped:
            out.headers["Content-Encoding"] = "gzip"
        out.enable_chunked_encoding()
        await out.prepare(raw)
        async for piece in _pieces(response.body, zipped=zipped):
            await out.write(piece)
            traffic.bytes_out += len(piece)
            await asyncio.sleep(0)
        await out.write_eof()
        return out


async def _send_whole(
    raw: web.Request, response: Response, body: bytes, traffic: _Traffic, *, zipped: bool
) -> web.StreamResponse:
    out = web.Response(status=response.status, headers=_multi(response))
    if body:
        if response.status < _REFUSALS_FROM:
            out.headers["Vary"] = "Accept-Encoding"
        if zipped and len(body) >= _GZIP_FROM_BYTES:
            body = gzipped(body)
            out.headers["Content-Encoding"] = "gzip"
    out.body = body
    traffic.bytes_out = 0 if raw.method == "HEAD" else len(body)
    await out.prepare(raw)
    return out


async def _send_half(raw: web.Request, response: Response, after: int, traffic: _Traffic) -> web.StreamResponse:
    """Send the head and the first bytes of an answer, then cut the connection; the work is done all the same."""
    body = (
        response.body if isinstance(response.body, bytes) else b"".join([piece async for piece in _flat(response.body)])
    )
    traffic.status = response.status
    out = web.StreamResponse(status=response.status, headers=_multi(response))
    out.content_length = max(len(body), after + 1)
    await out.prepare(raw)
    traffic.bytes_out = min(after, len(body))
    if traffic.bytes_out:
        await out.write(body[: traffic.bytes_out])
    await asyncio.sleep(0)
    if raw.transport is not None:
        raw.transport.close()
    return out


async def _flat(body: Body) -> AsyncIterator[bytes]:
    if isinstance(body, bytes):
        yield body
    elif isinstance(body, AsyncIterator):
        async for piece in body:
            yield piece
    else:
        for piece in body:
            yield piece


async def _pieces(body: Iterable[bytes] | AsyncIterator[bytes], *, zipped: bool) -> AsyncIterator[bytes]:
    """Yield a streamed body in writes of a good size, compressed where asked."""
    packer = Packer() if zipped else None
    held: list[bytes] = []
    size = 0
    async for piece in _flat(body):
        data = packer.add(piece) if packer is not None else piece
        if not data:
            await asyncio.sleep(0)
            continue
        held.append(data)
        size += len(data)
        if size >= _WRITE_BYTES:
            yield b"".join(held)
            held, size = [], 0
    if packer is not None:
        held.append(packer.finish())
    if held:
        yield b"".join(held)


async def _read_body(raw: web.Request, traffic: _Traffic) -> bytes | None:
    if not raw.body_exists:
        return None
    pieces: list[bytes] = []
    async for piece in raw.content.iter_any():
        traffic.bytes_in += len(piece)
        if traffic.bytes_in > BODY_BYTES_MAX:
            raise Overlong
        pieces.append(piece)
    body = b"".join(pieces)
    encoding = raw.headers.get("Content-Encoding", "identity").lower()
    return body if encoding == "identity" else unpacked(body, encoding, BODY_BYTES_MAX)


def _headers(raw: web.Request) -> dict[str, str]:
    return {name.lower(): value for name, value in raw.headers.items()}


def _multi(response: Response) -> list[tuple[str, str]]:
    return list(response.headers)


def _wants_gzip(raw: web.Request) -> bool:
    return "gzip" in raw.headers.get("Accept-Encoding", "").lower()


def _problem(code: str, text: str) -> list[dict[str, str]]:
    return [{"message": text, "errorCode": code}]


def _cut(raw: web.Request) -> None:
    """End the connection with a reset instead of an answer."""
    transport = raw.transport
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST_ON_CLOSE)
    transport.abort()
