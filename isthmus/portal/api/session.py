"""Signing in and out over JSON, and the token that cookie calls must carry."""

from __future__ import annotations

import msgspec
from litestar import Response, get, post

from isthmus.portal.api.answers import answer
from isthmus.portal.desk import ApiActing, Door, SignedIn, WebRequest, World
from isthmus.portal.pages.sign_in import end_session, redeem
from isthmus.portal.visitors import SESSION_COOKIE


class SignInBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The token of a one-time link: the last part of its address."""

    token: str


@post("/api/v1/sign-in", status_code=200)
async def sign_in(request: WebRequest, world: World, door: Door, data: SignInBody) -> Response[bytes]:
    """Turn a one-time link into a session, usable as a bearer token."""
    door.check_origin(request)
    session = await redeem(world, data.token)
    return answer({"session": session.reveal_text()})


@get("/api/v1/session")
async def session(visitor: SignedIn) -> Response[bytes]:
    """Return who is signed in, and what cookie calls must send as `X-CSRF-Token`."""
    claims = visitor.ticket.claims
    return answer({"tenant": claims.tenant, "member": claims.member, "csrf": visitor.csrf})


@post("/api/v1/sign-out", status_code=200)
async def sign_out(world: World, door: Door, api_actor: ApiActing) -> Response[bytes]:
    """End the session."""
    await end_session(world, api_actor.visitor)
    return answer({"signed_out": True}, cookies=[door.cookie(SESSION_COOKIE, "", max_age_s=0)])


HANDLERS = (sign_in, session, sign_out)
