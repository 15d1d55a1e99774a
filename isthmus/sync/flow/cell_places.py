"""Where the cells of a block of CSV begin and how long they are, by vector arithmetic over its bytes.

`find_cells` takes any strict CSV. `find_quoted_cells` looks at the quotes alone, which is several times faster, and
says so where not every cell is quoted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from isthmus.sync.flow.cells import MalformedCsv

Bytes: TypeAlias = NDArray[np.uint8]
Ints: TypeAlias = NDArray[np.intp]
_QUOTE: Final = 0x22
_COMMA: Final = 0x2C
_LINE_FEED: Final = 0x0A
_PARTED: Final = 2
"""From a closing quote to the next opening one."""


@dataclass(frozen=True, slots=True)
class QuotedCells:
    """Start and length of every cell, one row per record; and the places of the doubled quotes inside cells."""

    starts: Ints
    lengths: Ints
    inner: Ints


def find_quoted_cells(buffer: Bytes, columns: int) -> QuotedCells | None:
    """Return the cells of a block in which every cell is quoted; None if that is not so, or not strict CSV.

    Quotes come in pairs. One byte after a pair the next begins where a quote is doubled inside a cell, two bytes after
    it where a comma or a line feed parts two cells; there is no third way.
    """
    quotes = (buffer == _QUOTE).nonzero()[0]
    opens, closes = quotes[0::2], quotes[1::2]
    if not len(quotes) or len(quotes) % 2 or opens[0] != 0 or closes[-1] != len(buffer) - 2:
        return None
    gaps = opens[1:] - closes[:-1]
    if gaps.max(initial=_PARTED) > _PARTED:
        return None
    inner = closes[:0]
    if gaps.min(initial=_PARTED) < _PARTED:
        parted = gaps == _PARTED
        inner = closes[:-1][~parted]
        opens = np.concatenate((opens[:1], opens[1:][parted]))
        closes = np.concatenate((closes[:-1][parted], closes[-1:]))
    if len(opens) % columns:
        return None
    after = buffer.take(closes + 1)
    if after.tobytes() != (b"," * (columns - 1) + b"\n") * (len(opens) // columns):
        return None
    starts = opens.reshape(-1, columns)
    return QuotedCells(starts, closes.reshape(-1, columns) - starts + 1, np.concatenate((inner, inner + 1)))


def find_cells(buffer: Bytes, columns: int) -> tuple[Ints, Ints]:
    """Return start and length of every cell, one row per record. Raises `MalformedCsv`."""
    is_quote = buffer == _QUOTE
    places = np.flatnonzero(is_quote | (buffer == _COMMA) | (buffer == _LINE_FEED))
    kinds = is_quote[places]
    inside = np.logical_xor.accumulate(kinds)
    ends = places[~(kinds | inside)]
    if len(ends) == 0 or len(ends) % columns or ends[-1] != len(buffer) - 1:
        message = "every record has as many cells as the header"
        raise MalformedCsv(message)
    last = buffer[ends] == _LINE_FEED
    grid = last.reshape(-1, columns)
    if not grid[:, -1].all() or grid[:, :-1].any():
        message = "every record has as many cells as the header"
        raise MalformedCsv(message)
    _check_quotes(buffer, places[kinds])
    starts = np.empty_like(ends)
    starts[0] = 0
    starts[1:] = ends[:-1] + 1
    return starts.reshape(-1, columns), (ends - starts).reshape(-1, columns)


def _check_quotes(buffer: Bytes, quotes: Ints) -> None:
    """A quote opens a cell at its start, closes it at its end, or is doubled; else the parity would lie."""
    opens, closes = quotes[0::2], quotes[1::2]
    before = buffer[np.maximum(opens, 1) - 1]
    after = buffer[closes + 1]
    opened = (before == _COMMA) | (before == _LINE_FEED) | (before == _QUOTE) | (opens == 0)
    closed = (after == _COMMA) | (after == _LINE_FEED) | (after == _QUOTE)
    if not (opened.all() and closed.all()):
        message = "a quote stands at a border of its cell, or doubled within it"
        raise MalformedCsv(message)
