"""CSV of a Bulk export turned into CSV for a Bulk upload, block by block and exactly: no value is decoded.

1. `RecordCutter` cuts the stream at record ends (a line feed at even quote parity), so a block holds whole records.
2. `Codec` finds every cell of a block by vector arithmetic, refuses anything that is not strict CSV, and gathers the
   cells it needs, byte for byte, into the upload's rows: nulls become `#N/A`, constants are put in.
3. Rows are parted by which of their parents are null, and of which kind they are: a lookup is cleared by `XId=#N/A` in
   a file of its own, because a file that also has the column `X.Key` does not clear it; `Account:What.Key` and
   `Case:What.Key` name one lookup by two columns.
4. Rows that a file cannot carry (a text that is `#N/A`, a field above 32,000 characters) leave as decoded cells and
   travel by REST.

Cost: a few vector operations per byte; no Python object per row.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from isthmus.sync.flow.cell_places import find_cells, find_quoted_cells
from isthmus.sync.flow.cells import MalformedCsv, decoded_cell
from isthmus.sync.flow.parent_columns import NULL_STATE, ParentOutput, parent_states
from isthmus.sync.flow.swaps import NO_TABLES, Swap, Tables, Values, different, distinct, swapped
from isthmus.sync.flow.verbatim import cut, mark, unmark

BLOCK_BYTES: Final = 128 * 1024
"""Mapping a block takes some 40 bytes of indexes for each of its bytes: larger blocks cost memory and gain nothing."""
RECORD_BYTES_MAX: Final = 32 * 1024 * 1024
FIELD_BYTES_MAX: Final = 32_000
"""Bulk API 2.0 takes 32,000 characters in a field; counting bytes errs on the safe side."""
ROW_BYTES_MAX: Final = 400_000
NULL_CELL: Final = b"#N/A"
_QUOTE: Final = 0x22
_COMMA: Final = 0x2C
_LINE_FEED: Final = 0x0A
_QUOTED_EMPTY: Final = 2

Bytes: TypeAlias = NDArray[np.uint8]
Ints: TypeAlias = NDArray[np.intp]
Flags: TypeAlias = NDArray[np.bool_]


class RecordCutter:
    """Cuts a stream of CSV bytes into blocks of whole records, each ending with a line feed."""

    def __init__(self, block_bytes: int = BLOCK_BYTES) -> None:
        """Hold back at most `block_bytes` plus one record."""
        self._block_bytes = block_bytes
        self._chunks: list[bytes] = []
        self._held = 0
        self._wanted = block_bytes

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Take the next bytes; yield a block for each time that enough has come together.

        A chunk may be large, where little was unpacked to much: it is taken in pieces, for the sake of memory.
        """
        for start in range(0, len(chunk), self._block_bytes):
            yield from self._take(
                chunk if len(chunk) <= self._block_bytes else chunk[start : start + self._block_bytes]
            )

    def _take(self, chunk: bytes) -> Iterator[bytes]:
        self._chunks.append(chunk)
        self._held += len(chunk)
        if self._held < self._wanted:
            return
        held = b"".join(self._chunks)
        end = _last_record_end(held)
        if end == 0:
            if self._held > RECORD_BYTES_MAX:
                message = "a record is no longer than 32 MiB"
                raise MalformedCsv(message)
            self._chunks, self._wanted = [held], self._held * 2
            return
        rest = held[end:]
        self._chunks, self._held, self._wanted = [rest], len(rest), max(self._block_bytes, len(rest) + 1)
        yield held[:end]

    def finish(self) -> bytes:
        """Return what is left, ended by a line feed; empty if nothing is."""
        held = b"".join(self._chunks)
        self._chunks, self._held = [], 0
        if held and not held.endswith(b"\n"):
            held += b"\n"
        if held and _last_record_end(held) != len(held):
            message = "a quoted cell is closed before the end"
            raise MalformedCsv(message)
        return held


def _last_record_end(held: bytes) -> int:
    """Return the length of the whole records in `held`: the place after its last line feed outside quotes."""
    quotes_after = 0
    odd = int(np.count_nonzero(np.frombuffer(held, np.uint8) == _QUOTE)) % 2 == 1
    upper = len(held)
    while True:
        line_feed = held.rfind(b"\n", 0, upper)
        if line_feed < 0:
            return 0
        quotes_after += held.count(b'"', line_feed, upper)
        if odd == (quotes_after % 2 == 1):
            return line_feed + 1
        upper = held.rfind(b'"', 0, line_feed) + 1
        if upper == 0:
            return 0


@dataclass(frozen=True, slots=True)
class Output:
    """One column of an upload: copied from the export's column `cell`, or the encoded `constant`.

    `blank` sends an empty cell ("leave alone") where the source is not null, and `#N/A` where it is. `table` names the
    table that says what to send instead of the cell.
    """

    header: str
    cell: int | None = None
    constant: bytes = b""
    blank: bool = False
    table: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one block whose parents are in the same states; `nulls` is the number that the states make up."""

    nulls: int
    rows: int
    content: bytes

    def __repr__(self) -> str:
        """Show the count, nothing more."""
        return f"<Part of {self.rows} rows>"


@dataclass(frozen=True, slots=True)
class Mapped:
    """A block after mapping. `loose` are rows that must go by REST, as cells in the export's order (null: None).

    `unmapped` counts rows that a table has nothing for, by table.
    """

    rows: int
    parts: tuple[Part, ...]
    loose: tuple[tuple[str | None, ...], ...]
    keyless: int
    unmapped: Mapping[int, int]

    def __repr__(self) -> str:
        """Show the count, nothing more."""
        return f"<Mapped {self.rows} rows>"


@dataclass(frozen=True, slots=True)
class Block:
    """A block whose cells have been found."""

    content: bytes
    buffer: Bytes
    starts: Ints
    lengths: Ints
    quoted: Flags
    nulls: Flags
    lost: Flags | None = None
    """Rows that cannot go and are counted already."""
    marked: bytes | None = None
    """The content ready to go as it came, see `verbatim`; None where rows must be taken apart."""

    def __repr__(self) -> str:
        """Show the count, nothing more."""
        return f"<Block of {len(self.starts)} rows>"

    def values(self, cell: int) -> Values:
        """Return the different contents of one column."""
        return distinct(self.buffer, self.starts[:, cell], self.lengths[:, cell])


class Codec:
    """Maps blocks of one export. The export's first column is the key; a row without one is only counted."""

    def __init__(self, columns: int, outputs: Sequence[Output], parents: Sequence[ParentOutput]) -> None:
        """Take the number of the export's columns, what to write of them, and the lookups that part the rows."""
        self._columns = columns
        self._outputs = tuple(outputs)
        self._parents = tuple(parents)
        cells = [None if output.table is not None else output.cell for output in self._outputs]
        one_kind = not any(parent.prefixes for parent in self._parents)
        self._in_order = one_kind and [*cells, *(parent.cell for parent in self._parents)] == list(range(columns))
        self._blanks = [output.cell for output in self._outputs if output.blank and output.cell is not None]

    def header(self, nulls: int) -> bytes:
        """Return the header row of the files for rows with these parents null."""
        names = [output.header for output in self._outputs]
        heads = (parent.head(state) for parent, state in self._states(nulls))
        names.extend(name for name in heads if name is not None)
        return ",".join(names).encode() + b"\n"

    def _states(self, nulls: int) -> Iterator[tuple[ParentOutput, int]]:
        """Yield each parent with its digit of `nulls`, a number of mixed base."""
        for parent in self._parents:
            nulls, state = divmod(nulls, parent.states)
            yield parent, state

    def parse(self, content: bytes) -> Block:
        """Find the cells of `content` (whole records without header). Raises `MalformedCsv`."""
        buffer = np.frombuffer(content, np.uint8)
        quoted_cells = find_quoted_cells(buffer, self._columns)
        if quoted_cells is not None:
            starts, lengths = quoted_cells.starts, quoted_cells.lengths
            marked = mark(content, buffer, quoted_cells, self._blanks) if self._in_order else None
            return Block(
                content,
                buffer,
                starts,
                lengths,
                np.ones(starts.shape, np.bool_),
                lengths == _QUOTED_EMPTY,
                marked=marked,
            )
        starts, lengths = find_cells(buffer, self._columns)
        opening = buffer[np.minimum(starts, len(buffer) - 1)]
        quoted = (lengths > 0) & (opening == _QUOTE)
        nulls = (lengths == 0) | (quoted & (lengths == _QUOTED_EMPTY))
        return Block(content, buffer, starts, lengths, quoted, nulls)

    def map(self, block: Block, tables: Tables = NO_TABLES) -> Mapped:
        """Return the rows of `block` as parts of uploads. `tables` know every value of their columns."""
        buffer, starts, lengths, nulls = block.buffer, block.starts, block.lengths, block.nulls
        loose = _loose_rows(buffer, starts, lengths, block.quoted)
        keyless = nulls[:, 0]
        if block.lost is not None:
            loose &= ~block.lost
        sendable = ~(loose | keyless) if block.lost is None else ~(loose | keyless | block.lost)
        swaps: dict[int, Swap] = {}
        unmapped: dict[int, int] = {}
        for output in self._outputs:
            if output.table is None or output.cell is None:
                continue
            swap = swapped(block.values(output.cell), tables[output.table])
            lost = sendable & ~swap.known & ~nulls[:, output.cell]
            if lost.any():
                unmapped[output.table] = int(np.count_nonzero(lost))
                sendable &= ~lost
            swaps[output.table] = swap
        masks = np.zeros(len(starts), np.int64)
        worth = 1
        for parent in self._parents:
            masks += parent_states(parent, block.buffer, block.starts, block.quoted, block.nulls) * worth
            worth *= parent.states
        parts: list[Part] = []
        for mask in different(masks[sendable]).tolist():
            chosen = np.flatnonzero(sendable & (masks == mask))
            content = self._laid_out(block, chosen, swaps, int(mask))
            parts.append(Part(int(mask), len(chosen), content))
        return Mapped(
            rows=len(starts),
            parts=tuple(parts),
            loose=_decoded(block.content, starts, lengths, np.flatnonzero(loose & ~keyless)),
            keyless=int(np.count_nonzero(keyless)),
            unmapped=unmapped,
        )

    def _laid_out(self, block: Block, chosen: Ints, swaps: Mapping[int, Swap], mask: int) -> bytes:
        """Return the chosen rows as an upload has them; what is to go as it came is cut out in whole pieces."""
        left_out = any(state == NULL_STATE and parent.lookup is None for parent, state in self._states(mask))
        if block.marked is None or left_out:
            return self._gather(block, chosen, swaps, mask)
        return unmark(cut(block.marked, block.starts[:, 0], chosen), NULL_CELL)

    def _gather(self, block: Block, chosen: Ints, swaps: Mapping[int, Swap], mask: int) -> bytes:
        """Copy the chosen cells: each as (place, length) in the block or in a tail of constants, then all at once."""
        whole = len(chosen) == len(block.starts)
        rows = slice(None) if whole else chosen
        starts, lengths, nulls = block.starts[rows], block.lengths[rows], block.nulls[rows]
        tail = bytearray()
        begins: list[Ints | int] = []
        sizes: list[Ints | int] = []
        null_at = len(block.buffer)
        tail += NULL_CELL
        for output in self._outputs:
            place = len(block.buffer) + len(tail)
            if output.cell is None:
                begins.append(place)
                sizes.append(len(output.constant))
                tail += output.constant
                continue
            empty = nulls[:, output.cell]
            if output.table is not None:
                swap = swaps[output.table]
                begins.append(np.where(empty, null_at, place + swap.begins[rows]))
                sizes.append(np.where(empty, len(NULL_CELL), swap.sizes[rows]))
                tail += swap.tail
                continue
            begins.append(np.where(empty, null_at, starts[:, output.cell]))
            full = 0 if output.blank else lengths[:, output.cell]
            sizes.append(np.where(empty, len(NULL_CELL), full))
        for parent, state in self._states(mask):
            if state != NULL_STATE:
                begins.append(starts[:, parent.cell])
                sizes.append(lengths[:, parent.cell])
            elif parent.lookup is not None:
                begins.append(null_at)
                sizes.append(len(NULL_CELL))
        return _copied(block.buffer, bytes(tail), begins, sizes, len(starts))


def _copied(buffer: Bytes, tail: bytes, begins: Sequence[Ints | int], sizes: Sequence[Ints | int], rows: int) -> bytes:
    columns = len(begins)
    begin: Ints = np.empty((rows, columns), np.intp)
    size: Ints = np.empty((rows, columns), np.intp)
    for number in range(columns):
        begin[:, number] = begins[number]
        size[:, number] = sizes[number]
    size += 1  # room for the comma or line feed after each cell
    ends = np.cumsum(size.ravel())
    total = int(ends[-1])
    index = np.repeat(begin.ravel() - (ends - size.ravel()), size.ravel())
    index += np.arange(total)
    source = np.concatenate((buffer, np.frombuffer(tail + b"\0", np.uint8)))
    content = source.take(index, mode="clip")
    content[ends - 1] = _COMMA
    content[ends[columns - 1 :: columns] - 1] = _LINE_FEED
    return content.tobytes()


def _loose_rows(buffer: Bytes, starts: Ints, lengths: Ints, quoted: Flags) -> Flags:
    """Return which rows a file cannot carry."""
    loose = np.zeros(len(starts), np.bool_)
    longest = int(lengths.max(initial=0))
    if longest > FIELD_BYTES_MAX:
        loose |= (lengths > FIELD_BYTES_MAX).any(axis=1)
    if longest * lengths.shape[1] > ROW_BYTES_MAX:
        loose |= lengths.sum(axis=1) > ROW_BYTES_MAX
    size = len(NULL_CELL)
    candidates = lengths == size + 2
    if not quoted.all():
        candidates &= quoted
        candidates |= (lengths == size) & ~quoted
    rows, columns = np.divmod(np.flatnonzero(candidates), lengths.shape[1])
    places = starts[rows, columns] + quoted[rows, columns]
    same = np.ones(len(places), np.bool_)
    for offset, letter in enumerate(NULL_CELL):
        same &= buffer[places + offset] == letter
    loose[rows[same]] = True
    return loose


def _decoded(block: bytes, starts: Ints, lengths: Ints, rows: Ints) -> tuple[tuple[str | None, ...], ...]:
    found: list[tuple[str | None, ...]] = []
    for row in rows.tolist():
        cells: list[str | None] = []
        for start, length in zip(starts[row].tolist(), lengths[row].tolist(), strict=True):
            cells.append(decoded_cell(block[start : start + length]))
        found.append(tuple(cells))
    return tuple(found)


def header_names(record: bytes) -> tuple[str, ...]:
    """Return the names of a header record."""
    try:
        text = record.decode().removeprefix("\ufeff")
    except UnicodeDecodeError:
        message = "the header is UTF-8"
        raise MalformedCsv(message) from None
    return tuple(next(csv.reader(io.StringIO(text), strict=True), list[str]()))


def rows_of(content: bytes, columns: int) -> Iterator[tuple[bytes, ...]]:
    """Yield the raw cells of each record of a file that `Codec` wrote (without its header): for a few rows only."""
    starts, lengths = find_cells(np.frombuffer(content, np.uint8), columns)
    for row_starts, row_lengths in zip(starts.tolist(), lengths.tolist(), strict=True):
        yield tuple(content[start : start + length] for start, length in zip(row_starts, row_lengths, strict=True))
