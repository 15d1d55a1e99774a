"""SOQL built from checked parts, and reading its result page by page."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Generic, Literal, TypeAlias, TypeVar, final

from isthmus.egress.policy import HoleValue
from isthmus.salesforce.filter import Filter
from isthmus.salesforce.records import RecordBatch
from isthmus.salesforce.session import Session
from isthmus.values import ApiName

Row = TypeVar("Row")
Operator: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">="]
Literal_: TypeAlias = str | int | bool | datetime | date | None


@dataclass(frozen=True, slots=True)
class FieldPath:
    """A field, or a parent's field: (`Name`,) or (`Account`, `Name`). Make one with :meth:`of`."""

    parts: tuple[ApiName, ...]

    @classmethod
    def of(cls, *names: str) -> FieldPath:
        """Return the path; raises `InvalidValue` for a part that is no API name. `of("Account.Name")` splits."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Compare:
    """`field operator value`."""

    field: FieldPath
    operator: Operator
    value: Literal_


@dataclass(frozen=True, slots=True)
class OneOf:
    """`field IN (values)`, at least one value."""

    field: FieldPath
    values: Sequence[str]


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Any of several conditions."""

    conditions: Sequence[Condition]


@dataclass(frozen=True, slots=True)
class AllOf:
    """All of several conditions."""

    conditions: Sequence[Condition]


Condition: TypeAlias = Compare | OneOf | AnyOf | AllOf | Filter


@final
class Soql:
    """A query that only this module makes. Its text shows only by `reveal`, for it may hold a person's filter values."""

    __slots__ = ("_count", "_text")

    def reveal(self) -> str:
        """Return the query's text."""
        raise NotImplementedError

    def reveal_count(self) -> str:
        """Return the text of `SELECT COUNT()` with the same conditions."""
        raise NotImplementedError


def soql_select(
    name: ApiName,
    fields: Sequence[FieldPath],
    where: Sequence[Condition] = (),
    *,
    order_by: Sequence[FieldPath] = (),
    rows_max: int | None = None,
) -> Soql:
    """Return the query; conditions are joined by AND. Ascending order. Raises `ValueError` without fields or if too long."""
    raise NotImplementedError


async def pages(session: Session, soql: Soql, *, deleted: bool = False) -> AsyncIterator[RecordBatch]:
    """Yield the result page by page; raises `Incomplete` at the end unless the rows are as many as `totalSize` said.

    `deleted` also reads rows in the recycle bin (queryAll).
    """
    raise NotImplementedError
    yield


async def count(session: Session, soql: Soql) -> int:
    """Return how many rows the query has (one call)."""
    raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """A page of typed rows; `total` is the org's count of the whole result."""

    rows: Sequence[Row]
    total: int


async def audit_pages(
    session: Session, name: str, holes: Mapping[str, HoleValue], row: type[Row]
) -> AsyncIterator[Page[Row]]:
    """Yield the result of the constant query `AUDIT_QUERIES[name]` as typed rows (a msgspec.Struct; what it does not
    name is dropped, a wrong type raises `Unexpected`). Raises `Incomplete` unless rows are as many as `totalSize` said."""
    raise NotImplementedError
    yield
