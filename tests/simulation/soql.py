"""Just enough SOQL for a simulated org: SELECT, COUNT(), comparisons, AND, OR, IN, ORDER BY stamp."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeAlias

from tests.simulation.org import Row, SimOrg

Test: TypeAlias = Callable[[Row], bool]
Cell: TypeAlias = str | int | None

_SHAPE = re.compile(
    r"SELECT (?P<select>.+?) FROM (?P<name>\w+)(?: WHERE (?P<where>.+?))?(?: ORDER BY (?P<order>[\w, ]+))?$", re.DOTALL
)
_TOKEN = re.compile(r"\s*('(?:[^'\\]|\\.)*'|\d{4}-\d\d-\d\dT[\d:.]+Z|[\w.]+|<=|>=|!=|<>|[=<>(),])")


class NotModelled(AssertionError):
    """The simulated org does not know this: the simulation must learn it."""


@dataclass(frozen=True)
class Query:
    """A query that has been understood."""

    name: str
    select: tuple[str, ...]
    counts: bool
    test: Test
    ordered: bool


def understood(text: str) -> Query:
    """Return the query. Raises `NotModelled`."""
    found = _SHAPE.match(text)
    if found is None:
        raise NotModelled(text)
    select = tuple(part.strip() for part in found["select"].split(","))
    test = _Reader(found["where"]).whole() if found["where"] else _everything
    return Query(found["name"], select, found["select"] == "COUNT()", test, found["order"] is not None)


def answer(org: SimOrg, query: Query, *, deleted: bool = False) -> list[Row]:
    """Return the rows, in order; `deleted` also looks into the recycle bin."""
    known = org.tables[query.name].values() if deleted else org.live(query.name)
    rows = [row for row in known if query.test(row)]
    return sorted(rows, key=lambda row: (row.stamp, row.id)) if query.ordered else rows


def cell(row: Row, name: str) -> Cell:
    """Return one field of a row."""
    if name == "Id":
        return row.id
    if name == "SystemModstamp":
        return row.stamp
    if name == "IsDeleted":
        return str(row.deleted_at is not None).lower()
    return row.fields.get(name)


def milliseconds(text: str) -> int:
    """Return an instant as the org counts it."""
    moment = datetime.fromisoformat(text)
    return int(moment.timestamp()) * 1000 + moment.microsecond // 1000


def instant(stamp: int) -> str:
    """Return how JSON shows a time."""
    return datetime.fromtimestamp(stamp // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{stamp % 1000:03d}+0000"


def _everything(_row: Row) -> bool:
    return True


class _Reader:
    """Reads a condition from left to right."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        if "".join(self._tokens) != re.sub(r"\s+(?=(?:[^']*'[^']*')*[^']*$)", "", text):
            raise NotModelled(text)
        self._place = 0

    def whole(self) -> Test:
        test = self._any()
        if self._place != len(self._tokens):
            raise NotModelled(" ".join(self._tokens))
        return test

    def _any(self) -> Test:
        tests = [self._all()]
        while self._next_is("OR"):
            tests.append(self._all())
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def _all(self) -> Test:
        tests = [self._one()]
        while self._next_is("AND"):
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def _one(self) -> Test:
        if self._next_is("("):
            inner = self._any()
            self._demand(")")
            return inner
        name, operator = self._take(), self._take()
        if operator == "IN":
            self._demand("(")
            values = [self._value()]
            while self._next_is(","):
                values.append(self._value())
            self._demand(")")
            wanted = frozenset(values)
            return lambda row: cell(row, name) in wanted
        return _compared(name, operator, self._value())

    def _value(self) -> Cell:
        token = self._take()
        if token.startswith("'"):
            return re.sub(r"\\(.)", r"\1", token[1:-1])
        if token == "null":
            return None
        if token in {"true", "false"}:
            return token
        return milliseconds(token) if "T" in token else int(token)

    def _take(self) -> str:
        self._place += 1
        return self._tokens[self._place - 1]

    def _next_is(self, word: str) -> bool:
        there = self._place < len(self._tokens) and self._tokens[self._place] == word
        self._place += there
        return there

    def _demand(self, word: str) -> None:
        if not self._next_is(word):
            raise NotModelled(" ".join(self._tokens))


def _compared(name: str, operator: str, value: Cell) -> Test:
    match operator:
        case "=":
            return lambda row: cell(row, name) == value
        case "!=" | "<>":
            return lambda row: cell(row, name) != value
        case ">=":
            return lambda row: _number(row, name) >= _as_number(value)
        case ">":
            return lambda row: _number(row, name) > _as_number(value)
        case "<":
            return lambda row: _number(row, name) < _as_number(value)
        case "<=":
            return lambda row: _number(row, name) <= _as_number(value)
        case _:
            raise NotModelled(operator)


def _number(row: Row, name: str) -> int:
    return _as_number(cell(row, name))


def _as_number(value: Cell) -> int:
    if not isinstance(value, int):
        raise NotModelled(str(value))
    return value
