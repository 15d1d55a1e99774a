"""The worker's statements about an unfinished reading: put it down in pieces, take it up again, let it wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from isthmus.audit.collecting.checkpoint import Checkpoint, CheckpointFile
from isthmus.audit.store import check_attempt
from isthmus.db.database import Database, TenantTx
from isthmus.db.storable import Blob
from isthmus.db.ticket import Ticket


@dataclass(frozen=True, slots=True)
class _Piece:
    file: str
    content: bytes


@dataclass(frozen=True, slots=True)
class StoredShelf:
    """The checkpoint of one audit in the database, written by one attempt. A later attempt stops an earlier one."""

    database: Database
    ticket: Callable[[], Awaitable[Ticket]]
    audit: UUID
    attempt: int

    async def load(self) -> Checkpoint:
        """Return what an earlier attempt saved; empty if nothing was."""
        async with self.database.tenant(await self.ticket()) as tx:
            rows = await tx.fetch_all(
                "select file::text, content from audit.checkpoint where audit_id = %(audit)s order by file, ordinal",
                row=_Piece,
                audit=self.audit,
            )
        files: dict[CheckpointFile, list[bytes]] = {}
        for row in rows:
            files.setdefault(CheckpointFile(row.file), []).append(row.content)
        return files

    async def save(self, files: Checkpoint) -> None:
        """Put the files in the places of those that have their names. Raises `AttemptLost`."""
        async with self.database.tenant(await self.ticket()) as tx:
            await check_attempt(tx, self.audit, self.attempt)
            for name, pieces in files.items():
                await self._save_file(tx, name, iter(pieces))

    async def _save_file(self, tx: TenantTx, name: CheckpointFile, pieces: Iterator[bytes]) -> None:
        await tx.execute(
            "delete from audit.checkpoint where audit_id = %(audit)s and file = %(file)s", audit=self.audit, file=name
        )
        ordinal = 0
        # Compressing takes a while, and the worker has other things to do.
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            await tx.execute(
                """
                insert into audit.checkpoint (audit_id, file, ordinal, content)
                values (%(audit)s, %(file)s, %(ordinal)s, %(content)s)
                """,
                audit=self.audit,
                file=name,
                ordinal=ordinal,
                content=Blob(piece),
            )
            ordinal += 1


async def save_waiting(tx: TenantTx, audit: UUID, attempt: int, continues_at: datetime) -> None:
    """Put the audit off: the clock of a worker gives it a job again (`worker.due_audits`)."""
    await check_attempt(tx, audit, attempt)
    await tx.execute(
        """
        update audit.audit set state = 'queued', continues_at = %(continues_at)s, waits = waits + 1
        where id = %(audit)s
        """,
        audit=audit,
        continues_at=continues_at,
    )
