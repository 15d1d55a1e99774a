"""What the simulated org knows about objects and fields: every property that a describe call shows.

Names are the describe names in snake_case. The classes are mutable because an org's schema changes while it runs
(custom fields made by Tooling or Metadata calls); each org owns its own copies.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

MASTER_RECORD_TYPE_ID = "012000000000000AAA"

TEXT_TYPES = frozenset(
    {"string", "textarea", "phone", "url", "email", "picklist", "multipicklist", "combobox", "encryptedstring"}
)
NUMBER_TYPES = frozenset({"double", "currency", "percent", "int", "long"})


@dataclass(slots=True)
class PicklistValue:
    """One entry of `picklistValues`."""

    value: str
    label: str
    active: bool = True
    default_value: bool = False
    valid_for: str | None = None


@dataclass(slots=True)
class FieldDef:
    """One field: all 57 describe properties, and three things a describe does not say.

    `stage_rules` style knowledge lives elsewhere; here are only `relationship_cascade` (the row dies with its parent;
    shown on the parent as childRelationships.cascadeDelete), `reparentable` and `default_text` (the default for rows
    that do not name the field, already typed as text).
    """

    name: str
    type: str
    label: str = ""
    length: int = 0
    byte_length: int = 0
    precision: int = 0
    scale: int = 0
    digits: int = 0
    soap_type: str = "xsd:string"
    aggregatable: bool = True
    ai_prediction_field: bool = False
    auto_number: bool = False
    calculated: bool = False
    calculated_formula: str | None = None
    cascade_delete: bool = False
    case_sensitive: bool = False
    compound_field_name: str | None = None
    controller_name: str | None = None
    createable: bool = True
    custom: bool = False
    default_value: bool | str | float | None = None
    default_value_formula: str | None = None
    defaulted_on_create: bool = False
    dependent_picklist: bool = False
    deprecated_and_hidden: bool = False
    display_location_in_decimal: bool = False
    encrypted: bool = False
    external_id: bool = False
    extra_type_info: str | None = None
    filterable: bool = True
    filtered_lookup_info: dict[str, object] | None = None
    formula_treat_null_number_as_zero: bool = False
    groupable: bool = True
    high_scale_number: bool = False
    html_formatted: bool = False
    id_lookup: bool = False
    inline_help_text: str | None = None
    mask: str | None = None
    mask_type: str | None = None
    name_field: bool = False
    name_pointing: bool = False
    nillable: bool = True
    permissionable: bool = True
    picklist_values: list[PicklistValue] = field(default_factory=list[PicklistValue])
    polymorphic_foreign_key: bool = False
    query_by_distance: bool = False
    reference_target_field: str | None = None
    reference_to: list[str] = field(default_factory=list[str])
    relationship_name: str | None = None
    relationship_order: int | None = None
    restricted_delete: bool = False
    restricted_picklist: bool = False
    search_prefilterable: bool = False
    sortable: bool = True
    unique: bool = False
    updateable: bool = True
    write_requires_master_read: bool = False
    since_version: int = 0  # the field exists from this API version on; 0 = in every version


@dataclass(slots=True)
class ChildRelationship:
    """One entry of `childRelationships`."""

    child_sobject: str
    field: str
    relationship_name: str | None = None
    cascade_delete: bool = False
    restricted_delete: bool = False
    deprecated_and_hidden: bool = False
    junction_id_list_names: list[str] = dataclasses.field(default_factory=list[str])
    junction_reference_to: list[str] = dataclasses.field(default_factory=list[str])


@dataclass(slots=True)
class RecordTypeInfo:
    """One entry of `recordTypeInfos`."""

    record_type_id: str = MASTER_RECORD_TYPE_ID
    name: str = "Master"
    developer_name: str = "Master"
    active: bool = True
    available: bool = True
    default_record_type_mapping: bool = True
    master: bool = True


@dataclass(slots=True)
class ObjectDef:
    """One object with its fields in describe order. `setup` marks objects that may not be written along with data."""

    name: str
    label: str = ""
    label_plural: str = ""
    key_prefix: str | None = None
    fields: list[FieldDef] = field(default_factory=list[FieldDef])
    child_relationships: list[ChildRelationship] = field(default_factory=list[ChildRelationship])
    record_type_infos: list[RecordTypeInfo] = field(default_factory=lambda: [RecordTypeInfo()])
    supported_scopes: list[tuple[str, str]] = field(default_factory=lambda: [("everything", "All")])
    activateable: bool = False
    associate_entity_type: str | None = None
    associate_parent_entity: str | None = None
    compact_layoutable: bool = False
    createable: bool = True
    custom: bool = False
    custom_setting: bool = False
    deep_cloneable: bool = False
    deletable: bool = True
    deprecated_and_hidden: bool = False
    feed_enabled: bool = False
    has_subtypes: bool = False
    is_interface: bool = False
    is_subtype: bool = False
    layoutable: bool = False
    mergeable: bool = False
    mru_enabled: bool = False
    queryable: bool = True
    replicateable: bool = True
    retrieveable: bool = True
    search_layoutable: bool = False
    searchable: bool = False
    triggerable: bool = False
    undeletable: bool = False
    updateable: bool = True
    setup: bool = False
    urls: list[str] = field(default_factory=list[str])  # keys of the describe's `urls` beside the three of every object
    _by_name: dict[str, FieldDef] = field(default_factory=dict[str, FieldDef], repr=False)

    def field(self, name: str) -> FieldDef | None:
        """Return the field with this name in any capitalisation, or None."""
        if len(self._by_name) != len(self.fields):
            self._by_name = {entry.name.lower(): entry for entry in self.fields}
        return self._by_name.get(name.lower())

    def add_field(self, entry: FieldDef) -> None:
        """Append a field; ValueError if the name is taken."""
        if self.field(entry.name) is not None:
            message = f"{self.name}.{entry.name} exists"
            raise ValueError(message)
        self.fields.append(entry)

    def remove_field(self, name: str) -> None:
        """Take a field out again; unknown names are ignored."""
        self.fields = [entry for entry in self.fields if entry.name.lower() != name.lower()]
        self._by_name = {}
