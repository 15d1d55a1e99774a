"""Rows that are looked at: whoever has the key of the look opens them, all of them, in their order; nobody else."""

from __future__ import annotations

from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.cli.looking import plain
from isthmus.salesforce.status_code import StatusCode
from isthmus.sync.flow.frames import BadFrame
from isthmus.sync.flow.inspect import LookEnded, decode_end, encode_end
from isthmus.sync.flow.sealing import BadViewerKey, Sealer
from isthmus.sync.flow.shown import Shown, ShownRow
from isthmus.sync.inspecting.viewing import LookBroken, Viewer
from isthmus.sync.model import EndReason

LOOK = UUID(int=7)
ROWS = [ShownRow({"Name": f"Ada {n}"}, "OTHER", ("Name",), "No.") for n in range(3)]


def sealed(viewer: Viewer, look: UUID = LOOK) -> list[bytes]:
    sealer = Sealer(viewer.public, look)
    messages = [Shown((row,)) for row in ROWS]
    return [sealer.seal(msgspec.json.encode(message)) for message in (*messages, Shown(last=True))]


def test_the_viewer_opens_every_row_in_order() -> None:
    viewer = Viewer()
    assert list(viewer.open(LOOK, sealed(viewer))) == ROWS


def test_no_value_stands_in_what_is_handed_on() -> None:
    assert b"Ada" not in b"".join(sealed(Viewer()))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda messages: messages[:-1],
        lambda messages: messages[1:],
        lambda messages: [messages[1], messages[0], *messages[2:]],
        lambda messages: [messages[0], messages[0], *messages[1:]],
        lambda messages: [messages[0][:-1], *messages[1:]],
        lambda messages: [messages[0][:70] + bytes([messages[0][70] ^ 1]) + messages[0][71:], *messages[1:]],
        lambda messages: [bytes(65) + messages[0][65:], *messages[1:]],
        lambda messages: [b"", *messages],
    ],
)
def test_what_is_lost_moved_doubled_or_changed_on_the_way_is_noticed(spoil) -> None:
    viewer = Viewer()
    with pytest.raises(LookBroken):
        list(viewer.open(LOOK, spoil(sealed(viewer))))


def test_another_viewer_or_another_look_opens_nothing() -> None:
    viewer = Viewer()
    with pytest.raises(LookBroken):
        list(Viewer().open(LOOK, sealed(viewer)))
    with pytest.raises(LookBroken):
        list(viewer.open(uuid4(), sealed(viewer)))


def test_a_key_that_is_no_point_of_the_curve_is_refused() -> None:
    good = Viewer().public
    for key in (b"", bytes(65), b"\x04" + bytes(64), good[:-1], good + b"x"):
        with pytest.raises(BadViewerKey):
            Sealer(key, LOOK)


def test_the_end_of_a_look_is_numbers_and_nothing_else_is_taken_for_one() -> None:
    end = LookEnded(9, 3, EndReason.TARGET_REFUSED, StatusCode.OTHER, 4, 5)
    assert decode_end(encode_end(end)) == end
    for message in (b"", b"\x02", encode_end(end) + b"x", encode_end(end)[:9] + b"\xff\xff" + encode_end(end)[11:]):
        with pytest.raises(BadFrame):
            decode_end(message)


def test_a_shown_row_s_repr_names_its_code_only() -> None:
    assert repr(ROWS[0]) == "<ShownRow OTHER>"


@given(st.text())
def test_an_org_s_words_reach_a_terminal_as_printable_characters(text: str) -> None:
    assert plain(text).isprintable()


def test_escape_sequences_are_shown_not_obeyed() -> None:
    assert plain("a\x1b[2Jb\r\nc") == "a\\x1b[2Jb\\r\\nc"
