"""Carrying out what a person decided for a held conflict that was shown: exactly what was seen, or nothing.

Both records are read once more. If either is not what was shown, nothing is written and the pair stays held. Then each
record that loses is changed by its Id on the condition that nobody has changed it since (`If-Unmodified-Since`), so
that no edit between the reading and the writing is lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeAlias

from isthmus.salesforce.collections import update_unless_changed
from isthmus.salesforce.errors import Refused, Transient
from isthmus.salesforce.query import FieldPath, OneOf, pages, soql_select
from isthmus.salesforce.records import Cell, Record
from isthmus.salesforce.status_code import StatusCode
from isthmus.sync.flow.both import Both
from isthmus.sync.flow.computed import Tools
from isthmus.sync.flow.counterparts import ID, STAMP, Counterpart, instant_of
from isthmus.sync.flow.job import SOURCE, TARGET, StepJob
from isthmus.sync.flow.pairs import Pairs
from isthmus.sync.flow.shown import Decision, Outcome, Side
from isthmus.sync.flow.sides import Stopped, asking, turned
from isthmus.sync.flow.tally import Tally
from isthmus.sync.flow.witness import Row
from isthmus.sync.model import Step
from isthmus.values import ApiName

STAMP_STEP: Final = timedelta(seconds=1)
"""Stamps are told to the second; what was changed later in that second has been seen by the second reading."""
Ended: TypeAlias = tuple[Outcome, StatusCode | None]


@dataclass(frozen=True, slots=True)
class Held:
    """A pair in conflict as it was shown, in the words of its step. `adopting`: it is no pair yet."""

    row: Row
    found: Counterpart
    fields: tuple[str, ...]
    adopting: bool

    def __repr__(self) -> str:
        """Show that there is one, nothing more."""
        return "<Held>"


@dataclass(frozen=True, slots=True)
class _Write:
    """One record to change: which org of the step, object, values, and when it was touched last."""

    side: int
    name: str
    row_id: str
    values: dict[str, Cell]
    touched: Cell

    def __repr__(self) -> str:
        return "<Write>"


class Joiner:
    """Writes decided pairs of one step."""

    def __init__(self, step: Step, opposite: Step, both: Both, tools: Tools) -> None:
        """`both` as the step sees the orgs."""
        self._step = step
        self._opposite = opposite
        self._both = both
        other = both.turned()
        self._pairs = Pairs(StepJob(0, step, ()), both, _tally(both), tools, adopting=False)
        self._back = Pairs(StepJob(0, opposite, ()), other, _tally(other), tools, adopting=False)

    async def carry_out(self, held: Held, decision: Decision) -> Ended:
        """Write what was decided for a pair, if it still is what was shown. Raises `Stopped`."""
        again = await self._met(self._pairs, self._both, self._step, str(held.row.record[ID]))
        if again is None or not _same(held, again):
            return Outcome.CHANGED, None
        there = [name for name in held.fields if self._source_stays(name, decision)]
        here = [name for name in held.fields if name not in there]
        writes: list[_Write] = []
        if there:
            values = self._pairs.fields(held.row.mapped, there)
            found = held.found
            writes.append(_Write(TARGET, self._step.target, found.row_id, values, found.values.get(STAMP)))
        if here:
            back = await self._met_back(held.found.row_id)
            if back is None or back[1].row_id != held.row.record[ID]:
                return Outcome.CHANGED, None
            wanted = {column.source for column in self._step.columns if column.target in here}
            names = [name for name in self._back.differing(*back) if name in wanted or not there]
            values = self._back.fields(back[0].mapped, names)
            record = held.row.record
            writes.append(_Write(SOURCE, self._step.source, str(record[ID]), values, record.get(STAMP)))
        writes = [write for write in writes if write.values]
        return await self._write(writes) if writes else (Outcome.UNDECIDABLE, None)

    def _source_stays(self, name: str, decision: Decision) -> bool:
        """Whether the value of the step's source stays in this field of its target."""
        columns = (*self._step.columns, *self._step.clears)
        column = next(column for column in columns if column.target == name)
        known = column.target if self._step.backward else column.source or column.target
        side = decision.fields.get(known, decision.winner)
        return (side is Side.SOURCE) is not self._step.backward

    async def _met(self, pairs: Pairs, both: Both, step: Step, row_id: str) -> tuple[Row, Counterpart] | None:
        """Read one record of the step's source and its counterpart."""
        select = [FieldPath.of(name) for name in pairs.select]
        soql = soql_select(ApiName.parse(step.source), select, [OneOf(FieldPath.of(ID), [row_id])])
        records: list[Record] = []
        with asking(SOURCE):
            async for batch in pages(both.sessions[SOURCE], soql):
                records += batch.reveal()
        met = await pairs.met(records)
        return met[0] if len(met) == 1 else None

    async def _met_back(self, row_id: str) -> tuple[Row, Counterpart] | None:
        """Read the pair once more as the other direction sees it."""
        try:
            return await self._met(self._back, self._both.turned(), self._opposite, row_id)
        except Stopped as stop:
            raise Stopped(turned(stop.reason, backward=True), stop.code) from None

    async def _write(self, writes: Sequence[_Write]) -> Ended:
        for done, write in enumerate(writes):
            with asking(write.side):
                unless_after = instant_of(write.touched) + STAMP_STEP
                session, name = self._both.sessions[write.side], ApiName.parse(write.name)
                try:
                    written = await update_unless_changed(
                        session, name, write.row_id, write.values, unless_after=unless_after
                    )
                except Refused as refused:
                    return Outcome.HALF if done else Outcome.REFUSED, refused.code
                except Transient as cut:
                    locked = cut.code == StatusCode.UNABLE_TO_LOCK_ROW
                    return Outcome.REFUSED if locked and not done else Outcome.UNKNOWN, cut.code
            if not written:
                return Outcome.HALF if done else Outcome.CHANGED, None
        return Outcome.WRITTEN, None


def _same(held: Held, again: tuple[Row, Counterpart]) -> bool:
    row, found = again
    return found.row_id == held.found.row_id and (row.record, found.values) == (held.row.record, held.found.values)


def _tally(both: Both) -> Tally:
    return Tally(_Nowhere(), 0, both.sessions)


class _Nowhere:
    """Where the counts go: a decision tells its own outcome."""

    async def send(self, message: bytes) -> None:
        del message
