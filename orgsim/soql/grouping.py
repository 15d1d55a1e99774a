"""Aggregates, GROUP BY and HAVING."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from itertools import combinations
from typing import TYPE_CHECKING, cast

from orgsim.errors import ApiError
from orgsim.schema.model import NUMBER_TYPES, FieldDef
from orgsim.soql.ast import (
    Comparison,
    Condition,
    Either,
    Every,
    Expression,
    FieldPath,
    FunctionCall,
    Negation,
    Query,
    SelectExpression,
)
from orgsim.soql.bind import Bound, Scope, as_value, bind_path
from orgsim.soql.complaints import invalid_field, malformed
from orgsim.soql.filters import SubSelectRunner, comparison_test
from orgsim.soql.functions import bind_expression
from orgsim.soql.ordering import sorted_by
from orgsim.soql.parser import is_aggregate
from orgsim.store.results import Row
from orgsim.store.table import fold
from orgsim.store.values import json_value

if TYPE_CHECKING:
    from collections.abc import Sequence

_NOT_FOLDABLE = frozenset({"boolean", "base64", "time", "address", "textarea"})


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that agree in all grouped expressions."""

    values: tuple[object, ...]
    rows: list[Row]
    places: frozenset[int] = frozenset()  # the grouped expressions that count; a subtotal leaves some out


GroupValue = Callable[[Group], object]


def is_grouped(query: Query) -> bool:
    """Say whether the query folds rows: it has GROUP BY, HAVING or an aggregate with an argument."""
    return (
        bool(query.group_by)
        or query.having is not None
        or any(isinstance(item, SelectExpression) and is_aggregate(item.expression) for item in query.select)
    )


def group_rows(scope: Scope, query: Query, rows: Iterable[Row], run: SubSelectRunner) -> list[dict[str, object]]:
    """Return the AggregateResult records."""
    keys = [_group_key(scope, expression) for expression in query.group_by]
    columns = _columns(scope, query)
    having = None if query.having is None else _having(scope, query, query.having, run)
    orderings = [
        (_value_of(scope, query, entry.expression), entry.descending, entry.nulls_first) for entry in query.order_by
    ]
    groups = _collect(scope, query, keys, rows)
    if having is not None:
        groups = [group for group in groups if having(group)]
    for value, descending, nulls_first in reversed(orderings):
        groups = sorted_by(scope.org.settings, groups, value, descending=descending, nulls_first=nulls_first)
    start = query.offset or 0
    groups = groups[start : None if query.limit is None else start + query.limit]
    if len(groups) > scope.org.settings.aggregate_groups_max:
        message = "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single batch"
        raise ApiError(400, "EXCEEDED_ID_LIMIT", message)
    return [
        {
            "attributes": {"type": "AggregateResult"},
            **{name: json_value(as_value(value(group))) for name, value in columns},
        }
        for group in groups
    ]


def _group_key(scope: Scope, expression: Expression) -> Bound:
    bound = bind_expression(scope, expression)
    if isinstance(expression, FieldPath) and not bound.field.groupable:
        message = f"field '{bound.field.name}' can not be grouped in a query call"
        raise invalid_field(scope.source, expression.position, message)
    return bound


def _collect(scope: Scope, query: Query, keys: Sequence[Bound], rows: Iterable[Row]) -> list[Group]:
    del scope
    if not query.group_by:
        return [Group((), list(rows))]
    if not query.group_mode:
        return _collect_by(keys, rows, frozenset(range(len(keys))))
    held = list(rows)
    return [group for places in _levels(query) for group in _collect_by(keys, held, places)]


def _levels(query: Query) -> list[frozenset[int]]:
    """Return which expressions count at each level of subtotals, the finest first."""
    places = range(len(query.group_by))
    if query.group_mode == "ROLLUP":
        return [frozenset(places[:count]) for count in range(len(places), -1, -1)]
    return [frozenset(chosen) for count in range(len(places), -1, -1) for chosen in combinations(places, count)]


def _collect_by(keys: Sequence[Bound], rows: Iterable[Row], places: frozenset[int]) -> list[Group]:
    groups: dict[tuple[object, ...], Group] = {}
    for row in rows:
        values = tuple(bound.get(row) if place in places else None for place, bound in enumerate(keys))
        folded = tuple(fold(bound.field, as_value(value)) for bound, value in zip(keys, values, strict=True))
        group = groups.get(folded)
        if group is None:
            group = groups[folded] = Group(values, [], places)
        group.rows.append(row)
    return list(groups.values())


def _columns(scope: Scope, query: Query) -> list[tuple[str, GroupValue]]:
    columns: dict[str, GroupValue] = {}
    unnamed = 0
    for item in query.select:
        if not isinstance(item, SelectExpression):
            message = "Grouped query cannot use child relationships in the SELECT list"
            raise malformed(scope.source, query.object_position, message)
        value = _value_of(scope, query, item.expression, select=True)
        name = item.alias
        if name is None and isinstance(item.expression, FieldPath):
            name = bind_path(scope, item.expression).keys[-1]
        if name is None:
            name = f"expr{unnamed}"
            unnamed += 1
        if name in columns:
            raise ApiError(400, "MALFORMED_QUERY", f"duplicate alias: {name}")
        columns[name] = value
    return list(columns.items())


def _value_of(scope: Scope, query: Query, expression: Expression, *, select: bool = False) -> GroupValue:
    if isinstance(expression, FunctionCall) and is_aggregate(expression):
        return _aggregate(scope, expression)[0]
    if isinstance(expression, FunctionCall) and expression.name == "GROUPING":
        return _grouping(scope, query, expression)
    place = _group_place(scope, query, expression)
    if place is not None:
        return lambda group: group.values[place]
    if isinstance(expression, FieldPath) and len(expression.names) == 1 and not select:
        for item in query.select:
            if isinstance(item, SelectExpression) and (item.alias or "").lower() == expression.names[0].lower():
                return _value_of(scope, query, item.expression, select=True)
    text = expression.text if isinstance(expression, FieldPath) else expression.name
    if isinstance(expression, FieldPath):
        bind_path(scope, expression)
    raise malformed(scope.source, expression.position, f"Field must be grouped or aggregated: {text}")


def _grouping(scope: Scope, query: Query, call: FunctionCall) -> GroupValue:
    """Return 1 for rows that are subtotals over the field, else 0."""
    place = None if call.argument is None else _group_place(scope, query, call.argument)
    if place is None or not query.group_mode:
        message = "GROUPING takes a field of GROUP BY ROLLUP or GROUP BY CUBE"
        raise malformed(scope.source, call.position, message)
    return lambda group: int(place not in group.places)


def _group_place(scope: Scope, query: Query, expression: Expression) -> int | None:
    wanted = _signature(scope, expression)
    for place, candidate in enumerate(query.group_by):
        if _signature(scope, candidate) == wanted:
            return place
    return None


def _signature(scope: Scope, expression: Expression) -> tuple[str, ...]:
    if isinstance(expression, FunctionCall):
        inner = () if expression.argument is None else _signature(scope, expression.argument)
        return () if expression.name == "TOLABEL" else (expression.name, *inner)
    names = tuple(name.lower() for name in expression.names)
    if len(names) > 1 and names[0] in {scope.definition.name.lower(), *scope.aliases}:
        return names[1:]
    return names


def _aggregate(scope: Scope, call: FunctionCall) -> tuple[GroupValue, FieldDef]:
    path = call.path
    if path is None:
        return (lambda group: len(group.rows)), FieldDef("Count", "int")
    bound = bind_expression(scope, call.argument) if isinstance(call.argument, FunctionCall) else bind_path(scope, path)
    kind = bound.field.type
    fits = kind in NUMBER_TYPES if call.name in {"SUM", "AVG"} else kind not in _NOT_FOLDABLE
    if not fits or not bound.field.aggregatable:
        message = f"field {bound.field.name} does not support aggregate operator {call.name}"
        raise malformed(scope.source, call.position, message)
    result = FieldDef(bound.field.name, "int" if call.name.startswith("COUNT") else kind)

    def value(group: Group) -> object:
        found = [entry for row in group.rows if (entry := bound.get(row)) is not None]
        return _fold_values(call.name, bound.field, found)

    return value, result


def _fold_values(name: str, field: FieldDef, found: list[object]) -> object:
    if name == "COUNT":
        return len(found)
    if name == "COUNT_DISTINCT":
        return len({fold(field, as_value(value)) for value in found})
    if not found:
        return None
    if name == "SUM":
        total = math.fsum(cast("list[float]", found))
        return int(total) if field.type == "int" else round(total, field.scale)
    if name == "AVG":
        return math.fsum(cast("list[float]", found)) / len(found)
    pick = min if name == "MIN" else max
    return pick(found, key=_order_key)


def _order_key(value: object) -> float | str:
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, date):
        return float(value.toordinal())
    return value.casefold() if isinstance(value, str) else cast("float", value)


def _having(scope: Scope, query: Query, condition: Condition, run: SubSelectRunner) -> Callable[[Group], bool]:
    match condition:
        case Every(parts):
            inner = [_having(scope, query, part, run) for part in parts]
            return lambda group: all(test(group) for test in inner)
        case Either(parts):
            inner = [_having(scope, query, part, run) for part in parts]
            return lambda group: any(test(group) for test in inner)
        case Negation(part):
            negated = _having(scope, query, part, run)
            return lambda group: not negated(group)
        case Comparison(left):
            value = _value_of(scope, query, left)
            field = (
                FieldDef("Grouping", "int")
                if isinstance(left, FunctionCall) and left.name == "GROUPING"
                else _aggregate(scope, left)[1]
                if isinstance(left, FunctionCall) and is_aggregate(left)
                else bind_expression(scope, left).field
            )
            bound = Bound(cast("Callable[[Row], object]", value), field, None, (), (field.name,), condition.position)
            return cast("Callable[[Group], bool]", comparison_test(scope, condition, bound, run))
