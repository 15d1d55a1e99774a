"""The trust page: every promise, computed while the member waits."""

from __future__ import annotations

from litestar import Response, get

from isthmus.portal.desk import Renderer, SignedIn, WebRequest, World
from isthmus.trust import service
from isthmus.trust.model import Verdict
from isthmus.trust.requests import listed_requests
from isthmus.trust.service import TrustWorld


@get("/trust")
async def trust(request: WebRequest, world: World, pages: Renderer, visitor: SignedIn) -> Response[str]:
    """Show the promises with their verdicts."""
    reports = await service.compute(trust_world(world), visitor.ticket)
    return pages.page(
        request,
        "trust.html",
        visitor,
        reports=reports,
        totals=[(verdict.value, sum(r.verdict is verdict for r in reports)) for verdict in Verdict],
        checked_at=world.clock.now(),
        routes=listed_requests(),
    )


def trust_world(world: World) -> TrustWorld:
    """Return what the checks look at."""
    return TrustWorld(world.database, world.keeper, world.settings, world.clock)


HANDLERS = (trust,)
