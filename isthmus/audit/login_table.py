"""Logins by user, kind and success, in columns: most of what an audit of many users holds. Pure.

A row takes the same 170 bytes whatever the number of logins behind it; as objects with their dates and weeks it would
take four times that. Rows are looked at through `UserLogins`, which reads the columns when it is asked.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Final, final

import msgspec

from isthmus.audit.model import DAYS_KEPT, WEEKS_KEPT, LoginKind, LoginRow

DAYS_A_WEEK: Final = 7
_DAY_BYTES: Final = (DAYS_KEPT + 7) // 8
_NO_DAYS: Final = bytes(_DAY_BYTES)
_NO_WEEKS: Final = (0,) * WEEKS_KEPT
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_WORDS: Final = tuple((kind, success) for kind in sorted(LoginKind) for success in (False, True))
_CODES: Final = MappingProxyType({words: code for code, words in enumerate(_WORDS)})
_END: Final = -1
_LENGTH_BYTES: Final = 8


class UserLoginsRow(msgspec.Struct, frozen=True, gc=False):
    """A line of logins.jsonl: `days` a hexadecimal bit set (bit i: day i), `weeks[k]` of days 7k to 7k+6."""

    user: str
    kind: LoginKind
    success: bool
    count: int
    first: datetime
    last: datetime
    days: str
    weeks: tuple[int, ...]


@final
class UserLogins:
    """All logins of a user of one kind, successful or not: a look at one row of the table."""

    __slots__ = ("_place", "_table", "kind", "last", "success", "user")

    def __init__(self, table: LoginTable, user: str, place: int) -> None:
        """Made by `LoginTable` only."""
        self._table = table
        self._place = place
        self.user = user
        self.kind, self.success = _WORDS[table.codes[place]]
        self.last = _instant(table.lasts[place])

    @property
    def count(self) -> int:
        """How many logins."""
        return self._table.counts[self._place]

    @property
    def day_bits(self) -> int:
        """The days with a login as bits of a number: bit 0 is the day of the audit (UTC), bit 1 the one before."""
        start = self._place * _DAY_BYTES
        return int.from_bytes(self._table.days[start : start + _DAY_BYTES], "little")

    @property
    def weeks(self) -> array[int]:
        """Logins by week: `weeks[k]` of days 7k to 7k+6."""
        start = self._place * WEEKS_KEPT
        return self._table.weeks[start : start + WEEKS_KEPT]

    def row(self) -> UserLoginsRow:
        """Return it as a line of the file."""
        first = _instant(self._table.firsts[self._place])
        days, weeks = f"{self.day_bits:x}", tuple(self.weeks)
        return UserLoginsRow(self.user, self.kind, self.success, self.count, first, self.last, days, weeks)


@final
class LoginTable:
    """Rows in the order of user, kind, success, whatever the order they came in."""

    def __init__(self) -> None:
        """Begin empty."""
        self.codes = bytearray()
        self.counts = array("q")
        self.firsts = array("q")
        self.lasts = array("q")
        self.days = bytearray()
        self.weeks = array("I")
        self._heads: dict[str, int] = {}
        self._next = array("l")

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.codes)

    def __iter__(self) -> Iterator[UserLogins]:
        """Iterate over the rows in order."""
        for user in sorted(self._heads):
            yield from self.of(user)

    def of(self, user: str) -> Iterator[UserLogins]:
        """Iterate over the rows of one user in order."""
        for place in sorted(self._places(user), key=self.codes.__getitem__):
            yield UserLogins(self, user, place)

    def rows(self) -> Iterator[UserLoginsRow]:
        """Iterate over the rows as the file has them."""
        return (row.row() for row in self)

    def add(self, row: LoginRow, day: int) -> None:
        """Add the logins of a day, which lies `day` days before the audit; too long ago, it counts in the sums only."""
        code = _CODES[row.kind, row.success]
        place = self._heads.get(row.user, _END)
        while place != _END and self.codes[place] != code:
            place = self._next[place]
        first = _microseconds(row.first)
        last = first if row.last == row.first else _microseconds(row.last)
        if place == _END:
            place = self._append(row.user, code, first, last)
        self.firsts[place] = min(self.firsts[place], first)
        self.lasts[place] = max(self.lasts[place], last)
        self.counts[place] += row.count
        if 0 <= day < DAYS_KEPT:
            self.days[place * _DAY_BYTES + (day >> 3)] |= 1 << (day & 7)
            self.weeks[place * WEEKS_KEPT + day // DAYS_A_WEEK] += row.count

    def put(self, row: UserLoginsRow) -> None:
        """Take a line of the file. Raises `ValueError` for one that cannot have come from a table."""
        try:
            days = int(row.days, 16).to_bytes(_DAY_BYTES, "little")
            weeks = array("I", row.weeks)
            place = self._append(
                row.user, _CODES[row.kind, row.success], _microseconds(row.first), _microseconds(row.last)
            )
            self.counts[place] = row.count
        except (OverflowError, TypeError) as error:
            raise ValueError(type(error).__name__) from None
        if len(weeks) != WEEKS_KEPT:
            message = f"a row has {WEEKS_KEPT} weeks"
            raise ValueError(message)
        self.days[place * _DAY_BYTES : (place + 1) * _DAY_BYTES] = days
        self.weeks[place * WEEKS_KEPT : (place + 1) * WEEKS_KEPT] = weeks

    def dump(self) -> Iterator[bytes | memoryview]:
        """Yield all of it in this machine's own form, in pieces, for `load`; nothing may be added meanwhile."""
        users, heads = "\n".join(self._heads).encode(), array("q", self._heads.values())
        for column in (users, heads, *self._columns()):
            content = memoryview(column).cast("B")
            yield len(content).to_bytes(_LENGTH_BYTES, "little")
            yield content

    @classmethod
    def load(cls, dumped: bytes) -> LoginTable:
        """Return the table that was dumped. Raises `ValueError` for what cannot have come from a table."""
        table, heads, contents = cls(), array("q"), _contents(dumped)
        users = bytes(next(contents, b"")).decode()
        heads.frombytes(next(contents, b""))
        for column, content in zip(table._columns(), contents, strict=True):
            if isinstance(column, bytearray):
                column.extend(content)
            else:
                column.frombytes(content)
        table._heads = dict(zip(users.split("\n") if users else (), heads, strict=True))
        rows = len(table.codes)
        widths = (1, 1, 1, 1, _DAY_BYTES, WEEKS_KEPT, 1)
        if any(len(column) != rows * width for column, width in zip(table._columns(), widths, strict=True)):
            message = "the columns are not of one length"
            raise ValueError(message)
        return table

    def _columns(self) -> tuple[bytearray | array[int], ...]:
        return (self.codes, self.counts, self.firsts, self.lasts, self.days, self.weeks, self._next)

    def _append(self, user: str, code: int, first: int, last: int) -> int:
        place = len(self.codes)
        self.codes.append(code)
        self.counts.append(0)
        self.firsts.append(first)
        self.lasts.append(last)
        self.days.extend(_NO_DAYS)
        self.weeks.extend(_NO_WEEKS)
        self._next.append(self._heads.get(user, _END))
        self._heads[user] = place
        return place

    def _places(self, user: str) -> Iterator[int]:
        place = self._heads.get(user, _END)
        while place != _END:
            yield place
            place = self._next[place]


def _microseconds(at: datetime) -> int:
    since = at - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def _instant(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def _contents(dumped: bytes) -> Iterator[memoryview]:
    view, start = memoryview(dumped), 0
    while start < len(view):
        end = start + _LENGTH_BYTES
        length = int.from_bytes(view[start:end], "little")
        start = end + length
        yield view[end:start]
