"""Decoded records on the small path. They exist in a mover's memory and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NoReturn, TypeAlias, final

Cell: TypeAlias = str | int | float | bool | Decimal | Mapping[str, object] | None
"""A field's value as JSON carries it; a parent (`Account.Name`) is a mapping. Numbers with a point are Decimal."""
Record: TypeAlias = Mapping[str, Cell]


@final
class RecordBatch:
    """Records of one page. Shows a count only; cannot be pickled, copied, compared or hashed."""

    __slots__ = ("_records",)
    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __init__(self, records: Sequence[Record]) -> None:
        """Take the records; nobody else keeps them."""
        self._records = records

    def reveal(self) -> Sequence[Record]:
        """Return the records. Each call is a place to review."""
        return self._records

    def clear(self) -> None:
        """Let go of the records."""
        self._records = ()

    def __len__(self) -> int:
        """Return how many records there are."""
        return len(self._records)

    def __repr__(self) -> str:
        """Show the count, nothing more."""
        return f"<RecordBatch {len(self._records)} rows>"

    __str__ = __repr__

    def __format__(self, _spec: str, /) -> str:
        """Show the count, nothing more."""
        return repr(self)

    def __eq__(self, _other: object, /) -> NoReturn:
        """Refuse: comparing batches would need a second copy."""
        message = "a RecordBatch is not comparable"
        raise TypeError(message)

    def __iter__(self) -> NoReturn:
        """Refuse: use `reveal`, so that a reviewer can find the place."""
        message = "a RecordBatch is not iterable; use reveal()"
        raise TypeError(message)

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        message = "a RecordBatch cannot be serialised"
        raise TypeError(message)
