"""Orgs over JSON."""

from __future__ import annotations

import msgspec
from litestar import Response, get, post

from isthmus.orgs.connections import list_connections
from isthmus.orgs.model import SCOPES, ConnectingFailed
from isthmus.portal.api.answers import answer
from isthmus.portal.connecting import explained, read_wish
from isthmus.portal.desk import ApiActing, Door, SignedIn, WayOut, World, id_of
from isthmus.portal.orgs_view import by_org
from isthmus.portal.pages.orgs import revoke_now
from isthmus.portal.visitors import BINDING_COOKIE, BINDING_MAX_AGE_S
from isthmus.values import ConnectionId


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
    connection_id = ConnectionId(id_of(connection, "Connection", WayOut("/orgs", "All orgs")))
    await revoke_now(world, api_actor.visitor, connection_id)
    return answer({"connection": connection_id, "state": "revoked"})


HANDLERS = (orgs, connect, revoke)
