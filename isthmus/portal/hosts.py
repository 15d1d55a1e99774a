"""Answers only under the portal's own name: a foreign name that leads here gets no page (DNS rebinding)."""

from __future__ import annotations

import urllib.parse

from litestar.datastructures import Headers
from litestar.types import ASGIApp, Receive, Scope, Send

from isthmus.config import Settings


def own_hosts(settings: Settings) -> frozenset[str]:
    """Return the values of `Host` that lead to this portal: its public name, and the address that it listens on."""
    public = urllib.parse.urlsplit(settings.public_url).netloc.lower()
    bind = f"[{settings.bind}]" if ":" in settings.bind else settings.bind
    return frozenset({public, f"{bind}:{settings.port}"})


class OwnHosts:
    """Refuses requests that are addressed to another name, saying where the portal is."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str], public_url: str) -> None:
        self._app = app
        self._hosts = hosts
        self._body = f"This portal answers at {public_url} only. Open it there.\n".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer 421."""
        if Headers.from_scope(scope).get("host", "").lower() in self._hosts:
            await self._app(scope, receive, send)
            return
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(self._body))]
        await send({"type": "http.response.start", "status": 421, "headers": headers})
        await send({"type": "http.response.body", "body": self._body, "more_body": False})
