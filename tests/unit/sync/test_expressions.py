"""The expression language: what is refused and where, what it means at the edges. Its examples are in the docs' test."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from isthmus.sync.flow.expressions.program import UnknownField, compiled, run
from isthmus.sync.flow.expressions.syntax import ExpressionRefused
from isthmus.sync.flow.expressions.values import Failed, Type, Value, text_of, value_of

FIELDS: dict[str, tuple[Type, Value]] = {
    "Name": (Type.TEXT, "Straße 7"),
    "Amount": (Type.NUMBER, Decimal("12.345")),
    "Close": (Type.DATE, date(2024, 2, 29)),
    "At": (Type.DATETIME, datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
    "Ok": (Type.BOOLEAN, True),
    "Nothing": (Type.TEXT, None),
    "NoNumber": (Type.NUMBER, None),
}


def field_type(path: str) -> tuple[str, Type]:
    for name, (kind, _) in FIELDS.items():
        if name.casefold() == path.casefold():
            return name, kind
    what, remedy = f"there is no field {path}", "Check the name."
    raise UnknownField(what, remedy)


def value(expression: str) -> str | None:
    program = compiled(expression, field_type)
    return text_of(run(program, [FIELDS[name][1] for name in program.inputs]))


@pytest.mark.parametrize(
    ("expression", "column", "says", "remedy"),
    [
        ("Name +", 7, "something is missing here", "can stand here"),
        ('Name & "x', 8, "the text is not closed", "Close it"),
        ("left(Amount, 2)", 6, "`left` takes a text here, not a number", "text("),
        ("Amount + Name", 10, "`+` takes a number here, not a text", "number("),
        ("add_days(At, Name)", 14, "takes a number here", "number("),
        ("days_between(At, Close)", 14, "takes a date here, not a datetime", "date(…,"),
        ("year(At)", 1, "`year` of a datetime has another number of arguments", '`year(datetime, "zone")`'),
        ("if(Name, 1, 2)", 4, "a condition is true or false, not a text", "is_blank"),
        ("if(Ok, 1, Name)", 11, "this is a text, but what it goes with is a number", "same type"),
        ("case(Amount, 1, 'a', 'b', 'c')", 22, "this is a text, but", "same type"),
        ("coalesce(Name, Close)", 16, "this is a date", "same type"),
        ("Close = Name", 9, "this is a text", "same type"),
        ("Ok < true", 4, "does not compare booleans", "`=`"),
        ("1 < 2 < 3", 7, "comparisons cannot be chained", "`and`"),
        ("upperr(Name)", 1, "there is no function `upperr`", "Did you mean `upper`?"),
        ("eval('1')", 1, "there is no function `eval`", ""),
        ("Nam", 1, "there is no field Nam", "Check the name."),
        ("upper()", 1, "another number of arguments", "`upper(text)`"),
        ("left(Name, 1, 2)", 1, "another number of arguments", "`left(text, number)`"),
        ("hour(At, 'Mars/Olympus')", 10, "there is no time zone 'Mars/Olympus'", "Europe/Berlin"),
        ("hour(At, '../../etc/passwd')", 10, "there is no time zone", "Europe/Berlin"),
        ("hour(At, Name)", 10, "takes a time zone in quotes", "hour("),
        ("format(Close, 'DD.QQ')", 15, "letters that stand for nothing", "DD.MM.YYYY"),
        ("date(Name, 'DD.MM')", 12, "needs YYYY, MM and DD", "DD.MM.YYYY"),
        ("date(Name, 'DD.DD.MM.YYYY')", 12, "twice", "DD.MM.YYYY"),
        ("date(Name, 'D MMM YYYY')", 12, "`MMM` can be written, but not read", "DD.MM.YYYY"),
        ("(1 + 2", 7, "`)` is missing here", "brackets"),
        ("1 2", 3, "`2` was not expected", "brackets"),
        ("Name; Amount", 5, "';' does not belong here", "quotes"),
        ("12abc", 1, "'1' does not belong here", "quotes"),
        (r"'\x41'", 2, "stands for nothing", "backslash"),
        ("__import__('os')", 1, "'_' does not belong here", "quotes"),
        ("Name.__class__", 5, "'.' does not belong here", "quotes"),
        ("[x for x in Name]", 1, "'[' does not belong here", "quotes"),
        ("and", 1, "`and` was not expected", "can stand here"),
        ("", 1, "something is missing here", "can stand here"),
        ("a.b.c.d.e.f.g", 1, "too many parents", "Five"),
    ],
)
def test_a_fault_is_named_by_character_and_remedy(expression: str, column: int, says: str, remedy: str) -> None:
    with pytest.raises(ExpressionRefused) as refused:
        compiled(expression, field_type)
    assert refused.value.column == column
    assert says in refused.value.what
    assert remedy in refused.value.remedy
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("1 + 2 * 3 - 4 / 2", "5"),
        ("-2 * -3", "6"),
        ("2 - 3 - 4", "-5"),
        ("not Ok or Ok and Ok", "true"),
        ("not (Ok or Ok)", "false"),
        ("not Nothing = null", "false"),
        ('"a" & 1 + 1 & "b"', "a2b"),
        ('"a" & "b" = "ab"', "true"),
        ("'it\\'s' & \"\\n\\t\\\"\"", "it's\n\t\""),
        ("0.1 + 0.2", "0.3"),
        ("0.1 + 0.2 = 0.3", "true"),
        ("round(0.5) & round(-0.5) & round(1.5)", "1-12"),
        ("round(2.675, 2)", "2.68"),
        ("10000000000 * 10000000", "100000000000000000"),
        ("1.10 & ''", "1.1"),
        ("0 * -1", "0"),
        ("upper(Name)", "STRASSE 7"),
        ("proper('ÉLAN o\u2019neil mc-donald')", "Élan O\u2019neil Mc-Donald"),
        ("length('𝄞é')", "2"),
        ("left('𝄞x', 1)", "𝄞"),
        ("left(Name, -1)", None),
        ("substring(Name, 100)", None),
        ("right(Name, 0)", None),
        ("trim('\u00a0 ')", None),
        ("is_blank('')", "true"),
        ("Nothing & NoNumber", None),
        ("Nothing = ''", "true"),
        ("NoNumber + 1", None),
        ("NoNumber > 1 or NoNumber <= 1", "false"),
        ("if(NoNumber > 1, 'a', 'b')", "b"),
        ("coalesce(null, null)", None),
        ("if(false, 1/0, 2)", "2"),
        ("Ok or 1/0 = 1", "true"),
        ("case(Nothing, null, 'empty', 'full')", "empty"),
        ("case('b', 'a', 1, 'b', 2)", "2"),
        ("case('z', 'a', 1, 'b', 2)", None),
        ("max(1, 3, 2) - min(1, 3, 2)", "2"),
        ("replace(Nothing, 'a', 'b')", None),
        ("replace('aaa', 'a', '')", None),
        ("datetime(date('2026-10-25'), '02:30', 'Europe/Berlin')", "2026-10-25T00:30:00.000Z"),  # twice: the first
        ("datetime(date('2026-03-29'), '02:30', 'Europe/Berlin')", "2026-03-29T01:30:00.000Z"),  # never
        ("format(At, 'HH:mm', 'Europe/Berlin') & format(add_hours(At, 1), 'HH:mm', 'Europe/Berlin')", "02:3002:30"),
        ("date(At, 'Pacific/Kiritimati')", "2026-10-25"),
        ("add_months(date('2024-01-31'), 1)", "2024-02-29"),
        ("add_months(date('2024-03-31'), -13)", "2023-02-28"),
        ("format(datetime('2026-01-01T00:00:00Z'), 'h A H', 'UTC')", "12 AM 0"),
        ("text(date('0001-01-01'))", "0001-01-01"),
        ("number('1e3')", "1000"),
        ("includes('a;b', 'a;b')", "false"),
    ],
)
def test_what_it_means(expression: str, expected: str | None) -> None:
    assert value(expression) == expected


@pytest.mark.parametrize(
    "expression",
    [
        "1 / 0",
        "mod(1, 0)",
        "number(Name)",
        "number('NaN')",
        "number('Infinity')",
        "number('1_000')",
        "number('\uff11')",
        "date(Name)",
        "date('2026-02-30')",
        "date('2026-1-1')",
        "date('20260101')",
        "datetime('2026-01-01T00:00:00')",
        "datetime(Close, '25:00', 'UTC')",
        "add_days(date('9999-12-31'), 1)",
        "add_years(Close, 10000)",
        "add_days(Close, 0.5)",
        "left(Name, 1.5)",
        "round(1, 100)",
        "pad(Name, 20, 'ab')",
        "part(Name, ' ', 0)",
    ],
)
def test_a_row_without_a_value_fails_by_itself(expression: str) -> None:
    with pytest.raises(Failed) as failed:
        value(expression)
    assert "Straße" not in repr(failed.value) + str(failed.value)


@pytest.mark.parametrize(
    ("raw", "kind", "expected"),
    [
        ("2026-01-31T10:11:12.000+0000", Type.DATETIME, "2026-01-31T10:11:12.000Z"),
        ("2026-01-31T10:11:12.5Z", Type.DATETIME, "2026-01-31T10:11:12.500Z"),
        ("10:11:12.000Z", Type.TIME, "10:11:12.000Z"),
        (Decimal("1E+3"), Type.NUMBER, "1000"),
        ("1.0E7", Type.NUMBER, "10000000"),
        (5, Type.NUMBER, "5"),
        (0.1, Type.NUMBER, "0.1"),
        ("true", Type.BOOLEAN, "true"),
        (False, Type.BOOLEAN, "false"),
        ("", Type.TEXT, None),
        (None, Type.DATE, None),
    ],
)
def test_both_paths_give_the_same_values(raw: object, kind: Type, expected: str | None) -> None:
    assert text_of(value_of(raw, kind)) == expected


def test_a_program_says_what_it_reads_and_which_zones_it_needs() -> None:
    program = compiled("if(amount > 1, format(AT, 'HH', 'Asia/Tokyo'), name & NAME)", field_type)
    assert program.inputs == ("Amount", "At", "Name")
    assert program.zones == ("Asia/Tokyo",)
    assert program.type is Type.TEXT
