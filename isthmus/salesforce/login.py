"""Token requests of the keeper: exchange, refresh, revoke, userinfo, over a `login` channel."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

import msgspec

from isthmus.egress.errors import Interrupted, ReplyTooLarge, Unreachable
from isthmus.egress.hosts import HostDenied, parse_login_host
from isthmus.egress.policy import Call, RouteName
from isthmus.egress.transport import Channel, Reply
from isthmus.salesforce import routes
from isthmus.salesforce.errors import UNREADABLE_JSON
from isthmus.salesforce.version import choose_version
from isthmus.values import OrgHost, Secret

_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,4096}")
"""What a header can carry; signed tokens of Salesforce's have up to about 2,000 characters."""
_IDENTITY_URL: Final = re.compile(
    r"https?://[^/]+/id/(00D[A-Za-z0-9]{12}(?:[A-Za-z0-9]{3})?)/(005[A-Za-z0-9]{12}(?:[A-Za-z0-9]{3})?)"
)


class GrantRefusal(StrEnum):
    """OAuth's own error codes, as far as we act on them; anything else is OTHER."""

    INVALID_GRANT = "invalid_grant"
    INVALID_CLIENT = "invalid_client"
    INVALID_CLIENT_ID = "invalid_client_id"
    INVALID_REQUEST = "invalid_request"
    INVALID_SCOPE = "invalid_scope"
    INACTIVE_USER = "inactive_user"
    INACTIVE_ORG = "inactive_org"
    REDIRECT_URI_MISMATCH = "redirect_uri_mismatch"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    OTHER = "other"


class GrantRefused(Exception):
    """The org refused the grant: a person must connect again. The message is the code alone."""

    def __init__(self, refusal: GrantRefusal) -> None:
        """Keep the code."""
        super().__init__(refusal.value)
        self.refusal = refusal


class LoginUnavailable(Exception):
    """The org's login service did not answer properly: try again later.

    `sent` says whether the request may have taken effect: then a rotated refresh token may be lost.
    """

    def __init__(self, *, sent: bool) -> None:
        """Keep whether the request left."""
        super().__init__("the org's login service did not answer properly")
        self.sent = sent


@dataclass(frozen=True, slots=True)
class App:
    """The customer's own app registration. A public client has no secret."""

    client_id: str
    client_secret: Secret | None


@dataclass(frozen=True, slots=True)
class Grant:
    """What a token request brought. `refresh_token` is None if none came (a refresh without rotation)."""

    access_token: Secret
    refresh_token: Secret | None
    instance: OrgHost
    scopes: frozenset[str]
    org_id: str
    user_id: str


@dataclass(frozen=True, slots=True)
class UserInfo:
    """Who granted: ids and names for the member's own eyes."""

    org_id: str
    user_id: str
    username: str


class _TokenReply(msgspec.Struct, frozen=True):
    access_token: str
    instance_url: str
    id: str
    scope: str | None = None
    refresh_token: str | None = None


class _ErrorReply(msgspec.Struct, frozen=True):
    error: str = ""
    error_description: str | None = None


_PASSING_ERRORS: Final = frozenset({"rate_limit_exceeded", "server_error", "temporarily_unavailable"})
_PASSING_REASONS: Final = frozenset({"login rate exceeded", "retry your request"})
"""Said with `invalid_grant` or `unknown_error`, and nothing about the grant."""


class _UserInfoReply(msgspec.Struct, frozen=True):
    user_id: str
    organization_id: str
    preferred_username: str = ""


class _Version(msgspec.Struct, frozen=True):
    version: str


async def exchange_code(
    channel: Channel, app: App, code: Secret, verifier: Secret, redirect_uri: str, *, loopback: bool
) -> Grant:
    """Redeem an authorization code with its PKCE verifier. Raises `GrantRefused`, `LoginUnavailable`, `EgressError`."""
    fields = {
        "grant_type": "authorization_code",
        "code": code.reveal_text(),
        "redirect_uri": redirect_uri,
        "code_verifier": verifier.reveal_text(),
    }
    return await _token(channel, app, fields, loopback=loopback)


async def refresh(channel: Channel, app: App, refresh_token: Secret, *, loopback: bool) -> Grant:
    """Get another access token and, with rotation, another refresh token: store that before using anything.

    Raises `GrantRefused`, `LoginUnavailable`, `EgressError`.
    """
    fields = {"grant_type": "refresh_token", "refresh_token": refresh_token.reveal_text()}
    return await _token(channel, app, fields, loopback=loopback)


async def revoke(channel: Channel, token: Secret) -> bool:
    """Revoke a refresh token (and with it its access tokens); True if confirmed or unknown to the org by now.

    Raises `LoginUnavailable`, `EgressError`.
    """
    reply = await _post(channel, routes.REVOKE, {"token": token.reveal_text()})
    if reply.status == HTTPStatus.OK:
        return True
    # The org knows no such token any more: what we wanted.
    return b"invalid_token" in reply.body or b"unsupported_token_type" in reply.body


async def userinfo(channel: Channel, access_token: Secret) -> UserInfo:
    """Return who the token belongs to (scope openid, id or api). Raises `GrantRefused`, `LoginUnavailable`."""
    try:
        reply = await channel.send(Call(routes.USERINFO), bearer=access_token)
    except (Unreachable, Interrupted):
        raise LoginUnavailable(sent=False) from None
    if reply.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise GrantRefused(GrantRefusal.INVALID_GRANT)
    try:
        found = msgspec.json.decode(reply.body, type=_UserInfoReply)
    except UNREADABLE_JSON:
        raise LoginUnavailable(sent=False) from None
    return UserInfo(found.organization_id, found.user_id, found.preferred_username)


async def supported_version(channel: Channel) -> str | None:
    """Return the newest API version that the org and we both know, or None. Raises `LoginUnavailable`."""
    try:
        reply = await channel.send(Call(routes.VERSIONS))
        versions = msgspec.json.decode(reply.body, type=list[_Version])
    except (Unreachable, Interrupted, *UNREADABLE_JSON):
        raise LoginUnavailable(sent=False) from None
    return choose_version(entry.version for entry in versions)


async def _token(channel: Channel, app: App, fields: dict[str, str], *, loopback: bool) -> Grant:
    secret = {} if app.client_secret is None else {"client_secret": app.client_secret.reveal_text()}
    reply = await _post(channel, routes.TOKEN, {**fields, "client_id": app.client_id, **secret})
    if reply.status != HTTPStatus.OK:
        raise _refusal(reply)
    try:
        granted = msgspec.json.decode(reply.body, type=_TokenReply)
    except UNREADABLE_JSON:
        raise LoginUnavailable(sent=True) from None
    instance = parse_login_host(granted.instance_url, allow_loopback_http=loopback)
    identity = _IDENTITY_URL.fullmatch(granted.id)
    refresh_token = granted.refresh_token or None
    tokens = (granted.access_token, refresh_token)
    readable = all(_TOKEN.fullmatch(token) for token in tokens if token is not None)
    if isinstance(instance, HostDenied) or identity is None or not readable:
        raise LoginUnavailable(sent=True)
    return Grant(
        access_token=Secret(granted.access_token),
        refresh_token=None if refresh_token is None else Secret(refresh_token),
        instance=instance,
        scopes=frozenset((granted.scope or "").split()),
        org_id=identity[1],
        user_id=identity[2],
    )


async def _post(channel: Channel, route: RouteName, fields: dict[str, str]) -> Reply:
    try:
        return await channel.send(Call(route), urlencode(fields).encode())
    except Unreachable:
        raise LoginUnavailable(sent=False) from None
    except (Interrupted, ReplyTooLarge):
        raise LoginUnavailable(sent=True) from None


def _refusal(reply: Reply) -> GrantRefused | LoginUnavailable:
    """Sort an error of the token endpoint; 5xx, 429 and anything that is not OAuth's JSON will pass by itself."""
    try:
        told = msgspec.json.decode(reply.body, type=_ErrorReply)
    except UNREADABLE_JSON:
        told = _ErrorReply()
    error, reason = told.error, (told.error_description or "").strip().lower()
    passing = reply.status == HTTPStatus.TOO_MANY_REQUESTS or reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR
    if passing or not error or error in _PASSING_ERRORS or reason in _PASSING_REASONS:
        return LoginUnavailable(sent=False)
    known = {each.value: each for each in GrantRefusal}
    return GrantRefused(known.get(error, GrantRefusal.OTHER))
