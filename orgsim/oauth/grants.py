"""Codes, refresh-token families and sessions, in memory. Pure bookkeeping: no HTTP, no pages."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from orgsim.oauth.apps import App
from orgsim.settings import OrgSettings
from orgsim.wire import Session

_CODE_BYTES: Final = 48
_TOKEN_BYTES: Final = 64
_SPENT_KEPT: Final = 200


class GrantError(Exception):
    """An OAuth refusal: `code` and `text` become `error` and `error_description`, with this HTTP status."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(code)
        self.code = code
        self.text = text
        self.status = status


@dataclass(frozen=True, slots=True)
class CodeGrant:
    """What a person agreed to; redeemed once."""

    app: App
    user_id: str
    scopes: frozenset[str]
    redirect_uri: str
    challenge: str | None
    nonce: str | None
    host_url: str
    made_at: datetime
    auth_time: datetime


@dataclass(slots=True)
class Family:
    """All refresh and access tokens that came from one consent."""

    app: App
    user_id: str
    scopes: frozenset[str]
    host_url: str
    refresh_token: str | None = None
    spent: list[str] = field(default_factory=list[str])
    access_tokens: set[str] = field(default_factory=set[str])
    revoked: bool = False


@dataclass(slots=True)
class Live:
    """One access token with its family and its sliding end."""

    session: Session
    family: Family
    made_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Issued:
    """What a token request gives out."""

    access_token: str
    refresh_token: str | None
    family: Family
    issued_at: datetime


class Grants:
    """All grants of one org. Sessions slide: each use moves the end to now + lifetime (settings, control port)."""

    def __init__(self, org_id15: str, settings: OrgSettings, now: Callable[[], datetime]) -> None:
        self._org_id15 = org_id15
        self._settings = settings
        self._now = now
        self._codes: dict[str, CodeGrant] = {}
        self._spent_codes: dict[str, Family] = {}
        self._live: dict[str, Live] = {}
        self._refresh: dict[str, Family] = {}
        self._approved: set[tuple[str, str, frozenset[str]]] = set()

    # consent

    def approve(self, user_id: str, app: App, scopes: frozenset[str]) -> None:
        """Remember that the user agreed, so that the same question is not asked again."""
        self._approved.add((user_id, app.client_id, scopes))

    def is_approved(self, user_id: str, app: App, scopes: frozenset[str]) -> bool:
        """Say whether this user agreed to at least these scopes before, or an administrator did for them."""
        if app.preapproved:
            return True
        return any(
            user == user_id and client == app.client_id and scopes <= agreed for user, client, agreed in self._approved
        )

    # authorization codes

    def issue_code(self, grant: CodeGrant) -> str:
        """Return a fresh single-use code."""
        code = "aPrx" + secrets.token_urlsafe(_CODE_BYTES)
        self._codes[code] = grant
        return code

    def redeem_code(self, code: str) -> CodeGrant:
        """Take a code out of circulation and return its grant. A code used twice kills the tokens it gave."""
        grant = self._codes.pop(code, None)
        if grant is None:
            reused = self._spent_codes.get(code)
            if reused is not None:
                self.revoke_family(reused)
            raise GrantError(400, "invalid_grant", "invalid authorization code")
        if self._now() - grant.made_at > timedelta(seconds=self._settings.authorization_code_lifetime_s):
            raise GrantError(400, "invalid_grant", "expired authorization code")
        return grant

    def remember_redeemed(self, code: str, family: Family) -> None:
        """Note which tokens a code gave, for the case that it is used again."""
        self._spent_codes[code] = family

    # tokens

    def open_family(self, app: App, user_id: str, scopes: frozenset[str], host_url: str) -> Issued:
        """Start a family: an access token, and a refresh token where the scopes ask for one."""
        family = Family(app, user_id, scopes, host_url)
        if scopes & {"refresh_token", "offline_access"}:
            self._give_refresh_token(family)
        return self._issue(family)

    def refresh(self, token: str, app: App) -> Issued:
        """Return a new access token; with rotation also a new refresh token, and reuse of an old one kills all."""
        family = self._refresh.get(token)
        if family is None or family.revoked or family.app.client_id != app.client_id:
            raise GrantError(400, "invalid_grant", "expired access/refresh token")
        if token != family.refresh_token:
            if self._settings.revoked_family_on_reuse:
                self.revoke_family(family)
            raise GrantError(400, "invalid_grant", "expired access/refresh token")
        if not app.rotation:
            return self._issue(family, with_refresh=False)
        family.spent.append(token)
        del family.spent[:-_SPENT_KEPT]
        self._give_refresh_token(family)
        return self._issue(family)

    def session(self, token: str) -> Session | None:
        """Return the session of a living access token and move its end, or None."""
        live = self._live.get(token)
        if live is None:
            return None
        now = self._now()
        if now >= live.ends_at:
            self._drop(token)
            return None
        live.ends_at = now + timedelta(seconds=self._settings.access_token_lifetime_s)
        return live.session

    def peek(self, token: str) -> Live | None:
        """Return a living access token's record without moving its end, or None."""
        live = self._live.get(token)
        return live if live is not None and self._now() < live.ends_at else None

    def refresh_family(self, token: str) -> Family | None:
        """Return the family whose current refresh token this is, or None."""
        family = self._refresh.get(token)
        return family if family is not None and not family.revoked and family.refresh_token == token else None

    # ends

    def revoke(self, token: str) -> bool:
        """Revoke an access token alone, or a refresh token with all access tokens of its family."""
        family = self._refresh.get(token)
        if family is not None and not family.revoked:
            self.revoke_family(family)
            return True
        if token in self._live:
            self._drop(token)
            return True
        return False

    def revoke_family(self, family: Family) -> None:
        """Kill every token that came from one consent."""
        family.revoked = True
        for token in list(family.access_tokens):
            self._drop(token)

    def expire_access_token(self, token: str) -> None:
        """Let an access token run out now; its refresh token stays."""
        self._drop(token)

    def expire_all_access_tokens(self, user_id: str | None = None) -> int:
        """Let all access tokens (of one user) run out now; return how many."""
        doomed = [token for token, live in self._live.items() if user_id in (None, live.session.user_id)]
        for token in doomed:
            self._drop(token)
        return len(doomed)

    def revoke_user(self, user_id: str) -> int:
        """Kill all families of a user; return how many."""
        families = {id(family): family for family in self._refresh.values() if family.user_id == user_id}
        families.update(
            {id(live.family): live.family for live in self._live.values() if live.family.user_id == user_id}
        )
        for family in families.values():
            self.revoke_family(family)
        self._approved = {entry for entry in self._approved if entry[0] != user_id}
        return len(families)

    def _give_refresh_token(self, family: Family) -> None:
        family.refresh_token = "5Aep861" + secrets.token_urlsafe(_TOKEN_BYTES).replace("-", ".")
        self._refresh[family.refresh_token] = family

    def _issue(self, family: Family, *, with_refresh: bool = True) -> Issued:
        token = f"{self._org_id15}!AQ" + secrets.token_urlsafe(_TOKEN_BYTES).replace("-", ".")
        now = self._now()
        session = Session(
            user_id=family.user_id,
            client_id=family.app.client_id,
            app_name=family.app.name,
            token=token,
            scopes=family.scopes,
        )
        ends_at = now + timedelta(seconds=self._settings.access_token_lifetime_s)
        self._live[token] = Live(session, family, now, ends_at)
        family.access_tokens.add(token)
        return Issued(token, family.refresh_token if with_refresh else None, family, now)

    def _drop(self, token: str) -> None:
        live = self._live.pop(token, None)
        if live is not None:
            live.family.access_tokens.discard(token)
