"""Two schemas beside each other: what is there once, and what differs."""

from __future__ import annotations

import msgspec
import pytest

from isthmus.sync.plan import schema_of
from isthmus.sync.planning.compare import compare
from isthmus.sync.planning.comparing import BadPair, parse_pairs
from tests.unit.sync.test_plan import TYPES, lookup, picklist, text, thing

THERE = msgspec.structs.replace(
    thing("Account", text("Name"), text("Old__c"), text("Code__c", 80), picklist("Tier__c", "a", "b")),
    record_types=TYPES,
)
HERE = msgspec.structs.replace(
    thing(
        "Account",
        text("Name"),
        text("New__c"),
        text("Code__c", 40, unique=True, nillable=False, updateable=False),
        picklist("Tier__c", "b", "c"),
    ),
    record_types=TYPES[:1],
)


def test_every_difference_is_named_with_both_sides() -> None:
    found = compare((["Account", "A__c"], ["account", "B__c"]), [("Account", "Account")], *_both(THERE, HERE))
    assert (found.objects_both, found.objects_only_source, found.objects_only_target) == (1, ("A__c",), ("B__c",))
    (pair,) = found.pairs
    assert (pair.fields_only_source, pair.fields_only_target) == (("Old__c",), ("New__c",))
    assert (pair.record_types_only_source, pair.record_types_only_target) == (("Small",), ())
    assert {(each.field, each.what, each.source, each.target) for each in pair.differences} == {
        ("Code__c", "length", "80", "40"),
        ("Code__c", "required", "no", "yes"),
        ("Code__c", "unique", "no", "yes"),
        ("Code__c", "edit right", "yes", "no"),
        ("Tier__c", "values only there", "a", "c"),
    }
    assert not found.same


def test_the_same_schema_has_no_difference_and_a_missing_object_is_named() -> None:
    pairs = [("Account", "Account"), ("Account", "Ghost__c")]
    same, missing = compare(([], []), pairs, *_both(THERE, THERE)).pairs
    assert same.same
    assert (missing.missing, missing.same) == ("target", False)


def test_lookups_to_other_objects_differ() -> None:
    one, other = thing("A", lookup("X__c", "Account")), thing("A", lookup("X__c", "Contact"))
    (pair,) = compare(([], []), [("A", "A")], *_both(one, other)).pairs
    assert [(each.what, each.source, each.target) for each in pair.differences] == [("points at", "Account", "Contact")]


def _both(theirs: object, ours: object):
    return schema_of([theirs]), schema_of([ours])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["Account", "Account"], [("Account", "Account")]),
        (["Invoice__c=Bill__c"], [("Invoice__c", "Bill__c")]),
        ([], []),
    ],
)
def test_pairs_are_read_from_one_name_or_two(texts: list[str], expected: list[tuple[str, str]]) -> None:
    assert parse_pairs(texts) == expected


@pytest.mark.parametrize("texts", [["a b"], ["=x"], ["x'--"], ["A"] * 101])
def test_what_names_no_object_is_refused(texts: list[str]) -> None:
    with pytest.raises(BadPair):
        parse_pairs(texts)
