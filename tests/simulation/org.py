"""An org in memory for simulations: rows with versions, transactions that commit late, deletions.

Written for the simulation alone: it shares nothing with Isthmus' client. What it says over HTTP is in `rest.py` and
`jobs.py`. Times are whole milliseconds of the org's own clock.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

Fields: TypeAlias = dict[str, str | None]
KEY = "SwiftPort_Source_Id__c"
BAD = "bad"
"""A row whose field `Rating` is this is refused by the target's validation rule."""


@dataclass
class Row:
    """One record. `versions` are all states that it ever had, with the stamps that they carried."""

    id: str
    fields: Fields
    stamp: int
    deleted_at: int | None = None
    versions: list[tuple[int, Fields]] = field(default_factory=list[tuple[int, Fields]])
    ours: bool = False
    """Whether our own user wrote it last."""
    modified: int = 0
    """When somebody wrote it last; the stamp also moves where the org itself touches the row."""


@dataclass(frozen=True)
class ObjectShape:
    """An object: its fields, and which of them are lookups to which object."""

    name: str
    prefix: str
    plain: tuple[str, ...]
    lookups: Mapping[str, str]
    relationships: Mapping[str, str]


@dataclass
class Transaction:
    """Writes that nobody else sees yet. Their stamps are those of the statements, not of the commit."""

    began: int
    writes: list[tuple[str, str | None, Fields | None, int]]


@dataclass(frozen=True)
class RowError:
    """Why a row was refused."""

    code: str
    message: str
    fields: tuple[str, ...] = ()


class SimOrg:
    """One org. `clock` gives its own time in milliseconds."""

    def __init__(self, name: str, shapes: Mapping[str, ObjectShape], clock: Callable[[], int]) -> None:
        self.name = name
        self.shapes = shapes
        self.clock = clock
        self.tables: dict[str, dict[str, Row]] = {shape: {} for shape in shapes}
        self.keys: dict[str, dict[str, Row]] = {shape: {} for shape in shapes}
        self.open: list[Transaction] = []
        self.token = f"token-{name}-0"
        self.watch_write: Callable[[str, str, Row, Fields], None] | None = None
        self._numbered = 0
        self._tokens = 0

    def renew_token(self) -> str:
        """Let the token in use die and give another."""
        self._tokens += 1
        self.token = f"token-{self.name}-{self._tokens}"
        return self.token

    def live(self, name: str) -> list[Row]:
        """Return the rows that a query sees."""
        return [row for row in self.tables[name].values() if row.deleted_at is None]

    def covered(self, end: int) -> int:
        """Up to where every change is visible: getUpdated's latestDateCovered."""
        return min([end, self.clock(), *(each.began for each in self.open)])

    def new_id(self, name: str) -> str:
        self._numbered += 1
        return f"{self.shapes[name].prefix}{self.name[0].upper()}{self._numbered:011d}AAA"

    def write(self, name: str, row_id: str | None, fields: Fields | None, stamp: int | None = None) -> Row:
        """Insert (no id), change, or delete (no fields) a row, seen at once."""
        at = self.clock() if stamp is None else stamp
        table = self.tables[name]
        row = None if row_id is None else table.get(row_id)
        if row is None:
            row = Row(row_id or self.new_id(name), {}, at)
            table[row.id] = row
        if fields is None:
            row.deleted_at = row.stamp = row.modified = at
            key = row.fields.get(KEY)
            if key is not None:
                self.keys[name].pop(key, None)
            return row
        row.fields = {**row.fields, **fields}
        row.stamp = row.modified = at
        row.versions.append((at, dict(row.fields)))
        key = row.fields.get(KEY)
        if key is not None:
            self.keys[name][key] = row
        return row

    def remove(self, name: str, row_id: str) -> RowError | None:
        """Delete a row as a client does."""
        row = self.tables[name].get(row_id)
        if row is None or row.deleted_at is not None:
            return RowError("ENTITY_IS_DELETED", "entity is deleted")
        self.write(name, row_id, None)
        return None

    def upsert(self, name: str, key: str, fields: Fields, parents: Mapping[str, str]) -> tuple[bool, RowError | None]:
        """Write a row as a client does; `parents` are lookups by the parent's key. Returns (created, error)."""
        shape = self.shapes[name]
        resolved: Fields = dict(fields)
        for lookup, parent_key in parents.items():
            parent = self.keys[shape.lookups[lookup]].get(parent_key)
            if parent is None:
                text = f"Foreign key external ID: {parent_key} not found for field {KEY} in entity {name}"
                return False, RowError("INVALID_FIELD", text)
            resolved[lookup] = parent.id
        if resolved.get("Rating") == BAD:
            return False, RowError("FIELD_CUSTOM_VALIDATION_EXCEPTION", "not today", ("Rating",))
        known = self.keys[name].get(key)
        row = self.write(name, None if known is None else known.id, {**resolved, KEY: key})
        if self.watch_write is not None:
            self.watch_write(name, key, row, fields | dict(parents))
        return known is None, None

    def begin(self) -> Transaction:
        """Open a transaction."""
        opened = Transaction(self.clock(), [])
        self.open.append(opened)
        return opened

    def commit(self, transaction: Transaction) -> list[tuple[str, Row]]:
        """Let everybody see what a transaction wrote; rows that are gone by now are left alone."""
        self.open.remove(transaction)
        seen: list[tuple[str, Row]] = []
        for name, row_id, fields, stamp in transaction.writes:
            there = self.tables[name].get(row_id) if row_id is not None else None
            if row_id is not None and (there is None or there.deleted_at is not None):
                continue
            seen.append((name, self.write(name, row_id, fields, stamp)))
        return seen
