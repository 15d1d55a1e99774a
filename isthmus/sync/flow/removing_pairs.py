"""Deletions in a two-way sync: what was deleted on the step's side by somebody else, and still lives on the other.

| the deleted record was | its other record is found by |
|---|---|
| native to its org | the key field of the other org, which holds its id |
| a copy | the id that it held in its own key field: the recycle bin still has it |

A deletion that we ourselves carried here is not carried back. What lives again is left alone, and so is a record that
somebody changed after the deletion where deletions are carried: the other direction makes its counterpart again. Of a
record that is purged already the source's list still tells when it was deleted; nobody else would make it again then,
so it counts as *bereft*.

An org deletes children with their parent. Records that have a living child are spared (`sparing`). Where one went along
all the same that nobody deleted on the other side, that child is bereft, too: the other direction makes it again, and
the window stays open until it has.

Nothing is deleted by what an earlier look has seen: each lot is looked at once more, and then deleted in one call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from isthmus.salesforce.collections import UPSERT_ROWS_MAX, RowResult, delete
from isthmus.salesforce.errors import Transient
from isthmus.salesforce.query import Compare, FieldPath, OneOf, pages, soql_select
from isthmus.salesforce.status_code import StatusCode
from isthmus.sync.flow.both import Both
from isthmus.sync.flow.counterparts import ID, QUERY_CHARS_MAX, TRACE, Counterpart, Counterparts, lots, trace_of
from isthmus.sync.flow.deciding import TIE, Trace, outlives
from isthmus.sync.flow.job import SOURCE, TARGET, StepJob
from isthmus.sync.flow.reading import began
from isthmus.sync.flow.removing import GONE, Removal, deletions_in, from_now_on, pairs_of, whole_minute
from isthmus.sync.flow.sides import Stopped, asking
from isthmus.sync.flow.small import LOCK_PAUSE_S, LOCK_TRIES_MAX
from isthmus.sync.flow.sparing import spared
from isthmus.sync.flow.tally import Tally
from isthmus.sync.model import EndReason, Step, Window
from isthmus.values import ApiName

NOTHING_KEPT: Final = frozenset[str]()


async def look_for_deleted_pairs(job: StepJob, window: Window, both: Both) -> Removal | None:
    """Return what was deleted in `window`; None if the source cannot tell yet.

    Raises `Stopped` if the source no longer knows, or if there is more than the step's ceiling.
    """
    step = job.step
    if window.since is None:
        return await from_now_on(step, window, both.sessions[SOURCE])
    deletions = await deletions_in(step, window, both.sessions[SOURCE])
    if deletions is None:
        return None
    if deletions.earliest > window.since:
        raise Stopped(EndReason.DELETES_UNPROVEN)
    times = deletions.times if len(deletions.times) == len(deletions.ids) else ()
    gone_at = dict(zip(deletions.ids, times, strict=False))
    survivors = await _survivors(step, both, list(dict.fromkeys(deletions.ids)), gone_at)
    found = survivors.doomed
    if step.flag is not None:
        unmarked = Compare(FieldPath.of(step.flag), "=", value=False)
        ids = [row_id for _, row_id in found]
        still = {row_id for row_id, _ in await pairs_of(both.sessions, TARGET, step.target, ID, ids, unmarked)}
        found = [each for each in found if each[1] in still]
    if step.ceiling is not None and len(found) > step.ceiling:
        raise Stopped(EndReason.DELETES_ABOVE_CEILING)
    watermark = max(min(deletions.covered, whole_minute(began(window))), window.since)
    return Removal(tuple(found), watermark, tuple(survivors.bereft), gone_at)


@dataclass(frozen=True, slots=True)
class Left:
    """What was not deleted: ids of records that are to get a counterpart again; how many wait for their children."""

    bereft: tuple[str, ...]
    waiting: int

    def __repr__(self) -> str:
        """Show counts, nothing more."""
        return f"<Left: {len(self.bereft)} bereft, {self.waiting} waiting>"


async def remove_pairs(
    step: Step, removal: Removal, both: Both, tally: Tally, *, again: bool, kept: Collection[str] = NOTHING_KEPT
) -> Left:
    """Delete what was found; each row's result is counted. Return what is left.

    `again`: the window was read before; what still waits then is kept. `kept`: children that this run has kept already.
    """
    tally.read(len(removal.found))
    gone = [key for key, _ in removal.found]
    bereft, waiting = list(removal.bereft), 0
    for start in range(0, len(gone), UPSERT_ROWS_MAX):
        lot = _Lot(step, both, tally, removal.gone_at, again=again, kept=kept)
        await lot.settle(gone[start : start + UPSERT_ROWS_MAX])
        bereft += lot.bereft
        waiting += len(lot.waiting)
    await tally.flush()
    return Left(tuple(dict.fromkeys(bereft)), waiting)


@dataclass(slots=True)
class _Lot:
    """As many deletions as one call carries, looked at and carried out until none is left to be looked at again."""

    step: Step
    both: Both
    tally: Tally
    gone_at: Mapping[str, datetime]
    again: bool
    kept: Collection[str]
    bereft: list[str] = field(default_factory=list[str])
    waiting: set[str] = field(default_factory=set[str])

    async def settle(self, gone: Sequence[str]) -> None:
        """Look and delete; a record that meets a lock, or a call that is cut off, is looked at once more."""
        for attempt in range(1, LOCK_TRIES_MAX + 1):
            gone = await self._take(gone, last=attempt == LOCK_TRIES_MAX)
            if not gone:
                return
            await asyncio.sleep(LOCK_PAUSE_S * 2**attempt)

    async def _take(self, gone: Sequence[str], *, last: bool) -> list[str]:
        survivors = await _survivors(self.step, self.both, gone, self.gone_at)
        self.bereft += survivors.bereft
        living = await spared(self.step, self.both, [row_id for _, row_id in survivors.doomed], kept=self.kept)
        staying = living.kept | living.waiting
        waiting = set[str]() if self.again else living.waiting - living.kept
        for_good = sorted(staying - waiting)
        if for_good:
            self.tally.noted(StatusCode.KEPT_FOR_CHILD, len(for_good))
        self.bereft += for_good
        self.waiting |= waiting
        return await self._delete([each for each in survivors.doomed if each[1] not in staying], last=last)

    async def _delete(self, doomed: Sequence[tuple[str, str]], *, last: bool) -> list[str]:
        if not doomed:
            return []
        with asking(TARGET):
            try:
                results = await delete(self.both.sessions[TARGET], [row_id for _, row_id in doomed])
            except Transient:
                if last:
                    raise
                return [key for key, _ in doomed]
        unsettled: list[str] = []
        for (key, _), result in zip(doomed, results, strict=True):
            if not last and result.code == StatusCode.UNABLE_TO_LOCK_ROW:
                unsettled.append(key)
            else:
                self._count(result)
        return unsettled

    def _count(self, result: RowResult) -> None:
        if result.ok or result.code in GONE:
            self.tally.written(1)
        else:
            self.tally.failed(result.code or StatusCode.OTHER, None)


@dataclass(frozen=True, slots=True)
class _Survivors:
    """Live records of the target whose counterparts are gone: (id of what is gone, id of the survivor)."""

    doomed: list[tuple[str, str]]
    bereft: list[str]


async def _survivors(step: Step, both: Both, listed: Sequence[str], gone_at: Mapping[str, datetime]) -> _Survivors:
    """Return which of the target's records go the way of their counterparts, and which are to get a new one."""
    alive = {row_id for row_id, _ in await pairs_of(both.sessions, SOURCE, step.source, ID, listed)}
    gone = [row_id for row_id in listed if row_id not in alive]
    bin_ = await _in_the_bin(step, both, gone)
    origins = {row_id: origin for row_id in gone if (origin := bin_[row_id][0] if row_id in bin_ else None)}
    replaced = {key for key, _ in await pairs_of(both.sessions, SOURCE, step.source, step.key, list(origins.values()))}
    index = await Counterparts(step, both, ()).of(gone, list(origins.values()))
    recreates = step.pairing is not None and step.pairing.recreates
    doomed: dict[str, str] = {}
    bereft: list[str] = []
    for row_id in gone:
        origin = origins.get(row_id)
        if origin in replaced:
            continue
        survivor = index.live_by_key.get(row_id) if origin is None else index.live_by_id.get(origin)
        if survivor is None:
            continue
        deletion = bin_[row_id][1] if row_id in bin_ else None
        logged = gone_at.get(row_id)
        if deletion is None and logged is not None and recreates:
            if outlives(survivor.trace, both.common(SOURCE, logged) - 2 * TIE):  # it may have been our own deletion
                bereft.append(survivor.row_id)
                continue
        elif recreates and _is_newer(survivor, deletion):
            continue
        if deletion is None or not deletion.ours:
            doomed.setdefault(survivor.row_id, row_id)
        elif recreates:
            bereft.append(survivor.row_id)
    return _Survivors([(row_id, survivor) for survivor, row_id in doomed.items()], list(dict.fromkeys(bereft)))


def _is_newer(survivor: Counterpart, deletion: Trace | None) -> bool:
    return deletion is not None and outlives(survivor.trace, deletion.modified)


async def _in_the_bin(step: Step, both: Both, ids: Sequence[str]) -> dict[str, tuple[str | None, Trace]]:
    """Return, of those of `ids` that the recycle bin still has, the key that each held and who deleted it when."""
    select = [FieldPath.of(name) for name in (ID, step.key, *TRACE)]
    found: dict[str, tuple[str | None, Trace]] = {}
    deleted = Compare(FieldPath.of("IsDeleted"), "=", value=True)
    for lot in lots(ids, QUERY_CHARS_MAX):
        soql = soql_select(ApiName.parse(step.source), select, [OneOf(FieldPath.of(ID), lot), deleted])
        with asking(SOURCE):
            async for batch in pages(both.sessions[SOURCE], soql, deleted=True):
                for record in batch.reveal():
                    row_id, key = record.get(ID), record.get(step.key)
                    if isinstance(row_id, str):
                        trace = trace_of(record, SOURCE, both, ())
                        found[row_id] = (key if isinstance(key, str) else None, trace)
    return found
