"""Deletions of the source carried to the target, by getDeleted: ids in memory, for the length of one window.

1. The list must reach back to the window's beginning, or nothing is concluded from it. Objects that have no such list
   are asked for what lies in their recycle bin (queryAll), which reaches as far back.
2. What lives again in the source is left out; what the target does not have, or has marked already, needs nothing.
3. Above the ceiling nothing is touched at all.
4. Records of the target are named by their ids there, so that one that vanishes meanwhile is not made anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from isthmus.salesforce.bulk import delete
from isthmus.salesforce.collections import UPSERT_ROWS_MAX, update
from isthmus.salesforce.errors import Refused
from isthmus.salesforce.query import Compare, Condition, FieldPath, OneOf, pages, soql_select
from isthmus.salesforce.session import Deletions, Session
from isthmus.salesforce.status_code import StatusCode
from isthmus.sync.flow.job import SOURCE, TARGET
from isthmus.sync.flow.reading import IDLE_OVERLAP, began
from isthmus.sync.flow.sides import Stopped, asking
from isthmus.sync.flow.tally import Tally
from isthmus.sync.model import EndReason, Step, Window
from isthmus.values import ApiName

MINUTE: Final = timedelta(minutes=1)
BIN_DAYS: Final = timedelta(days=15)
"""How long an org keeps what was deleted, in its bin and in its list."""
GONE: Final = frozenset(
    map(StatusCode.parse, ("ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY", "NOT_FOUND", "RECORD_NOT_FOUND"))
)
"""What an org says of a record that somebody else has deleted meanwhile: what was wanted is so already."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What a window deletes: pairs of the key and the target's id; and where the next window may begin.

    `bereft` are ids of records of the target that live on, and whose counterparts are gone: see `pairs`. Of a step
    that looks at pairs, `found` holds the deleted record's id in the place of the key, and `gone_at` says when.
    """

    found: tuple[tuple[str, str], ...]
    watermark: datetime | None
    bereft: tuple[str, ...] = ()
    gone_at: Mapping[str, datetime] = field(default_factory=dict[str, datetime])

    def __repr__(self) -> str:
        """Show the count, nothing more."""
        return f"<Removal of {len(self.found)} rows>"


async def look_for_deleted(step: Step, window: Window, sessions: tuple[Session, Session]) -> Removal | None:
    """Return what was deleted in `window`; None if the source cannot tell yet: it reckons in whole minutes.

    Raises `Stopped` if the source no longer knows, or if there is more than the step's ceiling.
    """
    if window.since is None:
        return await from_now_on(step, window, sessions[SOURCE])
    deletions = await deletions_in(step, window, sessions[SOURCE])
    if deletions is None:
        return None
    if deletions.earliest > window.since:
        raise Stopped(EndReason.DELETES_UNPROVEN)
    alive = {row_id for row_id, _ in await pairs_of(sessions, SOURCE, step.source, "Id", deletions.ids)}
    gone = [row_id for row_id in dict.fromkeys(deletions.ids) if row_id not in alive]
    unmarked = () if step.flag is None else (Compare(FieldPath.of(step.flag), "=", value=False),)
    found = await pairs_of(sessions, TARGET, step.target, step.key, gone, *unmarked)
    if step.ceiling is not None and len(found) > step.ceiling:
        raise Stopped(EndReason.DELETES_ABOVE_CEILING)
    return Removal(tuple(found), max(min(deletions.covered, whole_minute(began(window))), window.since))


async def from_now_on(step: Step, window: Window, source: Session) -> Removal:
    """Return where deletions begin to count: before those that lie in a transaction which is still open."""
    now = whole_minute(began(window))
    try:
        asked = await deletions_in(step, Window(now - MINUTE, window.until), source)
    except Stopped as stop:
        if stop.reason is not EndReason.DELETES_UNPROVEN:
            raise
        asked = None  # nothing is concluded from the list here, so nothing stands in the way of the first rows
    return Removal((), now - IDLE_OVERLAP if asked is None else min(asked.covered, now))


async def deletions_in(step: Step, window: Window, source: Session) -> Deletions | None:
    """Ask up to the end of the running minute; an org that takes no future end is asked up to its beginning."""
    if not step.deletions_listed:
        return await _in_the_bin(step, window, source)
    start, now = whole_minute(window.since or began(window)), whole_minute(began(window))
    for end in (now + MINUTE, now):
        if start >= end:
            return None
        with asking(SOURCE):
            try:
                return await source.deleted(ApiName.parse(step.source), start, end)
            except Refused as refused:
                if refused.code == StatusCode.EXCEEDED_ID_LIMIT:
                    raise Stopped(EndReason.DELETES_ABOVE_CEILING, refused.code) from None
                if end == now and refused.code != StatusCode.INVALID_REPLICATION_DATE:
                    raise
    raise Stopped(EndReason.DELETES_UNPROVEN)


async def _in_the_bin(step: Step, window: Window, source: Session) -> Deletions:
    since = window.since or window.until
    where: list[Condition] = [
        Compare(FieldPath.of("IsDeleted"), "=", value=True),
        Compare(FieldPath.of(step.stamp), ">=", since),
        Compare(FieldPath.of(step.stamp), "<", window.until),
    ]
    ids: list[str] = []
    with asking(SOURCE):
        soql = soql_select(ApiName.parse(step.source), [FieldPath.of("Id")], where)
        async for batch in pages(source, soql, deleted=True):
            ids += [row_id for record in batch.reveal() if isinstance(row_id := record.get("Id"), str)]
    # What is committed later than it is stamped is found where the next window looks back; that costs nothing.
    return Deletions(tuple(ids), window.until - BIN_DAYS, window.until - IDLE_OVERLAP)


async def remove(step: Step, removal: Removal, target: Session, tally: Tally) -> None:
    """Flag or delete what was found; each row's result is counted."""
    tally.read(len(removal.found))
    name = ApiName.parse(step.target)
    if step.flag is None:
        if removal.found:
            with asking(TARGET):
                outcome = await delete(target, name, [row_id for _, row_id in removal.found])
            tally.written(outcome.processed - outcome.failed)
            for (code, _), rows in outcome.failures.items():
                if code in GONE:
                    tally.written(rows)
                else:
                    tally.failed(code, None, rows)
            if outcome.unprocessed:
                tally.failed(StatusCode.UNPROCESSED, None, outcome.unprocessed)
    else:
        for lot in _lots([row_id for _, row_id in removal.found]):
            with asking(TARGET):
                results = await update(target, name, [{"Id": row_id, step.flag: True} for row_id in lot])
            for result in results:
                if result.ok or result.code in GONE:
                    tally.written(1)
                else:
                    tally.failed(result.code or StatusCode.OTHER, None)
    await tally.flush()


async def pairs_of(
    sessions: tuple[Session, Session], side: int, name: str, key: str, keys: Collection[str], *more: Condition
) -> list[tuple[str, str]]:
    """Return (key, id) of the records that have one of `keys` and are as `more` says."""
    found: list[tuple[str, str]] = []
    select = [FieldPath.of(each) for each in dict.fromkeys((key, "Id"))]
    for lot in _lots(list(keys)):
        soql = soql_select(ApiName.parse(name), select, [OneOf(FieldPath.of(key), lot), *more])
        with asking(side):
            async for batch in pages(sessions[side], soql):
                for record in batch.reveal():
                    value, row_id = record.get(key), record.get("Id")
                    if isinstance(value, str) and isinstance(row_id, str):
                        found.append((value, row_id))
    return found


def _lots(values: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(values), UPSERT_ROWS_MAX):
        yield values[start : start + UPSERT_ROWS_MAX]


def whole_minute(moment: datetime) -> datetime:
    """Return the beginning of the minute: lists of deletions are asked for by whole minutes."""
    return moment.replace(second=0, microsecond=0)
