"""Who is asking: reads the session from the cookie or the bearer header, and demands a proof before anything changes.

A handler that changes something takes an `Actor` (a form of ours) or an `ApiActor` (a JSON call): neither can be had
without the proof that the request comes from our own page or carries the session itself.
"""

from __future__ import annotations

import hashlib
import hmac
import urllib.parse
from dataclasses import dataclass
from typing import Any, Final

from litestar import Request
from litestar.datastructures import Cookie, FormMultiDict

from isthmus.config import Settings
from isthmus.db.ticket import Ticket
from isthmus.orgs.keeper_client import KeeperClient, KeeperRefused
from isthmus.portal.problems import Problem, SignedOut
from isthmus.values import Secret

SESSION_COOKIE: Final = "isthmus_session"
BINDING_COOKIE: Final = "isthmus_connect"
BINDING_MAX_AGE_S: Final = 600
SECRET_LENGTH_MAX: Final = 512
FIELD_LENGTH_MAX: Final = 200
DEFINITION_LENGTH_MAX: Final = 200_000
CSRF_FIELD: Final = "csrf"
CSRF_HEADER: Final = "x-csrf-token"


@dataclass(frozen=True, slots=True)
class Visitor:
    """A signed-in member: the ticket for the database and the token that our forms carry."""

    ticket: Ticket
    session: Secret
    csrf: str
    bearer: bool


class Form:
    """The fields of a posted form: each is read with a bound on its length."""

    def __init__(self, fields: FormMultiDict) -> None:
        self._fields = fields

    def text(self, name: str, *, length_max: int = FIELD_LENGTH_MAX) -> str:
        """Return a field without surrounding blanks, empty where it is absent. Raises `Problem` if it is too long."""
        value = self._fields.get(name, "")
        text = value.strip() if isinstance(value, str) else ""
        if len(text) > length_max:
            raise Problem(
                400, "This input is too long", f"A field holds more than {length_max} characters.", "Shorten it."
            )
        return text

    def texts(self, name: str) -> list[str]:
        """Return all values of a repeated field, for example of a checklist."""
        return [v for v in self._fields.getall(name, []) if isinstance(v, str) and len(v) <= FIELD_LENGTH_MAX]


@dataclass(frozen=True, slots=True)
class Actor:
    """A member whose form came from our own page."""

    visitor: Visitor
    form: Form


@dataclass(frozen=True, slots=True)
class ApiActor:
    """A member whose JSON call may change something."""

    visitor: Visitor


class Doorman:
    """Checks sessions, proofs and origins. `keeper` is the only one who can say whether a session is good."""

    def __init__(self, keeper: KeeperClient, settings: Settings) -> None:
        self._keeper = keeper
        self._origin = settings.public_url
        self._https = settings.public_url.startswith("https://")

    def cookie_name(self, name: str) -> str:
        """Return the name with the `__Host-` prefix, which browsers accept over https only."""
        return f"__Host-{name}" if self._https else name

    def cookie(self, name: str, value: str, *, max_age_s: int | None = None) -> Cookie:
        """Return a cookie that scripts cannot read and other sites cannot send along with their posts."""
        return Cookie(
            key=self.cookie_name(name),
            value=value,
            path="/",
            httponly=True,
            secure=self._https,
            samesite="lax",
            max_age=max_age_s,
        )

    async def visitor(self, request: Request[Any, Any, Any]) -> Visitor:
        """Return the member, or raise `SignedOut`."""
        text, bearer = self._session_text(request)
        if not text or len(text) > SECRET_LENGTH_MAX:
            raise SignedOut
        session = Secret(text)
        try:
            ticket = await self._keeper.ticket_for_session(session)
        except KeeperRefused:
            raise SignedOut from None
        return Visitor(ticket, session, form_token(session), bearer)

    async def actor(self, request: Request[Any, Any, Any]) -> Actor:
        """Return the member and the form, or raise: `SignedOut`, or `Problem` where the form is not ours."""
        self.check_origin(request)
        visitor = await self.visitor(request)
        form = Form(await request.form())
        _check_token(visitor, form.text(CSRF_FIELD))
        return Actor(visitor, form)

    async def api_actor(self, request: Request[Any, Any, Any]) -> ApiActor:
        """Return the member of a JSON call that changes something. A bearer token needs no further proof."""
        visitor = await self.visitor(request)
        if not visitor.bearer:
            self.check_origin(request)
            _check_token(visitor, request.headers.get(CSRF_HEADER, ""))
        return ApiActor(visitor)

    def binding(self, request: Request[Any, Any, Any]) -> Secret | None:
        """Return what ties an authorization to this browser, if it carries any."""
        text = request.cookies.get(self.cookie_name(BINDING_COOKIE), "")
        return Secret(text) if 0 < len(text) <= SECRET_LENGTH_MAX else None

    def check_origin(self, request: Request[Any, Any, Any]) -> None:
        """Raise `Problem` if a browser says that the request comes from another site's page."""
        origin = request.headers.get("origin")
        site = request.headers.get("sec-fetch-site", "same-origin")
        if site in {"same-origin", "none"} and (origin is None or _same_place(origin, self._origin)):
            return
        raise Problem(
            403,
            "This form came from another site",
            "For your safety only this portal's own pages may change something here.",
            f"Open the portal at {self._origin} and do it there.",
        )

    def _session_text(self, request: Request[Any, Any, Any]) -> tuple[str, bool]:
        scheme, _, credentials = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return credentials.strip(), True
        return request.cookies.get(self.cookie_name(SESSION_COOKIE), ""), False


def form_token(session: Secret) -> str:
    """Return what our forms carry: derived from the session, so that it needs no storage and dies with it."""
    return hmac.new(session.reveal(), b"isthmus portal form", hashlib.sha256).hexdigest()


def _check_token(visitor: Visitor, unverified_token: str) -> None:
    if not hmac.compare_digest(visitor.csrf.encode(), unverified_token.encode()):
        raise Problem(
            403,
            "This page is out of date",
            "The form was made for another session, so nothing was changed.",
            "Go back, reload the page and send it again.",
        )


def _same_place(origin: str, public_url: str) -> bool:
    ours, theirs = urllib.parse.urlsplit(public_url), urllib.parse.urlsplit(origin)
    return (ours.scheme, ours.netloc.lower()) == (theirs.scheme, theirs.netloc.lower())
