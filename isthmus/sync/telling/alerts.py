"""Alerts in the database: what the end of a run leaves to be told. As role isthmus_worker; ids, numbers and times."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from isthmus.db.database import TenantTx
from isthmus.sync.run import Run
from isthmus.sync.telling.alerting import Alert, after_end
from isthmus.sync.telling.outlook import run_anomalies
from isthmus.values import RunId


@dataclass(frozen=True, slots=True)
class _Open:
    windows: int


async def note_unusual(tx: TenantTx, sync: UUID, run_id: RunId) -> None:
    """Make a notice of each unusual thing about an ended run, once a day for each kind."""
    for unusual in await run_anomalies(tx, run_id):
        await tx.execute(
            """
            insert into sync.notice (kind, sync_id, run_id, anomaly, seen, usual)
            select 'anomaly', %(sync)s, %(run)s, %(kind)s, %(seen)s, %(usual)s
            where not exists (
                select from sync.notice n where n.sync_id = %(sync)s and n.anomaly = %(kind)s
                    and n.made_at > now() - interval '1 day')
            """,
            sync=sync,
            run=run_id,
            kind=int(unusual.kind),
            seen=unusual.seen,
            usual=unusual.usual,
        )


async def note_end(tx: TenantTx, sync: UUID, run_id: UUID, run: Run, now: datetime) -> None:
    """Keep whether the sync is in trouble after this run, and make the notice that is due, if one is."""
    alert = await tx.fetch_one(
        "select failing_since, told_at, runs_failed from sync.alert where sync_id = %(sync)s", row=Alert, sync=sync
    )
    waiting = await tx.fetch_one(
        "select count(*) as windows from sync.failed_window where sync_id = %(sync)s and settled_at is null",
        row=_Open,
        sync=sync,
    )
    windows = waiting.windows if waiting else 0
    told = after_end(alert or Alert(), run.state, run.end, windows_open=windows, now=now)
    if told.alert != (alert or Alert()):
        await tx.execute(
            """
            insert into sync.alert (sync_id, failing_since, told_at, runs_failed)
            values (%(sync)s, %(since)s, %(told)s, %(runs)s)
            on conflict (tenant_id, sync_id) do update set failing_since = excluded.failing_since,
                told_at = excluded.told_at, runs_failed = excluded.runs_failed
            """,
            sync=sync,
            since=told.alert.failing_since,
            told=told.alert.told_at,
            runs=told.alert.runs_failed,
        )
    if told.kind is not None:
        await tx.execute(
            "insert into sync.notice (kind, sync_id, run_id) values (%(kind)s::sync.notice_kind, %(sync)s, %(run)s)",
            kind=told.kind,
            sync=sync,
            run=run_id,
        )
