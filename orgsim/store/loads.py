"""Rows stored without any check, and the org's own row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from orgsim.store.access import ACCESS_OBJECTS
from orgsim.store.results import Row, Value

if TYPE_CHECKING:
    from orgsim.org import Org


def load_rows(org: Org, object_name: str, rows: Iterable[Mapping[str, Value]]) -> list[str]:
    """Store typed rows as they are; returns their ids in order. See `Org.load` for what is filled in."""
    definition = org.objects[object_name.lower()]
    shape = org.shape(object_name)
    table = org.tables[object_name.lower()]
    stamp = org.clock.stamp()
    defaults: Row = dict(shape.template)
    defaults |= {name: stamp for name in ("CreatedDate", "LastModifiedDate", "SystemModstamp") if name in shape.names}
    ids: list[str] = []
    for values in rows:
        row: Row = {**defaults, **{name: value for name, value in values.items() if value is not None}}
        row_id = row.get("Id")
        if not isinstance(row_id, str):
            row["Id"] = row_id = org.ids.new(definition.key_prefix or "000")
        for field in shape.autonumbers:
            if row.get(field.name) is None:
                row[field.name] = org.next_autonumber(definition.name, field.name)
        table.put(row)
        ids.append(row_id)
    if definition.name.lower() in ACCESS_OBJECTS:
        org.metadata_changed()
    return ids


def fiscal_start(org: Org) -> int:
    """Return the first month of the org's fiscal year (Organization.FiscalYearStartMonth, else January)."""
    table = org.tables.get("organization")
    for organization in () if table is None else table.scan():
        month = organization.get("FiscalYearStartMonth")
        return month if isinstance(month, int) else 1
    return 1
