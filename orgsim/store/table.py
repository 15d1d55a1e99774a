"""Rows of one object in memory, with the look-ups that keep large tables usable."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final, Protocol

from orgsim.schema.model import FieldDef, ObjectDef
from orgsim.store.results import Row, Value

RANGE_FIELDS: Final = frozenset({"SystemModstamp", "LastModifiedDate", "CreatedDate", "LoginTime"})
_EPOCH: Final = datetime.min.replace(tzinfo=UTC)
_STALE_FACTOR: Final = 2
_HashIndex = dict[Value, "str | dict[str, None]"]


class Table(Protocol):
    """What the query evaluator and the write engine need; a virtual table may make its rows up as it is asked.

    Every method that yields rows also yields deleted ones (`IsDeleted` true); the caller leaves them out.
    """

    definition: ObjectDef

    def count(self) -> int:
        """Return the number of rows that are not deleted."""
        ...

    def get(self, row_id: str) -> Row | None:
        """Return the row with this 18-character id."""
        ...

    def scan(self) -> Iterable[Row]:
        """Return all rows, in the order of their making."""
        ...

    def equal(self, field: FieldDef, value: Value) -> Iterable[Row] | None:
        """Return the rows whose field has this value (folded unless case-sensitive), or None if it has no index."""
        ...

    def between(self, field: str, lower: datetime | None, upper: datetime | None) -> Iterable[Row] | None:
        """Return rows with lower <= field <= upper, or None if the field has no range index."""
        ...

    def put(self, row: Row) -> None:
        """Store a row under its Id, replacing the one there."""
        ...

    def remove(self, row_id: str) -> None:
        """Forget a row for good; unknown ids are ignored."""
        ...


def fold(field: FieldDef, value: Value) -> Value:
    """Return what equality compares: text without regard to case, unless the field is case-sensitive or an id."""
    if isinstance(value, str) and not field.case_sensitive and field.type not in {"id", "reference"}:
        return value.casefold()
    return value


def is_indexed(field: FieldDef) -> bool:
    """Say whether equality on this field is answered by an index."""
    return (
        field.type in {"id", "reference"}
        or field.external_id
        or field.unique
        or field.id_lookup
        or (field.name_field and not field.calculated and field.createable)
    )


class MemoryTable:
    """A Table over a dict. Indexes are built when first used and kept up from then on."""

    def __init__(self, definition: ObjectDef) -> None:
        self.definition = definition
        self._rows: dict[str, Row] = {}
        self._live = 0
        self._hashes: dict[str, tuple[FieldDef, _HashIndex]] = {}
        self._ranges: dict[str, _RangeIndex] = {}

    def count(self) -> int:
        """Return the number of rows that are not deleted."""
        return self._live

    def get(self, row_id: str) -> Row | None:
        """Return the row with this 18-character id."""
        return self._rows.get(row_id)

    def scan(self) -> Iterable[Row]:
        """Return all rows, in the order of their making."""
        return list(self._rows.values())

    def put(self, row: Row) -> None:
        """Store a row under its Id, replacing the one there."""
        row_id = str(row["Id"])
        before = self._rows.get(row_id)
        self._rows[row_id] = row
        self._live += (not row.get("IsDeleted")) - (before is not None and not before.get("IsDeleted"))
        for name, (field, index) in self._hashes.items():
            old, new = (before.get(name) if before else None), row.get(name)
            if before is not None and old == new:
                continue
            if before is not None and old is not None:
                _unlink(index, fold(field, old), row_id)
            if new is not None:
                _link(index, fold(field, new), row_id)
        for name, ordered in self._ranges.items():
            stamp = row.get(name)
            if isinstance(stamp, datetime) and (before is None or before.get(name) != stamp):
                ordered.add(stamp, row_id)

    def remove(self, row_id: str) -> None:
        """Forget a row for good; unknown ids are ignored."""
        row = self._rows.pop(row_id, None)
        if row is None:
            return
        self._live -= not row.get("IsDeleted")
        for name, (field, index) in self._hashes.items():
            value = row.get(name)
            if value is not None:
                _unlink(index, fold(field, value), row_id)

    def equal(self, field: FieldDef, value: Value) -> Iterable[Row] | None:
        """Return the rows whose field has this value, or None if the field has no index."""
        if field.name == "Id":
            row = self._rows.get(value) if isinstance(value, str) else None
            return [] if row is None else [row]
        if value is None or not is_indexed(field):
            return None
        found = self._index(field).get(fold(field, value), {})
        ids = [found] if isinstance(found, str) else found
        return [self._rows[row_id] for row_id in ids]

    def between(self, field: str, lower: datetime | None, upper: datetime | None) -> Iterable[Row] | None:
        """Return rows with lower <= field <= upper, or None if the field has no range index."""
        if field not in RANGE_FIELDS or self.definition.field(field) is None:
            return None
        ordered = self._ranges.get(field)
        if ordered is None or ordered.size > _STALE_FACTOR * max(len(self._rows), 1000):
            ordered = self._ranges[field] = _RangeIndex(
                [(stamp, row_id) for row_id, row in self._rows.items() if isinstance(stamp := row.get(field), datetime)]
            )
        return self._current(field, ordered.ids(lower, upper))

    def _current(self, field: str, entries: Iterable[tuple[datetime, str]]) -> Iterator[Row]:
        previous: tuple[datetime, str] | None = None
        for entry in entries:
            row = self._rows.get(entry[1])
            if entry != previous and row is not None and row.get(field) == entry[0]:
                yield row
            previous = entry

    def _index(self, field: FieldDef) -> _HashIndex:
        held = self._hashes.get(field.name)
        if held is None:
            index: _HashIndex = {}
            for row_id, row in self._rows.items():
                value = row.get(field.name)
                if value is not None:
                    _link(index, fold(field, value), row_id)
            held = self._hashes[field.name] = (field, index)
        return held[1]


def _link(index: _HashIndex, key: Value, row_id: str) -> None:
    held = index.get(key)
    if held is None:
        index[key] = row_id
    elif isinstance(held, str):
        index[key] = {held: None, row_id: None}
    else:
        held[row_id] = None


def _unlink(index: _HashIndex, key: Value, row_id: str) -> None:
    held = index.get(key)
    if held == row_id:
        del index[key]
    elif isinstance(held, dict):
        held.pop(row_id, None)
        if not held:
            del index[key]


class _RangeIndex:
    """Stamps in order, with outdated entries that the reader checks; sorted again only after an older stamp came."""

    def __init__(self, entries: list[tuple[datetime, str]]) -> None:
        self._entries = sorted(entries)
        self._sorted = True

    @property
    def size(self) -> int:
        return len(self._entries)

    def add(self, stamp: datetime, row_id: str) -> None:
        self._sorted = self._sorted and (not self._entries or self._entries[-1] <= (stamp, row_id))
        self._entries.append((stamp, row_id))

    def ids(self, lower: datetime | None, upper: datetime | None) -> list[tuple[datetime, str]]:
        if not self._sorted:
            self._entries.sort()
            self._sorted = True
        first = bisect_left(self._entries, (lower or _EPOCH, ""))
        last = len(self._entries) if upper is None else bisect_left(self._entries, (upper, "\x7f"))
        return self._entries[first:last]
