"""What a query gives back: pages of JSON records, or a stream of typed values for Bulk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from orgsim.store.results import Value

Render = Callable[[Any, str], dict[str, object]]
"""Turns one row (or group) into its JSON record for an API version such as "62.0"."""


@dataclass(frozen=True, slots=True)
class QueryResult:
    """One page of a result. `rows` are all rows of the result; the page starts at `start`."""

    total: int
    rows: Sequence[object]
    render: Render
    page_rows: int
    start: int = 0
    cursor: str | None = None
    quick: Callable[[int, int, str], bytes] | None = None
    """Writes the rows from start to stop as JSON records with commas between, for a version; faster than `render`."""

    @property
    def done(self) -> bool:
        """Whether this is the last page."""
        return self.start + self.page_rows >= len(self.rows)

    @property
    def page(self) -> Sequence[object]:
        """The rows of this page."""
        return self.rows[self.start : self.start + self.page_rows]

    def at(self, start: int) -> QueryResult:
        """Return another page of the same result."""
        return replace(self, start=start)

    def payload(self, version: str) -> dict[str, object]:
        """Return the JSON answer; its records may be a `msgspec.Raw`."""
        answer: dict[str, object] = {"totalSize": self.total, "done": self.done}
        if not self.done and self.cursor is not None:
            following = self.start + self.page_rows
            answer["nextRecordsUrl"] = f"/services/data/v{version}/query/{self.cursor}-{following}"
        if self.quick is not None:
            records = self.quick(self.start, self.start + self.page_rows, version)
            answer["records"] = msgspec.Raw(b"[" + records + b"]")
        else:
            answer["records"] = [self.render(row, version) for row in self.page]
        return answer


@dataclass(frozen=True, slots=True)
class StreamColumn:
    """One column of a Bulk result: its heading, such as `Account.Name`, and the field's describe type."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class RowStream:
    """A Bulk result: columns in SELECT order and the rows' values, made as they are read. None is a pause."""

    object_name: str
    columns: tuple[StreamColumn, ...]
    rows: Iterator[list[Value] | None]
