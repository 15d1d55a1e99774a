from __future__ import annotations

import base64
import json
import re
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest

from orgsim.emulator import Emulator
from orgsim.oauth.tokens import challenge_of
from tests.unit.orgsim_wire.signing_in import (
    CALLBACK,
    Browser,
    callback_of,
    get_code,
    is_alive,
    redeem,
    send,
    signed_in,
    text_of,
    token,
)


def test_a_person_logs_in_agrees_and_the_client_gets_tokens(emulator: Emulator):
    answer = signed_in(emulator, state="xyz")
    assert re.fullmatch(r"(00D\w{12})![.\w]+", answer["access_token"])
    assert answer["refresh_token"].startswith("5Aep861")
    assert answer["instance_url"] == "http://127.0.0.1:1"
    assert answer["id"].endswith(f"/id/{emulator.org.id18}/{emulator.seeded.admin_id}")
    assert answer["token_type"] == "Bearer"
    assert answer["issued_at"].isdigit()
    assert len(answer["issued_at"]) == 13
    assert set(answer["scope"].split()) == {"api", "refresh_token", "openid"}
    assert is_alive(emulator, answer["access_token"])


def test_the_state_comes_back_unchanged(emulator: Emulator):
    browser = Browser(emulator)
    page = browser.open(code_challenge=challenge_of("v" * 43), state="a b&c=ü")
    assert callback_of(browser.submit(browser.log_in(page), action="allow"))["state"] == "a b&c=ü"


def test_a_wrong_password_shows_the_login_page_again(emulator: Emulator):
    browser = Browser(emulator)
    page = browser.log_in(browser.open(code_challenge=challenge_of("v" * 43)), password="wrong")
    assert "check your username and password" in unescape(text_of(page))


def test_the_pages_say_that_this_is_an_emulator(emulator: Emulator):
    page = Browser(emulator).open(code_challenge=challenge_of("v" * 43))
    assert "It is not Salesforce" in text_of(page)
    assert "default-src 'none'" in (page.header("Content-Security-Policy") or "")


def test_a_person_who_refuses_sends_access_denied_back(emulator: Emulator):
    browser = Browser(emulator)
    consent = browser.log_in(browser.open(code_challenge=challenge_of("v" * 43), state="s"))
    back = callback_of(browser.submit(consent, action="deny"))
    assert back == {"error": "access_denied", "error_description": "end-user denied authorization", "state": "s"}


def test_who_agreed_once_is_not_asked_again_unless_the_client_insists(emulator: Emulator):
    browser = Browser(emulator)
    challenge = challenge_of("v" * 43)
    consent = browser.log_in(browser.open(code_challenge=challenge, scope="api"))
    browser.submit(consent, action="allow")
    assert "code" in callback_of(browser.open(code_challenge=challenge, scope="api"))
    assert "Allow Access?" in text_of(browser.open(code_challenge=challenge, scope="api", prompt="consent"))
    assert "Password" in text_of(browser.open(code_challenge=challenge, scope="api", prompt="login"))
    assert "Allow Access?" in text_of(browser.open(code_challenge=challenge, scope="api refresh_token"))


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"client_id": "nobody"}, "invalid_client_id"),
        ({"redirect_uri": "https://evil.example/"}, "redirect_uri_mismatch"),
    ],
)
def test_an_untrustworthy_callback_gets_a_page_and_no_redirect(emulator: Emulator, values: dict[str, str], code: str):
    answer = Browser(emulator).open(code_challenge=challenge_of("v" * 43), **values)
    assert answer.status == 400
    assert f"error={code}" in text_of(answer)


def test_a_missing_challenge_is_refused_where_pkce_is_required(emulator: Emulator):
    back = callback_of(Browser(emulator).open(state="s"))
    assert back["error"] == "invalid_request"
    assert back["error_description"] == "missing required code challenge"


def test_the_plain_challenge_method_is_refused(emulator: Emulator):
    assert callback_of(Browser(emulator).open(code_challenge="x", code_challenge_method="plain"))["error"]


def test_an_unknown_scope_is_refused(emulator: Emulator):
    back = callback_of(Browser(emulator).open(code_challenge=challenge_of("v" * 43), scope="api world_peace"))
    assert back["error"] == "invalid_scope"


def test_a_challenge_without_method_and_a_long_verifier_are_accepted(emulator: Emulator):
    verifier = base64.urlsafe_b64encode(bytes(range(128))).rstrip(b"=").decode()
    assert len(verifier) == 171
    browser = Browser(emulator)
    consent = browser.log_in(browser.open(code_challenge=challenge_of(verifier)))
    code = callback_of(browser.submit(consent, action="allow"))["code"]
    assert redeem(emulator, code, verifier)[0] == 200


def test_a_code_without_its_verifier_is_refused(emulator: Emulator):
    code = get_code(emulator, "v" * 43)
    status, answer = token(emulator, grant_type="authorization_code", code=code, redirect_uri=CALLBACK)
    assert (status, answer["error"]) == (400, "invalid_grant")


def test_a_wrong_verifier_is_refused(emulator: Emulator):
    status, answer = redeem(emulator, get_code(emulator, "v" * 43), "w" * 43)
    assert (status, answer["error"]) == (400, "invalid_request")


def test_a_code_redeemed_twice_fails_and_kills_what_it_gave(emulator: Emulator):
    code = get_code(emulator, "v" * 43)
    _, first = redeem(emulator, code, "v" * 43)
    status, second = redeem(emulator, code, "v" * 43)
    assert (status, second["error"], second["error_description"]) == (
        400,
        "invalid_grant",
        "invalid authorization code",
    )
    assert not is_alive(emulator, first["access_token"])


def test_an_old_code_is_refused(emulator: Emulator):
    code = get_code(emulator, "v" * 43)
    emulator.clock.advance(timedelta(minutes=16))
    assert redeem(emulator, code, "v" * 43)[1]["error_description"] == "expired authorization code"


def test_another_redirect_uri_than_at_the_start_is_refused(emulator: Emulator):
    code = get_code(emulator, "v" * 43)
    other = CALLBACK.replace("8700", "8701")
    status, answer = token(
        emulator, grant_type="authorization_code", code=code, redirect_uri=other, code_verifier="v" * 43
    )
    assert (status, answer["error"]) == (400, "redirect_uri_mismatch")


def test_a_refresh_rotates_the_token_and_keeps_the_identity(emulator: Emulator):
    first = signed_in(emulator)
    status, second = token(
        emulator, grant_type="refresh_token", refresh_token=first["refresh_token"], code_verifier="x"
    )
    assert status == 200
    assert second["refresh_token"] != first["refresh_token"]
    assert second["id"] == first["id"]
    assert is_alive(emulator, second["access_token"])


def test_using_a_rotated_out_token_kills_the_whole_family(emulator: Emulator):
    first = signed_in(emulator)
    _, second = token(emulator, grant_type="refresh_token", refresh_token=first["refresh_token"])
    status, answer = token(emulator, grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert (status, answer) == (
        400,
        {"error": "invalid_grant", "error_description": "expired access/refresh token"},
    )
    assert not is_alive(emulator, first["access_token"])
    assert not is_alive(emulator, second["access_token"])
    assert token(emulator, grant_type="refresh_token", refresh_token=second["refresh_token"])[0] == 400


def test_the_salesforce_cli_keeps_its_refresh_token(emulator: Emulator):
    browser = Browser(emulator)
    redirect = "http://localhost:1717/OauthRedirect"
    wanted = {"client_id": "PlatformCLI", "redirect_uri": redirect, "scope": "refresh_token api web"}
    consent = browser.log_in(browser.open(**wanted, code_challenge=challenge_of("v" * 171)))
    answer = browser.submit(consent, action="allow")
    code = parse_qs(urlsplit(answer.header("Location") or "").query)["code"][0]
    form = {"client_id": "PlatformCLI", "grant_type": "authorization_code", "code": code, "redirect_uri": redirect}
    given = json.loads(text_of(send(emulator, "POST", "/services/oauth2/token", form | {"code_verifier": "v" * 171})))
    again = {"client_id": "PlatformCLI", "grant_type": "refresh_token", "refresh_token": given["refresh_token"]}
    for _ in range(2):
        answer = json.loads(text_of(send(emulator, "POST", "/services/oauth2/token", again)))
        assert "refresh_token" not in answer
        assert answer["id"]


def test_without_the_refresh_scope_there_is_no_refresh_token(emulator: Emulator):
    assert "refresh_token" not in signed_in(emulator, "api openid")


def test_a_session_slides_and_then_ends(emulator: Emulator):
    access = signed_in(emulator)["access_token"]
    for _ in range(3):
        emulator.clock.advance(timedelta(minutes=90))
        assert is_alive(emulator, access)
    emulator.clock.advance(timedelta(hours=2, seconds=1))
    assert not is_alive(emulator, access)
