"""composite/tree: records with their children, all or nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

from orgsim.errors import ApiError
from orgsim.rest.collections import Record, type_of
from orgsim.rest.guard import find_object, writer
from orgsim.router import Call
from orgsim.schema.model import ObjectDef
from orgsim.store.results import RowError
from orgsim.wire import Response, json_response

DEPTH_MAX: Final = 5
TYPES_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class _Node:
    """One record of the tree: its reference, its own values, and how it hangs on its parent."""

    reference: str
    object_name: str
    values: Record
    parent: str | None
    parent_field: str | None


def create_tree(call: Call) -> Response:
    """Answer POST /composite/tree/T."""
    definition = find_object(call)
    nodes: list[_Node] = []
    _collect(call, definition, call.request.json_object(), nodes, parent=None, parent_field=None, depth=1)
    if len(nodes) > call.org.settings.tree_records_max or len({node.object_name for node in nodes}) > TYPES_MAX:
        raise ApiError(400, "LIMIT_EXCEEDED", "The tree has too many records or types")
    references = [node.reference for node in nodes]
    if len(set(references)) < len(references) or not all(references):
        raise ApiError(400, "INVALID_INPUT", "Every record needs a referenceId of its own")
    ids: dict[str, str] = {}
    failures: list[tuple[str, tuple[RowError, ...]]] = []
    with call.org.savepoint() as roll_back:
        for node in nodes:
            values = dict(node.values)
            if node.parent_field is not None and node.parent is not None:
                if node.parent not in ids:
                    continue
                values[node.parent_field] = ids[node.parent]
            result = call.org.insert(node.object_name, values, writer(call))
            if result.success:
                ids[node.reference] = result.id
            else:
                failures.append((node.reference, result.errors))
        if failures:
            roll_back()
    if failures:
        results = [
            {"referenceId": reference, "errors": [error.collection_entry() for error in errors]}
            for reference, errors in failures
        ]
        return json_response({"hasErrors": True, "results": results}, 400)
    made = [{"referenceId": reference, "id": ids[reference]} for reference in references]
    return json_response({"hasErrors": False, "results": made}, 201)


def _collect(
    call: Call,
    definition: ObjectDef,
    holder: Record,
    nodes: list[_Node],
    *,
    parent: str | None,
    parent_field: str | None,
    depth: int,
) -> None:
    raw = holder.get("records")
    if not isinstance(raw, list) or depth > DEPTH_MAX:
        raise ApiError(400, "INVALID_INPUT", "records is required, at most five levels deep")
    for entry in cast("list[object]", raw):
        if not isinstance(entry, dict):
            raise ApiError(400, "INVALID_INPUT", "every record must be an object")
        record = cast("Record", entry)
        if type_of(record).lower() != definition.name.lower():
            raise ApiError(400, "INVALID_INPUT", f"Include attributes with the type {definition.name} in each record")
        attributes = cast("Record", record["attributes"])
        reference = str(attributes.get("referenceId") or "")
        children = {
            key: cast("Record", value)
            for key, value in record.items()
            if key != "attributes" and isinstance(value, dict) and "records" in value
        }
        values = {key: value for key, value in record.items() if key not in children and key != "attributes"}
        nodes.append(_Node(reference, definition.name, values, parent, parent_field))
        for name, inner in children.items():
            child, field = _child(call, definition, name)
            _collect(call, child, inner, nodes, parent=reference, parent_field=field, depth=depth + 1)


def _child(call: Call, definition: ObjectDef, name: str) -> tuple[ObjectDef, str]:
    for entry in definition.child_relationships:
        if (entry.relationship_name or "").lower() == name.lower():
            return find_object(call, entry.child_sobject), entry.field
    raise ApiError(400, "INVALID_FIELD", f"No such column '{name}' on sobject of type {definition.name}")
