"""Queries for the Bulk APIs: flat columns or records as a stream, and what these APIs do not support."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

from orgsim.errors import ApiError
from orgsim.settings import NEWEST_VERSION
from orgsim.soql.ast import Query, SelectChildren, SelectTypeOf
from orgsim.soql.bind import Getter, Scope, as_value
from orgsim.soql.grouping import is_grouped
from orgsim.soql.ordering import order_rows
from orgsim.soql.parser import parse
from orgsim.soql.record import RecordShape, draw_shape
from orgsim.soql.result import RowStream, StreamColumn
from orgsim.soql.run import PAUSE_ROWS, check_size, child_entry, chosen_rows, matching, row_tests, scope_of
from orgsim.store.results import Row, Value

if TYPE_CHECKING:
    from orgsim.org import Org

FEATURE_NOT_ENABLED: Final = "FeatureNotEnabled"


def stream_query(
    org: Org, soql: str, *, all_rows: bool, user_id: str, version: int = NEWEST_VERSION, first_bulk: bool = False
) -> RowStream:
    """Run a query for Bulk (`first_bulk`: for Bulk API 1.0); ApiError for what Bulk does not support."""
    query = parse(soql)
    scope = scope_of(org, query, user_id, version=version, all_rows=all_rows)
    shape = _bulk_shape(scope, query, first_bulk=first_bulk, type_of=False)
    columns = tuple(StreamColumn(name, bound.field.type) for name, bound in shape.columns)
    rows = _in_turn(scope, query)
    getters = [bound.get for _, bound in shape.columns]
    floats = [bound.field.type in {"double", "currency", "percent"} for _, bound in shape.columns]
    return RowStream(scope.definition.name, columns, _values(rows, getters, floats))


def bulk_records(
    org: Org, soql: str, *, all_rows: bool, user_id: str, version: int, show_date: Callable[[Value], object]
) -> Iterator[dict[str, object]]:
    """Run a query for Bulk API 1.0 in JSON or XML: records as REST shows them, but for their dates.

    ApiError for what Bulk does not support.
    """
    query = parse(soql)
    scope = replace(scope_of(org, query, user_id, version=version, all_rows=all_rows), show_date=show_date)
    shape = _bulk_shape(scope, query, first_bulk=True, type_of=True)
    return (shape.render(row, f"{version}.0") for row in _in_turn(scope, query) if row is not None)


def _bulk_shape(scope: Scope, query: Query, *, first_bulk: bool, type_of: bool) -> RecordShape:
    check_size(query)
    _refuse_for_bulk(scope.org, query, first_bulk=first_bulk, type_of=type_of)
    shape = draw_shape(scope, query, child_entry)
    for _, bound in shape.columns:
        code = "FUNCTIONALITY_NOT_ENABLED" if first_bulk else scope.org.settings.bulk_unsupported_query_code
        if bound.field.type in {"address", "location"}:
            raise ApiError(400, code, "Selecting compound data not supported in Bulk Query")
        if bound.field.type == "base64" and not first_bulk:
            raise ApiError(400, code, "Blob field not supported in Bulk V2 Query with CSV content type")
    return shape


def _in_turn(scope: Scope, query: Query) -> Iterator[Row | None]:
    """Return the rows of a Bulk query, with pauses; what is wrong with its clauses is said at once."""
    if not query.order_by and query.limit is None:
        return matching(scope, query, pauses=True)
    row_tests(scope, query)
    order_rows(scope, [], query.order_by)
    return _sorted_later(scope, query)


def _sorted_later(scope: Scope, query: Query) -> Iterator[Row | None]:
    found = yield from chosen_rows(scope, query)
    for start in range(0, len(found), PAUSE_ROWS):
        yield from found[start : start + PAUSE_ROWS]
        yield None


def _values(rows: Iterator[Row | None], readers: list[Getter], floats: list[bool]) -> Iterator[list[Value] | None]:
    for row in rows:
        if row is None:
            yield None
            continue
        values = [as_value(read(row)) for read in readers]
        for place, wanted in enumerate(floats):
            if wanted and isinstance(values[place], int):
                values[place] = float(cast("int", values[place]))
        yield values


def _refuse_for_bulk(org: Org, query: Query, *, first_bulk: bool, type_of: bool) -> None:
    what = (
        "GROUP BY and aggregate functions not supported in Bulk V2 Query" if is_grouped(query) or query.counts_only
        else "OFFSET not supported in Bulk V2 Query" if query.offset is not None
        else "TYPEOF not supported in Bulk V2 Query"
        if not type_of and any(isinstance(item, SelectTypeOf) for item in query.select)
        else "Aggregate Relationships not supported in Bulk V2 Query with CSV content type"
        if any(isinstance(item, SelectChildren) for item in query.select)
        else None
    )  # fmt: skip
    if what is not None and first_bulk:
        raise ApiError(400, FEATURE_NOT_ENABLED, what.replace("Bulk V2 Query", "Bulk Query"))
    if what is not None:
        raise ApiError(400, org.settings.bulk_unsupported_query_code, what)
