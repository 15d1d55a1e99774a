"""Signing in by a one-time link, and signing out. There is no password anywhere."""

from __future__ import annotations

import urllib.parse
from typing import Final

from litestar import Response, get, post
from litestar.response import Redirect

from isthmus.accounts import service as accounts
from isthmus.portal.desk import Acting, Door, Renderer, WebRequest, World, query
from isthmus.portal.problems import Problem, WayOut
from isthmus.portal.visitors import SESSION_COOKIE, Visitor
from isthmus.values import Alias, InvalidValue, Purpose, Secret

TOKEN_LENGTH_MAX: Final = 200
CONNECT_PATH: Final = "/orgs/connect"
NEXT_LENGTH_MAX: Final = 300


@get("/sign-in/{token:str}")
async def link(request: WebRequest, pages: Renderer, token: str) -> Response[str]:
    """Show the button that uses the link. Opening the address uses nothing: previews and prefetches open it too."""
    del token
    return pages.page(request, "sign_in.html", next_page=connect_page(query(request).get("next", "")))


@post("/sign-in/{token:str}")
async def use_link(request: WebRequest, world: World, door: Door, token: str) -> Redirect:
    """Use the link: once, and only from our own page. Leads on to the connect form where the link was made for it."""
    door.check_origin(request)
    wanted = (await request.form()).get("next", "")
    session = await redeem(world, token)
    answer = Redirect(connect_page(wanted) or "/?done=signed-in", status_code=303)
    answer.set_cookie(door.cookie(SESSION_COOKIE, session.reveal_text()))
    return answer


@get("/sign-in")
async def how(request: WebRequest, pages: Renderer) -> Response[str]:
    """Say how to sign in."""
    text = "This portal belongs to the people who run this installation."
    return pages.page(request, "signed_out.html", heading="Sign in to Isthmus", text=text)


@post("/sign-out")
async def sign_out(world: World, door: Door, actor: Acting) -> Redirect:
    """End the session; the browser is told to drop what it kept."""
    await end_session(world, actor.visitor)
    answer = Redirect("/sign-in", status_code=303, headers={"Clear-Site-Data": '"cache", "storage"'})
    answer.set_cookie(door.cookie(SESSION_COOKIE, "", max_age_s=0))
    return answer


def connect_page(unverified: object) -> str | None:
    """Return the address of the connect form that `isthmus org connect` wants shown, or None for any other place.

    It is put together anew from its two words: nothing of what came decides where a browser is sent.
    """
    if not isinstance(unverified, str) or len(unverified) > NEXT_LENGTH_MAX:
        return None
    path, _, fields = unverified.partition("?")
    words = dict(urllib.parse.parse_qsl(fields))
    if path != CONNECT_PATH:
        return None
    try:
        alias, purpose = Alias.parse(words.get("alias", "")), Purpose(words.get("purpose", ""))
    except (InvalidValue, ValueError):
        return None
    return f"{CONNECT_PATH}?{urllib.parse.urlencode({'alias': alias, 'purpose': purpose.value})}"


async def redeem(world: World, unverified_token: str) -> Secret:
    """Return a new session for a link's token, or raise the `Problem` that says how to get another link."""
    session = None
    if 0 < len(unverified_token) <= TOKEN_LENGTH_MAX:
        session = await accounts.redeem_link(world.database, Secret(unverified_token), random_bytes=world.random_bytes)
    if session is None:
        raise Problem(
            410,
            "This sign-in link does not work any more",
            "It was used already, or it is too old. Each link works once.",
            "On the machine that runs Isthmus, run: isthmus link",
            WayOut("/sign-in", "How to sign in"),
        )
    return session


async def end_session(world: World, visitor: Visitor) -> None:
    """End the session for good."""
    await accounts.end_session(world.database, visitor.session)


HANDLERS = (link, use_link, how, sign_out)
