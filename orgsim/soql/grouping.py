"""Aggregates, GROUP BY and HAVING."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
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
from orgsim.soql.bunches import bunched, too_many_groups
from orgsim.soql.complaints import invalid_field, malformed
from orgsim.soql.filters import SubSelectRunner, comparison_test
from orgsim.soql.functions import bind_expression
from orgsim.soql.lazy import Lot
from orgsim.soql.ordering import sorted_by
from orgsim.soql.parser import is_aggregate
from orgsim.soql.tallies import Tally, tally_maker
from orgsim.store.results import Row
from orgsim.store.table import fold
from orgsim.store.values import json_value

if TYPE_CHECKING:
    from collections.abc import Sequence

_NOT_FOLDABLE = frozenset({"boolean", "base64", "time", "address", "textarea"})


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that agree in all grouped expressions: these values, and a tally per aggregate of the query."""

    values: tuple[object, ...]
    tallies: list[Tally]
    places: frozenset[int] = frozenset()  # the grouped expressions that count; a subtotal leaves some out


@dataclass(frozen=True, slots=True)
class Slot:
    """One aggregate of the query: its function, what it reads of a row, and the field that comes out."""

    name: str
    bound: Bound | None
    result: FieldDef

    @property
    def key(self) -> tuple[str, tuple[str, ...]]:
        """What makes two aggregates the same."""
        return self.name, () if self.bound is None else self.bound.keys


@dataclass(frozen=True, slots=True)
class Folding:
    """A grouped query: where names are looked up, the query, and the aggregates met so far."""

    scope: Scope
    query: Query
    slots: list[Slot] = field(default_factory=list[Slot])


GroupValue = Callable[[Group], object]


def is_grouped(query: Query) -> bool:
    """Say whether the query folds rows: it has GROUP BY, HAVING or an aggregate with an argument."""
    return (
        bool(query.group_by)
        or query.having is not None
        or any(isinstance(item, SelectExpression) and is_aggregate(item.expression) for item in query.select)
    )


def group_rows(
    scope: Scope, query: Query, rows: Iterable[Row | None] | Lot, run: SubSelectRunner
) -> Generator[None, None, list[dict[str, object]]]:
    """Return the AggregateResult records. A generator: it pauses where `rows` yields None."""
    keys = [_group_key(scope, expression) for expression in query.group_by]
    fold_in = Folding(scope, query)
    columns = _columns(fold_in)
    having = None if query.having is None else _having(fold_in, query.having, run)
    orderings = [
        (_value_of(fold_in, entry.expression), entry.descending, entry.nulls_first) for entry in query.order_by
    ]
    groups = yield from _collect(fold_in, keys, rows)
    if having is not None:
        groups = [group for group in groups if having(group)]
    for value, descending, nulls_first in reversed(orderings):
        groups = sorted_by(scope.org.settings, groups, value, descending=descending, nulls_first=nulls_first)
    start = query.offset or 0
    groups = groups[start : None if query.limit is None else start + query.limit]
    if len(groups) > scope.org.settings.aggregate_groups_max:
        raise too_many_groups()
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


def _collect(
    folding: Folding, keys: Sequence[Bound], rows: Iterable[Row | None] | Lot
) -> Generator[None, None, list[Group]]:
    query = folding.query
    if not query.group_by:
        levels = [frozenset[int]()]
    elif query.group_mode:
        levels = _levels(query)
    else:
        levels = [frozenset(range(len(keys)))]
    makers = [tally_maker(slot.name, None if slot.bound is None else slot.bound.field) for slot in folding.slots]
    getters = [None if slot.bound is None else slot.bound.get for slot in folding.slots]
    groups: list[dict[tuple[object, ...], Group]] = [{} for _ in levels]
    if not query.group_by:
        groups[0][()] = Group((), [make() for make in makers])

    def groups_of(row: Row) -> Iterator[Group]:
        own = [bound.get(row) for bound in keys]
        folded = [fold(bound.field, as_value(value)) for bound, value in zip(keys, own, strict=True)]
        for places, known in zip(levels, groups, strict=True):
            full = len(places) == len(keys)
            key = tuple(folded) if full else tuple(v if n in places else None for n, v in enumerate(folded))
            group = known.get(key)
            if group is None:
                values = tuple(value if place in places else None for place, value in enumerate(own))
                group = known[key] = Group(values, [make() for make in makers], places)
            yield group

    bunches = (
        bunched(rows, [bound.field.name for bound in keys]) if isinstance(rows, Lot) else ((r, r, 1) for r in rows)
    )
    for first, last, times in bunches:
        if first is None or last is None:
            yield
            continue
        for group in groups_of(first):
            for get, tally in zip(getters, group.tallies, strict=True):
                tally.add(None if get is None else get(first), times)
                if last is not first:
                    tally.add(None if get is None else get(last), 0)
    return [group for known in groups for group in known.values()]


def _levels(query: Query) -> list[frozenset[int]]:
    """Return which expressions count at each level of subtotals, the finest first."""
    places = range(len(query.group_by))
    if query.group_mode == "ROLLUP":
        return [frozenset(places[:count]) for count in range(len(places), -1, -1)]
    return [frozenset(chosen) for count in range(len(places), -1, -1) for chosen in combinations(places, count)]


def _columns(folding: Folding) -> list[tuple[str, GroupValue]]:
    scope, query = folding.scope, folding.query
    columns: dict[str, GroupValue] = {}
    unnamed = 0
    for item in query.select:
        if not isinstance(item, SelectExpression):
            message = "Grouped query cannot use child relationships in the SELECT list"
            raise malformed(scope.source, query.object_position, message)
        value = _value_of(folding, item.expression, select=True)
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


def _value_of(folding: Folding, expression: Expression, *, select: bool = False) -> GroupValue:
    scope, query = folding.scope, folding.query
    if isinstance(expression, FunctionCall) and is_aggregate(expression):
        return _aggregate(folding, expression)[0]
    if isinstance(expression, FunctionCall) and expression.name == "GROUPING":
        return _grouping(scope, query, expression)
    place = _group_place(scope, query, expression)
    if place is not None:
        return lambda group: group.values[place]
    if isinstance(expression, FieldPath) and len(expression.names) == 1 and not select:
        for item in query.select:
            if isinstance(item, SelectExpression) and (item.alias or "").lower() == expression.names[0].lower():
                return _value_of(folding, item.expression, select=True)
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


def _aggregate(folding: Folding, call: FunctionCall) -> tuple[GroupValue, FieldDef]:
    scope, path = folding.scope, call.path
    if path is None:
        return _slotted(folding, Slot("COUNT", None, FieldDef("Count", "int")))
    bound = bind_expression(scope, call.argument) if isinstance(call.argument, FunctionCall) else bind_path(scope, path)
    kind = bound.field.type
    fits = kind in NUMBER_TYPES if call.name in {"SUM", "AVG"} else kind not in _NOT_FOLDABLE
    if not fits or not bound.field.aggregatable:
        message = f"field {bound.field.name} does not support aggregate operator {call.name}"
        raise malformed(scope.source, call.position, message)
    result = FieldDef(bound.field.name, "int" if call.name.startswith("COUNT") else kind)
    if isinstance(call.argument, FunctionCall):  # a function of the field is a reading of its own
        bound = replace(bound, keys=(*bound.keys, str(call.position)))
    return _slotted(folding, Slot(call.name, bound, result))


def _slotted(folding: Folding, slot: Slot) -> tuple[GroupValue, FieldDef]:
    place = next((n for n, known in enumerate(folding.slots) if known.key == slot.key), len(folding.slots))
    if place == len(folding.slots):
        folding.slots.append(slot)
    return (lambda group: group.tallies[place].result()), slot.result


def _having(folding: Folding, condition: Condition, run: SubSelectRunner) -> Callable[[Group], bool]:
    scope = folding.scope
    match condition:
        case Every(parts):
            inner = [_having(folding, part, run) for part in parts]
            return lambda group: all(test(group) for test in inner)
        case Either(parts):
            inner = [_having(folding, part, run) for part in parts]
            return lambda group: any(test(group) for test in inner)
        case Negation(part):
            negated = _having(folding, part, run)
            return lambda group: not negated(group)
        case Comparison(left):
            value = _value_of(folding, left)
            field = (
                FieldDef("Grouping", "int")
                if isinstance(left, FunctionCall) and left.name == "GROUPING"
                else _aggregate(folding, left)[1]
                if isinstance(left, FunctionCall) and is_aggregate(left)
                else bind_expression(scope, left).field
            )
            bound = Bound(cast("Callable[[Row], object]", value), field, None, (), (field.name,), condition.position)
            return cast("Callable[[Group], bool]", comparison_test(scope, condition, bound, run))
