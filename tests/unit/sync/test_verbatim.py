"""Rows that go as they came: the short way gives, byte for byte, what taking every cell by itself gives."""

from __future__ import annotations

import csv
import dataclasses
import io

from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.sync.flow.csv_blocks import Codec, Output, ParentOutput

CODEC = Codec(
    columns=5,
    outputs=(Output("K", cell=0), Output("A", cell=1), Output("B", cell=2), Output("Later", cell=3, blank=True)),
    parents=(ParentOutput(cell=4, references=("P.K",), lookup="PId"),),
)
HOSTILE = st.text(alphabet='",\n#N/Aa¤𝄞', max_size=8)
CELLS = st.tuples(st.just("001"), HOSTILE, HOSTILE, st.sampled_from(("", "003x", 'a"b')), st.sampled_from(("", "001y")))


def _block(rows: list[tuple[str, ...]]) -> bytes:
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


@settings(deadline=None)
@given(st.lists(CELLS, min_size=1, max_size=12))
def test_rows_that_go_as_they_came_are_the_same_bytes(rows: list[tuple[str, ...]]) -> None:
    block = CODEC.parse(_block(rows))
    assert block.marked is not None
    assert CODEC.map(block) == CODEC.map(dataclasses.replace(block, marked=None))


def test_cells_without_quotes_take_the_long_way() -> None:
    assert CODEC.parse(b'001,"a","b","",""\n').marked is None


def test_bytes_that_are_no_text_take_the_long_way() -> None:
    block = CODEC.parse(b'"001","a\xfe","b\xff","","001y"\n')
    assert block.marked is None
    assert CODEC.map(block).parts[0].content == b'"001","a\xfe","b\xff",#N/A,"001y"\n'


def test_a_number_of_cells_that_is_not_the_headers_is_refused_by_the_long_way() -> None:
    assert CODEC.parse(_block([("1", "2", "3", "", "")] * 2)).starts.shape == (2, 5)
