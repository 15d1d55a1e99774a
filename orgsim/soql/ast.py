"""A query as the parser understood it. Positions are offsets into the query text, for error messages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal as OneOf

LiteralKind = OneOf["string", "number", "boolean", "null", "date", "datetime", "period"]
Operator = OneOf["=", "!=", "<", "<=", ">", ">=", "LIKE", "IN", "NOT IN", "INCLUDES", "EXCLUDES"]


@dataclass(frozen=True, slots=True)
class FieldPath:
    """A field, perhaps of a parent: `Account.Owner.Name` is three names."""

    names: tuple[str, ...]
    position: int

    @property
    def text(self) -> str:
        """The path as written."""
        return ".".join(self.names)


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """A function over one field (or over convertTimezone of one), or `COUNT()` without argument."""

    name: str  # upper case
    argument: FieldPath | FunctionCall | None
    position: int

    @property
    def path(self) -> FieldPath | None:
        """The field innermost."""
        return self.argument.path if isinstance(self.argument, FunctionCall) else self.argument


Expression = FieldPath | FunctionCall


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant. `value` is text as written for dates and numbers, decoded for strings; `raw` keeps LIKE's escapes."""

    kind: LiteralKind
    value: str
    raw: str
    position: int


@dataclass(frozen=True, slots=True)
class SubSelect:
    """The right side of a semi-join or anti-join."""

    query: Query


@dataclass(frozen=True, slots=True)
class Comparison:
    """One condition on one field."""

    left: Expression
    operator: Operator
    right: Literal | tuple[Literal, ...] | SubSelect
    position: int


@dataclass(frozen=True, slots=True)
class Every:
    """All parts hold."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one part holds."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """The part does not hold."""

    part: Condition


Condition = Comparison | Every | Either | Negation


@dataclass(frozen=True, slots=True)
class SelectExpression:
    """A field or function in the field list."""

    expression: Expression
    alias: str | None


@dataclass(frozen=True, slots=True)
class SelectChildren:
    """A child sub-query in the field list."""

    query: Query


@dataclass(frozen=True, slots=True)
class TypeCase:
    """One WHEN of a TYPEOF."""

    object_name: str
    fields: tuple[FieldPath, ...]


@dataclass(frozen=True, slots=True)
class SelectTypeOf:
    """TYPEOF: other fields for other types of parent."""

    relationship: FieldPath
    cases: tuple[TypeCase, ...]
    otherwise: tuple[FieldPath, ...] | None


@dataclass(frozen=True, slots=True)
class SelectFields:
    """FIELDS(ALL), FIELDS(STANDARD) or FIELDS(CUSTOM)."""

    kind: OneOf["ALL", "STANDARD", "CUSTOM"]
    position: int


SelectItem = SelectExpression | SelectChildren | SelectTypeOf | SelectFields


@dataclass(frozen=True, slots=True)
class Ordering:
    """One ORDER BY entry; `nulls_first` is None where the query leaves it open."""

    expression: Expression
    descending: bool
    nulls_first: bool | None


@dataclass(frozen=True, slots=True)
class Query:
    """A whole query. `object_name` of a child sub-query is a relationship name. `aliases` maps alias to path."""

    source: str
    select: tuple[SelectItem, ...]
    object_name: str
    object_position: int
    aliases: tuple[tuple[str, tuple[str, ...]], ...] = ()
    scope: str | None = None
    where: Condition | None = None
    group_by: tuple[Expression, ...] = ()
    group_mode: OneOf["", "ROLLUP", "CUBE"] = ""
    having: Condition | None = None
    order_by: tuple[Ordering, ...] = ()
    limit: int | None = None
    offset: int | None = None
    purpose: OneOf["VIEW", "REFERENCE"] | None = None

    @property
    def counts_only(self) -> bool:
        """Whether this is `SELECT COUNT() FROM …`."""
        first = self.select[0]
        return (
            len(self.select) == 1
            and isinstance(first, SelectExpression)
            and isinstance(first.expression, FunctionCall)
            and first.expression.name == "COUNT"
            and first.expression.argument is None
        )
