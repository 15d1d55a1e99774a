"""The security headers of every answer, error pages and files included.

Scripts run only with the nonce of their own page; nothing inline, nothing from another origin; no page may be framed,
kept in a cache or name its address to another origin. (`no-referrer` would make browsers send `Origin: null`.)
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Callable
from typing import Final

from litestar.datastructures import MutableScopeHeaders
from litestar.types import Message, Scope

_NONCE_KEY: Final = "isthmus_nonce"
NONCE_BYTES: Final = 18
HSTS_MAX_AGE_S: Final = 63_072_000

_ALWAYS: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
)


def page_nonce(scope: Scope, random_bytes: Callable[[int], bytes]) -> str:
    """Return the nonce that scripts of this answer carry; the same for each call on one request."""
    state = scope["state"]
    if _NONCE_KEY not in state:
        state[_NONCE_KEY] = urlsafe_b64encode(random_bytes(NONCE_BYTES)).decode()
    nonce: str = state[_NONCE_KEY]
    return nonce


def content_policy(nonce: str | None) -> str:
    """Return the Content-Security-Policy: nothing is allowed but what a page of ours needs."""
    script = f"'nonce-{nonce}'" if nonce else "'none'"
    return (
        f"default-src 'none'; script-src {script}; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types htmx"
    )


class SecurityHeaders:
    """Adds the headers to each answer as it starts. `https` says whether browsers reach us over TLS."""

    def __init__(self, *, https: bool) -> None:
        self._https = https

    async def __call__(self, message: Message, scope: Scope) -> None:
        """Add the headers; leaves everything but the start of an answer alone."""
        if message["type"] != "http.response.start":
            return
        headers = MutableScopeHeaders(message)
        for name, value in _ALWAYS:
            headers[name] = value
        headers["Content-Security-Policy"] = content_policy(scope["state"].get(_NONCE_KEY))
        if "cache-control" not in headers:
            headers["Cache-Control"] = "no-store"
        if self._https:
            headers["Strict-Transport-Security"] = f"max-age={HSTS_MAX_AGE_S}; includeSubDomains"
