"""Looking at syncs and runs, as role isthmus_portal: counts, codes and times, explained in plain language."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from isthmus.db.database import TenantTx
from isthmus.salesforce.status_code import StatusCode
from isthmus.sync.errors import NOTE_CODES, explain, explain_end
from isthmus.sync.model import EndReason, Path, Plan, RunState, Step, StepKind
from isthmus.sync.views import OutcomeView, RunDetail, RunView, StepView, SyncView
from isthmus.values import RunId, SyncId, UserText

DRY_RUN_MESSAGE: Final = "Counted. Nothing was written."


@dataclass(frozen=True, slots=True)
class _StepRow:
    step: int
    path: int
    rows_expected: int
    rows_read: int
    rows_written: int
    rows_created: int
    rows_failed: int
    settled: bool


@dataclass(frozen=True, slots=True)
class _OutcomeRow:
    step: int
    code: int
    field: int
    rows: int


@dataclass(frozen=True, slots=True)
class _RunPlan:
    document: bytes
    title: UserText
    end_code: int | None


@dataclass(frozen=True, slots=True)
class _Count:
    number: int


async def list_syncs(tx: TenantTx) -> list[SyncView]:
    """Return every sync of the tenant, by title."""
    return await _syncs(tx, None)


async def sync_view(tx: TenantTx, sync: SyncId) -> SyncView | None:
    """Return one sync, or None."""
    return next(iter(await _syncs(tx, sync)), None)


async def _syncs(tx: TenantTx, sync: SyncId | None) -> list[SyncView]:
    return await tx.fetch_all(
        """
        select d.id, d.title, d.two_way, d.source_connection, d.target_connection, so.alias as source_alias,
               ta.alias as target_alias, s.state, s.pause_reason, d.interval_s, s.due_at,
               sc.state = 'needs_reauth' as source_needs_login, tc.state = 'needs_reauth' as target_needs_login,
               r.id as last_run, r.state as last_run_state, r.ended_at as last_run_ended_at
        from sync.definition d
        join sync.state s on s.tenant_id = d.tenant_id and s.sync_id = d.id
        join orgs.connection sc on sc.tenant_id = d.tenant_id and sc.id = d.source_connection
        join orgs.org so on so.tenant_id = sc.tenant_id and so.id = sc.org_id
        join orgs.connection tc on tc.tenant_id = d.tenant_id and tc.id = d.target_connection
        join orgs.org ta on ta.tenant_id = tc.tenant_id and ta.id = tc.org_id
        left join lateral (
            select r.id, r.state, r.ended_at from sync.run r
            where r.tenant_id = d.tenant_id and r.sync_id = d.id and r.kind <> 'dry_run'
            order by r.requested_at desc limit 1) r on true
        where (%(sync)s::uuid is null and not d.draft) or d.id = %(sync)s
        order by d.title, d.id
        """,
        row=SyncView,
        sync=sync,
    )


async def runs(tx: TenantTx, sync: SyncId, *, rows_max: int = 50) -> list[RunView]:
    """Return the latest runs of a sync, the newest first."""
    return await _runs(tx, sync=sync, run=None, rows_max=rows_max)


async def _runs(tx: TenantTx, *, sync: SyncId | None, run: RunId | None, rows_max: int) -> list[RunView]:
    return await tx.fetch_all(
        """
        select r.id, r.sync_id, r.kind::text as kind, r.state, r.end_reason, r.requested_at, r.started_at, r.ended_at,
               r.calls_source, r.calls_target, coalesce(s.expected, 0) as rows_expected,
               coalesce(s.read, 0) as rows_read,
               coalesce(s.written, 0) as rows_written, coalesce(s.created, 0) as rows_created,
               coalesce(s.failed, 0) as rows_failed, coalesce(s.retried, 0) as rows_retried, r.corrected_at
        from sync.run r
        left join lateral (
            select sum(rows_expected)::bigint as expected, sum(rows_read)::bigint as read,
                   sum(rows_written)::bigint as written, sum(rows_created)::bigint as created,
                   sum(rows_failed)::bigint as failed, sum(rows_retried)::bigint as retried
            from sync.run_step where tenant_id = r.tenant_id and run_id = r.id) s on true
        where (%(sync)s::uuid is null or r.sync_id = %(sync)s) and (%(run)s::uuid is null or r.id = %(run)s)
        order by r.requested_at desc limit %(rows_max)s
        """,
        row=RunView,
        sync=sync,
        run=run,
        rows_max=rows_max,
    )


async def run_detail(tx: TenantTx, run: RunId) -> RunDetail | None:
    """Return everything about one run, or None if there is no such run."""
    view = next(iter(await _runs(tx, sync=None, run=run, rows_max=1)), None)
    found = await tx.fetch_one(
        """
        select p.document, d.title, r.end_code from sync.run r
        join sync.plan p on p.tenant_id = r.tenant_id and p.sync_id = r.sync_id and p.version = r.plan_version
        join sync.definition d on d.tenant_id = r.tenant_id and d.id = r.sync_id
        where r.id = %(run)s
        """,
        row=_RunPlan,
        run=run,
    )
    if view is None or found is None:
        return None
    plan = msgspec.json.decode(found.document, type=Plan)
    steps = await tx.fetch_all(
        """
        select step, path, rows_expected, rows_read, rows_written, rows_created, rows_failed, settled
        from sync.run_step where run_id = %(run)s
        """,
        row=_StepRow,
        run=run,
    )
    outcomes = await tx.fetch_all(
        """
        select step, code, field, row_count as rows from sync.outcome
        where run_id = %(run)s order by row_count desc, step, code, field
        """,
        row=_OutcomeRow,
        run=run,
    )
    waiting = await tx.fetch_one(
        "select count(*) as number from sync.failed_window where sync_id = %(sync)s and settled_at is null",
        row=_Count,
        sync=view.sync_id,
    )
    by_number = {row.step: row for row in steps}
    dry = view.kind == "dry_run" and view.state is RunState.DONE
    return RunDetail(
        run=view,
        title=found.title,
        message=DRY_RUN_MESSAGE if dry else run_message(view.state, view.end_reason, found.end_code, view.rows_retried),
        steps=tuple(_step_view(n, step, by_number.get(n)) for n, step in enumerate(plan.steps)),
        outcomes=tuple(_outcome_view(plan, row) for row in outcomes if row.step < len(plan.steps)),
        failed_windows_open=waiting.number if waiting else 0,
    )


def step_title(step: Step) -> str:
    """Return how a step is called: `Account`, `Lead → Contact`, `Account: ParentId`.

    Both ways it is `Account →` and `Account ←`: on the left stands the sync's own source.
    """
    left, right = (step.target, step.source) if step.backward else (step.source, step.target)
    arrow = "←" if step.backward else "→"
    both = step.pairing is not None and step.pairing.two_way
    name = f"{left} {arrow}" if both and left == right else left if left == right else f"{left} {arrow} {right}"
    if step.kind is StepKind.LINK:
        return f"{name}: {', '.join(step.links)}"
    if step.kind is StepKind.DELETE:
        return f"{name}: deletions"
    return name


def run_message(state: RunState, end_reason: int | None, end_code: int | None, rows_retried: int = 0) -> str:
    """Return one sentence on how a run stands, with the remedy where one is needed."""
    match state:
        case RunState.QUEUED:
            return "Waiting for the worker."
        case RunState.RUNNING:
            return "Running."
        case RunState.DONE:
            return f"Every row was applied{_by_later(rows_retried)}."
        case RunState.PARTIAL:
            return f"Some rows failed; see the reasons below{_by_later(rows_retried)}."
        case RunState.FAILED | RunState.REVOKED:
            reason = EndReason.BUG if end_reason is None else EndReason(end_reason)
            why = explain_end(reason, None if end_code is None else StatusCode(end_code))
            return f"Stopped: {why.cause}. {why.remedy}"


def _by_later(rows: int) -> str:
    """Return how many rows failed at first, if any."""
    return (
        f"; {rows} of them failed at first, and a later run brought {'it' if rows == 1 else 'them'} in" if rows else ""
    )


def path_name(path: int) -> str:
    """Return how rows travelled, for people: `-`, `REST` or `Bulk`."""
    return {Path.NONE: "-", Path.COLLECTIONS: "REST", Path.BULK: "Bulk"}[Path(path)]


def field_name(step: Step, ordinal: int | None) -> str | None:
    """Return the target field of a column's ordinal, or None."""
    return step.columns[ordinal].target if ordinal is not None and 0 <= ordinal < len(step.columns) else None


def _step_view(number: int, step: Step, row: _StepRow | None) -> StepView:
    if row is None:
        row = _StepRow(number, 0, 0, 0, 0, 0, 0, settled=False)
    return StepView(
        ordinal=number,
        title=step_title(step),
        path=path_name(row.path),
        rows_expected=row.rows_expected,
        rows_read=row.rows_read,
        rows_written=row.rows_written,
        rows_created=row.rows_created,
        rows_failed=row.rows_failed,
        settled=row.settled,
    )


def _outcome_view(plan: Plan, row: _OutcomeRow) -> OutcomeView:
    step = plan.steps[row.step]
    code = StatusCode(row.code)
    why = explain(code)
    return OutcomeView(
        step=row.step,
        step_title=step_title(step),
        code=code.name,
        field=field_name(step, row.field),
        rows=row.rows,
        cause=why.cause,
        remedy=why.remedy,
        failed=code not in NOTE_CODES,
    )
