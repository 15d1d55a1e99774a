"""Which queries a virtual table can answer by itself: plain columns, windows of time, rows of parents, their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orgsim.bulk.dialect import Dialect
from orgsim.bulk.jobs import ALPHABETICAL_LAST
from orgsim.bulk.sources import CsvTable, Virtual
from orgsim.errors import ApiError
from orgsim.soql.ast import FieldPath
from orgsim.soql.bind import bind_path
from orgsim.soql.parser import parse
from orgsim.soql.run import scope_of
from orgsim.soql.steps import settled
from orgsim.soql.window import find_lot, in_order, plain_names

if TYPE_CHECKING:
    from orgsim.org import Org


def virtual_source(org: Org, soql: str, user_id: str, version: str, dialect: Dialect) -> Virtual | None:
    """Return the fast source of a query, or None if it must be worked out row by row."""
    number = int(version.partition(".")[0])
    try:
        query = parse(soql)
        table = org.tables.get(query.object_name.lower())
        if not isinstance(table, CsvTable) or query.group_by or query.having or query.offset or query.purpose:
            return None
        scope = scope_of(org, query, user_id, version=number, all_rows=False)
        names = plain_names(scope, query)
        lot = settled(find_lot(scope, query)) if names is not None and table.knows(names) else None
        ordered = None if lot is None else in_order(query, lot)
    except ApiError:
        return None  # the slow way says what is wrong
    if names is None or ordered is None:
        return None
    if number <= ALPHABETICAL_LAST:
        names = sorted(names)
    getters = [bind_path(scope, FieldPath((name,), 0)).get for name in names]
    return Virtual(scope.definition.name, names, table, dialect, ordered.cut(0, query.limit), getters)
