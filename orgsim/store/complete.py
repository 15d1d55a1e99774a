"""Rows from outside made ready to be stored without the platform's rules: typed, with defaults and derived fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from orgsim.errors import ApiError
from orgsim.schema.model import ObjectDef
from orgsim.store.derive import derive
from orgsim.store.results import BadValue, Row
from orgsim.store.values import converter

if TYPE_CHECKING:
    from orgsim.org import Org

_OWNERS: Final = ("CreatedById", "LastModifiedById", "OwnerId")


def typed_values(definition: ObjectDef, values: Mapping[str, object], *, text: bool = False) -> Row:
    """Return values by canonical field name; ApiError if a field does not exist or a value does not fit it."""
    typed: Row = {}
    for name, raw in values.items():
        field = definition.field(name)
        if field is None:
            raise ApiError(400, "INVALID_FIELD", f"{definition.name} has no field {name}")
        try:
            typed[field.name] = converter(field, text=text)(raw)
        except BadValue as bad:
            raise ApiError(400, bad.error.code, bad.error.message) from None
    return typed


def derive_freely(org: Org, definition: ObjectDef, row: Row, before: Row | None, changes: Row) -> None:
    """Fill derived fields; ApiError if a value makes that impossible."""
    try:
        derive(org, definition, row, before=before, changes=changes, now=org.clock.stamp())
    except BadValue as bad:
        raise ApiError(400, bad.error.code, bad.error.message) from None


def complete_row(org: Org, definition: ObjectDef, changes: Row, admin_id: str) -> Row:
    """Return a new row with what the given values leave open."""
    row: Row = dict(org.shape(definition.name).template)
    row |= {name: admin_id for name in _OWNERS if definition.field(name) is not None}
    row |= {name: value for name, value in changes.items() if value is not None}
    derive_freely(org, definition, row, None, changes)
    return row | {name: value for name, value in changes.items() if value is not None}
