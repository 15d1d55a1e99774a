"""`@{ref.path}` in composite calls: answers of earlier sub-calls put into later ones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, cast

REFERENCE: Final = re.compile(r"@\{([^}]*)\}")
REFERENCE_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_]*$")
_STEP: Final = re.compile(r"([^\[\].]+)|\[(\d+)\]")


class NoSuchReference(Exception):
    """A reference to something that is not there."""

    def __init__(self, expression: str, name: str) -> None:
        super().__init__("no such reference")
        self.expression = expression
        self.name = name

    @property
    def message(self) -> str:
        """The text of PROCESSING_HALTED."""
        path = self.expression.partition(".")[2]
        return (
            f"Invalid reference specified. No value for {self.expression} found in {self.name}. Provided referenceId"
            f" ('{self.name}.{path}') must start with a letter or a number, and it can contain only letters, numbers"
            " and underscores ('_')."
        )


def resolve(expression: str, answers: Mapping[str, object], *, null_allowed: bool) -> object:
    """Return what a reference means; NoSuchReference if nothing."""
    name, _, path = expression.partition(".")
    name, bracket, index = name.partition("[")
    if name not in answers:
        raise NoSuchReference(expression, name)
    value = answers[name]
    for match in _STEP.finditer(bracket + index + ("." if bracket else "") + path):
        key, place = match.groups()
        if key is not None and isinstance(value, dict) and key in cast("dict[str, object]", value):
            value = cast("dict[str, object]", value)[key]
        elif place is not None and isinstance(value, list) and int(place) < len(cast("list[object]", value)):
            value = cast("list[object]", value)[int(place)]
        else:
            raise NoSuchReference(expression, name)
    if value is None and not null_allowed:
        raise NoSuchReference(expression, name)
    return value


def fill(value: object, answers: Mapping[str, object], *, null_allowed: bool) -> object:
    """Return a body or URL with all references replaced; a text that is one reference keeps the value's type."""
    if isinstance(value, str):
        whole = REFERENCE.fullmatch(value)
        if whole:
            return resolve(whole[1], answers, null_allowed=null_allowed)
        return REFERENCE.sub(lambda m: _text(resolve(m[1], answers, null_allowed=null_allowed)), value)
    if isinstance(value, list):
        return [fill(entry, answers, null_allowed=null_allowed) for entry in cast("list[object]", value)]
    if isinstance(value, dict):
        entries = cast("dict[str, object]", value)
        return {key: fill(entry, answers, null_allowed=null_allowed) for key, entry in entries.items()}
    return value


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
