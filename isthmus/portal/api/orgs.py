"""Orgs over JSON."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import Response, get, post

from isthmus.db.ticket import Ticket
from isthmus.orgs.connections import list_connections
from isthmus.orgs.model import SCOPES, ConnectingFailed
from isthmus.portal.api.answers import answer
from isthmus.portal.connecting import explained, read_wish
from isthmus.portal.desk import ApiActing, Door, SignedIn, WayOut, World, id_of, missing
from isthmus.portal.orgs_view import by_org
from isthmus.portal.pages.orgs import revoke_now
from isthmus.portal.visitors import BINDING_COOKIE, BINDING_MAX_AGE_S
from isthmus.sync.telling.outlook import OrgOutlook, org_outlook
from isthmus.sync.timing.timetable import set_budget
from isthmus.values import ConnectionId

_ORGS = WayOut("/orgs", "All orgs")


class ConnectBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A wish to connect an org. `environment`: production, sandbox, or my_domain and emulator, which need `address`."""

    alias: str
    purpose: str
    client_id: str
    environment: str = "my_domain"
    address: str = ""
    client_secret: str = ""


@get("/api/v1/orgs")
async def orgs(world: World, visitor: SignedIn) -> Response[bytes]:
    """List orgs with their connections."""
    async with world.database.tenant(visitor.ticket) as tx:
        connections = await list_connections(tx)
    return answer({"orgs": by_org(connections)})


@post("/api/v1/orgs/connect", status_code=200)
async def connect(world: World, door: Door, api_actor: ApiActing, data: ConnectBody) -> Response[bytes]:
    """Begin an authorization. The browser that opens `authorize_url` must keep the cookie of this answer."""
    fields = msgspec.to_builtins(data)
    wanted = read_wish(lambda name: str(fields.get(name, "")).strip(), world.settings)
    try:
        begun = await world.keeper.begin_authorization(api_actor.visitor.ticket, wanted)
    except ConnectingFailed as error:
        raise explained(error) from None
    binding = door.cookie(BINDING_COOKIE, begun.browser_binding.reveal_text(), max_age_s=BINDING_MAX_AGE_S)
    return answer({"authorize_url": begun.authorize_url, "scopes": SCOPES[wanted.purpose]}, cookies=[binding])


@post("/api/v1/connections/{connection:str}/revoke", status_code=200)
async def revoke(world: World, api_actor: ApiActing, connection: str) -> Response[bytes]:
    """Revoke a connection: nothing further is sent with it after this answer."""
    connection_id = ConnectionId(id_of(connection, "Connection", _ORGS))
    await revoke_now(world, api_actor.visitor, connection_id)
    return answer({"connection": connection_id, "state": "revoked"})


class BudgetBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Shares of an org's daily API calls, in percent; what is left out stays as it is."""

    day_percent: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None
    own_percent: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None


@get("/api/v1/orgs/{connection:str}/budget")
async def budget(world: World, visitor: SignedIn, connection: str) -> Response[bytes]:
    """Say which part of the org's daily API calls syncs may use, and how far it goes. By any of its connections."""
    return answer(await _budget(world, visitor.ticket, connection, None))


@post("/api/v1/orgs/{connection:str}/budget", status_code=200)
async def set_org_budget(world: World, api_actor: ApiActing, connection: str, data: BudgetBody) -> Response[bytes]:
    """Set the shares; they hold from the next run on."""
    return answer(await _budget(world, api_actor.visitor.ticket, connection, data))


async def _budget(world: World, ticket: Ticket, connection: str, wanted: BudgetBody | None) -> OrgOutlook:
    connection_id = id_of(connection, "Connection", _ORGS)
    async with world.database.tenant(ticket) as tx:
        found = next((each for each in await list_connections(tx) if each.id == connection_id), None)
        if found is None:
            missing("Connection", _ORGS)
        now = world.clock.now()
        shown = await org_outlook(tx, found.org_id, found.alias, now)
        if wanted is None:
            return shown
        day, own = wanted.day_percent or shown.day_percent, wanted.own_percent or shown.own_percent
        await set_budget(tx, found.org_id, day_percent=day, own_percent=own)
        return await org_outlook(tx, found.org_id, found.alias, now)


HANDLERS = (orgs, connect, revoke, budget, set_org_budget)
