"""SOQL by recursive descent: text in, Query out. What the grammar knows but nobody emulates is NotEmulated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, cast

from orgsim.errors import NotEmulated
from orgsim.soql.ast import (
    Comparison,
    Condition,
    Either,
    Every,
    Expression,
    FieldPath,
    FunctionCall,
    Negation,
    Ordering,
    Query,
    SelectChildren,
    SelectExpression,
    SelectFields,
    SelectItem,
    SelectTypeOf,
    SubSelect,
    TypeCase,
)
from orgsim.soql.complaints import malformed
from orgsim.soql.conditions import AGGREGATES, DEPTH_MAX, ConditionParser, parse_expression, parse_path
from orgsim.soql.tokens import TokenStream

_CLAUSES: Final = frozenset(
    {"WHERE", "USING", "WITH", "GROUP", "HAVING", "ORDER", "LIMIT", "OFFSET", "FOR", "UPDATE", "ALL", "FROM"}
)
SUBTOTAL_FIELDS_MAX: Final = 3
_SCOPES: Final = frozenset({"EVERYTHING", "MINE"})


def parse(source: str) -> Query:
    """Return the query; ApiError MALFORMED_QUERY if it is none."""
    stream = TokenStream(source)
    query = _Parser(stream).query()
    if stream.current.kind != "end":
        raise stream.unexpected()
    return query


def parse_condition(source: str) -> Condition:
    """Return the condition of a rule: what may stand behind WHERE; ApiError MALFORMED_QUERY if it is none."""
    stream = TokenStream(source)
    condition = ConditionParser(stream, _Parser(stream).query).parse()
    if stream.current.kind != "end":
        raise stream.unexpected()
    return condition


def parse_field_spec(stream: TokenStream, object_name: str, position: int) -> Query:
    """Read what a search puts into parentheses behind an object: fields, WHERE, ORDER BY, LIMIT, OFFSET."""
    return _Parser(stream).field_spec(object_name, position)


@dataclass(slots=True)
class _Tail:
    """The clauses behind FROM, while they are being read."""

    scope: str | None = None
    where: Condition | None = None
    group_by: tuple[Expression, ...] = ()
    group_mode: Literal["", "ROLLUP", "CUBE"] = ""
    having: Condition | None = None
    order_by: tuple[Ordering, ...] = ()
    limit: int | None = None
    offset: int | None = None
    purpose: Literal["VIEW", "REFERENCE"] | None = None
    aliases: list[tuple[str, tuple[str, ...]]] = field(default_factory=list[tuple[str, tuple[str, ...]]])


class _Parser:
    def __init__(self, stream: TokenStream) -> None:
        self._stream = stream
        self._depth = 0

    def query(self) -> Query:
        stream = self._stream
        self._depth += 1
        if self._depth > DEPTH_MAX:
            raise stream.unexpected()
        stream.expect("SELECT")
        select = [self._select_item()]
        while stream.accept(","):
            select.append(self._select_item())
        stream.expect("FROM")
        position = stream.current.position
        path = parse_path(stream)
        tail = _Tail()
        self._aliases(tail)
        self._clauses(tail)
        self._depth -= 1
        return Query(
            source=stream.source,
            select=tuple(select),
            object_name=path.names[-1],
            object_position=position,
            aliases=tuple(tail.aliases),
            scope=tail.scope,
            where=tail.where,
            group_by=tail.group_by,
            group_mode=tail.group_mode,
            having=tail.having,
            order_by=tail.order_by,
            limit=tail.limit,
            offset=tail.offset,
            purpose=tail.purpose,
        )

    def field_spec(self, object_name: str, position: int) -> Query:
        stream = self._stream
        select = [SelectExpression(parse_expression(stream), None)]
        while stream.accept(","):
            select.append(SelectExpression(parse_expression(stream), None))
        if stream.at("USING"):
            self._unknown("USING")
        where = self._condition() if stream.accept("WHERE") else None
        if stream.at("USING"):
            self._unknown("USING")
        order_by: tuple[Ordering, ...] = ()
        if stream.accept("ORDER"):
            stream.expect("BY")
            order_by = self._orderings()
        limit = self._whole_number() if stream.accept("LIMIT") else None
        offset = self._whole_number() if stream.accept("OFFSET") else None
        return Query(
            stream.source, tuple(select), object_name, position, where=where, order_by=order_by, limit=limit,
            offset=offset,
        )  # fmt: skip

    def _aliases(self, tail: _Tail) -> None:
        stream = self._stream
        if self._at_alias():
            tail.aliases.append((stream.take().text.lower(), ()))
        while stream.accept(","):
            path = parse_path(stream)
            alias = stream.name().text.lower()
            tail.aliases.append((alias, path.names))

    def _at_alias(self) -> bool:
        token = self._stream.current
        return token.kind == "name" and token.word not in _CLAUSES

    def _select_item(self) -> SelectItem:
        stream = self._stream
        if stream.at("(") and stream.ahead().word == "SELECT":
            stream.take()
            query = self.query()
            stream.expect(")")
            return SelectChildren(query)
        if stream.at("TYPEOF") and stream.ahead().kind == "name" and stream.ahead().word != "FROM":
            return self._type_of()
        if stream.at("FIELDS") and stream.ahead().text == "(":
            return self._fields()
        expression = parse_expression(stream)
        alias = stream.take().text if self._at_alias() else None
        return SelectExpression(expression, alias)

    def _fields(self) -> SelectFields:
        stream = self._stream
        position = stream.take().position
        stream.expect("(")
        kind = stream.name()
        if kind.word not in {"ALL", "STANDARD", "CUSTOM"}:
            raise malformed(stream.source, kind.position, f"unexpected token: '{kind.text}'")
        stream.expect(")")
        return SelectFields(cast("Literal['ALL', 'STANDARD', 'CUSTOM']", kind.word), position)

    def _type_of(self) -> SelectTypeOf:
        stream = self._stream
        stream.expect("TYPEOF")
        relationship = parse_path(stream)
        cases: list[TypeCase] = []
        while stream.accept("WHEN"):
            object_name = stream.name().text
            stream.expect("THEN")
            cases.append(TypeCase(object_name, self._paths()))
        if not cases:
            raise stream.unexpected()
        otherwise = self._paths() if stream.accept("ELSE") else None
        stream.expect("END")
        return SelectTypeOf(relationship, tuple(cases), otherwise)

    def _paths(self) -> tuple[FieldPath, ...]:
        paths = [parse_path(self._stream)]
        while self._stream.accept(","):
            paths.append(parse_path(self._stream))
        return tuple(paths)

    def _clauses(self, tail: _Tail) -> None:
        stream = self._stream
        if stream.accept("USING"):
            stream.expect("SCOPE")
            tail.scope = stream.name().word
            if tail.scope not in _SCOPES:
                self._unknown(f"USING SCOPE {tail.scope}")
        if stream.accept("WHERE"):
            tail.where = self._condition()
        if stream.at("WITH"):
            self._unknown("WITH")
        if stream.accept("GROUP"):
            stream.expect("BY")
            self._grouping(tail)
        if stream.accept("ORDER"):
            stream.expect("BY")
            tail.order_by = self._orderings()
        if stream.accept("LIMIT"):
            tail.limit = self._whole_number()
        if stream.accept("OFFSET"):
            tail.offset = self._whole_number()
        while stream.at("FOR", "UPDATE", "ALL"):
            self._closing(tail)

    def _grouping(self, tail: _Tail) -> None:
        stream = self._stream
        if stream.at("ROLLUP", "CUBE") and stream.ahead().text == "(":
            position = stream.current.position
            tail.group_mode = cast("Literal['ROLLUP', 'CUBE']", stream.take().word)
            stream.expect("(")
            tail.group_by = self._expressions()
            stream.expect(")")
            if len(tail.group_by) > SUBTOTAL_FIELDS_MAX:
                message = f"{tail.group_mode} takes at most {SUBTOTAL_FIELDS_MAX} fields"
                raise malformed(stream.source, position, message)
        else:
            tail.group_by = self._expressions()
        if stream.accept("HAVING"):
            tail.having = self._condition()

    def _expressions(self) -> tuple[Expression, ...]:
        found = [parse_expression(self._stream)]
        while self._stream.accept(","):
            found.append(parse_expression(self._stream))
        return tuple(found)

    def _closing(self, tail: _Tail) -> None:
        stream = self._stream
        if stream.at("FOR") and stream.ahead().word in {"VIEW", "REFERENCE"}:
            stream.take()
            tail.purpose = cast("Literal['VIEW', 'REFERENCE']", stream.take().word)
            return
        if stream.at("FOR") and stream.ahead().word == "UPDATE":  # locks end with the call, so there is nothing to keep
            if tail.order_by:
                raise malformed(stream.source, stream.current.position, "FOR UPDATE not allowed with ORDER BY")
            stream.take()
            stream.take()
            return
        if stream.at("ALL"):
            raise stream.unexpected()
        self._unknown(f"{stream.current.word} {stream.ahead().word}")

    def _unknown(self, clause: str) -> None:
        what = f"the SOQL clause {clause}"
        raise NotEmulated(what)

    def _condition(self) -> Condition:
        return ConditionParser(self._stream, self.query).parse()

    def _orderings(self) -> tuple[Ordering, ...]:
        stream = self._stream
        orderings: list[Ordering] = []
        while True:
            expression = parse_expression(stream)
            descending = stream.at("DESC")
            stream.accept("ASC", "DESC")
            nulls_first: bool | None = None
            if stream.accept("NULLS"):
                if not stream.at("FIRST", "LAST"):
                    raise stream.unexpected()
                nulls_first = stream.take().word == "FIRST"
            orderings.append(Ordering(expression, descending, nulls_first))
            if not stream.accept(","):
                return tuple(orderings)

    def _whole_number(self) -> int:
        token = self._stream.current
        if token.kind != "number" or not token.text.isdigit():
            raise self._stream.unexpected()
        self._stream.take()
        return int(token.text)


def is_aggregate(expression: Expression) -> bool:
    """Say whether an expression folds many rows into one value."""
    return isinstance(expression, FunctionCall) and expression.name in AGGREGATES


def semi_joins(condition: Condition | None) -> int:
    """Return how many sub-selects the conditions hold."""
    match condition:
        case Every(parts) | Either(parts):
            return sum(semi_joins(part) for part in parts)
        case Negation(part):
            return semi_joins(part)
        case Comparison():
            return int(isinstance(condition.right, SubSelect))
        case None:
            return 0


def is_ordered(soql: str) -> bool:
    """Say whether a well-formed query has ORDER BY."""
    return bool(parse(soql).order_by)
