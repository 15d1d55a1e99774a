"""Changing records by their ids where other people change them, too: nothing is sent twice that may be out of date."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from isthmus.salesforce.collections import UPSERT_ROWS_MAX, RowResult, update
from isthmus.salesforce.errors import Transient
from isthmus.salesforce.records import Record
from isthmus.salesforce.session import Session
from isthmus.salesforce.status_code import StatusCode
from isthmus.sync.flow.job import TARGET
from isthmus.sync.flow.sides import asking
from isthmus.sync.flow.small import LOCK_PAUSE_S, LOCK_ROWS, LOCK_TRIES_MAX
from isthmus.values import ApiName

Answer: TypeAlias = tuple[Record, RowResult]
Count: TypeAlias = Callable[[Sequence[Answer]], None]
Send: TypeAlias = Callable[[Sequence[Record]], Awaitable[list[RowResult]]]


@dataclass(frozen=True, slots=True)
class Update:
    """What to write into a record of the target, and the id of the row that it comes from."""

    row_id: str
    values: Record

    def __repr__(self) -> str:
        """Show that there is one, nothing more."""
        return "<Update>"


async def change(target: Session, name: ApiName, updates: Sequence[Update], count: Count, *, last: bool) -> list[str]:
    """Change records; return the ids of rows whose record somebody holds, or whose write was cut off: look again.

    The `last` time there are none: a lock is a failure then, and a write that is cut off ends the run (`Stopped`).
    `count` gets what is final.
    """
    unsettled: list[str] = []
    for start in range(0, len(updates), UPSERT_ROWS_MAX):
        lot = updates[start : start + UPSERT_ROWS_MAX]
        with asking(TARGET):
            try:
                results = await update(target, name, [each.values for each in lot], once=True)
            except Transient:
                if last:
                    raise
                unsettled += [each.row_id for each in lot]
                continue
        for each, result in zip(lot, results, strict=True):
            if not last and result.code == StatusCode.UNABLE_TO_LOCK_ROW:
                unsettled.append(each.row_id)
            else:
                count([(each.values, result)])
    return unsettled


async def patiently(records: Sequence[Record], send: Send, count: Count) -> None:
    """Send records in lots; those that met a lock go again, in smaller lots. `count` gets what is final."""
    size = UPSERT_ROWS_MAX
    for attempt in range(1, LOCK_TRIES_MAX + 1):
        locked: list[Record] = []
        for start in range(0, len(records), size):
            lot = records[start : start + size]
            results = await send(lot)
            again = [attempt < LOCK_TRIES_MAX and result.code == StatusCode.UNABLE_TO_LOCK_ROW for result in results]
            locked += [record for record, wait in zip(lot, again, strict=True) if wait]
            count([(record, result) for record, result, wait in zip(lot, results, again, strict=True) if not wait])
        if not locked:
            return
        await asyncio.sleep(LOCK_PAUSE_S * 2**attempt)
        records, size = locked, LOCK_ROWS
