"""Cutting a query into tokens."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from orgsim.errors import ApiError
from orgsim.soql.complaints import malformed, unexpected

TokenKind = Literal["name", "string", "number", "date", "datetime", "symbol", "end"]

QUERY_CHARACTERS_MAX: Final = 100_000
STRING_CHARACTERS_MAX: Final = 4_000

_PATTERN: Final = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<datetime>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:?\d{2}))
  | (?P<date>\d{4}-\d{2}-\d{2})
  | (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)(?![A-Za-z_])
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<symbol><=|>=|!=|<>|[=<>(),.:])
    """,
    re.VERBOSE,
)
_ESCAPES: Final = {
    "n": "\n", "N": "\n", "r": "\r", "R": "\r", "t": "\t", "T": "\t", "b": "\b", "B": "\b", "f": "\f", "F": "\f",
    '"': '"', "'": "'", "\\": "\\", "_": "_", "%": "%",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Token:
    """One token. `text` is decoded for strings; `raw` is what stood between the quotes."""

    kind: TokenKind
    text: str
    position: int
    raw: str = ""

    @property
    def word(self) -> str:
        """The token as an upper-case keyword candidate; empty for strings."""
        return "" if self.kind == "string" else self.text.upper()


def tokenize(source: str) -> list[Token]:
    """Return all tokens and a final `end`; ApiError MALFORMED_QUERY where the text cannot be cut."""
    if len(source) > QUERY_CHARACTERS_MAX:
        raise ApiError(400, "MALFORMED_QUERY", "SOQL statements cannot be longer than 100000 characters.")
    tokens: list[Token] = []
    place = 0
    while place < len(source):
        if source[place] == "'":
            token, place = _string(source, place)
            tokens.append(token)
            continue
        found = _PATTERN.match(source, place)
        if found is None:
            raise unexpected(source, place, source[place])
        kind = found.lastgroup
        if kind != "space":
            tokens.append(Token(_kind(kind), found[0], place))
        place = found.end()
    tokens.append(Token("end", "", len(source)))
    return tokens


def _kind(name: str | None) -> TokenKind:
    match name:
        case "datetime" | "date" | "number" | "name":
            return name
        case _:
            return "symbol"


def _string(source: str, start: int) -> tuple[Token, int]:
    place = start + 1
    letters: list[str] = []
    while place < len(source):
        letter = source[place]
        if letter == "'":
            raw = source[start + 1 : place]
            text = "".join(letters)
            if len(text) > STRING_CHARACTERS_MAX:
                raise malformed(source, start, "The filter value is longer than 4000 characters.")
            return Token("string", text, start, raw), place + 1
        if letter == "\\":
            decoded, place = unescape(source, place)
            letters.append(decoded)
        else:
            letters.append(letter)
            place += 1
    raise malformed(source, start, "line 1:1 mismatched character '<EOF>' expecting '''")


def unescape(source: str, place: int) -> tuple[str, int]:
    """Return the character that the backslash sequence at `place` stands for, and the place behind it."""
    letter = source[place + 1 : place + 2]
    if letter in {"u", "U"}:
        digits = source[place + 2 : place + 6]
        if not re.fullmatch(r"[0-9A-Fa-f]{4}", digits):
            raise malformed(source, place, "Invalid string literal. Illegal character sequence in string literal.")
        return chr(int(digits, 16)), place + 6
    decoded = _ESCAPES.get(letter)
    if decoded is None:
        message = f"Invalid string literal. Illegal character sequence '\\{letter}' in string literal."
        raise malformed(source, place, message)
    return decoded, place + 2


class TokenStream:
    """The tokens of one query with a reading position."""

    def __init__(self, source: str) -> None:
        self.source = source
        self._tokens = tokenize(source)
        self._place = 0

    @property
    def current(self) -> Token:
        """The token to be read next."""
        return self._tokens[self._place]

    def ahead(self, steps: int = 1) -> Token:
        """Return a token further on, or the end."""
        return self._tokens[min(self._place + steps, len(self._tokens) - 1)]

    def take(self) -> Token:
        """Read a token."""
        token = self.current
        if token.kind != "end":
            self._place += 1
        return token

    def at(self, *words: str) -> bool:
        """Say whether the next token is one of these keywords or symbols."""
        return self.current.word in words and self.current.kind != "end"

    def accept(self, *words: str) -> bool:
        """Read the next token if it is one of these; say whether it was."""
        if self.at(*words):
            self.take()
            return True
        return False

    def expect(self, word: str) -> Token:
        """Read this token or refuse the query."""
        if not self.at(word):
            raise self.unexpected()
        return self.take()

    def name(self) -> Token:
        """Read an identifier or refuse the query."""
        if self.current.kind != "name":
            raise self.unexpected()
        return self.take()

    def unexpected(self) -> ApiError:
        """Return the refusal of the next token."""
        return unexpected(self.source, self.current.position, self.current.text)
