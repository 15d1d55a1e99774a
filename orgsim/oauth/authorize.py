"""The pages in the browser: log in, agree or refuse, and the way back to the client with a code."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import urlencode

import jinja2

from orgsim.oauth import people
from orgsim.oauth.apps import App
from orgsim.oauth.authority import LOGIN_COOKIE, NO_STORE, Authority, form
from orgsim.oauth.grants import CodeGrant, GrantError
from orgsim.oauth.tokens import allowed_scopes
from orgsim.router import Call
from orgsim.wire import Request, Response

PAGE_PATH: Final = "/orgsim/authorize"
_PENDING_MAX: Final = 1_000
_LOGIN_FAILED: Final = (
    "Please check your username and password. If you still can't log in, contact your Salesforce administrator."
)
_HTML: Final = (
    ("Content-Type", "text/html;charset=UTF-8"),
    (
        "Content-Security-Policy",
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
    *NO_STORE,
)

SCOPE_TEXTS: Final = {
    "api": "Manage user data via APIs",
    "refresh_token": "Perform requests at any time",
    "offline_access": "Perform requests at any time",
    "openid": "Access unique user identifiers",
    "id": "Access the identity URL service",
    "web": "Manage user data via Web browsers",
    "full": "Full access",
    "profile": "Access your basic information",
    "email": "Access your e-mail address",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One checked authorization request."""

    app: App
    redirect_uri: str
    scopes: frozenset[str]
    state: str | None
    challenge: str | None
    nonce: str | None
    prompts: frozenset[str]
    login_hint: str
    immediate: bool


@dataclass(slots=True)
class Pending:
    """A request on its way through the pages."""

    wanted: Wanted
    user_id: str | None = None
    auth_time: datetime | None = None


class PageError(Exception):
    """A refusal that must stay on a page of ours, because the callback cannot be trusted."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.text = text


def _environment() -> jinja2.Environment:
    return jinja2.Environment(loader=jinja2.PackageLoader("orgsim.oauth"), autoescape=True, auto_reload=False)


@dataclass(slots=True)
class AuthorizePages:
    """`/services/oauth2/authorize` and the form target behind it."""

    authority: Authority
    _pending: dict[str, Pending] = field(default_factory=dict[str, Pending])
    _templates: jinja2.Environment = field(default_factory=_environment)

    def authorize(self, call: Call) -> Response:
        """Start: check the request, then show the page that comes next."""
        try:
            wanted = self._wanted(form(call.request))
        except PageError as refused:
            return self._page("error.html", refused.status, code=refused.code, text=refused.text)
        except _BackWithError as refused:
            return refused.response
        pending = Pending(wanted)
        ticket = secrets.token_urlsafe(32)
        while len(self._pending) >= _PENDING_MAX:
            self._pending.pop(next(iter(self._pending)))
        self._pending[ticket] = pending
        if "login" not in wanted.prompts and "select_account" not in wanted.prompts:
            self._recognise(call.request, pending)
        return self._next(ticket, pending)

    def submit(self, call: Call) -> Response:
        """Go on: a filled-in form of one of the pages."""
        values = form(call.request)
        ticket = values.get("ticket", "")
        pending = self._pending.get(ticket)
        if pending is None:
            text = "This page is no longer valid. Go back to the application and start again."
            return self._page("error.html", 400, code="expired_page", text=text)
        match values.get("action"):
            case "login":
                return self._log_in(ticket, pending, values)
            case "allow" if pending.user_id is not None:
                self.authority.grants.approve(pending.user_id, pending.wanted.app, pending.wanted.scopes)
                return self._finish(ticket, pending)
            case "deny":
                del self._pending[ticket]
                return _back(
                    pending.wanted, {"error": "access_denied", "error_description": "end-user denied authorization"}
                )
            case _:
                return self._next(ticket, pending)

    def _wanted(self, values: dict[str, str]) -> Wanted:
        app = self.authority.apps.get(values.get("client_id"))
        if app is None:
            raise PageError(400, "invalid_client_id", "client identifier invalid")
        redirect_uri = values.get("redirect_uri", "")
        if not app.accepts_callback(redirect_uri):
            raise PageError(400, "redirect_uri_mismatch", "redirect_uri must match configuration")
        state = values.get("state")
        if values.get("response_type") != "code":
            raise _BackWithError(redirect_uri, state, "unsupported_response_type", "response type not supported")
        challenge = values.get("code_challenge") or None
        if app.pkce_required and challenge is None:
            raise _BackWithError(redirect_uri, state, "invalid_request", "missing required code challenge")
        if challenge is not None and values.get("code_challenge_method", "S256") != "S256":
            raise _BackWithError(redirect_uri, state, "invalid_request", "invalid code challenge method")
        try:
            scopes = allowed_scopes(app, values.get("scope"))
        except GrantError as refused:
            raise _BackWithError(redirect_uri, state, refused.code, refused.text) from None
        return Wanted(
            app=app,
            redirect_uri=redirect_uri,
            scopes=scopes,
            state=state,
            challenge=challenge,
            nonce=values.get("nonce"),
            prompts=frozenset(values.get("prompt", "").split()),
            login_hint=values.get("login_hint", ""),
            immediate=values.get("immediate", "").lower() == "true",
        )

    def _recognise(self, request: Request, pending: Pending) -> None:
        try:
            cookie = SimpleCookie(request.header("cookie") or "").get(LOGIN_COOKIE)
        except CookieError:
            return
        user_id = self.authority.browser_logins.get(cookie.value) if cookie is not None else None
        person = people.by_id(self.authority.org, user_id) if user_id else None
        if person is not None and person.is_active:
            pending.user_id = person.user_id
            pending.auth_time = self.authority.org.clock.now()

    def _log_in(self, ticket: str, pending: Pending, values: dict[str, str]) -> Response:
        person = people.by_username(self.authority.org, values.get("username", "").strip())
        if person is None or not person.is_active or values.get("pw") != people.PASSWORD:
            return self._login_page(ticket, pending, values.get("username", ""), _LOGIN_FAILED)
        pending.user_id = person.user_id
        pending.auth_time = self.authority.org.clock.now()
        cookie = secrets.token_urlsafe(32)
        self.authority.browser_logins[cookie] = person.user_id
        secure = "; Secure" if self.authority.org.instance_url.startswith("https:") else ""
        header = ("Set-Cookie", f"{LOGIN_COOKIE}={cookie}; Path=/; HttpOnly; SameSite=Lax{secure}")
        return self._next(ticket, pending).with_headers((header,))

    def _next(self, ticket: str, pending: Pending) -> Response:
        wanted = pending.wanted
        if pending.user_id is None:
            if wanted.immediate:
                del self._pending[ticket]
                return _back(wanted, {"error": "immediate_unsuccessful"})
            return self._login_page(ticket, pending, wanted.login_hint, "")
        if "consent" not in wanted.prompts and self.authority.grants.is_approved(
            pending.user_id, wanted.app, wanted.scopes
        ):
            return self._finish(ticket, pending)
        person = people.by_id(self.authority.org, pending.user_id)
        texts = list(dict.fromkeys(SCOPE_TEXTS.get(scope, scope) for scope in sorted(wanted.scopes)))
        return self._page(
            "consent.html",
            ticket=ticket,
            target=PAGE_PATH,
            app=wanted.app.name,
            person=person.name if person is not None else "",
            username=person.username if person is not None else "",
            scopes=texts,
        )

    def _finish(self, ticket: str, pending: Pending) -> Response:
        org = self.authority.org
        del self._pending[ticket]
        wanted = pending.wanted
        now = org.clock.now()
        grant = CodeGrant(
            app=wanted.app,
            user_id=pending.user_id or "",
            scopes=wanted.scopes,
            redirect_uri=wanted.redirect_uri,
            challenge=wanted.challenge,
            nonce=wanted.nonce,
            host_url=org.instance_url,
            made_at=now,
            auth_time=pending.auth_time or now,
        )
        return _back(wanted, {"code": self.authority.grants.issue_code(grant)})

    def _login_page(self, ticket: str, pending: Pending, username: str, problem: str) -> Response:
        return self._page(
            "login.html",
            ticket=ticket,
            target=PAGE_PATH,
            app=pending.wanted.app.name,
            username=username,
            problem=problem,
        )

    def _page(self, name: str, status: int = 200, **values: object) -> Response:
        org = self.authority.org
        text = self._templates.get_template(name).render(org=org.name, host=org.host, **values)
        return Response(status, text.encode(), _HTML)


class _BackWithError(Exception):
    def __init__(self, redirect_uri: str, state: str | None, code: str, text: str) -> None:
        super().__init__(code)
        self.response = _redirect(redirect_uri, state, {"error": code, "error_description": text})


def _back(wanted: Wanted, values: dict[str, str]) -> Response:
    return _redirect(wanted.redirect_uri, wanted.state, values)


def _redirect(redirect_uri: str, state: str | None, values: dict[str, str]) -> Response:
    query = urlencode(values | ({} if state is None else {"state": state}))
    joint = "&" if "?" in redirect_uri else "?"
    return Response(302, b"", (("Location", f"{redirect_uri}{joint}{query}"), *NO_STORE))
