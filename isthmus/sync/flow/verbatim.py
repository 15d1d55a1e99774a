"""Rows that go into an upload as they came in an export, but for their nulls: no cell is copied by itself.

An export writes null as two quotes, an upload as `#N/A`; both else write a value the same way. So bytes that must not
be taken for a null, or must not go at all, are marked by values that no UTF-8 text has; then two quotes side by side
are a null, nothing else, and one replacement does for all. Marks have the length of what they stand for, so the places
of cells stay what they were.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from isthmus.sync.flow.cell_places import Bytes, Ints, QuotedCells

_INNER: Final = b"\xfe"
_GONE: Final = b"\xff"
_QUOTED_EMPTY: Final = 2


def mark(content: bytes, buffer: Bytes, cells: QuotedCells, blanks: Sequence[int]) -> bytes | None:
    """Return `content` with marks: quotes inside cells, and what is filled in the columns `blanks`, which stay alone.

    None if the content has such bytes itself (then it is no UTF-8).
    """
    if _INNER in content or _GONE in content:
        return None
    if not len(cells.inner) and not blanks:
        return content
    marked = buffer.copy()
    marked[cells.inner] = _INNER[0]
    for column in blanks:
        starts, lengths = cells.starts[:, column], cells.lengths[:, column]
        filled = lengths > _QUOTED_EMPTY
        ends = np.cumsum(lengths[filled])
        if len(ends):
            places: Ints = np.arange(int(ends[-1])) + np.repeat(
                starts[filled] - ends + lengths[filled], lengths[filled]
            )
            marked[places] = _GONE[0]
    return marked.tobytes()


def cut(content: bytes, begins: Ints, rows: Ints) -> bytes:
    """Return the records `rows` (in rising order) of `content`, whose records begin at `begins`."""
    if len(rows) == len(begins):
        return content
    bounds = np.append(begins, len(content))
    gaps = np.flatnonzero(np.diff(rows) != 1)
    firsts, lasts = rows[np.append(0, gaps + 1)], rows[np.append(gaps, len(rows) - 1)]
    spans = zip(bounds[firsts].tolist(), bounds[lasts + 1].tolist(), strict=True)
    return b"".join([content[start:end] for start, end in spans])


def unmark(marked: bytes, null: bytes) -> bytes:
    """Return what goes into the upload; `null` stands for what was empty. No record begins with an empty cell."""
    return marked.replace(b',""', b"," + null).replace(_GONE, b"").replace(_INNER, b'"')
