"""Names of figures: paths into report.json such as `licenses[0].unused_a`, and shorter ones that people type. Pure.

An element of a list is chosen by its number, counted from 0 as in report.json, or by a word that one of its naming
fields has: `licenses[SFDC].unused_a`, `money[USD].reclaim_now`. A bare number is a finding's number as printed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias, cast

Json: TypeAlias = "Mapping[str, Json] | Sequence[Json] | str | int | float | bool | None"
NAMING: Final = ("key", "name", "product", "currency", "rule", "id", "pool", "days", "start", "text", "kind")
"""Fields that may name an element, the most telling first."""
_STEP: Final = re.compile(r"\.?([A-Za-z_][A-Za-z0-9_]*)|\[([^\[\]]*)\]")
_NUMBER: Final = re.compile(r"\[\d+\]")


class FigureUnknown(Exception):
    """There is no figure of that name; the message says what there is instead."""


def resolve(report: Json, name: str) -> tuple[str, Json]:
    """Return the path and the value of a figure, or of a part of the report. Raises `FigureUnknown`."""
    text = name.strip()
    if text.isdecimal():
        text = f"findings[{int(text) - 1}]"
    at, path, value = 0, "", report
    while at < len(text):
        step = _STEP.match(text, at)
        if step is None:
            message = f"{text!r} is no name of a figure. Write one like seats_unused or licenses[0].unused_a."
            raise FigureUnknown(message)
        at = step.end()
        path, value = _member(path, value, step[1]) if step[1] is not None else _element(path, value, step[2])
    return path, value


def _member(path: str, value: Json, name: str) -> tuple[str, Json]:
    members: Mapping[str, Json] = cast("Mapping[str, Json]", value) if isinstance(value, Mapping) else {}
    if name not in members:
        there = ", ".join(members) or "nothing"
        message = f"{path or 'The report'} has no {name}. There is: {there}."
        raise FigureUnknown(message)
    return (f"{path}.{name}" if path else name), members[name]


def _element(path: str, value: Json, which: str) -> tuple[str, Json]:
    items = cast("Sequence[Json]", value) if isinstance(value, Sequence) and not isinstance(value, str) else ()
    if which.isdecimal() and int(which) < len(items):
        return f"{path}[{int(which)}]", items[int(which)]
    wanted = which.strip().casefold()
    for field in NAMING:
        for index, item in enumerate(items):
            if isinstance(item, Mapping):
                own = cast("Mapping[str, Json]", item).get(field)
                if own is not None and str(own).casefold() == wanted:
                    return f"{path}[{index}]", item
    message = f"{path} has {len(items)} elements, and none is called {which}. The first is {path}[0]."
    raise FigureUnknown(message)


def leaves(value: Json, path: str = "") -> Iterator[tuple[str, Json]]:
    """Yield every single figure or word below `value` with its path."""
    if isinstance(value, Mapping):
        for name, member in cast("Mapping[str, Json]", value).items():
            yield from leaves(member, f"{path}.{name}" if path else name)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, item in enumerate(cast("Sequence[Json]", value)):
            yield from leaves(item, f"{path}[{index}]")
    else:
        yield path, value


def pattern(path: str) -> str:
    """Return the path without its numbers, as `meanings` has it."""
    return _NUMBER.sub("[]", path)


def indices(path: str) -> tuple[int, ...]:
    """Return the numbers of a path."""
    return tuple(int(found[1:-1]) for found in _NUMBER.findall(path))
