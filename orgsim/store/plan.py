"""How the columns of a write map to fields: worked out once for all rows that name the same columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from orgsim.schema.model import FieldDef, ObjectDef
from orgsim.store.access import Access
from orgsim.store.results import BadValue, Row, RowError, Value
from orgsim.store.values import CSV_NULL, Converter, converter

if TYPE_CHECKING:
    from orgsim.org import Org

IGNORED = frozenset({"attributes", "id"})


@dataclass(frozen=True, slots=True)
class Relation:
    """A parent named by one of its external ids instead of its record id."""

    field: FieldDef
    object_name: str | None  # None: named by each row's attributes.type
    key_name: str | None  # None: the only key of each row's object


@dataclass(frozen=True, slots=True)
class WritePlan:
    """Columns in order; `error` is set when no row with these columns can be written."""

    columns: tuple[tuple[str, str, Converter], ...]
    relations: tuple[tuple[str, Relation], ...]
    error: RowError | None


def draw_plan(
    definition: ObjectDef,
    access: Access,
    operation: Literal["insert", "update"],
    keys: tuple[str, ...],
    *,
    key_field: str | None,
    text: bool,
) -> WritePlan:
    """Map raw column names to fields, or say why that is impossible."""
    columns: list[tuple[str, str, Converter]] = []
    relations: list[tuple[str, Relation]] = []
    forbidden: list[str] = []
    for key in keys:
        name = key.lower()
        if name in IGNORED:
            continue
        field = access.readable.get(name)
        if field is None:
            relation = _relation(access, key, text=text)
            if relation is None:
                return WritePlan((), (), no_such_column(key, definition.name))
            if not _writeable(relation.field, operation, access):
                forbidden.append(relation.field.name)
            relations.append((key, relation))
            continue
        is_key = key_field is not None and name == key_field.lower()
        if is_key and operation == "update":
            continue
        if not _writeable(field, operation, access):
            forbidden.append(field.name)
        columns.append((key, field.name, converter(field, text=text)))
    return WritePlan(tuple(columns), tuple(relations), not_writeable(forbidden) if forbidden else None)


def no_such_column(name: str, object_name: str) -> RowError:
    """Return the refusal for a column that the user cannot see or that does not exist."""
    return RowError("INVALID_FIELD", f"No such column '{name}' on sobject of type {object_name}", ())


def not_writeable(names: list[str]) -> RowError:
    """Return the refusal for fields that may not be written."""
    message = (
        f"Unable to create/update fields: {', '.join(names)}. Please check the security settings of this field and"
        " verify that it is read/write for your profile or permission set."
    )
    return RowError("INVALID_FIELD_FOR_INSERT_UPDATE", message, tuple(names))


def _writeable(field: FieldDef, operation: Literal["insert", "update"], access: Access) -> bool:
    allowed = field.createable if operation == "insert" else field.updateable
    return allowed and not field.calculated and field.name.lower() in access.editable


def _relation(access: Access, key: str, *, text: bool) -> Relation | None:
    object_name: str | None = None
    key_name: str | None = None
    relationship = key
    if text:
        relationship, dot, key_name = key.partition(".")
        if not dot:
            return None
        head, colon, tail = relationship.partition(":")
        if colon:
            object_name, relationship = head, tail
    for field in access.readable.values():
        if field.relationship_name is not None and field.relationship_name.lower() == relationship.lower():
            if object_name is None and len(field.reference_to) == 1:
                object_name = field.reference_to[0]
            return Relation(field, object_name, key_name)
    return None


def typed_changes(org: Org, plan: WritePlan, raw: Mapping[str, object], user_id: str, *, text: bool) -> Row:
    """Return the row's values by canonical field name; BadValue if one is unusable."""
    if plan.error is not None:
        raise BadValue(code=plan.error.code, message=plan.error.message, fields=plan.error.fields)
    changes: Row = {name: convert(raw[key]) for key, name, convert in plan.columns}
    for key, relation in plan.relations:
        value = raw[key]
        if text and value in (None, ""):
            continue
        if value is None or value == CSV_NULL:
            changes[relation.field.name] = None
        else:
            changes[relation.field.name] = _parent_id(org, relation, value, user_id)
    return changes


def _parent_id(org: Org, relation: Relation, value: object, user_id: str) -> Value:
    object_name, key_name = relation.object_name, relation.key_name
    if key_name is None:
        object_name, key_name, value = _from_object(relation, value)
    if object_name is None or object_name.lower() not in org.objects:
        message = f"The external foreign key reference does not reference a valid entity: {relation.field.name}"
        raise BadValue(code="INVALID_FIELD", message=message, fields=())
    access = org.access(object_name, user_id)
    field = access.readable.get(key_name.lower())
    table = org.tables[object_name.lower()]
    name = table.definition.name
    if field is None:
        error = no_such_column(key_name, name)
        raise BadValue(code=error.code, message=error.message)
    if not (field.external_id or field.id_lookup):
        raise BadValue(code="INVALID_FIELD", message=f"{field.name} is not an External ID or indexed field for {name}")
    parsed = org.key_converter(field)(value if isinstance(value, str) else str(value))
    found = [row for row in table.equal(field, parsed) or () if not row.get("IsDeleted")]
    if not found:
        message = f"Foreign key external ID: {value} not found for field {field.name} in entity {name}"
        raise BadValue(code=org.settings.missing_parent_key_code, message=message)
    if len(found) > 1:
        message = f"More than one record found for external id field: {[row['Id'] for row in found]}"
        raise BadValue(code="INVALID_FIELD", message=message)
    return found[0]["Id"]


def _from_object(relation: Relation, value: object) -> tuple[str | None, str, object]:
    if not isinstance(value, dict):
        error = no_such_column(str(relation.field.relationship_name), "the object")
        raise BadValue(code=error.code, message=error.message)
    entries = cast("dict[str, object]", value)
    object_name = relation.object_name
    attributes = entries.get("attributes")
    if isinstance(attributes, dict):
        object_name = str(cast("dict[str, object]", attributes).get("type"))
    keys = [key for key in entries if key != "attributes"]
    if len(keys) != 1 or (object_name is not None and object_name not in relation.field.reference_to):
        message = f"The external foreign key reference does not reference a valid entity: {relation.field.name}"
        raise BadValue(code="INVALID_FIELD", message=message)
    return object_name, keys[0], entries[keys[0]]
