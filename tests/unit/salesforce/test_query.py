"""SOQL is built of checked parts only."""

from __future__ import annotations

import pickle
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.egress.policy import Hole, render_hole
from isthmus.salesforce.filter import Filter, parse_filter
from isthmus.salesforce.query import AllOf, AnyOf, Compare, FieldPath, OneOf, soql_select
from isthmus.values import ApiName, InvalidValue

ACCOUNT = ApiName.parse("Account")
ID, NAME = FieldPath.of("Id"), FieldPath.of("Name")
STAMP = FieldPath.of("SystemModstamp")


def test_a_window_is_half_open_and_ordered():
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    soql = soql_select(
        ACCOUNT,
        [ID, FieldPath.of("Parent", "Name")],
        [Compare(STAMP, ">=", start), Compare(STAMP, "<", end)],
        order_by=[STAMP, ID],
        rows_max=10,
    )
    assert soql.reveal() == (
        "SELECT Id,Parent.Name FROM Account WHERE SystemModstamp >= 2026-01-01T00:00:00.000Z AND "
        "SystemModstamp < 2026-01-02T03:04:05.678Z ORDER BY SystemModstamp,Id LIMIT 10"
    )
    assert soql.reveal_count().startswith("SELECT COUNT() FROM Account WHERE SystemModstamp")
    assert "ORDER" not in soql.reveal_count()


def test_groups_keep_their_meaning():
    filtered = parse_filter("Type = 'a' OR Type = 'b'")
    assert isinstance(filtered, Filter)
    keyset = AnyOf([Compare(STAMP, ">", date(2026, 1, 1)), AllOf([Compare(STAMP, "=", None), Compare(ID, ">", "001")])])
    text = soql_select(ACCOUNT, [ID], [filtered, keyset, OneOf(NAME, ["x", "y'"])]).reveal()
    assert text == (
        "SELECT Id FROM Account WHERE (Type = 'a' OR Type = 'b') AND "
        "(SystemModstamp > 2026-01-01 OR (SystemModstamp = null AND Id > '001')) AND Name IN ('x','y\\'')"
    )


@pytest.mark.parametrize(
    ("value", "written"),
    [(True, "true"), (None, "null"), (5, "5"), (Decimal("1E+3"), "1000"), ("a\\b\n", "'a\\\\b\\n'")],
)
def test_a_value_is_written_as_its_type(value, written):
    assert soql_select(ACCOUNT, [ID], [Compare(NAME, "=", value)]).reveal().endswith(f"Name = {written}")


@pytest.mark.parametrize("name", ["Name'", "", "a b", "Name--", "x" * 81, "a..b", "a.b.c.d.e.f.g"])
def test_a_name_that_is_none_makes_no_path(name):
    with pytest.raises((InvalidValue, ValueError)):
        FieldPath.of(name)


@pytest.mark.parametrize("fields", [[], [ID, FieldPath.of("ID")]])
def test_no_field_and_a_field_twice_are_refused(fields):
    with pytest.raises(ValueError, match="at least one field"):
        soql_select(ACCOUNT, fields)


def test_an_instant_without_a_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        soql_select(ACCOUNT, [ID], [Compare(STAMP, "=", datetime(2026, 1, 1))])  # noqa: DTZ001 the point


def test_a_query_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="characters"):
        soql_select(ACCOUNT, [ID], [OneOf(NAME, ["x" * 1000] * 101)])


def test_a_query_shows_nothing_and_cannot_be_serialised():
    soql = soql_select(ACCOUNT, [ID], [Compare(NAME, "=", "secret")])
    assert "secret" not in f"{soql} {soql!r}"
    with pytest.raises(TypeError):
        pickle.dumps(soql)


@given(st.text(max_size=80))
def test_no_text_leaves_its_quotes(text):
    soql = soql_select(ACCOUNT, [ID], [Compare(NAME, "=", text)]).reveal()
    rendered = render_hole(Hole.SOQL, soql)
    # Refused only for characters that SOQL cannot carry; never changed.
    assert rendered in {soql, None}
    if text.isprintable():
        assert rendered == soql
