"""What a step that looks at pairs reads: the rows of its window, or records that live on without a counterpart."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from isthmus.salesforce.bulk import await_earlier_jobs
from isthmus.salesforce.query import pages
from isthmus.sync.flow.both import Both
from isthmus.sync.flow.computed import NO_TOOLS, Tools
from isthmus.sync.flow.counterparts import QUERY_CHARS_MAX, lots
from isthmus.sync.flow.job import SOURCE, TARGET, StepJob
from isthmus.sync.flow.pairs import Pairs
from isthmus.sync.flow.reading import check_key, query_of
from isthmus.sync.flow.sides import asking
from isthmus.sync.flow.tally import Tally
from isthmus.sync.model import Window
from isthmus.values import ApiName


async def move_pairs(
    job: StepJob, window: Window | None, both: Both, tally: Tally, tools: Tools = NO_TOOLS, *, again: bool = False
) -> None:
    """Read the window in order of change and write it, page by page. A step's first window is the one that adopts.

    `again`: rows of the window failed before, so all of it counts as not yet carried.
    """
    step = job.step
    first = window is None or window.since is None
    fresh = msgspec.structs.replace(job, seen_until=None) if again else job
    pairs = Pairs(fresh, both, tally, tools, adopting=first, since=None if window is None else window.since)
    if first and step.pairing is not None and step.pairing.two_way and step.pairing.adoption is None:
        with asking(TARGET):  # an earlier attempt may have loaded by Bulk; its job outlives it, and would write over us
            await await_earlier_jobs(both.sessions[TARGET], ApiName.parse(step.target), ApiName.parse(step.key))
    with asking(SOURCE):
        batches = pages(both.sessions[SOURCE], query_of(step, pairs.select, window, ordered=True))
    while True:
        with asking(SOURCE):
            batch = await anext(batches, None)
        if batch is None:
            return
        records = batch.reveal()
        tally.read(len(records))
        if records:
            check_key(step, records[0].get(step.key_source))
        await pairs.take(records)
        batch.clear()
        await tally.flush()


async def move_bereft(job: StepJob, ids: Sequence[str], both: Both, tally: Tally, tools: Tools = NO_TOOLS) -> None:
    """Write records by their ids, although their counterparts were deleted: they live on (`sparing`)."""
    pairs = Pairs(job, both, tally, tools, adopting=False, bereft=True)
    for lot in lots(ids, QUERY_CHARS_MAX - len(",".join(pairs.select))):
        records = await pairs.read(lot)
        tally.read(len(records))
        await pairs.take(records)
    await tally.flush()
