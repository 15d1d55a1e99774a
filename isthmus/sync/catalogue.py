"""The catalogue of status codes: cause, remedy, and whether rows with the code are read again by themselves.

The texts stand in `codes.txt`, one line per code, for whoever wants to mend or translate them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final

PARTS: Final = 4
_AGAIN: Final = {"+": True, "-": False}


class CatalogueFaulty(Exception):
    """A line of the catalogue cannot be used; the message names the line."""


@dataclass(frozen=True, slots=True)
class CodeEntry:
    """What is said about one status code."""

    code: str
    again: bool
    cause: str
    remedy: str


def parse_catalogue(text: str) -> dict[str, CodeEntry]:
    """Return the entries of `text`, by code. Raises `CatalogueFaulty`."""
    shared: dict[str, str] = {}
    entries: dict[str, CodeEntry] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        parts = [part.strip() for part in line.split(" | ")]
        if not line or line.startswith("#"):
            continue
        if line.startswith("@") and len(parts) == 2:  # noqa: PLR2004 - a name and its text
            shared[parts[0]] = parts[1]
            continue
        if len(parts) != PARTS or not all(parts) or parts[1] not in _AGAIN or parts[0] in entries:
            message = f"line {number} is not `code | + or - | cause | remedy` of a code that stands there once"
            raise CatalogueFaulty(message)
        remedy = shared.get(parts[3], parts[3])
        if remedy.startswith("@"):
            message = f"line {number} names the remedy {remedy}, which is not there"
            raise CatalogueFaulty(message)
        entries[parts[0]] = CodeEntry(parts[0], _AGAIN[parts[1]], parts[2], remedy)
    return entries


@cache
def catalogue() -> Mapping[str, CodeEntry]:
    """Return the catalogue that is shipped."""
    return parse_catalogue(files("isthmus.sync").joinpath("codes.txt").read_text(encoding="utf-8"))
