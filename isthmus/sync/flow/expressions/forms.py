"""What takes arguments of several types, or does not look at all of them: conditions, comparisons, joining of texts.

A condition that is null counts as false. `=` and `!=` know null as a value; `<`, `<=`, `>`, `>=` with null are false.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from isthmus.sync.flow.expressions.functions import Row, Run
from isthmus.sync.flow.expressions.syntax import Call, ExpressionRefused, Node
from isthmus.sync.flow.expressions.values import TEXT_CHARS_MAX, Failed, Type, Value, text_of


@dataclass(frozen=True, slots=True)
class Checked:
    """A part of a program whose type is settled."""

    type: Type
    run: Run


Form: TypeAlias = Callable[[Call, Sequence[Checked]], Checked]


def _if(node: Call, given: Sequence[Checked]) -> Checked:
    _count(node, given, 2, 3, "if(condition, then, [else])")
    _condition(node.arguments[0], given[0])
    then, other = given[1], given[2] if len(given) > 2 else Checked(Type.NULL, lambda _: None)  # noqa: PLR2004 - the third
    kind = _same(node, given[1:], 1)
    test, yes, no = given[0].run, then.run, other.run
    return Checked(kind, lambda row: yes(row) if test(row) else no(row))


def _case(node: Call, given: Sequence[Checked]) -> Checked:
    """`case(value, a, x, b, y, …, [else])`: what stands beside the first equal one."""
    _count(node, given, 3, None, "case(value, a, x, [b, y, …], [else])")
    pairs = (len(given) - 1) // 2
    keys = [given[1 + 2 * n] for n in range(pairs)]
    results = [given[2 + 2 * n] for n in range(pairs)]
    rest = given[-1] if len(given) % 2 == 0 else Checked(Type.NULL, lambda _: None)
    _same(node, [given[0], *keys], 0, [0, *(1 + 2 * n for n in range(pairs))])
    kind = _same(node, [*results, rest], 2, [*(2 + 2 * n for n in range(pairs)), len(given) - 1])
    value, other = given[0].run, rest.run
    found = [(key.run, result.run) for key, result in zip(keys, results, strict=True)]

    def run(row: Row) -> Value:
        wanted = value(row)
        for key, result in found:
            if key(row) == wanted:
                return result(row)
        return other(row)

    return Checked(kind, run)


def _coalesce(node: Call, given: Sequence[Checked]) -> Checked:
    _count(node, given, 1, None, "coalesce(a, b, …)")
    kind = _same(node, given, 0)
    runs = [each.run for each in given]

    def run(row: Row) -> Value:
        for each in runs:
            value = each(row)
            if value is not None:
                return value
        return None

    return Checked(kind, run)


def _is_blank(node: Call, given: Sequence[Checked]) -> Checked:
    _count(node, given, 1, 1, "is_blank(value)")
    value = given[0].run
    return Checked(Type.BOOLEAN, lambda row: value(row) is None)


def _null_if(node: Call, given: Sequence[Checked]) -> Checked:
    _count(node, given, 2, 2, "null_if(value, unwanted)")
    kind = _same(node, given, 0)
    value, unwanted = given[0].run, given[1].run

    def run(row: Row) -> Value:
        found = value(row)
        return None if found == unwanted(row) else found

    return Checked(kind, run)


def _one_of(node: Call, given: Sequence[Checked]) -> Checked:
    _count(node, given, 2, None, "one_of(value, a, b, …)")
    _same(node, given, 0)
    value, others = given[0].run, [each.run for each in given[1:]]

    def run(row: Row) -> Value:
        found = value(row)
        return any(each(row) == found for each in others)

    return Checked(Type.BOOLEAN, run)


def _and(node: Call, given: Sequence[Checked]) -> Checked:
    _conditions(node, given)
    runs = [each.run for each in given]
    return Checked(Type.BOOLEAN, lambda row: all(each(row) for each in runs))


def _or(node: Call, given: Sequence[Checked]) -> Checked:
    _conditions(node, given)
    runs = [each.run for each in given]
    return Checked(Type.BOOLEAN, lambda row: any(each(row) for each in runs))


def _not(node: Call, given: Sequence[Checked]) -> Checked:
    _count(node, given, 1, 1, "not(condition)")
    _condition(node.arguments[0], given[0])
    value = given[0].run
    return Checked(Type.BOOLEAN, lambda row: not value(row))


def _concat(node: Call, given: Sequence[Checked]) -> Checked:
    """Join texts; null is nothing, and what is no text is written as `text` writes it."""
    _count(node, given, 1, None, "concat(a, b, …)")
    runs = [each.run for each in given]

    def run(row: Row) -> Value:
        parts = [text_of(each(row)) or "" for each in runs]
        chars = sum(map(len, parts))
        if chars > TEXT_CHARS_MAX:
            raise Failed
        row.spend(chars)
        return "".join(parts) or None

    return Checked(Type.TEXT, run)


def _text(node: Call, given: Sequence[Checked]) -> Checked:
    _count(node, given, 1, 1, "text(value)")
    value = given[0].run
    return Checked(Type.TEXT, lambda row: text_of(value(row)))


def _comparison(compare: Callable[[Any, Any], bool], *, ordered: bool) -> Form:
    def form(node: Call, given: Sequence[Checked]) -> Checked:
        kind = _same(node, given, 0)
        if ordered and kind is Type.BOOLEAN:
            raise ExpressionRefused(node.at, f"`{node.name}` does not compare booleans", "Use `=`, `and`, `or`, `not`.")
        left, right = given[0].run, given[1].run

        def run(row: Row) -> Value:
            one, other = left(row), right(row)
            if ordered and (one is None or other is None):
                return False
            if isinstance(one, str):
                row.spend(len(one))
            return compare(one, other)

        return Checked(Type.BOOLEAN, run)

    return form


FORMS: Final[Mapping[str, Form]] = {
    "if": _if,
    "case": _case,
    "coalesce": _coalesce,
    "is_blank": _is_blank,
    "null_if": _null_if,
    "one_of": _one_of,
    "and": _and,
    "or": _or,
    "not": _not,
    "concat": _concat,
    "&": _concat,
    "text": _text,
    "=": _comparison(operator.eq, ordered=False),
    "!=": _comparison(operator.ne, ordered=False),
    "<": _comparison(operator.lt, ordered=True),
    "<=": _comparison(operator.le, ordered=True),
    ">": _comparison(operator.gt, ordered=True),
    ">=": _comparison(operator.ge, ordered=True),
}


def _count(node: Call, given: Sequence[Checked], least: int, most: int | None, shown: str) -> None:
    if len(given) < least or (most is not None and len(given) > most):
        raise ExpressionRefused(node.at, f"`{node.name}` has another number of arguments", f"Write `{shown}`.")


def _condition(node: Node, given: Checked) -> None:
    if given.type not in {Type.BOOLEAN, Type.NULL}:
        what = f"a condition is true or false, not a {given.type.value}"
        raise ExpressionRefused(node.at, what, "Compare it with something, or use `is_blank(…)`.")


def _conditions(node: Call, given: Sequence[Checked]) -> None:
    _count(node, given, 1, None, f"{node.name}(a, b, …)")
    for argument, each in zip(node.arguments, given, strict=True):
        _condition(argument, each)


def _same(node: Call, given: Sequence[Checked], first: int, places: Sequence[int] | None = None) -> Type:
    """Return the one type of `given`, which stand from argument `first` on or at `places`."""
    kind = Type.NULL
    for number, each in enumerate(given):
        if each.type is Type.NULL:
            continue
        if kind is Type.NULL:
            kind = each.type
        elif each.type is not kind:
            place = places[number] if places is not None else first + number
            what = f"this is a {each.type.value}, but what it goes with is a {kind.value}"
            raise ExpressionRefused(node.arguments[place].at, what, "Give both the same type, with `text(…)` perhaps.")
    return kind
