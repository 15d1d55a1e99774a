"""Connected apps: who may ask for tokens, with which callbacks, and how their refresh tokens behave.

Two are there from the start: one for the client under test (public, PKCE required, rotation on; its client id is
in the ready line) and `PlatformCLI` (the Salesforce CLI's: no rotation, because that client keeps the old token).
More come through the control port: `POST /apps`.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import Final

import msgspec

DEFAULT_SCOPES: Final = frozenset(
    {"api", "refresh_token", "offline_access", "openid", "id", "web", "full", "profile", "email"}
)
KNOWN_SCOPES: Final = DEFAULT_SCOPES | frozenset(
    """address phone visualforce chatter_api custom_permissions lightning content wave_api eclair_api pardot_api
    cdp_query_api cdp_profile_api cdp_ingest_api sfap_api interaction_api chatbot_api user_registration_api
    forgot_password einstein_gpt_api""".split()
)
CLI_CLIENT_ID: Final = "PlatformCLI"
CLI_CALLBACK: Final = "http://localhost:1717/OauthRedirect"
_LOOPBACK_CALLBACK: Final = re.compile(r"http://(?:127\.0\.0\.1|localhost|\[::1\]):\d{1,5}/oauth/callback")
_LOOPBACK_TLS_CALLBACK: Final = re.compile(r"https://(?:127\.0\.0\.1|localhost)(?::\d{1,5})?/[\w./-]*")


class App(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One app. `client_secret` None makes it public. `loopback_callbacks` also accepts any port of this machine.

    `jwt_certificate` is the PEM certificate or public key for JWT bearer; `run_as` the username for client
    credentials; `preapproved` users never see the consent page and may use JWT bearer.
    """

    client_id: str
    name: str
    client_secret: str | None = None
    redirect_uris: tuple[str, ...] = ()
    loopback_callbacks: bool = False
    scopes: frozenset[str] = DEFAULT_SCOPES
    pkce_required: bool = True
    rotation: bool = True
    preapproved: bool = False
    jwt_certificate: str | None = None
    run_as: str | None = None

    def accepts_callback(self, redirect_uri: str) -> bool:
        """Say whether a redirect URI is registered: equal to the letter, or a loopback address where allowed."""
        if redirect_uri in self.redirect_uris:
            return True
        if not self.loopback_callbacks:
            return False
        return bool(_LOOPBACK_CALLBACK.fullmatch(redirect_uri) or _LOOPBACK_TLS_CALLBACK.fullmatch(redirect_uri))

    def secret_matches(self, secret: str | None) -> bool:
        """Say whether the right secret came along; a public app must not send a wrong one."""
        if self.client_secret is None:
            return not secret
        return secret is not None and hmac.compare_digest(secret.encode(), self.client_secret.encode())


class Apps:
    """The apps of one org by client id."""

    def __init__(self, apps: Iterable[App]) -> None:
        self._apps = {app.client_id: app for app in apps}

    def get(self, client_id: str | None) -> App | None:
        """Return the app, or None."""
        return self._apps.get(client_id or "")

    def put(self, app: App) -> None:
        """Add or replace an app."""
        self._apps[app.client_id] = app

    def listed(self) -> list[App]:
        """Return all apps."""
        return list(self._apps.values())


def default_client_id(org_name: str, seed: int) -> str:
    """Return the client id of the app for the client under test; the same for the same org name and seed."""
    return "3MVG9orgsim" + hashlib.sha256(f"{org_name}\0{seed}".encode()).hexdigest()[:48]


def default_apps(org_name: str, seed: int, redirect_uris: Iterable[str]) -> Apps:
    """Return the two apps that every org starts with."""
    client = App(
        client_id=default_client_id(org_name, seed),
        name="orgsim default client",
        redirect_uris=tuple(redirect_uris),
        loopback_callbacks=True,
    )
    cli = App(
        client_id=CLI_CLIENT_ID,
        name="Salesforce CLI",
        redirect_uris=(CLI_CALLBACK,),
        pkce_required=False,
        rotation=False,
    )
    return Apps((client, cli))
