"""Rows of an upload that were refused and may pass another way. They exist in a mover's memory and nowhere else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final, NoReturn, TypeAlias, final

from isthmus.salesforce.status_code import StatusCode

HELD_BYTES_MAX: Final = 1024 * 1024
RawRow: TypeAlias = tuple[bytes, ...]
HandOn: TypeAlias = Callable[[Sequence[str], Sequence[RawRow]], Awaitable[None]]


@final
class RefusedRows:
    """Rows of one job whose refusal has one of `codes`, as the org gave them back; shows a count only.

    They are handed on, with the names of their columns, each time that `HELD_BYTES_MAX` have come together and by
    `finish`. `taken` counts them by code.
    """

    __slots__ = ("_bytes", "_codes", "_hand_on", "_handed", "_names", "_rows", "taken")

    def __init__(self, codes: Collection[StatusCode], hand_on: HandOn) -> None:
        """Begin empty."""
        self._codes = frozenset(codes)
        self._hand_on = hand_on
        self._handed = 0
        self.taken: Counter[StatusCode] = Counter()
        self.begin(())

    def begin(self, names: Sequence[bytes]) -> None:
        """Take the header row; forget what an earlier reading of the same list brought and did not hand on."""
        self._names = tuple(name.decode(errors="replace") for name in names)
        self._rows: list[RawRow] = []
        self._bytes = 0
        self.taken.clear()

    async def take(self, code: StatusCode, row: Sequence[bytes]) -> None:
        """Keep a row of these codes for handing on, unless an earlier reading of the list has handed it on already."""
        if code not in self._codes or len(row) != len(self._names):
            return
        self.taken[code] += 1
        if self.taken.total() <= self._handed:
            return
        self._rows.append(tuple(row))
        self._bytes += sum(map(len, row))
        if self._bytes > HELD_BYTES_MAX:
            await self.finish()

    async def finish(self) -> None:
        """Hand on what is held."""
        rows, self._rows, self._bytes = self._rows, [], 0
        if rows:
            self._handed += len(rows)
            await self._hand_on(self._names, rows)

    def __repr__(self) -> str:
        """Show the count, nothing more."""
        return f"<RefusedRows {len(self._rows)}>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        message = "RefusedRows cannot be serialised"
        raise TypeError(message)
