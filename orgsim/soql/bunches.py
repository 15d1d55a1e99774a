"""Groups of virtual rows found by their codes, many at a time, without making the rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np

from orgsim.errors import ApiError
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
from orgsim.soql.bind import Scope, bind_path
from orgsim.soql.lazy import Lot, Places
from orgsim.soql.parser import is_aggregate
from orgsim.store.results import Row

Bunch = tuple["Row | None", "Row | None", int]
"""The first and the last row of a bunch in the order of time, and how many rows it stands for; None is a pause."""

_CHUNK_ROWS: Final = 500_000
_KEY_MAX: Final = 2**62


def can_bunch(scope: Scope, query: Query, lot: Lot) -> bool:
    """Say whether first row, last row and number are all that the query wants of a group."""
    none = np.empty(0, dtype=np.int64)
    for expression in query.group_by:
        if not isinstance(expression, FieldPath):
            return False
        bound = bind_path(scope, expression)
        if bound.hops or lot.table.codes(bound.field.name, none) is None:
            return False
    for call in _aggregates(query):
        if isinstance(call.argument, FunctionCall):
            return False
        if call.argument is None:
            continue
        bound = bind_path(scope, call.argument)
        name = bound.field.name
        counted = call.name == "COUNT" and (name == "Id" or name in lot.table.stamps)
        if bound.hops or not (counted or (call.name in {"MIN", "MAX"} and name in lot.table.stamps)):
            return False
    return True


def _aggregates(query: Query) -> Iterator[FunctionCall]:
    expressions = [item.expression for item in query.select if isinstance(item, SelectExpression)]
    expressions += [entry.expression for entry in query.order_by]
    expressions += _compared(query.having)
    return (found for found in expressions if isinstance(found, FunctionCall) and is_aggregate(found))


def _compared(condition: Condition | None) -> list[Expression]:
    match condition:
        case Every(parts) | Either(parts):
            return [found for part in parts for found in _compared(part)]
        case Negation(part):
            return _compared(part)
        case Comparison(left):
            return [left]
        case None:
            return []


def bunched(lot: Lot, names: Sequence[str]) -> Iterator[Bunch]:
    """Yield the bunches of the virtual rows by these fields, then the written rows one by one."""
    wanted = ["Id", *lot.table.stamps, *names]
    if not names:
        if len(lot.places):
            ends = lot.table.rows_of(np.array([lot.places[0], lot.places[-1]], dtype=np.int64), wanted)
            yield ends[0], ends[-1], len(lot.places)
    else:
        for start in range(0, len(lot.places), _CHUNK_ROWS):
            yield from _chunk(lot, np.asarray(lot.places[start : start + _CHUNK_ROWS], dtype=np.int64), names, wanted)
            yield None, None, 0
    for row in lot.written_rows():
        yield row, row, 1


def _chunk(lot: Lot, places: Places, names: Sequence[str], wanted: Sequence[str]) -> Iterable[Bunch]:
    firsts, lasts, counts = _ends(lot, places, names)
    return zip(lot.table.rows_of(firsts, wanted), lot.table.rows_of(lasts, wanted), counts.tolist(), strict=True)


def _ends(lot: Lot, places: Places, names: Sequence[str]) -> tuple[Places, Places, Places]:
    """Return the first place, the last place and the number of rows of every combination of values."""
    key: Places = np.zeros(len(places), dtype=np.int64)
    span = 1
    for name in names:
        coded = lot.table.codes(name, places)
        if coded is None:
            raise TypeError(name)  # `can_bunch` was not asked
        codes, _ = coded
        width = int(codes.max()) + 1
        span *= width
        if span > _KEY_MAX:  # too many combinations for one number: put those there are in order
            key = np.unique(key, return_inverse=True)[1].astype(np.int64)
            span = (int(key.max()) + 1) * width
        key = key * width + codes
    order = np.argsort(key, kind="stable")
    ranked = key[order]
    starts = np.flatnonzero(np.concatenate(([True], ranked[1:] != ranked[:-1])))
    stops = np.append(starts[1:], len(ranked))
    return places[order[starts]], places[order[stops - 1]], (stops - starts).astype(np.int64)


def quick_groups(scope: Scope, query: Query, lot: Lot) -> tuple[int, bytes] | None:
    """Return the number of groups and their records as JSON with commas between; None if it takes the longer way.

    The query must be one that `can_bunch`.
    """
    plain = not (query.having or query.order_by or query.offset or query.group_mode) and query.limit is None
    if not plain or not query.group_by or lot.written or not 0 < len(lot.places) <= _CHUNK_ROWS:
        return None
    names = [bind_path(scope, path).field.name for path in query.group_by if isinstance(path, FieldPath)]
    none = np.empty(0, dtype=np.int64)
    for name in names:
        coded = lot.table.codes(name, none)
        words = [] if coded is None else [str(value).casefold() for value in coded[1]]
        if len(set(words)) < len(words):
            return None  # codes that mean the same
    firsts, lasts, counts = _ends(lot, lot.place_array, names)
    if len(firsts) > scope.org.settings.aggregate_groups_max:
        raise too_many_groups()
    columns: dict[str, list[str]] = {}
    unnamed = 0
    for item in query.select:
        if not isinstance(item, SelectExpression):
            return None
        expression, title = item.expression, item.alias
        if isinstance(expression, FieldPath):
            name = bind_path(scope, expression).field.name
            if name not in names:
                return None  # the longer way says what is wrong
            cells = lot.table.json_cells(name, firsts)
            title = title or name
        elif expression.name == "COUNT":
            cells = [str(count) for count in counts.tolist()]
        elif expression.path is not None and expression.name in {"MIN", "MAX"}:
            stamp = bind_path(scope, expression.path).field.name
            cells = lot.table.json_cells(stamp, firsts if expression.name == "MIN" else lasts)
        else:
            return None
        if title is None:
            title, unnamed = f"expr{unnamed}", unnamed + 1
        if title in columns:
            return None
        columns[title] = cells
    line = '{"attributes":{"type":"AggregateResult"},' + ",".join(f'"{title}":%s' for title in columns) + "}"
    return len(firsts), ",".join(map(line.__mod__, zip(*columns.values(), strict=True))).encode()


def too_many_groups() -> ApiError:
    """Return the refusal of a result that would need a second page."""
    message = "Aggregate query does not support queryMore(), use LIMIT to restrict the results to a single batch"
    return ApiError(400, "EXCEEDED_ID_LIMIT", message)
