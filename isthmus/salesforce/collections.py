"""Writing up to 200 records in one call; the result of each row is a value, not an exception."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Final

import msgspec

from isthmus.salesforce import routes
from isthmus.salesforce.errors import Refused, Unexpected
from isthmus.salesforce.records import Cell, Record
from isthmus.salesforce.session import Session
from isthmus.salesforce.status_code import StatusCode, row_code
from isthmus.values import ApiName

UPSERT_ROWS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of one row. `code` is None if it succeeded; `field_names` are those that the org blamed.

    `message` is the org's own text, which may repeat values: only a look (`sync.flow.inspect`) reads it, and seals it.
    """

    ok: bool
    created: bool
    code: StatusCode | None
    field_names: tuple[str, ...]
    message: str = field(default="", repr=False)


class _Fault(msgspec.Struct, frozen=True):
    code: str | None = msgspec.field(name="statusCode", default=None)
    fields: list[str] | None = None
    message: str | None = None


class _Result(msgspec.Struct, frozen=True):
    success: bool
    created: bool | None = None
    errors: list[_Fault] | None = None


_UNTOLD: Final = _Result(success=False)
"""In the place of a result that is null: nothing says that the row was written."""


async def upsert(
    session: Session, name: ApiName, key: ApiName, records: Sequence[Record], *, allow_duplicates: bool = False
) -> list[RowResult]:
    """Upsert up to `UPSERT_ROWS_MAX` records by the external id `key`; results in the records' order.

    `allow_duplicates`: duplicate rules that only warn let the rows pass.

    A parent goes as a mapping: `{"Account": {"Ext__c": "…"}}`. Assignment rules do not run. Idempotent, so it is sent
    again after an interruption. Decimals are written as JSON numbers, exactly.
    """
    if not 0 < len(records) <= UPSERT_ROWS_MAX:
        message = f"a call upserts 1 to {UPSERT_ROWS_MAX} records"
        raise ValueError(message)
    body = _ENCODER.encode({"allOrNone": False, "records": [_with_type(name, record) for record in records]})
    route = routes.UPSERT_DUPLICATES if allow_duplicates else routes.UPSERT
    results = await session.json(route, list[_Result | None], {"object": name, "key": key}, body)
    if len(results) != len(records):
        raise Unexpected(route)
    return [_row_result(result or _UNTOLD) for result in results]


async def update(session: Session, name: ApiName, records: Sequence[Record], *, once: bool = False) -> list[RowResult]:
    """Change up to `UPSERT_ROWS_MAX` records, each named by its `Id`; results in the records' order.

    Never creates: a record that is deleted or out of sight fails its row. Otherwise as `upsert`. `once`: it is not sent
    again after an interruption (`Transient`), because what was to be written may be out of date by then.
    """
    if not 0 < len(records) <= UPSERT_ROWS_MAX:
        message = f"a call changes 1 to {UPSERT_ROWS_MAX} records"
        raise ValueError(message)
    body = _ENCODER.encode({"allOrNone": False, "records": [_with_type(name, record) for record in records]})
    route = routes.UPDATE_ONCE if once else routes.UPDATE
    results = await session.json(route, list[_Result | None], None, body)
    if len(results) != len(records):
        raise Unexpected(route)
    return [_row_result(result or _UNTOLD) for result in results]


async def delete(session: Session, ids: Sequence[str]) -> list[RowResult]:
    """Put up to `UPSERT_ROWS_MAX` records into the recycle bin; results in the order of `ids`.

    Sent once: after `Transient` nobody knows which are deleted, and whether it may be done again is to be looked at.
    """
    if not 0 < len(ids) <= UPSERT_ROWS_MAX:
        message = f"a call deletes 1 to {UPSERT_ROWS_MAX} records"
        raise ValueError(message)
    results = await session.json(routes.DELETE_ROWS, list[_Result | None], {"ids": ",".join(ids)})
    if len(results) != len(ids):
        raise Unexpected(routes.DELETE_ROWS)
    return [_row_result(result or _UNTOLD) for result in results]


async def update_unless_changed(
    session: Session, name: ApiName, row_id: str, values: Record, *, unless_after: datetime
) -> bool:
    """Change one record unless it was changed after `unless_after` (to the second); return whether it was written.

    Sent once: after `Transient` nobody knows whether the org has written it. Raises `Refused` where the org refuses.
    """
    holes = {"object": name, "row": row_id, "unless_after": unless_after}
    try:
        await session.call(routes.UPDATE_UNCHANGED, holes, _ENCODER.encode(values))
    except Refused as refused:
        if refused.http_status == HTTPStatus.PRECONDITION_FAILED:
            return False
        raise
    return True


_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


def _with_type(name: ApiName, record: Record) -> Mapping[str, Cell]:
    return {"attributes": {"type": str(name)}, **record}


def _row_result(result: _Result) -> RowResult:
    if result.success:
        return RowResult(ok=True, created=result.created is True, code=None, field_names=())
    first = result.errors[0] if result.errors else _Fault()
    message = first.message or ""
    code = row_code(first.code or "", message)
    return RowResult(ok=False, created=False, code=code, field_names=tuple(first.fields or ()), message=message)
