"""Where the rows of a finished query job come from: a rendered snapshot, or a table that writes CSV itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, runtime_checkable

from orgsim.bulk.dialect import Dialect

_SLICE_ROWS: Final = 2_000


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

    def count(self) -> int:
        """Return the number of rows."""
        ...

    def stamp_range(self, lower: datetime | None, upper: datetime | None) -> tuple[int, int]:
        """Return the half-open range of rows whose SystemModstamp lies in lower..upper, both included."""
        ...

    def csv_columns(self, names: Sequence[str]) -> Sequence[str] | None:
        """Return the canonical names of these columns, or None if one of them must be worked out row by row."""
        ...

    def csv_blocks(
        self, names: Sequence[str], start: int, stop: int, *, delimiter: str, line_ending: str
    ) -> Iterator[bytes]:
        """Yield rows start..stop-1 as CSV, every value quoted, without a header."""
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
    """Rows that a table makes up as they are read; nothing is held."""

    object_name: str
    columns: Sequence[str]
    table: CsvTable
    dialect: Dialect
    first: int
    end: int

    def count(self) -> int:
        """Return the number of rows."""
        return self.end - self.first

    def blocks(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield the table's own blocks."""
        return self.table.csv_blocks(
            self.columns,
            self.first + start,
            self.first + stop,
            delimiter=self.dialect.delimiter,
            line_ending=self.dialect.line_ending,
        )


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
