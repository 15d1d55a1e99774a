"""When orgs are audited by themselves, over JSON."""

from __future__ import annotations

from litestar import Response, get, post

from isthmus.audit.cadence.cadence import ScheduleRefused
from isthmus.audit.cadence.scheduling import ScheduleChange, change_schedule, schedule_of
from isthmus.portal.api.answers import answer
from isthmus.portal.desk import ApiActing, Problem, SignedIn, WayOut, World, id_of, missing
from isthmus.values import ConnectionId

_ORGS = WayOut("/orgs", "All orgs")


@get("/api/v1/audit-schedule/{connection:str}")
async def shown(world: World, visitor: SignedIn, connection: str) -> Response[bytes]:
    """Return when this connection's org is audited by itself, and how long the names are kept."""
    connection_id = ConnectionId(id_of(connection, "Connection", _ORGS))
    async with world.database.tenant(visitor.ticket) as tx:
        view = await schedule_of(tx, connection_id)
    if view is None:
        missing("Connection", _ORGS)
    return answer(view)


@post("/api/v1/audit-schedule/{connection:str}", status_code=200)
async def changed(world: World, api_actor: ApiActing, connection: str, data: ScheduleChange) -> Response[bytes]:
    """Change it; what the body does not name stays as it is."""
    connection_id = ConnectionId(id_of(connection, "Connection", _ORGS))
    try:
        async with world.database.tenant(api_actor.visitor.ticket) as tx:
            view = await change_schedule(tx, connection_id, data, world.clock.now())
    except ScheduleRefused as refused:
        raise Problem(422, "This schedule cannot be kept", refused.what, refused.remedy, _ORGS) from None
    if view is None:
        missing("Connection", _ORGS)
    return answer(view)


HANDLERS = (shown, changed)
