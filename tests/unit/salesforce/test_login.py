"""Token requests against a server that answers what a test says: what is sent, and what each answer means."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs

import pytest

from isthmus.egress.dial import PinnedDialer
from isthmus.egress.policy import LOGIN
from isthmus.egress.transport import Channel
from isthmus.salesforce.login import (
    App,
    GrantRefusal,
    GrantRefused,
    LoginUnavailable,
    exchange_code,
    refresh,
    revoke,
    supported_version,
    userinfo,
)
from isthmus.salesforce.routes import ROUTES
from isthmus.values import OrgHost, Secret
from tests.support.plain_server import PlainServer, http, plain_server

PUBLIC, CONFIDENTIAL = App("client", None), App("client", Secret("hush"))
GRANTED = {
    "access_token": "00Dxx!AQ",
    "refresh_token": "5Aep",
    "instance_url": "https://acme.my.salesforce.com",
    "id": "https://login.salesforce.com/id/00D000000000001AAA/005000000000001AAA",
    "scope": "api refresh_token",
    "token_type": "Bearer",
}


@asynccontextmanager
async def login_to(*answers: bytes, cut: bool = False) -> AsyncIterator[tuple[PlainServer, Channel]]:
    async with plain_server(*answers, cut=cut) as server:
        host, dialer = OrgHost("http", "127.0.0.1", server.port), PinnedDialer(loopback=True)
        channel = Channel(host, LOGIN, ROUTES, lambda: dialer.dial(host), None, loopback=True)
        try:
            yield server, channel
        finally:
            await channel.close()


def as_json(status: int, body: object) -> bytes:
    return http(status, json.dumps(body).encode())


def form_of(request: bytes) -> dict[str, str]:
    return {key: values[0] for key, values in parse_qs(request.partition(b"\r\n\r\n")[2].decode()).items()}


async def test_a_code_is_redeemed_with_its_verifier_and_no_secret_of_a_public_app():
    async with login_to(as_json(200, GRANTED)) as (server, channel):
        grant = await exchange_code(
            channel, PUBLIC, Secret("c&1"), Secret("v" * 43), "http://127.0.0.1/cb", loopback=True
        )
    assert form_of(server.requests[0]) == {
        "grant_type": "authorization_code",
        "code": "c&1",
        "redirect_uri": "http://127.0.0.1/cb",
        "code_verifier": "v" * 43,
        "client_id": "client",
    }
    assert server.requests[0].startswith(b"POST /services/oauth2/token HTTP/1.1\r\n")
    assert (grant.org_id, grant.user_id) == ("00D000000000001AAA", "005000000000001AAA")
    assert grant.scopes == {"api", "refresh_token"}
    assert grant.refresh_token is not None
    assert "5Aep" not in repr(grant)


async def test_a_refresh_without_rotation_brings_no_refresh_token():
    body = {key: value for key, value in GRANTED.items() if key != "refresh_token"}
    async with login_to(as_json(200, body)) as (server, channel):
        grant = await refresh(channel, CONFIDENTIAL, Secret("old"), loopback=True)
    assert grant.refresh_token is None
    assert form_of(server.requests[0])["client_secret"] == "hush"


@pytest.mark.parametrize("refusal", [each for each in GrantRefusal if each is not GrantRefusal.OTHER])
async def test_a_refusal_has_its_code_and_not_its_text(refusal):
    async with login_to(as_json(400, {"error": refusal.value, "error_description": "secret"})) as (_, channel):
        with pytest.raises(GrantRefused) as caught:
            await refresh(channel, PUBLIC, Secret("x"), loopback=True)
    assert caught.value.refusal is refusal
    assert "secret" not in repr(caught.value)


@pytest.mark.parametrize(
    ("answer", "sent"),
    [
        (as_json(503, {"error": "invalid_grant"}), False),
        (as_json(429, {}), False),
        (http(400, b"<html>"), False),
        (as_json(400, {"error": "rate_limit_exceeded"}), False),
        (as_json(400, {"error": "invalid_grant", "error_description": "login rate exceeded"}), False),
        (as_json(400, {"error": "unknown_error", "error_description": "retry your request"}), False),
        (http(302, b""), False),
        (as_json(200, GRANTED | {"instance_url": None}), True),
        (as_json(200, {"access_token": "x"}), True),
        (as_json(200, GRANTED | {"instance_url": "https://evil.example"}), True),
        (as_json(200, GRANTED | {"id": "https://x/id/1/2"}), True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{", True),
    ],
)
async def test_what_is_no_proper_answer_leaves_the_grant_alone(answer, sent):
    async with login_to(answer, cut=True) as (server, channel):
        with pytest.raises(LoginUnavailable) as caught:
            await refresh(channel, PUBLIC, Secret("x"), loopback=True)
    assert caught.value.sent is sent
    assert len(server.requests) == 1, "a token request is never repeated by itself: rotation would kill the family"


@pytest.mark.parametrize(
    ("answer", "done"),
    [
        (http(200), True),
        (http(400, b"error=unsupported_token_type"), True),
        (http(400, b"error=invalid_client"), False),
        (http(503), False),
    ],
)
async def test_a_revocation_is_confirmed_or_not(answer, done):
    async with login_to(answer) as (server, channel):
        assert await revoke(channel, Secret("tok&en")) is done
    assert form_of(server.requests[0]) == {"token": "tok&en"}
    assert b"tok" not in server.requests[0].partition(b"\r\n")[0]


async def test_who_granted_is_read():
    body = {"user_id": "005x", "organization_id": "00Dx", "preferred_username": "a@b", "email": "dropped"}
    async with login_to(as_json(200, body), as_json(403, "Bad_OAuth_Token")) as (_, channel):
        found = await userinfo(channel, Secret("t"))
        assert (found.org_id, found.user_id, found.username) == ("00Dx", "005x", "a@b")
        with pytest.raises(GrantRefused):
            await userinfo(channel, Secret("t"))


async def test_the_version_is_agreed_on():
    async with login_to(as_json(200, [{"version": "61.0"}, {"version": "99.0"}])) as (_, channel):
        assert await supported_version(channel) == "61.0"
