"""Rows of an upload that met a lock. They exist in a mover's memory and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NoReturn, final

LOCKED_BYTES_MAX: Final = 4 * 1024 * 1024


@final
class LockedRows:
    """Rows of one job that met a lock, as the org gave them back; shows a count only."""

    __slots__ = ("_bytes", "names", "rows")

    def __init__(self) -> None:
        """Begin empty."""
        self.begin(())

    def begin(self, names: Sequence[bytes]) -> None:
        """Take the header row; forget what an earlier reading of the same list brought."""
        self.names = tuple(name.decode(errors="replace") for name in names)
        self.rows: list[tuple[bytes, ...]] = []
        self._bytes = 0

    def take(self, row: Sequence[bytes]) -> None:
        """Keep a row while there is room; what finds none stays a failure like any other."""
        size = sum(map(len, row))
        if len(row) == len(self.names) and self._bytes + size <= LOCKED_BYTES_MAX:
            self.rows.append(tuple(row))
            self._bytes += size

    def __repr__(self) -> str:
        """Show the count, nothing more."""
        return f"<LockedRows {len(self.rows)}>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        message = "LockedRows cannot be serialised"
        raise TypeError(message)
