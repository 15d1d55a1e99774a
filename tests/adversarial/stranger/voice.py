"""How a stranger's server speaks: everything about HTTP, JSON and CSV that the contract leaves to the server."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Ways:
    """The habits of one server. The defaults are plain; each test changes a few."""

    header_case: str = "plain"  # plain | lower | upper
    extra_keys: bool = False
    sparse_describe: bool = False
    versions: tuple[str, ...] = ("61.0", "62.0", "63.0")
    gzip: bool = False
    framing: str = "length"  # length | chunked | close (HTTP/1.0: the body ends with the connection)
    hang_up: bool = False
    content_type: str | None = "application/json;charset=UTF-8"
    line_end: str = "\n"
    quoting: str = "all"  # all | needed
    quoted_null: bool = True
    bulk_page_rows: int = 3
    query_page_rows: int = 4
    numeric_locator: bool = False
    next_url: str = "{path}"
    short_ids: bool = False
    covered: str = "end"  # end | minute | lagging | ahead | offset
    date: str | None = "now"  # now | ahead | behind | a text | None for no header
    created_key: bool = True
    odd_states: tuple[str, ...] = ()
    drop_bulk_rows: int = 0
    forget_upload_rows: int = 0
    stumbles: list[tuple[str, int, bytes]] = field(default_factory=list[tuple[str, int, bytes]])


@dataclass
class Asked:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Told:
    """One answer before it is put into words."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    content_type: str | None = None


def told_json(value: object, status: int = 200) -> Told:
    return Told(status, json.dumps(value, ensure_ascii=False).encode())


async def hear(reader: asyncio.StreamReader) -> Asked | None:
    """Read one request, or None at the connection's end."""
    line = await reader.readline()
    if not line:
        return None
    method, target, _ = line.decode().split(" ")
    headers: dict[str, str] = {}
    while (line := await reader.readline()) not in {b"\r\n", b""}:
        name, _, value = line.decode().partition(":")
        headers[name.strip().lower()] = value.strip()
    body = b""
    if "content-length" in headers:
        body = await reader.readexactly(int(headers["content-length"]))
    elif headers.get("transfer-encoding") == "chunked":
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    if headers.get("content-encoding") == "gzip":
        body = gzip.decompress(body)
    path, query = _split(target)
    return Asked(method, path, query, headers, body)


def _split(target: str) -> tuple[str, dict[str, str]]:
    from urllib.parse import parse_qsl, unquote  # noqa: PLC0415 - a server of its own, kept together

    path, _, query = target.partition("?")
    return unquote(path), dict(parse_qsl(query))


def say(told: Told, ways: Ways, asked: Asked, date: str | None) -> tuple[bytes, bool]:
    """Return the bytes of an answer, and whether the connection ends after it."""
    body = told.body
    headers = dict(told.headers)
    if date is not None:
        headers["Date"] = date
    if ways.content_type is not None and body:
        headers["Content-Type"] = told.content_type or ways.content_type
    if ways.gzip and body and "gzip" in asked.headers.get("accept-encoding", ""):
        body = gzip.compress(body)
        headers["Content-Encoding"] = "gzip"
    hang_up = ways.hang_up or ways.framing == "close"
    if ways.framing == "length":
        headers["Content-Length"] = str(len(body))
    elif ways.framing == "chunked" and told.status != 204:
        headers["Transfer-Encoding"] = "chunked"
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in _parts(body)) + b"0\r\n\r\n"
    if hang_up:
        headers["Connection"] = "close"
    version = "1.0" if ways.framing == "close" else "1.1"
    lines = [f"HTTP/{version} {told.status} Whatever"]
    lines += [f"{_cased(name, ways)}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body, hang_up


def _parts(body: bytes) -> list[bytes]:
    return [body[start : start + 7] for start in range(0, len(body), 7)] if len(body) < 2000 else [body]


def _cased(name: str, ways: Ways) -> str:
    match ways.header_case:
        case "lower":
            return name.lower()
        case "upper":
            return name.upper()
        case _:
            return name
