"""Transactions that stay open over several calls, so that commits come later than their stamps."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from orgsim.store.results import Row

if TYPE_CHECKING:
    from orgsim.org import Org


class Transaction:
    """Writes that nobody sees before `commit`. While it is open, `Org.covered_until` stays at its start."""

    def __init__(self, org: Org) -> None:
        self._org = org
        self._began = org.clock.stamp()
        self._writes: list[Callable[[], object]] = []
        self.is_open = True
        org.open_transactions.append(self._began)

    def insert(self, object_name: str, rows: Iterable[Row]) -> list[str]:
        """Stamp new rows now; returns their ids. Audit dates that a row already has are kept."""
        definition = self._org.objects[object_name.lower()]
        stamp = self._org.clock.stamp()
        ids: list[str] = []
        for row in rows:
            for name in ("CreatedDate", "LastModifiedDate", "SystemModstamp"):
                if definition.field(name) is not None:
                    row.setdefault(name, stamp)
            row_id = str(row.setdefault("Id", self._org.new_id(definition.key_prefix or "000")))
            ids.append(row_id)
            self.later(lambda row=row: self._org.load(object_name, [row]))
        return ids

    def later(self, write: Callable[[], object]) -> None:
        """Keep a write for the commit."""
        self._writes.append(write)

    def commit(self) -> int:
        """Make everything visible; returns the number of writes."""
        self._end()
        for write in self._writes:
            write()
        return len(self._writes)

    def roll_back(self) -> None:
        """Forget everything."""
        self._end()

    def _end(self) -> None:
        self.is_open = False
        self._org.open_transactions.remove(self._began)
