"""From database rows to frozen dataclasses, with the words of the product as field types."""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Callable, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from isthmus.db.storable import AuditText, SalesforceId, SalesforceUsername, ScopeList
from isthmus.values import Alias, ApiName, UserText

Row = TypeVar("Row")
_WORDS: tuple[type, ...] = (ApiName, Alias, UserText, AuditText, SalesforceId, SalesforceUsername, ScopeList)


def row_maker(row: type[Row], columns: Sequence[str]) -> Callable[[tuple[object, ...]], Row]:
    """Return a function from a row with `columns` to `row`. Enum and word fields are converted by their annotation."""
    converters = _converters(row)
    steps = [(column, converters.get(column)) for column in columns]

    def make(values: tuple[object, ...]) -> Row:
        fields = {
            column: value if convert is None or value is None else convert(value)
            for (column, convert), value in zip(steps, values, strict=True)
        }
        return row(**fields)

    return make


@lru_cache(maxsize=512)
def _converters(row: type[object]) -> dict[str, Callable[[object], object]]:
    if not dataclasses.is_dataclass(row):
        message = f"{row.__name__} is not a dataclass"
        raise TypeError(message)
    hints = get_type_hints(row)
    found: dict[str, Callable[[object], object]] = {}
    for field in dataclasses.fields(row):
        word = _word_of(hints[field.name])
        if word is not None:
            found[field.name] = word
    return found


def _word_of(hint: Any) -> Callable[[object], object] | None:
    if get_origin(hint) in {Union, types.UnionType}:
        inner = [part for part in get_args(hint) if part is not type(None)]
        return _word_of(inner[0]) if len(inner) == 1 else None
    if isinstance(hint, type) and (issubclass(hint, Enum) or issubclass(hint, _WORDS)):
        return cast("Callable[[object], object]", hint)
    return None
