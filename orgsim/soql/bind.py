"""Names in a query become ways to read values from rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from orgsim.schema.absent import refuse_absent
from orgsim.schema.model import FieldDef, ObjectDef
from orgsim.soql.ast import FieldPath
from orgsim.soql.complaints import no_such_child_relation, no_such_column, no_such_object, no_such_relation
from orgsim.store.derive import address, is_person_name, person_name
from orgsim.store.results import Row, Value
from orgsim.store.values import json_value

if TYPE_CHECKING:
    from orgsim.org import Org

Getter = Callable[[Row], object]
HOPS_MAX: Final = 5

# What can be read of a parent that may be of several types: the fields of the object `Name`.
_NAME_FIELDS: Final = {
    name.lower(): name
    for name in (
        "Id", "Name", "FirstName", "LastName", "MiddleName", "Suffix", "Salutation", "Email", "Phone", "Title", "Type",
        "Username", "Alias", "UserRoleId", "ProfileId", "IsActive", "NameOrAlias", "RecordTypeId",
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hop:
    """One step to a parent: the reference field that holds its id, and its object (None: told by the id)."""

    reference: FieldDef
    target: ObjectDef | None


@dataclass(frozen=True, slots=True)
class Bound:
    """A field path that exists: how to read it, what it is, and its canonical names."""

    get: Getter
    field: FieldDef
    owner: ObjectDef | None
    hops: tuple[Hop, ...]
    keys: tuple[str, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Scope:
    """Where names are looked up: an object as one user sees it. `show_date` writes dates and times."""

    org: Org
    user_id: str
    definition: ObjectDef
    source: str
    aliases: dict[str, tuple[str, ...]]
    version: int
    all_rows: bool
    show_date: Callable[[Value], object] = json_value

    def at(self, definition: ObjectDef, aliases: dict[str, tuple[str, ...]] | None = None) -> Scope:
        """Return the same scope at another object."""
        return replace(self, definition=definition, aliases=aliases or {})

    @property
    def zone(self) -> ZoneInfo:
        """The user's time zone."""
        user = self.org.row("User", self.user_id)
        name = None if user is None else user.get("TimeZoneSidKey")
        try:
            return ZoneInfo(str(name)) if name else ZoneInfo("UTC")
        except (ZoneInfoNotFoundError, ValueError):
            return ZoneInfo("UTC")

    def field(self, definition: ObjectDef, name: str) -> FieldDef | None:
        """Return a field of an object if the user may see it."""
        return self.org.access(definition.name, self.user_id).readable.get(name.lower())


def open_scope(
    org: Org,
    user_id: str,
    source: str,
    name: str,
    position: int,
    *,
    aliases: tuple[tuple[str, tuple[str, ...]], ...],
    version: int,
    all_rows: bool,
) -> Scope:
    """Return the scope of a FROM; ApiError INVALID_TYPE if the user has no such queryable object."""
    definition = org.visible_object(name, user_id)
    if definition is None:
        refuse_absent(name)
    if definition is None or not definition.queryable:
        raise no_such_object(source, position, name)
    return Scope(org, user_id, definition, source, dict(aliases), version, all_rows)


def bind_path(scope: Scope, path: FieldPath) -> Bound:
    """Return the field that a path means; ApiError INVALID_FIELD if there is none for this user."""
    names = _without_prefix(scope, path.names)
    definition: ObjectDef | None = scope.definition
    hops: list[Hop] = []
    keys: list[str] = []
    for name in names[:-1]:
        hop = None if definition is None else _hop(scope, definition, name)
        if hop is None or len(hops) == HOPS_MAX:
            raise no_such_relation(scope.source, path.position, name)
        hops.append(hop)
        keys.append(hop.reference.relationship_name or name)
        definition = hop.target
    field = _leaf_field(scope, definition, names[-1], path, hops)
    leaf = _leaf(scope, definition, field)
    return Bound(_through(scope, tuple(hops), leaf), field, definition, tuple(hops), (*keys, field.name), path.position)


def _without_prefix(scope: Scope, names: tuple[str, ...]) -> tuple[str, ...]:
    first = names[0].lower()
    if len(names) > 1:
        if first in scope.aliases:
            return (*scope.aliases[first], *names[1:])
        if first == scope.definition.name.lower() and _hop(scope, scope.definition, first) is None:
            return names[1:]
    return names


def _hop(scope: Scope, definition: ObjectDef, name: str) -> Hop | None:
    wanted = name.lower()
    for field in scope.org.access(definition.name, scope.user_id).readable.values():
        if field.relationship_name is not None and field.relationship_name.lower() == wanted:
            targets = [t for t in field.reference_to if scope.org.visible_object(t, scope.user_id) is not None]
            if not targets:
                return None
            several = len(field.reference_to) > 1
            return Hop(field, None if several else scope.org.objects[targets[0].lower()])
    return None


def bind_hop(scope: Scope, path: FieldPath) -> tuple[tuple[Hop, ...], tuple[str, ...]]:
    """Return the steps to a parent (for TYPEOF); ApiError if there is no such relationship."""
    definition: ObjectDef | None = scope.definition
    hops: list[Hop] = []
    for name in _without_prefix(scope, path.names):
        hop = None if definition is None else _hop(scope, definition, name)
        if hop is None:
            raise no_such_relation(scope.source, path.position, name)
        hops.append(hop)
        definition = hop.target
    return tuple(hops), tuple(hop.reference.relationship_name or "" for hop in hops)


def _leaf_field(scope: Scope, definition: ObjectDef | None, name: str, path: FieldPath, hops: list[Hop]) -> FieldDef:
    if definition is not None:
        field = scope.field(definition, name)
        if field is None:
            raise no_such_column(scope.source, path.position, name, definition.name)
        return field
    canonical = _NAME_FIELDS.get(name.lower())
    if canonical is None:
        raise no_such_column(scope.source, path.position, name, "Name")
    for target in hops[-1].reference.reference_to:
        known = scope.org.objects.get(target.lower())
        field = None if known is None or canonical == "Type" else known.field(canonical)
        if field is not None:
            return field
    return FieldDef(canonical, "string", canonical)


def _leaf(scope: Scope, definition: ObjectDef | None, field: FieldDef) -> Getter:
    if definition is None:
        return _named_leaf(scope, field)
    name = field.name
    if is_person_name(field):
        return person_name
    if field.type == "address":
        return lambda row: address(definition, name, row)
    if name in {"LastViewedDate", "LastReferencedDate"}:
        place = 0 if name == "LastViewedDate" else 1
        views, user_id = scope.org.views, scope.user_id
        return lambda row: views.get((user_id, str(row["Id"])), (None, None))[place]
    if field.type == "boolean":
        return lambda row: row.get(name) or False
    return lambda row: row.get(name)


def _named_leaf(scope: Scope, field: FieldDef) -> Getter:
    def get(row: Row) -> object:
        actual = scope.org.object_of_id(str(row["Id"]))
        if field.name == "Type":
            return None if actual is None else actual.name
        own = None if actual is None else actual.field(field.name)
        if own is not None and is_person_name(own):
            return person_name(row)
        return row.get(field.name)

    return get


def parent_row(scope: Scope, hops: tuple[Hop, ...], row: Row) -> Row | None:
    """Follow references upwards; None where one is null or its row is gone."""
    here: Row | None = row
    for hop in hops:
        parent_id = here.get(hop.reference.name)
        if not isinstance(parent_id, str):
            return None
        target = hop.target or scope.org.object_of_id(parent_id)
        here = None if target is None else scope.org.tables[target.name.lower()].get(parent_id)
        if here is None or (here.get("IsDeleted") and not scope.all_rows):
            return None
    return here


def _through(scope: Scope, hops: tuple[Hop, ...], leaf: Getter) -> Getter:
    if not hops:
        return leaf
    if len(hops) == 1 and hops[0].target is not None:
        return _through_one(scope, hops[0].reference.name, hops[0].target, leaf)

    def get(row: Row) -> object:
        parent = parent_row(scope, hops, row)
        return None if parent is None else leaf(parent)

    return get


def _through_one(scope: Scope, reference: str, target: ObjectDef, leaf: Getter) -> Getter:
    """Return the common case of one step to a parent of one type, which large queries spend their time in."""
    lookup = scope.org.tables[target.name.lower()].get
    all_rows = scope.all_rows

    def get(row: Row) -> object:
        parent_id = row.get(reference)
        parent = lookup(parent_id) if isinstance(parent_id, str) else None
        if parent is None or (parent.get("IsDeleted") and not all_rows):
            return None
        return leaf(parent)

    return get


def bind_child(scope: Scope, name: str, position: int) -> tuple[ObjectDef, FieldDef, str]:
    """Return child object, its reference field and the relationship's canonical name; ApiError INVALID_TYPE if none."""
    for entry in scope.definition.child_relationships:
        if entry.relationship_name is not None and entry.relationship_name.lower() == name.lower():
            child = scope.org.visible_object(entry.child_sobject, scope.user_id)
            field = None if child is None else scope.field(child, entry.field)
            if child is not None and field is not None:
                return child, field, entry.relationship_name
    raise no_such_child_relation(scope.source, position, name)


def as_value(value: object) -> Value:
    """Narrow what a getter returned to a stored value; compound values become None."""
    return None if isinstance(value, (dict, list)) else value  # pyright: ignore[reportReturnType]  # getters return stored values or compounds
