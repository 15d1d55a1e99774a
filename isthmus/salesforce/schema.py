"""What an org says about its objects and fields, as typed values."""

from __future__ import annotations

import msgspec


class FieldDescribe(msgspec.Struct, frozen=True, kw_only=True):
    """One field. `type` is the describe's own word (`string`, `reference`, `picklist` …); `compound` the name of the
    compound field that it is a part of, or None. `length` counts characters."""

    name: str
    label: str
    type: str
    length: int = 0
    precision: int = 0
    scale: int = 0
    digits: int = 0
    nillable: bool = True
    createable: bool = False
    updateable: bool = False
    calculated: bool = False
    auto_number: bool = False
    defaulted_on_create: bool = False
    external_id: bool = False
    id_lookup: bool = False
    unique: bool = False
    case_sensitive: bool = False
    custom: bool = False
    encrypted: bool = False
    filterable: bool = False
    sortable: bool = False
    permissionable: bool = False
    name_field: bool = False
    restricted_picklist: bool = False
    dependent_picklist: bool = False
    picklist_values: tuple[str, ...] = ()
    reference_to: tuple[str, ...] = ()
    relationship_name: str | None = None
    polymorphic: bool = False
    compound: str | None = None


class RecordTypeDescribe(msgspec.Struct, frozen=True, kw_only=True):
    """One record type of an object."""

    developer_name: str
    name: str
    active: bool
    available: bool
    default: bool
    master: bool


class ObjectDescribe(msgspec.Struct, frozen=True, kw_only=True):
    """One object with its fields, as the connected user sees it."""

    name: str
    label: str
    custom: bool
    queryable: bool
    createable: bool
    updateable: bool
    deletable: bool
    replicateable: bool
    fields: tuple[FieldDescribe, ...]
    record_types: tuple[RecordTypeDescribe, ...] = ()

    def field(self, name: str) -> FieldDescribe | None:
        """Return the field of that name in any case, or None."""
        folded = name.casefold()
        return next((field for field in self.fields if field.name.casefold() == folded), None)


class ObjectListed(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the list of objects."""

    name: str
    label: str
    custom: bool
    queryable: bool
    createable: bool
    updateable: bool
    replicateable: bool
