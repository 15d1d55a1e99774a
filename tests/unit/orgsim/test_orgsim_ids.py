from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from orgsim.ids import DIGITS, IdFactory, normalize_id, to_long

SHORT = st.text(alphabet=DIGITS, min_size=15, max_size=15)


def test_recorded_ids_have_these_check_characters():
    assert to_long("0015500001QdQWa") == "0015500001QdQWaAAN"
    assert to_long("0035500001H9cak") == "0035500001H9cakAAB"
    assert to_long("012000000000000") == "012000000000000AAA"


@given(SHORT)
def test_a_long_id_is_its_short_one_with_three_more_characters(short):
    long = to_long(short)
    assert long[:15] == short
    assert normalize_id(short) == normalize_id(long) == long


@given(SHORT)
def test_the_check_characters_repair_a_lost_capitalisation(short):
    long = to_long(short)
    assert normalize_id(long.lower()) == long
    assert normalize_id(long.upper()) == long


@given(SHORT, SHORT)
def test_two_ids_differ_even_without_regard_to_case(one, other):
    assert (to_long(one).lower() == to_long(other).lower()) == (one == other)


@given(st.text(max_size=20))
def test_what_is_no_id_is_refused(text):
    found = normalize_id(text)
    assert found is None or (len(text) in {15, 18} and len(found) == 18)


def test_wrong_check_characters_are_refused():
    assert normalize_id("0015500001QdQWaAA!") is None
    assert normalize_id("0015500001QdQWa000") is None


def test_a_factory_never_repeats_itself():
    factory = IdFactory("cT")
    ids = [factory.new("001") for _ in range(5000)] + [factory.new("003") for _ in range(10)]
    assert len(set(ids)) == len(ids)
    assert ids == sorted(ids)
    first = factory.reserve("001", 100)
    assert factory.at("001", first) not in ids
    assert factory.new("001") == factory.at("001", first + 100)
