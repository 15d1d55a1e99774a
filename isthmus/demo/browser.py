"""A browser as small as the demo needs: cookies, redirects, forms. It sees only what a person's browser would see.

The demo connects its orgs with it, so that the real pages and the real OAuth redirects are what is shown. It talks to
loopback addresses only.
"""

from __future__ import annotations

import http.cookiejar
import ipaddress
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Final

TIMEOUT_S: Final = 60


class PageUnexpected(Exception):
    """A page is not what a user would need to go on; names the step and what the page says."""


@dataclass(slots=True)
class Form:
    """One form of a page, with the values it would be sent with."""

    action: str
    method: str
    values: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class Page:
    """What the browser shows after all redirects."""

    url: str
    status: int
    text: str
    body: bytes

    def form(self, action_contains: str) -> Form:
        """Return the page's first form whose action contains the text; raise `PageUnexpected` if there is none."""
        reader = _FormReader()
        reader.feed(self.text)
        for form in reader.forms:
            if action_contains in form.action:
                return form
        message = f"no form for {action_contains!r} on {urllib.parse.urlsplit(self.url).path} (status {self.status})"
        raise PageUnexpected(message)

    def link(self, element_id: str) -> str:
        """Return where the link with this id leads; raise `PageUnexpected` if there is none."""
        reader = _FormReader()
        reader.feed(self.text)
        if element_id not in reader.links:
            message = f"no link {element_id!r} on {urllib.parse.urlsplit(self.url).path} (status {self.status})"
            raise PageUnexpected(message)
        return reader.links[element_id]


class _FormReader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: dict[str, str] = {}
        self._select: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "a" and "id" in values:
            self.links[values["id"]] = values.get("href", "")
        if tag == "form":
            self.forms.append(Form(values.get("action", ""), values.get("method", "get").upper()))
        if not self.forms:
            return
        form = self.forms[-1].values
        name = values.get("name")
        if tag == "input" and name:
            kind = values.get("type", "text")
            if kind in {"submit", "button"} or (kind in {"checkbox", "radio"} and "checked" not in values):
                return
            form[name] = values.get("value", "")
        elif tag == "textarea" and name:
            form.setdefault(name, "")
        elif tag == "select" and name:
            self._select = name
        elif tag == "option" and self._select and ("selected" in values or self._select not in form):
            form[self._select] = values.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = None


class Browser:
    """Keeps cookies and follows redirects, as a person's browser does."""

    def __init__(self) -> None:
        self._jar = http.cookiejar.CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self._jar)
        )

    def get(self, url: str) -> Page:
        """Open an address."""
        return self._open(urllib.request.Request(url))  # noqa: S310 -- checked in _open

    def submit(self, page: Page, form: Form, values: Mapping[str, str]) -> Page:
        """Send a form of `page`, with some of its values filled in."""
        url = urllib.parse.urljoin(page.url, form.action or page.url)
        data = urllib.parse.urlencode({**form.values, **values})
        if form.method == "GET":
            return self.get(f"{url.partition('?')[0]}?{data}")
        origin = "{0.scheme}://{0.netloc}".format(urllib.parse.urlsplit(page.url))
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": origin, "Referer": page.url}
        return self._open(urllib.request.Request(url, data.encode(), headers))  # noqa: S310 -- checked in _open

    def call(self, method: str, url: str, body: object = None, headers: Mapping[str, str] | None = None) -> object:
        """Call a JSON endpoint with the browser's cookies; raise `PageUnexpected` unless it answers 2xx."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(url, data, {"Accept": "application/json", **(headers or {})}, method=method)  # noqa: S310 -- checked in _open
        if data is not None:
            request.add_header("Content-Type", "application/json")
        page = self._open(request)
        if not 200 <= page.status < 300:  # noqa: PLR2004 -- HTTP's own numbers
            message = f"{method} {urllib.parse.urlsplit(url).path} answered {page.status}: {page.text[:300]}"
            raise PageUnexpected(message)
        return json.loads(page.body) if page.body else None

    def cookie(self, name_contains: str) -> str | None:
        """Return the value of the first cookie whose name contains the text."""
        return next((c.value for c in self._jar if name_contains in c.name), None)

    def _open(self, request: urllib.request.Request) -> Page:
        parts = urllib.parse.urlsplit(request.full_url)
        if parts.scheme != "http" or not ipaddress.ip_address(parts.hostname or "").is_loopback:
            message = "the demo's browser opens loopback addresses only"
            raise PageUnexpected(message)
        try:
            reply = self._opener.open(request, timeout=TIMEOUT_S)
        except urllib.error.HTTPError as error:
            reply = error
        with reply:
            body: bytes = reply.read()
            return Page(reply.url, reply.status or 0, body.decode(errors="replace"), body)
