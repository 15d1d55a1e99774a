"""The virtual tables of the bench profile: rows made up from (seed, row number) as they are read, none held.

Only rows written after the start are kept: one by one in an overlay, or, when a Bulk job is absorbed, as counts and
sums (`sink.py`). Memory therefore does not grow with the number of virtual rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from orgsim.generate.cells import Numbers
from orgsim.generate.layouts import PREFIXES, BenchPlan, Layout, lay_out
from orgsim.generate.sink import CsvSink
from orgsim.generate.world import Fillable
from orgsim.ids import DIGITS, normalize_id
from orgsim.schema.model import FieldDef, ObjectDef
from orgsim.store.results import Row, Value
from orgsim.store.table import MemoryTable
from orgsim.store.values import parse_date, parse_datetime

BLOCK_ROWS: Final = 8192
SCAN_ROWS: Final = 1024
_STAMPS: Final = frozenset({"SystemModstamp", "LastModifiedDate", "CreatedDate"})
_MADE_UP_BY_ROW: Final = frozenset({"address", "location", "base64"})


class BenchTable:
    """A Table (see `orgsim.store.table`) of virtual rows, and a CsvTable for Bulk results."""

    def __init__(self, definition: ObjectDef, layout: Layout, *, prefix: str, pod: str, first: int, count: int) -> None:
        self.definition = definition
        self.sink = CsvSink()
        self._layout = layout
        self._head = f"{prefix}{pod}0"
        self._first = first
        self._count = count
        self._overlay = MemoryTable(definition)
        self._changed: set[int] = set()
        self._gone: set[int] = set()

    def count(self) -> int:
        """Return the number of rows that are not deleted: virtual, written and absorbed ones."""
        hidden = len(self._changed) + len(self._gone)
        return self._count - hidden + self._overlay.count() + self.sink.new_rows

    def get(self, row_id: str) -> Row | None:
        """Return the row with this 18-character id."""
        written = self._overlay.get(row_id)
        if written is not None:
            return written
        place = self._place(row_id)
        return None if place is None or place in self._gone else next(self._rows(place, place + 1))

    def scan(self) -> Iterable[Row]:
        """Return all rows in the order of their making; lazily, so that a LIMIT ends the work."""
        return self._between(0, self._count, self._overlay.scan())

    def equal(self, field: FieldDef, value: Value) -> Iterable[Row] | None:
        """Return the rows whose field has this value, or None if that would need a scan."""
        written = self._overlay.equal(field, value)
        if field.name == "Id":
            row = self.get(value) if isinstance(value, str) else None
            return [] if row is None else [row]
        if field.name in self._layout.parents and isinstance(value, str):
            return self._children(field.name, value, written or [])
        if field.name not in self._layout.columns and value is not None:
            return written  # fields without a column are null in every virtual row
        return None

    def between(self, field: str, lower: datetime | None, upper: datetime | None) -> Iterable[Row] | None:
        """Return rows with lower <= field <= upper, or None if the field has no range index."""
        if field not in _STAMPS:
            return None
        start, stop = self.stamp_range(lower, upper)
        return self._between(start, stop, self._overlay.between(field, lower, upper) or [])

    def stamp_range(self, lower: datetime | None, upper: datetime | None) -> tuple[int, int]:
        """Return the half-open range of virtual rows whose stamps lie in lower..upper, both included."""
        spread = self._layout.spread
        start = 0 if lower is None else spread.first_at_or_after(lower)
        later = None if upper is None else upper.replace(microsecond=0) + timedelta(seconds=1)
        stop = self._count if later is None else spread.first_at_or_after(later)
        return start, max(start, stop)

    def put(self, row: Row) -> None:
        """Keep a written row; it hides the virtual one with its id."""
        place = self._place(str(row["Id"]))
        if place is not None:
            self._gone.discard(place)
            self._changed.add(place)
        self._overlay.put(row)

    def remove(self, row_id: str) -> None:
        """Forget a row for good; unknown ids are ignored."""
        place = self._place(row_id)
        if place is not None:
            self._changed.discard(place)
            self._gone.add(place)
        self._overlay.remove(row_id)

    def is_untouched(self) -> bool:
        """Return whether every row is still the virtual one."""
        return not (self._changed or self._gone or self._overlay.count() or self.sink.new_rows)

    def rows_at(self, start: int, stop: int) -> Iterator[Row]:
        """Yield the virtual rows start..stop-1."""
        return self._rows(start, min(stop, self._count))

    # Bulk

    def csv_columns(self, names: Sequence[str]) -> Sequence[str] | None:
        """Return canonical field names, or None if a column or a written row needs the slow way."""
        if self._changed or self._gone or self._overlay.count():
            return None
        found = [self.definition.field(name) for name in names]
        if any(entry is None or entry.type in _MADE_UP_BY_ROW or self._is_derived(entry) for entry in found):
            return None
        return [entry.name for entry in found if entry is not None]

    def csv_blocks(
        self, names: Sequence[str], start: int, stop: int, *, delimiter: str = ",", line_ending: str = "\n"
    ) -> Iterator[bytes]:
        """Yield the virtual rows start..stop-1 as CSV, every value quoted, without a header."""
        for first in range(start, min(stop, self._count), BLOCK_ROWS):
            rows = min(BLOCK_ROWS, stop - first, self._count - first)
            yield self.csv_block(names, first, rows, delimiter=delimiter, line_ending=line_ending)

    def csv_block(
        self, names: Sequence[str], start: int, count: int, *, delimiter: str = ",", line_ending: str = "\n"
    ) -> bytes:
        """Return `count` rows from number `start` on as CSV."""
        columns = [self._layout.columns.get(name) for name in names]
        widths = [0 if column is None else column.width for column in columns]
        glue = f'"{delimiter}"'.encode()
        frame = b'"' + glue.join(b" " * width for width in widths) + b'"' + line_ending.encode()
        matrix = np.empty((count, len(frame)), dtype=np.uint8)
        matrix[:] = np.frombuffer(frame, dtype=np.uint8)
        numbers: Numbers = np.arange(start, start + count, dtype=np.int64)
        place = 1
        for column, width in zip(columns, widths, strict=True):
            if column is not None:
                column.write(numbers, matrix[:, place : place + width])
            place += width + len(glue)
        return matrix.tobytes()

    def _is_derived(self, entry: FieldDef) -> bool:
        return entry.name == "Name" and entry.extra_type_info == "personname"

    # Rows

    def _rows(self, start: int, stop: int) -> Iterator[Row]:
        names = tuple(self._layout.columns)
        readers = [_reader(self.definition.field(name)) for name in names]
        for first in range(start, stop, SCAN_ROWS):
            count = min(SCAN_ROWS, stop - first)
            cells = [self._cells(name, first, count) for name in names]
            for row in zip(*cells, strict=True):
                values = zip(names, readers, row, strict=True)
                yield {name: value for name, read, cell in values if (value := read(cell)) is not None}

    def _cells(self, name: str, start: int, count: int) -> list[str]:
        column = self._layout.columns[name]
        width = column.width
        target = np.empty((count, width), dtype=np.uint8)
        column.write(np.arange(start, start + count, dtype=np.int64), target)
        raw = target.tobytes()
        return [raw[at : at + width].decode().replace('""', '"') for at in range(0, count * width, width)]

    def _between(self, start: int, stop: int, written: Iterable[Row]) -> Iterator[Row]:
        hidden = self._changed or self._gone
        for place, row in enumerate(self._rows(start, stop), start):
            if not hidden or (place not in self._changed and place not in self._gone):
                yield row
        yield from written

    def _children(self, field: str, parent_id: str, written: Iterable[Row]) -> Iterator[Row]:
        prefix, first, number = self._layout.parents[field]
        parent = _counter(parent_id, f"{prefix}{self._head[3:]}")
        if parent is not None and first <= parent < first + number:
            for place in range(parent - first, self._count, number):
                if place not in self._changed and place not in self._gone:
                    yield from self._rows(place, place + 1)
        yield from written

    def _place(self, row_id: str) -> int | None:
        number = _counter(row_id, self._head)
        if number is None or not self._first <= number < self._first + self._count:
            return None
        return number - self._first


def make_bench_tables(org: Fillable, plan: BenchPlan) -> dict[str, BenchTable]:
    """Put virtual tables behind the bench objects; objects without a number get an empty one that absorbs."""
    counts = {name: plan.counts.get(name, 0) for name in PREFIXES}
    full = BenchPlan(plan.seed, counts, plan.owner_id, plan.now)
    firsts = {name: org.ids.reserve(prefix, counts[name]) for name, prefix in PREFIXES.items()}
    tables: dict[str, BenchTable] = {}
    for name, prefix in PREFIXES.items():
        definition = org.objects[name.lower()]
        layout = lay_out(name, full, pod=org.ids.pod, firsts=firsts)
        tables[name] = BenchTable(
            definition, layout, prefix=prefix, pod=org.ids.pod, first=firsts[name], count=counts[name]
        )
        org.tables[name.lower()] = tables[name]
    return tables


def _counter(row_id: str, head: str) -> int | None:
    long = normalize_id(row_id)
    if long is None or not long.startswith(head):
        return None
    number = 0
    for letter in long[len(head) : 15]:
        number = number * 62 + DIGITS.index(letter)
    return number


def _reader(field: FieldDef | None) -> Callable[[str], Value]:
    kind = "" if field is None else field.type
    return _READERS.get(kind, _text)


def _text(cell: str) -> Value:
    return cell or None


def _number(cell: str) -> Value:
    return float(cell) if cell else None


def _whole(cell: str) -> Value:
    return int(cell) if cell else None


def _truth(cell: str) -> Value:
    return cell == "true"


def _instant(cell: str) -> Value:
    return parse_datetime(cell) if cell else None


def _day(cell: str) -> Value:
    return parse_date(cell) if cell else None


_READERS: Final[dict[str, Callable[[str], Value]]] = {
    "double": _number, "currency": _number, "percent": _number, "int": _whole, "boolean": _truth,
    "datetime": _instant, "date": _day,
}  # fmt: skip
