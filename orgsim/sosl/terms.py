"""What stands between the braces of FIND: words, phrases, wildcards and operators, as a test on the words of a row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from orgsim.errors import ApiError, NotEmulated

OPERATORS_CHARACTERS_MAX: Final = 4_000  # beyond it the real service drops the operators
TEXT_CHARACTERS_MAX: Final = 10_000  # beyond it the real service finds nothing
_DEPTH_MAX: Final = 50
_RESERVED: Final = frozenset("&|![]^~:'+-{}")
_WORD: Final = re.compile(r"[^\W_]+")
_OPERATORS: Final = frozenset({"AND", "OR", "NOT"})
Kind = Literal["term", "operator", "(", ")", "end"]


@dataclass(frozen=True, slots=True)
class Term:
    """Words that follow each other in one field; each is a pattern over a whole word."""

    words: tuple[re.Pattern[str], ...]


@dataclass(frozen=True, slots=True)
class Both:
    """Both sides are found in the row, in whatever fields; with `without`, the right side is not."""

    left: Search
    right: Search
    without: bool = False


@dataclass(frozen=True, slots=True)
class Any:
    """At least one side is found in the row."""

    left: Search
    right: Search


Search = Term | Both | Any


def malformed_search(*, message: str) -> ApiError:
    """Return the refusal of a search."""
    return ApiError(400, "MALFORMED_SEARCH", message)


def words_of(text: str) -> list[str]:
    """Return the words of a text as searches compare them: runs of letters and digits, capitals folded."""
    return [word.casefold() for word in _WORD.findall(text)]


def found(search: Search, fields: Sequence[Sequence[str]]) -> bool:
    """Say whether the search is satisfied by a row, given the words of each of its fields."""
    match search:
        case Term(words):
            return any(_in_field(words, field) for field in fields)
        case Both(left, right, without):
            return found(left, fields) and found(right, fields) is not without
        case Any(left, right):
            return found(left, fields) or found(right, fields)


def _in_field(patterns: tuple[re.Pattern[str], ...], field: Sequence[str]) -> bool:
    length = len(patterns)
    return any(
        all(pattern.fullmatch(word) for pattern, word in zip(patterns, field[start : start + length], strict=True))
        for start in range(len(field) - length + 1)
    )


def parse_terms(text: str, *, refuse_reserved: bool) -> Search:
    """Return the search behind the text between the braces; ApiError MALFORMED_SEARCH if it is none.

    `refuse_reserved` says what an unescaped reserved character does: refuse the search, or end a word.
    """
    if len(text) > OPERATORS_CHARACTERS_MAX:
        what = f"searches of more than {OPERATORS_CHARACTERS_MAX} characters"
        raise NotEmulated(what)
    if sum(letter.isalnum() for letter in text) < 2:  # the shortest term has two characters
        raise malformed_search(message=f"search term must be longer than one character: {text.strip()}")
    parser = _Parser(_cut(text, refuse_reserved=refuse_reserved))
    search = parser.either()
    parser.expect_end()
    return search


@dataclass(frozen=True, slots=True)
class _Piece:
    kind: Kind
    text: str = ""
    term: Term | None = None


def _cut(text: str, *, refuse_reserved: bool) -> list[_Piece]:
    pieces: list[_Piece] = []
    place = 0
    while place < len(text):
        letter = text[place]
        if letter.isspace():
            place += 1
        elif letter in "()":
            pieces.append(_Piece("(" if letter == "(" else ")", letter))
            place += 1
        else:
            quoted = letter == '"'
            piece, place = _term(text, place + quoted, quoted=quoted, refuse_reserved=refuse_reserved)
            pieces += piece
    return [*pieces, _Piece("end")]


def _term(text: str, start: int, *, quoted: bool, refuse_reserved: bool) -> tuple[list[_Piece], int]:
    """Read a phrase up to its closing quote, or a word up to white space, a parenthesis or a quote."""
    place = start
    patterns: list[str] = [""]
    while place < len(text):
        letter = text[place]
        if letter == '"' if quoted else letter in '()"' or letter.isspace():
            break
        if letter == "\\" and place + 1 < len(text):
            place += 1
            letter = text[place]
        elif letter in _RESERVED and refuse_reserved:
            raise malformed_search(message=f"reserved character {letter} must be escaped in a search term")
        elif letter in "*?":
            if not patterns[-1]:
                what = "a wildcard at the start of a search term"
                raise NotEmulated(what)
            patterns[-1] += ".*" if letter == "*" else "."
            place += 1
            continue
        if _WORD.fullmatch(letter):
            patterns[-1] += re.escape(letter.casefold())
        elif patterns[-1]:
            patterns.append("")
        place += 1
    if quoted and place == len(text):
        raise malformed_search(message="a quotation mark is not closed")
    written = text[start:place]
    if not quoted and written.upper() in _OPERATORS:
        return [_Piece("operator", written.upper())], place
    words = tuple(re.compile(pattern, re.DOTALL) for pattern in patterns if pattern)
    return ([_Piece("term", written, Term(words))] if words else []), place + quoted


class _Parser:
    """OR binds weakest; terms without an operator between them are joined by AND."""

    def __init__(self, pieces: list[_Piece]) -> None:
        self._pieces = pieces
        self._place = 0
        self._depth = 0

    @property
    def _next(self) -> _Piece:
        return self._pieces[self._place]

    def _accept(self, word: str) -> bool:
        if self._next.kind != "operator" or self._next.text != word:
            return False
        self._place += 1
        return True

    def either(self) -> Search:
        search = self._joined()
        while self._accept("OR"):
            search = Any(search, self._joined())
        return search

    def _joined(self) -> Search:
        search = self._unit()
        while True:
            if self._accept("AND"):
                without = self._accept("NOT")
                search = Both(search, self._unit(), without)
            elif self._next.kind in {"term", "("}:
                search = Both(search, self._unit())
            else:
                return search

    def _unit(self) -> Search:
        piece = self._next
        self._place += piece.kind != "end"
        if piece.term is not None:
            return piece.term
        self._depth += 1
        if piece.kind != "(" or self._depth > _DEPTH_MAX:
            raise malformed_search(message=f"unexpected token: {piece.text or '<EOF>'}")
        search = self.either()
        if self._next.kind != ")":
            raise malformed_search(message="a parenthesis is not closed")
        self._place += 1
        self._depth -= 1
        return search

    def expect_end(self) -> None:
        if self._next.kind != "end":
            raise malformed_search(message=f"unexpected token: {self._next.text}")
