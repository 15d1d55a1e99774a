"""Windows with rows that failed or wait for a decision, as role isthmus_worker keeps them: times and counts, no ids.

A window is read again until nothing in it fails. Rows that may pass by themselves are tried some times, with pauses
that grow (`retrying`); rows whose conflict waits for a person are looked at ever less often, up to once in an hour, so
that whoever settles the conflict in one of the orgs need not tell us.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from isthmus.db.database import TenantTx
from isthmus.salesforce.status_code import StatusCode
from isthmus.sync.mending.retrying import Correction, Reasons, correction, is_due
from isthmus.sync.model import Window
from isthmus.sync.store import NO_FIELD, RunRow

WINDOWS_MAX: Final = 4096
"""Windows that are looked at for whether they are due."""


@dataclass(frozen=True, slots=True)
class FailedWindow:
    """A window that is to be read again."""

    id: UUID
    run_id: UUID
    step: int
    since: datetime | None
    until: datetime
    attempts: int
    read_at: datetime
    held_due: bool

    @property
    def window(self) -> Window:
        """Its span."""
        return Window(self.since, self.until)


@dataclass(frozen=True, slots=True)
class _Span:
    step: int
    since: datetime | None
    until: datetime


@dataclass(frozen=True, slots=True)
class _Reason:
    code: int
    field: int
    row_count: int


@dataclass(frozen=True, slots=True)
class _Id:
    id: UUID


async def due_windows(
    tx: TenantTx, sync: UUID, plan_version: int, *, times: int, now: datetime, by_hand: bool, rows_max: int
) -> list[FailedWindow]:
    """Return windows to read again, oldest first: all that are open if asked by hand, else those that are due.

    `times` is how often the sync lets a window be read again by itself.
    """
    rows = await tx.fetch_all(
        """
        select id, run_id, step, since, until, attempts, read_at,
               held and read_at <= now() - least(attempts, 12) * interval '5 minutes' as held_due
        from sync.failed_window
        where sync_id = %(sync)s and plan_version = %(version)s and settled_at is null
          and (%(by_hand)s or (transient and attempts < %(times)s)
               or (held and read_at <= now() - least(attempts, 12) * interval '5 minutes'))
        order by until, step limit %(rows_max)s
        """,
        row=FailedWindow,
        sync=sync,
        version=plan_version,
        by_hand=by_hand,
        times=times,
        rows_max=min(WINDOWS_MAX, rows_max * WINDOWS_MAX),
    )
    due = [row for row in rows if by_hand or row.held_due or is_due(row.attempts, row.read_at, now, times=times)]
    return due[:rows_max]


async def waiting_windows(tx: TenantTx, sync: UUID, plan_version: int) -> list[tuple[int, Window]]:
    """Return the step and the span of every window that is open, whether or not it is to be read again now.

    A first run's window is all of history: where rows of it merely failed it says nothing about the others.
    """
    rows = await tx.fetch_all(
        """
        select step, since, until from sync.failed_window
        where sync_id = %(sync)s and plan_version = %(version)s and settled_at is null and (held or since is not null)
        """,
        row=_Span,
        sync=sync,
        version=plan_version,
    )
    return [(row.step, Window(row.since, row.until)) for row in rows]


async def save_failed_window(
    tx: TenantTx, row: RunRow, run: UUID, *, step: int, window: Window, reasons: Reasons, transient: bool, held: bool
) -> None:
    """Remember that rows of this window failed for `reasons`, or are held for a decision."""
    made = await tx.fetch_one(
        """
        insert into sync.failed_window (sync_id, plan_version, run_id, step, since, until, row_count, transient, held)
        values (%(sync)s, %(version)s, %(run)s, %(step)s, %(since)s, %(until)s, %(rows)s, %(transient)s, %(held)s)
        returning id
        """,
        row=_Id,
        sync=row.sync_id,
        version=row.plan_version,
        run=run,
        step=step,
        since=window.since,
        until=window.until,
        rows=sum(reasons.values()),
        transient=transient,
        held=held,
    )
    if made is not None:
        await _save_reasons(tx, made.id, reasons)


async def save_retry(
    tx: TenantTx, window: FailedWindow, run: UUID, *, reasons: Reasons, transient: bool, held: bool
) -> None:
    """Write what `run` found in a window that failed before, and correct the counts of the run that met it first.

    It is settled only when nothing failed. Where no attempt of our own is left it stays open, for a retry by hand.
    """
    await tx.execute(
        """
        update sync.failed_window set attempts = attempts + 1, row_count = %(rows)s, transient = %(transient)s,
            held = %(held)s, read_at = now(), settled_at = case when %(rows)s = 0 then now() end
        where id = %(window)s
        """,
        window=window.id,
        rows=sum(reasons.values()),
        transient=transient,
        held=held,
    )
    before = await tx.fetch_all(
        "select code, field, row_count from sync.window_outcome where window_id = %(window)s",
        row=_Reason,
        window=window.id,
    )
    await tx.execute("delete from sync.window_outcome where window_id = %(window)s", window=window.id)
    await _save_reasons(tx, window.id, reasons)
    if window.run_id != run:  # a run's own counts are those of its latest attempt
        known = {
            (StatusCode(each.code), None if each.field == NO_FIELD else each.field): each.row_count for each in before
        }
        await _correct(tx, window, correction(known, reasons))


async def _save_reasons(tx: TenantTx, window: UUID, reasons: Reasons) -> None:
    for (code, field), rows in reasons.items():
        await tx.execute(
            """
            insert into sync.window_outcome (window_id, code, field, row_count)
            values (%(window)s, %(code)s, %(field)s, %(rows)s)
            """,
            window=window,
            code=int(code),
            field=NO_FIELD if field is None else field,
            rows=rows,
        )


async def _correct(tx: TenantTx, window: FailedWindow, changed: Correction) -> None:
    """Correct the run that met the window first: a row that went in is written, and is a failure no more."""
    for (code, field), rows in changed.changes.items():
        named = {
            "run": window.run_id,
            "step": window.step,
            "code": int(code),
            "field": NO_FIELD if field is None else field,
        }
        if rows > 0:
            await tx.execute(
                """
                insert into sync.outcome (run_id, step, code, field, row_count)
                values (%(run)s, %(step)s, %(code)s, %(field)s, %(rows)s)
                on conflict (tenant_id, run_id, step, code, field)
                    do update set row_count = sync.outcome.row_count + excluded.row_count
                """,
                rows=rows,
                **named,
            )
        else:
            await tx.execute(
                """
                update sync.outcome set row_count = greatest(row_count + %(rows)s, 0)
                where run_id = %(run)s and step = %(step)s and code = %(code)s and field = %(field)s
                """,
                rows=rows,
                **named,
            )
    if changed.changes:
        await tx.execute(
            "delete from sync.outcome where run_id = %(run)s and step = %(step)s and row_count = 0",
            run=window.run_id,
            step=window.step,
        )
        await tx.execute(
            """
            update sync.run_step set rows_failed = greatest(rows_failed + %(failed)s, 0),
                rows_written = rows_written + %(settled)s, rows_retried = rows_retried + %(settled)s
            where run_id = %(run)s and step = %(step)s
            """,
            run=window.run_id,
            step=window.step,
            failed=changed.failed,
            settled=changed.settled,
        )
        await tx.execute("update sync.run set corrected_at = now() where id = %(run)s", run=window.run_id)
        await tx.execute(
            """
            update sync.run set state = 'done' where id = %(run)s and state = 'partial'
                and not exists (select 1 from sync.run_step where run_id = %(run)s and rows_failed > 0)
            """,
            run=window.run_id,
        )
