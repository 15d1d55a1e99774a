"""What a definition would do, before anything is saved or switched on. Runs as role isthmus_portal.

A dry run is a run like any other, of a plan that is kept and not made the active one: the mover counts the rows of
every window, chooses the paths and writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from isthmus.db.database import TenantTx
from isthmus.db.jobs import TaskName, enqueue
from isthmus.db.storable import Blob
from isthmus.sync.definitions import (
    SyncProblem,
    check_connections,
    definition_of,
    drawn_for,
    next_version,
    schemas_for,
    want,
)
from isthmus.sync.model import Drawn, Plan, Rejected, RunState
from isthmus.sync.planning.changes import Change, changes, spec_changes
from isthmus.sync.planning.estimate import Estimate, OrgUsage, estimate
from isthmus.sync.planning.suggestions import Suggestion, suggest
from isthmus.sync.spec import parse_spec
from isthmus.sync.timing import timetable
from isthmus.values import ConnectionId, RunId, SyncId, UserText


@dataclass(frozen=True, slots=True)
class Preview:
    """What a definition would do to a sync. `changes` is empty if what runs now does the same."""

    outcome: Drawn | Rejected
    changes: tuple[Change, ...]
    suggestions: tuple[Suggestion, ...]


@dataclass(frozen=True, slots=True)
class Estimated:
    """The latest dry run of a sync: how it stands, and what it says if it has come to its end."""

    run: UUID
    state: RunState
    requested_at: datetime
    estimate: Estimate | None


@dataclass(frozen=True, slots=True)
class _Document:
    document: bytes


@dataclass(frozen=True, slots=True)
class _Version:
    version: int
    document: bytes


@dataclass(frozen=True, slots=True)
class _Id:
    id: UUID


@dataclass(frozen=True, slots=True)
class _DryRun:
    run: UUID
    state: RunState
    requested_at: datetime
    document: bytes
    source_org: UUID
    target_org: UUID


@dataclass(frozen=True, slots=True)
class _Rows:
    step: int
    rows: int


async def preview(tx: TenantTx, sync: SyncId, text: UserText | None = None) -> Preview:
    """Return what `text` (None: what is saved) would do. Saves nothing.

    Raises `SpecRefused`, `SchemaPending`, `SyncProblem`.
    """
    found = await definition_of(tx, sync)
    saved = parse_spec(found.document)
    spec = saved if text is None else parse_spec(text)
    sources, targets = await schemas_for(tx, spec, found.source_connection, found.target_connection)
    outcome = drawn_for(spec, (sources, targets))
    different: tuple[Change, ...] = ()
    if isinstance(outcome, Drawn):
        active = await active_plan(tx, sync)
        different = changes(active, outcome.plan) + (spec_changes(saved, spec) if active is not None else ())
    return Preview(outcome, different, suggest(spec, sources, targets))


async def prepare(tx: TenantTx, sync: SyncId, text: UserText) -> None:
    """Ask the worker for describes that `text` needs and that nobody has read yet. Raises `SpecRefused`."""
    found = await definition_of(tx, sync)
    await want(tx, sync, parse_spec(text), found.source_connection, found.target_connection)


async def active_plan(tx: TenantTx, sync: SyncId) -> Plan | None:
    """Return the plan by which the sync runs, None if it was never activated."""
    row = await tx.fetch_one(
        """
        select p.document from sync.plan p join sync.state s
            on s.tenant_id = p.tenant_id and s.sync_id = p.sync_id and s.plan_version = p.version
        where p.sync_id = %(sync)s
        """,
        row=_Document,
        sync=sync,
    )
    return None if row is None else msgspec.json.decode(row.document, type=Plan)


async def request_dry_run(tx: TenantTx, sync: SyncId, plan: Plan) -> RunId:
    """Queue a run of `plan` that counts and writes nothing. Raises `SyncProblem` if an org is not to be had."""
    found = await definition_of(tx, sync)
    await check_connections(tx, ConnectionId(found.source_connection), ConnectionId(found.target_connection))
    document = msgspec.json.encode(plan)
    latest = await tx.fetch_one(
        "select version, document from sync.plan where sync_id = %(sync)s order by version desc limit 1",
        row=_Version,
        sync=sync,
    )
    if latest is not None and latest.document == document:
        version = latest.version
    else:
        version = await next_version(tx, sync)
        await tx.execute(
            "insert into sync.plan (sync_id, version, document) values (%(sync)s, %(version)s, %(document)s)",
            sync=sync,
            version=version,
            document=Blob(document),
        )
    run = await tx.fetch_one(
        "insert into sync.run (sync_id, plan_version, kind) values (%(sync)s, %(version)s, 'dry_run') returning id",
        row=_Id,
        sync=sync,
        version=version,
    )
    if run is None:
        message = "The dry run could not be queued. Try again."
        raise SyncProblem(message)
    await enqueue(tx, TaskName.RUN_SYNC, run.id, lock=sync)
    return RunId(run.id)


async def count_saved(tx: TenantTx, sync: SyncId) -> RunId:
    """Queue a dry run of what is saved. Raises `SyncProblem`, `SpecRefused`, `SchemaPending`."""
    found = await preview(tx, sync)
    if not isinstance(found.outcome, Drawn):
        message = "The plan has errors. Mend the definition first."
        raise SyncProblem(message)
    return await request_dry_run(tx, sync, found.outcome.plan)


async def estimated(tx: TenantTx, sync: SyncId) -> Estimated | None:
    """Return what the latest dry run of the sync says, None if there was none."""
    row = await tx.fetch_one(
        """
        select r.id as run, r.state, r.requested_at, p.document, sc.org_id as source_org, tc.org_id as target_org
        from sync.run r
        join sync.plan p on p.tenant_id = r.tenant_id and p.sync_id = r.sync_id and p.version = r.plan_version
        join sync.definition d on d.tenant_id = r.tenant_id and d.id = r.sync_id
        join orgs.connection sc on sc.tenant_id = d.tenant_id and sc.id = d.source_connection
        join orgs.connection tc on tc.tenant_id = d.tenant_id and tc.id = d.target_connection
        where r.sync_id = %(sync)s and r.kind = 'dry_run' order by r.requested_at desc limit 1
        """,
        row=_DryRun,
        sync=sync,
    )
    if row is None:
        return None
    made = await _estimate(tx, sync, row) if row.state is RunState.DONE else None
    return Estimated(row.run, row.state, row.requested_at, made)


async def _estimate(tx: TenantTx, sync: SyncId, row: _DryRun) -> Estimate:
    plan = msgspec.json.decode(row.document, type=Plan)
    counted = await tx.fetch_all(
        "select step, rows_expected as rows from sync.run_step where run_id = %(run)s", row=_Rows, run=row.run
    )
    by_step = {each.step: each.rows for each in counted}
    orgs = [await timetable.org_calls(tx, org) for org in (row.source_org, row.target_org)]
    usage = [None if o.used is None or o.allowed is None else OrgUsage(o.used, o.allowed) for o in orgs]
    spec = parse_spec((await definition_of(tx, sync)).document)
    return estimate(
        plan,
        [by_step.get(number, 0) for number in range(len(plan.steps))],
        (usage[0], usage[1]),
        interval_s=timetable.shortest_pause_s(spec),
    )
