"""Rows of an upload that are written again another way: each once, whatever becomes of the list they stand in."""

from __future__ import annotations

import pickle

import pytest

from isthmus.salesforce.refused_rows import HELD_BYTES_MAX, RawRow, RefusedRows
from isthmus.salesforce.status_code import StatusCode

LOCKED, OTHER = StatusCode.UNABLE_TO_LOCK_ROW, StatusCode.DUPLICATE_VALUE
BIG = b"x" * (HELD_BYTES_MAX // 3)


class Taking:
    def __init__(self) -> None:
        self.rows: list[RawRow] = []

    async def __call__(self, names: object, rows: list[RawRow]) -> None:
        self.rows += rows


async def read(refused: RefusedRows, rows: list[tuple[StatusCode, bytes]]) -> None:
    refused.begin([b"Key", b"Text"])
    for number, (code, text) in enumerate(rows):
        await refused.take(code, [str(number).encode(), text])


async def test_only_rows_of_the_wanted_codes_are_taken() -> None:
    taking = Taking()
    refused = RefusedRows({LOCKED}, taking)
    await read(refused, [(LOCKED, b"a"), (OTHER, b"b"), (LOCKED, b"c")])
    await refused.finish()
    assert [row[0] for row in taking.rows] == [b"0", b"2"]
    assert dict(refused.taken) == {LOCKED: 2}


async def test_a_list_that_breaks_off_and_is_read_again_hands_no_row_on_twice() -> None:
    taking = Taking()
    refused = RefusedRows({LOCKED}, taking)
    await read(refused, [(LOCKED, BIG)] * 5)
    assert 0 < len(taking.rows) < 5, "the first are handed on already, for want of room"
    await read(refused, [(LOCKED, BIG)] * 7)
    await refused.finish()
    assert [row[0] for row in taking.rows] == [str(number).encode() for number in range(7)]
    assert dict(refused.taken) == {LOCKED: 7}


async def test_memory_does_not_grow_with_their_number() -> None:
    held: list[int] = []

    async def measure(_names: object, rows: list[RawRow]) -> None:
        held.append(sum(len(cell) for row in rows for cell in row))

    refused = RefusedRows({LOCKED}, measure)
    await read(refused, [(LOCKED, BIG)] * 50)
    assert max(held) <= HELD_BYTES_MAX + 2 * len(BIG)


def test_it_shows_a_count_and_cannot_be_serialised() -> None:
    refused = RefusedRows({LOCKED}, Taking())
    assert repr(refused) == "<RefusedRows 0>"
    with pytest.raises(TypeError):
        pickle.dumps(refused)
