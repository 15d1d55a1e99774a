"""Everything signing in needs to know about one org, in one place."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from orgsim.ids import to_long
from orgsim.oauth import people
from orgsim.oauth.apps import Apps
from orgsim.oauth.grants import Grants
from orgsim.oauth.jwt import SigningKey
from orgsim.wire import Request, Response, Session, json_response

if TYPE_CHECKING:
    from orgsim.org import Org

NO_STORE: Final = (
    ("Cache-Control", "no-cache,must-revalidate,max-age=0,no-store,private"),
    ("Expires", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ("X-ReadOnlyMode", "false"),
)
LOGIN_COOKIE: Final = "orgsim_login"


@dataclass(slots=True)
class Authority:
    """The apps, grants, key and browser log-ins of one org. `org` is exchanged by a reset, the rest lives on."""

    org: Org
    apps: Apps
    grants: Grants
    key: SigningKey = field(default_factory=SigningKey)
    browser_logins: dict[str, str] = field(default_factory=dict[str, str])

    def identity_url(self, user_id: str) -> str:
        """Return the identity URL of a user: the `id` of token answers and the `sub` of id_tokens."""
        return f"{self.org.instance_url}/id/{to_long(self.org.id15)}/{user_id}"

    def session_for(self, request: Request) -> Session | None:
        """Return the session behind a call's token, or None: no token, dead token, inactive user."""
        token = bearer_token(request)
        session = self.grants.session(token) if token else None
        if session is None:
            return None
        person = people.by_id(self.org, session.user_id)
        return session if person is not None and person.is_active else None

    def signed(self, request: Request) -> Request:
        """Return the same request with its session filled in."""
        return replace(request, session=self.session_for(request))


def bearer_token(request: Request) -> str | None:
    """Return the access token of a call: Authorization, or Bulk 1.0's session header, or `oauth_token`."""
    scheme, _, token = (request.header("authorization") or "").partition(" ")
    if scheme.lower() in {"bearer", "oauth"} and token.strip():
        return token.strip()
    return request.header("x-sfdc-session") or request.param("oauth_token") or None


def form(request: Request) -> dict[str, str]:
    """Return the query's and an urlencoded body's values by name; the body wins."""
    values = dict(request.query)
    kind = request.header("content-type") or "application/x-www-form-urlencoded"
    if request.body and kind.lower().startswith("application/x-www-form-urlencoded"):
        values.update(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
    return values


def oauth_error(code: str, text: str, status: int = 400) -> Response:
    """Return the JSON refusal of the OAuth endpoints."""
    return json_response({"error": code, "error_description": text}, status, NO_STORE)
