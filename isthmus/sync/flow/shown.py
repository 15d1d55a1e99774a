"""What a look shows to its viewer and what the viewer may answer: the plain text of sealed messages, never kept."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeVar

import msgspec

from isthmus.salesforce.records import Cell, Record
from isthmus.salesforce.status_code import StatusCode

TEXT_LENGTH_MAX: Final = 400
ROW_BYTES_MAX: Final = 48 * 1024
"""Longer texts are cut, and fields left out, so that a row fits into a message; what matters comes first."""
Part = TypeVar("Part")
Made = TypeVar("Made")


class ShownRow(msgspec.Struct, frozen=True):
    """A failing row: what was sent (or, where nothing could be, what was read), and the org's answer."""

    values: dict[str, str | None]
    code: str
    fields: tuple[str, ...]
    message: str

    def __repr__(self) -> str:
        """Show the code only."""
        return f"<ShownRow {self.code}>"


class ShownChange(msgspec.Struct, frozen=True):
    """When a record was changed last, by its org's own clock, and whether our integration user did it."""

    at: datetime
    ours: bool


class ShownField(msgspec.Struct, frozen=True):
    """One field of a pair by its names in the sync's source and target, with both values."""

    source: str
    target: str
    source_value: str | None
    target_value: str | None
    differs: bool

    def __repr__(self) -> str:
        """Show the names only."""
        return f"<ShownField {self.source}>"


class ShownPair(msgspec.Struct, frozen=True):
    """A held conflict: both records, field by field, differing fields first. `number` names the pair in decisions.

    Source and target are those of the sync, whichever way the step goes that met the pair. A pair that is not
    `decidable` is not tied yet (adoption): it settles when the records are made alike in one of the orgs.
    """

    number: int
    source_object: str
    target_object: str
    source_change: ShownChange
    target_change: ShownChange
    fields: tuple[ShownField, ...]
    decidable: bool = True

    def __repr__(self) -> str:
        """Show the number only."""
        return f"<ShownPair {self.number}>"


class Shown(msgspec.Struct, frozen=True):
    """One message to the viewer. `last`: nothing follows, so that a viewer sees whether something is missing."""

    rows: tuple[ShownRow, ...] = ()
    last: bool = False
    pairs: tuple[ShownPair, ...] = ()


class Side(StrEnum):
    """Whose value stays: an org in the words of the sync."""

    SOURCE = "source"
    TARGET = "target"


class Decision(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person's decision for one shown pair: whose values stay; `fields` names exceptions by the source's names."""

    pair: int
    winner: Side
    fields: dict[str, Side] = {}


class Decisions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One answer of the viewer. `done`: no other follows."""

    decisions: tuple[Decision, ...] = ()
    done: bool = False


class Outcome(StrEnum):
    """What became of a decision."""

    WRITTEN = "written"
    CHANGED = "changed"
    """Nothing was written: a record is not what was shown any more. The pair is held again."""
    HALF = "half"
    """Of a decision field by field, the target's part is written; the source was changed in that instant."""
    REFUSED = "refused"
    UNKNOWN = "unknown"
    """The org was cut off while it wrote; the next look or run tells."""
    UNDECIDABLE = "undecidable"


class Carried(msgspec.Struct, frozen=True):
    """What became of the decision for one pair; `code` is an org's own where it refused."""

    pair: int
    outcome: Outcome
    code: str = ""


class CarriedOut(msgspec.Struct, frozen=True):
    """What became of one answer."""

    results: tuple[Carried, ...] = ()


def shown_row(record: Record, code: StatusCode, fields: Sequence[str], message: str) -> ShownRow:
    """Return a failing row as it is shown, blamed fields first."""
    blamed = {name.casefold() for name in fields}
    names = sorted(record, key=lambda name: name.casefold() not in blamed)

    def made(kept: Sequence[str]) -> ShownRow:
        values = {name: shown_text(record[name]) for name in kept}
        return ShownRow(values, code.name, tuple(fields), message[:TEXT_LENGTH_MAX])

    return fitting(names, made)


def fitting(parts: Sequence[Part], make: Callable[[Sequence[Part]], Made]) -> Made:
    """Return what `make` makes of as many of `parts` as one message holds, the first ones first."""
    while True:
        made = make(parts)
        if not parts or len(msgspec.json.encode(made)) <= ROW_BYTES_MAX:
            return made
        parts = parts[: len(parts) // 2]


def shown_text(value: Cell) -> str | None:
    """Return a value as a viewer sees it, cut where it is long."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    text = msgspec.json.encode(value).decode() if isinstance(value, dict) else str(value)
    return text[:TEXT_LENGTH_MAX]
