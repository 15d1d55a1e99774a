"""From the text of an expression to its tree: a Pratt parser for a language without loops, names or effects.

    expression: literal | field | call | -x | not x | x op y | (x)
    operators, the weakest first: or · and · = != <> < <= > >= · & (joins texts) · + - · * /

The text, the number of nodes and their depth are bounded; every refusal says where and what to do.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeAlias

TEXT_MAX: Final = 2000
NODES_MAX: Final = 300
DEPTH_MAX: Final = 40
PATH_PARTS_MAX: Final = 6
NUMBER_MAX: Final = 40


class ExpressionRefused(Exception):
    """The text is no expression that can be used. `column` counts characters from 1."""

    def __init__(self, column: int, what: str, remedy: str) -> None:
        """Keep the parts; the message is `at character n: what`."""
        super().__init__(f"at character {column}: {what}")
        self.column = column
        self.what = what
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant: text, number, true, false or null."""

    at: int
    value: str | Decimal | bool | None


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the source, or of a parent: `Account.Code__c`."""

    at: int
    path: str


@dataclass(frozen=True, slots=True)
class Call:
    """A function with its arguments. Operators are calls, too; their names are their signs."""

    at: int
    name: str
    arguments: tuple[Node, ...]
    height: int = 1


Node: TypeAlias = Literal | Field | Call

_TOKEN = re.compile(
    r"(?P<blank>\s+)"
    r"|(?P<number>\d+(?:\.\d+)?(?![\w.]))"
    r"|(?P<name>[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*)"
    r"""|(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"|(?P<sign><=|>=|<>|!=|==|[-+*/&=<>(),])",
    re.DOTALL,
)
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}
_SAME: Final = {"==": "=", "<>": "!="}
_POWER: Final = {
    "or": 1,
    "and": 2,
    "=": 4,
    "!=": 4,
    "<": 4,
    "<=": 4,
    ">": 4,
    ">=": 4,
    "&": 5,
    "+": 6,
    "-": 6,
    "*": 7,
    "/": 7,
}
_COMPARING: Final = 4
_NOT_POWER: Final = 3
_MINUS_POWER: Final = 8
_CHAINED: Final = frozenset({"&", "and", "or"})
"""Of these a long chain is one call with many arguments."""
_CONSTANTS: Final = {"true": True, "false": False, "null": None}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int


def parse(text: str) -> Node:
    """Return the tree of `text`. Raises `ExpressionRefused`."""
    if len(text) > TEXT_MAX:
        raise ExpressionRefused(1, f"it is longer than {TEXT_MAX} characters", "Split it over several fields.")
    parser = _Parser(_tokens(text), len(text) + 1)
    node = parser.expression(0, DEPTH_MAX)
    parser.expect_end()
    return node


def _tokens(text: str) -> list[_Token]:
    found: list[_Token] = []
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            sign = text[place]
            if sign in "\"'":
                raise ExpressionRefused(place + 1, "the text is not closed", f"Close it with another {sign} .")
            raise ExpressionRefused(place + 1, f"{sign!r} does not belong here", "Texts stand in quotes.")
        if match.lastgroup != "blank":
            found.append(_Token(match.lastgroup or "", match[0], place + 1))
        place = match.end()
    return found


class _Parser:
    def __init__(self, tokens: list[_Token], end: int) -> None:
        self._tokens = tokens
        self._next = 0
        self._end = _Token("end", "", end)
        self._nodes = 0

    def expression(self, power: int, depth: int) -> Node:
        """Parse as long as operators bind stronger than `power`."""
        left = self._prefix(depth)
        while True:
            token = self._peek()
            name = self._operator(token)
            if name is None or _POWER[name] <= power:
                return left
            self._next += 1
            right = self.expression(_POWER[name], depth - 1)
            joined = name in _CHAINED and isinstance(left, Call) and left.name == name
            first = left.arguments if joined and isinstance(left, Call) else (left,)
            left = self._called(token.at, name, (*first, right))
            after = self._operator(self._peek())
            if _POWER[name] == _COMPARING and after is not None and _POWER[after] == _COMPARING:
                what, remedy = "comparisons cannot be chained", "Join two of them by `and`."
                raise ExpressionRefused(self._peek().at, what, remedy)

    def expect_end(self) -> None:
        token = self._peek()
        if token.kind != "end":
            what = f"{_shown(token)} was not expected"
            raise ExpressionRefused(token.at, what, "Check brackets, commas and quotes before it.")

    def _prefix(self, depth: int) -> Node:  # noqa: C901, PLR0911 - one clause per way to begin
        token = self._peek()
        if depth <= 0:
            raise ExpressionRefused(token.at, "it is nested too deeply", "Use `case(…)` instead of `if` inside `if`.")
        self._next += 1
        word = token.text.lower()
        if token.kind == "number":
            return self._made(Literal(token.at, _number(token)))
        if token.kind == "text":
            return self._made(Literal(token.at, _unquoted(token)))
        if token.text == "(":
            inner = self.expression(0, depth - 1)
            self._take(")")
            return inner
        if token.text == "-":
            return self._called(token.at, "negate", (self.expression(_MINUS_POWER, depth - 1),))
        if token.kind == "name" and self._peek().text == "(":
            return self._call(token, depth)
        if word == "not":
            return self._called(token.at, "not", (self.expression(_NOT_POWER, depth - 1),))
        if word in _CONSTANTS:
            return self._made(Literal(token.at, _CONSTANTS[word]))
        if token.kind == "name" and word not in _POWER:
            if token.text.count(".") >= PATH_PARTS_MAX:
                raise ExpressionRefused(token.at, "the path leads over too many parents", "Five are possible.")
            return self._made(Field(token.at, token.text))
        what = "something is missing here" if token.kind == "end" else f"{_shown(token)} was not expected"
        raise ExpressionRefused(token.at, what, "A field, a text in quotes, a number or a function can stand here.")

    def _call(self, token: _Token, depth: int) -> Node:
        self._next += 1
        arguments: list[Node] = []
        if self._peek().text != ")":
            arguments.append(self.expression(0, depth - 1))
            while self._peek().text == ",":
                self._next += 1
                arguments.append(self.expression(0, depth - 1))
        self._take(")")
        return self._called(token.at, token.text.lower(), tuple(arguments))

    def _called(self, at: int, name: str, arguments: tuple[Node, ...]) -> Call:
        height = 1 + max((each.height for each in arguments if isinstance(each, Call)), default=0)
        if height > DEPTH_MAX:
            raise ExpressionRefused(at, "it is nested too deeply", "Split it over several fields.")
        call = Call(at, name, arguments, height)
        self._made(call)
        return call

    def _made(self, node: Node) -> Node:
        self._nodes += 1
        if self._nodes > NODES_MAX:
            raise ExpressionRefused(node.at, f"it has more than {NODES_MAX} parts", "Split it over several fields.")
        return node

    def _operator(self, token: _Token) -> str | None:
        name = _SAME.get(token.text, token.text.lower())
        return name if token.kind in {"sign", "name"} and name in _POWER else None

    def _peek(self) -> _Token:
        return self._tokens[self._next] if self._next < len(self._tokens) else self._end

    def _take(self, sign: str) -> None:
        token = self._peek()
        if token.text != sign or token.kind != "sign":
            raise ExpressionRefused(token.at, f"`{sign}` is missing here", "Check brackets and commas before it.")
        self._next += 1


def _number(token: _Token) -> Decimal:
    if len(token.text) > NUMBER_MAX:
        raise ExpressionRefused(token.at, "the number is too long", f"Use at most {NUMBER_MAX} digits.")
    return Decimal(token.text)


def _unquoted(token: _Token) -> str:
    parts: list[str] = []
    place, inner = 0, token.text[1:-1]
    while place < len(inner):
        if inner[place] == "\\":
            escaped = inner[place + 1]
            if escaped not in _ESCAPES:
                what = (
                    f"`\\{escaped}` stands for nothing" if escaped.isprintable() else "a backslash stands for nothing"
                )
                raise ExpressionRefused(token.at + place + 1, what, "Write a backslash twice, or use \\n, \\t, \\r.")
            parts.append(_ESCAPES[escaped])
            place += 2
        else:
            parts.append(inner[place])
            place += 1
    return "".join(parts)


def _shown(token: _Token) -> str:
    return f"`{token.text[:20]}`" if token.kind != "text" else "a text"
