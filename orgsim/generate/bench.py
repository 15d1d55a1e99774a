"""The virtual tables of the bench profile: rows made up from (seed, row number) as they are read, none held.

Only rows written after the start are kept: one by one in an overlay, or, when a Bulk job is absorbed, as counts and
sums (`sink.py`). Memory therefore does not grow with the number of virtual rows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from orgsim.generate import render
from orgsim.generate.cells import Coded, Digits, IdColumn, Numbers
from orgsim.generate.layouts import Layout
from orgsim.generate.sink import CsvSink
from orgsim.ids import DIGITS, normalize_id
from orgsim.schema.model import FieldDef, ObjectDef
from orgsim.store.results import Row, Value
from orgsim.store.table import MemoryTable, fold

SCAN_ROWS: Final = 1024
SEARCH_ROWS: Final = 500_000
_MADE_UP_BY_ROW: Final = frozenset({"address", "location", "base64"})


class VirtualRows:
    """A Table (see `orgsim.store.table`) of virtual rows, and a VirtualTable for large queries and Bulk results.

    Rows that were there before, or are written later, are kept beside them and come after them.
    """

    def __init__(
        self, definition: ObjectDef, layout: Layout, *, prefix: str, pod: str, first: int, count: int,
        kept: Iterable[Row] = (),
    ) -> None:  # fmt: skip
        self.definition = definition
        self._layout = layout
        self._ids = IdColumn(prefix, pod, first)
        self._fields: Mapping[str, FieldDef] = {field.name: field for field in definition.fields}
        self._head = f"{prefix}{pod}0"
        self._first = first
        self._count = count
        self._overlay = MemoryTable(definition)
        self._hidden: set[int] = set()
        for row in kept:
            self._overlay.put(row)

    @property
    def stamps(self) -> frozenset[str]:
        """The fields that rise with the row number."""
        return self._layout.stamps

    def count(self) -> int:
        """Return the number of rows that are not deleted: virtual and written ones."""
        return self._count - len(self._hidden) + self._overlay.count()

    def get(self, row_id: str) -> Row | None:
        """Return the row with this 18-character id."""
        written = self._overlay.get(row_id)
        if written is not None:
            return written
        place = self._place(row_id)
        return None if place is None or place in self._hidden else self._made(range(place, place + 1))[0]

    def scan(self) -> Iterable[Row]:
        """Return all rows in the order of their making; lazily, so that a LIMIT ends the work."""
        return self._between(0, self._count, self._overlay.scan())

    def equal(self, field: FieldDef, value: Value) -> Iterable[Row] | None:
        """Return the rows whose field has this value, or None if that would need a scan."""
        written = self._overlay.equal(field, value)
        column = self._layout.columns.get(field.name)
        if field.name == "Id":
            row = self.get(value) if isinstance(value, str) else None
            return [] if row is None else [row]
        if field.name in self._layout.parents and isinstance(value, str):
            return self._children(field.name, value, written or [])
        if isinstance(column, Digits) and column.is_key and isinstance(value, str):
            place = column.row_of(value)
            fits = place is not None and place < self._count and place not in self._hidden
            if written is None:
                wanted = fold(field, value)
                written = [row for row in self._overlay.scan() if fold(field, row.get(field.name)) == wanted]
            return [*(self._made([place]) if fits and place is not None else ()), *written]
        if column is None and value is not None:
            return written  # fields without a column are null in every virtual row
        return None

    def between(self, field: str, lower: datetime | None, upper: datetime | None) -> Iterable[Row] | None:
        """Return rows with lower <= field <= upper, or None if the field has no range index."""
        if field not in self.stamps:
            return None
        start, stop = self.stamp_range(lower, upper)
        return self._between(start, stop, self.written_between(field, lower, upper))

    def put(self, row: Row) -> None:
        """Keep a written row; it hides the virtual one with its id."""
        place = self._place(str(row["Id"]))
        if place is not None:
            self._hidden.add(place)
        self._overlay.put(row)

    def remove(self, row_id: str) -> None:
        """Forget a row for good; unknown ids are ignored."""
        place = self._place(row_id)
        if place is not None:
            self._hidden.add(place)
        self._overlay.remove(row_id)

    # Large queries (see VirtualTable)

    def stamp_range(self, lower: datetime | None, upper: datetime | None) -> tuple[int, int]:
        """Return the half-open range of virtual rows whose stamps lie in lower..upper, both included."""
        spread = self._layout.spread
        start = 0 if lower is None else spread.first_at_or_after(lower)
        later = None if upper is None else upper.replace(microsecond=0) + timedelta(seconds=1)
        stop = self._count if later is None else spread.first_at_or_after(later)
        return start, max(start, stop)

    def written_between(self, field: str, lower: datetime | None, upper: datetime | None) -> list[Row]:
        """Return the written rows with lower <= field <= upper in the order of that field."""
        if lower is None and upper is None:
            return list(self._overlay.scan())
        found = self._overlay.between(field, lower, upper)
        return [] if found is None else list(found)

    def has_hidden(self) -> bool:
        """Say whether a virtual row was changed or removed."""
        return bool(self._hidden)

    def in_sight(self, places: Numbers) -> Numbers:
        """Return those places whose virtual rows still are as they were made."""
        if not self._hidden:
            return places
        return places[~np.isin(places, np.fromiter(self._hidden, dtype=np.int64))]

    def with_parent(self, field: str, parent_ids: Collection[str], start: int, stop: int) -> Iterator[Numbers] | None:
        """Yield the places of start..stop-1 with one of these parents, in pieces; None if there is no such column."""
        column = self._layout.columns.get(field)
        if field not in self._layout.parents or not isinstance(column, IdColumn):
            return None
        prefix, first, number = self._layout.parents[field]
        head = f"{prefix}{self._head[3:]}"
        parents = [parent - first for row_id in parent_ids if (parent := _counter(row_id, head)) is not None]
        return self._search(column, np.array([p for p in parents if 0 <= p < number], dtype=np.int64), start, stop)

    def _search(self, column: IdColumn, parents: Numbers, start: int, stop: int) -> Iterator[Numbers]:
        if column.of is None:  # parent = place % modulo
            starts: list[Numbers] = [
                np.arange(start + (parent - start) % column.modulo, stop, column.modulo) for parent in parents.tolist()
            ]
            yield np.sort(np.concatenate([np.empty(0, dtype=np.int64), *starts]))
            return
        for first in range(start, stop, SEARCH_ROWS):
            places: Numbers = np.arange(first, min(first + SEARCH_ROWS, stop), dtype=np.int64)
            yield places[np.isin(column.numbers(places), parents)]

    def place_of(self, row_id: str) -> int | None:
        """Return the place of a virtual row that still is as it was made; None for other ids."""
        place = self._place(row_id)
        return None if place in self._hidden else place

    def rows_of(self, places: Numbers, names: Sequence[str] | None = None) -> list[Row]:
        """Return the rows at these places as they are now (or only these fields); those removed are left out."""
        if not self._hidden:
            return self._made(places, names)
        made = zip(places.tolist(), self._made(places, None), strict=True)
        now = [self._overlay.get(str(row["Id"])) if place in self._hidden else row for place, row in made]
        return [row for row in now if row is not None]

    def codes(self, name: str, places: Numbers) -> tuple[Numbers, Sequence[Value]] | None:
        """Return a code per row and the values the codes mean; None for columns without few values.

        A reference to a parent is coded by the parent's number; its values come from `rows_of`, the pool is empty.
        """
        column = self._layout.columns.get(name)
        if column is None:
            return np.zeros(len(places), dtype=np.int64), (None,)
        if isinstance(column, IdColumn) and name in self._layout.parents:
            return column.numbers(places), ()
        return (column.codes(places), column.pool) if isinstance(column, Coded) else None

    def knows(self, names: Iterable[str]) -> bool:
        """Say whether `json_rows` and `csv_rows` can write these fields (canonical names)."""
        return all(
            (field := self._fields.get(name)) is not None
            and field.type not in _MADE_UP_BY_ROW
            and not (name == "Name" and field.extra_type_info == "personname")
            and name not in {"LastViewedDate", "LastReferencedDate"}
            for name in names
        )

    def json_cells(self, name: str, places: Numbers) -> list[str]:
        """Return the values of a field of virtual rows as JSON."""
        column = self._layout.columns.get(name)
        return ["null"] * len(places) if column is None else render.json_cells(column, self._fields[name], places)

    def json_rows(self, names: Sequence[str], places: Numbers, version: str) -> bytes:
        """Return virtual rows as JSON records with commas between them."""
        kind = self.definition.name
        url = f"/services/data/v{version}/sobjects/{kind}/%s"
        frame = f'"attributes":{{"type":"{kind}","url":"{url}"}}'
        columns = [(name, self._fields[name], self._layout.columns.get(name)) for name in names]
        return render.json(frame, columns, self._ids, places)

    # Bulk

    def csv_rows(
        self, names: Sequence[str], places: Numbers, *, delimiter: str = ",", line_ending: str = "\n"
    ) -> bytes:
        """Return the virtual rows at these places as CSV, every value quoted, without a header."""
        columns = [self._layout.columns.get(name) for name in names]
        return render.csv(columns, places, delimiter=delimiter, line_ending=line_ending) if len(places) else b""

    # Rows

    def _made(self, places: Sequence[int] | Numbers, names: Sequence[str] | None = None) -> list[Row]:
        columns = self._layout.columns
        if names is not None:
            columns = {name: columns[name] for name in names if name in columns}
        return render.rows(columns, self._fields, np.asarray(places, dtype=np.int64))

    def _between(self, start: int, stop: int, written: Iterable[Row]) -> Iterator[Row]:
        for first in range(start, stop, SCAN_ROWS):
            places: Numbers = np.arange(first, min(first + SCAN_ROWS, stop), dtype=np.int64)
            yield from self._made(self.in_sight(places))
        yield from written

    def _children(self, field: str, parent_id: str, written: Iterable[Row]) -> Iterator[Row]:
        for places in self.with_parent(field, [parent_id], 0, self._count) or ():
            yield from self._made(self.in_sight(places))
        yield from written

    def _place(self, row_id: str) -> int | None:
        number = _counter(row_id, self._head)
        if number is None or not self._first <= number < self._first + self._count:
            return None
        return number - self._first


class BenchTable(VirtualRows):
    """Virtual rows that uploads are absorbed beside (see `CsvSink`)."""

    def __init__(self, definition: ObjectDef, layout: Layout, *, prefix: str, pod: str, first: int, count: int) -> None:
        super().__init__(definition, layout, prefix=prefix, pod=pod, first=first, count=count)
        self.sink = CsvSink()

    def count(self) -> int:
        """Return the number of rows that are not deleted: virtual, written and absorbed ones."""
        return super().count() + self.sink.new_rows


def _counter(row_id: str, head: str) -> int | None:
    long = normalize_id(row_id)
    if long is None or not long.startswith(head):
        return None
    number = 0
    for letter in long[len(head) : 15]:
        number = number * 62 + DIGITS.index(letter)
    return number
