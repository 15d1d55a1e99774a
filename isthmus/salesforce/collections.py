"""Upserts of up to 200 records in one call; the result of each row is a value, not an exception."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from isthmus.salesforce.records import Record
from isthmus.salesforce.session import Session
from isthmus.salesforce.status_code import StatusCode
from isthmus.values import ApiName

UPSERT_ROWS_MAX: Final = 200


@dataclass(frozen=True, slots=True)
class RowResult:
    """What became of one row. `code` is None if it succeeded; `field_names` are those that the org blamed."""

    ok: bool
    created: bool
    code: StatusCode | None
    field_names: tuple[str, ...]


async def upsert(session: Session, name: ApiName, key: ApiName, records: Sequence[Record]) -> list[RowResult]:
    """Upsert up to `UPSERT_ROWS_MAX` records by the external id `key`; results in the records' order.

    A parent goes as a mapping: `{"Account": {"Ext__c": "…"}}`. Assignment rules do not run. Idempotent, so it is sent
    again after an interruption.
    """
    raise NotImplementedError
