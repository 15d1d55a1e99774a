"""Which rows have to be looked at: by an index if the conditions allow it, else all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from orgsim.errors import ApiError
from orgsim.ids import normalize_id
from orgsim.soql.ast import Comparison, Condition, Every, FieldPath, Literal, SubSelect
from orgsim.soql.bind import Bound, Scope, bind_path
from orgsim.soql.filters import period_bounds
from orgsim.store.results import Row, Value
from orgsim.store.table import Table, is_indexed
from orgsim.store.values import parse_datetime

_RANGE_OPERATORS: Final = frozenset({"=", "<", "<=", ">", ">="})


def candidates(scope: Scope, where: Condition | None) -> Iterable[Row]:
    """Return a superset of the rows that can satisfy the conditions, deleted ones included."""
    table = scope.org.tables[scope.definition.name.lower()]
    parts = where.parts if isinstance(where, Every) else (where,) if where is not None else ()
    comparisons = [part for part in parts if isinstance(part, Comparison) and isinstance(part.left, FieldPath)]
    bound = [(part, bind_path(scope, part.left)) for part in comparisons if isinstance(part.left, FieldPath)]
    bound = [(part, entry) for part, entry in bound if not entry.hops]
    for wanted in ("Id", ""):
        for part, entry in bound:
            if wanted in {"", entry.field.name} and (rows := _by_value(table, part, entry)) is not None:
                return rows
    ranges = _ranges(scope, bound)
    for name, (lower, upper) in ranges.items():
        rows = table.between(name, lower, upper)
        if rows is not None:
            return rows
    return table.scan()


def _by_value(table: Table, part: Comparison, entry: Bound) -> Iterable[Row] | None:
    if part.operator not in {"=", "IN"} or isinstance(part.right, SubSelect) or not is_indexed(entry.field):
        return None
    literals = part.right if isinstance(part.right, tuple) else (part.right,)
    values: list[Value] = []
    for literal in literals:
        value = literal.value
        if literal.kind != "string" or not value:
            return None
        if entry.field.type in {"id", "reference"}:
            value = normalize_id(value)
            if value is None:
                return None
        values.append(value)
    found: list[Iterable[Row]] = []
    for value in dict.fromkeys(values):
        rows = table.equal(entry.field, value)
        if rows is None:
            return None
        found.append(rows)
    return _distinct(found) if len(found) > 1 else found[0]


def _distinct(groups: list[Iterable[Row]]) -> Iterator[Row]:
    seen: set[Value] = set()
    for rows in groups:
        for row in rows:
            if row["Id"] not in seen:
                seen.add(row["Id"])
                yield row


def _ranges(scope: Scope, bound: list[tuple[Comparison, Bound]]) -> dict[str, tuple[datetime | None, datetime | None]]:
    ranges: dict[str, tuple[datetime | None, datetime | None]] = {}
    for part, entry in bound:
        if (
            entry.field.type != "datetime"
            or part.operator not in _RANGE_OPERATORS
            or not isinstance(part.right, Literal)
        ):
            continue
        span = _literal_span(scope, entry, part.right)
        if span is None:
            continue
        low, high = span
        lower, upper = ranges.get(entry.field.name, (None, None))
        if part.operator in {"=", ">", ">="}:
            lower = low if lower is None else max(lower, low)
        if part.operator in {"=", "<", "<="}:
            upper = high if upper is None else min(upper, high)
        ranges[entry.field.name] = (lower, upper)
    return ranges


def _literal_span(scope: Scope, entry: Bound, literal: Literal) -> tuple[datetime, datetime] | None:
    if literal.kind == "datetime":
        try:
            moment = parse_datetime(literal.value)
        except ValueError:
            return None
        return moment, moment
    if literal.kind != "period":
        return None
    try:
        start, end = period_bounds(scope, entry, literal)
    except ApiError:
        return None
    return (start, end) if isinstance(start, datetime) and isinstance(end, datetime) else None
