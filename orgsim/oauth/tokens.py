"""The token endpoint and its neighbours: token, revoke, introspect."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import unquote, urlencode
from xml.sax.saxutils import escape

from orgsim.oauth import people
from orgsim.oauth.apps import KNOWN_SCOPES, App
from orgsim.oauth.authority import NO_STORE, Authority, form, oauth_error
from orgsim.oauth.grants import CodeGrant, GrantError, Issued
from orgsim.oauth.jwt import JwtRefused, access_token_hash, b64url, unverified_issuer, verified_claims
from orgsim.router import Call
from orgsim.wire import NotEmulated, Request, Response, empty_response, json_response

_JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_PUBLIC_AUDIENCES: Final = frozenset({"https://login.salesforce.com", "https://test.salesforce.com"})
_OTHER_GRANTS: Final = frozenset(
    {
        "device", "hybrid_refresh", "hybrid_token", "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:saml2-bearer", "urn:ietf:params:oauth:grant-type:token-exchange",
    }
)  # fmt: skip
"""Flows of the real service that orgsim has not."""
_OTHER_RESPONSES: Final = frozenset({"device_code", "code_credentials"})
_MILLISECONDS_FROM: Final = 100_000_000_000
"""The Salesforce CLI gives `exp` in milliseconds; a number beyond this cannot be seconds."""
_MILLISECONDS_SKEW_S: Final = 180
"""The CLI's `exp` lies 0.3 seconds ahead, and real orgs take it however slow the network is."""


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """`POST /services/oauth2/token`, `/revoke` and `/introspect`."""

    authority: Authority

    def token(self, call: Call) -> Response:
        """Exchange a code, a refresh token, an assertion, a secret or a password for an access token."""
        values = form(call.request)
        try:
            return _formatted(call.request, values, self._granted(call, values))
        except GrantError as refused:
            return oauth_error(refused.code, refused.text, refused.status)

    def revoke(self, call: Call) -> Response:
        """Kill a refresh token with its access tokens, or an access token alone."""
        token = form(call.request).get("token", "")
        if self.authority.grants.revoke(token):
            return empty_response(200)
        body = urlencode({"error": "unsupported_token_type", "error_description": "this token type is not supported"})
        kind = ("Content-Type", "application/x-www-form-urlencoded")
        return Response(400, body.encode(), (kind, *NO_STORE))

    def introspect(self, call: Call) -> Response:
        """Say whether a token lives, to an app that proves who it is."""
        values = form(call.request)
        try:
            app = self._client(call.request, values)
        except GrantError as refused:
            return oauth_error(refused.code, refused.text, 401)
        return json_response(self._introspection(values.get("token", ""), app), 200, NO_STORE)

    def _introspection(self, token: str, app: App) -> dict[str, object]:
        grants = self.authority.grants
        live = grants.peek(token)
        family = live.family if live is not None else grants.refresh_family(token)
        if family is None or family.app.client_id != app.client_id:
            return {"active": False}
        person = people.by_id(self.authority.org, family.user_id)
        if person is None or not person.is_active:
            return {"active": False}
        answer: dict[str, object] = {
            "active": True,
            "scope": _scope_text(family.scopes),
            "client_id": app.client_id,
            "username": person.username,
            "sub": self.authority.identity_url(family.user_id),
            "token_type": "access_token" if live is not None else "refresh_token",
        }
        if live is not None:
            answer["exp"] = int(live.ends_at.timestamp())
            answer["iat"] = answer["nbf"] = int(live.made_at.timestamp())
        return answer

    def _granted(self, call: Call, values: dict[str, str]) -> dict[str, object]:
        match values.get("grant_type"):
            case "authorization_code":
                return self._from_code(call.request, values)
            case "refresh_token":
                return self._from_refresh(call.request, values)
            case "client_credentials":
                return self._from_secret(call.request, values)
            case "password":
                return self._from_password(call.request, values)
            case grant if grant == _JWT_BEARER:
                return self._from_assertion(values)
            case grant if grant in _OTHER_GRANTS or values.get("response_type") in _OTHER_RESPONSES:
                what = "the OAuth flow " + str(grant or values.get("response_type"))
                raise NotEmulated(what)
            case _:
                raise GrantError(400, "unsupported_grant_type", "grant type not supported")

    def _client(self, request: Request, values: dict[str, str]) -> App:
        basic_id, basic_secret = _basic(request)
        app = self.authority.apps.get(values.get("client_id") or basic_id)
        if app is None:
            raise GrantError(400, "invalid_client_id", "client identifier invalid")
        if not app.secret_matches(values.get("client_secret") or basic_secret):
            raise GrantError(400, "invalid_client", "invalid client credentials")
        return app

    def _from_code(self, request: Request, values: dict[str, str]) -> dict[str, object]:
        app = self._client(request, values)
        code = values.get("code", "")
        grant = self.authority.grants.redeem_code(code)
        if grant.app.client_id != app.client_id:
            raise GrantError(400, "invalid_grant", "invalid authorization code")
        if values.get("redirect_uri") != grant.redirect_uri:
            raise GrantError(400, "redirect_uri_mismatch", "redirect_uri must match configuration")
        _check_verifier(grant, values.get("code_verifier"))
        self._active(grant.user_id)
        issued = self.authority.grants.open_family(app, grant.user_id, grant.scopes, grant.host_url)
        self.authority.grants.remember_redeemed(code, issued.family)
        answer = self._answer(issued)
        if "openid" in grant.scopes:
            answer["id_token"] = self._id_token(issued, grant)
        record_login(self.authority, grant.user_id, app.name, "OauthWebServer")
        return answer

    def _from_refresh(self, request: Request, values: dict[str, str]) -> dict[str, object]:
        app = self._client(request, values)
        issued = self.authority.grants.refresh(values.get("refresh_token", ""), app)
        self._active(issued.family.user_id)
        return self._answer(issued)

    def _from_secret(self, request: Request, values: dict[str, str]) -> dict[str, object]:
        app = self._client(request, values)
        if app.client_secret is None or app.run_as is None:
            raise GrantError(400, "invalid_grant", "no client credentials user enabled")
        person = people.by_username(self.authority.org, app.run_as)
        if person is None:
            raise GrantError(400, "invalid_grant", "no client credentials user enabled")
        return self._without_refresh(app, person, "OauthClientCredentials")

    def _from_password(self, request: Request, values: dict[str, str]) -> dict[str, object]:
        app = self._client(request, values)
        person = people.by_username(self.authority.org, values.get("username", ""))
        if person is None or not values.get("password", "").startswith(people.PASSWORD):
            raise GrantError(400, "invalid_grant", "authentication failure")
        answer = self._without_refresh(app, person, "OauthUsernamePassword")
        # This flow takes no scopes, and says none.
        return {name: value for name, value in answer.items() if name != "scope"}

    def _from_assertion(self, values: dict[str, str]) -> dict[str, object]:
        assertion = values.get("assertion", "")
        try:
            app = self.authority.apps.get(unverified_issuer(assertion))
            if app is None:
                raise GrantError(400, "invalid_client_id", "client identifier invalid")
            if app.jwt_certificate is None:
                raise GrantError(400, "invalid_grant", "user hasn't approved this consumer")
            claims = verified_claims(assertion, app.jwt_certificate)
        except JwtRefused:
            raise GrantError(400, "invalid_grant", "invalid assertion") from None
        self._check_claims(claims)
        person = people.by_username(self.authority.org, str(claims.get("sub") or claims.get("prn") or ""))
        if person is None or not self.authority.grants.is_approved(person.user_id, app, frozenset()):
            raise GrantError(400, "invalid_grant", "user hasn't approved this consumer")
        return self._without_refresh(app, person, None)

    def _check_claims(self, claims: dict[str, object]) -> None:
        audience = claims.get("aud")
        if audience not in {*_PUBLIC_AUDIENCES, self.authority.org.instance_url}:
            raise GrantError(400, "invalid_grant", "audience is invalid")
        try:
            ends = float(str(claims.get("exp")))
        except ValueError:
            raise GrantError(400, "invalid_grant", "expired assertion") from None
        if ends > _MILLISECONDS_FROM:
            ends = ends / 1000 + _MILLISECONDS_SKEW_S
        if datetime.fromtimestamp(ends, UTC) <= self.authority.org.clock.now():
            raise GrantError(400, "invalid_grant", "expired assertion")

    def _without_refresh(self, app: App, person: people.Person, sub_type: str | None) -> dict[str, object]:
        self._active(person.user_id)
        kept = app.scopes - {"refresh_token", "offline_access", "openid"}
        issued = self.authority.grants.open_family(app, person.user_id, kept, self.authority.org.instance_url)
        record_login(self.authority, person.user_id, app.name, sub_type)
        return self._answer(issued)

    def _active(self, user_id: str) -> None:
        person = people.by_id(self.authority.org, user_id)
        if person is None or not person.is_active:
            raise GrantError(400, "inactive_user", "user is inactive")

    def _answer(self, issued: Issued) -> dict[str, object]:
        family = issued.family
        identity = self.authority.identity_url(family.user_id)
        issued_at = str(int(issued.issued_at.timestamp() * 1000))
        key = (family.app.client_secret or family.app.client_id).encode()
        signature = hmac.new(key, f"{identity}{issued_at}".encode(), hashlib.sha256).digest()
        answer: dict[str, object] = {"access_token": issued.access_token}
        if issued.refresh_token is not None:
            answer["refresh_token"] = issued.refresh_token
        return answer | {
            "signature": base64.b64encode(signature).decode(),
            "scope": _scope_text(family.scopes),
            "instance_url": self.authority.org.instance_url,
            "id": identity,
            "token_type": "Bearer",
            "issued_at": issued_at,
        }

    def _id_token(self, issued: Issued, grant: CodeGrant) -> str:
        now = issued.issued_at
        lifetime = timedelta(seconds=self.authority.org.settings.id_token_lifetime_s)
        claims: dict[str, object] = {
            "iss": self.authority.org.instance_url,
            "sub": self.authority.identity_url(grant.user_id),
            "aud": grant.app.client_id,
            "iat": int(now.timestamp()),
            "exp": int((now + lifetime).timestamp()),
            "auth_time": int(grant.auth_time.timestamp()),
            "at_hash": access_token_hash(issued.access_token),
        }
        if grant.nonce is not None:
            claims["nonce"] = grant.nonce
        return self.authority.key.sign(claims)


def record_login(authority: Authority, user_id: str, app_name: str, sub_type: str | None) -> None:
    """Add the LoginHistory row of a successful sign-in; `sub_type` is None for flows that it has no word for."""
    org = authority.org
    table = org.tables.get("loginhistory")
    if table is None:
        return
    now = org.clock.stamp()
    table.put(
        {
            "Id": org.new_id("0Ya"),
            "UserId": user_id,
            "LoginTime": now,
            "LoginType": "Remote Access 2.0",
            "LoginSubType": sub_type,
            "Status": "Success",
            "Application": app_name,
            "SourceIp": "127.0.0.1",
            "Browser": "Unknown",
            "Platform": "Unknown",
            "LoginUrl": org.host,
        }
    )


def allowed_scopes(app: App, wanted: str | None) -> frozenset[str]:
    """Return the scopes asked for (all of the app's where none); GrantError invalid_scope if one is not allowed."""
    if not wanted or not wanted.strip():
        return app.scopes
    asked = frozenset(wanted.replace("+", " ").split())
    pair = frozenset({"refresh_token", "offline_access"})
    offered = app.scopes | (pair if app.scopes & pair else frozenset[str]())
    if not asked <= KNOWN_SCOPES or not asked <= offered:
        raise GrantError(400, "invalid_scope", "the requested scope is not allowed")
    return asked


def new_verifier_pair() -> tuple[str, str]:
    """Return a PKCE verifier and its S256 challenge; for tests and tools."""
    verifier = secrets.token_urlsafe(48)
    return verifier, challenge_of(verifier)


def challenge_of(verifier: str) -> str:
    """Return base64url(SHA-256(verifier)) without padding."""
    return b64url(hashlib.sha256(verifier.encode()).digest())


def _check_verifier(grant: CodeGrant, verifier: str | None) -> None:
    if grant.challenge is None:
        return
    if not verifier:
        raise GrantError(400, "invalid_grant", "invalid code verifier")
    if not hmac.compare_digest(challenge_of(verifier).encode(), grant.challenge.encode()):
        raise GrantError(400, "invalid_request", "invalid code verifier")


def _scope_text(scopes: frozenset[str]) -> str:
    return " ".join(sorted(scopes))


def _basic(request: Request) -> tuple[str | None, str | None]:
    scheme, _, value = (request.header("authorization") or "").partition(" ")
    if scheme.lower() != "basic":
        return None, None
    try:
        name, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None, None
    return unquote(name), unquote(secret)


def _formatted(request: Request, values: dict[str, str], answer: dict[str, object]) -> Response:
    accept = (request.header("accept") or "").lower()
    wanted = values.get("format") or ("xml" if accept.startswith("application/xml") else "json")
    if wanted == "urlencoded":
        kind = ("Content-Type", "application/x-www-form-urlencoded;charset=UTF-8")
        return Response(200, urlencode(answer).encode(), (kind, *NO_STORE))
    if wanted == "xml":
        inner = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in answer.items())
        body = f'<?xml version="1.0" encoding="UTF-8"?><OAuth>{inner}</OAuth>'
        return Response(200, body.encode(), (("Content-Type", "application/xml;charset=UTF-8"), *NO_STORE))
    return json_response(answer, 200, NO_STORE)
