"""Frames: what may leave a mover. Whatever decodes encodes back to the same bytes; everything else is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.salesforce.status_code import ALL_STATUS_CODES, StatusCode
from isthmus.sync.flow.frames import (
    CALLS_MAX,
    FRAME_BYTES,
    ROWS_MAX,
    BadFrame,
    Calls,
    Ended,
    Frame,
    Moved,
    Noted,
    RowsFailed,
    StepDone,
    Usage,
    WindowFixed,
    WindowSettled,
    decode,
    encode,
)
from isthmus.sync.model import COLUMNS_MAX, STEPS_MAX, EndReason, Path, Window

START = datetime(2000, 1, 1, tzinfo=UTC)
steps = st.integers(0, STEPS_MAX - 1)
rows = st.integers(0, ROWS_MAX)
times = st.integers(1, 10**12).map(lambda ms: START + timedelta(milliseconds=ms))
windows = st.tuples(times, times, st.booleans()).map(
    lambda t: Window(None if t[2] else min(t[0], t[1]), max(t[0], t[1]) + timedelta(seconds=1))
)
codes = st.sampled_from(ALL_STATUS_CODES)
frames: st.SearchStrategy[Frame] = st.one_of(
    st.builds(WindowFixed, steps, windows, st.sampled_from(Path), rows),
    st.tuples(steps, rows, rows, rows).map(lambda t: Moved(t[0], t[1], max(t[2:]), min(t[2:]))),
    st.builds(RowsFailed, steps, codes, st.none() | st.integers(0, COLUMNS_MAX - 1), rows),
    st.builds(Noted, steps, codes, st.none() | st.integers(0, COLUMNS_MAX - 1), rows),
    st.builds(WindowSettled, steps, windows, st.integers(0, 256), st.none() | times),
    st.builds(StepDone, steps),
    st.builds(Calls, st.integers(0, CALLS_MAX), st.integers(0, CALLS_MAX)),
    st.builds(Usage, st.sampled_from((0, 1)), st.integers(0, CALLS_MAX), st.integers(0, CALLS_MAX)),
    st.builds(Ended, st.sampled_from(EndReason), st.none() | steps, st.none() | codes),
)


@given(frame=frames)
def test_a_frame_survives_the_way_out(frame: Frame) -> None:
    packed = encode(frame)
    assert len(packed) == FRAME_BYTES
    assert decode(packed) == frame


@given(content=st.binary(min_size=FRAME_BYTES, max_size=FRAME_BYTES) | st.binary(max_size=64))
def test_whatever_decodes_is_exactly_what_would_be_encoded(content: bytes) -> None:
    try:
        frame = decode(content)
    except BadFrame:
        return
    assert encode(frame) == content


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "empty"),
        (b"\x05" + bytes(32), "too long"),
        (b"\x63" + bytes(31), "an unknown kind"),
        (b"\x05\xf0" + bytes(30), "a step that no plan has"),
        (b"\x05\x00" + bytes(29) + b"\x01", "something in an unused part"),
        (b"\x05\x00" + bytes(4) + b"AB" + bytes(24), "something in the reserved part"),
        (b"\x02\x00" + bytes(6) + b"\xff" * 24, "counts beyond any org"),
        (b"\x07\xff\x00\x63" + b"\xff\xff" + bytes(26), "an unknown end"),
        (b"\x03\x00\x00\x63" + bytes(28), "a status code that is not on the list"),
    ],
)
def test_what_is_out_of_range_is_refused(content: bytes, why: str) -> None:
    with pytest.raises(BadFrame):
        decode(content)


def test_more_rows_created_than_written_is_no_frame() -> None:
    with pytest.raises(BadFrame):
        decode(encode(Moved(0, 5, 1, 2)))


def test_an_unknown_code_cannot_even_be_made() -> None:
    assert StatusCode.parse("John Smith") == StatusCode.OTHER
