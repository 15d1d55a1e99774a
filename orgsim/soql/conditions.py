"""The WHERE and HAVING part of the grammar, and expressions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from orgsim.errors import ApiError, NotEmulated
from orgsim.soql.ast import (
    Comparison,
    Condition,
    Either,
    Every,
    Expression,
    FieldPath,
    FunctionCall,
    Literal,
    Negation,
    Operator,
    Query,
    SubSelect,
)
from orgsim.soql.complaints import malformed
from orgsim.soql.periods import is_period
from orgsim.soql.tokens import TokenStream

AGGREGATES: Final = frozenset({"COUNT", "COUNT_DISTINCT", "SUM", "AVG", "MIN", "MAX"})
DATE_FUNCTIONS: Final = frozenset(
    {
        "CALENDAR_MONTH", "CALENDAR_QUARTER", "CALENDAR_YEAR", "DAY_IN_MONTH", "DAY_IN_WEEK", "DAY_IN_YEAR",
        "DAY_ONLY", "FISCAL_MONTH", "FISCAL_QUARTER", "FISCAL_YEAR", "HOUR_IN_DAY", "WEEK_IN_MONTH", "WEEK_IN_YEAR",
    }
)  # fmt: skip
SELECT_FUNCTIONS: Final = frozenset({"TOLABEL", "FORMAT", "CONVERTCURRENCY", "GROUPING"})
_NOT_EMULATED: Final = frozenset({"DISTANCE", "GEOLOCATION"})
_COMPARISONS: Final[dict[str, Operator]] = {
    "=": "=", "!=": "!=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">=", "LIKE": "LIKE",
}  # fmt: skip
DEPTH_MAX: Final = 50


def parse_path(stream: TokenStream) -> FieldPath:
    """Parse `a.b.c`."""
    first = stream.name()
    names = [first.text]
    while stream.accept("."):
        names.append(stream.name().text)
    return FieldPath(tuple(names), first.position)


def parse_expression(stream: TokenStream) -> Expression:
    """Parse a field path or a function call."""
    if stream.current.kind != "name" or stream.ahead().text != "(":
        return parse_path(stream)
    token = stream.take()
    name = token.word
    if name in _NOT_EMULATED:
        what = f"the SOQL function {name}"
        raise NotEmulated(what)
    if name not in AGGREGATES | DATE_FUNCTIONS | SELECT_FUNCTIONS | {"CONVERTTIMEZONE"}:
        raise malformed(stream.source, token.position, f"unexpected token: '{token.text}'")
    stream.expect("(")
    argument: FieldPath | FunctionCall | None = None
    if not stream.at(")"):
        inner = parse_expression(stream)
        if isinstance(inner, FunctionCall) and inner.name not in {"CONVERTTIMEZONE", *AGGREGATES, "CONVERTCURRENCY"}:
            raise malformed(stream.source, inner.position, f"unexpected token: '{inner.name}'")
        argument = inner
    elif name != "COUNT":
        raise stream.unexpected()
    stream.expect(")")
    return FunctionCall(name, argument, token.position)


class ConditionParser:
    """Recursive descent over conditions; `parse_query` parses a semi-join's inner query."""

    def __init__(self, stream: TokenStream, parse_query: Callable[[], Query]) -> None:
        self._stream = stream
        self._parse_query = parse_query
        self._depth = 0

    def parse(self) -> Condition:
        """Parse conditions up to the end of the clause; mixing AND and OR needs parentheses."""
        self._depth += 1
        if self._depth > DEPTH_MAX:
            message = "Query is either selecting too many fields or the filter conditions are too complicated."
            raise ApiError(400, "QUERY_TOO_COMPLICATED", message)
        stream = self._stream
        parts = [self._unary()]
        joined = ""
        while stream.at("AND", "OR"):
            word = stream.current.word
            if joined and word != joined:
                raise stream.unexpected()
            joined = word
            stream.take()
            parts.append(self._unary())
        self._depth -= 1
        if len(parts) == 1:
            return parts[0]
        return Every(tuple(parts)) if joined == "AND" else Either(tuple(parts))

    def _unary(self) -> Condition:
        stream = self._stream
        if stream.at("NOT"):
            stream.take()
            return Negation(self._unary())
        if stream.accept("("):
            inner = self.parse()
            stream.expect(")")
            return inner
        return self._comparison()

    def _comparison(self) -> Comparison:
        stream = self._stream
        start = stream.current.position
        left = parse_expression(stream)
        operator = self._operator()
        if operator in {"IN", "NOT IN"}:
            return Comparison(left, operator, self._set(operator), start)
        if operator in {"INCLUDES", "EXCLUDES"}:
            return Comparison(left, operator, self._list(), start)
        return Comparison(left, operator, self._literal(), start)

    def _operator(self) -> Operator:
        stream = self._stream
        word = stream.current.word
        if stream.current.kind != "end" and word in _COMPARISONS:
            stream.take()
            return _COMPARISONS[word]
        if stream.accept("IN"):
            return "IN"
        if stream.accept("INCLUDES"):
            return "INCLUDES"
        if stream.accept("EXCLUDES"):
            return "EXCLUDES"
        if stream.at("NOT") and stream.ahead().word == "IN":
            stream.take()
            stream.take()
            return "NOT IN"
        raise stream.unexpected()

    def _set(self, operator: Operator) -> tuple[Literal, ...] | SubSelect:
        del operator
        stream = self._stream
        if stream.at(":"):
            raise malformed(stream.source, stream.current.position, "Bind variables only allowed in Apex code")
        if stream.at("(") and stream.ahead().word == "SELECT":
            stream.take()
            query = self._parse_query()
            stream.expect(")")
            return SubSelect(query)
        return self._list()

    def _list(self) -> tuple[Literal, ...]:
        stream = self._stream
        stream.expect("(")
        items = [self._literal()]
        while stream.accept(","):
            items.append(self._literal())
        stream.expect(")")
        return tuple(items)

    def _literal(self) -> Literal:
        stream = self._stream
        token = stream.current
        match token.kind:
            case "string" | "number" | "date" | "datetime":
                stream.take()
                return Literal(token.kind, token.text, token.raw, token.position)
            case "name":
                return self._named_literal()
            case _ if stream.at(":"):
                raise malformed(stream.source, token.position, "Bind variables only allowed in Apex code")
            case _:
                raise stream.unexpected()

    def _named_literal(self) -> Literal:
        stream = self._stream
        token = stream.take()
        if token.word in {"TRUE", "FALSE"}:
            return Literal("boolean", token.word, "", token.position)
        if token.word == "NULL":
            return Literal("null", "", "", token.position)
        text = token.word
        if stream.at(":"):
            stream.take()
            number = stream.take()
            if number.kind != "number" or not number.text.isdigit():
                raise malformed(stream.source, number.position, f"unexpected token: '{number.text}'")
            text = f"{text}:{number.text}"
        if is_period(text):
            return Literal("period", text, "", token.position)
        if len(text) > 3 and text[:3].isalpha() and text[3:].isdigit():
            what = "currency literals in SOQL"
            raise NotEmulated(what)
        raise malformed(stream.source, token.position, f"unexpected token: '{token.text}'")
