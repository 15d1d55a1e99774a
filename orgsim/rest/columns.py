"""`&columns=true`: what the columns of a query are, as the command line client wants to know it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from orgsim.schema.model import NUMBER_TYPES, FieldDef
from orgsim.soql.ast import FieldPath, FunctionCall, SelectChildren, SelectExpression, SelectFields
from orgsim.soql.bind import Bound, Scope, bind_child, bind_path
from orgsim.soql.parser import is_aggregate
from orgsim.soql.run import shape_of

if TYPE_CHECKING:
    from orgsim.org import Org

_APEX: Final = {
    "id": "Id", "reference": "Id", "boolean": "Boolean", "int": "Integer", "double": "Double", "currency": "Double",
    "percent": "Double", "date": "Date", "datetime": "Datetime", "time": "Time", "base64": "Blob",
}  # fmt: skip


def column_metadata(org: Org, soql: str, user_id: str, version: int) -> dict[str, object]:
    """Return the description of the query's columns instead of its rows."""
    query, scope = shape_of(org, soql, user_id=user_id, version=version)
    columns: list[dict[str, object]] = []
    joins: dict[str, dict[str, object]] = {}
    unnamed = 0
    for item in query.select:
        if isinstance(item, SelectChildren):
            child, _, name = bind_child(scope, item.query.object_name, item.query.object_position)
            inner = Scope(org, user_id, child, scope.source, {}, version, all_rows=False)
            entry = _entry(None, name, aggregate=True)
            entry["joinColumns"] = [
                _field_entry(bind_path(inner, inner_item.expression))
                for inner_item in item.query.select
                if isinstance(inner_item, SelectExpression) and isinstance(inner_item.expression, FieldPath)
            ]
            columns.append(entry)
        elif isinstance(item, SelectExpression) and is_aggregate(item.expression):
            columns.append(_aggregate_entry(item, unnamed))
            unnamed += item.alias is None
        elif isinstance(item, SelectExpression):
            path = item.expression if isinstance(item.expression, FieldPath) else item.expression.path
            if path is not None:
                _add_path(columns, joins, bind_path(scope, path))
        elif isinstance(item, SelectFields):
            fields = org.visible_fields(scope.definition.name, user_id)
            wanted = (f for f in fields if item.kind == "ALL" or f.custom == (item.kind == "CUSTOM"))
            columns.extend(_entry(field, field.name) for field in wanted)
    return {"columnMetadata": columns, "entityName": scope.definition.name, "groupBy": bool(query.group_by)}


def _aggregate_entry(item: SelectExpression, unnamed: int) -> dict[str, object]:
    call = item.expression
    name = item.alias or f"expr{unnamed}"
    entry = _entry(None, name, aggregate=True)
    if isinstance(call, FunctionCall):
        inner = "" if call.path is None else call.path.text
        entry["displayName"] = name if item.alias else f"{call.name.lower()}({inner})"
    return entry


def _add_path(columns: list[dict[str, object]], joins: dict[str, dict[str, object]], bound: Bound) -> None:
    into: list[dict[str, object]] = columns
    for depth, (hop, key) in enumerate(zip(bound.hops, bound.keys, strict=False)):
        path = ".".join(bound.keys[: depth + 1])
        entry = joins.get(path)
        if entry is None:
            entry = joins[path] = _entry(None, key)
            entry["foreignKeyName"] = hop.reference.name
            into.append(entry)
        into = cast("list[dict[str, object]]", entry["joinColumns"])
    into.append(_field_entry(bound))


def _field_entry(bound: Bound) -> dict[str, object]:
    return _entry(bound.field, bound.keys[-1])


def _entry(field: FieldDef | None, name: str, *, aggregate: bool = False) -> dict[str, object]:
    kind = "" if field is None else field.type
    return {
        "aggregate": aggregate,
        "apexType": None if field is None else _APEX.get(kind, "String"),
        "booleanType": kind == "boolean",
        "columnName": name,
        "custom": field is not None and field.custom,
        "displayName": name,
        "foreignKeyName": None,
        "insertable": field is not None and field.createable,
        "joinColumns": [],
        "numberType": kind in NUMBER_TYPES,
        "textType": field is not None and kind not in NUMBER_TYPES | {"boolean", "date", "datetime", "time"},
        "updatable": field is not None and field.updateable,
    }
