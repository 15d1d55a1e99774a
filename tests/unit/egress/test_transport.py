"""The channel against servers that answer byte by byte what a test says."""

from __future__ import annotations

import gzip
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from isthmus.egress.dial import PinnedDialer
from isthmus.egress.errors import DialRefused, Interrupted, ReplyTooLarge, RequestDenied, Unreachable
from isthmus.egress.policy import BodyKind, Call, Method, Route, RouteName
from isthmus.egress.transport import Channel, Exchange
from isthmus.salesforce.lease import ANSWER_S
from isthmus.salesforce.routes import ROUTES
from isthmus.values import OrgHost, Purpose, Secret
from tests.support.plain_server import http, plain_server

READ, SMALL, WRITE, UPLOAD, BRIEF = map(RouteName, ("read", "small", "write", "upload", "brief"))
SYNC = frozenset({Purpose.SYNC})
TABLE = {
    READ: Route(READ, Method.GET, "/read", SYNC),
    SMALL: Route(SMALL, Method.GET, "/small", SYNC, reply_bytes_max=1000),
    BRIEF: Route(BRIEF, Method.GET, "/brief", SYNC, seconds_max=0.2),
    WRITE: Route(WRITE, Method.POST, "/write", SYNC, body=BodyKind.JSON, request_bytes_max=100),
    UPLOAD: Route(UPLOAD, Method.PUT, "/upload", SYNC, body=BodyKind.CSV, compress=True, request_bytes_max=10_000),
}


@asynccontextmanager
async def channel_to(port: int, observed: list[Exchange] | None = None) -> AsyncIterator[Channel]:
    host = OrgHost("http", "127.0.0.1", port)
    dialer = PinnedDialer(loopback=True)
    note = None if observed is None else observed.append
    channel = Channel(host, Purpose.SYNC, TABLE, lambda: dialer.dial(host), None, loopback=True, observe=note)
    try:
        yield channel
    finally:
        await channel.close()


async def test_a_request_says_what_the_policy_built_and_nothing_more():
    async with plain_server(http(200, b"{}", "X-Some: Header")) as server, channel_to(server.port) as channel:
        reply = await channel.send(Call(READ), bearer=Secret("tok"))
    assert (reply.status, reply.body, reply.headers["x-some"]) == (200, b"{}", "Header")
    lines = server.requests[0].decode().split("\r\n")
    assert lines[0] == "GET /read HTTP/1.1"
    assert sorted(line.split(":")[0] for line in lines[1:] if line) == [
        "Accept",
        "Accept-Encoding",
        "Authorization",
        "Host",
        "User-Agent",
    ]
    assert "Authorization: Bearer tok" in lines


async def test_a_redirect_is_an_answer_and_is_not_followed():
    async with (
        plain_server(http(302, b"", "Location: http://127.0.0.1:1/x")) as server,
        channel_to(server.port) as channel,
    ):
        assert (await channel.send(Call(READ))).status == 302
    assert len(server.requests) == 1


async def test_a_server_that_says_nothing_is_given_up_after_the_routes_own_time():
    async with plain_server(b"") as server, channel_to(server.port) as channel:
        with pytest.raises(Interrupted):
            await channel.send(Call(BRIEF))
    assert len(server.requests) == 1


def test_nobody_waits_for_a_login_longer_than_a_mover_waits_for_its_token():
    login = [route for route in ROUTES.values() if "/oauth2/" in route.path]
    assert len(login) == 3
    assert all(route.seconds_max is not None and route.seconds_max < ANSWER_S for route in login)


async def test_a_cookie_is_not_kept():
    async with (
        plain_server(http(200, b"", "Set-Cookie: sid=secret; Path=/")) as server,
        channel_to(server.port) as channel,
    ):
        await channel.send(Call(READ))
        await channel.send(Call(READ))
    assert b"cookie" not in server.requests[1].lower()


async def test_a_kept_connection_serves_the_next_request():
    async with plain_server(http(200, b"{}")) as server, channel_to(server.port) as channel:
        for _ in range(5):
            await channel.send(Call(READ))
    assert server.connections == 1


async def test_a_packed_reply_is_unpacked():
    body = os.urandom(5_000) + b"a" * 50_000
    answer = http(200, gzip.compress(body), "Content-Encoding: gzip")
    async with plain_server(answer) as server, channel_to(server.port) as channel:
        assert (await channel.send(Call(READ))).body == body


async def test_an_upload_is_streamed_and_packed():
    async def blocks() -> AsyncIterator[bytes]:
        for _ in range(10):
            yield b"a,b\n"

    observed: list[Exchange] = []
    async with plain_server(http(201)) as server, channel_to(server.port, observed) as channel:
        assert (await channel.send(Call(UPLOAD), blocks())).status == 201
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert b"Content-Encoding: gzip" in head
    assert b"Content-Type: text/csv; charset=UTF-8" in head
    assert gzip.decompress(body) == b"a,b\n" * 10
    assert [(each.route, each.status, each.bytes_out) for each in observed] == [(UPLOAD, 201, len(body))]


async def test_a_reply_over_the_limit_is_cut():
    async with plain_server(http(200, b"x" * 1001)) as server, channel_to(server.port) as channel:
        with pytest.raises(ReplyTooLarge):
            await channel.send(Call(SMALL))


async def test_a_small_reply_that_unpacks_to_a_large_one_is_cut():
    answer = http(200, gzip.compress(b"x" * 50_000_000), "Content-Encoding: gzip")
    observed: list[Exchange] = []
    async with plain_server(answer) as server, channel_to(server.port, observed) as channel:
        with pytest.raises(ReplyTooLarge):
            await channel.send(Call(SMALL))
    assert observed[0].bytes_in < 10_000_000


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
        b"",
        b"HTTP/1.1 20",
        b"what is this\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
    ],
)
async def test_a_broken_reply_is_an_interruption_without_its_text(answer):
    async with plain_server(answer, cut=True) as server, channel_to(server.port) as channel:
        with pytest.raises(Interrupted) as caught:
            await channel.send(Call(WRITE), b"{}")
    assert str(caught.value) == "write"
    assert caught.value.__cause__ is None


async def test_a_port_where_nobody_listens_is_unreachable():
    async with plain_server(b"") as server:
        port = server.port
    async with channel_to(port) as channel:
        with pytest.raises(Unreachable):
            await channel.send(Call(READ))


async def test_what_the_dialer_refuses_comes_through_as_it_is():
    async def refuse():
        raise DialRefused("no")

    channel = Channel(OrgHost("http", "127.0.0.1", 9), Purpose.SYNC, TABLE, refuse, None, loopback=True)
    with pytest.raises(DialRefused):
        await channel.send(Call(READ))
    await channel.close()


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 1000


@pytest.mark.parametrize(
    ("call", "body"),
    [
        (Call(RouteName("unknown")), None),
        (Call(READ, {"hole": "x"}), None),
        (Call(READ), b"a body"),
        (Call(WRITE), None),
        (Call(WRITE), b"x" * 101),
        (Call(UPLOAD), endless()),
    ],
)
async def test_a_request_that_the_table_does_not_have_is_not_sent(call, body):
    async with plain_server(http(200)) as server, channel_to(server.port) as channel:
        with pytest.raises(RequestDenied):
            await channel.send(call, body)
    assert server.requests == []


async def test_an_error_of_the_body_comes_through_and_the_upload_is_not_ended():
    async def blocks() -> AsyncIterator[bytes]:
        yield b"a,b\n"
        raise ZeroDivisionError

    async with plain_server(http(201)) as server, channel_to(server.port) as channel:
        with pytest.raises(ZeroDivisionError):
            await channel.send(Call(UPLOAD), blocks())
    assert server.requests == []


async def test_a_plain_channel_to_loopback_needs_the_setting():
    async with plain_server(http(200)) as server:
        host = OrgHost("http", "127.0.0.1", server.port)
        dialer = PinnedDialer(loopback=True)
        channel = Channel(host, Purpose.SYNC, TABLE, lambda: dialer.dial(host), None, loopback=False)
        with pytest.raises(RequestDenied, match="host"):
            await channel.send(Call(READ))
        await channel.close()
    assert server.connections == 0


async def test_leaving_a_stream_early_frees_its_connection():
    async with plain_server(http(200, b"x" * 5_000_000)) as server, channel_to(server.port) as channel:
        for _ in range(40):  # more than the pool holds
            async with channel.stream(Call(READ)) as reply:
                await anext(reply.chunks())
    assert len(server.requests) == 40
