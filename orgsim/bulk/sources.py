"""Where the rows of a finished query job come from: a rendered snapshot, or a table that writes CSV itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from orgsim.bulk.dialect import Dialect
from orgsim.soql.bind import as_value
from orgsim.soql.lazy import Lot, Places
from orgsim.store.results import Row
from orgsim.store.values import csv_value

_SLICE_ROWS: Final = 2_000
_BLOCK_ROWS: Final = 8_192


class RowSource(Protocol):
    """The rows that a query job found, read by position as often as wanted."""

    @property
    def columns(self) -> Sequence[str]:
        """The header."""
        ...

    def count(self) -> int:
        """Return the number of rows."""
        ...

    def blocks(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the CSV text of the rows start..stop-1 in pieces, without a header."""
        ...


@runtime_checkable
class CsvTable(Protocol):
    """A table that writes CSV itself, faster than row by row; the bench profile's virtual tables do."""

    def knows(self, names: Sequence[str]) -> bool:
        """Say whether it can write these fields (canonical names)."""
        ...

    def csv_rows(self, names: Sequence[str], places: Places, *, delimiter: str, line_ending: str) -> bytes:
        """Return the rows at these places as CSV, every value quoted, without a header."""
        ...


@dataclass(slots=True)
class Snapshot:
    """Rows rendered when the job ran; later writes do not show."""

    columns: Sequence[str]
    rows: list[bytes]

    def count(self) -> int:
        """Return the number of rows."""
        return len(self.rows)

    def blocks(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the rows in slices."""
        for first in range(start, stop, _SLICE_ROWS):
            yield b"".join(self.rows[first : min(first + _SLICE_ROWS, stop)])


@dataclass(slots=True)
class Virtual:
    """Rows that a table makes up as they are read, and written ones beside them; only their places are held."""

    object_name: str
    columns: Sequence[str]
    table: CsvTable
    dialect: Dialect
    lot: Lot
    getters: Sequence[Callable[[Row], object]]

    def count(self) -> int:
        """Return the number of rows."""
        return len(self.lot)

    def blocks(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the rows in blocks."""
        for first in range(start, stop, _BLOCK_ROWS):
            part = self.lot.cut(first, min(first + _BLOCK_ROWS, stop))
            written = [self.dialect.row(self._cells(row)).encode() for row in part.written_rows()]
            virtual = self.table.csv_rows(
                self.columns,
                part.place_array,
                delimiter=self.dialect.delimiter,
                line_ending=self.dialect.line_ending,
            )
            yield b"".join((*written, virtual) if part.lead else (virtual, *written))

    def _cells(self, row: Row) -> list[str]:
        return [csv_value(as_value(get(row))) for get in self.getters]


class Absorbed(Protocol):
    """What a sink says about an upload."""

    @property
    def rows(self) -> int:
        """How many rows there were."""
        ...


class Sink(Protocol):
    """Takes uploads without keeping their rows."""

    def absorb(self, body: bytes, *, key: str | None, delimiter: str = ",", line_ending: str = "\n") -> Absorbed:
        """Take a whole upload with its header; ValueError if it is malformed."""
        ...

    def summary(self) -> dict[str, int]:
        """Return what was taken so far."""
        ...


@runtime_checkable
class AbsorbingTable(Protocol):
    """A bench table: counts and checks what comes in, as fast as memory allows."""

    @property
    def sink(self) -> Sink:
        """Where uploads go."""
        ...
