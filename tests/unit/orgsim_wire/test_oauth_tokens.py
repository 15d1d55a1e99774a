"""What happens to tokens later, and signing in without a person."""

from __future__ import annotations

import base64
import json
import re
import time
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from orgsim.emulator import Emulator
from orgsim.oauth.apps import App
from orgsim.wire import Request, Response
from tests.unit.orgsim_wire.signing_in import is_alive, send, signed_in, text_of, token, unpadded


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
