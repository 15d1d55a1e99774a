"""ORDER BY."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from orgsim.settings import OrgSettings
from orgsim.soql.ast import FieldPath, Ordering
from orgsim.soql.bind import Scope
from orgsim.soql.complaints import invalid_field
from orgsim.soql.functions import bind_expression
from orgsim.store.results import Row

Item = TypeVar("Item")


def sorted_by(
    settings: OrgSettings,
    items: list[Item],
    value: Callable[[Item], object],
    *,
    descending: bool,
    nulls_first: bool | None,
) -> list[Item]:
    """Return the items in the order of one value; equal ones keep their order."""
    pairs: list[tuple[Any, Item]] = []
    empty: list[Item] = []
    for item in items:
        key = value(item)
        if key is None:
            empty.append(item)
        else:
            pairs.append((key.casefold() if isinstance(key, str) else key, item))
    pairs.sort(key=lambda pair: pair[0], reverse=descending)
    full = [item for _, item in pairs]
    first = nulls_first if nulls_first is not None else not (descending and settings.descending_nulls_last)
    return empty + full if first else full + empty


def order_rows(scope: Scope, rows: list[Row], orderings: tuple[Ordering, ...]) -> list[Row]:
    """Return the rows in the order the query asks for; ApiError for fields that cannot be sorted."""
    bound = [(entry, bind_expression(scope, entry.expression)) for entry in orderings]
    for entry, field in bound:
        if isinstance(entry.expression, FieldPath) and (not field.field.sortable or field.field.type == "address"):
            message = f"field '{field.field.name}' can not be sorted in a query call"
            raise invalid_field(scope.source, entry.expression.position, message)
    for entry, field in reversed(bound):
        get = _exact(field.get) if field.field.type in {"id", "reference"} else field.get
        rows = sorted_by(scope.org.settings, rows, get, descending=entry.descending, nulls_first=entry.nulls_first)
    return rows


class _Exact(str):
    """An id: sorts by its characters, not folded."""

    __slots__ = ()

    def casefold(self) -> str:
        return str(self)


def _exact(get: Callable[[Row], object]) -> Callable[[Row], object]:
    def read(row: Row) -> object:
        value = get(row)
        return _Exact(value) if isinstance(value, str) else value

    return read
