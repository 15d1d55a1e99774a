"""A look at pairs: held conflicts with both records as they are in their orgs now, and other rows that do not go in.

It is the run's own look at both records (`pairs`), with a witness. Where nothing but conflicts is open, nothing is
tried.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

from isthmus.salesforce.collections import RowResult
from isthmus.salesforce.query import pages
from isthmus.salesforce.records import Cell, Record
from isthmus.salesforce.session import Session
from isthmus.salesforce.status_code import StatusCode
from isthmus.sync.flow.both import Both, look_at_both
from isthmus.sync.flow.computed import Tools
from isthmus.sync.flow.counterparts import MODIFIED, Counterpart, instant_of
from isthmus.sync.flow.job import SOURCE, StepJob
from isthmus.sync.flow.joining import Held, Joiner
from isthmus.sync.flow.mapping import Unsendable
from isthmus.sync.flow.pairs import Pairs
from isthmus.sync.flow.reading import query_of
from isthmus.sync.flow.showing import Showing, unsendable_row
from isthmus.sync.flow.shown import (
    Carried,
    Decision,
    Outcome,
    ShownChange,
    ShownField,
    ShownPair,
    ShownRow,
    fitting,
    shown_row,
    shown_text,
)
from isthmus.sync.flow.sides import asking
from isthmus.sync.flow.tally import Tally
from isthmus.sync.flow.witness import Row
from isthmus.sync.model import Column, ColumnKind, Step, Window

LOT_ROWS: Final = 200
"""So many rows are looked at before it is asked whether enough are shown."""
SETTLED_S: Final = 2.0
"""Orgs stamp in whole seconds: what was shown is old enough to be told from any later change after so long."""


class PairLook:
    """One look at a step that looks at both records first. It is its pairs' witness."""

    def __init__(
        self,
        job: StepJob,
        sessions: tuple[Session, Session],
        showing: Showing,
        tools: Tools,
        *,
        reads_only: bool,
    ) -> None:
        """Look at the step of `job` between `sessions`, its source first."""
        self._job = job
        self._step = job.step
        self._sessions = sessions
        self._showing = showing
        self._tools = tools
        self._both = Both(sessions)
        self._held: list[Held] = []
        self._rows: list[ShownRow] = []
        self._pairs: list[ShownPair] = []
        self._last = 0
        self._shown_s = 0.0
        self._joiner: Joiner | None = None
        self.reads_only = reads_only

    @property
    def decidable(self) -> bool:
        """Whether a pair was shown that the viewer may decide."""
        return any(not held.adopting for held in self._held)

    async def run(self, window: Window | None, *, rows_max: int) -> None:
        """Look through the window until enough is shown, or `rows_max` rows were looked at."""
        step = self._step
        if step.pairing is not None and step.pairing.two_way:
            self._both = await look_at_both(self._sessions)
        tally = Tally(_Nowhere(), 0, self._sessions)
        adopting = window is None or window.since is None
        pairs = Pairs(self._job, self._both, tally, self._tools, adopting=adopting, witness=self)
        query = query_of(step, pairs.select, window, ordered=True)
        async with aclosing(pages(self._sessions[SOURCE], query)) as batches:
            while not self._showing.full and self._showing.rows_tried < rows_max:
                with asking(SOURCE):
                    batch = await anext(batches, None)
                if batch is None:
                    break
                records = batch.reveal()
                for start in range(0, len(records), LOT_ROWS):
                    if not self._showing.full:
                        await self._take(pairs, records[start : start + LOT_ROWS])
                batch.clear()
        self._shown_s = self._sessions[SOURCE].clock.monotonic_s()

    async def carry_out(self, decision: Decision, opposite: Step) -> Carried:
        """Carry out what the viewer decided for one of the shown pairs."""
        if not 0 < decision.pair <= len(self._held) or self._held[decision.pair - 1].adopting:
            return Carried(decision.pair, Outcome.UNDECIDABLE)
        passed_s = self._sessions[SOURCE].clock.monotonic_s() - self._shown_s
        await asyncio.sleep(max(0.0, SETTLED_S - passed_s))
        if self._joiner is None:
            self._joiner = Joiner(self._step, opposite, self._both, self._tools)
        outcome, code = await self._joiner.carry_out(self._held[decision.pair - 1], decision)
        return Carried(decision.pair, outcome, "" if code is None else code.name)

    async def _take(self, pairs: Pairs, records: Sequence[Record]) -> None:
        self._showing.rows_tried += len(records)
        await pairs.take(records)
        for pair in self._pairs:
            self._showing.rows_failed += 1
            if not self._showing.full:
                await self._showing.pair(pair)
                self._last = pair.number
        del self._held[self._last :]  # nobody decides what nobody has seen
        await self._showing.rows(self._rows)
        self._pairs, self._rows = [], []

    def unsendable(self, record: Record, reason: Unsendable) -> None:
        """Show the row as it was read."""
        self._rows.append(unsendable_row(self._step, record, reason))

    def held(self, row: Row, found: Counterpart, fields: Sequence[str], *, adopting: bool) -> None:
        """Show both records, and keep what was shown for as long as the viewer may decide."""
        self._held.append(Held(row, found, tuple(fields), adopting))
        self._pairs.append(_pair(len(self._held), self._step, self._held[-1]))

    def stuck(self, row: Row, code: StatusCode) -> None:
        """Show what would be sent."""
        self._rows.append(shown_row(row.mapped, code, (), ""))

    def refused(self, record: Record, result: RowResult) -> None:
        """Show what was sent, and the org's words."""
        self._rows.append(shown_row(record, result.code or StatusCode.OTHER, result.field_names, result.message))


class _Nowhere:
    """Where the counts of a look go: what it shows is all that it says."""

    async def send(self, message: bytes) -> None:
        del message


def _pair(number: int, step: Step, held: Held) -> ShownPair:
    row, found = held.row, held.found
    fields = [_field(column, held, backward=step.backward) for column in (*step.columns, *step.clears)]
    unique = {field.target: field for field in fields}
    ordered = sorted(unique.values(), key=lambda field: not field.differs)
    here = ShownChange(instant_of(row.record.get(MODIFIED)), ours=row.trace is not None and row.trace.ours)
    there = ShownChange(instant_of(found.values.get(MODIFIED)), ours=found.trace.ours)
    names = (step.target, step.source) if step.backward else (step.source, step.target)
    changes = (there, here) if step.backward else (here, there)

    def made(kept: Sequence[ShownField]) -> ShownPair:
        return ShownPair(number, *names, *changes, tuple(kept), decidable=not held.adopting)

    return fitting(ordered, made)


def _field(column: Column, held: Held, *, backward: bool) -> ShownField:
    here, there = _values(column, held)
    names = (column.source or column.target, column.target)
    ends = (names[::-1], (there, here)) if backward else (names, (here, there))
    values = [shown_text(value) for value in ends[1]]
    return ShownField(*ends[0], *values, differs=column.target in held.fields)


def _values(column: Column, held: Held) -> tuple[Cell, Cell]:
    """The column's values of both records; a lookup as the key of the parent that is meant, and of that it has."""
    mapped, values = held.row.mapped, held.found.values
    if column.kind is not ColumnKind.PARENT:
        return held.row.record.get(column.source or ""), values.get(column.target)
    relationship, key = column.relationship or "", column.parent_key or ""
    if relationship in mapped:
        return _key_of(mapped[relationship], key), _key_of(values.get(relationship), key)
    return mapped.get(column.target), values.get(column.target)


def _key_of(parent: Cell, key: str) -> Cell:
    value = parent.get(key) if isinstance(parent, dict) else None
    return value if isinstance(value, str) else None
