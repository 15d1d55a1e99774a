"""SOSL by recursive descent. What the grammar knows but nobody emulates is NotEmulated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, cast

from orgsim.errors import ApiError, NotEmulated
from orgsim.soql.ast import FieldPath, Query, SelectExpression
from orgsim.soql.parser import parse_field_spec
from orgsim.soql.tokens import TokenStream
from orgsim.sosl.terms import malformed_search

Group = Literal["ALL", "NAME", "EMAIL", "PHONE", "SIDEBAR"]
GROUPS: Final = frozenset({"ALL", "NAME", "EMAIL", "PHONE", "SIDEBAR"})


@dataclass(frozen=True, slots=True)
class Find:
    """A whole search. `returning` is empty where all searchable objects are meant."""

    text: str
    group: Group
    returning: tuple[Query, ...]
    limit: int | None


def parse_find(source: str) -> Find:
    """Return the search; ApiError MALFORMED_SEARCH if it is none."""
    try:
        return _parse(source)
    except ApiError as refused:
        raise _as_search(refused) from None


def parse_returned(source: str, object_name: str) -> Query:
    """Return what a search shall return of one object, from `Id, Name WHERE … ORDER BY … LIMIT n`."""
    try:
        stream = TokenStream(source)
        query = parse_field_spec(stream, object_name, 0)
        if stream.current.kind != "end":
            raise stream.unexpected()
    except ApiError as refused:
        raise _as_search(refused) from None
    return query


def _as_search(refused: ApiError) -> ApiError:
    return malformed_search(message=refused.message) if refused.code == "MALFORMED_QUERY" else refused


def _parse(source: str) -> Find:
    opening = source.find("{")
    if source[: max(opening, 0)].strip().upper() != "FIND":
        raise malformed_search(message="No search term found. The search term must be enclosed in braces.")
    closing = _closing(source, opening + 1)
    stream = TokenStream(" " * (closing + 1) + source[closing + 1 :])
    stream.source = source
    group: Group = "ALL"
    if stream.accept("IN"):
        word = stream.name().word
        if word not in GROUPS:
            raise malformed_search(message=f"unexpected token: {word}")
        group = cast("Group", word)
        stream.expect("FIELDS")
    returning: list[Query] = []
    if stream.accept("RETURNING"):
        returning.append(_returned(stream))
        while stream.accept(","):
            returning.append(_returned(stream))
    _refuse_rest(stream, "WITH", "USING")
    limit = None
    if stream.accept("LIMIT"):
        token = stream.take()
        if token.kind != "number" or not token.text.isdigit():
            raise malformed_search(message=f"unexpected token: {token.text or '<EOF>'}")
        limit = int(token.text)
    _refuse_rest(stream, "UPDATE", "WITH", "USING")
    if stream.current.kind != "end":
        raise stream.unexpected()
    return Find(source[opening + 1 : closing], group, tuple(returning), limit)


def _closing(source: str, start: int) -> int:
    place = start
    while place < len(source) and source[place] != "}":
        place += 2 if source[place] == "\\" else 1
    if place >= len(source):
        raise malformed_search(message="No search term found. The search term must be enclosed in braces.")
    return place


def _returned(stream: TokenStream) -> Query:
    name = stream.name()
    if not stream.accept("("):
        return only_id(stream.source, name.text, name.position)
    query = parse_field_spec(stream, name.text, name.position)
    stream.expect(")")
    return query


def only_id(source: str, object_name: str, position: int = 0) -> Query:
    """Return the query of a search that names an object without fields: ids only."""
    return Query(source, (SelectExpression(FieldPath(("Id",), position), None),), object_name, position)


def _refuse_rest(stream: TokenStream, *clauses: str) -> None:
    if stream.at(*clauses):
        what = f"the SOSL clause {stream.current.word} {stream.ahead().word}".rstrip()
        raise NotEmulated(what)
