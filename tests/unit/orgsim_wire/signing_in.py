"""How tests sign in: a browser that clicks, and the token endpoint."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass
from urllib.parse import parse_qs, urlencode, urlsplit

from orgsim.emulator import Emulator
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


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
