"""Running a query: rows chosen, tested, ordered, cut, grouped or shaped."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, cast

from orgsim.errors import ApiError
from orgsim.settings import NEWEST_VERSION
from orgsim.soql.ast import Comparison, FieldPath, Query, SelectChildren, SelectExpression, SubSelect
from orgsim.soql.bind import Bound, Scope, bind_child, bind_path, open_scope
from orgsim.soql.bunches import can_bunch, quick_groups
from orgsim.soql.choose import candidates
from orgsim.soql.complaints import malformed, positioned
from orgsim.soql.definitions import DEFINITIONS, ROWS_MAX, org_of_definitions
from orgsim.soql.filters import Predicate, compile_condition
from orgsim.soql.grouping import group_rows, is_grouped
from orgsim.soql.lazy import Choice, Lot, VirtualTable
from orgsim.soql.ordering import order_rows
from orgsim.soql.parser import parse, semi_joins
from orgsim.soql.record import Entry, RecordShape, draw_shape
from orgsim.soql.result import QueryResult
from orgsim.soql.steps import Steps
from orgsim.soql.window import find_lot, in_order, quick_writer
from orgsim.store.access import sees_own_rows_only
from orgsim.store.recent import VIEWER
from orgsim.store.results import Row
from orgsim.store.sharing import read_test

if TYPE_CHECKING:
    from orgsim.org import Org

OFFSET_MAX: Final = 2000
SEMI_JOINS_MAX: Final = 2
CHILD_QUERIES_MAX: Final = 20
CHILD_ROWS_PAGE: Final = 2000
PAUSE_ROWS: Final = 512
"""After so many rows a long search lets other calls be answered."""

NESTED_CHILDREN_SINCE: Final = 58


def query_steps(
    org: Org,
    soql: str,
    *,
    all_rows: bool,
    user_id: str,
    page_rows: int | None = None,
    version: int = NEWEST_VERSION,
) -> Steps[QueryResult]:
    """Run a query for one user and return its first page; the rest waits in `org.cursors`.

    A generator: it pauses now and then, so that other calls can be answered while a large table is searched.
    """
    query = parse(soql)
    check_size(query)
    if query.object_name.lower() in DEFINITIONS:
        org, page_rows = org_of_definitions(org, query, user_id), ROWS_MAX
    scope = scope_of(org, query, user_id, version=version, all_rows=all_rows)
    page = page_rows or org.settings.query_page_rows
    if query.counts_only:
        total = yield from _count(scope, query)
        return QueryResult(total if query.limit is None else min(total, query.limit), (), _as_is, page)
    if is_grouped(query):
        lot = yield from find_lot(scope, query)
        if lot is not None and can_bunch(scope, query, lot):
            quick = quick_groups(scope, query, lot)
            if quick is not None:
                return _written_groups(*quick)
            rows = lot
        else:
            rows = lot_rows(lot, scope, query)
        records = yield from group_rows(scope, query, rows, run_subselect)
        return QueryResult(len(records), records, _as_is, max(page, len(records)))
    shape = draw_shape(scope, query, child_entry)
    found = yield from chosen_rows(scope, query)
    if query.purpose is not None:
        _note_views(scope, found, query.purpose)
    cursor = org.new_id("01g")[:15] if len(found) > page else None
    quick = quick_writer(scope, query, found, shape) if isinstance(found, Lot) else None
    result = QueryResult(len(found), found, shape.render, page, 0, cursor, quick)
    org.cursors.keep(user_id, result, per_user_max=org.settings.open_cursors_max)
    return result


def _written_groups(count: int, records: bytes) -> QueryResult:
    def write(start: int, stop: int, version: str) -> bytes:
        del start, stop, version  # groups have one page
        return records

    return QueryResult(count, range(count), _as_is, max(count, 1), quick=write)


def lot_rows(lot: Lot | None, scope: Scope, query: Query) -> Iterator[Row | None]:
    """Yield the rows of a lot, else those that match, with a None now and then as a pause."""
    if lot is None:
        yield from matching(scope, query, pauses=True)
        return
    for start in range(0, len(lot), PAUSE_ROWS):
        yield from lot[start : start + PAUSE_ROWS]
        yield None


def check_size(query: Query) -> None:
    if semi_joins(query.where) > SEMI_JOINS_MAX:
        message = "The maximum number of semi join sub-selects in one query is 2"
        raise ApiError(
            400, "EXCEEDED_MAX_SEMIJOIN_SUBSELECTS", positioned(query.source, query.object_position, message)
        )
    if sum(isinstance(item, SelectChildren) for item in query.select) > CHILD_QUERIES_MAX:
        raise malformed(query.source, query.object_position, "The maximum number of child queries in one query is 20")


def _as_is(record: object, version: str) -> dict[str, object]:
    del version
    return cast("dict[str, object]", record)


def scope_of(org: Org, query: Query, user_id: str, *, version: int, all_rows: bool) -> Scope:
    return open_scope(
        org,
        user_id,
        query.source,
        query.object_name,
        query.object_position,
        aliases=query.aliases,
        version=version,
        all_rows=all_rows,
    )


def shape_of(org: Org, soql: str, *, user_id: str, version: int = NEWEST_VERSION) -> tuple[Query, Scope]:
    """Return a query and its scope without running it."""
    query = parse(soql)
    if query.object_name.lower() in DEFINITIONS:
        org = org_of_definitions(org, query, user_id)
    return query, scope_of(org, query, user_id, version=version, all_rows=False)


def _count(scope: Scope, query: Query) -> Steps[int]:
    if query.order_by or query.group_by:
        raise malformed(scope.source, query.object_position, "COUNT() cannot be used with ORDER BY or GROUP BY")
    table = scope.org.tables[scope.definition.name.lower()]
    plain = query.where is None and query.scope in {None, "EVERYTHING"} and not scope.all_rows
    if plain and not row_tests(scope, query):
        return table.count()
    lot = yield from find_lot(scope, query)
    if lot is not None:
        return len(lot)
    total = 0
    for row in matching(scope, query, pauses=True):
        if row is None:
            yield
        else:
            total += 1
    return total


def row_tests(scope: Scope, query: Query) -> list[Predicate]:
    tests: list[Predicate] = []
    if query.where is not None:
        tests.append(compile_condition(scope, query.where, run_subselect))
    user_id = scope.user_id
    if query.scope == "MINE":
        tests.append(lambda row: row.get("OwnerId") == user_id)
    if sees_own_rows_only(scope.org, scope.definition.name, user_id):
        tests.append(lambda row: row.get("UserId") == user_id)
    shared = read_test(scope.org, scope.definition, user_id)
    if shared is not None:
        tests.append(shared)
    if scope.definition.name == "RecentlyViewed":
        tests.append(lambda row: row.get(VIEWER) == user_id)
    return tests


def matching(scope: Scope, query: Query, *, pauses: bool = False) -> Iterator[Row | None]:
    """Yield the rows that match; with `pauses`, a None after so many rows that were looked at."""
    tests = row_tests(scope, query)
    return _kept(candidates(scope, query.where), tests, all_rows=scope.all_rows, pauses=pauses)


def _found(scope: Scope, query: Query) -> Iterator[Row]:
    return (row for row in matching(scope, query) if row is not None)


def _kept(rows: Iterable[Row], tests: list[Predicate], *, all_rows: bool, pauses: bool = False) -> Iterator[Row | None]:
    for seen, row in enumerate(rows, 1):
        if pauses and not seen % PAUSE_ROWS:
            yield None
        if not all_rows and row.get("IsDeleted"):
            continue
        if all(test(row) for test in tests):
            yield row


def chosen_rows(scope: Scope, query: Query) -> Steps[Sequence[Row]]:
    """Return the rows of the result in order; those of a virtual table stay virtual where that is possible."""
    start = _offset(scope, query)
    stop = None if query.limit is None else start + query.limit
    lot = yield from find_lot(scope, query)
    ordered = None if lot is None else in_order(query, lot)
    if ordered is not None:
        return ordered.cut(start, stop)
    table = scope.org.tables[scope.definition.name.lower()]
    wanted = None if query.order_by else stop
    if isinstance(table, VirtualTable) and wanted is None and not query.order_by:
        choice = Choice(table)
        yield from _gathered(scope, query, choice.add, None)
        return choice.lot().cut(start, None)
    rows: list[Row] = []
    yield from _gathered(scope, query, rows.append, wanted)
    return (order_rows(scope, rows, query.order_by) if query.order_by else rows)[start:stop]


def _gathered(scope: Scope, query: Query, take: Callable[[Row], None], count: int | None) -> Steps[None]:
    left = count
    if left == 0:
        return
    for row in matching(scope, query, pauses=True):
        if row is None:
            yield
            continue
        take(row)
        if left is not None:
            left -= 1
            if not left:
                return


def _offset(scope: Scope, query: Query) -> int:
    start = query.offset or 0
    if start > OFFSET_MAX:
        message = "Maximum SOQL offset allowed is 2000"
        raise ApiError(400, "NUMBER_OUTSIDE_VALID_RANGE", positioned(scope.source, query.object_position, message))
    return start


def _cut(scope: Scope, query: Query, rows: list[Row]) -> list[Row]:
    start = _offset(scope, query)
    return rows[start : None if query.limit is None else start + query.limit]


def search_rows(scope: Scope, query: Query, test: Predicate) -> list[Row]:
    """Return the rows of a search in one object that pass the test too, ordered and cut."""
    rows = [row for row in _found(scope, query) if test(row)]
    return _cut(scope, query, order_rows(scope, rows, query.order_by) if query.order_by else rows)


def run_subselect(scope: Scope, sub: SubSelect, condition: Comparison, left: Bound) -> set[object]:
    """Return the ids that the inner query of a semi-join selects, which must be of what its left side points to."""
    query = sub.query
    inner = scope_of(scope.org, query, scope.user_id, version=scope.version, all_rows=scope.all_rows)
    first = query.select[0]
    if len(query.select) != 1 or not isinstance(first, SelectExpression) or not isinstance(first.expression, FieldPath):
        raise malformed(scope.source, query.object_position, "The inner select must have one id or reference field")
    bound = bind_path(inner, first.expression)
    if bound.hops or bound.field.type not in {"id", "reference"}:
        message = "The inner select field cannot have more than one level of relationships and must be an id"
        raise malformed(scope.source, query.object_position, message)
    pointed = _pointed_to(scope, left), _pointed_to(inner, bound)
    if all(pointed) and not pointed[0] & pointed[1]:
        message = (
            f"The selected field '{bound.field.name}' in the subquery and the left operand field in the where"
            f" expression in the outer query '{left.field.name}' should point to the same object type"
        )
        raise malformed(scope.source, condition.position, message)
    if query.limit is not None or query.order_by:
        raise malformed(scope.source, query.object_position, "The inner query cannot have ORDER BY or LIMIT")
    return {value for row in _found(inner, query) if (value := bound.get(row)) is not None}


def _pointed_to(scope: Scope, bound: Bound) -> frozenset[str]:
    """Return the objects whose ids a field holds."""
    return frozenset({scope.definition.name} if bound.field.type == "id" else bound.field.reference_to)


def child_entry(scope: Scope, query: Query) -> tuple[str, Entry]:
    child, field, name = bind_child(scope, query.object_name, query.object_position)
    inner = scope.at(child, dict(query.aliases))
    if is_grouped(query):
        raise malformed(scope.source, query.object_position, "Aggregate functions are not supported in child queries")
    if scope.version < NESTED_CHILDREN_SINCE and any(isinstance(item, SelectChildren) for item in query.select):
        raise malformed(scope.source, query.object_position, "Child queries may be nested from version 58.0 on")
    if query.offset is not None:
        raise malformed(scope.source, query.object_position, "OFFSET clause only supported in the outer query")
    shape = draw_shape(inner, query, child_entry)
    tests = row_tests(inner, query)
    table = scope.org.tables[child.name.lower()]

    def entry(row: Row, version: str) -> object:
        found = table.equal(field, row["Id"])
        if found is None:
            found = (other for other in table.scan() if other.get(field.name) == row["Id"])
        rows = [row for row in _kept(found, tests, all_rows=scope.all_rows) if row is not None]
        rows = _cut(inner, query, order_rows(inner, rows, query.order_by))
        return _child_result(scope, shape, rows, version)

    return name, entry


def _child_result(scope: Scope, shape: RecordShape, rows: list[Row], version: str) -> object:
    if not rows and scope.org.settings.empty_child_query == "null":
        return None
    cursor = scope.org.new_id("01g")[:15] if len(rows) > CHILD_ROWS_PAGE else None
    result = QueryResult(len(rows), rows, shape.render, CHILD_ROWS_PAGE, 0, cursor)
    scope.org.cursors.keep(scope.user_id, result, per_user_max=scope.org.settings.open_cursors_max)
    return result.payload(version)


def _note_views(scope: Scope, rows: Sequence[Row], purpose: str) -> None:
    now = scope.org.clock.stamp()
    for row in rows:
        key = (scope.user_id, str(row["Id"]))
        viewed, _ = scope.org.views.get(key, (None, None))
        scope.org.views.pop(key, None)
        scope.org.views[key] = (now if purpose == "VIEW" else viewed, now)
