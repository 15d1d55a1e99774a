"""Login services that lie to the keeper: refused in its own words, nothing kept, nothing told on, keeper alive."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qs, urlsplit

import pytest

from isthmus.db.address import Role
from isthmus.orgs.connections import list_connections
from isthmus.orgs.model import AuthorizationWanted, ConnectingFailed
from isthmus.values import Alias, OrgHost, Purpose, UserText
from tests.adversarial.stranger.voice import hear
from tests.support.keeper import RunningKeeper
from tests.support.plain_server import http

CANARY = "canary4711"
ORG, USER = "00D000000000001AAA", "005000000000001AAA"
DEEP = b"[" * 60_000 + b"]" * 60_000
JSON = "Content-Type: application/json"
WHO = {"user_id": USER, "organization_id": ORG, "preferred_username": f"{CANARY}@example.com"}


def granted(**changed: object) -> bytes:
    """A token answer as it should be, with `ORIGIN` to be put in, and changes."""
    token: dict[str, object] = {
        "access_token": f"00D!{CANARY}",
        "refresh_token": f"5Aep{CANARY}",
        "instance_url": "ORIGIN",
        "id": f"ORIGIN/id/{ORG}/{USER}",
        "scope": "api refresh_token",
        "token_type": "Bearer",
        "signature": CANARY,
    }
    return json.dumps(token | changed).encode()


def who(**changed: object) -> bytes:
    return json.dumps(WHO | changed).encode()


TOKENS: Mapping[str, bytes] = {
    "a web page": http(200, f"<html>{CANARY}</html>".encode(), "Content-Type: text/html"),
    "nothing": http(200),
    "an error with status 200": http(200, b'{"error":"invalid_grant","error_description":"%s"}' % CANARY.encode()),
    "a redirect": http(302, b"", f"Location: https://{CANARY}.example.com/"),
    "a body without end": http(200, b" " * 600_000),
    "nesting without end": http(200, b'{"x":' + DEEP + b"}"),
    "an error nested without end": http(400, DEEP),
    "no UTF-8": http(200, b'{"access_token":"\xff\xfe%s"}' % CANARY.encode()),
    "an error of a new kind": http(400, b'{"error":"%s","error_description":"x"}' % CANARY.encode()),
    "an instance elsewhere": http(200, granted(instance_url=f"https://{CANARY}.example.com")),
    "an instance inside the house": http(200, granted(instance_url="http://169.254.169.254")),
    "an instance with a user": http(200, granted(instance_url=f"https://{CANARY}@login.salesforce.com")),
    "an instance named twice": http(
        200, granted().replace(b'"scope"', b'"instance_url":"https://evil.example.com","scope"')
    ),
    "no id": http(200, granted(id=f"ORIGIN/id/{CANARY}/x")),
    "a line end in the token": http(200, granted(access_token=f"{CANARY}\r\nX-Evil: 1")),
    "a NUL in the token": http(200, granted(access_token=f"{CANARY}\0")),
    "a letter in the token that no header takes": http(200, granted(access_token=f"{CANARY}漢")),
    "an empty token": http(200, granted(access_token="")),
    "an empty refresh token": http(200, granted(refresh_token="")),
    "a token without end": http(200, granted(access_token=CANARY * 20_000)),
    "no refresh token": http(200, granted(refresh_token=None)),
    "more than was asked for": http(200, granted(scope=f"api refresh_token full {CANARY}")),
    "a NUL among the scopes": http(200, granted(scope="api\0 refresh_token")),
    "numbers for texts": http(200, granted(access_token=4711)),
}
ANSWERS_ABOUT_THE_USER: Mapping[str, bytes] = {
    "a web page": http(200, f"<html>{CANARY}</html>".encode()),
    "nesting without end": http(200, DEEP),
    "an error with status 200": http(200, b'{"error":"%s"}' % CANARY.encode()),
    "another org": http(200, who(organization_id="00D000000000002AAA")),
    "another user": http(200, who(user_id="005000000000002AAA")),
    "no ids": http(200, who(organization_id=CANARY)),
    "a NUL in the name": http(200, who(preferred_username=f"{CANARY}\0@x.y")),
    "a name without end": http(200, who(preferred_username=CANARY * 20_000)),
    "forbidden": http(403, CANARY.encode()),
    "half an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{" + CANARY.encode(),
}
CASES = [(f"token: {name}", (answer,)) for name, answer in TOKENS.items()]
CASES += [(f"user: {name}", (http(200, granted()), answer)) for name, answer in ANSWERS_ABOUT_THE_USER.items()]


async def test_no_lie_of_a_login_service_is_kept_or_told_on(
    keeper: RunningKeeper, capfd: pytest.CaptureFixture[str]
) -> None:
    portal = await keeper.database.open_as(Role.PORTAL)
    wrong: list[str] = []
    for number, (name, answers) in enumerate(CASES):
        said = await finish(keeper, f"org{number}", answers)
        if said is None:
            wrong.append(f"{name}: accepted")
        elif CANARY in said or not said:
            wrong.append(f"{name}: {said[:200]}")
        async with portal.tenant(keeper.ticket) as tx:
            if await list_connections(tx):
                wrong.append(f"{name}: kept")
    out, err = capfd.readouterr()
    assert wrong == []
    assert CANARY not in out + err
    assert await finish(keeper, "good", (http(200, granted()), http(200, who()))) is None


@asynccontextmanager
async def lying_server(answers: Sequence[bytes]) -> AsyncGenerator[int]:
    """Give `answers` in turn, then an empty one; each on a connection of its own. Yields the port."""
    left = list(answers)
    origin = b""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            if await hear(reader) is not None:
                head, end, body = (left.pop(0) if left else http(200)).partition(b"\r\n\r\n")
                if b"ORIGIN" in body:
                    body = body.replace(b"ORIGIN", origin)
                    head = b"HTTP/1.1 200 X\r\nContent-Length: %d" % len(body)
                writer.write(head + end + body)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    origin = f"http://127.0.0.1:{port}".encode()
    try:
        yield port
    finally:
        server.close()


async def finish(keeper: RunningKeeper, alias: str, answers: Sequence[bytes]) -> str | None:
    """Try to connect; returns what the person is told, or None if the org was connected."""
    async with lying_server(answers) as port:
        asked = AuthorizationWanted(
            Alias(alias), Purpose.SYNC, OrgHost("http", "127.0.0.1", port), UserText("client"), None, None
        )
        begun = await keeper.portal.begin_authorization(keeper.ticket, asked)
        state = parse_qs(urlsplit(begun.authorize_url).query)["state"][0]
        try:
            await keeper.portal.finish_authorization(state, "code", None, begun.browser_binding, keeper.ticket)
        except ConnectingFailed as refused:
            return str(refused)
        except Exception as other:  # anything else is what the test looks for
            return f"{CANARY} {type(other).__name__}: {other}"
    return None
