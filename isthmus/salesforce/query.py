"""SOQL built from checked parts, and reading its result page by page."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final, Generic, Literal, NoReturn, TypeAlias, TypeVar, assert_never, final

import msgspec

from isthmus.egress.policy import SOQL_LENGTH_MAX, HoleValue, RouteName
from isthmus.egress.transport import Reply
from isthmus.salesforce import routes
from isthmus.salesforce.errors import UNREADABLE_JSON, Incomplete, Refused, Unexpected
from isthmus.salesforce.filter import Filter
from isthmus.salesforce.records import RecordBatch
from isthmus.salesforce.session import RowCount, Session
from isthmus.salesforce.status_code import StatusCode
from isthmus.values import ApiName

Row = TypeVar("Row")
Operator: TypeAlias = Literal["=", "!=", "<", "<=", ">", ">="]
Literal_: TypeAlias = str | int | bool | Decimal | datetime | date | None
PATH_PARTS_MAX: Final = 6
_ESCAPES: Final = str.maketrans(
    {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}
)


@dataclass(frozen=True, slots=True)
class FieldPath:
    """A field, or a parent's field: (`Name`,) or (`Account`, `Name`). Make one with :meth:`of`."""

    parts: tuple[ApiName, ...]

    @classmethod
    def of(cls, *names: str) -> FieldPath:
        """Return the path; `of("Account.Name")` splits at the dot. Raises `InvalidValue` for a part that is no name."""
        parts = tuple(ApiName.parse(part) for name in names for part in name.split("."))
        if not 0 < len(parts) <= PATH_PARTS_MAX:
            message = f"a path has 1 to {PATH_PARTS_MAX} parts"
            raise ValueError(message)
        return cls(parts)

    @property
    def text(self) -> str:
        """The path as SOQL writes it."""
        return ".".join(self.parts)


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
    """A query that only `soql_select` makes. It may hold a person's filter values: its text shows by `reveal` only."""

    __slots__ = ("_count", "_text")

    def __init__(self, text: str, count: str) -> None:
        """Made by `soql_select` only."""
        self._text = text
        self._count = count

    def reveal(self) -> str:
        """Return the query's text."""
        return self._text

    def reveal_count(self) -> str:
        """Return the text of `SELECT COUNT()` with the same conditions."""
        return self._count

    def __repr__(self) -> str:
        """Show that there is a query, nothing more."""
        return "<Soql>"

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled or copied."""
        message = "a Soql cannot be serialised"
        raise TypeError(message)


def soql_select(
    name: ApiName,
    fields: Sequence[FieldPath],
    where: Sequence[Condition] = (),
    *,
    order_by: Sequence[FieldPath] = (),
    rows_max: int | None = None,
) -> Soql:
    """Return the query; conditions are joined by AND, order is ascending.

    Raises `ValueError` without fields, for a field named twice, or if the text grows over Salesforce's limit.
    """
    columns = [field.text for field in fields]
    if not columns or len({column.casefold() for column in columns}) < len(columns):
        message = "a query has at least one field and none of them twice"
        raise ValueError(message)
    condition = " WHERE " + _write(AllOf(where)) if where else ""
    order = " ORDER BY " + ",".join(field.text for field in order_by) if order_by else ""
    limit = f" LIMIT {int(rows_max)}" if rows_max is not None else ""
    # SOQL from checked names and escaped literals; it cannot write, and no other way to a query exists.
    text = f"SELECT {','.join(columns)} FROM {ApiName.parse(name)}{condition}{order}{limit}"  # noqa: S608
    if len(text) > SOQL_LENGTH_MAX:
        message = f"a query has at most {SOQL_LENGTH_MAX} characters"
        raise ValueError(message)
    return Soql(text, f"SELECT COUNT() FROM {name}{condition}{limit}")  # noqa: S608 as above


def _write(condition: Condition) -> str:
    match condition:
        case Compare():
            return f"{condition.field.text} {condition.operator} {_literal(condition.value)}"
        case OneOf():
            if not condition.values:
                message = "a list of values is empty"
                raise ValueError(message)
            return f"{condition.field.text} IN ({','.join(map(_literal, condition.values))})"
        case AnyOf():
            return _joined(" OR ", condition.conditions)
        case AllOf():
            return _joined(" AND ", condition.conditions)
        case Filter():
            return f"({condition.text})"
        case _:
            assert_never(condition)


def _joined(joint: str, conditions: Sequence[Condition]) -> str:
    if not conditions:
        message = "a group of conditions is empty"
        raise ValueError(message)
    if len(conditions) == 1:
        return _write(conditions[0])
    return joint.join(f"({_write(each)})" if isinstance(each, AnyOf | AllOf) else _write(each) for each in conditions)


def _literal(value: Literal_) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int() | Decimal():
            return format(value, "f") if isinstance(value, Decimal) else str(value)
        case str():
            return "'" + value.translate(_ESCAPES) + "'"
        case datetime():
            if value.tzinfo is None:
                message = "an instant without a time zone"
                raise ValueError(message)
            return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"
        case date():
            return value.isoformat()
        case _:
            assert_never(value)


class _RecordPage(msgspec.Struct, frozen=True):
    total: RowCount = msgspec.field(name="totalSize")
    done: bool
    records: list[dict[str, Any]]
    more: str | None = msgspec.field(name="nextRecordsUrl", default=None)


class _CountPage(msgspec.Struct, frozen=True):
    total: RowCount = msgspec.field(name="totalSize")


class _TypedPage(msgspec.Struct, Generic[Row], frozen=True):
    total: RowCount = msgspec.field(name="totalSize")
    done: bool
    records: list[Row]
    more: str | None = msgspec.field(name="nextRecordsUrl", default=None)


@dataclass(frozen=True, slots=True)
class Page(Generic[Row]):
    """A page of typed rows; `total` is the org's count of the whole result."""

    rows: Sequence[Row]
    total: int


async def pages(session: Session, soql: Soql, *, deleted: bool = False) -> AsyncGenerator[RecordBatch]:
    """Yield the result page by page; raises `Incomplete` at the end unless the rows are as many as `totalSize` said.

    `deleted` also reads rows in the recycle bin (queryAll). Records have no `attributes`; a parent's fields are a
    mapping of their own; numbers with a point are Decimal.
    """
    route = routes.QUERY_ALL if deleted else routes.QUERY
    decoder = msgspec.json.Decoder(_RecordPage, float_hook=Decimal)
    seen = 0
    reply = await session.call(route, {"soql": soql.reveal()})
    total: int | None = None
    while True:
        page = _decoded(route, decoder, reply.body)
        total = page.total if total is None else total
        seen += len(page.records)
        for record in page.records:
            _without_attributes(record)
        yield RecordBatch(page.records)
        if page.done:
            break
        _check_progress(route, len(page.records), seen, total)
        route = routes.QUERY_MORE
        reply = await _more(session, _locator(page.more))
    if seen != total:
        raise Incomplete(route)


async def _more(session: Session, locator: str) -> Reply:
    """Return the next page. Raises `Incomplete` if the org has forgotten the locator: then all is read again."""
    try:
        return await session.call(routes.QUERY_MORE, {"locator": locator})
    except Refused as refused:
        if refused.code == StatusCode.INVALID_QUERY_LOCATOR:
            raise Incomplete(routes.QUERY_MORE, refused.code, refused.http_status) from None
        raise


async def count(session: Session, soql: Soql) -> int:
    """Return how many rows the query has (one call)."""
    return (await session.json(routes.QUERY, _CountPage, {"soql": soql.reveal_count()})).total


async def audit_pages(
    session: Session, name: str, holes: Mapping[str, HoleValue], row: type[Row]
) -> AsyncGenerator[Page[Row]]:
    """Yield the result of the constant query `AUDIT_QUERIES[name]` as typed rows, page by page.

    `row` is a msgspec.Struct: what it does not name is dropped, a wrong type raises `Unexpected`. Raises `Incomplete`
    at the end unless the rows are as many as `totalSize` said.
    """
    route = routes.audit_route(name)
    decoder = msgspec.json.Decoder(_TypedPage[row])
    seen = 0
    total: int | None = None
    reply = await session.call(route, holes)
    while True:
        page = _decoded(route, decoder, reply.body)
        total = page.total if total is None else total
        seen += len(page.records)
        yield Page(page.records, page.total)
        if page.done:
            break
        _check_progress(route, len(page.records), seen, total)
        reply = await _more(session, _locator(page.more))
    if seen != total:
        raise Incomplete(route)


Decoded = TypeVar("Decoded")


def _decoded(route: RouteName, decoder: msgspec.json.Decoder[Decoded], body: bytes) -> Decoded:
    try:
        return decoder.decode(body)
    except UNREADABLE_JSON:
        raise Unexpected(route) from None


def _locator(more: str | None) -> str:
    """Return the locator at the end of `/services/data/vNN.0/query/<locator>`; the rest of the path is our own."""
    if more is None:
        raise Incomplete(routes.QUERY_MORE)
    return more.rstrip("/").rpartition("/")[2]


def _check_progress(route: RouteName, rows: int, seen: int, total: int) -> None:
    """A page that is not the last has rows, and leaves some: else an org could keep us reading for ever."""
    if not rows or seen >= total:
        raise Incomplete(route)


def _without_attributes(record: dict[str, Any], depth: int = PATH_PARTS_MAX) -> None:
    record.pop("attributes", None)
    for value in record.values():
        if isinstance(value, dict) and depth:
            _without_attributes(value, depth - 1)  # pyright: ignore[reportUnknownArgumentType] JSON: text keys by construction
