"""Saved syncs as portal and cli handle them: save, check, activate, pause, run, look at. Runs as role isthmus_portal.

| call | does |
|---|---|
| `save` | parse the YAML form and keep it; a new sync is inactive; the worker is asked to read missing describes |
| `change` | replace the definition of a sync; an active one goes on by its frozen plan until activated again |
| `check` | draw the plan from the definition and the cached describes of both orgs; changes and queues nothing |
| `activate` | freeze the plan, ask the worker to create missing tracking fields and then switch on |
| `pause` / `resume` | stop and start the schedule |
| `pause_revoked` | stop the schedules of all syncs of a revoked connection |
| `request_run` | queue one run now; with `retry=True` only the windows with failed rows, perhaps with a `winner` |
| `read_schema` | ask the worker to read the describes of a connection's org anew |
| `read_missing` | ask the worker once more for describes that `check` and `activate` still miss |
| `export` | the YAML form again |
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn
from uuid import UUID, uuid4

import msgspec

from isthmus.db.database import TenantTx
from isthmus.db.jobs import TaskName, enqueue
from isthmus.db.storable import Blob
from isthmus.orgs.model import ConnectionState
from isthmus.salesforce.schema import ObjectDescribe
from isthmus.sync.looking import list_syncs, run_detail, runs, sync_view
from isthmus.sync.model import Drawn, PauseReason, Rejected, SyncState
from isthmus.sync.plan import Schema, draw_plan, objects_of, schema_of
from isthmus.sync.planning.schemas import Described, kept_describes
from isthmus.sync.spec import SpecRefused, SyncSpec, parse_spec, spec_text
from isthmus.sync.timing import timetable
from isthmus.values import ApiName, ConnectionId, Purpose, RunId, SyncId, UserText

__all__ = [
    "SchemaPending",
    "SpecRefused",
    "SyncProblem",
    "activate",
    "change",
    "check",
    "export",
    "list_syncs",
    "pause",
    "pause_revoked",
    "read_missing",
    "read_schema",
    "remove",
    "request_run",
    "resume",
    "run_detail",
    "runs",
    "save",
    "sync_view",
]


class SyncProblem(Exception):
    """A request about a sync that cannot be met; the message says what and the remedy."""


class SchemaPending(SyncProblem):
    """The worker is still reading the objects of an org: ask again in some seconds.

    `save` and `change` have asked the worker already, in transactions of their own; whoever meets this error queues
    nothing and may poll as often as it likes. If it lasts (an org was away for half an hour): `read_missing`.
    """


@dataclass(frozen=True, slots=True)
class _Connection:
    org_id: UUID
    purpose: Purpose
    state: ConnectionState


@dataclass(frozen=True, slots=True)
class Definition:
    """A saved definition, and how its sync stands."""

    document: UserText
    source_connection: UUID
    target_connection: UUID
    state: SyncState
    plan_version: int


@dataclass(frozen=True, slots=True)
class _Id:
    id: UUID


@dataclass(frozen=True, slots=True)
class _Number:
    number: int


async def save(
    tx: TenantTx, text: UserText, source: ConnectionId, target: ConnectionId, *, draft: bool = False
) -> SyncId:
    """Keep a new sync; a `draft` is on no list, and is gone in an hour. Raises `SpecRefused`, `SyncProblem`."""
    await tx.execute("delete from sync.definition where draft and created_at < now() - interval '1 hour'")
    spec = parse_spec(text)
    await check_connections(tx, source, target)
    sync = SyncId(uuid4())
    await tx.execute(
        """
        insert into sync.definition (id, title, document, source_connection, target_connection, two_way, interval_s,
                                     schedule, draft)
        values (%(id)s, %(title)s, %(document)s, %(source)s, %(target)s, %(two_way)s, %(interval_s)s, %(schedule)s,
                %(draft)s)
        """,
        id=sync,
        title=UserText(spec.name),
        document=UserText(text),
        source=source,
        target=target,
        two_way=spec.direction == "two-way",
        interval_s=timetable.shortest_pause_s(spec),
        schedule=timetable.kept_schedule(spec),
        draft=draft,
    )
    await tx.execute("insert into sync.state (sync_id) values (%(sync)s)", sync=sync)
    await want(tx, sync, spec, source, target)
    return sync


async def change(tx: TenantTx, sync: SyncId, text: UserText) -> None:
    """Replace the definition. Raises `SpecRefused`, `SyncProblem`."""
    spec = parse_spec(text)
    found = await definition_of(tx, sync)
    await tx.execute(
        """
        update sync.definition set title = %(title)s, document = %(document)s, interval_s = %(interval_s)s,
            two_way = %(two_way)s, schedule = %(schedule)s, changed_at = now() where id = %(sync)s
        """,
        two_way=spec.direction == "two-way",
        sync=sync,
        title=UserText(spec.name),
        document=UserText(text),
        interval_s=timetable.shortest_pause_s(spec),
        schedule=timetable.kept_schedule(spec),
    )
    await timetable.set_first_due(tx, sync)
    await tx.execute("delete from sync.wanted_object where sync_id = %(sync)s", sync=sync)
    await want(tx, sync, spec, found.source_connection, found.target_connection)


async def remove(tx: TenantTx, sync: SyncId) -> None:
    """Delete a sync with its runs. Raises `SyncProblem` if it does not exist or is active."""
    found = await definition_of(tx, sync)
    if found.state in {SyncState.ACTIVE, SyncState.ACTIVATING}:
        _problem("An active sync cannot be deleted. Pause it first.")
    await tx.execute("delete from sync.definition where id = %(sync)s", sync=sync)


async def check(tx: TenantTx, sync: SyncId) -> Drawn | Rejected:
    """Return the plan, or every reason why there is none. Raises `SchemaPending`, `SyncProblem`."""
    found = await definition_of(tx, sync)
    spec = parse_spec(found.document)
    return drawn_for(spec, await schemas_for(tx, spec, found.source_connection, found.target_connection))


def drawn_for(spec: SyncSpec, schemas: tuple[Schema, Schema]) -> Drawn | Rejected:
    """Return the plan of `spec` between orgs with these schemas (source, target)."""
    return draw_plan(spec, *schemas)


async def schemas_for(tx: TenantTx, spec: SyncSpec, source: UUID, target: UUID) -> tuple[Schema, Schema]:
    """Return what is kept of the objects that `spec` needs in both orgs. Raises `SchemaPending`."""
    if await _missing(tx, spec, source, target):
        message = "The objects of the orgs are being read. Try again in some seconds; if it lasts, have them read anew."
        raise SchemaPending(message)
    sources, targets = objects_of(spec)
    return (
        schema_of(_seen(await kept_describes(tx, source, sources))),
        schema_of(_seen(await kept_describes(tx, target, targets))),
    )


async def activate(tx: TenantTx, sync: SyncId) -> Drawn | Rejected:
    """Freeze the plan and switch the sync on, by way of the worker. Does nothing if the plan is rejected.

    Raises `SchemaPending`, `SyncProblem`.
    """
    found = await definition_of(tx, sync)
    await check_connections(tx, ConnectionId(found.source_connection), ConnectionId(found.target_connection))
    drawn = await check(tx, sync)
    if isinstance(drawn, Rejected):
        return drawn
    version = await next_version(tx, sync)
    await tx.execute(
        """
        insert into sync.plan (sync_id, version, document, two_way)
        values (%(sync)s, %(version)s, %(document)s, %(two_way)s)
        """,
        two_way=drawn.plan.two_way,
        sync=sync,
        version=version,
        document=Blob(msgspec.json.encode(drawn.plan)),
    )
    await tx.execute(
        """
        update sync.state set state = 'activating', pause_reason = null, plan_version = %(version)s, due_at = null,
            changed_at = now() where sync_id = %(sync)s
        """,
        sync=sync,
        version=version,
    )
    await timetable.set_first_due(tx, sync)
    await enqueue(tx, TaskName.ACTIVATE_SYNC, sync, lock=sync)
    return drawn


async def next_version(tx: TenantTx, sync: SyncId) -> int:
    """Return the number for a new plan of the sync: dry runs have numbers, too."""
    row = await tx.fetch_one(
        "select coalesce(max(version), 0) + 1 as number from sync.plan where sync_id = %(sync)s", row=_Number, sync=sync
    )
    return 1 if row is None else row.number


async def pause(tx: TenantTx, sync: SyncId) -> None:
    """Stop the schedule; a run under way is finished. Raises `SyncProblem` if there is nothing to pause."""
    found = await definition_of(tx, sync)
    if found.state not in {SyncState.ACTIVE, SyncState.ACTIVATING}:
        _problem("Only an active sync can be paused.")
    await tx.execute(
        """
        update sync.state set state = 'paused', pause_reason = %(reason)s, due_at = null, changed_at = now()
        where sync_id = %(sync)s
        """,
        sync=sync,
        reason=PauseReason.BY_HAND,
    )


async def pause_revoked(tx: TenantTx, connection: ConnectionId) -> None:
    """Stop the schedules of every sync that uses a connection which was revoked; a run in flight stops by its lease."""
    await tx.execute(
        """
        update sync.state s set state = 'paused', due_at = null, changed_at = now(), pause_reason = (
            case when d.source_connection = %(connection)s then 'source_revoked' else 'target_revoked' end
        )::sync.pause_reason
        from sync.definition d
        where d.tenant_id = s.tenant_id and d.id = s.sync_id and s.state in ('active', 'activating')
            and %(connection)s in (d.source_connection, d.target_connection)
        """,
        connection=connection,
    )


async def resume(tx: TenantTx, sync: SyncId) -> None:
    """Start the schedule again from where it stood. Raises `SyncProblem` if it is not paused, or an org is gone."""
    found = await definition_of(tx, sync)
    if found.state is not SyncState.PAUSED:
        _problem("Only a paused sync can be resumed. Activate it instead.")
    await check_connections(tx, ConnectionId(found.source_connection), ConnectionId(found.target_connection))
    await tx.execute(
        """
        update sync.state set state = 'active', pause_reason = null, due_at = now(), changed_at = now()
        where sync_id = %(sync)s
        """,
        sync=sync,
    )
    await timetable.set_first_due(tx, sync)


async def request_run(tx: TenantTx, sync: SyncId, *, retry: bool = False, winner: int | None = None) -> RunId:
    """Queue one run now and return it. Raises `SyncProblem` if the sync was never activated or is not ready.

    `winner`: a person's decision for all conflicts that a retry meets, the source's records (0) or the target's (1).
    """
    found = await definition_of(tx, sync)
    if found.plan_version == 0 or found.state in {SyncState.INACTIVE, SyncState.ACTIVATING}:
        _problem("The sync is not active yet. Activate it first.")
    await check_connections(tx, ConnectionId(found.source_connection), ConnectionId(found.target_connection))
    run = await tx.fetch_one(
        """
        insert into sync.run (sync_id, plan_version, kind, winner)
        values (%(sync)s, %(version)s, case when %(retry)s then 'retry' else 'by_hand' end::sync.run_kind, %(winner)s)
        returning id
        """,
        row=_Id,
        sync=sync,
        version=found.plan_version,
        retry=retry,
        winner=winner,
    )
    if run is None:
        _problem("The run could not be queued. Try again.")
    await enqueue(tx, TaskName.RUN_SYNC, run.id, lock=sync)
    return RunId(run.id)


async def read_schema(tx: TenantTx, connection: ConnectionId) -> None:
    """Ask the worker to read the describes of the connection's org anew."""
    await enqueue(tx, TaskName.READ_SCHEMA, connection, lock=connection)


async def read_missing(tx: TenantTx, sync: SyncId) -> None:
    """Ask the worker for describes that a sync needs and that were never read. Raises `SyncProblem`."""
    found = await definition_of(tx, sync)
    await _read_missing(tx, parse_spec(found.document), found.source_connection, found.target_connection)


async def export(tx: TenantTx, sync: SyncId) -> str:
    """Return the YAML form, in its normal writing. Raises `SyncProblem`."""
    return spec_text(parse_spec((await definition_of(tx, sync)).document))


async def definition_of(tx: TenantTx, sync: SyncId) -> Definition:
    """Return a saved definition. Raises `SyncProblem` if there is none."""
    found = await tx.fetch_one(
        """
        select d.document, d.source_connection, d.target_connection, s.state, s.plan_version
        from sync.definition d join sync.state s on s.tenant_id = d.tenant_id and s.sync_id = d.id
        where d.id = %(sync)s
        """,
        row=Definition,
        sync=sync,
    )
    if found is None:
        _problem("There is no such sync. `isthmus sync list` shows those that exist.")
    return found


async def check_connections(tx: TenantTx, source: ConnectionId, target: ConnectionId) -> None:
    """Raise `SyncProblem` unless both are there, in force, meant for syncs, and of two orgs."""
    orgs: set[UUID] = set()
    for side, connection in (("source", source), ("target", target)):
        found = await tx.fetch_one(
            "select org_id, purpose, state from orgs.connection where id = %(connection)s",
            row=_Connection,
            connection=connection,
        )
        if found is None:
            _problem(f"The {side} org is not connected. Connect it first.")
        if found.purpose is not Purpose.SYNC:
            _problem(f"The {side} org is connected for audits only. Connect it for syncs, too.")
        if found.state is not ConnectionState.ACTIVE:
            _problem(f"The {side} org does not accept our grant any more. Connect it again.")
        orgs.add(found.org_id)
    if len(orgs) == 1:
        _problem("Source and target are the same org: every record would get a copy beside it. Choose two orgs.")


async def want(tx: TenantTx, sync: SyncId, spec: SyncSpec, source: UUID, target: UUID) -> None:
    """Note which objects `spec` needs, and ask the worker for describes that nobody has read yet."""
    for side, names in enumerate(objects_of(spec)):
        for name in names:
            await tx.execute(
                """
                insert into sync.wanted_object (sync_id, side, object_name) values (%(sync)s, %(side)s, %(name)s)
                on conflict do nothing
                """,
                sync=sync,
                side=side,
                name=ApiName.parse(name),
            )
    await _read_missing(tx, spec, source, target)


async def _read_missing(tx: TenantTx, spec: SyncSpec, source: UUID, target: UUID) -> None:
    for connection in await _missing(tx, spec, source, target):
        await read_schema(tx, connection)


async def _missing(tx: TenantTx, spec: SyncSpec, source: UUID, target: UUID) -> list[ConnectionId]:
    """Return the connections that lack a describe which was never read."""
    missing: list[ConnectionId] = []
    for connection, names in zip((source, target), objects_of(spec), strict=True):
        known = {described.name.casefold() for described in await kept_describes(tx, connection, names)}
        if any(name.casefold() not in known for name in names):
            missing.append(ConnectionId(connection))
    return missing


def _seen(kept: list[Described]) -> list[ObjectDescribe]:
    return [described.describe for described in kept if described.describe is not None]


def _problem(message: str) -> NoReturn:
    raise SyncProblem(message)
