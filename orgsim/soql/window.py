"""Conditions on virtual tables that need no look at the rows: windows of time, and the rows of some parents."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

import msgspec
import numpy as np

from orgsim.errors import ApiError
from orgsim.ids import normalize_id
from orgsim.soql.ast import Comparison, Condition, Every, FieldPath, Literal, Query, SelectExpression, SubSelect
from orgsim.soql.bind import Bound, Scope, bind_path
from orgsim.soql.filters import compile_condition, period_bounds
from orgsim.soql.lazy import Lot, Places, VirtualTable
from orgsim.soql.record import RecordShape
from orgsim.soql.steps import Steps
from orgsim.store.access import sees_own_rows_only
from orgsim.store.results import Row
from orgsim.store.sharing import read_test
from orgsim.store.values import parse_datetime

_TICK: Final = timedelta(milliseconds=1)


@dataclass(slots=True)
class _Window:
    """lower <= stamp <= upper, an open side being None; `used` are the stamp fields that were compared.

    Rows of these parents only, where there are any.
    """

    used: set[str] = field(default_factory=set[str])
    lower: datetime | None = None
    upper: datetime | None = None
    parents: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])

    def narrow(self, operator: str, first: datetime, last: datetime) -> bool:
        """Take in a comparison with the span first..last (one instant: both the same); False if there is no window."""
        if operator in {">", ">=", "="}:
            lowest = last + _TICK if operator == ">" else first
            self.lower = lowest if self.lower is None else max(self.lower, lowest)
        if operator in {"<", "<=", "="}:
            highest = first - _TICK if operator == "<" else last
            self.upper = highest if self.upper is None else min(self.upper, highest)
        return operator in {">", ">=", "=", "<", "<="}


def find_lot(scope: Scope, query: Query) -> Steps[Lot | None]:
    """Return the rows of a query's conditions in the order of its table; None if they must be looked at one by one.

    A generator: it pauses between pieces of its search.
    """
    table = scope.org.tables[scope.definition.name.lower()]
    if not isinstance(table, VirtualTable) or not table.stamps or query.scope not in {None, "EVERYTHING"}:
        return None
    if read_test(scope.org, scope.definition, scope.user_id) is not None:
        return None
    window = _Window()
    if sees_own_rows_only(scope.org, scope.definition.name, scope.user_id):
        window.parents["UserId"] = frozenset({scope.user_id})
    if not _takes(scope, query.where, window, table):
        return None
    start, stop = table.stamp_range(window.lower, window.upper)
    ids = [str(row["Id"]) for row in _written(scope, query, window, table)]
    if not window.parents and not table.has_hidden():
        return Lot(table, range(start, stop), ids)
    return Lot(table, (yield from _places(table, window, start, stop)), ids)


def _written(scope: Scope, query: Query, window: _Window, table: VirtualTable) -> list[Row]:
    one = next(iter(window.used)) if len(window.used) == 1 else None
    rows = table.written_between(one or "", window.lower if one else None, window.upper if one else None)
    tests = [] if query.where is None else [compile_condition(scope, query.where, no_subselect)]
    return [
        row
        for row in rows
        if (scope.all_rows or not row.get("IsDeleted"))
        and all(row.get(name) in wanted for name, wanted in window.parents.items())
        and all(test(row) for test in tests)
    ]


def _places(table: VirtualTable, window: _Window, start: int, stop: int) -> Steps[Places]:
    if not window.parents:
        return table.in_sight(np.arange(start, stop, dtype=np.int64))
    found: list[Places] = []
    (name, first), *more = window.parents.items()
    for places in table.with_parent(name, first, start, stop) or ():
        kept = table.in_sight(places)
        for other, wanted in more:
            rows = table.rows_of(kept)
            kept = kept[np.array([row.get(other) in wanted for row in rows], dtype=bool)]
        found.append(kept)
        yield
    return np.concatenate([np.empty(0, dtype=np.int64), *found])


def _takes(scope: Scope, condition: Condition | None, window: _Window, table: VirtualTable) -> bool:
    """Say whether a condition is nothing but windows and parents, and narrow the window to it."""
    if condition is None:
        return True
    if isinstance(condition, Every):
        return all(_takes(scope, part, window, table) for part in condition.parts)
    if not isinstance(condition, Comparison) or not isinstance(condition.left, FieldPath):
        return False
    bound = bind_path(scope, condition.left)
    if bound.hops or not bound.field.filterable:
        return False
    if bound.field.name in table.stamps and isinstance(condition.right, Literal):
        span = _span(scope, bound, condition.right)
        window.used.add(bound.field.name)
        return span is not None and window.narrow(condition.operator, *span)
    return _takes_parents(condition, bound, window, table)


def _takes_parents(condition: Comparison, bound: Bound, window: _Window, table: VirtualTable) -> bool:
    literals = condition.right if isinstance(condition.right, tuple) else (condition.right,)
    if condition.operator not in {"=", "IN"} or table.with_parent(bound.field.name, (), 0, 0) is None:
        return False
    ids = [normalize_id(part.value) for part in literals if isinstance(part, Literal) and part.kind == "string"]
    if len(ids) < len(literals) or None in ids:
        return False
    wanted = frozenset(row_id for row_id in ids if row_id is not None)
    before = window.parents.get(bound.field.name)
    window.parents[bound.field.name] = wanted if before is None else before & wanted
    return True


def _span(scope: Scope, bound: Bound, literal: Literal) -> tuple[datetime, datetime] | None:
    try:
        if literal.kind == "datetime":
            moment = parse_datetime(literal.value)
            return moment, moment
        if literal.kind == "period":
            start, end = period_bounds(scope, bound, literal)
            if isinstance(start, datetime) and isinstance(end, datetime):
                return start, end - _TICK
    except (ValueError, ApiError):
        pass
    return None


def plain_names(scope: Scope, query: Query) -> list[str] | None:
    """Return the canonical names of the selected fields; None if something else than own fields is selected."""
    names: list[str] = []
    readable = scope.org.access(scope.definition.name, scope.user_id).readable
    for item in query.select:
        if not isinstance(item, SelectExpression) or item.alias is not None:
            return None
        if not isinstance(item.expression, FieldPath) or len(item.expression.names) != 1:
            return None
        found = readable.get(item.expression.names[0].lower())
        if found is None or found.name in names:
            return None
        names.append(found.name)
    return names


def in_order(query: Query, lot: Lot) -> Lot | None:
    """Return the lot in the order that a query wants; None if it must be sorted."""
    if not query.order_by:
        return lot
    entry = query.order_by[0]
    if len(query.order_by) > 1 or not isinstance(entry.expression, FieldPath) or len(entry.expression.names) > 1:
        return None
    name = entry.expression.text.lower()
    stamp = next((stamp for stamp in lot.table.stamps if stamp.lower() == name), None)
    if stamp is None and (name != "id" or lot.written):
        return None
    if stamp is not None and not _rising(lot, stamp):
        return None
    return lot.turned() if entry.descending else lot


def _rising(lot: Lot, stamp: str) -> bool:
    """Say whether the written rows come after the virtual ones and rise too."""
    last = Lot(lot.table, lot.places[-1:]).virtual_rows()
    stamps = [stamp_of(row, stamp) for row in (*last, *lot.written_rows())]
    return stamps == sorted(stamps)


def stamp_of(row: Row, stamp: str) -> float:
    """Return a date-time of a row in epoch seconds; 0 where it is null."""
    value = row.get(stamp)
    return value.timestamp() if isinstance(value, datetime) else 0.0


def no_subselect(scope: Scope, sub: SubSelect, condition: Comparison, left: Bound) -> set[object]:
    """Stand in where a window has no sub-select."""
    del scope, sub, condition, left
    return set()


def quick_writer(scope: Scope, query: Query, lot: Lot, shape: RecordShape) -> Callable[[int, int, str], bytes] | None:
    """Return what writes a slice of the lot as JSON records; None if they must be made one by one."""
    names = plain_names(scope, query)
    if names is None or not lot.table.knows(names):
        return None

    def write(start: int, stop: int, version: str) -> bytes:
        part = lot.cut(start, stop)
        if len(lot.table.in_sight(part.place_array)) < len(part.places):  # changed since: each row as it is now
            return b",".join(msgspec.json.encode(shape.render(row, version)) for row in part)
        written = [msgspec.json.encode(shape.render(row, version)) for row in part.written_rows()]
        virtual = [lot.table.json_rows(names, part.place_array, version)] if len(part.places) else []
        return b",".join((*written, *virtual) if part.lead else (*virtual, *written))

    return write
