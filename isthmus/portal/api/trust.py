"""The trust page over JSON."""

from __future__ import annotations

from litestar import Response, get

from isthmus.portal.api.answers import answer
from isthmus.portal.desk import SignedIn, World
from isthmus.portal.pages.trust import trust_world
from isthmus.trust import service
from isthmus.trust.requests import listed_requests


@get("/api/v1/trust")
async def trust(world: World, visitor: SignedIn) -> Response[bytes]:
    """Compute every promise now."""
    reports = await service.compute(trust_world(world), visitor.ticket)
    return answer({"checked_at": world.clock.now(), "promises": reports, "requests": listed_requests()})


HANDLERS = (trust,)
