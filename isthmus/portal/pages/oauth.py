"""Where Salesforce sends the browser back to."""

from __future__ import annotations

from typing import Final

from litestar import get
from litestar.response import Redirect

from isthmus.orgs.connections import list_connections
from isthmus.orgs.model import ConnectingFailed
from isthmus.portal.connecting import explained
from isthmus.portal.desk import Door, Problem, SignedIn, WayOut, WebRequest, World
from isthmus.portal.visitors import BINDING_COOKIE

PARAMETER_LENGTH_MAX: Final = 4096


@get("/oauth/callback")
async def callback(request: WebRequest, world: World, door: Door, visitor: SignedIn) -> Redirect:
    """Hand the answer to the keeper, which checks state, browser and scopes; then show the org, or what went wrong.

    A parameter given twice is refused: two readers could take two different ones.
    """
    state, code, error = (_single(request, name) for name in ("state", "code", "error"))
    try:
        connection = await world.keeper.finish_authorization(
            state or "", code, error, door.binding(request), visitor.ticket
        )
    except ConnectingFailed as failure:
        raise explained(failure) from None
    async with world.database.tenant(visitor.ticket) as tx:
        org = next((c.org_id for c in await list_connections(tx) if c.id == connection), None)
    answer = Redirect(f"/orgs/{org}?done=connected" if org else "/orgs", status_code=303)
    answer.set_cookie(door.cookie(BINDING_COOKIE, "", max_age_s=0))
    return answer


def _single(request: WebRequest, name: str) -> str | None:
    values = request.query_params.getall(name, [])
    if len(values) > 1 or any(len(value) > PARAMETER_LENGTH_MAX for value in values):
        raise Problem(
            400,
            "Salesforce's answer is malformed",
            f"The address holds {name} more than once, or it is too long. Nothing was exchanged.",
            "Start the connection again from the portal.",
            WayOut("/orgs/connect", "Start again"),
        )
    return values[0] if values and values[0] else None


HANDLERS = (callback,)
