"""Masks: the same value gives the same pseudonym, nothing of the value is left, and forms are kept."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.sync.flow.expressions.values import Failed, Value, number_text
from isthmus.sync.flow.masks import EMAIL_CHARS, KEYLESS, Masks
from isthmus.sync.model import MaskKind
from isthmus.values import Secret

OURS, THEIRS = Masks(Secret(b"k" * 32)), Masks(Secret(b"other" * 8))
WORDS = re.compile(r"[A-Z][a-z]{7}(?: [A-Z][a-z]{7}){0,3}")


def masked(kind: MaskKind, value: Value, length: int = 0, masks: Masks = OURS) -> Value:
    return masks.masked(kind, value, length)


VALUES: dict[MaskKind, st.SearchStrategy[Value]] = {
    **dict.fromkeys((MaskKind.EMAIL, MaskKind.PHONE, MaskKind.NAME, MaskKind.TEXT), st.text(min_size=1)),
    MaskKind.NUMBER: st.decimals(min_value=-(10**15), max_value=10**15, places=3),
    MaskKind.DATE: st.one_of(st.dates(), st.datetimes(timezones=st.just(UTC))),
}


@pytest.mark.parametrize("kind", VALUES, ids=str)
def test_a_pseudonym_is_always_the_same_and_belongs_to_its_key(kind: MaskKind) -> None:
    seen: list[tuple[Value, Value]] = []

    @given(value=VALUES[kind])
    @settings(max_examples=60, deadline=None)
    def check(value: Value) -> None:
        again = Masks(Secret(b"k" * 32))
        assert masked(kind, value) == masked(kind, value, masks=again)
        seen.append((masked(kind, value), masked(kind, value, masks=THEIRS)))

    check()
    assert any(ours != theirs for ours, theirs in seen)


def test_an_address_becomes_another_one_that_no_mail_reaches() -> None:
    found = masked(MaskKind.EMAIL, "Ada.Lovelace@Example.org")
    assert isinstance(found, str)
    assert re.fullmatch(r"[a-z2-9]{13}@example\.com", found)
    assert len(found) == EMAIL_CHARS
    assert found == masked(MaskKind.EMAIL, " ada.lovelace@example.org ")
    assert found != masked(MaskKind.EMAIL, "ada.lovelace@example.net")
    many = {masked(MaskKind.EMAIL, f"p{n}@example.com") for n in range(5000)}
    assert len(many) == 5000


def test_a_phone_number_keeps_its_form_and_none_of_its_digits_place() -> None:
    found = [str(masked(MaskKind.PHONE, f"+49 (30) 12{n:03d}-45")) for n in range(300)]
    assert all(re.fullmatch(r"\+\d\d \(\d\d\) \d{5}-\d\d", number) for number in found)
    for place, digit in ((1, "4"), (5, "3"), (9, "1")):
        assert 10 < sum(number[place] == digit for number in found) < 60  # as often as any other digit
    assert masked(MaskKind.PHONE, "+1 555") != masked(MaskKind.PHONE, "+1 556")


def test_a_name_becomes_words_that_mean_nothing() -> None:
    assert WORDS.fullmatch(str(masked(MaskKind.NAME, "Ada")))
    assert str(masked(MaskKind.NAME, "Ada King Lovelace")).count(" ") == 2
    assert str(masked(MaskKind.NAME, "a b c d e f")).count(" ") == 3
    assert masked(MaskKind.NAME, "ADA  lovelace") == masked(MaskKind.NAME, "Ada Lovelace")
    assert len(str(masked(MaskKind.NAME, "Ada King Lovelace", 10))) == 10


@given(text=st.text(st.characters(codec="utf-8"), min_size=1, max_size=200))
@settings(max_examples=100, deadline=None)
def test_a_text_keeps_its_shape_and_no_letter_that_is_not_ascii(text: str) -> None:
    found = str(masked(MaskKind.TEXT, text))
    assert len(found) == len(text)
    for before, after in zip(text, found, strict=True):
        if before.isalpha() or before.isdigit():
            assert after.isascii()
            assert after.isdigit() == before.isdigit()
        else:
            assert after == before


@given(number=VALUES[MaskKind.NUMBER])
@settings(max_examples=100, deadline=None)
def test_a_number_keeps_sign_size_and_decimals(number: Decimal) -> None:
    found = masked(MaskKind.NUMBER, number)
    assert isinstance(found, Decimal)
    whole = number_text(abs(number)).partition(".")[0]
    assert len(number_text(abs(found)).partition(".")[0]) == len(whole)
    assert found == 0 or number == 0 or (found < 0) == (number < 0)


@given(day=st.dates())
@settings(max_examples=100, deadline=None)
def test_a_date_stays_in_its_year(day: date) -> None:
    found = masked(MaskKind.DATE, day)
    assert isinstance(found, date)
    assert found.year == day.year
    at = datetime(day.year, day.month, day.day, 13, 14, tzinfo=UTC)
    assert masked(MaskKind.DATE, at) == datetime(found.year, found.month, found.day, tzinfo=UTC)


def test_days_of_a_year_are_used_evenly() -> None:
    days = [date(2020, 1, 1) + timedelta(days=n) for n in range(366)]
    assert len({masked(MaskKind.DATE, day) for day in days}) > 200


def test_null_stays_null_under_every_mask() -> None:
    assert {masked(kind, None) for kind in MaskKind} == {None}


def test_masks_that_send_a_fixed_text_need_no_key() -> None:
    keyless = Masks(None)
    assert [masked(kind, "x", masks=keyless) for kind in sorted(KEYLESS)] == [None, "REDACTED", "redacted@example.com"]
    for kind in set(MaskKind) - KEYLESS:
        with pytest.raises(Failed):
            masked(
                kind,
                Decimal(1) if kind is MaskKind.NUMBER else date(2020, 1, 1) if kind is MaskKind.DATE else "x",
                masks=keyless,
            )


@pytest.mark.parametrize("kind", [kind for kind in MaskKind if kind is not MaskKind.NULL], ids=str)
def test_a_value_of_another_type_fails_and_never_passes(kind: MaskKind) -> None:
    with pytest.raises(Failed):
        masked(kind, True)


def test_nothing_shows_the_key() -> None:
    assert repr(OURS) == str(OURS) == "<Masks>"
