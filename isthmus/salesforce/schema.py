"""What an org says about its objects and fields, as typed values."""

from __future__ import annotations

from typing import Final

import msgspec


class FieldDescribe(msgspec.Struct, frozen=True, kw_only=True):
    """One field. `type` is the describe's own word (`string`, `reference`, `picklist` …).

    `compound` is the name of the compound field that it is a part of, or None. `length` counts characters.
    """

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
    html_formatted: bool = False
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


class ChildDescribe(msgspec.Struct, frozen=True, kw_only=True):
    """Records of `object` whose lookup `field` names a record are deleted along with it."""

    object: str
    field: str


class ObjectDescribe(msgspec.Struct, frozen=True, kw_only=True):
    """One object with its fields, as the connected user sees it. `key_prefix` begins the ids of its records."""

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
    key_prefix: str | None = None
    cascades: tuple[ChildDescribe, ...] = ()

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


class _PicklistValue(msgspec.Struct, frozen=True):
    value: str | None
    active: bool = True


class _Field(msgspec.Struct, frozen=True, rename="camel"):
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
    html_formatted: bool = False
    filterable: bool = False
    sortable: bool = False
    permissionable: bool = False
    name_field: bool = False
    restricted_picklist: bool = False
    dependent_picklist: bool = False
    picklist_values: tuple[_PicklistValue, ...] | None = None
    reference_to: tuple[str, ...] | None = None
    relationship_name: str | None = None
    polymorphic_foreign_key: bool = False
    compound_field_name: str | None = None


class _RecordType(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    developer_name: str | None = None
    active: bool = True
    available: bool = True
    default_record_type_mapping: bool = False
    master: bool = False


class _Child(msgspec.Struct, frozen=True, rename="camel"):
    child_s_object: str | None = msgspec.field(name="childSObject", default=None)
    field: str | None = None
    cascade_delete: bool = False


class _Object(msgspec.Struct, frozen=True, rename="camel"):
    name: str
    label: str
    custom: bool = False
    queryable: bool = False
    createable: bool = False
    updateable: bool = False
    deletable: bool = False
    replicateable: bool = False
    key_prefix: str | None = None
    fields: tuple[_Field, ...] = ()
    record_type_infos: tuple[_RecordType, ...] = ()
    child_relationships: tuple[_Child, ...] | None = None


class _ObjectList(msgspec.Struct, frozen=True):
    sobjects: tuple[_Object, ...]


def parse_describe(body: bytes) -> ObjectDescribe:
    """Return the describe in a reply's body. Raises `msgspec.DecodeError`."""
    found = msgspec.json.decode(body, type=_Object)
    return ObjectDescribe(
        name=found.name,
        label=found.label,
        custom=found.custom,
        queryable=found.queryable,
        createable=found.createable,
        updateable=found.updateable,
        deletable=found.deletable,
        replicateable=found.replicateable,
        key_prefix=found.key_prefix,
        fields=tuple(map(_field, found.fields)),
        record_types=tuple(
            RecordTypeDescribe(
                developer_name=each.developer_name or each.name,
                name=each.name,
                active=each.active,
                available=each.available,
                default=each.default_record_type_mapping,
                master=each.master,
            )
            for each in found.record_type_infos
        ),
        cascades=tuple(
            ChildDescribe(object=each.child_s_object, field=each.field)
            for each in found.child_relationships or ()
            if each.cascade_delete and each.child_s_object and each.field
        ),
    )


def parse_object_list(body: bytes) -> tuple[ObjectListed, ...]:
    """Return the list of objects in a reply's body. Raises `msgspec.DecodeError`."""
    return tuple(
        ObjectListed(
            name=each.name,
            label=each.label,
            custom=each.custom,
            queryable=each.queryable,
            createable=each.createable,
            updateable=each.updateable,
            replicateable=each.replicateable,
        )
        for each in msgspec.json.decode(body, type=_ObjectList).sobjects
    )


def _field(found: _Field) -> FieldDescribe:
    # A field may be part of a compound only by another name; `Name` of a person names itself nowhere.
    compound = found.compound_field_name if found.compound_field_name != found.name else None
    same = {name: getattr(found, name) for name in _SAME}
    return FieldDescribe(
        **same,
        picklist_values=tuple(each.value for each in found.picklist_values or () if each.active and each.value),
        reference_to=found.reference_to or (),
        polymorphic=found.polymorphic_foreign_key,
        compound=compound,
    )


_SAME: Final = tuple(
    set(FieldDescribe.__struct_fields__) - {"picklist_values", "reference_to", "polymorphic", "compound"}
)
