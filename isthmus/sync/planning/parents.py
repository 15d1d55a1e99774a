"""Lookups: which become references by a parent's key, and in which order their objects are loaded.

A circle, or a lookup of an object to itself, is broken by deferring lookups that may be empty to a second pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import msgspec

from isthmus.salesforce.schema import FieldDescribe
from isthmus.sync.model import Column, ColumnKind, Issue, ParentKind
from isthmus.sync.planning.drafts import Draft
from isthmus.sync.planning.field_rules import set_once, writable
from isthmus.sync.planning.issues import error, hint, warning

NAMES_SHOWN: Final = 4


def parent_column(
    draft: Draft,
    pair: tuple[FieldDescribe, FieldDescribe],
    drafts: Sequence[Draft],
    issues: list[Issue],
    *,
    explicit: bool,
) -> tuple[Column, frozenset[int]] | None:
    """Return the column of a lookup with the numbers of the steps that load its parents, or None: it is left out.

    `pair` is the target's field and the source's; `explicit`: a person asked for it.
    """
    target, source = pair
    place = f"{draft.where}.fields.{target.name}"
    once = set_once(target, wanted=explicit)
    if not (writable(target) or once):
        if explicit:
            issues.append(error("read_only", place, f"{target.name} is read-only in the target", "Leave it out."))
        return None
    if source.type != "reference":
        text = f"{target.name} is a lookup in the target and has type {source.type} in the source"
        issues.append(error("types_differ", place, text, "Map a lookup, or leave it out."))
        return None
    parents = [d for d in drafts if d.target.name in target.reference_to and d.source.name in source.reference_to]
    kinds = {d.source.name: d for d in reversed(parents)}
    if not kinds or target.relationship_name is None:
        names = _some(target.reference_to) or "an object that the org does not name"
        text = f"{target.name} is left out: {names} is not part of this sync"
        remedy = f"Add a step for {names}, or leave the field out." if target.reference_to else "Leave the field out."
        must = not target.nillable or explicit
        issues.append((error if must else hint)("parent_not_in_sync", place, text, remedy))
        return None
    for parent in kinds.values():
        if parent.key_source != "Id":
            text = f"{target.name} points at {parent.target.name}, which is matched by another field than the source id"
            issues.append(error("parent_matched_otherwise", place, text, "Leave `match` out in that step."))
            return None
    chosen = tuple(d for d in parents if kinds[d.source.name] is d)
    column = msgspec.structs.replace(_reference(place, target, source, chosen, issues), create_only=once)
    return column, frozenset(d.number for d in chosen)


def _reference(
    place: str, target: FieldDescribe, source: FieldDescribe, chosen: Sequence[Draft], issues: list[Issue]
) -> Column:
    several = is_polymorphic(target)
    column = Column(
        target=target.name, kind=ColumnKind.PARENT, source=source.name, relationship=target.relationship_name
    )
    if not several and not is_polymorphic(source):
        return msgspec.structs.replace(column, parent_key=chosen[0].key)
    others = sorted(set(source.reference_to) - {d.source.name for d in chosen})
    if others:
        carried = _some([d.source.name for d in chosen])
        text = f"{target.name} is carried where it points at {carried}; pointing at {_some(others)} it is left empty"
        remedy = "Add steps for these objects if their records should stay linked."
        issues.append(warning("parents_of_other_kinds", place, text, remedy))
    for parent in chosen:
        if parent.source.key_prefix is None:
            text = (
                f"the source does not say how ids of {parent.source.name} begin, so {target.name} cannot be told apart"
            )
            issues.append(error("no_key_prefix", place, text, "Leave the field out."))
    kinds = tuple(
        ParentKind(prefix=d.source.key_prefix or "", object=d.target.name if several else None, key=d.key)
        for d in chosen
    )
    return msgspec.structs.replace(column, kinds=kinds)


def is_polymorphic(field: FieldDescribe) -> bool:
    """Whether a lookup may point at several kinds of record."""
    return field.polymorphic or len(field.reference_to) > 1


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMES_SHOWN]) + (", …" if len(names) > NAMES_SHOWN else "")


def parents_first(drafts: Sequence[Draft], issues: list[Issue]) -> list[Draft]:
    """Return the drafts in the order in which they are loaded, with the lookups that have to wait."""
    waiting = [
        _deferring(draft, {name for name, parents in draft.parents.items() if draft.number in parents}, issues)
        for draft in drafts
    ]
    placed: dict[int, Draft] = {}
    while waiting:
        ready = next((d for d in waiting if not _open(d, placed)), None)
        if ready is None:
            ready = next((d for d in waiting if all(_nillable(d, name) for name in _open(d, placed))), None)
            if ready is None:
                names = ", ".join(draft.target.name for draft in waiting)
                text = f"these objects need each other to exist first: {names}"
                issues.append(
                    error("circle_of_required", "steps", text, "Make one of the lookups optional in the target.")
                )
                return [*placed.values(), *waiting]
            waiting.remove(ready)
            ready = _deferring(ready, _open(ready, placed), issues)
        else:
            waiting.remove(ready)
        placed[ready.number] = ready
    return list(placed.values())


def _open(draft: Draft, placed: Mapping[int, Draft]) -> set[str]:
    """Lookups whose parents are not placed yet and which are not deferred."""
    return {
        name for name, parents in draft.parents.items() if name not in draft.deferred and not parents <= placed.keys()
    }


def _nillable(draft: Draft, name: str) -> bool:
    target = draft.target.field(name)
    return target is not None and target.nillable


def _deferring(draft: Draft, names: set[str], issues: list[Issue]) -> Draft:
    for name in names:
        if not _nillable(draft, name):
            text = f"{name} of {draft.target.name} is required and points back at records that do not exist yet"
            issues.append(error("circle_of_required", draft.where, text, "Make the lookup optional in the target."))
    return replace(draft, deferred=draft.deferred | names)
