"""Writing with a look at both records of a pair: two-way steps, and the first run of a step that adopts.

Page by page: (1) read the other record of each row's pair, (2) decide what may be written (`deciding`), (3) change what
is there by its Id, with the fields that differ and no others, (4) create what has no counterpart, by its key.

An update by Id never creates, so what is deleted meanwhile stays deleted; a creation is an upsert by the key, so that
it may be done twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from isthmus.salesforce.collections import UPSERT_ROWS_MAX, RowResult, update, upsert
from isthmus.salesforce.query import FieldPath, OneOf, pages, soql_select
from isthmus.salesforce.records import Cell, Record
from isthmus.salesforce.session import Session
from isthmus.salesforce.status_code import StatusCode
from isthmus.sync.flow.adopting import Adopter
from isthmus.sync.flow.both import Both
from isthmus.sync.flow.changing import Answer, Update, change, patiently
from isthmus.sync.flow.computed import Tools
from isthmus.sync.flow.counterparts import (
    ID,
    QUERY_CHARS_MAX,
    TRACE,
    Counterpart,
    Counterparts,
    Index,
    lots,
    trace_of,
)
from isthmus.sync.flow.deciding import Trace, decide, outlives
from isthmus.sync.flow.job import SOURCE, TARGET, StepJob, WindowJob
from isthmus.sync.flow.likeness import differing
from isthmus.sync.flow.mapping import StepMapping, Unsendable
from isthmus.sync.flow.sides import Stopped, asking
from isthmus.sync.flow.small import LOCK_PAUSE_S, LOCK_TRIES_MAX
from isthmus.sync.flow.substitutes import Substitutes
from isthmus.sync.flow.tally import Tally
from isthmus.sync.flow.witness import Row, Witness
from isthmus.sync.model import ColumnKind, EndReason, Step, StepKind
from isthmus.sync.pairing import Pairing
from isthmus.values import ApiName


class Pairs:
    """One step while it is moved."""

    def __init__(
        self,
        job: StepJob,
        both: Both,
        tally: Tally,
        tools: Tools,
        *,
        adopting: bool,
        since: datetime | None = None,
        witness: Witness | None = None,
        bereft: bool = False,
    ) -> None:
        """Lay out the step; it must have a pairing. `witness` sees what a run only counts. `bereft`: see `move_bereft`.

        `since`: where the window begins that is read; it overlaps the last one up to `job.seen_until`.
        """
        if job.step.pairing is None:
            raise Stopped(EndReason.BUG)
        self._step: Step = job.step
        self._pairing: Pairing = job.step.pairing
        self._both = both
        self._tally = tally
        self._witness = witness
        self._bereft = bereft
        self._substitutes = Substitutes(self._step, both.sessions)
        self._mapping = StepMapping(self._step, self._substitutes.tables, tools)
        self._counterparts = Counterparts(self._step, both, job.uncarried, job.overlap_since, job.unloaded)
        self._marks = {column.target for column in self._step.columns if column.kind is ColumnKind.CONSTANT}
        self._fresh = (WindowJob(job.seen_until),)
        self._since = since
        adoption = self._pairing.adoption
        load = self._step.kind is StepKind.LOAD
        self._adopter = (
            Adopter(self._step, both, self._counterparts, adoption) if adoption and adopting and load else None
        )
        self._updates: list[Update] = []
        self._creates: list[Record] = []
        self._freed: list[Record] = []

    @property
    def select(self) -> tuple[str, ...]:
        """The source's fields to read, the key first."""
        names = list(self._mapping.select)
        if self._pairing.two_way:
            parents = [f"{relationship}.{self._step.key}" for relationship in self._pairing.parents.values()]
            names += [ID, self._step.key, *TRACE, *parents]
        return tuple({name.casefold(): name for name in names}.values())

    async def read(self, ids: Sequence[str]) -> list[Record]:
        """Return records of the source by their ids, as many as one query can name."""
        select = [FieldPath.of(name) for name in self.select]
        soql = soql_select(ApiName.parse(self._step.source), select, [OneOf(FieldPath.of(ID), ids)])
        with asking(SOURCE):
            return [record async for batch in pages(self._both.sessions[SOURCE], soql) for record in batch.reveal()]

    async def take(self, records: Sequence[Record]) -> None:
        """Write a page of the source's records; each row is counted.

        Both ways no more are looked at than one call writes: whoever edits the other record in between is written over.
        """
        rows = UPSERT_ROWS_MAX if self._pairing.two_way else max(1, len(records))
        for start in range(0, len(records), rows):
            await self._settle(records[start : start + rows])

    async def _settle(self, records: Sequence[Record]) -> None:
        """Look and write until nothing is left to be looked at again.

        A record that meets a lock is being changed by somebody, and a write that was cut off may come too late: such
        pairs are looked at once more before they are written.
        """
        for attempt in range(1, LOCK_TRIES_MAX + 1):
            unsettled = await self._take(records, last=attempt == LOCK_TRIES_MAX)
            if not unsettled:
                return
            await asyncio.sleep(LOCK_PAUSE_S * 2**attempt)
            room = QUERY_CHARS_MAX - len(",".join(self.select))
            records = [record for lot in lots(unsettled, room) for record in await self.read(lot)]

    async def _take(self, records: Sequence[Record], *, last: bool) -> list[str]:
        """Return the ids of rows that are to be looked at again; none if it is the `last` time."""
        rows, index = await self._looked_up(records)
        alone: dict[str, Row] = {}
        for row in rows:
            if (found := self._live(row, index)) is not None:
                self._meet(row, found)
            elif self._step.kind is StepKind.LOAD:
                self._miss(row, index, alone)
            elif self._gone(row, index) is None:
                # Its load failed, or waits for a decision: this pass comes again when that has passed.
                self._stuck(row, StatusCode.COUNTERPART_MISSING)
        await self._adopt(alone)
        return await self._write(last=last)

    async def met(self, records: Sequence[Record]) -> list[tuple[Row, Counterpart]]:
        """Return those of the source's records that can be sent and whose counterpart lives, with it."""
        rows, index = await self._looked_up(records)
        return [(row, found) for row in rows if (found := self._live(row, index)) is not None]

    async def _looked_up(self, records: Sequence[Record]) -> tuple[list[Row], Index]:
        await self._substitutes.learn(self._mapping.wanted(records))
        rows = [row for record in records if (row := self._row(record)) is not None]
        linked = [row.linked for row in rows if row.linked is not None]
        return rows, await self._counterparts.of([row.key for row in rows], linked)

    def differing(self, row: Row, found: Counterpart) -> list[str]:
        """Return the target's fields in which the pair differs."""
        columns = [column for column in (*self._step.columns, *self._step.clears) if not column.create_only]
        return differing(columns, self._pairing.likeness, row.mapped, found.values)

    def _row(self, record: Record) -> Row | None:
        mapped = self._mapping.from_record(record)
        if isinstance(mapped, Unsendable):
            self._tally.failed(mapped.code, mapped.ordinal)
            if self._witness is not None:
                self._witness.unsendable(record, mapped)
            return None
        key, linked = str(mapped[self._step.key]), None
        trace = None
        if self._pairing.two_way:
            mapped = self._with_known_parents(mapped, record)
            held = record.get(self._step.key)
            linked = held if isinstance(held, str) else None
            with asking(SOURCE):
                trace = trace_of(record, SOURCE, self._both, self._fresh, self._since)
        if self._step.kind is StepKind.LINK:
            mapped = self._links_only(mapped)
        return Row(key, linked, mapped, trace, record)

    def _with_known_parents(self, mapped: Record, record: Record) -> Record:
        """A parent that is the copy of a record of the target is named by that record's own id."""
        known: dict[str, Cell] = {}
        for column in self._step.columns:
            relationship = self._pairing.parents.get(column.target)
            parent = record.get(relationship) if relationship is not None else None
            origin = _dig(parent, self._step.key)
            if column.relationship in mapped and isinstance(origin, str):
                known[column.target] = origin
        dropped = {column.relationship for column in self._step.columns if column.target in known}
        return {**{name: value for name, value in mapped.items() if name not in dropped}, **known}

    def _links_only(self, mapped: Record) -> Record:
        names = {self._step.key, *self._step.links}
        names |= {column.relationship or "" for column in self._step.columns if column.target in self._step.links}
        return {name: value for name, value in mapped.items() if name in names}

    def _meet(self, row: Row, found: Counterpart) -> None:
        """Both records are there. The mark of a deletion comes off whoever wins: it is no value of anybody's."""
        fields = self.differing(row, found)
        marks = [name for name in fields if name in self._marks]
        fields = [name for name in fields if name not in marks]
        decision = decide(self._pairing, row.trace or found.trace, found.trace, fields)
        write = (*decision.write, *marks)
        theirs = not decision.write and not found.trace.ours and found.trace.uncarried
        if write and (found.unloaded or theirs) and not decision.held:
            # Our write would make the record ours, and the load would not see that somebody has changed it.
            self._stuck(row, StatusCode.COUNTERPART_MISSING)
            return
        if decision.held:
            self._held(row, found, fields, adopting=False)
        elif write:
            self._update(row, {ID: found.row_id, **self.fields(row.mapped, write)})
        if decision.decided:
            self._tally.noted(StatusCode.CONFLICT_DECIDED)
        if decision.echo:
            self._tally.noted(StatusCode.ECHO_CHANGED)
        if decision.unsure:
            self._tally.noted(StatusCode.CONFLICT_UNSURE)

    def _miss(self, row: Row, index: Index, alone: dict[str, Row]) -> None:
        """The other record is not there: never was, or was deleted."""
        gone = self._gone(row, index)
        if gone is None and row.linked is not None and not self._bereft:
            self._stuck(row, StatusCode.COUNTERPART_MISSING)
        elif gone is None and row.linked is None:
            alone[row.key] = row
        elif gone is not None and row.trace is not None and not self._again(row.trace, gone):
            self._tally.noted(StatusCode.COUNTERPART_DELETED)
        else:
            self._freed += [] if row.linked is None else [{ID: row.key, self._step.key: None}]
            self._creates.append(row.mapped)

    def _update(self, row: Row, values: Record) -> None:
        self._updates.append(Update(str(row.record.get(ID)), values))

    def _held(self, row: Row, found: Counterpart, fields: Sequence[str], *, adopting: bool) -> None:
        self._tally.failed(StatusCode.CONFLICT_HELD, self._mapping.ordinal(fields[0]))
        if self._witness is not None:
            self._witness.held(row, found, fields, adopting=adopting)

    def _stuck(self, row: Row, code: StatusCode) -> None:
        self._tally.failed(code, None)
        if self._witness is not None:
            self._witness.stuck(row, code)

    @staticmethod
    def _live(row: Row, index: Index) -> Counterpart | None:
        return index.live_by_key.get(row.key) if row.linked is None else index.live_by_id.get(row.linked)

    def _gone(self, row: Row, index: Index) -> Counterpart | None:
        return index.gone_by_key.get(row.key) if row.linked is None else index.gone_by_id.get(row.linked)

    def _again(self, trace: Trace, gone: Counterpart) -> bool:
        """Whether a row is made again: its counterpart was deleted by us for a row that lives again, or before it."""
        return self._pairing.recreates and (self._bereft or gone.trace.ours or outlives(trace, gone.trace.modified))

    async def _adopt(self, alone: dict[str, Row]) -> None:
        found = await self._adopter.found({key: row.mapped for key, row in alone.items()}) if self._adopter else {}
        for key, row in alone.items():
            if key not in found:
                self._creates.append(row.mapped)
                continue
            match = found[key]
            if match is None:
                self._stuck(row, StatusCode.AMBIGUOUS_MATCH)
            else:
                self._take_over(row, match)

    def _take_over(self, row: Row, found: Counterpart) -> None:
        """Adopt a record in one write with what is to change in it, so that no run can find it half adopted.

        Where the other side wins, the other direction adopts: it writes its values together with the key.
        """
        fields = self.differing(row, found)
        decision = decide(self._pairing, row.trace or found.trace, replace(found.trace, uncarried=True), fields)
        if decision.held:
            self._held(row, found, fields, adopting=True)
            return
        if fields and not decision.write:
            return
        changes = self.fields(row.mapped, decision.write)
        self._update(row, {ID: found.row_id, self._step.key: row.key, **changes})
        self._tally.noted(StatusCode.ADOPTED)
        if decision.decided:
            self._tally.noted(StatusCode.CONFLICT_DECIDED)

    def fields(self, mapped: Record, names: Sequence[str]) -> dict[str, Cell]:
        """Return what `mapped` has for these fields; a lookup stands there by its relationship or as itself."""
        fields: dict[str, Cell] = {}
        for column in (*self._step.columns, *self._step.clears):
            if column.target in names:
                relationship = column.relationship or ""
                by_key = column.kind is ColumnKind.PARENT and relationship in mapped
                fields[relationship if by_key else column.target] = mapped[relationship if by_key else column.target]
        return fields

    async def _write(self, *, last: bool) -> list[str]:
        updates, creates = self._updates, self._creates
        unsettled: list[str] = []
        if self._witness is None or not self._witness.reads_only:
            freed = await self._free(self._both.sessions[SOURCE])
            unsettled = await self._change(updates, last=last)
            await self._create([record for record in creates if record[self._step.key] not in freed])
        self._updates, self._creates, self._freed = [], [], []
        return unsettled

    async def _change(self, updates: Sequence[Update], *, last: bool) -> list[str]:
        target, name = self._both.sessions[TARGET], ApiName.parse(self._step.target)
        if self._pairing.two_way:
            return await change(target, name, updates, self._count, last=last)

        async def send(lot: Sequence[Record]) -> list[RowResult]:
            with asking(TARGET):
                return await update(target, name, lot)

        await patiently([each.values for each in updates], send, self._count)
        return []

    async def _create(self, creates: Sequence[Record]) -> None:
        target, name, key = self._both.sessions[TARGET], ApiName.parse(self._step.target), ApiName.parse(self._step.key)

        async def create(lot: Sequence[Record]) -> list[RowResult]:
            with asking(TARGET):
                return await upsert(target, name, key, lot, allow_duplicates=self._step.allow_duplicates)

        await patiently(creates, create, self._count)

    async def _free(self, source: Session) -> set[Cell]:
        """Take the key off rows whose original is gone for good; return those of which the org refused it."""
        name = ApiName.parse(self._step.source)
        refused: set[Cell] = set()

        async def clear(lot: Sequence[Record]) -> list[RowResult]:
            with asking(SOURCE):
                results = await update(source, name, lot)
            refused.update(row[ID] for row, result in zip(lot, results, strict=True) if not result.ok)
            return results

        await patiently(self._freed, clear, self._count_refusals)
        return refused

    def _count(self, answers: Sequence[Answer]) -> None:
        for _, result in answers:
            if result.ok:
                self._tally.written(1, int(result.created))
        self._count_refusals(answers)

    def _count_refusals(self, answers: Sequence[Answer]) -> None:
        for record, result in answers:
            if not result.ok:
                ordinals = (self._mapping.ordinal(name) for name in result.field_names)
                ordinal = next((number for number in ordinals if number is not None), None)
                self._tally.failed(result.code or StatusCode.OTHER, ordinal)
                if self._witness is not None:
                    self._witness.refused(record, result)


def _dig(value: object, name: str) -> object:
    """Return a field of a parent as a query gives it, or None."""
    return value.get(name) if isinstance(value, dict) else None  # pyright: ignore[reportUnknownVariableType, reportUnknownMemberType] - JSON
