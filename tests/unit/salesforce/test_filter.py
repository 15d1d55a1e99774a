"""A person's filter: what is understood is written again by us, everything else is refused with its place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.egress.policy import Hole, render_hole
from isthmus.salesforce.filter import FILTER_LENGTH_MAX, Filter, FilterRefused, parse_filter

GOOD = {
    "Name = 'a'": "Name = 'a'",
    "name='a' and(Type in('x','y')or not Amount>5)": "name = 'a' AND (Type IN ('x','y') OR (NOT Amount > 5))",
    "Account.Owner.IsActive = true": "Account.Owner.IsActive = TRUE",
    "X__c <> null": "X__c != NULL",
    "X__c includes ('a;b','c')": "X__c INCLUDES ('a;b','c')",
    "X__c EXCLUDES ('a')": "X__c EXCLUDES ('a')",
    "Name LIKE 'a\\_%'": "Name LIKE 'a\\_%'",
    "Type not in ('x')": "Type NOT IN ('x')",
    "CreatedDate >= LAST_N_DAYS:30": "CreatedDate >= LAST_N_DAYS:30",
    "CreatedDate = today": "CreatedDate = TODAY",
    "CreatedDate < 2026-01-31T00:00:00Z AND CloseDate > 2026-01-01": "CreatedDate < 2026-01-31T00:00:00Z AND CloseDate > 2026-01-01",
    "Amount > -1.5\n OR Amount = 0": "Amount > -1.5 OR Amount = 0",
    "NOT NOT a = 1": "(NOT (NOT a = 1))",
    "(((a = 1)))": "(((a = 1)))",
    "Name = 'it\\'s \\u00e9 FOR VIEW'": "Name = 'it\\'s \\u00e9 FOR VIEW'",
}


@pytest.mark.parametrize(("text", "written"), GOOD.items())
def test_a_condition_is_understood(text, written):
    parsed = parse_filter(text)
    assert isinstance(parsed, Filter)
    assert parsed.text == written
    assert isinstance(parse_filter(parsed.text), Filter)


BAD = {
    "": 0,
    "Name": 4,
    "Name = ": 7,
    "= 'a'": 0,
    "Name = 'a": 7,
    "Name = 'a\\x'": 7,
    "Name = 'a\nb'": 7,
    'Name = "a"': 7,
    "Name = 'a' OR b = 1 AND c = 1": 20,
    "Name = 'a' LIMIT 1": 11,
    "Name = 'a' FOR VIEW": 11,
    "Name = 'a' ORDER BY Name": 11,
    "Name = 'a') OR (b = 1": 10,
    "(Name = 'a'": 11,
    "Id IN (SELECT Id FROM User)": 7,
    "Id IN ()": 7,
    "Id IN 'a'": 6,
    "CALENDAR_YEAR(CreatedDate) = 2026": 0,
    "Name = Type": 7,
    "Name = :x": 7,
    "Name = 'a'; DELETE": 10,
    "Name = 'a' -- x": 11,
    "a.b.c.d.e.f.g = 1": 0,
    "X__c INCLUDES (1)": 15,
    "Name LIKE 5": 10,
    "CreatedDate = LAST_N_DAYS": 14,
    "CreatedDate = SOMETIME:3": 14,
    "SELECT = 1": 0,
    "Name == 'a'": 6,
    "Namé = 1": 3,
    "(" * 50 + "a = 1" + ")" * 50: 31,
}


@pytest.mark.parametrize(("text", "position"), BAD.items())
def test_anything_else_is_refused_with_its_place(text, position):
    refused = parse_filter(text)
    assert isinstance(refused, FilterRefused)
    assert refused.position == position


def test_a_filter_has_a_limit():
    assert isinstance(parse_filter("a = 1 OR " * 5000 + "a = 1"), FilterRefused)
    assert isinstance(parse_filter("Name = '" + "x" * 4001 + "'"), FilterRefused)
    assert len("a = 1 OR " * 5000) > FILTER_LENGTH_MAX


def test_a_filter_names_its_fields_and_hides_its_values():
    parsed = parse_filter("Name = 'secret' AND Account.Type = 'x' AND Name != null")
    assert isinstance(parsed, Filter)
    assert parsed.fields == ("Name", "Account.Type")
    assert "secret" not in repr(parsed)


@given(st.text(alphabet="aN ='()\\,.:<>!%0123-TZ\nORANDIFVEWLKM\u00a0é", max_size=60))
def test_what_is_accepted_never_writes_and_reads_the_same_again(text):
    parsed = parse_filter(text)
    if isinstance(parsed, Filter):
        again = parse_filter(parsed.text)
        assert isinstance(again, Filter)
        assert again.fields == parsed.fields
        assert render_hole(Hole.SOQL, f"SELECT Id FROM Account WHERE ({parsed.text})") is not None
