"""Notices through real servers: SMTP with and without TLS, webhooks, and addresses that are never dialled."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from isthmus.clock import SystemClock
from isthmus.egress.outside import OutsideDialer
from isthmus.egress.tls import tls_context
from isthmus.notices.channels import Channels, read_channels
from isthmus.notices.forms import SIGNATURE_HEADER, signature
from isthmus.notices.model import Attachment, Notice
from isthmus.notices.sending import Sender, Sent
from isthmus.values import Secret
from orgsim.tls import CA_FILE, server_context
from tests.support.mail_server import mail_server

NOTICE = Notice("Sales to UAT failed", "The target refused.", None, (Attachment("a.txt", "text/plain", b"A"),), key="1")
TRUSTED = "alerts.my.salesforce.com"
"""A name that the test's certificate has."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    server_context(folder)
    return folder


def sender(channels: Channels, authority: Path, *, leads_to: str = "127.0.0.1") -> Sender:
    async def resolve(name: str, port: int) -> list[str]:
        del name, port
        return [leads_to]

    return Sender(channels, OutsideDialer(resolve), tls_context(authority / CA_FILE), SystemClock())


def mailing(smtp: str) -> Channels:
    text = f"version: 1\nsmtp: {smtp}\nfrom: i@acme.com\nchannels: {{ops: {{mail: [ops@acme.com, lead@acme.com]}}}}\n"
    return read_channels(text)


def hooked(url: str, extra: str = "") -> Channels:
    return read_channels(f'version: 1\nchannels: {{h: {{webhook: "{url}"{extra}}}}}\n')


async def send(channels: Channels, authority: Path, *, leads_to: str = "127.0.0.1") -> Sent:
    return await sender(channels, authority, leads_to=leads_to).send(channels.channels[0], NOTICE)


@dataclass
class Hook:
    """A server that takes webhooks."""

    url: str = ""
    status: int = 200
    bodies: list[bytes] = field(default_factory=list[bytes])
    headers: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    async def take(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        self.headers.append(dict(request.headers))
        return web.Response(status=self.status, headers={"Location": "/elsewhere"})


@asynccontextmanager
async def hook_server(tls: ssl.SSLContext | None = None, status: int = 200) -> AsyncGenerator[Hook]:
    hook = Hook(status=status)
    app = web.Application()
    app.add_routes([web.post("/{path:.*}", hook.take)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    hook.url = f"https://{TRUSTED}:{port}/in" if tls else f"http://127.0.0.1:{port}/in"
    try:
        yield hook
    finally:
        await runner.cleanup()


async def test_a_mail_goes_by_starttls_with_a_password(authority: Path) -> None:
    async with mail_server(tls=server_context(authority)) as server:
        assert await send(mailing(f"smtp://u:p@{TRUSTED}:{server.port}"), authority) is Sent.OK
    assert server.encrypted == [True]
    assert server.commands[:4] == ["EHLO", "STARTTLS", "EHLO", "AUTH"]
    assert server.recipients == ["ops@acme.com", "lead@acme.com"]
    assert server.mails[0]["Subject"] == NOTICE.subject


async def test_a_mail_goes_by_tls_from_the_first_byte(authority: Path) -> None:
    async with mail_server(tls=server_context(authority), tls_at_once=True) as server:
        assert await send(mailing(f"smtps://{TRUSTED}:{server.port}"), authority) is Sent.OK
    assert server.encrypted == [True]


async def test_without_tls_nothing_is_sent_but_to_this_machine(authority: Path) -> None:
    async with mail_server() as server:
        assert await send(mailing(f"smtp://u:p@{TRUSTED}:{server.port}"), authority) is Sent.REFUSED
        assert "AUTH" not in server.commands
        assert server.mails == []
        assert await send(mailing(f"smtp://localhost:{server.port}"), authority) is Sent.OK
    assert server.encrypted == [False]


async def test_a_mail_server_that_cannot_prove_itself_gets_nothing(authority: Path) -> None:
    async with mail_server(tls=server_context(authority)) as server:
        assert await send(mailing(f"smtp://u:p@mail.acme.com:{server.port}"), authority) is Sent.UNPROVEN
    assert server.mails == []
    assert "AUTH" not in server.commands


@pytest.mark.parametrize(
    ("behaviour", "becomes"),
    [
        ({"rcpt_answer": "451 later"}, Sent.LATER),
        ({"rcpt_answer": "550 nobody"}, Sent.REFUSED),
        ({"data_answer": "452 full"}, Sent.LATER),
        ({"data_answer": "554 spam"}, Sent.REFUSED),
    ],
)
async def test_what_a_mail_server_answers_decides_whether_it_is_tried_again(
    authority: Path, behaviour: dict[str, str], becomes: Sent
) -> None:
    async with mail_server(**behaviour) as server:
        assert await send(mailing(f"smtp://localhost:{server.port}"), authority) is becomes


async def test_a_server_that_is_away_is_tried_again(authority: Path) -> None:
    async with mail_server() as server:
        port = server.port
    assert await send(mailing(f"smtp://localhost:{port}"), authority) is Sent.LATER


async def test_a_webhook_gets_a_signed_document_over_tls(authority: Path) -> None:
    async with hook_server(server_context(authority)) as hook:
        channels = hooked(hook.url, ", private: yes, secret: s3")
        assert await send(channels, authority) is Sent.OK
    assert json.loads(hook.bodies[0])["subject"] == NOTICE.subject
    assert hook.headers[0][SIGNATURE_HEADER] == signature(hook.bodies[0], Secret("s3"))


@pytest.mark.parametrize(
    ("status", "becomes"),
    [(204, Sent.OK), (302, Sent.REFUSED), (404, Sent.REFUSED), (429, Sent.LATER), (503, Sent.LATER)],
)
async def test_what_a_webhook_answers_decides_whether_it_is_tried_again(
    authority: Path, status: int, becomes: Sent
) -> None:
    async with hook_server(status=status) as hook:
        assert await send(hooked(hook.url, ", private: yes"), authority) is becomes
        await asyncio.sleep(0)
    assert len(hook.bodies) == 1, "no redirect is followed"


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "10.1.2.3", "192.168.1.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "fd00::1", "0.0.0.0"],
)
async def test_a_name_that_leads_into_a_private_network_is_never_dialled(authority: Path, address: str) -> None:
    async with hook_server() as hook:
        assert await send(hooked("https://alerts.acme.com/x"), authority, leads_to=address) is Sent.PRIVATE
    assert hook.bodies == []


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1", "::ffff:169.254.169.254"])
async def test_even_an_allowed_private_channel_never_reaches_a_clouds_secrets(authority: Path, address: str) -> None:
    channels = hooked("https://alerts.acme.lan/x", ", private: yes")
    assert await send(channels, authority, leads_to=address) is Sent.PRIVATE
