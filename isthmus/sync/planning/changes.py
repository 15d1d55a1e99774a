"""What applying a definition would change: the plan that runs now beside the one that would. Pure.

Steps are told apart by their objects and their kind, columns by the field that they fill; whatever else stands in a
plan is compared by name, so that nothing that a plan can say is left out of the comparison.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final, TypeAlias

import msgspec
from msgspec import Struct

from isthmus.sync.looking import step_title
from isthmus.sync.model import TRACKING_FIELD, Column, ColumnKind, Plan, Step
from isthmus.sync.spec import SyncSpec

VALUE_CHARS_MAX: Final = 200


class ChangeKind(StrEnum):
    """What happens to the place."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Change(Struct, frozen=True, kw_only=True):
    """One difference. `place` is `step` or `step.what`; `before` and `after` are None where there is nothing."""

    kind: ChangeKind
    place: str
    before: str | None = None
    after: str | None = None


_Parts: TypeAlias = Mapping[str, str | None]
_STEP_APART: Final = frozenset({"kind", "source", "target", "columns", "clears", "links"})
"""What a step is told apart by, its columns (compared one by one), and what follows from them."""


def changes(before: Plan | None, after: Plan) -> tuple[Change, ...]:
    """Return what is different in `after`; `before` None: nothing runs yet."""
    found: list[Change] = []
    old = {} if before is None else {step_title(step): step for step in before.steps}
    new = {step_title(step): step for step in after.steps}
    for title in dict.fromkeys((*old, *new)):
        if title not in new:
            found.append(Change(kind=ChangeKind.REMOVED, place=title))
        elif title not in old:
            found.append(Change(kind=ChangeKind.ADDED, place=title, after=_summary(new[title])))
        else:
            found.extend(_compared(f"{title}.", _parts_of(old[title]), _parts_of(new[title])))
    if before is not None and not found and list(old) != list(new):
        found.append(
            Change(kind=ChangeKind.CHANGED, place="order of the steps", before=", ".join(old), after=", ".join(new))
        )
    missing = (*after.tracking, *after.tracking_source)
    found.extend(
        Change(kind=ChangeKind.ADDED, place=f"{name}: tracking field", after=TRACKING_FIELD) for name in missing
    )
    return (*found, *_compared("", {} if before is None else _whole(before), _whole(after)))


def spec_changes(before: SyncSpec | None, after: SyncSpec) -> tuple[Change, ...]:
    """Return what is different in the parts of a definition that no plan holds: when it runs, and what it is called."""
    if before is None:
        return ()
    old, new = _flat(before), _flat(after)
    return tuple(_compared("", old, new))


def _flat(spec: SyncSpec) -> _Parts:
    tree: dict[str, Any] = msgspec.to_builtins(spec)
    return {name: _text(value) for name, value in tree.items() if name not in {"steps", "budget", "retry"}}


def _whole(plan: Plan) -> _Parts:
    tree: dict[str, Any] = msgspec.to_builtins(plan)
    # Tracking fields that exist by now are no change of the sync.
    apart = {"steps", "tracking", "tracking_source"}
    return {name: _text(value) for name, value in tree.items() if name not in apart}


def _parts_of(step: Step) -> _Parts:
    tree: dict[str, Any] = msgspec.to_builtins(step)
    rest = {name: _text(value) for name, value in tree.items() if name not in _STEP_APART}
    return rest | {f"fields.{column.target}": column_text(column) for column in step.columns}


def _compared(prefix: str, before: _Parts, after: _Parts) -> Iterator[Change]:
    for name in dict.fromkeys((*before, *after)):
        old, new = before.get(name), after.get(name)
        if old != new:
            kind = ChangeKind.ADDED if old is None else ChangeKind.REMOVED if new is None else ChangeKind.CHANGED
            yield Change(kind=kind, place=prefix + name, before=old, after=new)


def column_text(column: Column) -> str:
    """Return in words what fills a column."""
    match column.kind:
        case ColumnKind.CONSTANT:
            return f"={column.constant or ''}"
        case ColumnKind.PARENT:
            return f"{_computed_text(column) or column.source} as {', '.join(column.headers)}"
        case ColumnKind.COPY:
            return f"{column.source}"
        case ColumnKind.TRANSFORM:
            return _computed_text(column) or ""
        case _:
            tree: dict[str, Any] = msgspec.to_builtins(column)
            used = {name: value for name, value in tree.items() if value not in (None, [], {}) and name != "target"}
            return _text(used) or ""


def _computed_text(column: Column) -> str | None:
    """Return a column's expression, or the field that is masked, and its mask."""
    transform = column.transform
    if transform is None:
        return None
    filled = transform.expression or ", ".join(column.reads)
    return f"{filled}, masked as {transform.mask}" if transform.mask is not None else filled


def _summary(step: Step) -> str:
    return f"{len(step.columns)} fields" + (f", where {step.where}" if step.where else "")


def _text(value: object) -> str | None:
    if value is None or value in ([], {}):
        return None
    if isinstance(value, str):
        return value
    text = msgspec.json.encode(value, order="deterministic").decode()
    return text if len(text) <= VALUE_CHARS_MAX else text[:VALUE_CHARS_MAX] + "…"
