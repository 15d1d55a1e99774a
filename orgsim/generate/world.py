"""What a generator needs of an org, and how it puts rows into it."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from orgsim.clock import OrgClock
from orgsim.ids import IdFactory
from orgsim.schema.model import ObjectDef
from orgsim.settings import OrgSettings
from orgsim.store.results import Row, Value
from orgsim.store.table import Table


class Fillable(Protocol):
    """The parts of an org that a generator uses. `objects` and `tables` are keyed by lower-case object name."""

    name: str
    id18: str
    clock: OrgClock
    ids: IdFactory
    objects: dict[str, ObjectDef]
    tables: dict[str, Table]
    settings: OrgSettings


@dataclass(frozen=True, slots=True)
class Seeded:
    """Who can log in to a freshly filled org. `reader` has no setup permission and sees only its own logins."""

    admin_id: str
    admin_username: str
    reader_id: str
    reader_username: str
    integration_id: str
    integration_username: str


@dataclass(slots=True)
class World:
    """One org being filled: its clock reading, its random numbers, and the user who is said to have made the rows."""

    org: Fillable
    rng: random.Random
    now: datetime
    creator_id: str = ""
    _templates: dict[str, Row] = field(default_factory=dict[str, Row])

    def add(self, object_name: str, values: Mapping[str, Value], *, row_id: str = "", created: datetime | None = None,
            modified: datetime | None = None) -> str:  # fmt: skip
        """Store a row and return its id; audit fields, the owner and defaults are filled where the object has them."""
        definition = self.org.objects[object_name.lower()]
        row_id = row_id or self.org.ids.new(definition.key_prefix or "000")
        made = (created or self.now).replace(microsecond=0)
        changed = (modified or made).replace(microsecond=0)
        row: Row = dict(self._template(object_name))
        row["Id"] = row_id
        for name in ("CreatedDate", "LastModifiedDate", "SystemModstamp"):
            if name in row:
                row[name] = made if name == "CreatedDate" else changed
        for name in ("CreatedById", "LastModifiedById", "OwnerId"):
            if name in row:
                row[name] = self.creator_id
        row.update(values)
        self.org.tables[object_name.lower()].put({name: value for name, value in row.items() if value is not None})
        return row_id

    def change(self, object_name: str, row_id: str, values: Mapping[str, Value]) -> None:
        """Replace some values of a row that was added before; its audit fields stay."""
        table = self.org.tables[object_name.lower()]
        row = table.get(row_id)
        if row is None:
            raise KeyError(object_name)
        table.put({**row, **values})

    def _template(self, object_name: str) -> Row:
        held = self._templates.get(object_name)
        if held is None:
            held = self._templates[object_name] = _template(self.org.objects[object_name.lower()])
        return held


def _template(definition: ObjectDef) -> Row:
    template: Row = {}
    for entry in definition.fields:
        if entry.type == "boolean":
            template[entry.name] = entry.default_value is True
        elif isinstance(entry.default_value, str):
            template[entry.name] = entry.default_value
        elif entry.name in {"CreatedDate", "LastModifiedDate", "SystemModstamp"} or (
            entry.name in {"CreatedById", "LastModifiedById", "OwnerId"} and "User" in entry.reference_to
        ):
            template[entry.name] = None
    return template
