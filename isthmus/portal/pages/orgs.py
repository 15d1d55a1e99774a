"""Orgs: the list, connecting one through its own login page, one org, revoking a connection."""

from __future__ import annotations

from dataclasses import dataclass

from litestar import Response, get, post
from litestar.response import Redirect

from isthmus.orgs.connections import known_client_id, list_connections
from isthmus.orgs.model import SCOPES, ConnectingFailed, Connection
from isthmus.portal.connecting import explained, read_wish
from isthmus.portal.desk import (
    Acting,
    Door,
    Problem,
    Renderer,
    SignedIn,
    WayOut,
    WebRequest,
    World,
    id_of,
    missing,
    query,
)
from isthmus.portal.orgs_view import by_org
from isthmus.portal.visitors import BINDING_COOKIE, BINDING_MAX_AGE_S, FIELD_LENGTH_MAX, Visitor
from isthmus.sync import definitions
from isthmus.sync.views import SyncView
from isthmus.values import ConnectionId, Purpose

_LIST = WayOut("/orgs", "All orgs")


@dataclass(frozen=True, slots=True)
class ConnectValues:
    """What the form shows again after a mistake. A secret is never among it."""

    purpose: str = "audit"
    environment: str = "production"
    address: str = ""
    alias: str = ""
    client_id: str = ""


@get("/orgs")
async def orgs(request: WebRequest, world: World, pages: Renderer, visitor: SignedIn) -> Response[str]:
    """List the connected orgs."""
    async with world.database.tenant(visitor.ticket) as tx:
        connections = await list_connections(tx)
    return pages.page(request, "orgs.html", visitor, orgs=by_org(connections))


@get("/orgs/connect")
async def connect_form(request: WebRequest, world: World, pages: Renderer, visitor: SignedIn) -> Response[str]:
    """Show the form that begins a connection; an address may fill some of it in."""
    wanted = {name: text[:FIELD_LENGTH_MAX] for name, text in query(request).items()}
    address = wanted.get("address", "")
    environment = {
        "https://login.salesforce.com": "production",
        "https://test.salesforce.com": "sandbox",
        "": "production",
    }.get(address) or ("emulator" if address.startswith("http://") else "my_domain")
    values = ConnectValues(
        purpose=wanted.get("purpose", "audit"),
        environment=environment,
        address="" if environment in {"production", "sandbox"} else address,
        alias=wanted.get("alias", ""),
        client_id=await _client_id_before(world, visitor, wanted.get("alias", "")),
    )
    return _connect_page(request, world, pages, visitor, values=values)


@post("/orgs/connect", status_code=200)
async def connect(request: WebRequest, world: World, pages: Renderer, door: Door, actor: Acting) -> Response[str]:
    """Begin the authorization and show where it leads, before anybody types a password."""
    try:
        wanted = read_wish(actor.form.text, world.settings)
        begun = await world.keeper.begin_authorization(actor.visitor.ticket, wanted)
    except (Problem, ConnectingFailed) as error:
        problem = error if isinstance(error, Problem) else explained(error)
        form = actor.form
        values = ConnectValues(*(form.text(n) for n in ("purpose", "environment", "address", "alias", "client_id")))
        return _connect_page(request, world, pages, actor.visitor, values=values, problem=problem)
    binding = door.cookie(BINDING_COOKIE, begun.browser_binding.reveal_text(), max_age_s=BINDING_MAX_AGE_S)
    return pages.page(
        request,
        "connect_ready.html",
        actor.visitor,
        cookies=[binding],
        authorize_url=begun.authorize_url,
        origin=wanted.login_host.origin,
        alias=wanted.alias,
        purpose=wanted.purpose.value,
        scopes=SCOPES[wanted.purpose],
    )


@get("/orgs/{org:str}")
async def org(request: WebRequest, world: World, pages: Renderer, visitor: SignedIn, org: str) -> Response[str]:
    """Show one org with its connections and the syncs that use it."""
    org_id = id_of(org, "Org", _LIST)
    async with world.database.tenant(visitor.ticket) as tx:
        connections = [c for c in await list_connections(tx) if c.org_id == org_id]
        syncs = await definitions.list_syncs(tx)
    if not connections:
        missing("Org", _LIST)
    ids = {connection.id for connection in connections}
    used = [s for s in syncs if s.source_connection in ids or s.target_connection in ids]
    return pages.page(request, "org.html", visitor, org=by_org(connections)[0], syncs=used)


@get("/connections/{connection:str}/revoke")
async def revoke_form(
    request: WebRequest, world: World, pages: Renderer, visitor: SignedIn, connection: str
) -> Response[str]:
    """Say what revoking does, and which syncs it stops, before it is done."""
    found, syncs = await _connection(world, visitor, connection)
    return pages.page(request, "revoke.html", visitor, connection=found, syncs=syncs)


@post("/connections/{connection:str}/revoke")
async def revoke(world: World, actor: Acting, connection: str) -> Redirect:
    """Revoke: locally at once, at Salesforce by the keeper."""
    found, _ = await _connection(world, actor.visitor, connection)
    await revoke_now(world, actor.visitor, found.id)
    return Redirect(f"/orgs/{found.org_id}?done=revoked", status_code=303)


async def revoke_now(world: World, visitor: Visitor, connection: ConnectionId) -> None:
    """Revoke a connection, then show its syncs as stopped. Raises `Problem`."""
    try:
        await world.keeper.revoke(visitor.ticket, connection)
    except ConnectingFailed as error:
        raise explained(error) from None
    async with world.database.tenant(visitor.ticket) as tx:
        await definitions.pause_revoked(tx, connection)


async def _connection(world: World, visitor: Visitor, text: str) -> tuple[Connection, list[SyncView]]:
    connection = ConnectionId(id_of(text, "Connection", _LIST))
    async with world.database.tenant(visitor.ticket) as tx:
        found = next((c for c in await list_connections(tx) if c.id == connection), None)
        syncs = await definitions.list_syncs(tx)
    if found is None:
        missing("Connection", _LIST)
    return found, [s for s in syncs if found.id in {s.source_connection, s.target_connection}]


async def _client_id_before(world: World, visitor: Visitor, unverified_alias: str) -> str:
    """Return the app through which the org of that alias was connected last, so that nobody has to look it up again."""
    async with world.database.tenant(visitor.ticket) as tx:
        org = next((c.org_id for c in await list_connections(tx) if c.alias == unverified_alias), None)
        return str(await known_client_id(tx, org) or "") if org else ""


def _connect_page(
    request: WebRequest,
    world: World,
    pages: Renderer,
    visitor: Visitor,
    *,
    values: ConnectValues,
    problem: Problem | None = None,
) -> Response[str]:
    return pages.page(
        request,
        "connect.html",
        visitor,
        status=problem.status if problem else 200,
        values=values,
        problem=problem,
        loopback=world.settings.allow_loopback_http,
        scopes={purpose.value: SCOPES[purpose] for purpose in Purpose},
        callback=f"{world.settings.public_url}/oauth/callback",
    )


HANDLERS = (orgs, connect_form, connect, org, revoke_form, revoke)
