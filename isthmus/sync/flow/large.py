"""The large path: a Bulk export streamed, block by block, into Bulk uploads; reading and writing at the same time.

Rows that have the same parents null share uploads (see `csv_blocks`). A kind of row that stays rare travels by REST
instead of costing a job of its own. Memory: `QUEUE_BLOCKS` blocks for each open upload, `HELD_BYTES_MAX` for rare
kinds, and one block being mapped; it does not depend on the number of rows.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Final

from isthmus.salesforce.bulk import (
    INGEST_BYTES_MAX,
    ExportPage,
    IngestOutcome,
    await_earlier_jobs,
    export,
    ingest,
)
from isthmus.salesforce.refused_rows import RawRow, RefusedRows
from isthmus.salesforce.session import Session
from isthmus.salesforce.status_code import StatusCode
from isthmus.sync.flow.cells import MalformedCsv
from isthmus.sync.flow.csv_blocks import Mapped, Part, RecordCutter, header_names
from isthmus.sync.flow.job import BULK_ROWS_MIN, SOURCE, TARGET
from isthmus.sync.flow.mapping import NO_KEY
from isthmus.sync.flow.reading import check_key, query_of
from isthmus.sync.flow.sides import Stopped, asking
from isthmus.sync.flow.small import SmallWriter
from isthmus.sync.flow.tally import Tally
from isthmus.sync.model import EndReason, Step, Window
from isthmus.values import ApiName

QUEUE_BLOCKS: Final = 6
UPLOADS_OPEN_MAX: Final = 3
JOBS_MAX: Final = 4
"""Upload jobs that may be unfinished at once: one that the org still works on does not hold up the next."""
_FIRST_CELL = re.compile(rb'"?([^",\n]+)')
HELD_BYTES_MAX: Final = 8 * 1024 * 1024
AGAIN_CODES: Final = frozenset({StatusCode.UNABLE_TO_LOCK_ROW, StatusCode.DUPLICATE_EXTERNAL_ID})
"""Refused rows that may pass by REST: in small lots, one kind after another, each key once."""


async def move_large(
    step: Step,
    window: Window | None,
    sessions: tuple[Session, Session],
    writer: SmallWriter,
    tally: Tally,
    *,
    rows_expected: int | None = None,
    bulk_rows_min: int = BULK_ROWS_MIN,
    upload_bytes_max: int = INGEST_BYTES_MAX,
) -> None:
    """Stream the window from the source into upload jobs of the target, each of at most `upload_bytes_max`.

    A kind of rows that has fewer than `bulk_rows_min` goes by REST.
    """
    mapping = writer.mapping
    with asking(TARGET):
        await await_earlier_jobs(sessions[TARGET], ApiName.parse(step.target), ApiName.parse(step.key))
    async with asyncio.TaskGroup() as group:
        uploads = _Uploads(group, sessions[TARGET], writer, tally, _Sizes(bulk_rows_min, upload_bytes_max))
        announced: list[int] = []
        read = 0
        soql = query_of(step, mapping.select, window, ordered=False)
        pages = export(sessions[SOURCE], soql, rows_expected=rows_expected)
        async with aclosing(_blocks(step, mapping.select, pages, announced)) as blocks:
            async for block in blocks:
                mapped = await _mapped(block, writer, tally)
                read += mapped.rows
                tally.read(mapped.rows)
                if mapped.keyless:
                    tally.failed(NO_KEY, None, mapped.keyless)
                for ordinal, rows in mapped.unmapped.items():
                    tally.failed(StatusCode.UNMAPPED, ordinal, rows)
                for cells in mapped.loose:
                    await writer.add(mapping.from_cells(cells))
                for part in mapped.parts:
                    await uploads.put(part)
                await tally.flush_at_times()
        if read != sum(announced):
            # A body can end too early without an error of HTTP: at a closed connection, or inside gzip.
            raise Stopped(EndReason.INCOMPLETE_READ)
        await uploads.finish()
        await writer.finish()
    for refused in uploads.refused:
        await refused.finish()
    await writer.finish()
    await tally.flush()


async def _mapped(content: bytes, writer: SmallWriter, tally: Tally) -> Mapped:
    with asking(SOURCE):
        parsed = writer.mapping.parsed(content)
        wanted = writer.mapping.wanted_of(parsed.block)
    for ordinal, rows in parsed.failed.items():
        tally.failed(StatusCode.TRANSFORM_FAILED, ordinal, rows)
    await writer.substitutes.learn(wanted)
    return writer.mapping.from_block(parsed.block)


async def _blocks(
    step: Step, select: tuple[str, ...], exported: AsyncGenerator[ExportPage], announced: list[int]
) -> AsyncGenerator[bytes]:
    """Yield blocks of whole records without headers; `announced` gets each page's number of rows, as the org gives it.

    The order of Bulk results is the org's own.
    """
    with asking(SOURCE):
        async with aclosing(exported) as pages:
            async for page in pages:
                announced.append(page.rows)
                cutter = RecordCutter()
                headed = False
                async for chunk in page.chunks:
                    for block in cutter.feed(chunk):
                        body = block if headed else _without_header(block, step, select)
                        headed = True
                        if body:
                            yield body
                rest = cutter.finish()
                body = rest if headed or not rest else _without_header(rest, step, select)
                if body:
                    yield body


def _without_header(block: bytes, step: Step, select: tuple[str, ...]) -> bytes:
    end = block.index(b"\n") + 1
    names = header_names(block[:end])
    if [name.casefold() for name in names] != [name.casefold() for name in select]:
        message = "the header names the selected fields in their order"
        raise MalformedCsv(message)
    if block[end - 2 : end] == b"\r\n":
        # The carriage return would become a part of each last value.
        message = "rows end in a line feed, as was asked for"
        raise MalformedCsv(message)
    first = _FIRST_CELL.match(block, end)
    if first is not None:
        check_key(step, first[1].decode(errors="replace"))
    return block[end:]


@dataclass(frozen=True, slots=True)
class _Sizes:
    """From how many rows on a kind of them is worth a job, and how large one may be."""

    rows_min: int
    bytes_max: int


class _Upload:
    """One open upload job."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE_BLOCKS)
        self.sent_bytes = 0
        self.sent_rows = 0


class _Uploads:
    """Sends parts to the upload of their kind; opens an upload when a kind has become worth a job of its own."""

    def __init__(
        self, group: asyncio.TaskGroup, target: Session, writer: SmallWriter, tally: Tally, sizes: _Sizes
    ) -> None:
        self._group = group
        self._target = target
        self._writer = writer
        self._tally = tally
        self._open: dict[int, _Upload] = {}
        self._held: dict[int, list[Part]] = {}
        self._slots = asyncio.Semaphore(JOBS_MAX)
        self._sizes = sizes
        self.refused: list[RefusedRows] = []

    async def put(self, part: Part) -> None:
        upload = self._open.get(part.nulls)
        if upload is not None:
            await self._send(upload, part)
            return
        held = self._held.setdefault(part.nulls, [])
        held.append(part)
        if _rows(held) >= self._sizes.rows_min and len(self._open) < UPLOADS_OPEN_MAX:
            upload = await self._opened(part.nulls)
            for waiting in self._held.pop(part.nulls):
                await self._send(upload, waiting)
        elif sum(map(_bytes, self._held.values())) >= HELD_BYTES_MAX:
            await self._let_go(max(self._held, key=lambda nulls: _bytes(self._held[nulls])))

    async def finish(self) -> None:
        """Close every upload and send what was held; the task group waits for the jobs."""
        for upload in self._open.values():
            await upload.queue.put(None)
        self._open = {}
        for nulls in list(self._held):
            await self._let_go(nulls)

    async def _let_go(self, nulls: int) -> None:
        """Write what is held of one kind: in a job of its own if there is enough of it, else by REST."""
        parts = self._held.pop(nulls)
        if _rows(parts) < self._sizes.rows_min:
            await self._by_rest(parts)
            return
        upload = await self._opened(nulls)
        for part in parts:
            await self._send(upload, part)
        await self._open.pop(nulls).queue.put(None)

    async def _send(self, upload: _Upload, part: Part) -> None:
        if upload.sent_rows and upload.sent_bytes + len(part.content) > self._sizes.bytes_max:
            await upload.queue.put(None)
            upload = await self._opened(part.nulls)
        upload.sent_bytes += len(part.content)
        upload.sent_rows += part.rows
        await upload.queue.put(part.content)

    async def _opened(self, nulls: int) -> _Upload:
        await self._slots.acquire()
        upload = _Upload()
        header = self._writer.mapping.codec.header(nulls)
        upload.sent_bytes = len(header)
        upload.queue.put_nowait(header)
        self._open[nulls] = upload
        self._group.create_task(self._run(upload))
        return upload

    async def _run(self, upload: _Upload) -> None:
        step = self._writer.mapping.step

        async def blocks() -> AsyncIterator[bytes]:
            while (block := await upload.queue.get()) is not None:
                yield block

        again = AGAIN_CODES | {StatusCode.DUPLICATES_DETECTED} if step.allow_duplicates else AGAIN_CODES
        refused = RefusedRows(again, self._again)
        name, key = ApiName.parse(step.target), ApiName.parse(step.key)
        try:
            with asking(TARGET):
                outcome = await ingest(
                    self._target, name, key, blocks(), refused=refused, rows_sent=lambda: upload.sent_rows
                )
        finally:
            self._slots.release()
        self.refused.append(refused)
        self._count(outcome, upload.sent_rows, refused.taken)

    async def _again(self, names: Sequence[str], rows: Sequence[RawRow]) -> None:
        for record in self._writer.mapping.from_refused(names, rows):
            await self._writer.add(record)

    def _count(self, outcome: IngestOutcome, sent_rows: int, taken: Mapping[StatusCode, int]) -> None:
        """Count what became of an upload; rows that were `taken` are written again, and counted then."""
        if outcome.processed > sent_rows:
            raise Stopped(EndReason.UNEXPECTED_ANSWER)
        self._tally.written(outcome.processed - outcome.failed)
        explained = 0
        left = dict(taken)
        for (code, field_name), rows in outcome.failures.items():
            again = min(rows, left.get(code, 0))
            left[code] = left.get(code, 0) - again
            if rows > again:
                ordinal = self._writer.mapping.ordinal(field_name) if field_name else None
                self._tally.failed(code, ordinal, rows - again)
            explained += rows
        if outcome.failed > explained:
            self._tally.failed(StatusCode.OTHER, None, outcome.failed - explained)
        # What the org has neither processed nor listed was not applied either.
        unprocessed = sent_rows - outcome.processed
        if unprocessed:
            self._tally.failed(StatusCode.UNPROCESSED, None, unprocessed)

    async def _by_rest(self, parts: list[Part]) -> None:
        for part in parts:
            for record in self._writer.mapping.from_part(part):
                await self._writer.add(record)


def _rows(parts: list[Part]) -> int:
    return sum(part.rows for part in parts)


def _bytes(parts: list[Part]) -> int:
    return sum(len(part.content) for part in parts)
