"""Windows with rows that failed or wait for a decision, as role isthmus_worker keeps them: times and counts, no ids.

A window is read again until nothing in it fails. Rows that may pass by themselves are tried some times; rows whose
conflict waits for a person are looked at ever less often, up to once in an hour, so that whoever settles the conflict
in one of the orgs need not tell us.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from isthmus.db.database import TenantTx
from isthmus.sync.model import Window
from isthmus.sync.store import RunRow


@dataclass(frozen=True, slots=True)
class FailedWindow:
    """A window that is to be read again."""

    id: UUID
    step: int
    since: datetime | None
    until: datetime
    attempts: int

    @property
    def window(self) -> Window:
        """Its span."""
        return Window(self.since, self.until)


@dataclass(frozen=True, slots=True)
class _Span:
    step: int
    since: datetime | None
    until: datetime


async def due_windows(
    tx: TenantTx, sync: UUID, plan_version: int, *, attempts_max: int, by_hand: bool, rows_max: int
) -> list[FailedWindow]:
    """Return windows to read again, oldest first: all that are open if asked by hand, else those that are due."""
    return await tx.fetch_all(
        """
        select id, step, since, until, attempts from sync.failed_window
        where sync_id = %(sync)s and plan_version = %(version)s and settled_at is null
          and (%(by_hand)s or (transient and attempts < %(attempts_max)s)
               or (held and read_at <= now() - least(attempts, 12) * interval '5 minutes'))
        order by until, step limit %(rows_max)s
        """,
        row=FailedWindow,
        sync=sync,
        version=plan_version,
        by_hand=by_hand,
        attempts_max=attempts_max,
        rows_max=rows_max,
    )


async def waiting_windows(tx: TenantTx, sync: UUID, plan_version: int) -> list[tuple[int, Window]]:
    """Return the step and the span of every window that is open, whether or not it is to be read again now."""
    rows = await tx.fetch_all(
        """
        select step, since, until from sync.failed_window
        where sync_id = %(sync)s and plan_version = %(version)s and settled_at is null
        """,
        row=_Span,
        sync=sync,
        version=plan_version,
    )
    return [(row.step, Window(row.since, row.until)) for row in rows]


async def save_failed_window(
    tx: TenantTx, row: RunRow, run: UUID, *, step: int, window: Window, rows: int, transient: bool, held: bool
) -> None:
    """Remember that rows of this window failed, or are held for a decision."""
    await tx.execute(
        """
        insert into sync.failed_window (sync_id, plan_version, run_id, step, since, until, row_count, transient, held)
        values (%(sync)s, %(version)s, %(run)s, %(step)s, %(since)s, %(until)s, %(rows)s, %(transient)s, %(held)s)
        """,
        sync=row.sync_id,
        version=row.plan_version,
        run=run,
        step=step,
        since=window.since,
        until=window.until,
        rows=rows,
        transient=transient,
        held=held,
    )


async def save_retry(tx: TenantTx, window: UUID, rows: int, *, transient: bool, held: bool) -> None:
    """Write what another reading of a failed window brought; it is settled only when nothing failed.

    Where no attempt of our own is left it stays open, for a retry by hand.
    """
    await tx.execute(
        """
        update sync.failed_window set attempts = attempts + 1, row_count = %(rows)s, transient = %(transient)s,
            held = %(held)s, read_at = now(), settled_at = case when %(rows)s = 0 then now() end
        where id = %(window)s
        """,
        window=window,
        rows=rows,
        transient=transient,
        held=held,
    )
