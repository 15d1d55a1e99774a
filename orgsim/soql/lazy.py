"""Results of queries over virtual tables: what is kept is where the rows are, not the rows."""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Final, Protocol, overload, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from orgsim.schema.model import ObjectDef
from orgsim.store.results import Row, Value

Places = NDArray[np.int64]
BLOCK_ROWS: Final = 1024


@runtime_checkable
class VirtualTable(Protocol):
    """A table that makes rows up as they are read, at places 0, 1, 2, ...; written rows stand beside them."""

    definition: ObjectDef

    @property
    def stamps(self) -> frozenset[str]:
        """The fields that rise with the place."""
        ...

    def get(self, row_id: str) -> Row | None:
        """Return the row with this 18-character id."""
        ...

    def stamp_range(self, lower: datetime | None, upper: datetime | None) -> tuple[int, int]:
        """Return the half-open range of places whose stamps lie in lower..upper, both included."""
        ...

    def written_between(self, field: str, lower: datetime | None, upper: datetime | None) -> list[Row]:
        """Return the written rows with lower <= field <= upper in the order of that field."""
        ...

    def has_hidden(self) -> bool:
        """Say whether a virtual row was changed or removed."""
        ...

    def in_sight(self, places: Places) -> Places:
        """Return those places whose virtual rows still are as they were made."""
        ...

    def with_parent(self, field: str, parent_ids: Collection[str], start: int, stop: int) -> Iterator[Places] | None:
        """Yield the places of start..stop-1 with one of these parents, in pieces; None if there is no such column."""
        ...

    def place_of(self, row_id: str) -> int | None:
        """Return the place of a virtual row that still is as it was made; None for other ids."""
        ...

    def rows_of(self, places: Places, names: Sequence[str] | None = None) -> list[Row]:
        """Return the rows at these places as they are now (or only these fields); those removed are left out."""
        ...

    def codes(self, name: str, places: Places) -> tuple[Places, Sequence[Value]] | None:
        """Return a code per row and what the codes mean (nothing: see the row); None without few different values."""
        ...

    def knows(self, names: Sequence[str]) -> bool:
        """Say whether `json_rows` can write these fields (canonical names)."""
        ...

    def json_cells(self, name: str, places: Places) -> list[str]:
        """Return the values of a field of virtual rows as JSON."""
        ...

    def json_rows(self, names: Sequence[str], places: Places, version: str) -> bytes:
        """Return virtual rows as JSON records with commas between them."""
        ...


class Lot(Sequence[Row]):
    """Chosen rows of a virtual table: virtual ones by place, and written ones by id after them (`lead`: before them).

    A row that changed after the choice shows as it is when read; one that was removed is left out.
    """

    def __init__(
        self, table: VirtualTable, places: range | Places, written: Sequence[str] = (), *, lead: bool = False
    ) -> None:
        self.table = table
        self.places = places
        self.written = written
        self.lead = lead

    def __len__(self) -> int:
        return len(self.places) + len(self.written)

    def __iter__(self) -> Iterator[Row]:
        for start in range(0, len(self), BLOCK_ROWS):
            yield from self[start : start + BLOCK_ROWS]

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> list[Row]: ...
    def __getitem__(self, place: int | slice) -> Row | list[Row]:
        if isinstance(place, int):
            return self[place : place + 1][0]
        part = self.cut(place.start or 0, place.stop)
        virtual = part.virtual_rows()
        return [*part.written_rows(), *virtual] if self.lead else [*virtual, *part.written_rows()]

    def cut(self, start: int, stop: int | None) -> Lot:
        """Return a part of the lot."""
        first, last, _ = slice(start, stop).indices(len(self))
        border = len(self.written) if self.lead else len(self.places)
        after = slice(max(0, first - border), max(0, last - border))
        if self.lead:
            return Lot(self.table, self.places[after], self.written[first:last], lead=True)
        return Lot(self.table, self.places[first:last], self.written[after])

    def turned(self) -> Lot:
        """Return the lot in the opposite order."""
        return Lot(self.table, self.places[::-1], self.written[::-1], lead=not self.lead)

    @property
    def place_array(self) -> Places:
        """The places of the virtual rows."""
        return np.asarray(self.places, dtype=np.int64)

    def virtual_rows(self) -> list[Row]:
        """Return the virtual rows as they are now."""
        return self.table.rows_of(self.place_array) if len(self.places) else []

    def written_rows(self) -> list[Row]:
        """Return the written rows that are still there."""
        return [row for row_id in self.written if (row := self.table.get(row_id)) is not None]


class Choice:
    """Gathers the rows that a slow search in a virtual table finds: 8 bytes for a virtual one."""

    def __init__(self, table: VirtualTable) -> None:
        self._table = table
        self._places = array("q")
        self._written: list[str] = []

    def add(self, row: Row) -> None:
        """Take a row."""
        row_id = str(row["Id"])
        place = self._table.place_of(row_id)
        if place is None:
            self._written.append(row_id)
        else:
            self._places.append(place)

    def lot(self) -> Lot:
        """Return what was gathered."""
        return Lot(self._table, np.frombuffer(self._places, dtype=np.int64), self._written)
