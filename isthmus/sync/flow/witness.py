"""Who sees, row by row, what becomes of pairs: a look. A run has no witness, it only counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from isthmus.salesforce.collections import RowResult
from isthmus.salesforce.records import Record
from isthmus.salesforce.status_code import StatusCode
from isthmus.sync.flow.counterparts import Counterpart
from isthmus.sync.flow.deciding import Trace
from isthmus.sync.flow.mapping import Unsendable


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the source. `linked`: the id of the target's record that it is the copy of; `record`: as it was read."""

    key: str
    linked: str | None
    mapped: Record
    trace: Trace | None
    record: Record

    def __repr__(self) -> str:
        """Show that there is one, nothing more."""
        return "<Row>"


class Witness(Protocol):
    """Is told of each row that does not go in."""

    @property
    def reads_only(self) -> bool:
        """Whether nothing may be written: what would be is left alone."""
        ...

    def unsendable(self, record: Record, reason: Unsendable) -> None:
        """The row's values cannot be sent."""
        ...

    def held(self, row: Row, found: Counterpart, fields: Sequence[str], *, adopting: bool) -> None:
        """Both records of the pair were changed and differ in `fields`. `adopting`: they are no pair yet."""
        ...

    def stuck(self, row: Row, code: StatusCode) -> None:
        """Nothing can be done with the row."""
        ...

    def refused(self, record: Record, result: RowResult) -> None:
        """The target did not take what was sent."""
        ...
