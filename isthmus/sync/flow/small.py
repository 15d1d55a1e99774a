"""The small path: pages of JSON records, upserted 200 at a time by REST collections."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import Final

from isthmus.salesforce.collections import UPSERT_ROWS_MAX, RowResult, upsert
from isthmus.salesforce.query import pages
from isthmus.salesforce.records import Record
from isthmus.salesforce.session import Session
from isthmus.salesforce.status_code import StatusCode
from isthmus.sync.flow.computed import NO_TOOLS, Tools
from isthmus.sync.flow.job import SOURCE, TARGET
from isthmus.sync.flow.mapping import StepMapping, Unsendable
from isthmus.sync.flow.reading import check_key, query_of
from isthmus.sync.flow.sides import asking
from isthmus.sync.flow.substitutes import Substitutes
from isthmus.sync.flow.tally import Tally
from isthmus.sync.model import Step, Window
from isthmus.values import ApiName

LOCK_TRIES_MAX: Final = 4
LOCK_PAUSE_S: Final = 0.25
LOCK_ROWS: Final = 20
"""Rows that met a lock go again in smaller lots, so that they stand in each other's way less."""


async def move_small(step: Step, window: Window | None, source: Session, writer: SmallWriter, tally: Tally) -> None:
    """Read the window in order of change and write it, page by page."""
    mapping = writer.mapping
    with asking(SOURCE):
        batches = pages(source, query_of(step, mapping.select, window, ordered=True))
    while True:
        with asking(SOURCE):
            batch = await anext(batches, None)
        if batch is None:
            return
        records = batch.reveal()
        tally.read(len(records))
        if records:
            check_key(step, records[0].get(step.key_source))
        await writer.substitutes.learn(mapping.wanted(records))
        for record in records:
            await writer.add(mapping.from_record(record))
        await writer.finish()
        batch.clear()
        await tally.flush()


class SmallWriter:
    """Collects mapped records and upserts them in lots of 200; each row's result is counted."""

    def __init__(self, step: Step, sessions: tuple[Session, Session], tally: Tally, tools: Tools = NO_TOOLS) -> None:
        """Write for `step`."""
        self.substitutes = Substitutes(step, sessions)
        self.mapping = StepMapping(step, self.substitutes.tables, tools)
        self._target = sessions[TARGET]
        self._tally = tally
        self._lot: dict[str, Record] = {}

    async def add(self, record: Record | Unsendable) -> None:
        """Take one record, or count one that cannot go. The same key twice in a lot: the later one wins."""
        if isinstance(record, Unsendable):
            self._tally.failed(record.code, record.ordinal)
            return
        key = str(record[self.mapping.step.key]).casefold()
        if self._lot.pop(key, None) is not None:
            self._tally.written(1)
        self._lot[key] = record
        if len(self._lot) >= UPSERT_ROWS_MAX:
            await self.finish()

    async def finish(self) -> None:
        """Write what has come together."""
        records = list(self._lot.values())
        self._lot = {}
        if records:
            await self._write(records)

    async def _write(self, records: Sequence[Record]) -> None:
        size = UPSERT_ROWS_MAX
        for attempt in range(1, LOCK_TRIES_MAX + 1):
            locked: list[Record] = []
            for start in range(0, len(records), size):
                lot = records[start : start + size]
                results = await self._upsert(lot)
                retried = attempt < LOCK_TRIES_MAX
                locked += [r for r, result in zip(lot, results, strict=True) if retried and _is_locked(result)]
                self._count(result for result in results if not (retried and _is_locked(result)))
            if not locked:
                return
            await asyncio.sleep(LOCK_PAUSE_S * 2**attempt)
            records, size = locked, LOCK_ROWS

    async def _upsert(self, lot: Sequence[Record]) -> list[RowResult]:
        step = self.mapping.step
        with asking(TARGET):
            return await upsert(
                self._target,
                ApiName.parse(step.target),
                ApiName.parse(step.key),
                lot,
                allow_duplicates=step.allow_duplicates,
            )

    def _count(self, results: Iterable[RowResult]) -> None:
        for result in results:
            if result.ok:
                self._tally.written(1, int(result.created))
                continue
            ordinals = (self.mapping.ordinal(name) for name in result.field_names)
            ordinal = next((number for number in ordinals if number is not None), None)
            self._tally.failed(result.code or StatusCode.OTHER, ordinal)


def _is_locked(result: RowResult) -> bool:
    return result.code == StatusCode.UNABLE_TO_LOCK_ROW
