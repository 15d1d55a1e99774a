"""What the emulator claims about the real service, with the source of every claim.

The facts stand in `orgsim/facts.toml` and, while several people write them, in parts `orgsim/facts/*.toml`. A part is a
list of tables:

    [[fact]]
    id = "bulk-query-locator-null"        # unique over all parts: lower-case words and dashes
    says = "What the service does, in one or two sentences."
    source = "recorded"                   # recorded | documented | assumed
    page = "where it is recorded, documented, or why it is assumed"
    date = 2026-08-13                     # of the page, or when it was read
    switch = "bulk_early_results_status"  # assumed only: a field of OrgSettings, or `extra.<key>`
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from importlib.resources import files
from typing import Final, NoReturn, cast

from orgsim.settings import OrgSettings

SOURCES: Final[tuple[str, ...]] = ("recorded", "documented", "assumed")
_ID: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_KEYS: Final = frozenset({"id", "says", "source", "page", "date", "switch"})


class FactFault(ValueError):
    """A fact file breaks the rules above; the message names the part, the fact and the rule."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One claim. `switch` is empty unless the claim is assumed."""

    id: str
    says: str
    source: str
    page: str
    date: date
    switch: str = ""


def load_facts() -> list[Fact]:
    """Return all facts of all parts, by id; FactFault if one breaks the rules or two share an id."""
    root = files("orgsim")
    parts = [(entry.name, entry.read_text("utf-8")) for entry in (root / "facts").iterdir() if _is_part(entry.name)]
    index = root / "facts.toml"
    if index.is_file():
        parts.append((index.name, index.read_text("utf-8")))
    return parse_parts(sorted(parts))


def parse_parts(parts: Iterable[tuple[str, str]]) -> list[Fact]:
    """Return the facts of (name, text) parts, by id; FactFault as in load_facts."""
    found: dict[str, Fact] = {}
    for name, text in parts:
        try:
            document = tomllib.loads(text)
        except tomllib.TOMLDecodeError as fault:
            message = f"{name}: {fault}"
            raise FactFault(message) from fault
        for table in cast("list[Mapping[str, object]]", document.get("fact", [])):
            fact = _parse(name, table)
            if fact.id in found:
                message = f"{name}: {fact.id}: the id is taken"
                raise FactFault(message)
            found[fact.id] = fact
    return [found[key] for key in sorted(found)]


def counts(facts: Iterable[Fact]) -> dict[str, int]:
    """Return the number of facts per source, and their total."""
    by_source: dict[str, int] = {source: 0 for source in SOURCES}  # noqa: C420  # fromkeys would infer literals
    for fact in facts:
        by_source[fact.source] += 1
    return {**by_source, "total": sum(by_source.values())}


def _is_part(name: str) -> bool:
    return name.endswith(".toml")


def _parse(part: str, table: Mapping[str, object]) -> Fact:
    def refuse(why: str) -> NoReturn:
        message = f"{part}: {table.get('id')}: {why}"
        raise FactFault(message)

    text = {key: table.get(key, "") for key in ("id", "says", "source", "page", "switch")}
    if not all(isinstance(value, str) for value in text.values()):
        refuse("id, says, source, page and switch are text")
    entry = cast("dict[str, str]", text)
    day = table.get("date")
    if stray := set(table) - _KEYS:
        refuse(f"unknown key {min(stray)}")
    if not _ID.fullmatch(entry["id"]):
        refuse("an id is lower-case words joined by dashes")
    if entry["source"] not in SOURCES:
        refuse(f"the source is one of {', '.join(SOURCES)}")
    if not entry["says"].strip() or not entry["page"].strip():
        refuse("says and page are required")
    if not isinstance(day, date):
        refuse("a date is required")
    if entry["source"] == "assumed" and not _is_switch(entry["switch"]):
        refuse("an assumed fact names the switch that turns it: a field of OrgSettings, or extra.<key>")
    return Fact(entry["id"], entry["says"].strip(), entry["source"], entry["page"].strip(), day, entry["switch"])


def _is_switch(name: str) -> bool:
    known = {entry.name for entry in fields(OrgSettings)} - {"extra"}
    return name in known or bool(re.fullmatch(r"extra\.[a-z_]+", name))
