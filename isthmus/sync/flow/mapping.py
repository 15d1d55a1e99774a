"""One step's mapping, the same on both paths: which fields are selected, and what becomes of a record.

| source | JSON | Bulk file |
|---|---|---|
| null | `null` | `#N/A` |
| left alone (a lookup that the second pass sets) | key absent | empty cell |
| parent | `{"Rel": {"Key": id}}`, null: `{"Lookup": null}` | column `Rel.Key`, null: `Lookup` in another file |
| parent of several kinds | `{"Rel": {"attributes": {"type": T}, "Key": id}}` | column `T:Rel.Key`, a file for each T |
| constant | typed value | quoted text |
| computed | typed value | quoted text; see `computed` |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final, TypeAlias, cast

from isthmus.salesforce.records import Cell, Record
from isthmus.salesforce.refused_rows import RawRow
from isthmus.salesforce.status_code import StatusCode
from isthmus.sync.flow.cells import decoded_cell, encoded_cell
from isthmus.sync.flow.computed import NO_TOOLS, Computed, NoValue, Tools
from isthmus.sync.flow.csv_blocks import NULL_CELL, Block, Codec, Mapped, Output, Part, rows_of
from isthmus.sync.flow.parent_columns import ParentOutput
from isthmus.sync.flow.swaps import NO_TABLES, Tables
from isthmus.sync.model import Column, ColumnKind, Step, StepKind, ValueType

Value: TypeAlias = str | int | float | bool | Decimal | None
LEFT_ALONE: Final = ""
"""An empty cell of an upload: the org leaves the field as it is."""
_RESULT_PREFIX: Final = "sf__"
NO_KEY: Final = StatusCode.parse("MISSING_ARGUMENT")


@dataclass(frozen=True, slots=True)
class Unsendable:
    """A row that cannot be sent, and why; `ordinal` is the column that is to blame, if one is."""

    code: StatusCode
    ordinal: int | None


@dataclass(frozen=True, slots=True)
class ParsedBlock:
    """A block with its computed cells; `failed` counts rows for which a column could not be computed."""

    block: Block
    failed: Mapping[int | None, int]


class StepMapping:
    """The mapping of one step. `select` are the source fields in order, the key's first."""

    def __init__(self, step: Step, tables: Tables = NO_TABLES, tools: Tools = NO_TOOLS) -> None:
        """Lay out `step` once; the result is used for every record.

        `tables` (by column) must know a row's values before the row is mapped: see `wanted` and `wanted_of`.
        """
        self.step = step
        self._tables = tables
        # In the order in which an upload has them, so that rows which go as they came need not be taken apart.
        first = [column for column in step.columns if column.kind is not ColumnKind.PARENT]
        last = [column for column in step.columns if column.kind is ColumnKind.PARENT]
        sources = [name for column in (*first, *step.clears, *last) for name in column.reads]
        spelt = {name.casefold(): name for name in reversed((step.key_source, *sources))}
        self.select: tuple[str, ...] = tuple(
            dict.fromkeys(spelt[name.casefold()] for name in (step.key_source, *sources))
        )
        places = {name.casefold(): number for number, name in enumerate(self.select)}
        self._place = {name: places[name.casefold()] for name in (step.key_source, *sources)}
        self._computed = Computed(step, self._place, tools)
        self._place |= {_computed_name(name): len(self.select) + n for n, name in enumerate(self._computed.targets)}
        self._ordinals = _ordinals(step)
        plain = [(n, column) for n, column in enumerate(step.columns) if column.kind is not ColumnKind.PARENT]
        self._mapped_columns = [(n, self._place_of(column)) for n, column in plain if column.rule is not None]
        keep_null = step.kind is StepKind.LOAD
        self.codec = Codec(
            columns=len(self.select),
            outputs=(
                Output(header=step.key, cell=0),
                *(self._output(column, number) for number, column in plain),
                *(Output(header=column.target, cell=self._place_of(column), blank=True) for column in step.clears),
            ),
            parents=tuple(
                ParentOutput(
                    cell=self._place_of(column),
                    references=column.headers,
                    lookup=column.target if keep_null else None,
                    prefixes=tuple(kind.prefix.encode() for kind in column.kinds),
                )
                for column in last
            ),
        )

    def ordinal(self, field_name: str) -> int | None:
        """Return the ordinal of the step's column that an org's error named, or None if it is none of them."""
        return self._ordinals.get(field_name.casefold())

    def wanted(self, records: Sequence[Record]) -> dict[int, set[str]]:
        """Return the values that the tables must know, of records of a REST query."""
        found: dict[int, set[str]] = {}
        for ordinal, place in self._mapped_columns:
            values = (self._cell(record, place) for record in records)
            found[ordinal] = {value for value in values if isinstance(value, str) and value}
        return found

    def wanted_of(self, block: Block) -> dict[int, set[str]]:
        """Return the values that the tables must know, of a block of an export."""
        return {
            ordinal: {text for text in block.values(place).texts if text is not None}
            for ordinal, place in self._mapped_columns
        }

    def parsed(self, content: bytes) -> ParsedBlock:
        """Return the cells of a block of an export, with what is computed of them. Raises `MalformedCsv`."""
        return ParsedBlock(*self._computed.extended(self.codec.parse(content)))

    def from_block(self, block: Block) -> Mapped:
        """Return the block's rows as parts of uploads."""
        return self.codec.map(block, self._tables)

    def from_record(self, record: Record) -> Record | Unsendable:
        """Return what to upsert for a record of a REST query."""
        cells = [_scalar(_reached(record, name)) for name in self.select]
        if cells[0] is None:
            return Unsendable(NO_KEY, None)
        try:
            return self._mapped([*cells, *self._computed.of_cells(cells)])
        except NoValue as without:
            return Unsendable(StatusCode.TRANSFORM_FAILED, without.ordinal)

    def from_cells(self, cells: Sequence[str | None]) -> Record | Unsendable:
        """Return what to upsert for a row of a block of an export, its computed cells included."""
        return self._mapped(cells)

    def from_part(self, part: Part) -> Iterator[Record]:
        """Return what to upsert by REST for rows that were already laid out for a file, which they are too few for."""
        names = self.codec.header(part.nulls).rstrip(b"\n").decode().split(",")
        for cells in rows_of(part.content, len(names)):
            texts = (None if cell == NULL_CELL else decoded_cell(cell) if cell else LEFT_ALONE for cell in cells)
            yield self._of_file(dict(zip(names, texts, strict=True)))

    def from_refused(self, names: Sequence[str], rows: Sequence[RawRow]) -> list[Record]:
        """Return what to upsert by REST for rows of a file that were refused; rows of one parent come together."""
        records = [
            self._of_file(
                {
                    name: None if cell == NULL_CELL else cell.decode() or LEFT_ALONE
                    for name, cell in zip(names, row, strict=True)
                    if not name.startswith(_RESULT_PREFIX)
                }
            )
            for row in rows
        ]
        first = next((column for column in self.step.columns if column.kind is ColumnKind.PARENT), None)
        if first is not None:
            records.sort(key=lambda record: str(record.get(first.relationship or "")))
        return records

    def _of_file(self, texts: Mapping[str, str | None]) -> Record:
        columns = {header: column for column in self.step.columns for header in column.headers}
        record: dict[str, Cell] = {}
        for name, value in texts.items():
            column = columns.get(name)
            if value == LEFT_ALONE:
                continue
            if column is None:
                record[name] = value
            elif column.kind is ColumnKind.PARENT:
                record.update(_parent(column, value, keep_null=False))
            else:
                record[column.target] = _typed(value, column.type)
        return record

    def _mapped(self, cells: Sequence[Value]) -> Record | Unsendable:
        key = cells[0]
        if key is None:
            return Unsendable(NO_KEY, None)
        mapped: dict[str, Cell] = {self.step.key: key}
        for number, column in enumerate(self.step.columns):
            if column.kind is ColumnKind.CONSTANT:
                mapped[column.target] = _typed(column.constant or None, column.type)
                continue
            value = cells[self._place_of(column)]
            if column.kind is ColumnKind.MAP and value is not None:
                value = self._tables[number].get(str(value), "")
                if not value:
                    return Unsendable(StatusCode.UNMAPPED, number)
            if column.kind is ColumnKind.PARENT:
                mapped.update(_parent(column, value, keep_null=self.step.kind is StepKind.LOAD))
            else:
                mapped[column.target] = _typed(value, column.type)
        for column in self.step.clears:
            if cells[self._place_of(column)] is None:
                mapped[column.target] = None
        return mapped

    def _output(self, column: Column, number: int) -> Output:
        if column.kind is ColumnKind.CONSTANT:
            constant = encoded_cell(column.constant) if column.constant else NULL_CELL
            return Output(header=column.target, constant=constant)
        table = number if column.kind is ColumnKind.MAP else None
        return Output(header=column.target, cell=self._place_of(column), table=table)

    def _place_of(self, column: Column) -> int:
        return self._place[column.source or "" if column.transform is None else _computed_name(column.target)]

    def _cell(self, record: Record, place: int) -> object:
        if place < len(self.select):
            return _reached(record, self.select[place])
        try:
            return self._computed.of_cells([_scalar(_reached(record, name)) for name in self.select])[
                place - len(self.select)
            ]
        except NoValue:
            return None


def _computed_name(target: str) -> str:
    """No field of a source is called like this, so both kinds of cells have one table of places."""
    return f"={target}"


def _reached(record: Record, path: str) -> Cell:
    """Return the value at `path`, which may lead over parents; a parent that is null has null fields."""
    value: Cell = record.get(path)
    if value is not None or path in record:
        return value
    first, _, rest = path.partition(".")
    # A parent's fields are spelt as a person wrote them, where its object's describe is not known.
    value = next((each for name, each in record.items() if name.casefold() == first.casefold()), None)
    return (_reached(cast("Record", value), rest) if isinstance(value, Mapping) else None) if rest else value


def _ordinals(step: Step) -> Mapping[str, int]:
    """Names by which an org may blame a column: the field, the relationship, or the whole header."""
    names: dict[str, int] = {}
    for number, column in enumerate(step.columns):
        names[column.target.casefold()] = number
        if column.relationship is not None:
            names.setdefault(column.relationship.casefold(), number)
            for header in column.headers:
                names.setdefault(header.casefold(), number)
    return names


def _parent(column: Column, value: Value, *, keep_null: bool) -> Record:
    """Return what a lookup adds to a record; a parent of several kinds says first of which kind it is."""
    relationship = column.relationship or ""
    if not column.kinds and value is not None:
        return {relationship: {column.parent_key or "": value}}
    kind = next((kind for kind in column.kinds if str(value or "").startswith(kind.prefix)), None)
    if kind is not None:
        named = {"attributes": {"type": kind.object}} if kind.object else {}
        return {relationship: {**named, kind.key: value}}
    return {column.target: None} if keep_null else {}


def _scalar(value: Cell) -> Value:
    """A compound value cannot be selected, so a mapping here is an answer to a question that nobody asked."""
    return None if isinstance(value, Mapping) or value == "" else value


def _typed(value: Value, kind: ValueType) -> Value:
    if value is None:
        return None
    match kind:
        case ValueType.TEXT:
            if isinstance(value, bool):
                return "true" if value else "false"
            return value if isinstance(value, str) else format(value, "f") if isinstance(value, Decimal) else str(value)
        case ValueType.NUMBER:
            return _number(value) if isinstance(value, str) else value
        case ValueType.BOOLEAN:
            return value == "true" if isinstance(value, str) else value


def _number(text: str) -> Decimal | str:
    """A text that is no number goes as it is: the target says so for that row, and no row is lost here."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return number if number.is_finite() else text
