"""Parts of SOQL against slow, obvious ones: patterns, literals, comparisons, periods."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from orgsim.errors import ApiError, NotEmulated
from orgsim.org import Org, WriteContext
from orgsim.schema.model import FieldDef, ObjectDef
from orgsim.soql.like import compile_like
from orgsim.soql.parser import parse
from orgsim.soql.periods import is_period, span_of
from orgsim.soql.tokens import tokenize

WORDS = st.text(alphabet="ab%_\\'x\n", max_size=6)


@given(WORDS, WORDS)
def test_like_equals_a_slow_obvious_matcher(pattern, text):
    def matches(p: str, t: str) -> bool:
        if not p:
            return not t
        if p[0] == "%":
            return any(matches(p[1:], t[n:]) for n in range(len(t) + 1))
        return bool(t) and (p[0] == "_" or p[0] == t[0]) and matches(p[1:], t[1:])

    raw = pattern.replace("\\", "").replace("'", "")
    assert (compile_like(raw).fullmatch(text) is not None) == matches(raw, text)


@given(st.text(max_size=30))
def test_any_text_survives_the_trip_through_a_string_literal(text):
    quoted = "".join("\\" + letter if letter in "\\'" else letter for letter in text)
    token = tokenize(f"'{quoted}'")[0]
    assert (token.kind, token.text) == ("string", text)


@given(st.text(max_size=60))
def test_the_parser_refuses_or_understands_but_never_stumbles(text):
    for soql in (text, "SELECT Id FROM Account WHERE " + text, "SELECT " + text + " FROM Account"):
        try:
            parse(soql)
        except (ApiError, NotEmulated):
            continue


NUMBERS = st.lists(st.one_of(st.none(), st.integers(-5, 5)), min_size=1, max_size=12)


@given(NUMBERS, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), st.integers(-5, 5))
def test_comparisons_equal_the_obvious_ones(numbers, operator, limit):
    fields = [FieldDef("Id", "id"), FieldDef("N", "double"), FieldDef("IsDeleted", "boolean")]
    org = Org({"thing": ObjectDef("Thing", key_prefix="a00", fields=fields)})
    org.load("Thing", [{"N": None if number is None else float(number)} for number in numbers])
    compare = {"=": "__eq__", "!=": "__ne__", "<": "__lt__", "<=": "__le__", ">": "__gt__", ">=": "__ge__"}[operator]
    wanted = [n for n in numbers if (operator == "!=" if n is None else getattr(n, compare)(limit))]
    result = org.query(f"SELECT N FROM Thing WHERE N {operator} {limit}", ctx=WriteContext("005"))
    assert [row.get("N") for row in result.rows] == [None if n is None else float(n) for n in wanted]


@given(st.dates(min_value=date(1990, 1, 1), max_value=date(2100, 1, 1)), st.integers(1, 12))
def test_periods_join_without_gaps(day, start):
    now = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    for unit in ("WEEK", "MONTH", "QUARTER", "YEAR", "FISCAL_QUARTER", "FISCAL_YEAR"):
        last, this, following = (
            span_of(f"{word}_{unit}", now, fiscal_start=start) for word in ("LAST", "THIS", "NEXT")
        )
        assert last.end == this.start <= day < this.end == following.start
        ago = span_of(f"N_{unit}S_AGO:1", now, fiscal_start=start)
        assert (ago.start, ago.end) == (last.start, last.end)
    assert span_of("LAST_N_DAYS:2", now).start == day - timedelta(days=2)
    assert span_of("NEXT_N_DAYS:2", now).end == day + timedelta(days=3)
    assert not is_period("LAST_FORTNIGHT")
