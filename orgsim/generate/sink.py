"""Where the uploads of a bench target go: read as fast as memory allows, counted and summed, not kept.

What can be verified afterwards: how many rows came, how many different keys (exactly for orgsim's own ids and for up
to KEYS_MAX others), and a sum over the row bytes that does not depend on the order of rows or jobs.
"""

from __future__ import annotations

from dataclasses import dataclass
from threading import Lock
from typing import Final

import numpy as np
from isal.isal_zlib import crc32  # pyright: ignore[reportUnknownVariableType]  # half-typed stubs
from numpy.typing import NDArray

from orgsim.ids import DIGITS

BLOCK_BYTES: Final = 1_000_000
"""How much of an upload is taken at a time: what the processor's caches hold."""

_LONGEST: Final = 4
"""A row may be as long as so many blocks (Salesforce allows 400,000 characters, at most 4 bytes each)."""

KEYS_MAX: Final = 2_000_000
"""Keys that are no orgsim ids are remembered as 8-byte hashes, this many at most."""

_TOO_LONG: Final = "a row is longer than a block, or a quote is never closed"
_UNEVEN: Final = "rows differ in their number of cells"
_QUOTE: Final = ord('"')
_NEWLINE: Final = ord("\n")
_ID_WIDTHS: Final = frozenset({15, 18})
_HEAD: Final = 6
_DIGIT_OF: Final = np.full(256, 62, dtype=np.int64)
_DIGIT_OF[np.frombuffer(DIGITS.encode(), dtype=np.uint8)] = np.arange(62)
_POWERS: Final = 62 ** np.arange(8, -1, -1, dtype=np.int64)

Bytes = NDArray[np.uint8]
Places = NDArray[np.int64]


class BadUpload(ValueError):
    """The upload is not CSV with the same number of cells in every row, or its key column is missing."""


@dataclass(frozen=True, slots=True)
class Absorbed:
    """What one upload brought: rows, those with a key not seen before, and the bytes of its rows."""

    rows: int
    created: int
    row_bytes: int


class CsvSink:
    """Takes whole uploads. `rows`, `distinct_keys`, `row_bytes` and `checksum` cover everything taken so far.

    `checksum` is the sum of the CRC-32 of every row as it came (without its line feed), modulo 2**64: rows may come in
    any order, but a changed, missing or repeated row shows.
    """

    def __init__(self, *, block_bytes: int = BLOCK_BYTES) -> None:
        self._block_bytes = block_bytes
        self._busy = Lock()  # the server absorbs in threads, several jobs at a time
        self.rows = 0
        self.row_bytes = 0
        self.checksum = 0
        self._seen: dict[bytes, bytearray] = {}
        self._found = 0
        self._keyless = 0
        self._hashes: set[int] = set()

    @property
    def distinct_keys(self) -> int:
        """Different keys so far."""
        return self._found + len(self._hashes)

    @property
    def new_rows(self) -> int:
        """Rows that a table would hold now: the different keys, and everything that came without a key."""
        return self.distinct_keys + self._keyless

    def summary(self) -> dict[str, int]:
        """Return the figures for the control port."""
        return {"rows": self.rows, "distinctKeys": self.distinct_keys, "rowBytes": self.row_bytes,
                "checksum": self.checksum}  # fmt: skip

    def absorb(self, body: bytes, *, key: str | None, delimiter: str = ",", line_ending: str = "\n") -> Absorbed:
        """Take an upload with its header; `key` is the column of the external id (None: every row is a new one).

        Raises BadUpload; what came before the bad block stays counted.
        """
        end = body.find(b"\n")
        header = body[: end if end >= 0 else len(body)].decode("utf-8-sig").rstrip("\r")
        names = [name.strip('"').lower() for name in header.split(delimiter)]
        if key is not None and key.lower() not in names:
            raise BadUpload(key)
        column = None if key is None else names.index(key.lower())
        start = end + 1 if end >= 0 else len(body)
        with self._busy:
            before = (self.rows, self.new_rows, self.row_bytes)
            while start < len(body):
                start += self._block(
                    body, start, width=len(names), column=column, delimiter=ord(delimiter), ending=len(line_ending)
                )
            return Absorbed(self.rows - before[0], self.new_rows - before[1], self.row_bytes - before[2])

    def _block(
        self, body: bytes, start: int, *, width: int, column: int | None, delimiter: int, ending: int, blocks: int = 1
    ) -> int:
        """Take as many whole rows as fit into a block (or several); return the number of bytes taken."""
        piece = body[start : start + self._block_bytes * blocks]
        last = start + len(piece) == len(body)
        if last and not piece.endswith(b"\n"):
            piece += b"\n" if ending == 1 else b"\r\n"
        data: Bytes = np.frombuffer(piece, dtype=np.uint8)
        separators = _separators(data, delimiter, quoted=_QUOTE in piece)
        ends = np.flatnonzero(data[separators] == _NEWLINE)
        if not len(ends):
            if blocks == _LONGEST or last:
                raise BadUpload(_TOO_LONG)
            return self._block(
                body, start, width=width, column=column, delimiter=delimiter, ending=ending, blocks=_LONGEST
            )
        separators = separators[: int(ends[-1]) + 1]
        if len(separators) != len(ends) * width:
            raise BadUpload(_UNEVEN)
        grid: Places = separators.reshape(len(ends), width)
        if not (data[grid[:, -1]] == _NEWLINE).all():
            raise BadUpload(_UNEVEN)
        taken = int(grid[-1, -1]) + 1
        self._sum(piece[:taken], grid[:, -1])
        self.rows += len(ends)
        self.row_bytes += taken - len(ends) * ending
        if column is None:
            self._keyless += len(ends)
        else:
            lefts = grid[:, column - 1] + 1 if column else np.concatenate(([0], grid[:-1, -1] + 1))
            rights = grid[:, column] - (ending - 1 if column == width - 1 else 0)
            self._keys(data, lefts, rights)
        return min(taken, len(body) - start)

    def _sum(self, rows: bytes, ends: Places) -> None:
        """Add the CRC-32 of every row, its line feed left out."""
        if rows.count(b"\n") == len(ends):
            parts = rows.split(b"\n")
            parts.pop()  # what follows the last line feed: nothing
        else:  # line feeds within quotes
            stops = ends.tolist()
            parts = [rows[left:right] for left, right in zip([0, *(stop + 1 for stop in stops)], stops, strict=False)]
        self.checksum = (self.checksum + sum(map(crc32, parts))) % 2**64  # pyright: ignore[reportUnknownArgumentType]  # half-typed stubs

    def _keys(self, data: Bytes, lefts: Places, rights: Places) -> None:
        quoted = data[lefts] == _QUOTE
        lefts, rights = lefts + quoted, rights - quoted
        widths = rights - lefts
        width = int(widths[0])
        if width in _ID_WIDTHS and (widths == width).all():
            self._ids(data[lefts[:, None] + np.arange(15)])
            return
        self._others({bytes(data[left:right]) for left, right in zip(lefts.tolist(), rights.tolist(), strict=True)})

    def _ids(self, keys: Bytes) -> None:
        """Mark ids by prefix, pod and number in a bit per number."""
        digits = _DIGIT_OF[keys[:, _HEAD:]]
        if int(digits.max()) >= len(DIGITS):
            self._others({row.tobytes() for row in keys})
            return
        numbers = digits @ _POWERS
        heads = keys[:, :_HEAD]
        if int(numbers.max()) > KEYS_MAX * 64:
            self._others({row.tobytes() for row in keys})
            return
        kinds = [heads[0]] if (heads == heads[0]).all() else list(np.unique(heads, axis=0))
        for kind in kinds:
            mine = numbers if len(kinds) == 1 else numbers[(heads == kind).all(axis=1)]
            self._mark(kind.tobytes(), mine)

    def _mark(self, head: bytes, numbers: Places) -> None:
        flags = self._seen.setdefault(head, bytearray())
        wanted = int(numbers.max()) + 1
        if wanted > len(flags):
            flags.extend(bytes(max(wanted - len(flags), len(flags))))
        view: Bytes = np.frombuffer(flags, dtype=np.uint8)
        touched = view[int(numbers.min()) : wanted]
        before = int(np.count_nonzero(touched))
        view[numbers] = 1
        self._found += int(np.count_nonzero(touched)) - before
        del touched, view  # a view would forbid the bytearray to grow

    def _others(self, keys: set[bytes]) -> None:
        if len(self._hashes) + len(keys) <= KEYS_MAX:
            self._hashes.update(hash(key) for key in keys)


def _separators(data: Bytes, delimiter: int, *, quoted: bool) -> Places:
    """Return where delimiters and line feeds stand outside quotes."""
    marks = data == delimiter
    marks |= data == _NEWLINE
    if not quoted:
        return np.flatnonzero(marks)
    marks |= data == _QUOTE
    places = np.flatnonzero(marks)
    quotes = data[places] == _QUOTE
    outside = (np.cumsum(quotes, dtype=np.uint8) & 1) == 0  # wraps at 256, which keeps odd and even apart
    outside &= ~quotes
    return places[outside]
