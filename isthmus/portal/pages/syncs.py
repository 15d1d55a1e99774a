"""Syncs: create, check the plan, activate, run, pause, export."""

from __future__ import annotations

import re
from dataclasses import dataclass

from litestar import Response, get, post
from litestar.response import Redirect, Stream

from isthmus.db.ticket import Ticket
from isthmus.orgs.connections import list_connections
from isthmus.portal import live
from isthmus.portal.desk import Acting, Problem, Renderer, SignedIn, WayOut, WebRequest, World, id_of, missing
from isthmus.portal.orgs_view import usable
from isthmus.portal.planning_view import planning_of
from isthmus.portal.sync_forms import USUAL_OBJECTS, SyncValues, definition_of, values_of
from isthmus.portal.visitors import Visitor
from isthmus.sync import definitions
from isthmus.sync.definitions import SchemaPending, SpecRefused, SyncProblem
from isthmus.sync.flow.job import SOURCE, TARGET
from isthmus.sync.model import Drawn, Issue, PauseReason, Plan, SyncState
from isthmus.sync.planning import previews
from isthmus.sync.telling.outlook import outlook
from isthmus.values import ConnectionId, Purpose, SyncId

_LIST = WayOut("/syncs", "All syncs")
_NEW = WayOut("/syncs/new", "New sync")
_STAGES = (("Saved", SyncState.INACTIVE), ("Activating", SyncState.ACTIVATING), ("Active", SyncState.ACTIVE))


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage on the path of a sync: past, now or ahead."""

    label: str
    mark: str


@dataclass(frozen=True, slots=True)
class Checked:
    """The outcome of checking a plan: the plan, its issues, or one sentence why it cannot be checked.

    `pending`: the worker is still reading the fields of an org.
    """

    plan: Plan | None
    issues: tuple[Issue, ...]
    refusal: str | None
    pending: bool


@get("/syncs")
async def syncs(request: WebRequest, world: World, pages: Renderer, visitor: SignedIn) -> Response[str]:
    """List the saved syncs."""
    async with world.database.tenant(visitor.ticket) as tx:
        listed = await definitions.list_syncs(tx)
    return pages.page(request, "syncs.html", visitor, syncs=listed)


@get("/syncs/new")
async def new_form(request: WebRequest, world: World, pages: Renderer, visitor: SignedIn) -> Response[str]:
    """Show the form for a new sync."""
    return await _form_page(request, world, pages, visitor, values=SyncValues())


@post("/syncs/new", status_code=200)
async def create(request: WebRequest, world: World, pages: Renderer, actor: Acting) -> Response[str] | Redirect:
    """Save a sync, inactive, and show its plan."""
    values = values_of(actor.form)
    try:
        source, target = (ConnectionId(id_of(text, "Connection", _NEW)) for text in (values.source, values.target))
        async with world.database.tenant(actor.visitor.ticket) as tx:
            sync = await definitions.save(tx, definition_of(values), source, target)
    except (Problem, SyncProblem, SpecRefused) as error:
        problem = error if isinstance(error, Problem) else refused(error)
        return await _form_page(request, world, pages, actor.visitor, values=values, problem=problem)
    return Redirect(f"/syncs/{sync}?done=sync-saved", status_code=303)


@get("/syncs/{sync:str}")
async def sync(request: WebRequest, world: World, pages: Renderer, visitor: SignedIn, sync: str) -> Response[str]:
    """Show one sync: state, checked plan, runs."""
    sync_id = SyncId(id_of(sync, "Sync", _LIST))
    async with world.database.tenant(visitor.ticket) as tx:
        view = await definitions.sync_view(tx, sync_id)
        if view is None:
            missing("Sync", _LIST)
        runs, stands = await definitions.runs(tx, sync_id), await outlook(tx, sync_id)
        planning = await planning_of(tx, sync_id)
    checked = await check(world, visitor, sync_id)
    return pages.page(
        request,
        "sync.html",
        visitor,
        sync=view,
        outlook=stands,
        planning=planning,
        stages=stages(view.state),
        sync_blocked=view.pause_reason in {PauseReason.SOURCE_REVOKED, PauseReason.TARGET_REVOKED},
        plan=checked.plan,
        issues=checked.issues,
        refusal=checked.refusal,
        pending=checked.pending,
        runs=runs,
    )


async def check(world: World, visitor: Visitor, sync: SyncId) -> Checked:
    """Draw the plan of a sync now. Looking changes nothing and queues nothing."""
    return await _check(world, visitor.ticket, sync)


async def _check(world: World, ticket: Ticket, sync: SyncId) -> Checked:
    try:
        async with world.database.tenant(ticket) as tx:
            outcome = await definitions.check(tx, sync)
    except SchemaPending as error:
        return Checked(None, (), str(error), pending=True)
    except (SyncProblem, SpecRefused) as error:
        return Checked(None, (), str(error), pending=False)
    return Checked(outcome.plan if isinstance(outcome, Drawn) else None, outcome.issues, None, pending=False)


@get("/syncs/{sync:str}/live")
async def watch(world: World, pages: Renderer, visitor: SignedIn, sync: str) -> Stream:
    """Stream until the activation has ended, or the fields of both orgs are known."""
    sync_id = SyncId(id_of(sync, "Sync", _LIST))

    async def look(ticket: Ticket) -> live.Look:
        async with world.database.tenant(ticket) as tx:
            view = await definitions.sync_view(tx, sync_id)
        if view is None:
            return live.Look("", finished=True)
        activating = view.state is SyncState.ACTIVATING
        waiting = activating or (await _check(world, ticket, sync_id)).pending
        text = pages.fragment("sync_waiting.html", alias=view.target_alias, activating=activating)
        return live.Look(text, finished=not waiting)

    return live.stream(visitor, world.keeper, world.clock, look)


@get("/syncs/{sync:str}/export")
async def export(world: World, visitor: SignedIn, sync: str) -> Response[str]:
    """Return the definition as a file for version control."""
    sync_id = SyncId(id_of(sync, "Sync", _LIST))
    async with world.database.tenant(visitor.ticket) as tx:
        view = await definitions.sync_view(tx, sync_id)
        if view is None:
            missing("Sync", _LIST)
        text = await definitions.export(tx, sync_id)
    name = re.sub(r"[^a-z0-9]+", "-", view.title.lower()).strip("-") or "sync"
    return Response(
        text,
        media_type="application/yaml; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.yaml"'},
    )


@post("/syncs/{sync:str}/{verb:str}")
async def act(world: World, actor: Acting, sync: str, verb: str) -> Redirect:
    """Activate, pause, resume, run or retry; `retry-source` and `retry-target` decide conflicts that are held."""
    sync_id = SyncId(id_of(sync, "Sync", _LIST))
    try:
        where = await perform(world, actor.visitor, sync_id, verb)
    except (SyncProblem, SpecRefused) as error:
        raise refused(error, WayOut(f"/syncs/{sync_id}", "Back to the sync")) from None
    return Redirect(where, status_code=303)


async def perform(world: World, visitor: Visitor, sync: SyncId, verb: str) -> str:
    """Carry out what a member asks of a sync and return the page that shows it.

    Raises `SyncProblem`, `SpecRefused`, and `Problem` for a sync or an action that does not exist.
    """
    async with world.database.tenant(visitor.ticket) as tx:
        view = await definitions.sync_view(tx, sync)
        if view is None:
            missing("Sync", _LIST)
        match verb:
            case "read-schema":
                for connection in {view.source_connection, view.target_connection}:
                    await definitions.read_schema(tx, ConnectionId(connection))
                return f"/syncs/{sync}?done=schema-requested"
            case "activate":
                drawn = await definitions.activate(tx, sync)
                done = "?done=activating" if isinstance(drawn, Drawn) else ""
                return f"/syncs/{sync}{done}"
            case "pause":
                await definitions.pause(tx, sync)
                return f"/syncs/{sync}?done=paused"
            case "resume":
                await definitions.resume(tx, sync)
                return f"/syncs/{sync}?done=resumed"
            case "run" | "retry" | "retry-source" | "retry-target" | "estimate":
                winner = {"retry-source": SOURCE, "retry-target": TARGET}.get(verb)
                run = await (
                    previews.count_saved(tx, sync)
                    if verb == "estimate"
                    else definitions.request_run(tx, sync, retry=verb != "run", winner=winner)
                )
                return f"/runs/{run}?done=run-requested"
            case _:
                missing("Action", _LIST)
    return f"/syncs/{sync}"


def stages(state: SyncState) -> list[Stage]:
    """Return the path of a sync with its present stage; a paused sync has been through all of it."""
    if state is SyncState.PAUSED:
        return [*(Stage(label, "past") for label, _ in _STAGES), Stage("Paused", "now")]
    at = next(i for i, (_, stage) in enumerate(_STAGES) if stage is state)
    return [Stage(label, "past" if i < at else "now" if i == at else "ahead") for i, (label, _) in enumerate(_STAGES)]


def refused(error: SyncProblem | SpecRefused, way_out: WayOut = _LIST) -> Problem:
    """Return the page for a request about a sync that cannot be met."""
    return Problem(409, "This cannot be done with the sync", str(error), "Nothing was changed.", way_out)


async def _form_page(
    request: WebRequest,
    world: World,
    pages: Renderer,
    visitor: Visitor,
    *,
    values: SyncValues,
    problem: Problem | None = None,
) -> Response[str]:
    async with world.database.tenant(visitor.ticket) as tx:
        connections = usable(await list_connections(tx), Purpose.SYNC)
    return pages.page(
        request,
        "sync_new.html",
        visitor,
        status=problem.status if problem else 200,
        values=values,
        problem=problem,
        connections=connections,
        objects=USUAL_OBJECTS,
    )


HANDLERS = (syncs, new_form, create, sync, watch, export, act)
