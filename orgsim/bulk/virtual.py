"""Which queries a virtual table can answer by itself: plain columns, windows of SystemModstamp, LIMIT, id order."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from orgsim.bulk.dialect import Dialect
from orgsim.bulk.jobs import ALPHABETICAL_LAST
from orgsim.bulk.sources import CsvTable, Virtual
from orgsim.errors import ApiError
from orgsim.soql.ast import Comparison, Condition, Every, FieldPath, Literal, Query, SelectExpression
from orgsim.soql.parser import parse
from orgsim.store.values import parse_datetime

if TYPE_CHECKING:
    from orgsim.org import Org

_TICK: Final = timedelta(milliseconds=1)
_STAMP: Final = "systemmodstamp"
_ORDERS_KEPT: Final = frozenset({"id", _STAMP, "createddate"})


@dataclass(slots=True)
class _Window:
    """The rows asked for: lower <= SystemModstamp <= upper, an open side being None."""

    lower: datetime | None = None
    upper: datetime | None = None

    def narrow(self, operator: str, instant: datetime) -> bool:
        """Take one comparison in; False if its operator has no window."""
        if operator in {">", ">=", "="}:
            lowest = instant + _TICK if operator == ">" else instant
            self.lower = lowest if self.lower is None else max(self.lower, lowest)
        if operator in {"<", "<=", "="}:
            highest = instant - _TICK if operator == "<" else instant
            self.upper = highest if self.upper is None else min(self.upper, highest)
        return operator in {">", ">=", "=", "<", "<="}


def virtual_source(org: Org, soql: str, user_id: str, version: str, dialect: Dialect) -> Virtual | None:
    """Return the fast source of a query, or None if it must be worked out row by row."""
    try:
        query = parse(soql)
    except ApiError:
        return None  # the slow way says what is wrong
    table = org.tables.get(query.object_name.lower())
    names = _plain_names(query)
    window = _Window()
    if names is None or not isinstance(table, CsvTable) or not _takes(query.where, window) or not _in_order(query):
        return None
    readable = org.access(query.object_name, user_id).readable
    if len({name.lower() for name in names}) < len(names) or any(name.lower() not in readable for name in names):
        return None
    columns = table.csv_columns(names)
    if columns is None:
        return None
    if int(version.partition(".")[0]) <= ALPHABETICAL_LAST:
        columns = sorted(columns)
    first, end = table.stamp_range(window.lower, window.upper)
    if query.limit is not None:
        end = min(end, first + query.limit)
    definition = org.objects[query.object_name.lower()]
    return Virtual(definition.name, columns, table, dialect, first, max(first, end))


def _plain_names(query: Query) -> list[str] | None:
    if query.aliases or query.group_by or query.having or query.offset or query.purpose or query.scope:
        return None
    names: list[str] = []
    for item in query.select:
        if (
            not isinstance(item, SelectExpression)
            or item.alias is not None
            or not isinstance(item.expression, FieldPath)
        ):
            return None
        if len(item.expression.names) != 1:
            return None
        names.append(item.expression.names[0])
    return names


def _takes(condition: Condition | None, window: _Window) -> bool:
    """Say whether a condition is nothing but a window of SystemModstamp, and narrow the window to it."""
    if condition is None:
        return True
    if isinstance(condition, Every):
        return all(_takes(part, window) for part in condition.parts)
    if not isinstance(condition, Comparison) or not isinstance(condition.left, FieldPath):
        return False
    if condition.left.text.lower() != _STAMP or not isinstance(condition.right, Literal):
        return False
    if condition.right.kind != "datetime":
        return False
    try:
        return window.narrow(condition.operator, parse_datetime(condition.right.value))
    except ValueError:
        return False


def _in_order(query: Query) -> bool:
    return all(
        isinstance(entry.expression, FieldPath)
        and not entry.descending
        and len(query.order_by) == 1
        and entry.expression.text.lower() in _ORDERS_KEPT
        for entry in query.order_by
    )
