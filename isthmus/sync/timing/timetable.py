"""Schedules and budgets in the database: how a schedule is kept, when a sync is due, what an org says of its calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from isthmus.db.database import TenantTx
from isthmus.db.storable import Blob
from isthmus.sync.spec import SyncSpec
from isthmus.sync.timing.budget import DAY_PERCENT_DEFAULT, OWN_PERCENT_DEFAULT, OrgCalls, UsageSample
from isthmus.sync.timing.schedule import (
    INTERVAL_MIN_S,
    Due,
    Schedule,
    ScheduleSpec,
    next_due,
    quiet_until,
    read_schedule,
)

USAGE_SPAN_S: Final = 600
USAGE_KEPT: Final = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class OrgCallsRow:
    """What `sync.org_calls` returns."""

    used: int | None
    allowed: int | None
    seen_at: datetime | None
    own: int
    day_percent: int | None
    own_percent: int | None

    def calls(self) -> OrgCalls:
        """Return it with the defaults of an org for which nobody has set a budget."""
        day, own = self.day_percent or DAY_PERCENT_DEFAULT, self.own_percent or OWN_PERCENT_DEFAULT
        return OrgCalls(self.used, self.allowed, self.seen_at, self.own, day, own)


@dataclass(frozen=True, slots=True)
class _Kept:
    schedule: bytes
    now: datetime


@dataclass(frozen=True, slots=True)
class _Sample:
    seen_at: datetime
    used: int


@dataclass(frozen=True, slots=True)
class OrgUse:
    """API calls of one org to write down: its own word (None: it has said nothing), and how many more were ours."""

    org: UUID
    used: int | None
    allowed: int | None
    own: int


def kept_schedule(spec: SyncSpec) -> Blob:
    """Return the schedule of a definition as it is kept."""
    read_schedule(spec.schedule, spec.interval_s)
    given = spec.schedule or ScheduleSpec()
    return Blob(msgspec.json.encode(msgspec.structs.replace(given, interval_s=given.interval_s or spec.interval_s)))


def shortest_pause_s(spec: SyncSpec) -> int:
    """Return the pause between runs for those who do not know the whole schedule."""
    return read_schedule(spec.schedule, spec.interval_s).interval_s or INTERVAL_MIN_S


def decoded_schedule(kept: bytes) -> Schedule:
    """Return a kept schedule."""
    return read_schedule(msgspec.json.decode(kept, type=ScheduleSpec))


def first_due(schedule: Schedule, now: datetime) -> Due:
    """Return when a sync runs that is switched on now: at once, or at its cron's next match, never in quiet hours."""
    if schedule.cron is None:
        free = quiet_until(schedule, now)
        if free is not None:
            return next_due(schedule, started=now - timedelta(seconds=schedule.interval_s), now=free, idle_runs=0)
    return next_due(schedule, started=now, now=now, idle_runs=0)


async def schedule_of(tx: TenantTx, sync: UUID) -> tuple[Schedule, datetime] | None:
    """Return the schedule of a sync and the database's clock."""
    row = await tx.fetch_one(
        "select schedule, now() as now from sync.definition where id = %(sync)s", row=_Kept, sync=sync
    )
    return None if row is None else (decoded_schedule(row.schedule), row.now)


async def set_first_due(tx: TenantTx, sync: UUID) -> None:
    """Let a sync that is switched on now, or whose schedule was changed now, be due as its schedule says."""
    found = await schedule_of(tx, sync)
    if found is not None and found[0].manual:
        await tx.execute("update sync.state set due_at = null where sync_id = %(sync)s", sync=sync)
    elif found is not None:
        await set_due(tx, sync, first_due(*found))


async def set_due(tx: TenantTx, sync: UUID, due: Due) -> None:
    """Write when a sync is due, and why then."""
    await tx.execute(
        """
        update sync.state set due_at = %(at)s, due_reason = %(reason)s
        where sync_id = %(sync)s and state in ('active', 'activating')
        """,
        sync=sync,
        at=due.at,
        reason=int(due.reason),
    )


async def set_due_after(tx: TenantTx, sync: UUID, due: Due, *, idle_runs: int) -> None:
    """Write when an active sync is due after a run, why then, and how many runs in a row found nothing to do."""
    await tx.execute(
        """
        update sync.state set due_at = %(at)s, due_reason = %(reason)s, idle_runs = %(idle)s
        where sync_id = %(sync)s and state = 'active'
        """,
        sync=sync,
        at=due.at,
        reason=int(due.reason),
        idle=idle_runs,
    )


async def save_usage(tx: TenantTx, uses: Mapping[int, OrgUse], now: datetime) -> None:
    """Write what is new of the API calls of the orgs of a run."""
    span = datetime.fromtimestamp(now.timestamp() // USAGE_SPAN_S * USAGE_SPAN_S, now.tzinfo)
    for use in uses.values():
        await tx.execute(
            """
            insert into sync.org_usage as u (org_id, span_start, seen_at, used, allowed, own)
            values (%(org)s, %(span)s, %(seen)s, %(used)s, %(allowed)s, %(own)s)
            on conflict (tenant_id, org_id, span_start) do update set own = u.own + excluded.own,
                seen_at = coalesce(excluded.seen_at, u.seen_at), used = coalesce(excluded.used, u.used),
                allowed = coalesce(excluded.allowed, u.allowed)
            """,
            org=use.org,
            span=span,
            seen=None if use.used is None else now,
            used=use.used,
            allowed=use.allowed,
            own=use.own,
        )
        await tx.execute(
            "delete from sync.org_usage where org_id = %(org)s and span_start < %(before)s",
            org=use.org,
            before=now - USAGE_KEPT,
        )


async def org_calls(tx: TenantTx, org: UUID) -> OrgCalls:
    """Return what is known about the API calls of an org."""
    row = await tx.fetch_one(
        "select used, allowed, seen_at, own, day_percent, own_percent from sync.org_calls(%(org)s)",
        row=OrgCallsRow,
        org=org,
    )
    return OrgCalls() if row is None else row.calls()


async def usage_samples(tx: TenantTx, org: UUID) -> list[UsageSample]:
    """Return the org's own counts of the last day."""
    rows = await tx.fetch_all(
        """
        select seen_at, used from sync.org_usage
        where org_id = %(org)s and used is not null and span_start > now() - interval '1 day' order by span_start
        """,
        row=_Sample,
        org=org,
    )
    return [UsageSample(row.seen_at, row.used) for row in rows]


async def set_budget(tx: TenantTx, org: UUID, *, day_percent: int, own_percent: int) -> None:
    """Keep which share of the org's daily API calls may be used: in all, and by our syncs. Role isthmus_portal."""
    await tx.execute(
        """
        insert into sync.org_budget (org_id, day_percent, own_percent) values (%(org)s, %(day)s, %(own)s)
        on conflict (tenant_id, org_id)
            do update set day_percent = excluded.day_percent, own_percent = excluded.own_percent, changed_at = now()
        """,
        org=org,
        day=day_percent,
        own=own_percent,
    )
