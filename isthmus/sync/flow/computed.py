"""Columns that are computed: an expression or a mask for each row, the same for both paths.

On the large path the results are put behind the block as further cells, so that everything after treats them like
cells of the export. Only the columns that a transform reads are decoded, and equal inputs are computed once a block;
rows of a step without transforms never get here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo
from types import MappingProxyType
from typing import Final

import numpy as np

from isthmus.salesforce.world import MoverWorld
from isthmus.sync.flow.cells import decoded_cell, encoded_cell
from isthmus.sync.flow.csv_blocks import Block, Flags, Ints
from isthmus.sync.flow.expressions.moments import find_zone
from isthmus.sync.flow.expressions.program import Program, compiled, run
from isthmus.sync.flow.expressions.values import Failed, Type, text_of, value_of
from isthmus.sync.flow.job import SOURCE
from isthmus.sync.flow.masks import KEYLESS, Masks
from isthmus.sync.flow.sides import asking
from isthmus.sync.model import Column, Step, Transform

_NOTHING: Final = (0, 0)


@dataclass(frozen=True, slots=True)
class Tools:
    """What transforms need besides a row: masks with their key, and time zones, loaded before lockdown."""

    masks: Masks
    zones: Mapping[str, tzinfo]


NO_TOOLS: Final = Tools(Masks(None), MappingProxyType({}))


class NoValue(Exception):
    """A transform has no value for a row; `ordinal` is that of its column in the step."""

    def __init__(self, ordinal: int | None) -> None:
        """Keep the ordinal; there is nothing else to know."""
        super().__init__("a transform has no value for a row")
        self.ordinal = ordinal


def transforms_of(step: Step) -> list[tuple[int | None, Column, Transform]]:
    """Return the step's computed columns, each with its ordinal (None: a lookup that a second pass sets)."""
    columns: list[tuple[int | None, Column]] = [*enumerate(step.columns), *((None, column) for column in step.clears)]
    return [(number, column, column.transform) for number, column in columns if column.transform is not None]


def needs_key(steps: Iterable[Step]) -> bool:
    """Whether one of the steps makes pseudonyms."""
    masks = {transform.mask for step in steps for _, _, transform in transforms_of(step)} - {None}
    return not masks <= KEYLESS


def zones_of(steps: Iterable[Step]) -> set[str]:
    """Return the names of the time zones that the steps' expressions use."""
    return {name for step in steps for _, _, transform in transforms_of(step) for name in transform.zones}


def zones_for(steps: Iterable[Step]) -> Mapping[str, tzinfo]:
    """Return the time zones that the steps' expressions name. Reads the system's zone files: before lockdown."""
    found = {name: find_zone(name) for name in zones_of(steps)}
    return {name: zone for name, zone in found.items() if zone is not None}


async def tools_for(steps: Sequence[Step], world: MoverWorld, zones: Mapping[str, tzinfo] | None) -> Tools:
    """Return what the steps need; the key of pseudonyms is asked for only if they make any. Raises `Stopped`."""
    key = None
    if world.mask_key is not None and needs_key(steps):
        with asking(SOURCE):
            key = await world.mask_key()
    return Tools(Masks(key), zones_for(steps) if zones is None else zones)


class Computed:
    """The computed columns of one step. `targets` names them in the order of their cells."""

    def __init__(self, step: Step, place: Mapping[str, int], tools: Tools) -> None:
        """Compile; `place` says which cell of a row holds a field of the source."""
        found = transforms_of(step)
        self.targets = tuple(column.target for _, column, _ in found)
        self._columns = [_Column(number, transform, place, tools) for number, _, transform in found]

    def of_cells(self, cells: Sequence[object]) -> list[str | None]:
        """Return the texts of a row's computed cells. Raises `NoValue`."""
        found: list[str | None] = []
        for column in self._columns:
            try:
                found.append(column.text([cells[place] for place in column.places]))
            except Failed:
                raise NoValue(column.ordinal) from None
        return found

    def extended(self, block: Block) -> tuple[Block, Mapping[int | None, int]]:
        """Return the block with its computed cells, and how many rows have no value, by the column to blame."""
        if not self._columns:
            return block, {}
        lost = np.zeros(len(block.starts), np.bool_)
        failed: Counter[int | None] = Counter()
        tail = bytearray()
        grown: list[tuple[Ints, Ints]] = []
        for column in self._columns:
            begins, sizes, without = _computed(column, block, lost | block.nulls[:, 0], tail)
            if without.any():
                failed[column.ordinal] += int(np.count_nonzero(without))
                lost |= without
            grown.append((begins, sizes))
        content = block.content + bytes(tail)
        sizes = np.column_stack([size for _, size in grown])
        return (
            replace(
                block,
                content=content,
                buffer=np.frombuffer(content, np.uint8),
                starts=np.column_stack([block.starts, *(begin for begin, _ in grown)]),
                lengths=np.column_stack([block.lengths, sizes]),
                quoted=np.column_stack([block.quoted, sizes > 0]),
                nulls=np.column_stack([block.nulls, sizes == 0]),
                lost=lost,
            ),
            failed,
        )


class _Column:
    """One transform, compiled."""

    def __init__(self, ordinal: int | None, transform: Transform, place: Mapping[str, int], tools: Tools) -> None:
        self.ordinal = ordinal
        self.places = [place[each.path] for each in transform.inputs]
        self._types = [each.type for each in transform.inputs]
        self._mask = transform.mask
        self._length = transform.length
        self._masks = tools.masks
        self._program = None if transform.expression is None else _program(transform, transform.expression, tools)

    def text(self, raw: Sequence[object]) -> str | None:
        """Return what is sent for these inputs. Raises `Failed`, and nothing else, whatever the org has sent."""
        values = [value_of(each, kind) for each, kind in zip(raw, self._types, strict=True)]
        value = values[0] if self._program is None else run(self._program, values)
        if self._mask is None:
            return text_of(value)
        try:
            return text_of(self._masks.masked(self._mask, value, self._length))
        except (ValueError, ArithmeticError):  # such as half a surrogate pair, which no key can digest
            raise Failed from None


def _program(transform: Transform, expression: str, tools: Tools) -> Program:
    types = {each.path.casefold(): (each.path, each.type) for each in transform.inputs}

    def field_type(path: str) -> tuple[str, Type]:
        return types[path.casefold()]

    program = compiled(expression, field_type, tools.zones.get)
    if program.inputs != tuple(each.path for each in transform.inputs):
        message = "the plan's inputs are those of its expression"
        raise ValueError(message)
    return program


def _computed(column: _Column, block: Block, skipped: Flags, tail: bytearray) -> tuple[Ints, Ints, Flags]:
    """Return where each row's result lies (behind the block, in `tail`), how long it is, and which rows have none."""
    rows = len(block.starts)
    begins, sizes = np.zeros(rows, np.intp), np.zeros(rows, np.intp)
    without = np.zeros(rows, np.bool_)
    starts = [block.starts[:, place].tolist() for place in column.places]
    lengths = [block.lengths[:, place].tolist() for place in column.places]
    content, known = block.content, dict[tuple[bytes, ...], tuple[int, int] | None]()
    for row in np.flatnonzero(~skipped).tolist():
        raw = tuple(content[a[row] : a[row] + n[row]] for a, n in zip(starts, lengths, strict=True))
        if raw not in known:
            try:
                text = column.text([decoded_cell(cell) for cell in raw])
            except Failed:
                known[raw] = None
            else:
                cell = b"" if text is None else encoded_cell(text)
                known[raw] = (len(content) + len(tail), len(cell)) if cell else _NOTHING
                tail += cell
        found = known[raw]
        if found is None:
            without[row] = True
        else:
            begins[row], sizes[row] = found
    return begins, sizes, without
