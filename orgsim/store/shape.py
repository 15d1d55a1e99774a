"""What the write engine works out once per object and schema state, instead of once per row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orgsim.schema.model import FieldDef, ObjectDef
from orgsim.store.results import Row

if TYPE_CHECKING:
    from orgsim.org import Org


@dataclass(frozen=True, slots=True)
class ChildLink:
    """A reference field of another object that points here."""

    child: str
    field: FieldDef
    cascade: bool
    restricted: bool


@dataclass(frozen=True, slots=True)
class Shape:
    """One object as the engine needs it: default values, required, unique and reference fields, and its children."""

    definition: ObjectDef
    template: Row
    required: tuple[FieldDef, ...]
    unique: tuple[FieldDef, ...]
    references: dict[str, tuple[str, ...]]
    autonumbers: tuple[FieldDef, ...]
    names: frozenset[str]
    children: tuple[ChildLink, ...]


def draw_shape(org: Org, definition: ObjectDef) -> Shape:
    """Work an object's Shape out of its definition and those of the objects that point to it."""
    template: Row = {}
    for field in definition.fields:
        if field.type == "boolean":
            template[field.name] = field.default_value is True
        elif field.default_value is not None and not isinstance(field.default_value, bool):
            template[field.name] = field.default_value
        elif field.picklist_values and field.type == "picklist":
            chosen = next((entry.value for entry in field.picklist_values if entry.default_value), None)
            if chosen is not None:
                template[field.name] = chosen
    return Shape(
        definition=definition,
        template=template,
        required=tuple(
            f for f in definition.fields
            if f.createable and not f.nillable and not f.defaulted_on_create and f.type != "boolean"
        ),
        unique=tuple(f for f in definition.fields if f.unique or (definition.name, f.name) == ("User", "Username")),
        references={f.name: tuple(f.reference_to) for f in definition.fields if f.type == "reference"},
        autonumbers=tuple(f for f in definition.fields if f.auto_number),
        names=frozenset(f.name for f in definition.fields),
        children=tuple(_children(org, definition)),
    )  # fmt: skip


def _children(org: Org, definition: ObjectDef) -> list[ChildLink]:
    declared = {(entry.child_sobject, entry.field): entry for entry in definition.child_relationships}
    links: list[ChildLink] = []
    for child in org.objects.values():
        for field in child.fields:
            if field.type != "reference" or definition.name not in field.reference_to or field.calculated:
                continue
            entry = declared.get((child.name, field.name))
            links.append(
                ChildLink(
                    child.name,
                    field,
                    cascade=field.cascade_delete or (entry is not None and entry.cascade_delete),
                    restricted=field.restricted_delete or (entry is not None and entry.restricted_delete),
                )
            )
    return links
