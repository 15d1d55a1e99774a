"""Signing in by a one-time link, and signing out. There is no password anywhere."""

from __future__ import annotations

from typing import Final

from litestar import Response, get, post
from litestar.response import Redirect

from isthmus.accounts import service as accounts
from isthmus.portal.desk import Acting, Door, Renderer, WebRequest, World
from isthmus.portal.problems import Problem, WayOut
from isthmus.portal.visitors import SESSION_COOKIE, Visitor
from isthmus.values import Secret

TOKEN_LENGTH_MAX: Final = 200


@get("/sign-in/{token:str}")
async def link(request: WebRequest, pages: Renderer, token: str) -> Response[str]:
    """Show the button that uses the link. Opening the address uses nothing: previews and prefetches open it too."""
    del token
    return pages.page(request, "sign_in.html")


@post("/sign-in/{token:str}")
async def use_link(request: WebRequest, world: World, door: Door, token: str) -> Redirect:
    """Use the link: once, and only from our own page."""
    door.check_origin(request)
    session = await redeem(world, token)
    answer = Redirect("/?done=signed-in", status_code=303)
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
