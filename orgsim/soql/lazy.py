"""Results of queries over virtual tables: what is kept is where the rows are, not the rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol, overload, runtime_checkable

from orgsim.ids import ID_LONG
from orgsim.store.results import Row
from orgsim.store.table import Table


@runtime_checkable
class VirtualTable(Protocol):
    """A table that makes rows up as they are read."""

    def is_untouched(self) -> bool:
        """Return whether every row is still the virtual one."""
        ...

    def rows_at(self, start: int, stop: int) -> Iterator[Row]:
        """Yield the virtual rows start..stop-1."""
        ...


class AllRows(Sequence[Row]):
    """Every row of an untouched virtual table, by position. Rows written later do not show."""

    def __init__(self, table: VirtualTable, count: int) -> None:
        self._table = table
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | list[Row]:
        if isinstance(place, int):
            return self[place : place + 1][0]
        start, stop, _ = place.indices(self._count)
        return list(self._table.rows_at(start, stop))


class RowsById(Sequence[Row]):
    """Chosen rows of a virtual table: 18 bytes each. A row that is gone when its page is read is left out."""

    def __init__(self, table: Table, rows: Iterable[Row]) -> None:
        self._table = table
        self._ids = bytearray()
        for row in rows:
            self._ids += str(row["Id"]).encode()

    def __len__(self) -> int:
        return len(self._ids) // ID_LONG

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | list[Row]:
        if isinstance(place, int):
            return self[place : place + 1][0]
        start, stop, _ = place.indices(len(self))
        cells = (self._ids[at * ID_LONG : (at + 1) * ID_LONG].decode() for at in range(start, stop))
        return [row for row_id in cells if (row := self._table.get(row_id)) is not None]
