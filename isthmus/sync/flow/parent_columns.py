"""How a lookup is written in an upload: by its parent's key, and one file for each kind of parent.

Ids of one kind of record begin with the same three characters, which the source's describe names.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Bytes: TypeAlias = NDArray[np.uint8]
Ints: TypeAlias = NDArray[np.intp]
Flags: TypeAlias = NDArray[np.bool_]
NULL_STATE: Final = 1


@dataclass(frozen=True, slots=True)
class ParentOutput:
    """A lookup: `references[0]` heads it where the parent is known, `lookup` where it is null (None: left out then).

    With `prefixes`, `references[n]` heads rows whose id begins with `prefixes[n]`; another kind of id counts as null.
    """

    cell: int
    references: tuple[str, ...]
    lookup: str | None
    prefixes: tuple[bytes, ...] = ()

    @property
    def states(self) -> int:
        """How many ways there are to write this lookup: 0 the first reference, 1 null, 2 and on the others."""
        return 1 + len(self.references)

    def head(self, state: int) -> str | None:
        """Return the column's name for rows in `state`, None if they have no such column."""
        return self.lookup if state == NULL_STATE else self.references[max(state - 1, 0)]


def parent_states(parent: ParentOutput, buffer: Bytes, starts: Ints, quoted: Flags, nulls: Flags) -> Ints:
    """Return how each row's lookup is to be written, as `ParentOutput.states` counts.

    `buffer` is a block's content; the others have a row for each record and a column for each cell.
    """
    empty = nulls[:, parent.cell]
    if not parent.prefixes:
        return empty.astype(np.int64)
    places = starts[:, parent.cell] + quoted[:, parent.cell]
    states = np.full(len(empty), NULL_STATE, np.int64)
    for number, prefix in enumerate(parent.prefixes):
        same = ~empty
        for offset, letter in enumerate(prefix):
            same &= buffer[np.minimum(places + offset, len(buffer) - 1)] == letter
        states[same] = number + (number >= NULL_STATE)
    return states
