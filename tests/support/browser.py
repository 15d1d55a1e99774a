"""A person at Salesforce's pages: follows the forms as a browser would, without a browser."""

from __future__ import annotations

import html
import re
from urllib.parse import parse_qsl, urljoin, urlsplit

import aiohttp

from tests.support.orgsim import Orgsim


async def answer_consent(
    org: Orgsim, authorize_url: str, *, action: str = "allow", username: str | None = None
) -> dict[str, str]:
    """Log in at orgsim's pages, press the button, and return the query that the browser comes back with."""
    jar = aiohttp.CookieJar(unsafe=True)
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        reply = await session.get(authorize_url, allow_redirects=False)
        for _ in range(4):
            if reply.status in {302, 303}:
                return dict(parse_qsl(urlsplit(reply.headers["Location"]).query))
            page = await reply.text()
            target = urljoin(authorize_url, html.unescape(_found(r'action="([^"]+)"', page)))
            values = {"ticket": _found(r'name="ticket" value="([^"]+)"', page)}
            if 'name="pw"' in page:
                values |= {"username": username or org.username, "pw": org.password, "action": "login"}
            else:
                values |= {"action": action}
            reply = await session.post(target, data=values, allow_redirects=False)
        raise AssertionError(f"the pages lead nowhere: {reply.status} {await reply.text()}")


def _found(pattern: str, page: str) -> str:
    match = re.search(pattern, page)
    assert match is not None, page
    return match[1]
