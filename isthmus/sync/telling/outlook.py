"""How a sync stands by the clock, for portal, command line and API: schedule, next run, budgets, what is unusual.

Made of counts, codes and times; as role isthmus_portal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from isthmus.db.database import TenantTx
from isthmus.sync.model import Plan, StepKind, SyncState
from isthmus.sync.telling.anomalies import DAYS, Anomaly, RunCounts, overdue, silence, unusual_run
from isthmus.sync.timing.budget import Forecast, forecast
from isthmus.sync.timing.schedule import REASON_TEXTS, DueReason, in_words
from isthmus.sync.timing.timetable import decoded_schedule, org_calls, usage_samples
from isthmus.values import Alias, RunId, SyncId

HISTORY_RUNS: Final = 60
NOTICES_SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class OrgOutlook:
    """One org's budget of API calls, over all syncs. `forecast` None: the org has not been asked yet."""

    org_id: UUID
    alias: Alias
    day_percent: int
    own_percent: int
    forecast: Forecast | None


@dataclass(frozen=True, slots=True)
class Outlook:
    """How a sync stands by the clock. `due_reason`: why then, as the end of a sentence."""

    schedule: str
    zone: str
    quiet_hours: bool
    due_at: datetime | None
    due_reason: str
    idle_runs: int
    orgs: tuple[OrgOutlook, ...]
    anomalies: tuple[Anomaly, ...]
    failing_since: datetime | None
    notices: tuple[NoticeView, ...]


@dataclass(frozen=True, slots=True)
class NoticeView:
    """One notice about a sync: what it told, when it was made, how many channels have it, wait for it, refused it."""

    kind: str
    made_at: datetime
    run_id: UUID | None
    sent: int
    waiting: int
    given_up: int


@dataclass(frozen=True, slots=True)
class _Standing:
    schedule: bytes
    state: SyncState
    due_at: datetime | None
    due_reason: int
    idle_runs: int
    interval_s: int
    now: datetime
    source_org: UUID
    source_alias: Alias
    target_org: UUID
    target_alias: Alias
    last_run: UUID | None
    failing_since: datetime | None


@dataclass(frozen=True, slots=True)
class _Counts:
    id: UUID
    began_at: datetime
    ended_at: datetime
    read: int
    written: int
    failed: int
    deleted: int
    finished: bool
    first_load: bool


@dataclass(frozen=True, slots=True)
class _Day:
    day: int
    read: int


@dataclass(frozen=True, slots=True)
class _Document:
    document: bytes


async def outlook(tx: TenantTx, sync: SyncId) -> Outlook | None:
    """Return how the sync stands by the clock, or None if there is no such sync."""
    row = await tx.fetch_one(
        """
        select d.schedule, s.state, s.due_at, s.due_reason, s.idle_runs, d.interval_s, now() as now,
               sc.org_id as source_org, so.alias as source_alias, tc.org_id as target_org, ta.alias as target_alias,
               (select r.id from sync.run r where r.tenant_id = d.tenant_id and r.sync_id = d.id
                   and r.ended_at is not null and r.kind <> 'dry_run'
                   order by r.requested_at desc limit 1) as last_run,
               al.failing_since
        from sync.definition d
        join sync.state s on s.tenant_id = d.tenant_id and s.sync_id = d.id
        join orgs.connection sc on sc.tenant_id = d.tenant_id and sc.id = d.source_connection
        join orgs.org so on so.tenant_id = sc.tenant_id and so.id = sc.org_id
        join orgs.connection tc on tc.tenant_id = d.tenant_id and tc.id = d.target_connection
        join orgs.org ta on ta.tenant_id = tc.tenant_id and ta.id = tc.org_id
        left join sync.alert al on al.tenant_id = d.tenant_id and al.sync_id = d.id
        where d.id = %(sync)s
        """,
        row=_Standing,
        sync=sync,
    )
    if row is None:
        return None
    schedule = decoded_schedule(row.schedule)
    active = row.state is SyncState.ACTIVE
    orgs = ((row.source_org, row.source_alias), (row.target_org, row.target_alias))
    found = [] if row.last_run is None else list(await run_anomalies(tx, RunId(row.last_run)))
    if active:
        found += [each for each in (overdue(row.due_at, row.interval_s, row.now), await _silence(tx, sync)) if each]
    return Outlook(
        schedule=in_words(schedule),
        zone=schedule.zone.key,
        quiet_hours=bool(schedule.quiet),
        due_at=row.due_at if active else None,
        due_reason=REASON_TEXTS[DueReason(row.due_reason)],
        idle_runs=row.idle_runs,
        orgs=tuple([await org_outlook(tx, org, alias, row.now) for org, alias in orgs]),
        anomalies=tuple(found),
        failing_since=row.failing_since,
        notices=tuple(await notices_of(tx, sync)),
    )


async def notices_of(tx: TenantTx, sync: SyncId) -> list[NoticeView]:
    """Return the latest notices about a sync, the newest first."""
    return await tx.fetch_all(
        """
        select n.kind::text as kind, n.made_at, n.run_id, count(d.sent_at) as sent,
               count(d.notice_id) - count(d.sent_at) - count(d.given_up_at) as waiting,
               count(d.given_up_at) as given_up
        from sync.notice n
        left join sync.delivery d on d.tenant_id = n.tenant_id and d.notice_id = n.id
        where n.sync_id = %(sync)s
        group by n.id, n.kind, n.made_at, n.run_id order by n.made_at desc limit %(rows_max)s
        """,
        row=NoticeView,
        sync=sync,
        rows_max=NOTICES_SHOWN,
    )


async def org_outlook(tx: TenantTx, org: UUID, alias: Alias, now: datetime) -> OrgOutlook:
    """Return how far the budget of an org goes."""
    calls = await org_calls(tx, org)
    seen = forecast(await usage_samples(tx, org), calls, now)
    return OrgOutlook(org, alias, calls.day_percent, calls.own_percent, seen)


async def run_anomalies(tx: TenantTx, run: RunId) -> tuple[Anomaly, ...]:
    """Return what is unusual about an ended run beside those before it. A first load is compared with nothing."""
    plan = await tx.fetch_one(
        """
        select p.document from sync.run r
        join sync.plan p on p.tenant_id = r.tenant_id and p.sync_id = r.sync_id and p.version = r.plan_version
        where r.id = %(run)s
        """,
        row=_Document,
        run=run,
    )
    if plan is None:
        return ()
    steps = msgspec.json.decode(plan.document, type=Plan).steps
    deleting = [number for number, step in enumerate(steps) if step.kind is StepKind.DELETE]
    rows = await tx.fetch_all(
        """
        select r.id, r.started_at as began_at, r.ended_at, coalesce(c.read, 0) as read,
               coalesce(c.written, 0) as written, coalesce(c.failed, 0) as failed, coalesce(c.deleted, 0) as deleted,
               r.state in ('done', 'partial') as finished,
               not exists (
                   select from sync.run e where e.tenant_id = r.tenant_id and e.sync_id = r.sync_id
                       and e.plan_version = r.plan_version and e.requested_at < r.requested_at
                       and e.state in ('done', 'partial') and e.kind <> 'dry_run') as first_load
        from sync.run this
        join sync.run r on r.tenant_id = this.tenant_id and r.sync_id = this.sync_id
            and r.plan_version = this.plan_version and r.requested_at <= this.requested_at
        left join lateral (
            select sum(rows_read)::bigint as read, sum(rows_written)::bigint as written,
                   sum(rows_failed)::bigint as failed,
                   (sum(rows_written) filter (where step = any(%(deleting)s)))::bigint as deleted
            from sync.run_step where tenant_id = r.tenant_id and run_id = r.id) c on true
        where this.id = %(run)s and r.kind not in ('retry', 'dry_run')
            and r.started_at is not null and r.ended_at is not null
        order by r.requested_at desc limit %(rows_max)s
        """,
        row=_Counts,
        run=run,
        deleting=deleting,
        rows_max=HISTORY_RUNS,
    )
    if not rows or rows[0].id != run or rows[0].first_load:
        return ()
    history = [_counts(row) for row in rows[1:] if row.finished and not row.first_load]
    return unusual_run(history, _counts(rows[0]))


async def _silence(tx: TenantTx, sync: SyncId) -> Anomaly | None:
    rows = await tx.fetch_all(
        """
        select floor(extract(epoch from now() - r.requested_at) / 86400)::integer as day,
               sum(s.rows_read)::bigint as read
        from sync.run r join sync.run_step s on s.tenant_id = r.tenant_id and s.run_id = r.id
        where r.sync_id = %(sync)s and r.requested_at > now() - %(days)s * interval '1 day' and s.rows_read > 0
        group by 1
        """,
        row=_Day,
        sync=sync,
        days=DAYS + 1,
    )
    by_day = {row.day: row.read for row in rows}
    return silence([by_day.get(day, 0) for day in range(DAYS + 1)])


def _counts(row: _Counts) -> RunCounts:
    return RunCounts(row.began_at, row.ended_at, row.read, row.written, row.failed, row.deleted, row.finished)
