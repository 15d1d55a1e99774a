"""Token requests of the keeper: exchange, refresh, revoke, userinfo, over a `login` channel."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from isthmus.egress.transport import Channel
from isthmus.values import OrgHost, Secret


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
    """The org's login service did not answer properly: try again later; the grant is untouched as far as we know."""


@dataclass(frozen=True, slots=True)
class App:
    """The customer's own app registration."""

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


async def exchange_code(
    channel: Channel, app: App, code: Secret, verifier: Secret, redirect_uri: str, *, loopback: bool
) -> Grant:
    """Redeem an authorization code with its PKCE verifier. Raises `GrantRefused`, `LoginUnavailable`, `EgressError`."""
    raise NotImplementedError


async def refresh(channel: Channel, app: App, refresh_token: Secret, *, loopback: bool) -> Grant:
    """Get another access token (and, with rotation, another refresh token: store it before using anything)."""
    raise NotImplementedError


async def revoke(channel: Channel, token: Secret) -> bool:
    """Revoke a refresh token (and with it its access tokens); True if confirmed or already unknown to the org."""
    raise NotImplementedError


async def userinfo(channel: Channel, access_token: Secret) -> UserInfo:
    """Return who the token belongs to (scope openid, id or api)."""
    raise NotImplementedError
