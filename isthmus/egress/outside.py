"""The way to places that are not Salesforce: where the operator wants to be told. Dialled by name once, judged, pinned.

Only `isthmus.notices` uses it, for addresses that stand in the operator's own file. No person of a tenant can name one.
"""

from __future__ import annotations

import asyncio
import re
import smtplib
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, Final, NoReturn
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from isthmus.egress.connector import DialledConnector
from isthmus.egress.dial import ADDRESSES_MAX, RESOLVE_S, Resolve, connect_to, system_resolve
from isthmus.egress.errors import DialRefused, Interrupted, TlsRefused, Unreachable
from isthmus.egress.hosts import Address, Permitted, is_loopback_name, permit_address
from isthmus.values import Secret

CONNECT_S: Final = 10.0
ANSWER_S: Final = 20.0
SMTP_S: Final = 60.0
REPLY_BYTES_MAX: Final = 64 * 1024
MAIL_OK, MAIL_LATER, MAIL_REFUSED = "ok", "later", "refused"
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")
_OWN_NETWORKS: Final = tuple(
    map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "fc00::/7"))
)
_SMTP_LATER: Final = range(400, 500)


@dataclass(frozen=True, slots=True)
class Outside:
    """A host outside Salesforce. `private`: the operator says that it lies in the own network; else it is public."""

    name: str
    port: int
    private: bool = False

    @property
    def loopback(self) -> bool:
        """Whether it is this machine by name."""
        return is_loopback_name(self.name)


class OutsideRefused(Exception):
    """An address that cannot be used; the message says why and never repeats the address, which may hold a secret."""


@dataclass(frozen=True, slots=True)
class HookAddress:
    """Where a webhook is sent. The path is the secret of most of them: no `repr`, no message shows it."""

    outside: Outside
    url: Secret
    secure: bool

    def __repr__(self) -> str:
        """Show the host only."""
        return f"<HookAddress {self.outside.name}>"


@dataclass(frozen=True, slots=True)
class MailServer:
    """The operator's mail server. `tls_at_once` False: STARTTLS, without which nothing is sent but to this machine."""

    outside: Outside
    tls_at_once: bool
    user: str | None
    password: Secret | None

    def __repr__(self) -> str:
        """Show the host only."""
        return f"<MailServer {self.outside.name}>"


def read_hook(text: str, *, private: bool) -> HookAddress:
    """Return the webhook of that address; https only, plain http for this machine by name. Raises `OutsideRefused`."""
    try:
        parts = urlsplit(text)
        port, name = parts.port or (443 if parts.scheme == "https" else 80), parts.hostname or ""
    except ValueError:
        name, port, parts = "", 0, urlsplit("")
    if not text.isascii() or any(c <= " " for c in text) or not _NAME.fullmatch(name) or "@" in parts.netloc:
        _refuse("it is not an address of the form https://host/path")
    outside = Outside(name, port, private)
    if parts.scheme != "https" and not (parts.scheme == "http" and outside.loopback and private):
        _refuse("only https is allowed; plain http needs this machine's own address and `private: yes`")
    if outside.loopback and not private:
        _refuse("an address of this machine needs `private: yes`")
    return HookAddress(outside, Secret(text), secure=parts.scheme == "https")


def read_mail_server(text: str) -> MailServer:
    """Return the server of an address like smtps://user:password@host:465 or smtp://…:587. Raises `OutsideRefused`.

    It may lie in the own network, where mail servers are: it is the operator's own setting.
    """
    try:
        url = URL(text)
        name, port, user, password = (url.host or "").lower(), url.explicit_port, url.user, url.password
    except ValueError:
        _refuse("it is not an address of the form smtps://user:password@host")
    if (
        url.scheme not in {"smtp", "smtps"}
        or not _NAME.fullmatch(name)
        or url.path not in {"", "/"}
        or url.query_string
    ):
        _refuse("it is not an address of the form smtps://user:password@host")
    tls_at_once = url.scheme == "smtps"
    outside = Outside(name, port or (465 if tls_at_once else 587), private=True)
    return MailServer(outside, tls_at_once, user, Secret(password) if password is not None else None)


def _refuse(why: str) -> NoReturn:
    raise OutsideRefused(why)


class OutsideDialer:
    """Dials places outside Salesforce, each time anew: resolved once, every address judged before any is dialled."""

    def __init__(self, resolve: Resolve | None = None) -> None:
        """`resolve` is the system's resolver unless given."""
        self._resolve = resolve or system_resolve

    async def dial(self, outside: Outside) -> socket.socket:
        """Return a connected, non-blocking socket. Raises `DialRefused` or `Unreachable`."""
        try:
            async with asyncio.timeout(RESOLVE_S):
                texts = await self._resolve(outside.name, outside.port)
        except (OSError, TimeoutError):
            message = "the name cannot be resolved"
            raise Unreachable(message) from None
        addresses = [ip_address(text) for text in texts[:ADDRESSES_MAX]]
        for address in addresses:
            if not _permitted(address, outside):
                message = "the name leads to an address in a private network"
                raise DialRefused(message)
        for address in addresses:
            sock = await connect_to(address, outside.port)
            if sock is not None:
                return sock
        message = "none of the addresses answers"
        raise Unreachable(message)


def _permitted(address: Address, outside: Outside) -> bool:
    if isinstance(permit_address(address, loopback=outside.private), Permitted):
        return True
    return outside.private and _own_network(address)


def _own_network(address: Address) -> bool:
    """Addresses of an own network; never those of a link (169.254/16), where cloud machines answer with secrets."""
    return any(address.version == network.version and address in network for network in _OWN_NETWORKS)


async def post_json(
    address: HookAddress, body: bytes, headers: Mapping[str, str], dialer: OutsideDialer, tls: ssl.SSLContext
) -> int:
    """Send `body` and return the status; nothing of the answer is kept, and no redirect followed.

    Raises `EgressError`.
    """
    connector = DialledConnector(
        lambda: dialer.dial(address.outside),
        tls if address.secure else None,
        connections_max=1,
        keepalive_s=None,
        force_close=True,
    )
    timeout = aiohttp.ClientTimeout(total=ANSWER_S + CONNECT_S, connect=CONNECT_S, sock_read=ANSWER_S)
    sent = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "isthmus", **headers}
    try:
        async with (
            aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False) as client,
            client.post(
                URL(address.url.reveal_text(), encoded=True),
                data=body,
                headers=sent,
                allow_redirects=False,
                timeout=timeout,
            ) as response,
        ):
            await response.content.read(REPLY_BYTES_MAX)
            return response.status
    except (aiohttp.ClientError, OSError, TimeoutError, asyncio.TimeoutError):  # noqa: UP041 3.10's two
        message = "the webhook's server does not answer"
        raise Interrupted(message) from None


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message as a mail server gets it."""

    sender: str
    recipients: tuple[str, ...]
    message: bytes

    def __repr__(self) -> str:
        """Show the size only."""
        return f"<Envelope of {len(self.message)} bytes>"


async def send_mail(server: MailServer, envelope: Envelope, dialer: OutsideDialer, tls: ssl.SSLContext) -> str:
    """Hand a message to the operator's mail server: `ok`, `later` or `refused`. Raises `EgressError`."""
    sock = await dialer.dial(server.outside)
    sock.setblocking(True)  # noqa: FBT003 positional by its signature
    sock.settimeout(SMTP_S)
    return await asyncio.to_thread(_send, server, sock, envelope, tls)


def _send(server: MailServer, sock: socket.socket, envelope: Envelope, tls: ssl.SSLContext) -> str:
    try:
        with _Dialled(server, sock, tls) as client:
            client.ehlo_or_helo_if_needed()
            if not server.tls_at_once:
                if client.has_extn("starttls"):
                    client.starttls(context=tls)
                    client.ehlo()
                elif not server.outside.loopback:
                    # In the clear nothing is sent, least of all a password.
                    return MAIL_REFUSED
            if server.user is not None:
                client.login(server.user, server.password.reveal_text() if server.password else "")
            client.sendmail(envelope.sender, envelope.recipients, envelope.message)
            return MAIL_OK
    except ssl.SSLError:
        text = "the mail server could not prove that it is the host"
        raise TlsRefused(text) from None
    except smtplib.SMTPRecipientsRefused as refused:
        codes = [code for code, _ in refused.recipients.values()]
        return MAIL_LATER if any(code in _SMTP_LATER for code in codes) else MAIL_REFUSED
    except smtplib.SMTPResponseException as answer:
        return MAIL_LATER if answer.smtp_code in _SMTP_LATER else MAIL_REFUSED
    except (smtplib.SMTPNotSupportedError, smtplib.SMTPHeloError):
        return MAIL_REFUSED
    except (smtplib.SMTPException, OSError):
        text = "the mail server does not answer"
        raise Interrupted(text) from None


class _Dialled(smtplib.SMTP):
    """The standard client over a socket that was dialled for it."""

    def __init__(self, server: MailServer, sock: socket.socket, tls: ssl.SSLContext) -> None:
        self._server = server
        self._sock = sock
        self._tls = tls
        super().__init__(server.outside.name, server.outside.port, local_hostname="isthmus", timeout=SMTP_S)

    def _get_socket(self, *_args: Any) -> socket.socket:
        if not self._server.tls_at_once:
            return self._sock
        return self._tls.wrap_socket(self._sock, server_hostname=self._server.outside.name)
