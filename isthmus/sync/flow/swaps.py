"""Putting other values in the place of a column's, for a whole block at once.

Each different content of the column is looked up once; rows then point at the result in a tail of the block. A column
that is mapped has few different contents (owners, record types, picklist values).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from isthmus.sync.flow.cells import decoded_cell, encoded_cell

Bytes: TypeAlias = NDArray[np.uint8]
Ints: TypeAlias = NDArray[np.intp]
Tables: TypeAlias = Mapping[int, Mapping[str, str]]
"""By table: what each value becomes; empty: nothing, the row cannot go."""

NO_TABLES: Final[Tables] = MappingProxyType({})
MATRIX_BYTES_MAX: Final = 1024 * 1024
"""Above this (one very long cell among many rows) cells are compared one by one."""


@dataclass(frozen=True, slots=True)
class Values:
    """The different contents of a column as texts (None: null), and which of them each row has."""

    texts: tuple[str | None, ...]
    of_row: Ints

    def __repr__(self) -> str:
        """Show the count, nothing more."""
        return f"<{len(self.texts)} Values>"


@dataclass(frozen=True, slots=True)
class Swap:
    """Where in `tail` each row finds its new cell; `known` is false where there is none."""

    tail: bytes
    begins: Ints
    sizes: Ints
    known: NDArray[np.bool_]

    def __repr__(self) -> str:
        """Show the count, nothing more."""
        return f"<Swap of {len(self.begins)} rows>"


def distinct(buffer: Bytes, starts: Ints, lengths: Ints) -> Values:
    """Return the different cells among those at `starts`. Raises `MalformedCsv` for a text that is not UTF-8."""
    width = max(int(lengths.max(initial=0)), 1)
    if width * len(starts) > MATRIX_BYTES_MAX:
        raw = [buffer[a : a + n].tobytes() for a, n in zip(starts.tolist(), lengths.tolist(), strict=True)]
        numbers = {cell: number for number, cell in enumerate(dict.fromkeys(raw))}
        of_row = np.array([numbers[cell] for cell in raw], np.intp)
        return Values(tuple(map(decoded_cell, numbers)), of_row)
    column = np.arange(width)
    content = buffer.take(starts[:, None] + column, mode="clip")
    content[column >= lengths[:, None]] = 0
    cells = content.view(f"S{width}").ravel()
    order = np.argsort(cells, kind="stable")
    firsts = _firsts(cells[order])
    of_row = np.empty(len(cells), np.intp)
    of_row[order] = np.cumsum(firsts) - 1
    return Values(tuple(decoded_cell(bytes(cell)) for cell in cells[order][firsts].tolist()), of_row)


def different(numbers: Ints) -> Ints:
    """Return the different ones of `numbers`, rising."""
    ordered = np.sort(numbers)
    return ordered[_firsts(ordered)]


def _firsts(ordered: NDArray[Any]) -> NDArray[np.bool_]:
    """Return where a value stands for the first time. `np.unique` would load a library of masked arrays for this."""
    firsts = np.ones(len(ordered), np.bool_)
    firsts[1:] = ordered[1:] != ordered[:-1]
    return firsts


def swapped(values: Values, table: Mapping[str, str]) -> Swap:
    """Return what each row has instead, by `table`."""
    tail = bytearray()
    begins = np.zeros(len(values.texts), np.intp)
    sizes = np.zeros(len(values.texts), np.intp)
    for number, text in enumerate(values.texts):
        new = table.get(text, "") if text is not None else ""
        if new:
            cell = encoded_cell(new)
            begins[number], sizes[number] = len(tail), len(cell)
            tail += cell
    known = sizes > 0
    return Swap(bytes(tail), begins[values.of_row], sizes[values.of_row], known[values.of_row])
