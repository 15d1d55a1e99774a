"""Deletions in a two-way sync: what was deleted on the step's side by somebody else, and still lives on the other.

| the deleted record was | its other record is found by |
|---|---|
| native to its org | the key field of the other org, which holds its id |
| a copy | the id that it held in its own key field: the recycle bin still has it |

A deletion that we ourselves carried here is not carried back. What lives again is left alone, and so is a record that
somebody changed after the deletion where deletions are carried: the other direction makes its counterpart again.

An org deletes children with their parent. Where we deleted a parent and a child went along that nobody deleted on the
other side, that child is *bereft*: the other direction makes it again, and the window stays open until it has.
"""

from __future__ import annotations

from collections.abc import Sequence

from isthmus.salesforce.query import Compare, FieldPath, OneOf, pages, soql_select
from isthmus.sync.flow.both import Both
from isthmus.sync.flow.counterparts import ID, QUERY_CHARS_MAX, TRACE, Counterpart, Counterparts, lots, trace_of
from isthmus.sync.flow.deciding import Trace, outlives
from isthmus.sync.flow.job import SOURCE, TARGET, StepJob
from isthmus.sync.flow.reading import began
from isthmus.sync.flow.removing import Removal, deletions_in, pairs_of, whole_minute
from isthmus.sync.flow.sides import Stopped, asking
from isthmus.sync.model import EndReason, Step, Window
from isthmus.values import ApiName


async def look_for_deleted_pairs(job: StepJob, window: Window, both: Both) -> Removal | None:
    """Return what was deleted in `window`; None if the source cannot tell yet.

    Raises `Stopped` if the source no longer knows, or if there is more than the step's ceiling.
    """
    step = job.step
    if window.since is None:
        return Removal((), whole_minute(began(window)))
    deletions = await deletions_in(step, window, both.sessions[SOURCE])
    if deletions is None:
        return None
    if deletions.earliest > window.since:
        raise Stopped(EndReason.DELETES_UNPROVEN)
    alive = {row_id for row_id, _ in await pairs_of(both.sessions, SOURCE, step.source, ID, deletions.ids)}
    gone = [row_id for row_id in dict.fromkeys(deletions.ids) if row_id not in alive]
    found, bereft = await _survivors(step, both, gone)
    if step.flag is not None:
        unmarked = Compare(FieldPath.of(step.flag), "=", value=False)
        still = {row_id for row_id, _ in await pairs_of(both.sessions, TARGET, step.target, ID, found, unmarked)}
        found = [row_id for row_id in found if row_id in still]
    if step.ceiling is not None and len(found) > step.ceiling:
        raise Stopped(EndReason.DELETES_ABOVE_CEILING)
    watermark = None if bereft else max(min(deletions.covered, whole_minute(began(window))), window.since)
    return Removal(tuple((row_id, row_id) for row_id in found), watermark, tuple(bereft))


async def _survivors(step: Step, both: Both, gone: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the ids of the target's live records whose counterparts are `gone`: not by our hand, and by it."""
    bin_ = await _in_the_bin(step, both, gone)
    origins = {row_id: origin for row_id in gone if (origin := bin_[row_id][0] if row_id in bin_ else None)}
    replaced = {key for key, _ in await pairs_of(both.sessions, SOURCE, step.source, step.key, list(origins.values()))}
    index = await Counterparts(step, both, ()).of(gone, list(origins.values()))
    found: list[str] = []
    bereft: list[str] = []
    for row_id in gone:
        origin = origins.get(row_id)
        if origin in replaced:
            continue
        survivor = index.live_by_key.get(row_id) if origin is None else index.live_by_id.get(origin)
        deletion = bin_[row_id][1] if row_id in bin_ else None
        if survivor is None or _is_newer(step, survivor, deletion):
            continue
        if deletion is None or not deletion.ours:
            found.append(survivor.row_id)
        elif step.pairing is not None and step.pairing.recreates:
            bereft.append(survivor.row_id)
    return list(dict.fromkeys(found)), list(dict.fromkeys(bereft))


def _is_newer(step: Step, survivor: Counterpart, deletion: Trace | None) -> bool:
    carried = step.pairing is not None and step.pairing.recreates
    return carried and deletion is not None and outlives(survivor.trace, deletion.modified)


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
