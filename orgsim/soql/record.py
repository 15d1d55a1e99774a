"""The shape of a record in an answer: keys in SELECT order, parents nested, children as results of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from orgsim.errors import ApiError
from orgsim.schema.model import FieldDef
from orgsim.soql.ast import (
    Comparison,
    Condition,
    Every,
    FieldPath,
    Query,
    SelectExpression,
    SelectFields,
    SelectTypeOf,
    SubSelect,
)
from orgsim.soql.bind import Bound, Hop, Scope, as_value, bind_hop, bind_path, parent_row
from orgsim.soql.complaints import malformed
from orgsim.soql.functions import bind_expression
from orgsim.store.results import Row

Entry = Callable[[Row, str], object]
FIELDS_ROWS_MAX: Final = 200


@dataclass(slots=True)
class Node:
    """One level of a record: its own entries and its parents, in order of first mention."""

    hop: Hop | None = None
    entries: dict[str, Entry | Node] = field(default_factory=dict[str, "Entry | Node"])


@dataclass(frozen=True, slots=True)
class RecordShape:
    """How to turn rows into records, and the flat list of what was selected."""

    scope: Scope
    root: Node
    columns: tuple[tuple[str, Bound], ...]

    def render(self, row: Row, version: str) -> dict[str, object]:
        """Return one record."""
        return _render(self.scope, self.root, row, version)


def _render(scope: Scope, node: Node, row: Row, version: str) -> dict[str, object]:
    record: dict[str, object] = {"attributes": attributes(scope, node.hop, row, version)}
    for key, entry in node.entries.items():
        if isinstance(entry, Node):
            hop = entry.hop
            parent = None if hop is None else parent_row(scope, (hop,), row)
            record[key] = None if parent is None else _render(scope, entry, parent, version)
        else:
            record[key] = entry(row, version)
    return record


def attributes(scope: Scope, hop: Hop | None, row: Row, version: str) -> dict[str, object]:
    """Return the attributes of a record or of a parent inside one."""
    row_id = str(row["Id"])
    if hop is None:
        name = shown = scope.definition.name
    elif hop.target is not None:
        name = shown = hop.target.name
    else:
        actual = scope.org.object_of_id(row_id)
        name = "Name" if actual is None else actual.name
        shown = "Name" if scope.org.settings.polymorphic_attributes_type == "Name" else name
    return {"type": shown, "url": f"/services/data/v{version}/sobjects/{name}/{row_id}"}


def draw_shape(scope: Scope, query: Query, children: Callable[[Scope, Query], tuple[str, Entry]]) -> RecordShape:
    """Return the shape of the query's records; ApiError where the field list is wrong."""
    root = Node()
    columns: list[tuple[str, Bound]] = []
    for item in query.select:
        if isinstance(item, SelectExpression):
            _add_expression(scope, root, columns, item)
        elif isinstance(item, SelectFields):
            _check_fields_bound(scope, item, query)
            for definition in _fields_of(scope, item):
                bound = bind_path(scope, FieldPath((definition.name,), item.position))
                _put(root, definition.name, _leaf_entry(scope, bound))
                columns.append((definition.name, bound))
        elif isinstance(item, SelectTypeOf):
            _add_type_of(scope, root, item)
        else:
            key, entry = children(scope, item.query)
            _put(root, key, entry)
    return RecordShape(scope, root, tuple(columns))


def _add_expression(scope: Scope, root: Node, columns: list[tuple[str, Bound]], item: SelectExpression) -> None:
    bound = bind_expression(scope, item.expression)
    if item.alias is not None and isinstance(item.expression, FieldPath):
        raise malformed(scope.source, item.expression.position, "only aggregate expressions use field aliasing")
    if item.alias is not None:
        _put(root, item.alias, _leaf_entry(scope, bound))
        columns.append((item.alias, bound))
        return
    node = root
    for hop, key in zip(bound.hops, bound.keys, strict=False):
        below = node.entries.get(key)
        if not isinstance(below, Node):
            below = Node(hop)
            _put(node, key, below)
        node = below
    _put(node, bound.keys[-1], _own_leaf(scope, bound))
    columns.append((".".join(bound.keys), bound))


def _own_leaf(scope: Scope, bound: Bound) -> Entry:
    """Return the entry relative to the nearest parent, which the renderer has already reached."""
    if not bound.hops:
        return _leaf_entry(scope, bound)
    if bound.owner is None:
        return _leaf_entry(scope, _named(scope, bound))
    inner = scope.at(bound.owner)
    return _leaf_entry(inner, bind_path(inner, FieldPath((bound.field.name,), bound.position)))


def _named(scope: Scope, bound: Bound) -> Bound:
    def get(row: Row) -> object:
        actual = scope.org.object_of_id(str(row["Id"]))
        if bound.keys[-1] == "Type":
            return None if actual is None else actual.name
        if actual is None or actual.field(bound.field.name) is None:
            return row.get(bound.field.name)
        inner = scope.at(actual)
        return bind_path(inner, FieldPath((bound.field.name,), bound.position)).get(row)

    return Bound(get, bound.field, None, (), bound.keys, bound.position)


def _leaf_entry(scope: Scope, bound: Bound) -> Entry:
    get = bound.get
    if bound.field.type == "base64":
        return _blob_entry(bound)
    if bound.field.type == "address":
        return lambda row, _: get(row)
    if bound.field.type in {"date", "datetime", "time"}:
        show = scope.show_date
        return lambda row, _: show(as_value(get(row)))
    if bound.field.type in {"double", "currency", "percent"}:
        return lambda row, _: float(value) if isinstance(value := get(row), int) else value
    return lambda row, _: get(row)


def _blob_entry(bound: Bound) -> Entry:
    owner = "" if bound.owner is None else bound.owner.name

    def entry(row: Row, version: str) -> object:
        path = f"/services/data/v{version}/sobjects/{owner}/{row['Id']}/{bound.field.name}"
        return None if bound.get(row) is None else path

    return entry


def _put(node: Node, key: str, entry: Entry | Node) -> None:
    if key in node.entries:
        raise ApiError(400, "INVALID_FIELD", f"duplicate field selected: {key}")
    node.entries[key] = entry


def _check_fields_bound(scope: Scope, item: SelectFields, query: Query) -> None:
    few = query.limit is not None and query.limit <= FIELDS_ROWS_MAX
    if item.kind != "STANDARD" and not few and not _names_few_ids(query.where):
        message = "The SOQL FIELDS function must have a LIMIT of at most 200"
        raise malformed(scope.source, item.position, message)


def _names_few_ids(where: Condition | None) -> bool:
    parts = where.parts if isinstance(where, Every) else (where,)
    for part in parts:
        if isinstance(part, Comparison) and isinstance(part.left, FieldPath) and part.left.names[-1].lower() == "id":
            many = isinstance(part.right, tuple) and len(part.right) > FIELDS_ROWS_MAX
            if part.operator in {"=", "IN"} and not many and not isinstance(part.right, SubSelect):
                return True
    return False


def _fields_of(scope: Scope, item: SelectFields) -> Iterable[FieldDef]:
    for definition in scope.org.visible_fields(scope.definition.name, scope.user_id):
        if item.kind == "ALL" or definition.custom == (item.kind == "CUSTOM"):
            yield definition


def _add_type_of(scope: Scope, root: Node, item: SelectTypeOf) -> None:
    hops, keys = bind_hop(scope, item.relationship)
    if len(hops) != 1:
        raise malformed(scope.source, item.relationship.position, "TYPEOF needs a relationship of the queried object")
    shapes: dict[str, Node] = {}
    for case in item.cases:
        definition = scope.org.visible_object(case.object_name, scope.user_id)
        if definition is None or definition.name not in hops[0].reference.reference_to:
            message = f"Polymorphic relationship '{keys[0]}' does not support the type '{case.object_name}'"
            raise malformed(scope.source, item.relationship.position, message)
        inner = scope.at(definition)
        shapes[definition.name] = _case_node(inner, case.fields)
    otherwise = item.otherwise

    def entry(row: Row, version: str) -> object:
        parent = parent_row(scope, hops, row)
        actual = None if parent is None else scope.org.object_of_id(str(parent["Id"]))
        if parent is None or actual is None:
            return None
        inner = scope.at(actual)
        node = shapes.get(actual.name)
        if node is None and otherwise is not None:
            node = _case_node(inner, otherwise)
        return None if node is None else _render(inner, node, parent, version)

    _put(root, keys[0], entry)


def _case_node(scope: Scope, paths: Iterable[FieldPath]) -> Node:
    root = Node()
    columns: list[tuple[str, Bound]] = []
    for path in paths:
        _add_expression(scope, root, columns, SelectExpression(path, None))
    return root
