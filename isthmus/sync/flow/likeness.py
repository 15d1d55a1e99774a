"""Whether a row's mapped value is what the target's record holds already, judged as the orgs store values.

An org trims texts, keeps no empty ones, orders the values of a multi-select picklist by its own list and writes e-mail
addresses in lower case: a comparison that knows nothing of this would send the same row for ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Final, TypeAlias

from isthmus.salesforce.records import Cell, Record
from isthmus.sync.model import Column, ColumnKind
from isthmus.sync.pairing import Likeness

_LIST_MARK: Final = ";"
Plain: TypeAlias = str | int | float | bool | Decimal | None


def differing(columns: Sequence[Column], likeness: Mapping[str, Likeness], mapped: Record, held: Record) -> list[str]:
    """Return the target fields, in the order of `columns`, in which `mapped` differs from the record `held`.

    A field that `mapped` leaves alone does not differ. A lookup differs unless it leads to the parent that is meant.
    """
    found: list[str] = []
    for column in columns:
        name, relationship = column.target, column.relationship
        if column.kind is ColumnKind.PARENT and relationship is not None and relationship in mapped:
            same = _same_parent(mapped[relationship], held.get(relationship))
        elif name in mapped:
            same = alike(likeness.get(name, Likeness.TEXT), mapped[name], held.get(name))
        else:
            continue
        if not same:
            found.append(name)
    return found


def alike(kind: Likeness, ours: Cell, theirs: Cell) -> bool:
    """Whether two values of a field are the same one in an org's eyes."""
    return _settled(kind, ours) == _settled(kind, theirs)


def settled_text(value: Cell) -> str | None:
    """Return a text as an org keeps it: trimmed, with plain line ends; None where nothing is left."""
    if value is None or isinstance(value, Mapping):
        return None
    text = format(value, "f") if isinstance(value, Decimal) else str(value)
    return text.replace("\r\n", "\n").replace("\r", "\n").strip() or None


def _settled(kind: Likeness, value: Cell) -> object:
    if value is None or isinstance(value, Mapping):
        return False if kind is Likeness.BOOLEAN else None
    match kind:
        case Likeness.BOOLEAN:
            return value if isinstance(value, bool) else str(value).casefold() == "true"
        case Likeness.NUMBER:
            return _number(value)
        case Likeness.TEXT:
            return settled_text(value)
        case Likeness.EMAIL:
            text = settled_text(value)
            return None if text is None else text.casefold()
        case Likeness.SET:
            text = settled_text(value)
            return None if text is None else frozenset(part for part in text.split(_LIST_MARK) if part)


def _number(value: Plain) -> object:
    try:
        return Decimal(str(value))
    except InvalidOperation:
        return str(value)


def _same_parent(meant: Cell, held: Cell) -> bool:
    """`meant` names a parent by one external id; `held` has that field of the parent that the record has now."""
    if not isinstance(meant, Mapping) or not isinstance(held, Mapping):
        return False
    return all(held.get(key) == value for key, value in meant.items())
