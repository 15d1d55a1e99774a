"""Running a search: in which fields it looks, what it returns, and how limits are shared out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from orgsim.errors import ApiError, NotEmulated
from orgsim.schema.model import FieldDef, ObjectDef
from orgsim.soql.ast import FieldPath, Query
from orgsim.soql.bind import Getter, Scope, bind_path, open_scope
from orgsim.soql.grouping import is_grouped
from orgsim.soql.record import draw_shape
from orgsim.soql.run import child_entry, search_rows
from orgsim.sosl.parser import Find, Group, only_id
from orgsim.sosl.terms import TEXT_CHARACTERS_MAX, Search, found, parse_terms, words_of
from orgsim.store.results import Row

if TYPE_CHECKING:
    from orgsim.org import Org

RESULTS_MAX: Final = 2000
_TEXT: Final = frozenset({"string", "textarea", "email", "phone", "url", "combobox"})
_PICKLISTS: Final = frozenset({"picklist", "multipicklist"})
_NAMES: Final = frozenset({"name", "firstname", "lastname"})


def run_search(org: Org, find: Find, *, user_id: str, version: int) -> list[dict[str, object]]:
    """Return the records that a search finds, object by object; ApiError for wrong objects, fields and limits."""
    if len(find.text) > TEXT_CHARACTERS_MAX:
        return []
    search = parse_terms(find.text, refuse_reserved=org.settings.search_reserved_characters == "refuse")
    wanted = find.returning or tuple(only_id("", name) for name in _searchable(org, user_id))
    if len(wanted) > 1 and any(query.offset is not None for query in wanted):
        what = "OFFSET in a search of several objects"
        raise NotEmulated(what)
    found_rows: list[tuple[list[Row], Callable[[Row], dict[str, object]]]] = []
    for query in wanted:
        scope = _open(org, query, user_id, version)
        shape = draw_shape(scope, query, child_entry)
        rows = search_rows(scope, query, _test(scope, search, find.group))
        found_rows.append((rows, lambda row, shape=shape: shape.render(row, f"{version}.0")))
    limit = RESULTS_MAX if find.limit is None else min(find.limit, RESULTS_MAX)
    shares = share_out(limit, [len(rows) for rows, _ in found_rows])
    return [render(row) for (rows, render), share in zip(found_rows, shares, strict=True) for row in rows[:share]]


def share_out(limit: int, sizes: Sequence[int]) -> list[int]:
    """Share a limit evenly among objects; what one does not use goes to the others, first come first served."""
    shares = [0] * len(sizes)
    left = limit
    while left and (open_places := [place for place, size in enumerate(sizes) if shares[place] < size]):
        each = max(1, left // len(open_places))
        for place in open_places:
            more = min(each, sizes[place] - shares[place], left)
            shares[place] += more
            left -= more
    return shares


def _searchable(org: Org, user_id: str) -> list[str]:
    return [
        definition.name
        for definition in org.objects.values()
        if definition.searchable and definition.queryable and org.visible_object(definition.name, user_id) is not None
    ]


def _open(org: Org, query: Query, user_id: str, version: int) -> Scope:
    scope = open_scope(
        org, user_id, query.source, query.object_name, query.object_position, aliases=(), version=version,
        all_rows=False,
    )  # fmt: skip
    if not scope.definition.searchable:
        what = f"a search in {scope.definition.name}, which is not searchable"
        raise NotEmulated(what)
    if is_grouped(query):
        raise ApiError(400, "MALFORMED_SEARCH", "Aggregate functions are not supported in a search")
    return scope


def _test(scope: Scope, search: Search, group: Group) -> Callable[[Row], bool]:
    getters: list[Getter] = [
        bind_path(scope, FieldPath((field.name,), 0)).get
        for field in scope.definition.fields
        if scope.field(scope.definition, field.name) is not None and _looked_at(scope, field, group)
    ]

    def test(row: Row) -> bool:
        values = (get(row) for get in getters)
        return found(search, [words_of(value) for value in values if isinstance(value, str)])

    return test


def _looked_at(scope: Scope, field: FieldDef, group: Group) -> bool:
    settings = scope.org.settings
    if group == "EMAIL":
        return field.type == "email"
    if group == "PHONE":
        return field.type == "phone"
    if group == "NAME" or (group == "SIDEBAR" and settings.search_sidebar_fields == "name"):
        return is_name(scope.definition, field)
    return field.type in _TEXT or (settings.search_picklists and field.type in _PICKLISTS)


def is_name(definition: ObjectDef, field: FieldDef) -> bool:
    """Say whether a field is the name of its object's rows, or a part of a person's name."""
    return field.name_field or (field.name.lower() in _NAMES and definition.field("LastName") is not None)
