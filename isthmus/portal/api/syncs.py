"""Syncs and runs over JSON."""

from __future__ import annotations

from dataclasses import fields
from uuid import UUID, uuid4

import msgspec
from litestar import Response, get, post

from isthmus.portal.api.answers import answer
from isthmus.portal.desk import ApiActing, SignedIn, WayOut, World, id_of, missing
from isthmus.portal.pages.syncs import check, perform, refused
from isthmus.portal.problems import Problem, bad_input
from isthmus.portal.sync_forms import simple_definition
from isthmus.sync import definitions
from isthmus.sync.catalogue import catalogue
from isthmus.sync.definitions import SpecRefused, SyncProblem
from isthmus.sync.flow.inspect import ROWS_SHOWN_MAX
from isthmus.sync.flow.sealing import BadViewerKey
from isthmus.sync.inspecting.looks import answered, looked, open_windows, request_look, require_waiting
from isthmus.sync.inspecting.relay import WorkerGone, waiting
from isthmus.sync.mending.rollbacks import request_rollback
from isthmus.sync.telling.outlook import outlook, run_anomalies
from isthmus.values import ConnectionId, RunId, SyncId, UserText

_LIST = WayOut("/syncs", "All syncs")


class SyncBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A sync to save: either `definition` (YAML) or `name` with `objects`."""

    source: UUID
    target: UUID
    definition: str = ""
    name: str = ""
    objects: tuple[str, ...] = ()


@get("/api/v1/syncs")
async def syncs(world: World, visitor: SignedIn) -> Response[bytes]:
    """List the saved syncs."""
    async with world.database.tenant(visitor.ticket) as tx:
        return answer({"syncs": await definitions.list_syncs(tx)})


@post("/api/v1/syncs", status_code=201)
async def create(world: World, api_actor: ApiActing, data: SyncBody) -> Response[bytes]:
    """Save a sync, inactive."""
    if not data.definition and not data.name:
        bad_input("Neither a definition nor a name with objects is given.", "Send one of the two.")
    text = UserText(data.definition) if data.definition else simple_definition(data.name, list(data.objects))
    try:
        async with world.database.tenant(api_actor.visitor.ticket) as tx:
            sync = await definitions.save(tx, text, ConnectionId(data.source), ConnectionId(data.target))
    except (SyncProblem, SpecRefused) as error:
        raise refused(error) from None
    return answer({"sync": sync}, status=201)


@get("/api/v1/syncs/{sync:str}")
async def sync(world: World, visitor: SignedIn, sync: str) -> Response[bytes]:
    """Return one sync with its latest runs."""
    sync_id = SyncId(id_of(sync, "Sync", _LIST))
    async with world.database.tenant(visitor.ticket) as tx:
        view = await definitions.sync_view(tx, sync_id)
        if view is None:
            missing("Sync", _LIST)
        stands = await outlook(tx, sync_id)
        return answer({"sync": view, "outlook": stands, "runs": await definitions.runs(tx, sync_id)})


@get("/api/v1/syncs/{sync:str}/plan")
async def plan(world: World, visitor: SignedIn, sync: str) -> Response[bytes]:
    """Draw the plan now: `plan` (null where it is refused), `issues`, `refusal` why not, `pending` if later."""
    checked = await check(world, visitor, SyncId(id_of(sync, "Sync", _LIST)))
    return answer(checked)


@get("/api/v1/syncs/{sync:str}/definition")
async def definition(world: World, visitor: SignedIn, sync: str) -> Response[bytes]:
    """Return the definition as YAML text."""
    sync_id = SyncId(id_of(sync, "Sync", _LIST))
    async with world.database.tenant(visitor.ticket) as tx:
        if await definitions.sync_view(tx, sync_id) is None:
            missing("Sync", _LIST)
        return answer({"definition": await definitions.export(tx, sync_id)})


class LookBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A wish to look at failing rows: `viewer_key` is an uncompressed point of P-256 in base64 (docs/sync.md)."""

    viewer_key: bytes
    rows: int = ROWS_SHOWN_MAX
    window: UUID | None = None
    decide: bool = False


class AnswerBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a viewer decides: `look` as `inspect` gave it, `sealed` in base64 (docs/sync.md)."""

    look: UUID
    sealed: bytes


@get("/api/v1/syncs/{sync:str}/failed-windows")
async def failed_windows(world: World, visitor: SignedIn, sync: str) -> Response[bytes]:
    """List the windows whose failing rows can be looked at, newest first."""
    sync_id = SyncId(id_of(sync, "Sync", _LIST))
    async with world.database.tenant(visitor.ticket) as tx:
        if await definitions.sync_view(tx, sync_id) is None:
            missing("Sync", _LIST)
        return answer({"windows": await open_windows(tx, sync_id)})


@post("/api/v1/syncs/{sync:str}/inspect", status_code=200)
async def inspect(world: World, api_actor: ApiActing, sync: str, data: LookBody) -> Response[bytes]:
    """Try a failed window's rows once more; return those that fail, sealed to the viewer's key and kept nowhere.

    With `decide` the look waits (`waits`) for what the viewer says of held conflicts: see `decide`.
    """
    sync_id, look = SyncId(id_of(sync, "Sync", _LIST)), uuid4()
    try:
        async with waiting(world.settings.run_dir, look) as relay:
            async with world.database.tenant(api_actor.visitor.ticket) as tx:
                window = await request_look(
                    tx,
                    sync_id,
                    look,
                    viewer=data.viewer_key,
                    rows_max=data.rows,
                    window=data.window,
                    decides=data.decide,
                )
            result = await looked(relay)
    except SyncProblem as error:
        raise refused(error) from None
    except BadViewerKey as error:
        bad_input(f"{error}.", "Send the 65 bytes of the public key in base64.")
    except WorkerGone as gone:
        text, remedy = f"Nothing was shown: {gone}.", "Check that the worker runs, then look again."
        raise Problem(504, "The worker did not answer", text, remedy, _LIST) from None
    end = result.end
    told = {"rows_tried": end.rows_tried, "rows_failed": end.rows_failed, "message": result.message}
    return answer({"look": look, "window": window, "sealed": result.sealed, "waits": result.waits, **told})


@post("/api/v1/syncs/{sync:str}/decide", status_code=200)
async def decide(world: World, api_actor: ApiActing, sync: str, data: AnswerBody) -> Response[bytes]:
    """Bring a viewer's decisions to a look that waits; `sealed` says what became of each, for the viewer only.

    `understood` false: the message was not sealed by the viewer of the look, or came out of turn.
    """
    sync_id = SyncId(id_of(sync, "Sync", _LIST))
    try:
        async with world.database.tenant(api_actor.visitor.ticket) as tx:
            await require_waiting(tx, sync_id, data.look)
        sealed = await answered(world.settings.run_dir, data.look, data.sealed)
    except SyncProblem as error:
        raise refused(error) from None
    except WorkerGone as gone:
        text = f"Nothing was decided: {gone}."
        raise Problem(504, "The look is over", text, "Look again; what was written stays.", _LIST) from None
    return answer({"understood": bool(sealed), "sealed": sealed})


@post("/api/v1/syncs/{sync:str}/{verb:str}", status_code=202)
async def act(world: World, api_actor: ApiActing, sync: str, verb: str) -> Response[bytes]:
    """Activate, pause, resume, run or retry; `run` names the run that was queued, where one was."""
    try:
        where = await perform(world, api_actor.visitor, SyncId(id_of(sync, "Sync", _LIST)), verb)
    except (SyncProblem, SpecRefused) as error:
        raise refused(error) from None
    place = where.partition("?")[0]
    run = place.removeprefix("/runs/") if place.startswith("/runs/") else None
    return answer({"page": place, "run": run}, status=202)


@post("/api/v1/runs/{run:str}/rollback", status_code=202)
async def rollback(world: World, api_actor: ApiActing, run: str) -> Response[bytes]:
    """Delete from the target what the run created there; `run` names the run that does it."""
    try:
        async with world.database.tenant(api_actor.visitor.ticket) as tx:
            made = await request_rollback(tx, RunId(id_of(run, "Run", _LIST)))
    except SyncProblem as error:
        raise refused(error) from None
    return answer({"run": made}, status=202)


@get("/api/v1/runs/{run:str}")
async def run(world: World, visitor: SignedIn, run: str) -> Response[bytes]:
    """Return one run with its steps and its failures by reason."""
    async with world.database.tenant(visitor.ticket) as tx:
        run_id = RunId(id_of(run, "Run", _LIST))
        detail, unusual = await definitions.run_detail(tx, run_id), await run_anomalies(tx, run_id)
    if detail is None:
        missing("Run", _LIST)
    return answer({**{each.name: getattr(detail, each.name) for each in fields(detail)}, "anomalies": unusual})


@get("/api/v1/codes/{code:str}")
async def code(visitor: SignedIn, code: str) -> Response[bytes]:
    """Say what a status code means and what to do."""
    del visitor
    entry = catalogue().get(code.upper())
    if entry is None:
        missing("Code", _LIST)
    return answer(entry)


HANDLERS = (syncs, create, sync, plan, definition, failed_windows, inspect, decide, act, run, rollback, code)
