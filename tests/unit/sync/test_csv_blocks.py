"""The streaming CSV codec against Python's csv module: whatever the values, the same rows come out."""

from __future__ import annotations

import csv
import io
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.sync.flow.cells import MalformedCsv, decoded_cell, encoded_cell
from isthmus.sync.flow.csv_blocks import (
    FIELD_BYTES_MAX,
    Codec,
    Mapped,
    Output,
    RecordCutter,
    rows_of,
)
from isthmus.sync.flow.parent_columns import ParentOutput

NASTY = [
    "",
    '"',
    ",",
    "\n",
    "\r\n",
    "\r",
    "\x00",
    "\u2028",
    "\x85",
    " x ",
    "#N/A",
    "#N/a",
    "N/A",
    '""',
    "é",
    "𝄞",
    "=1",
    "'",
    "\ufeff",
]
cell = st.one_of(st.sampled_from(NASTY), st.text(st.characters(codec="utf-8"), max_size=12))
COLUMNS = 4


def export(rows: list[list[str]], *, quoted: bool = True) -> bytes:
    """What a Bulk export looks like: every value quoted (or only where it must be), null as an empty cell."""
    out = io.StringIO()
    style = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    csv.writer(out, quoting=style, lineterminator="\n").writerows(rows)
    return out.getvalue().encode()


def parsed(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline=""), strict=True))


def cut(content: bytes, sizes: list[int], block_bytes: int) -> list[bytes]:
    cutter = RecordCutter(block_bytes)
    blocks: list[bytes] = []
    place = 0
    while place < len(content):
        size = sizes[len(blocks) % len(sizes)] if sizes else 1
        blocks.extend(cutter.feed(content[place : place + size]))
        place += size
    return [*blocks, cutter.finish()]


def codec() -> Codec:
    """Key, a copied column, a constant, a deferred lookup and one parent."""
    outputs = [
        Output("Key__c", 0),
        Output("Name", 1),
        Output("Flag__c", constant=encoded_cell('co"nst')),
        Output("ParentId", 2, blank=True),
    ]
    return Codec(COLUMNS, outputs, [ParentOutput(3, ("Account.Key__c",), "AccountId")])


def mapped_by(codec: Codec, block: bytes) -> Mapped:
    return codec.map(codec.parse(block))


def expected(row: list[str]) -> list[str]:
    key, name, deferred, parent = row
    return [key, name or "#N/A", 'co"nst', "" if deferred else "#N/A", parent or "#N/A"]


def written(mapped: Mapped) -> list[list[str]]:
    return [row for part in mapped.parts for row in parsed(part.content)]


@given(
    rows=st.lists(st.lists(cell, min_size=COLUMNS, max_size=COLUMNS), max_size=12),
    quoted=st.just(value=True),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    block_bytes=st.integers(1, 200),
)
@settings(max_examples=400, deadline=None)
def test_every_row_comes_out_once_and_exactly(
    rows: list[list[str]], quoted: bool, sizes: list[int], block_bytes: int
) -> None:
    blocks = [block for block in cut(export(rows, quoted=quoted), sizes, block_bytes) if block]
    mapped = [mapped_by(codec(), block) for block in blocks]
    assert sum(m.rows for m in mapped) == len(rows)
    keyed = [row for row in rows if row[0]]
    assert sum(m.keyless for m in mapped) == len(rows) - len(keyed)
    plain = [row for row in keyed if "#N/A" not in row]
    loose = [row for row in keyed if "#N/A" in row]
    assert sorted(r for m in mapped for r in written(m)) == sorted(expected(row) for row in plain)
    assert sorted([c or "" for c in row] for m in mapped for row in m.loose) == sorted(loose)
    for m in mapped:
        for part in m.parts:
            assert all((row[4] == "#N/A") == (part.nulls == 1) for row in parsed(part.content))


@given(rows=st.lists(st.lists(cell.filter(lambda c: "\r" not in c), min_size=COLUMNS, max_size=COLUMNS), max_size=8))
@settings(max_examples=200, deadline=None)
def test_cells_that_are_quoted_only_where_they_must_be_are_read_the_same(rows: list[list[str]]) -> None:
    all_quoted, sparing = export(rows), export(rows, quoted=False)
    if rows:
        assert written(mapped_by(codec(), all_quoted)) == written(mapped_by(codec(), sparing))


@given(content=st.binary(max_size=200), sizes=st.lists(st.integers(1, 30), min_size=1, max_size=4))
@settings(max_examples=300, deadline=None)
def test_cutting_loses_and_invents_nothing(content: bytes, sizes: list[int]) -> None:
    whole = content if content.endswith(b"\n") or not content else content + b"\n"
    try:
        blocks = cut(content, sizes, 16)
    except MalformedCsv:
        assert whole.count(b'"') % 2 == 1
        return
    assert b"".join(blocks) == whole


@given(text=st.text(st.characters(codec="utf-8")))
def test_a_cell_decodes_to_what_was_encoded(text: str) -> None:
    assert decoded_cell(encoded_cell(text)) == (text or None)


@pytest.mark.parametrize(
    ("block", "why"),
    [
        (b'"1","2","3"\n', "a cell too few"),
        (b'"1","2","3","4","5"\n', "a cell too many"),
        (b'"1","2","3","4"\n"1","2"\n"3","4","5","6"\n', "ragged rows that add up"),
        (b'1,x"y"z,3,4\n', "a quote inside an unquoted cell"),
        (b'"1"x,2,3,4\n', "text after the closing quote"),
        (b'"1","2","3","4"', "no line feed at the end"),
        (b"\n", "an empty record"),
    ],
)
def test_what_is_not_strict_csv_is_refused(block: bytes, why: str) -> None:
    with pytest.raises(MalformedCsv):
        mapped_by(codec(), block)


def test_a_quote_that_never_closes_is_refused_at_the_end() -> None:
    cutter = RecordCutter()
    assert list(cutter.feed(b'"1","never')) == []
    with pytest.raises(MalformedCsv):
        cutter.finish()


def test_a_field_longer_than_a_file_may_carry_goes_by_rest() -> None:
    long = "x" * (FIELD_BYTES_MAX + 1)
    mapped = mapped_by(codec(), export([["k1", long, "", "p"], ["k2", "short", "", "p"]]))
    assert mapped.loose == (("k1", long, None, "p"),)
    assert [row[0] for row in written(mapped)] == ["k2"]


def test_headers_name_the_reference_or_the_lookup() -> None:
    assert codec().header(0) == b"Key__c,Name,Flag__c,ParentId,Account.Key__c\n"
    assert codec().header(1) == b"Key__c,Name,Flag__c,ParentId,AccountId\n"


def test_a_file_can_be_read_back_row_by_row() -> None:
    part = mapped_by(codec(), export([["k", 'a"b', "", ""]])).parts[0]
    assert list(rows_of(part.content, 5)) == [(b'"k"', b'"a""b"', b'"co""nst"', b"#N/A", b"#N/A")]


def test_blocks_show_counts_and_no_content() -> None:
    mapped = mapped_by(codec(), export([["secret", "secret", "", ""]]))
    assert "secret" not in repr(mapped) + repr(mapped.parts)


def test_many_rows_with_many_kinds_of_nulls_stay_in_order_within_their_kind() -> None:
    random_ = random.Random(7)
    rows = [
        [f"k{n}", random_.choice(NASTY[1:10]), random_.choice(["", "x"]), random_.choice(["", "p"])]
        for n in range(3000)
    ]
    mapped = mapped_by(codec(), export(rows))
    for part in mapped.parts:
        keys = [int(row[0][1:]) for row in parsed(part.content)]
        assert keys == sorted(keys)
    assert sum(part.rows for part in mapped.parts) == len(rows)


@given(
    rows=st.lists(
        st.tuples(st.text("kK1", min_size=1), st.sampled_from(["", "a", "b", 'c"', "ü,", "lost"])), min_size=1
    ),
    quoted=st.booleans(),
)
@settings(max_examples=200, deadline=None)
def test_mapped_values_replace_those_of_the_export_and_rows_without_one_are_counted(
    rows: list[tuple[str, str]], quoted: bool
) -> None:
    """Hard cases 13 and 27: a table knows each value; a value that leads nowhere fails its row."""
    table = {"a": "A", "b": 'B"', 'c"': "C,", "ü,": "#U"}
    codec = Codec(2, [Output("Key__c", 0), Output("Type", 1, table=7)], [])
    block = codec.parse(export([list(row) for row in rows], quoted=quoted))
    assert {text for text in block.values(1).texts if text} == {value for _, value in rows if value}
    mapped = codec.map(block, {7: table})
    sent = [[key, table.get(value, "#N/A")] for key, value in rows if value != "lost"]
    assert sorted(written(mapped)) == sorted(sent)
    assert mapped.unmapped.get(7, 0) == len(rows) - len(sent)
