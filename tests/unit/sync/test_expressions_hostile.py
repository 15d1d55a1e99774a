"""Whatever a person saves as an expression, and whatever a row holds: bounded, and refused or failed in good order."""

from __future__ import annotations

import sys
import tracemalloc
from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.sync.flow.expressions.functions import WORK_CHARS_MAX, Row
from isthmus.sync.flow.expressions.program import FUNCTIONS, compiled, run
from isthmus.sync.flow.expressions.syntax import DEPTH_MAX, NODES_MAX, TEXT_MAX, ExpressionRefused
from isthmus.sync.flow.expressions.values import TEXT_CHARS_MAX, Failed, Type, Value, text_of, value_of

LONG = "a" * TEXT_CHARS_MAX


def field_type(path: str) -> tuple[str, Type]:
    return path.lower(), {"t": Type.TEXT, "n": Type.NUMBER, "d": Type.DATE, "i": Type.DATETIME}.get(path, Type.TEXT)


@pytest.mark.parametrize(
    "text",
    [
        "(" * TEXT_MAX,
        "(" * 900 + "1" + ")" * 900,
        "-" * 1999 + "1",
        "not " * 499 + "true",
        "upper(" * 300 + "t" + ")" * 300,
        "if(true," * 200 + "1" + ",1)" * 200,
        "+".join(["1"] * 1000),
        "=".join(["1"] * 1000),
        "1" * 1999,
        "9" * 41,
        "'" + "\\" * 1997,
        "concat(" + ",".join(["t"] * 900) + ")",
        "&".join(["t"] * 900),
        "t" * (TEXT_MAX + 1),
        ".".join(["a"] * 900),
        "\0",
        "t\u2028+\u202e1",
        "format(d, '" + "D" * 61 + "')",
    ],
    ids=lambda text: text[:12],
)
def test_an_expression_beyond_the_bounds_is_refused(text: str) -> None:
    with pytest.raises(ExpressionRefused) as refused:
        compiled(text, field_type)
    assert refused.value.remedy


def test_the_largest_expressions_run_within_few_frames() -> None:
    """Deep nesting must never end as an overflow of Python's stack: the mover's own frames come on top."""
    deepest = "upper(" * (DEPTH_MAX - 1) + "t" + ")" * (DEPTH_MAX - 1)
    widest = "&".join(["t"] * (NODES_MAX // 2))
    left, limit = 200, sys.getrecursionlimit()
    frame, depth = sys._getframe(), 0
    while frame is not None:
        frame, depth = frame.f_back, depth + 1
    programs = [compiled(text, field_type) for text in (deepest, widest)]
    sys.setrecursionlimit(depth + left)
    try:
        assert [run(program, ["x"]) for program in programs] == ["X", "x" * (NODES_MAX // 2)]
    finally:
        sys.setrecursionlimit(limit)


@pytest.mark.parametrize(
    "text",
    [
        "replace(t, 'a', t)",
        "replace(replace(t, 'a', 'aa'), 'a', 'aa')",
        "t & t",
        "concat(t, t, t)",
        "upper(replace(t, 'a', 'ß'))",
        "&".join(["t"] * 100),
        "length(" + "replace(" * 30 + "'a'" + ",'a','aaaaaaaa')" * 30 + ")",
        "n * n * n * n * n * n * n * n * n * n",
        "1 / n / n / n / n / n / n / n / n / n / n",
        "add_days(d, n)",
        "add_months(d, n)",
        "add_hours(i, n)",
    ],
)
def test_a_value_beyond_the_bounds_fails_its_row(text: str) -> None:
    program = compiled(text, field_type)
    inputs: dict[str, Value] = {
        "t": LONG,
        "n": Decimal("9" * 18),
        "d": value_of("2026-01-01", Type.DATE),
        "i": value_of("2026-01-01T00:00:00Z", Type.DATETIME),
    }
    with pytest.raises(Failed):
        run(program, [inputs[name] for name in program.inputs])


def test_the_work_for_one_row_is_bounded_however_it_is_spread() -> None:
    many = "&".join(["length(replace(t, 'b', 'c'))"] * 45)
    program = compiled(many, field_type)
    row = Row([LONG])
    with pytest.raises(Failed):
        program.run(row)
    assert row.left < 0
    short = Row(["a" * 1000])
    program.run(short)
    assert WORK_CHARS_MAX - short.left < 45 * 5 * 1000


def test_padding_goes_up_to_the_longest_text_and_no_further() -> None:
    found = run(compiled("pad(t, n)", field_type), ["x", Decimal(10**17)])
    assert isinstance(found, str)
    assert len(found) == TEXT_CHARS_MAX


def test_memory_stays_near_the_longest_text() -> None:
    programs = [compiled(text, field_type) for text in ("replace(t, 'a', t)", "part(t, 'a', 1)", "includes(t, 'b')")]
    tracemalloc.start()
    try:
        for program in programs:
            try:
                run(program, [LONG])
            except Failed:
                continue
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 100 * TEXT_CHARS_MAX


@given(text=st.text(max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    try:
        compiled(text, field_type)
    except ExpressionRefused as refused:
        assert 1 <= refused.column <= len(text) + 1  # noqa: PT017 - either outcome is fine


WORDS = st.sampled_from(
    [
        *FUNCTIONS,
        "if",
        "case",
        "t",
        "n",
        "d",
        "i",
        "null",
        "true",
        "1",
        "0.5",
        "'x'",
        "'UTC'",
        "'YYYY'",
        "(",
        ")",
        ",",
        "and",
    ]
)


@given(words=st.lists(WORDS, max_size=25))
@settings(max_examples=150, deadline=None)
def test_any_jumble_of_words_is_an_expression_or_refused(words: list[str]) -> None:
    try:
        compiled(" ".join(words), field_type)
    except ExpressionRefused:
        return


def leaf(kind: Type) -> st.SearchStrategy[str]:
    names = {Type.TEXT: ["t", "'x'", "'2026-01-01'", "''"], Type.NUMBER: ["n", "0", "-1", "0.5", "18"]}
    names |= {Type.DATE: ["d"], Type.DATETIME: ["i"], Type.BOOLEAN: ["true", "n = 1"]}
    return st.sampled_from([*names[kind], "null"])


def call(kind: Type, inner: Callable[[Type], st.SearchStrategy[str]]) -> st.SearchStrategy[str]:
    fixed = {"zone": "'Europe/Berlin'", "format": "'DD.MM.YYYY HH:mm'", "parsed format": "'DD.MM.YYYY'"}
    forms = [
        (name, form)
        for name, every in FUNCTIONS.items()
        for form in every
        if form.gives is kind and name.isidentifier()
    ]

    def written(chosen: int) -> st.SearchStrategy[str]:
        name, form = forms[chosen % len(forms)]
        if name == "negate":
            return inner(Type.NUMBER).map("-({})".format)
        arguments = [st.just(fixed[takes]) if takes in fixed else inner(Type(takes)) for takes in form.takes]
        return st.tuples(*arguments).map(lambda given: f"{name}({', '.join(given)})")

    choice = st.tuples(inner(Type.BOOLEAN), inner(kind), inner(kind)).map(lambda given: "if({}, {}, {})".format(*given))
    return st.one_of(choice, st.integers(0, len(forms) - 1).flatmap(written)) if forms else choice


def expressions(kind: Type, depth: int = 3) -> st.SearchStrategy[str]:
    if depth == 0:
        return leaf(kind)
    return st.one_of(leaf(kind), call(kind, lambda inner: expressions(inner, depth - 1)))


ROWS = st.fixed_dictionaries(
    {
        "t": st.one_of(
            st.none(),
            st.text(min_size=1, max_size=30),
            st.sampled_from(("31.12.2025", "1e5", "İ", "ﬁ", "\ud7ff", LONG)),
        ),
        "n": st.one_of(
            st.none(),
            st.decimals(allow_nan=False, allow_infinity=False, places=6, min_value=-(10**12), max_value=10**12),
        ),
        "d": st.one_of(st.none(), st.dates()),
        "i": st.one_of(st.none(), st.datetimes(timezones=st.timezones())),
    }
)


@given(
    text=st.sampled_from([kind for kind in Type if kind not in {Type.TIME, Type.NULL}]).flatmap(expressions), row=ROWS
)
@settings(max_examples=250, deadline=None)
def test_what_the_types_admit_gives_a_value_of_its_type_or_fails(text: str, row: dict[str, Value]) -> None:
    """No exception but `Failed`, no value of another type, no value that cannot be written."""
    try:
        program = compiled(text, field_type)
    except ExpressionRefused:
        assert "null" in text
        return
    try:
        value = run(program, [row[name] for name in program.inputs])
        written = text_of(value)
    except Failed:
        return
    if value is not None:
        assert value_of(written, program.type) is not None
