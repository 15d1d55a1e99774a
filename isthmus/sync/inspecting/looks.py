"""Asking for a look at failing rows, as portal and commands do it: at which failed window, with which key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from uuid import UUID

import msgspec

from isthmus.db.database import TenantTx
from isthmus.db.jobs import TaskName, enqueue
from isthmus.db.storable import Blob
from isthmus.sync.definitions import SyncProblem
from isthmus.sync.errors import explain_end
from isthmus.sync.flow.frames import BadFrame
from isthmus.sync.flow.inspect import END, REPLY, ROWS_SHOWN_MAX, SEALED, WAITS, LookEnded, decode_end
from isthmus.sync.flow.sealing import viewer_key
from isthmus.sync.inspecting.relay import Waiting, WorkerGone, answer
from isthmus.sync.model import EndReason, Plan, Step, StepKind
from isthmus.values import SyncId

LOOK_TIMEOUT_S: Final = 120.0
"""How long a viewer waits for the next row: a worker may be busy, and a window of good rows takes its time."""


DECIDING_MAX: Final = 2
"""Looks that may wait for decisions at the same time, over all tenants: half the places of one worker."""
LOOK_LASTS_MAX: Final = timedelta(minutes=15)
"""After this long nobody takes a look up any more; `sync.look_subject` and `sync.deciding_looks` count by the same."""
MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class OpenWindow:
    """A window some of whose rows failed, newest first. `since` None: from the beginning."""

    id: UUID
    step: int
    since: datetime | None
    until: datetime
    rows: int
    held: bool = False
    """Conflicts wait for a decision in it."""


@dataclass(frozen=True, slots=True)
class _Window:
    id: UUID
    step: int
    since: datetime | None
    until: datetime
    rows: int
    held: bool
    document: bytes


@dataclass(frozen=True, slots=True)
class _Id:
    id: UUID


@dataclass(frozen=True, slots=True)
class _Deciding:
    own: bool
    requested_at: datetime


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of a look: sealed messages for the viewer, and how it ended in numbers."""

    sealed: tuple[bytes, ...]
    end: LookEnded
    waits: bool = False
    """The mover waits for the viewer's decisions (`answered`), for `inspect.DECIDE_S` seconds."""

    @property
    def message(self) -> str | None:
        """Why the look ended early, with the remedy; None if it saw the window's end, or enough rows."""
        if self.end.reason is EndReason.FINISHED:
            return None
        why = explain_end(self.end.reason, self.end.code)
        return f"The look ended early: {why.cause}. {why.remedy}"


async def open_windows(tx: TenantTx, sync: SyncId) -> list[OpenWindow]:
    """Return the windows of the active plan that can be looked at."""
    return [OpenWindow(w.id, w.step, w.since, w.until, w.rows, w.held) for w in await _windows(tx, sync)]


async def request_look(
    tx: TenantTx,
    sync: SyncId,
    look: UUID,
    *,
    viewer: bytes,
    rows_max: int,
    window: UUID | None = None,
    decides: bool = False,
) -> OpenWindow:
    """Queue `look` at a failed window (the newest unless named) for the holder of the key `viewer`.

    `decides`: it shall wait for decisions of the conflicts that it shows; the newest window with held rows then.
    Listen (`relay.waiting`) before the transaction commits. Raises `SyncProblem`, `BadViewerKey`.
    """
    viewer_key(viewer)
    if not 1 <= rows_max <= ROWS_SHOWN_MAX:
        message = f"A look shows 1 to {ROWS_SHOWN_MAX} rows. Ask for a number in between."
        raise SyncProblem(message)
    if decides:
        await _refuse_more_deciders(tx)
    windows = await _windows(tx, sync)
    found = next((w for w in windows if window in {None, w.id} and (w.held or not decides)), None)
    if found is None:
        message = (
            "No conflict is held. `isthmus sync show` has the codes of other failures."
            if decides
            else "There is nothing to look at: no failed rows. `isthmus sync show` says how the sync stands."
        )
        raise SyncProblem(message)
    await tx.execute(
        """
        insert into sync.look (id, sync_id, failed_window_id, viewer_key, rows_max, decides)
        values (%(look)s, %(sync)s, %(window)s, %(viewer)s, %(rows)s, %(decides)s)
        """,
        look=look,
        sync=sync,
        window=found.id,
        viewer=Blob(viewer),
        rows=rows_max,
        decides=decides,
    )
    await enqueue(tx, TaskName.LOOK, look, lock=sync)
    return OpenWindow(found.id, found.step, found.since, found.until, found.rows, found.held)


async def looked(waiting: Waiting) -> Looked:
    """Wait for everything that a look shows. Raises `WorkerGone`, also where the worker's word is not understood."""
    sealed: list[bytes] = []
    async for message in waiting.messages(LOOK_TIMEOUT_S):
        head = message[:1]
        if head in {END, WAITS}:
            try:
                return Looked(tuple(sealed), decode_end(message, head), waits=head == WAITS)
            except BadFrame:
                break
        if not message.startswith(SEALED):
            break
        sealed.append(message.removeprefix(SEALED))
    text = "the worker went away before the look was over"
    raise WorkerGone(text)


async def require_waiting(tx: TenantTx, sync: SyncId, look: UUID) -> None:
    """Raise `SyncProblem` unless the tenant has such a look of the sync, and it waits for decisions."""
    found = await tx.fetch_one(
        "select id from sync.look where id = %(look)s and sync_id = %(sync)s and decides and ended_at is null",
        row=_Id,
        look=look,
        sync=sync,
    )
    if found is None:
        text = "No look of this sync waits for decisions under that id. Look again."
        raise SyncProblem(text)


async def answered(run_dir: Path, look: UUID, message: bytes) -> bytes:
    """Bring the viewer's sealed answer to a look that waits; return what became of it, sealed.

    b"" if the answer was none of the viewer's. Raises `WorkerGone` if nobody waits any more.
    """
    return (await answer(run_dir, look, message, LOOK_TIMEOUT_S)).removeprefix(REPLY)


async def _refuse_more_deciders(tx: TenantTx) -> None:
    """One of a tenant waits at a time, and few in all: each holds a place that runs and audits need, too."""
    waiting = await tx.fetch_all("select own, requested_at from sync.deciding_looks()", row=_Deciding)
    own = [each.requested_at for each in waiting if each.own]
    if own:
        message = f"Somebody is deciding conflicts already. End that look, or wait until {_over_by(own)} UTC."
        raise SyncProblem(message)
    if len(waiting) == DECIDING_MAX - 1 > 0 and await _has_just_decided(tx):
        message = (
            "One place is left for deciding conflicts, and you have just had one: for a minute it is kept for others. "
            "Try again then."
        )
        raise SyncProblem(message)
    if len(waiting) >= DECIDING_MAX:
        free = _over_by([each.requested_at for each in waiting])
        message = (
            f"{DECIDING_MAX} looks wait for decisions here, as many as may: the rest is for runs and audits. "
            f"Wait until {free} UTC, or look without deciding (`isthmus sync inspect`)."
        )
        raise SyncProblem(message)


async def _has_just_decided(tx: TenantTx) -> bool:
    """Whether a look of the tenant's own has ended within the last minute: the last place goes round."""
    found = await tx.fetch_one(
        "select id from sync.look where decides and ended_at > now() - interval '1 minute' limit 1", row=_Id
    )
    return found is not None


def _over_by(requested: Sequence[datetime]) -> str:
    """Return when the first of these looks is over, whatever becomes of it, as HH:MM."""
    return f"{min(requested).astimezone(UTC) + LOOK_LASTS_MAX + MINUTE:%H:%M}"


async def _windows(tx: TenantTx, sync: SyncId) -> Sequence[_Window]:
    rows = await tx.fetch_all(
        """
        select w.id, w.step, w.since, w.until, w.row_count as rows, w.held, p.document
        from sync.failed_window w
        join sync.state s on s.tenant_id = w.tenant_id and s.sync_id = w.sync_id and s.plan_version = w.plan_version
        join sync.plan p on p.tenant_id = w.tenant_id and p.sync_id = w.sync_id and p.version = w.plan_version
        where w.sync_id = %(sync)s and w.settled_at is null
        order by w.until desc, w.step
        """,
        row=_Window,
        sync=sync,
    )
    if not rows:
        return []
    steps = msgspec.json.decode(rows[0].document, type=Plan).steps
    return [row for row in rows if can_be_looked_at(steps[row.step])]


def can_be_looked_at(step: Step) -> bool:
    """Whether rows of the step can be looked at: deletions have none left."""
    return step.kind is not StepKind.DELETE
