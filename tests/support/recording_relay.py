"""A relay in front of an org that keeps every byte sent to it, and can tell them as decoded requests."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

CHUNK = 64 * 1024


class RecordingRelay:
    """What went to one org: one byte string for each connection."""

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self._upstream = (parts.hostname or "", parts.port or 80)
        self.url = ""
        self.sent: list[bytearray] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kept = bytearray()
        self.sent.append(kept)
        theirs, ours = await asyncio.open_connection(*self._upstream)
        await asyncio.gather(_pour(reader, ours, kept), _pour(theirs, writer, None), return_exceptions=True)
        for end in (ours, writer):
            end.close()

    def requests(self) -> list[bytes]:
        """Return each request: its head, and its body without chunks and without compression."""
        return [request for kept in self.sent for request in _requests(bytes(kept))]


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray | None) -> None:
    while data := await reader.read(CHUNK):
        if kept is not None:
            kept += data
        writer.write(data)
        await writer.drain()
    writer.write_eof()


def _requests(raw: bytes) -> list[bytes]:
    found: list[bytes] = []
    while raw:
        head, _, rest = raw.partition(b"\r\n\r\n")
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
        }
        if headers.get(b"transfer-encoding") == b"chunked":
            body, raw = _unchunked(rest)
        else:
            size = int(headers.get(b"content-length", b"0"))
            body, raw = rest[:size], rest[size:]
        if headers.get(b"content-encoding") == b"gzip" and body:
            body = gzip.decompress(body)
        elif headers.get(b"content-encoding") == b"deflate" and body:
            body = zlib.decompress(body)
        found.append(head + b"\n" + body)
    return found


def _unchunked(rest: bytes) -> tuple[bytes, bytes]:
    body = bytearray()
    while True:
        line, _, rest = rest.partition(b"\r\n")
        size = int(line.split(b";")[0], 16)
        if size == 0:
            return bytes(body), rest[2:]
        body += rest[:size]
        rest = rest[size + 2 :]


@asynccontextmanager
async def recording_relay(upstream: str) -> AsyncIterator[RecordingRelay]:
    """Relay to `upstream` (plain http) until the block ends."""
    relay = RecordingRelay(upstream)
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    relay.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield relay
    finally:
        server.close()
