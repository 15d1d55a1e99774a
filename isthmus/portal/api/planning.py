"""Planning over JSON: what a definition would change and cost, and how two orgs differ. Nothing is saved or activated.

| call | answers |
|---|---|
| `GET /api/v1/sync-schema` | the JSON Schema of definitions |
| `GET /api/v1/syncs/ID/changes` | plan, issues, suggestions and differences to what is active, of what is saved |
| `POST /api/v1/syncs/ID/changes` | the same of `{"definition": YAML}`, which is not saved |
| `POST /api/v1/syncs/ID/estimate` | queues a dry run of what is saved |
| `GET /api/v1/syncs/ID/estimate` | what the latest dry run says |
| `POST /api/v1/compare` | differences of `{"source", "target", "objects": ["Account", "Invoice__c=Bill__c"]}` |

Where the worker still has to read an org, the answer is 202 with `pending`: ask again in some seconds.
"""

from __future__ import annotations

from uuid import UUID

import msgspec
from litestar import Response, get, post

from isthmus.db.ticket import Ticket
from isthmus.portal.api.answers import answer
from isthmus.portal.desk import ApiActing, SignedIn, WayOut, World, id_of, missing
from isthmus.portal.pages.syncs import refused
from isthmus.portal.problems import bad_input
from isthmus.sync.definitions import SchemaPending, SpecRefused, SyncProblem, sync_view
from isthmus.sync.model import Drawn
from isthmus.sync.planning import comparing, previews
from isthmus.sync.planning.previews import Preview
from isthmus.sync.spec import json_schema
from isthmus.values import ConnectionId, SyncId, UserText

_LIST = WayOut("/syncs", "All syncs")
_PENDING = {"pending": True}


class DefinitionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A definition to be looked at."""

    definition: str


class CompareBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Two connections for syncs, and the objects whose fields are compared."""

    source: UUID
    target: UUID
    objects: tuple[str, ...] = ()


@get("/api/v1/sync-schema")
async def schema(visitor: SignedIn) -> Response[bytes]:
    """Return the JSON Schema of definitions."""
    del visitor
    return answer(json_schema())


@get("/api/v1/syncs/{sync:str}/changes")
async def changes(world: World, visitor: SignedIn, sync: str) -> Response[bytes]:
    """Say what activating what is saved would change."""
    sync_id = SyncId(id_of(sync, "Sync", _LIST))
    try:
        async with world.database.tenant(visitor.ticket) as tx:
            if await sync_view(tx, sync_id) is None:
                missing("Sync", _LIST)
            return answer(_plain(await previews.preview(tx, sync_id)))
    except SchemaPending:
        return answer(_PENDING, status=202)
    except (SyncProblem, SpecRefused) as error:
        raise refused(error) from None


@post("/api/v1/syncs/{sync:str}/changes", status_code=200)
async def changes_of(world: World, api_actor: ApiActing, sync: str, data: DefinitionBody) -> Response[bytes]:
    """Say what another definition would change; it is not saved."""
    sync_id, text = SyncId(id_of(sync, "Sync", _LIST)), UserText(data.definition)
    try:
        async with world.database.tenant(api_actor.visitor.ticket) as tx:
            if await sync_view(tx, sync_id) is None:
                missing("Sync", _LIST)
            await previews.prepare(tx, sync_id, text)
        async with world.database.tenant(api_actor.visitor.ticket) as tx:
            return answer(_plain(await previews.preview(tx, sync_id, text)))
    except SchemaPending:
        return answer(_PENDING, status=202)
    except (SyncProblem, SpecRefused) as error:
        raise refused(error) from None


@post("/api/v1/syncs/{sync:str}/estimate", status_code=202)
async def count(world: World, api_actor: ApiActing, sync: str) -> Response[bytes]:
    """Queue a dry run of what is saved: rows are counted, nothing is written."""
    try:
        run = await request_estimate(world, api_actor.visitor.ticket, SyncId(id_of(sync, "Sync", _LIST)))
    except (SyncProblem, SpecRefused) as error:
        raise refused(error) from None
    return answer({"run": run}, status=202)


@get("/api/v1/syncs/{sync:str}/estimate")
async def estimate(world: World, visitor: SignedIn, sync: str) -> Response[bytes]:
    """Return what the latest dry run says; `estimate` is null before its end, and where there was none."""
    sync_id = SyncId(id_of(sync, "Sync", _LIST))
    async with world.database.tenant(visitor.ticket) as tx:
        if await sync_view(tx, sync_id) is None:
            missing("Sync", _LIST)
        return answer({"dry_run": await previews.estimated(tx, sync_id)})


@post("/api/v1/compare", status_code=200)
async def compare(world: World, api_actor: ApiActing, data: CompareBody) -> Response[bytes]:
    """Compare the schemas of two connected orgs; 202 and `pending` while they are being read."""
    source, target = ConnectionId(data.source), ConnectionId(data.target)
    try:
        pairs = comparing.parse_pairs(data.objects)
    except comparing.BadPair as bad:
        what, _, remedy = str(bad).partition(". ")
        bad_input(f"{what}.", remedy)
    try:
        async with world.database.tenant(api_actor.visitor.ticket) as tx:
            await comparing.ask(tx, source, target, pairs)
        async with world.database.tenant(api_actor.visitor.ticket) as tx:
            return answer(await comparing.compared(tx, source, target, pairs))
    except SchemaPending:
        return answer(_PENDING, status=202)
    except SyncProblem as error:
        raise refused(error) from None


async def request_estimate(world: World, ticket: Ticket, sync: SyncId) -> UUID:
    """Queue a dry run of what is saved and return it. Raises `SyncProblem`, `SpecRefused`."""
    async with world.database.tenant(ticket) as tx:
        if await sync_view(tx, sync) is None:
            missing("Sync", _LIST)
        return await previews.count_saved(tx, sync)


def _plain(preview: Preview) -> dict[str, object]:
    outcome = preview.outcome
    return {
        "plan": outcome.plan if isinstance(outcome, Drawn) else None,
        "issues": outcome.issues,
        "changes": preview.changes,
        "suggestions": [{**msgspec.to_builtins(each), "yaml": each.yaml} for each in preview.suggestions],
    }


HANDLERS = (schema, changes, changes_of, count, estimate, compare)
