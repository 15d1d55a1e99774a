"""Columns of made-up rows, rendered many at a time: each turns row numbers into cells of one fixed width."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from orgsim.ids import DIGITS
from orgsim.store.results import Value

Numbers = NDArray[np.int64]
Cells = NDArray[np.uint8]

_DIGITS: Final = np.frombuffer(DIGITS.encode(), dtype=np.uint8)
_CHECK: Final = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345", dtype=np.uint8)
_COUNTER_DIGITS: Final = 9
_ID_WIDTH: Final = 18
_SECONDS_PER_DAY: Final = 86_400
_STAMP_WIDTH: Final = 24
_DATE_WIDTH: Final = 10
_FIRST_DAY: Final = date(1970, 1, 1).toordinal()
_ZERO: Final = ord("0")


@runtime_checkable
class Column(Protocol):
    """One column. `width` is in bytes of UTF-8, the same for every row."""

    @property
    def width(self) -> int:
        """The width of a cell."""
        ...

    def write(self, rows: Numbers, target: Cells) -> None:
        """Write the cells of these rows (0-based) into `target`, which is rows x width."""
        ...


@runtime_checkable
class Coded(Protocol):
    """A column with few different values: a code per row, and what the codes mean."""

    @property
    def pool(self) -> Sequence[Value]:
        """The different values."""
        ...

    def codes(self, rows: Numbers) -> Numbers:
        """Return the place in `pool` of each row's value."""
        ...


@dataclass(frozen=True, slots=True)
class Words:
    """One of several values of any width, or null, by a code that `choose` gives per row."""

    pool: tuple[Value, ...]
    choose: Callable[[Numbers], Numbers]

    def codes(self, rows: Numbers) -> Numbers:
        """Return the place in `pool` of each row's value."""
        return self.choose(rows)


@dataclass(frozen=True, slots=True)
class Moments:
    """A date-time that some rows do not have; `seconds` gives epoch seconds per row, below 0 for null."""

    seconds: Callable[[Numbers], Numbers]


@dataclass(frozen=True, slots=True)
class Constant:
    """The same text in every row; empty means null."""

    text: str

    @property
    def width(self) -> int:
        """The width of a cell, with quotes doubled as CSV needs them."""
        return len(self._escaped)

    @property
    def _escaped(self) -> bytes:
        return self.text.replace('"', '""').encode()

    @property
    def pool(self) -> Sequence[Value]:
        """The one value."""
        return (self.text or None,)

    def codes(self, rows: Numbers) -> Numbers:
        """Return 0 for every row."""
        return np.zeros(len(rows), dtype=np.int64)

    def write(self, rows: Numbers, target: Cells) -> None:
        """Write the text."""
        del rows
        target[:] = np.frombuffer(self._escaped, dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several texts of equal width, spread over the rows by a multiplicative hash."""

    texts: tuple[str, ...]
    salt: int

    @property
    def width(self) -> int:
        """The common width."""
        widths = {len(text.encode()) for text in self.texts}
        (width,) = widths  # ValueError here: the texts differ in width
        return width

    @property
    def pool(self) -> Sequence[Value]:
        """The texts as stored."""
        return tuple(text.replace('""', '"') for text in self.texts)

    def codes(self, rows: Numbers) -> Numbers:
        """Return the place of each row's text."""
        return ((rows + self.salt) * 2_654_435_761 >> 16) % len(self.texts)

    def write(self, rows: Numbers, target: Cells) -> None:
        """Write the chosen texts."""
        pool = np.frombuffer("".join(self.texts).encode(), dtype=np.uint8).reshape(len(self.texts), -1)
        target[:] = pool[self.codes(rows)]


@dataclass(frozen=True, slots=True)
class Digits:
    """Text, then a number with leading zeros: (row * factor + offset) modulo 10**digits, then more text."""

    before: str
    digits: int
    factor: int = 1
    offset: int = 0
    after: str = ""
    first_digit: str = ""

    @property
    def width(self) -> int:
        """The width of text and digits together."""
        return len(self.before.encode()) + len(self.first_digit) + self.digits + len(self.after.encode())

    @property
    def is_key(self) -> bool:
        """Whether every row has another text."""
        return self.factor == 1 and self.offset == 0

    def row_of(self, text: str) -> int | None:
        """Return the row with this text in any capitalisation (of a column that `is_key`); None if there is none."""
        folded = text.casefold()
        head, tail = (self.before + self.first_digit).casefold(), self.after.casefold()
        middle = folded.removeprefix(head).removesuffix(tail)
        fits = folded == head + middle + tail and len(middle) == self.digits
        return int(middle) if fits and middle.isascii() and middle.isdigit() else None

    def write(self, rows: Numbers, target: Cells) -> None:
        """Write text and number."""
        head = (self.before + self.first_digit).encode()
        target[:, : len(head)] = np.frombuffer(head, dtype=np.uint8)
        left = (rows * self.factor + self.offset) % 10**self.digits
        for place in range(len(head) + self.digits - 1, len(head) - 1, -1):
            left, digit = np.divmod(left, 10)
            target[:, place] = digit.astype(np.uint8) + _ZERO
        if self.after:
            target[:, len(head) + self.digits :] = np.frombuffer(self.after.encode(), dtype=np.uint8)


@dataclass(frozen=True, slots=True)
class IdColumn:
    """Record ids: the row's own (`modulo` 0), that of parent number row % modulo, or of the parent that `of` says."""

    prefix: str
    pod: str
    first: int
    modulo: int = 0
    of: Callable[[Numbers], Numbers] | None = None

    @property
    def width(self) -> int:
        """18 characters."""
        return _ID_WIDTH

    def numbers(self, rows: Numbers) -> Numbers:
        """Return the number of the record that each row's id belongs to, counted from 0."""
        if self.of is not None:
            return self.of(rows)
        return rows % self.modulo if self.modulo else rows

    def write(self, rows: Numbers, target: Cells) -> None:
        """Write the ids with their check characters."""
        left = self.numbers(rows) + self.first
        head = f"{self.prefix}{self.pod}0".encode()
        target[:, : len(head)] = np.frombuffer(head, dtype=np.uint8)
        for place in range(len(head) + _COUNTER_DIGITS - 1, len(head) - 1, -1):
            left, digit = np.divmod(left, 62)
            target[:, place] = _DIGITS[digit]
        short = target[:, :15]
        upper = ((short >= ord("A")) & (short <= ord("Z"))).astype(np.uint8)
        for group in range(3):
            bits = upper[:, group * 5 : group * 5 + 5]
            mask = bits[:, 0] | bits[:, 1] << 1 | bits[:, 2] << 2 | bits[:, 3] << 3 | bits[:, 4] << 4
            target[:, 15 + group] = _CHECK[mask]


class Timeline(Protocol):
    """How row numbers map to time; never backwards."""

    def seconds(self, rows: Numbers) -> Numbers:
        """Return the epoch seconds of these rows."""
        ...

    def first_at_or_after(self, instant: datetime) -> int:
        """Return the first row whose stamp is not before an instant; the number of rows if there is none."""
        ...


@dataclass(frozen=True, slots=True)
class Spread:
    """How row numbers map to time: row i was written `i * span_s // count` seconds after `start`."""

    start: datetime
    span_s: int
    count: int

    def seconds(self, rows: Numbers) -> Numbers:
        """Return the epoch seconds of these rows."""
        return rows * self.span_s // max(self.count, 1) + int(self.start.timestamp())

    def first_at_or_after(self, instant: datetime) -> int:
        """Return the first row whose stamp is not before an instant; `count` if there is none."""
        offset = instant.timestamp() - int(self.start.timestamp())
        if offset <= 0:
            return 0
        whole = int(offset) + (offset > int(offset))
        return min(self.count, -(-whole * self.count // self.span_s))


@dataclass(frozen=True, slots=True)
class Stamp:
    """A date-time as Bulk results print it, `2026-01-31T12:00:00.000Z`."""

    spread: Timeline

    @property
    def width(self) -> int:
        """24 characters."""
        return _STAMP_WIDTH

    def write(self, rows: Numbers, target: Cells) -> None:
        """Write date and time; dates come from a table of the days in question."""
        target[:] = np.frombuffer(b"0000-00-00T00:00:00.000Z", dtype=np.uint8)
        days, clock = np.divmod(self.spread.seconds(rows), _SECONDS_PER_DAY)
        _write_days(days, target[:, :_DATE_WIDTH])
        for place, unit, base in (
            (11, 36_000, 10),
            (12, 3600, 10),
            (14, 600, 6),
            (15, 60, 10),
            (17, 10, 6),
            (18, 1, 10),
        ):
            target[:, place] = (clock // unit % base).astype(np.uint8) + _ZERO


@dataclass(frozen=True, slots=True)
class Day:
    """A date, some days after the row's stamp."""

    spread: Timeline
    days_after: int

    @property
    def width(self) -> int:
        """10 characters."""
        return _DATE_WIDTH

    def write(self, rows: Numbers, target: Cells) -> None:
        """Write the dates."""
        _write_days(self.spread.seconds(rows) // _SECONDS_PER_DAY + self.days_after, target)


def instants(seconds: Numbers) -> list[Value]:
    """Return epoch seconds as stored date-times; null below 0."""
    make = datetime.fromtimestamp
    return [None if second < 0 else make(second, UTC) for second in seconds.tolist()]


def _write_days(days: Numbers, target: Cells) -> None:
    low = int(days.min())
    span = range(low, int(days.max()) + 1)
    texts = "".join(date.fromordinal(_FIRST_DAY + day).isoformat() for day in span).encode()
    table = np.frombuffer(texts, dtype=np.uint8).reshape(len(span), _DATE_WIDTH)
    target[:] = table[days - low]
