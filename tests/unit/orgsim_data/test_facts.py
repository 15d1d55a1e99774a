from __future__ import annotations

import pytest

from orgsim.facts import FactFault, counts, load_facts, parse_parts

_GOOD = 'id = "a-b"\nsays = "x"\nsource = "recorded"\npage = "p"\ndate = 2026-01-01\n'


def _part(*bodies: str) -> list[tuple[str, str]]:
    return [("part.toml", "".join(f"[[fact]]\n{body}" for body in bodies))]


def test_the_shipped_facts_are_well_formed_and_add_up():
    facts = load_facts()
    found = counts(facts)
    assert found["total"] == len(facts) == found["recorded"] + found["documented"] + found["assumed"]
    assert found["recorded"] >= 5
    assert found["documented"] >= 5


def test_at_most_a_tenth_of_the_facts_is_assumed():
    found = counts(load_facts())
    assert found["assumed"] * 10 <= found["total"]


def test_a_good_fact_is_read():
    (fact,) = parse_parts(_part(_GOOD))
    assert (fact.id, fact.source, fact.switch) == ("a-b", "recorded", "")


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"a-b"', '"A B"', "lower-case"),
        ('"recorded"', '"heard"', "source is one of"),
        ('page = "p"', 'page = " "', "required"),
        ("date = 2026-01-01\n", "", "date is required"),
        ('says = "x"', 'says = ""', "required"),
        ('page = "p"', 'page = "p"\nurl = "u"', "unknown key"),
        ('says = "x"', "says = 3", "are text"),
        ('"recorded"', '"assumed"', "names the switch"),
        ('source = "recorded"', 'source = "assumed"\nswitch = "no_such_field"', "names the switch"),
        ('source = "recorded"', "source = ", "Invalid value"),
    ],
)
def test_a_broken_fact_is_refused_with_its_reason(old, new, why):
    with pytest.raises(FactFault, match=why):
        parse_parts(_part(_GOOD.replace(old, new)))


def test_an_id_may_stand_only_once_over_all_parts():
    with pytest.raises(FactFault, match="taken"):
        parse_parts([*_part(_GOOD), ("other.toml", f"[[fact]]\n{_GOOD}")])


def test_an_assumed_fact_may_name_a_field_or_an_extra_switch():
    text = _GOOD.replace('"recorded"', '"assumed"\nswitch = "descending_nulls_last"')
    assert parse_parts(_part(text))[0].switch == "descending_nulls_last"
    assert parse_parts(_part(text.replace("descending_nulls_last", "extra.form")))[0].switch == "extra.form"
