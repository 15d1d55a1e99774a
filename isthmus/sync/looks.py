"""Asking for a look at failing rows, as portal and commands do it: at which failed window, with which key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from isthmus.db.database import TenantTx
from isthmus.db.jobs import TaskName, enqueue
from isthmus.db.storable import Blob
from isthmus.sync.definitions import SyncProblem
from isthmus.sync.errors import explain_end
from isthmus.sync.flow.frames import BadFrame
from isthmus.sync.flow.inspect import END, ROWS_SHOWN_MAX, SEALED, LookEnded, decode_end
from isthmus.sync.flow.sealing import viewer_key
from isthmus.sync.model import EndReason, Plan, Step, StepKind
from isthmus.sync.relay import Waiting, WorkerGone
from isthmus.values import SyncId

LOOK_TIMEOUT_S: Final = 120.0
"""How long a viewer waits for the next row: a worker may be busy, and a window of good rows takes its time."""


@dataclass(frozen=True, slots=True)
class OpenWindow:
    """A window some of whose rows failed, newest first. `since` None: from the beginning."""

    id: UUID
    step: int
    since: datetime | None
    until: datetime
    rows: int


@dataclass(frozen=True, slots=True)
class _Window:
    id: UUID
    step: int
    since: datetime | None
    until: datetime
    rows: int
    document: bytes


@dataclass(frozen=True, slots=True)
class Looked:
    """What came of a look: sealed messages for the viewer, and how it ended in numbers."""

    sealed: tuple[bytes, ...]
    end: LookEnded

    @property
    def message(self) -> str | None:
        """Why the look ended early, with the remedy; None if it saw the window's end, or enough rows."""
        if self.end.reason is EndReason.FINISHED:
            return None
        why = explain_end(self.end.reason, self.end.code)
        return f"The look ended early: {why.cause}. {why.remedy}"


async def open_windows(tx: TenantTx, sync: SyncId) -> list[OpenWindow]:
    """Return the windows of the active plan that can be looked at."""
    return [OpenWindow(w.id, w.step, w.since, w.until, w.rows) for w in await _windows(tx, sync)]


async def request_look(
    tx: TenantTx, sync: SyncId, look: UUID, *, viewer: bytes, rows_max: int, window: UUID | None = None
) -> OpenWindow:
    """Queue `look` at a failed window (the newest unless named) for the holder of the key `viewer`.

    Listen (`relay.waiting`) before the transaction commits. Raises `SyncProblem`, `BadViewerKey`.
    """
    viewer_key(viewer)
    if not 1 <= rows_max <= ROWS_SHOWN_MAX:
        message = f"A look shows 1 to {ROWS_SHOWN_MAX} rows. Ask for a number in between."
        raise SyncProblem(message)
    found = next((w for w in await _windows(tx, sync) if window in {None, w.id}), None)
    if found is None:
        message = (
            "There is nothing to look at: no failed rows, or only of steps that look at both records before they write "
            "and cannot be tried by themselves. `isthmus sync show` has the codes, "
            "`isthmus sync retry` tries them again."
        )
        raise SyncProblem(message)
    await tx.execute(
        """
        insert into sync.look (id, sync_id, failed_window_id, viewer_key, rows_max)
        values (%(look)s, %(sync)s, %(window)s, %(viewer)s, %(rows)s)
        """,
        look=look,
        sync=sync,
        window=found.id,
        viewer=Blob(viewer),
        rows=rows_max,
    )
    await enqueue(tx, TaskName.LOOK, look, lock=sync)
    return OpenWindow(found.id, found.step, found.since, found.until, found.rows)


async def looked(waiting: Waiting) -> Looked:
    """Wait for everything that a look shows. Raises `WorkerGone`, also where the worker's word is not understood."""
    sealed: list[bytes] = []
    async for message in waiting.messages(LOOK_TIMEOUT_S):
        if message.startswith(END):
            try:
                return Looked(tuple(sealed), decode_end(message))
            except BadFrame:
                break
        if not message.startswith(SEALED):
            break
        sealed.append(message.removeprefix(SEALED))
    text = "the worker went away before the look was over"
    raise WorkerGone(text)


async def _windows(tx: TenantTx, sync: SyncId) -> Sequence[_Window]:
    rows = await tx.fetch_all(
        """
        select w.id, w.step, w.since, w.until, w.row_count as rows, p.document
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
    """Whether the step's rows may be tried by their key alone.

    A step that looks at both records first (two-way, adopting, with fields that are set on creation only) must not: an
    upsert by the key would make a second record beside the one that its look would have found.
    """
    return step.kind is not StepKind.DELETE and step.pairing is None
