from __future__ import annotations

import base64
import json
import re
import time
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from orgsim.emulator import Emulator
from orgsim.oauth.apps import App
from orgsim.oauth.tokens import challenge_of, new_verifier_pair
from orgsim.wire import Request, Response

CALLBACK = "http://127.0.0.1:8700/oauth/callback"


@dataclass
class Browser:
    """Somebody in front of the pages, without JavaScript."""

    emulator: Emulator
    cookie: str = ""

    def open(self, **values: str) -> Response:
        wanted = {"response_type": "code", "client_id": self.emulator.client_id, "redirect_uri": CALLBACK} | values
        return self._send("GET", f"/services/oauth2/authorize?{urlencode(wanted)}", None)

    def submit(self, page: Response, **values: str) -> Response:
        ticket = re.search(r'name="ticket" value="([^"]+)"', text_of(page))
        assert ticket is not None
        return self._send("POST", "/orgsim/authorize", {"ticket": ticket[1], **values})

    def log_in(self, page: Response, username: str = "admin@orgsim.example", password: str = "orgsim") -> Response:
        return self.submit(page, action="login", username=username, pw=password)

    def _send(self, method: str, target: str, form: dict[str, str] | None) -> Response:
        answer = send(self.emulator, method, target, form, Cookie=self.cookie)
        self.cookie = (answer.header("Set-Cookie") or self.cookie).partition(";")[0]
        return answer


def send(emulator: Emulator, method: str, target: str, form: dict[str, str] | None = None, **headers: str) -> Response:
    body = None if form is None else urlencode(form).encode()
    kind = {} if form is None else {"Content-Type": "application/x-www-form-urlencoded"}
    return emulator.answer(Request.build(method, target, headers={**kind, **headers}, body=body))


def text_of(answer: Response) -> str:
    assert isinstance(answer.body, bytes)
    return answer.body.decode()


def callback_of(answer: Response) -> dict[str, str]:
    assert answer.status == 302, text_of(answer)
    location = answer.header("Location") or ""
    assert location.startswith(CALLBACK)
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def token(emulator: Emulator, **values: str) -> tuple[int, dict[str, str]]:
    answer = send(emulator, "POST", "/services/oauth2/token", {"client_id": emulator.client_id, **values})
    return answer.status, json.loads(text_of(answer))


def get_code(emulator: Emulator, verifier: str, scope: str = "api refresh_token openid", **more: str) -> str:
    browser = Browser(emulator)
    page = browser.open(code_challenge=challenge_of(verifier), code_challenge_method="S256", scope=scope, **more)
    consent = browser.log_in(page)
    return callback_of(browser.submit(consent, action="allow"))["code"]


def signed_in(emulator: Emulator, scope: str = "api refresh_token openid", **more: str) -> dict[str, str]:
    verifier, _ = new_verifier_pair()
    code = get_code(emulator, verifier, scope, **more)
    status, answer = redeem(emulator, code, verifier)
    assert status == 200, answer
    return answer


def redeem(emulator: Emulator, code: str, verifier: str) -> tuple[int, dict[str, str]]:
    return token(emulator, grant_type="authorization_code", code=code, redirect_uri=CALLBACK, code_verifier=verifier)


def is_alive(emulator: Emulator, access_token: str) -> bool:
    answer = send(emulator, "GET", "/services/data/v62.0/limits", Authorization=f"Bearer {access_token}")
    if answer.status == 401:
        assert json.loads(text_of(answer)) == [
            {"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}
        ]
    return answer.status == 200


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


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_revoking_a_refresh_token_kills_its_access_tokens(emulator: Emulator, method: str):
    given = signed_in(emulator)
    path = "/services/oauth2/revoke"
    if method == "GET":
        answer = send(emulator, "GET", f"{path}?token={quote(given['refresh_token'])}")
    else:
        answer = send(emulator, "POST", path, {"token": given["refresh_token"]})
    assert (answer.status, answer.body) == (200, b"")
    assert not is_alive(emulator, given["access_token"])
    assert token(emulator, grant_type="refresh_token", refresh_token=given["refresh_token"])[0] == 400


def test_revoking_an_access_token_leaves_the_refresh_token(emulator: Emulator):
    given = signed_in(emulator)
    assert send(emulator, "POST", "/services/oauth2/revoke", {"token": given["access_token"]}).status == 200
    assert not is_alive(emulator, given["access_token"])
    assert token(emulator, grant_type="refresh_token", refresh_token=given["refresh_token"])[0] == 200


def test_revoking_nothing_is_refused_in_urlencoded_form(emulator: Emulator):
    answer = send(emulator, "POST", "/services/oauth2/revoke", {"token": "nothing"})
    assert answer.status == 400
    assert parse_qs(text_of(answer))["error"] == ["unsupported_token_type"]


def test_a_deactivated_user_can_neither_call_nor_refresh(emulator: Emulator):
    given = signed_in(emulator)
    row = emulator.org.row("User", emulator.seeded.admin_id)
    assert row is not None
    emulator.org.store("User", {**row, "IsActive": False})
    assert not is_alive(emulator, given["access_token"])
    assert (
        token(emulator, grant_type="refresh_token", refresh_token=given["refresh_token"])[1]["error"] == "inactive_user"
    )


@pytest.mark.parametrize(
    ("form", "code"),
    [
        ({"grant_type": "magic"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "client_id": "nobody"}, "invalid_client_id"),
        ({"grant_type": "refresh_token", "client_secret": "wrong"}, "invalid_client"),
        ({"grant_type": "refresh_token", "refresh_token": "5Aep861nothing"}, "invalid_grant"),
        ({"grant_type": "password", "username": "admin@orgsim.example", "password": "no"}, "invalid_grant"),
    ],
)
def test_token_refusals_have_salesforces_codes(emulator: Emulator, form: dict[str, str], code: str):
    status, answer = token(emulator, **form)
    assert (status, answer["error"]) == (400, code)


def test_the_id_token_is_signed_with_a_published_key(emulator: Emulator):
    given = signed_in(emulator, nonce="n-1")
    head, body, signature = given["id_token"].split(".")
    [key] = json.loads(text_of(send(emulator, "GET", "/id/keys")))["keys"]
    assert json.loads(unpadded(head)) == {"alg": "RS256", "kid": key["kid"], "typ": "JWT"}
    numbers = rsa.RSAPublicNumbers(int.from_bytes(unpadded(key["e"])), int.from_bytes(unpadded(key["n"])))
    numbers.public_key().verify(unpadded(signature), f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
    claims = json.loads(unpadded(body))
    assert claims["iss"] == json.loads(text_of(send(emulator, "GET", "/.well-known/openid-configuration")))["issuer"]
    assert (claims["aud"], claims["nonce"], claims["sub"]) == (emulator.client_id, "n-1", given["id"])
    assert claims["exp"] > claims["iat"]


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_userinfo_and_identity_name_the_user_and_the_org(emulator: Emulator):
    given = signed_in(emulator)
    bearer = {"Authorization": f"Bearer {given['access_token']}"}
    info = json.loads(text_of(send(emulator, "GET", "/services/oauth2/userinfo", **bearer)))
    assert (info["user_id"], info["organization_id"]) == (emulator.seeded.admin_id, emulator.org.id18)
    assert info["preferred_username"] == "admin@orgsim.example"
    path = urlsplit(given["id"]).path
    who = json.loads(text_of(send(emulator, "GET", f"{path}?version=latest", **bearer)))
    assert who["username"] == "admin@orgsim.example"
    assert who["urls"]["rest"].endswith("/services/data/v67.0/")
    assert send(emulator, "GET", path).body == b"Missing_OAuth_Token"
    assert send(emulator, "GET", "/services/oauth2/userinfo", Authorization="Bearer no").body == b"Bad_OAuth_Token"


def test_introspection_tells_living_from_dead_tokens(emulator: Emulator):
    given = signed_in(emulator)

    def ask(what: str) -> dict[str, object]:
        form = {"token": what, "client_id": emulator.client_id}
        return json.loads(text_of(send(emulator, "POST", "/services/oauth2/introspect", form)))

    assert ask(given["access_token"])["active"] is True
    assert ask(given["refresh_token"])["active"] is True
    assert ask("nothing") == {"active": False}


def test_a_token_without_the_api_scope_does_not_open_the_api(emulator: Emulator):
    given = signed_in(emulator, "openid")
    answer = send(emulator, "GET", "/services/data/v62.0/limits", Authorization=f"Bearer {given['access_token']}")
    assert answer.status == 401


def test_jwt_bearer_takes_expiry_in_milliseconds_and_as_text(emulator: Emulator):
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    emulator.authority.apps.put(
        App(client_id="server", name="server", preapproved=True, jwt_certificate=pem.decode(), rotation=False)
    )

    def ask(audience: str, ends: object) -> tuple[int, dict[str, str]]:
        claims = {"iss": "server", "sub": "admin@orgsim.example", "aud": audience, "exp": ends}
        signed = f"{encoded({'alg': 'RS256'})}.{encoded(claims)}"
        signature = key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        assertion = f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
        return token(emulator, grant_type="urn:ietf:params:oauth:grant-type:jwt-bearer", assertion=assertion)

    soon = int(time.time()) + 300
    for ends in (soon, str(soon), soon * 1000):
        status, answer = ask("https://login.salesforce.com", ends)
        assert status == 200, answer
        assert is_alive(emulator, answer["access_token"])
    assert ask("https://elsewhere.example", soon)[1]["error_description"] == "audience is invalid"
    assert ask("https://login.salesforce.com", soon - 600)[1]["error"] == "invalid_grant"


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_client_credentials_act_as_the_named_user(emulator: Emulator):
    emulator.authority.apps.put(
        App(client_id="machine", name="machine", client_secret="s3cret", run_as=emulator.seeded.reader_username)
    )
    basic = base64.b64encode(b"machine:s3cret").decode()
    form = {"grant_type": "client_credentials"}
    answer = send(emulator, "POST", "/services/oauth2/token", form, Authorization=f"Basic {basic}")
    given = json.loads(text_of(answer))
    assert given["id"].endswith(emulator.seeded.reader_id)
    wrong = base64.b64encode(b"machine:no").decode()
    assert send(emulator, "POST", "/services/oauth2/token", form, Authorization=f"Basic {wrong}").status == 400


def test_soap_login_works_up_to_version_64(emulator: Emulator):
    body = (
        b'<se:Envelope xmlns:se="http://schemas.xmlsoap.org/soap/envelope/"><se:Body><login xmlns="urn:x">'
        b"<username>admin@orgsim.example</username><password>orgsim</password></login></se:Body></se:Envelope>"
    )

    def ask(version: str, content: bytes) -> Response:
        return emulator.answer(Request.build("POST", f"/services/Soap/u/{version}", body=content))

    answer = text_of(ask("62.0", body))
    found = re.search(r"<sessionId>([^<]+)</sessionId>", answer)
    assert found is not None
    assert is_alive(emulator, found[1])
    refused = ask("62.0", body.replace(b">orgsim<", b">wrong<"))
    assert (refused.status, "<sf:exceptionCode>INVALID_LOGIN" in text_of(refused)) == (500, True)
    assert ask("65.0", body).status == 500
