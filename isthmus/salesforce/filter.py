"""A person's own `where` text, parsed token by token and written again by us: what we do not understand is refused.

Grammar (SOQL's WHERE without sub-selects, functions and clauses after it):
condition = and-chain | or-chain of terms (mixing them needs parentheses, as in SOQL) · term = NOT term |
`(` condition `)` | path operator literal | path [NOT] IN list | path INCLUDES/EXCLUDES list.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

FILTER_LENGTH_MAX: Final = 20_000
STRING_LENGTH_MAX: Final = 4_000
"""Salesforce's own limit for a string in WHERE."""
DEPTH_MAX: Final = 30
PATH_PARTS_MAX: Final = 6

_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n]+)
    |(?P<string>'(?:[^'\\\x00-\x1f]|\\(?:[nNrRtTbBfF"'\\_%]|u[0-9A-Fa-f]{4}))*')
    |(?P<instant>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,3})?(?:Z|[+-]\d{2}:?\d{2})(?![A-Za-z0-9_]))
    |(?P<date>\d{4}-\d{2}-\d{2}(?![A-Za-z0-9_]))
    |(?P<number>[+-]?\d{1,18}(?:\.\d{1,18})?(?![A-Za-z0-9_.]))
    |(?P<name>[A-Za-z][A-Za-z0-9_]{0,79}(?:\.[A-Za-z][A-Za-z0-9_]{0,79})*(?:\:\d{1,5})?)
    |(?P<operator><=|>=|!=|<>|=|<|>)
    |(?P<mark>[(),])""",
    re.VERBOSE,
)
_KEYWORDS: Final = frozenset({"AND", "OR", "NOT", "IN", "LIKE", "INCLUDES", "EXCLUDES", "NULL", "TRUE", "FALSE"})
_REFUSED_WORDS: Final = frozenset(
    "SELECT FROM WHERE WITH GROUP HAVING ORDER LIMIT OFFSET FOR UPDATE USING ALL TYPEOF".split()
)
_DATE_WORDS: Final = frozenset({"YESTERDAY", "TODAY", "TOMORROW"}) | {
    f"{when}_{unit}"
    for when in ("LAST", "THIS", "NEXT")
    for unit in ("WEEK", "MONTH", "QUARTER", "YEAR", "FISCAL_QUARTER", "FISCAL_YEAR", "90_DAYS")
}
_DATE_COUNTS: Final = frozenset(
    form.format(unit)
    for unit in ("DAYS", "WEEKS", "MONTHS", "QUARTERS", "YEARS", "FISCAL_QUARTERS", "FISCAL_YEARS")
    for form in ("LAST_N_{}", "NEXT_N_{}", "N_{}_AGO")
)


@dataclass(frozen=True, slots=True)
class Filter:
    """A parsed condition. `text` is our own writing of it; `fields` the dotted paths that occur in it, as written."""

    text: str
    fields: tuple[str, ...]

    def __repr__(self) -> str:
        """Show which fields, never the values."""
        return f"<Filter on {', '.join(self.fields)}>"


@dataclass(frozen=True, slots=True)
class FilterRefused:
    """Why a text is no condition. `position` counts characters from 0; `why` is a fixed sentence."""

    position: int
    why: str


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    position: int


class _Refusal(Exception):
    def __init__(self, position: int, why: str) -> None:
        super().__init__(why)
        self.position = position
        self.why = why


def parse_filter(unverified_text: str) -> Filter | FilterRefused:
    """Parse names, literals, comparisons, IN, LIKE, INCLUDES, EXCLUDES, NOT, AND, OR, parentheses, date literals."""
    if len(unverified_text) > FILTER_LENGTH_MAX:
        return FilterRefused(FILTER_LENGTH_MAX, "the filter is longer than 20,000 characters")
    try:
        parser = _Parser(_tokens(unverified_text))
        text = parser.condition(0)
        parser.expect_end()
    except _Refusal as refusal:
        return FilterRefused(refusal.position, refusal.why)
    return Filter(text, tuple(dict.fromkeys(parser.fields)))


def _tokens(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or match.lastgroup is None:
            why = (
                "an unfinished or wrongly escaped string"
                if text[position] == "'"
                else "a character that has no place here"
            )
            raise _Refusal(position, why)
        if match.lastgroup == "string" and len(match[0]) > STRING_LENGTH_MAX + 2:
            raise _Refusal(position, "a string of more than 4,000 characters")
        if match.lastgroup != "space":
            tokens.append(_Token(match.lastgroup, match[0], position))
        position = match.end()
    tokens.append(_Token("end", "", len(text)))
    return tokens


class _Parser:
    """Recursive descent; each method returns the text of what it read, written again."""

    def __init__(self, tokens: list[_Token]) -> None:
        self.fields: list[str] = []
        self._tokens = tokens
        self._next = 0

    def condition(self, depth: int) -> str:
        if depth > DEPTH_MAX:
            raise _Refusal(self._token.position, "parentheses are nested too deeply")
        parts = [self._term(depth)]
        joint = ""
        while self._word() in {"AND", "OR"}:
            token = self._take()
            if joint and joint != token.text.upper():
                raise _Refusal(token.position, "AND and OR side by side need parentheses")
            joint = token.text.upper()
            parts.append(self._term(depth))
        return f" {joint} ".join(parts)

    def expect_end(self) -> None:
        if self._token.kind != "end":
            raise _Refusal(self._token.position, "the condition should end here, or go on with AND or OR")

    def _term(self, depth: int) -> str:
        token = self._token
        if self._word() == "NOT":
            self._take()
            if depth > DEPTH_MAX:
                raise _Refusal(token.position, "NOT is nested too deeply")
            return f"(NOT {self._term(depth + 1)})"
        if token.text == "(":
            self._take()
            inner = self.condition(depth + 1)
            self._mark(")", "a closing parenthesis is missing")
            return f"({inner})"
        return self._comparison()

    def _comparison(self) -> str:
        path = self._path()
        word = self._word()
        if word == "NOT":
            token = self._take()
            if self._word() != "IN":
                raise _Refusal(token.position, "NOT after a field goes with IN only")
            self._take()
            return f"{path} NOT IN {self._list()}"
        if word in {"IN", "INCLUDES", "EXCLUDES"}:
            self._take()
            return f"{path} {word} {self._list(strings_only=word != 'IN')}"
        if word == "LIKE":
            self._take()
            if self._token.kind != "string":
                raise _Refusal(self._token.position, "LIKE wants a text in single quotes")
            return f"{path} LIKE {self._take().text}"
        if self._token.kind == "operator":
            operator = self._take().text
            return f"{path} {'!=' if operator == '<>' else operator} {self._literal()}"
        raise _Refusal(
            self._token.position, "a comparison is missing: =, !=, <, <=, >, >=, LIKE, IN, INCLUDES or EXCLUDES"
        )

    def _path(self) -> str:
        token = self._take()
        upper = token.text.upper()
        if token.kind != "name" or ":" in token.text or upper in _KEYWORDS:
            raise _Refusal(token.position, "the name of a field is missing")
        if upper in _REFUSED_WORDS:
            raise _Refusal(token.position, "only conditions are allowed here, no other clause and no sub-select")
        if self._token.text == "(":
            raise _Refusal(token.position, "functions are not allowed here")
        if token.text.count(".") >= PATH_PARTS_MAX:
            raise _Refusal(token.position, "a path has at most five relationships")
        self.fields.append(token.text)
        return token.text

    def _literal(self) -> str:
        token = self._take()
        if token.kind in {"string", "number", "date", "instant"}:
            return token.text
        if token.kind == "name":
            upper = token.text.upper()
            head, _, count = upper.partition(":")
            if upper in {"NULL", "TRUE", "FALSE"} or upper in _DATE_WORDS or (head in _DATE_COUNTS and count):
                return upper
        raise _Refusal(
            token.position, "a value is missing: a text in single quotes, a number, a date, true, false or null"
        )

    def _list(self, *, strings_only: bool = False) -> str:
        self._mark("(", "a list in parentheses is missing")
        values: list[str] = []
        while True:
            if self._word() == "SELECT":
                raise _Refusal(self._token.position, "sub-selects are not allowed here")
            if strings_only and self._token.kind != "string":
                raise _Refusal(self._token.position, "only texts in single quotes are allowed in this list")
            values.append(self._literal())
            if self._token.text != ",":
                break
            self._take()
        self._mark(")", "a closing parenthesis is missing")
        return f"({','.join(values)})"

    def _mark(self, mark: str, why: str) -> None:
        if self._token.kind != "mark" or self._token.text != mark:
            raise _Refusal(self._token.position, why)
        self._take()

    def _word(self) -> str | None:
        return self._token.text.upper() if self._token.kind == "name" else None

    @property
    def _token(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        if token.kind != "end":
            self._next += 1
        return token
