"""The portal against people who mean harm: forged forms, stolen states, foreign names, used links, missing sessions."""

from __future__ import annotations

import http.client
import json
import re
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from isthmus.portal.app import API, PAGES
from tests.support.orgsim import Orgsim, start_orgsim
from tests.support.portal import Product, start_product

REPLAYS = 50
NEEDED_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}
OPEN_PATHS = {"/sign-in", "/sign-in/{token:str}", "/api/v1/sign-in"}
SOME_ID = "00000000-0000-4000-8000-000000000000"


@dataclass
class Answer:
    status: int
    headers: http.client.HTTPMessage
    text: str

    def csrf(self) -> str:
        found = re.search(r'name="csrf" value="([0-9a-f]+)"', self.text)
        assert found, "the page has no form"
        return found[1]


@dataclass
class Client:
    """A client that sends exactly what it is told, and keeps the cookies that it is given."""

    product: Product
    cookies: dict[str, str] = field(default_factory=dict)

    def send(self, method: str, path: str, body: str | None = None, **headers: str) -> Answer:
        place = urllib.parse.urlsplit(self.product.url).netloc
        connection = http.client.HTTPConnection(place, timeout=60)
        sent = {"Host": place, "Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items())}
        if body is not None:
            sent["Content-Type"] = "application/x-www-form-urlencoded"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, sent)
        reply = connection.getresponse()
        answer = Answer(reply.status, reply.headers, reply.read().decode(errors="replace"))
        connection.close()
        for cookie in reply.headers.get_all("set-cookie") or []:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
        return answer

    def post(self, path: str, fields: dict[str, str], **headers: str) -> Answer:
        headers = {"Origin": self.product.url, **headers}
        return self.send("POST", path, urllib.parse.urlencode(fields), **headers)

    def begin(self, org: Orgsim, alias: str, answer: str = "allow") -> str:
        """Begin a connection, log in at the org, answer its question and return path and query of the callback."""
        csrf = self.send("GET", "/orgs/connect").csrf()
        fields = {"purpose": "sync", "environment": "emulator", "address": org.instance_url, "alias": alias}
        ready = self.post("/orgs/connect", {**fields, "client_id": org.client_id, "csrf": csrf})
        found = re.search(r'id="authorize" href="([^"]+)"', ready.text)
        assert found, ready.text
        return _logged_in(org, found[1].replace("&amp;", "&"), answer)


def _logged_in(org: Orgsim, url: str, answer: str) -> str:
    from isthmus.demo.browser import Browser, PageUnexpected  # noqa: PLC0415

    class Stop(Browser):
        """A browser whose way ends where it would come back to the portal."""

    browser = Stop()
    login = browser.get(url)
    values = {"username": org.username, "pw": org.password, "action": "login"}
    consent = browser.submit(login, login.form(""), values)
    try:
        last = consent if "/oauth/callback" in consent.url else None
        form = None if last else consent.form("")
    except PageUnexpected:
        form = None
    assert form is not None, "the org asks for consent the first time"
    place = urllib.parse.urlsplit(urllib.parse.urljoin(consent.url, form.action))
    connection = http.client.HTTPConnection(place.netloc, timeout=60)
    cookies = "; ".join(f"{c.name}={c.value}" for c in browser._jar if not c.name.startswith("isthmus"))
    body = urllib.parse.urlencode({**form.values, "action": answer})
    connection.request(
        "POST", place.path, body, {"Content-Type": "application/x-www-form-urlencoded", "Cookie": cookies}
    )
    back = connection.getresponse().headers["Location"]
    parts = urllib.parse.urlsplit(back)
    return f"{parts.path}?{parts.query}"


@pytest.fixture(scope="module")
def product() -> Iterator[Product]:
    with start_product() as running:
        yield running


@pytest.fixture(scope="module")
def member(product: Product) -> Client:
    client = Client(product)
    answer = client.post(product.sign_in_url.removeprefix(product.url), {})
    assert answer.status == 303
    return client


@pytest.fixture
def org() -> Iterator[Orgsim]:
    with start_orgsim(name="acme") as running:
        yield running


def _routes() -> list[tuple[str, str]]:
    handlers: list[Any] = [handler for module in (*PAGES, *API) for handler in module.HANDLERS]
    return [(method, path) for h in handlers for path in h.paths for method in h.http_methods]


def _filled(path: str) -> str:
    return re.sub(r"\{verb:str\}", "pause", re.sub(r"\{(?!verb)\w+:str\}", SOME_ID, path))


@pytest.mark.parametrize(("method", "path"), [r for r in _routes() if r[1] not in OPEN_PATHS])
def test_nobody_without_a_session_gets_anything_but_the_way_to_sign_in(
    product: Product, method: str, path: str
) -> None:
    answer = Client(product).send(
        method, _filled(path), "{}" if method == "POST" else None, Content_Type="application/json"
    )
    assert answer.status in {400, 401}, answer.text
    assert {name: answer.headers[name] for name in NEEDED_HEADERS} == NEEDED_HEADERS
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(("method", "path"), [r for r in _routes() if r[0] == "POST" and r[1] not in OPEN_PATHS])
@pytest.mark.parametrize("proof", ["none", "wrong", "foreign origin"])
def test_nothing_changes_without_the_proof_of_our_own_page(member: Client, method: str, path: str, proof: str) -> None:
    token = "0" * 64 if proof == "wrong" else ""
    if proof == "foreign origin":
        token = json.loads(member.send("GET", "/api/v1/session").text)["csrf"]
    origin = "https://evil.example" if proof == "foreign origin" else member.product.url
    body = "{}" if path.startswith("/api/") else urllib.parse.urlencode({"csrf": token})
    kind = "application/json" if path.startswith("/api/") else "application/x-www-form-urlencoded"
    answer = member.send(method, _filled(path), body, Content_Type=kind, Origin=origin, X_CSRF_Token=token)
    assert answer.status in {400, 403}, answer.text
    assert member.send("GET", "/api/v1/session").status == 200, "the session goes on"


def test_a_sign_in_link_works_once_and_opening_it_uses_nothing(product: Product) -> None:
    path = product.new_sign_in_url().removeprefix(product.url)
    assert [Client(product).send("GET", path).status for _ in range(3)] == [200, 200, 200]
    assert Client(product).post(path, {}, Origin="https://evil.example").status == 403
    first, second = Client(product), Client(product)
    assert first.post(path, {}).status == 303
    used = second.post(path, {})
    assert used.status == 410
    assert "isthmus link" in used.text
    assert second.send("GET", "/").status == 401


def test_the_session_cookie_is_out_of_reach_of_scripts_and_of_other_sites_posts(product: Product) -> None:
    answer = Client(product).post(product.new_sign_in_url().removeprefix(product.url), {})
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "path=/" in cookie


def test_a_session_that_was_signed_out_is_worth_nothing(product: Product) -> None:
    client = Client(product)
    client.post(product.new_sign_in_url().removeprefix(product.url), {})
    kept = dict(client.cookies)
    client.post("/sign-out", {"csrf": client.send("GET", "/").csrf()})
    assert Client(product, kept).send("GET", "/").status == 401


def test_a_name_that_is_not_ours_gets_no_page(product: Product) -> None:
    answer = Client(product).send("GET", "/", Host="evil.example")
    assert answer.status == 421
    assert product.url in answer.text


@pytest.mark.parametrize(
    "path", ["/static/../portal/app.py", "/static/%2e%2e/app.py", "/static//etc/passwd", "/static/none.css"]
)
def test_a_file_that_is_not_listed_is_not_served(product: Product, path: str) -> None:
    assert Client(product).send("GET", path).status in {400, 404}


@pytest.mark.parametrize(
    "address",
    ["https://evil.example", "https://login.salesforce.com.evil.example", "https://login.salesforce.com@evil.example",
     "http://169.254.169.254", "https://acme.my.salesforce.com:8443", "javascript:alert(1)"],
)  # fmt: skip
def test_a_login_page_that_is_not_salesforces_is_refused(member: Client, address: str) -> None:
    csrf = member.send("GET", "/orgs/connect").csrf()
    fields = {"purpose": "audit", "environment": "my_domain", "address": address, "alias": "x", "client_id": "abc"}
    answer = member.post("/orgs/connect", {**fields, "csrf": csrf})
    assert answer.status == 400
    assert "This address cannot be used" in answer.text


def test_a_callback_with_a_forged_state_or_a_doubled_parameter_is_refused(member: Client) -> None:
    assert member.send("GET", "/oauth/callback?state=forged&code=x").status == 400
    doubled = member.send("GET", "/oauth/callback?state=a&state=b&code=x")
    assert doubled.status == 400
    assert "more than once" in doubled.text


def test_another_browser_cannot_finish_what_this_one_began(product: Product, member: Client, org: Orgsim) -> None:
    callback = member.begin(org, "stolen")
    thief = Client(product)
    thief.post(product.new_sign_in_url().removeprefix(product.url), {})
    assert thief.send("GET", callback).status == 400
    without_binding = Client(product, {k: v for k, v in member.cookies.items() if "session" in k})
    assert without_binding.send("GET", callback).status == 400


def test_of_many_callbacks_with_one_state_exactly_one_succeeds(member: Client, org: Orgsim) -> None:
    callback = member.begin(org, "once")
    clients = [Client(member.product, dict(member.cookies)) for _ in range(REPLAYS)]
    with ThreadPoolExecutor(10) as pool:
        statuses = list(pool.map(lambda client: client.send("GET", callback).status, clients))
    assert sorted(statuses) == [303] + [400] * (REPLAYS - 1)


def test_a_consent_denied_at_the_org_is_said_plainly_connects_nothing_and_uses_the_state_up(
    member: Client, org: Orgsim
) -> None:
    callback = member.begin(org, "denied", "deny")
    assert "error=access_denied" in callback
    kept = Client(member.product, dict(member.cookies))
    answer = member.send("GET", callback)
    assert answer.status == 403
    assert "Access was denied at Salesforce" in answer.text
    assert "denied" not in member.send("GET", "/orgs").text, "no org of that alias"
    assert kept.send("GET", callback.replace("error=access_denied", "code=made-up")).status == 400
    assert not [entry for entry in org.transcript() if entry["path"].endswith("/oauth2/token")]


def test_every_changing_route_asks_for_a_proof() -> None:
    """Plants nothing: reads the handlers themselves, so that a new one cannot forget it."""
    for module in (*PAGES, *API):
        for handler in module.HANDLERS:
            if "POST" in handler.http_methods and not handler.paths & OPEN_PATHS:
                wanted = set(handler.fn.__annotations__)
                assert wanted & {"actor", "api_actor"}, handler.fn.__name__
