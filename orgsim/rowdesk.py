"""Rows in and out for the control port: flat, complete, and without the platform's rules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime
from typing import Final

from orgsim.emulator import Emulator
from orgsim.errors import ApiError
from orgsim.ids import normalize_id
from orgsim.org import Org
from orgsim.schema.model import ObjectDef
from orgsim.store.complete import complete_row, derive_freely, typed_values
from orgsim.store.derive import is_person_name, person_name
from orgsim.store.results import Row, Value, WriteContext
from orgsim.store.values import json_value

_SLICE_ROWS: Final = 1000
_COMPOUND: Final = frozenset({"address", "location"})


class RowDesk:
    """Reads and writes the tables of the emulator's current org."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def check(self, object_name: str) -> None:
        """Refuse an object that does not exist."""
        self._definition(object_name)

    async def flat(
        self, object_name: str, *, deleted: bool, fields: frozenset[str] | None = None
    ) -> AsyncIterator[dict[str, object]]:
        """Yield every row with every field (or `fields`) but compound ones, letting other calls in now and then."""
        org = self._emulator.org
        definition = self._definition(object_name)
        org.settle()
        for number, row in enumerate(org.tables[definition.name.lower()].scan()):
            if number % _SLICE_ROWS == 0:
                await asyncio.sleep(0)
            if deleted or not row.get("IsDeleted"):
                yield flat_record(definition, row, fields)

    def clear(self, object_name: str) -> int:
        """Let every row of an object vanish for good, past every rule; return how many there were."""
        table = self._emulator.org.tables[self._definition(object_name).name.lower()]
        ids = [str(row["Id"]) for row in table.scan()]
        for row_id in ids:
            table.remove(row_id)
        return len(ids)

    def add(self, object_name: str, rows: Iterable[Mapping[str, object]]) -> list[str]:
        """Store rows; returns their ids in order."""
        definition, complete = self.prepared(object_name, rows)
        return self._emulator.org.load(definition.name, complete)

    def prepared(self, object_name: str, rows: Iterable[Mapping[str, object]]) -> tuple[ObjectDef, list[Row]]:
        """Return rows ready to be stored, with defaults and derived fields."""
        definition = self._definition(object_name)
        return definition, [
            complete_row(
                self._emulator.org, definition, typed_values(definition, values), self._emulator.seeded.admin_id
            )
            for values in rows
        ]

    def change(
        self, object_name: str, row_id: str, values: Mapping[str, object], *, stamp: datetime | None = None
    ) -> dict[str, object]:
        """Change one row, now or with the stamp given; returns it."""
        org = self._emulator.org
        definition = self._definition(object_name)
        before = self._row(definition, row_id)
        changes = typed_values(definition, values)
        stamp = stamp or org.clock.stamp()
        row: Row = {**before}
        for name, value in (("LastModifiedDate", stamp), ("SystemModstamp", stamp)):
            if definition.field(name) is not None:
                row[name] = value
        if definition.field("LastModifiedById") is not None:
            row["LastModifiedById"] = self._emulator.seeded.admin_id
        row.update(changes)
        derive_freely(org, definition, row, before, changes)
        row.update({name: value for name, value in changes.items() if value is not None})
        org.store(definition.name, {name: value for name, value in row.items() if value is not None})
        return flat_record(definition, row)

    def drop(self, object_name: str, row_id: str, *, hard: bool) -> None:
        """Delete one row as the administrator would, with what hangs on it."""
        org = self._emulator.org
        definition = self._definition(object_name)
        row = self._row(definition, row_id)
        context = WriteContext(self._emulator.seeded.admin_id)
        result = Org.delete(org, definition.name, str(row["Id"]), context, hard=hard)
        if not result.success:
            raise ApiError(400, result.errors[0].code, result.errors[0].message)

    def _definition(self, object_name: str) -> ObjectDef:
        definition = self._emulator.org.objects.get(object_name.lower())
        if definition is None:
            raise ApiError(404, "NOT_FOUND", "no such object")
        return definition

    def _row(self, definition: ObjectDef, row_id: str) -> Row:
        row = self._emulator.org.row(definition.name, normalize_id(row_id) or "")
        if row is None:
            raise ApiError(404, "NOT_FOUND", "no such row")
        return row


def flat_record(definition: ObjectDef, row: Row, fields: frozenset[str] | None = None) -> dict[str, object]:
    """Return a row as JSON values by field name, in describe order; only `fields` if they are named."""
    record: dict[str, object] = {}
    for field in definition.fields:
        if field.type in _COMPOUND or (fields is not None and field.name not in fields):
            continue
        value: Value = row.get(field.name)
        if value is None and field.type == "boolean":
            value = False
        record[field.name] = person_name(row) if is_person_name(field) else json_value(value)
    return record
