"""Cookies, proofs and origins, as the doorman sees them."""

from __future__ import annotations

from pathlib import Path

from isthmus.config import read_settings
from isthmus.orgs.keeper_client import KeeperClient
from isthmus.portal.visitors import SESSION_COOKIE, Doorman, form_token
from isthmus.values import Secret


def _doorman(public_url: str) -> Doorman:
    settings = read_settings({"HOME": "/home/x", "ISTHMUS_PUBLIC_URL": public_url})
    return Doorman(KeeperClient(Path("/nowhere")), settings)


def test_over_https_the_session_cookie_is_bound_to_the_host_and_to_https() -> None:
    cookie = _doorman("https://isthmus.example.com").cookie(SESSION_COOKIE, "x")
    assert cookie.key == "__Host-isthmus_session"
    assert (cookie.secure, cookie.httponly, cookie.samesite, cookie.path, cookie.domain) == (
        True,
        True,
        "lax",
        "/",
        None,
    )


def test_over_plain_http_the_cookie_has_a_plain_name_because_browsers_refuse_the_other() -> None:
    cookie = _doorman("http://127.0.0.1:8700").cookie(SESSION_COOKIE, "x")
    assert (cookie.key, cookie.secure) == ("isthmus_session", False)


def test_each_session_has_its_own_form_token_which_does_not_show_it() -> None:
    tokens = {form_token(Secret("one")), form_token(Secret("two"))}
    assert len(tokens) == 2
    assert all("one" not in token and "two" not in token for token in tokens)
