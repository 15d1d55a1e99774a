"""The words of a step that looks at both records of a pair before it writes: two-way steps, and those that adopt.

Sides are those of the step: its source is the org that it reads, whichever way the sync itself was named. Nothing here
can hold a record's value or id.
"""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct


class Winner(StrEnum):
    """Whose value stays where both records of a pair were changed since they were last made equal."""

    SOURCE = "source"
    TARGET = "target"
    NEWEST = "newest"
    HOLD = "hold"

    @property
    def seen_from_the_other_side(self) -> Winner:
        """The same rule in the words of the step that goes the other way."""
        return {Winner.SOURCE: Winner.TARGET, Winner.TARGET: Winner.SOURCE}.get(self, self)


class Likeness(StrEnum):
    """When two values of a field count as equal: as the orgs themselves store them."""

    TEXT = "text"
    EMAIL = "email"
    SET = "set"
    NUMBER = "number"
    BOOLEAN = "boolean"


class Adoption(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """By which fields a record of the source and one of the target without a key are the same: on the first run."""

    source: str
    target: str


class Pairing(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a step finds the target's record of each row, and when it may write it.

    `two_way`: both orgs hold keys, and the pair's other record may be the newer one. `conflicts` is the rule for a pair
    of which both were changed, `fields` the rule of single target fields; `ties` decides where two times are too close.
    `parents` gives, by target lookup, the source's own name of the relationship. `recreates`: a record whose
    counterpart was deleted is made again if that deletion was ours or is the older event; else it is left alone.
    `always`: not only the first run looks, because what is there must not get fields that it takes on creation only.
    """

    two_way: bool = True
    conflicts: Winner = Winner.SOURCE
    ties: Winner = Winner.SOURCE
    fields: dict[str, Winner] = {}
    likeness: dict[str, Likeness] = {}
    parents: dict[str, str] = {}
    recreates: bool = False
    adoption: Adoption | None = None
    always: bool = False
