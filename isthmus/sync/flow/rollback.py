"""Taking a run back: delete what it created in the target, children first. Ids in memory, those of one object."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Final

import msgspec

from isthmus.salesforce import routes
from isthmus.salesforce.bulk import delete
from isthmus.salesforce.query import Compare, Condition, FieldPath, count, pages, soql_select
from isthmus.salesforce.session import Session
from isthmus.salesforce.status_code import StatusCode
from isthmus.salesforce.world import MoverWorld, Report
from isthmus.sync.flow.frames import Calls, Ended, Frame, Moved, RowsFailed, StepDone, WindowFixed, WindowSettled
from isthmus.sync.flow.job import TARGET, RollbackJob, RollbackStep
from isthmus.sync.flow.sides import Stopped, asking
from isthmus.sync.flow.tally import send
from isthmus.sync.model import EndReason, Path, Window
from isthmus.values import ApiName

LOT_ROWS: Final = 10_000
"""So many are deleted by one job."""


class _Me(msgspec.Struct, frozen=True):
    user_id: str


async def work(job: RollbackJob, world: MoverWorld) -> None:
    """Delete object by object and report each as a step that is done."""
    session = world.sessions[0]
    number = None
    try:
        with asking(TARGET):
            me = (await session.json(routes.USERINFO, _Me)).user_id
            window = Window(job.since, await session.server_time())
        ours = (
            Compare(FieldPath.of(job.run_tag), "=", job.tag),
            Compare(FieldPath.of("CreatedById"), "=", me),
            Compare(FieldPath.of("CreatedDate"), ">", job.since),
        )
        for step in job.steps:
            number = step.ordinal
            await _take_back(step, ours, window, session, world.report)
        left = sorted(set(range(job.steps_count)) - {step.ordinal for step in job.steps})
        await send(world.report, [StepDone(ordinal) for ordinal in left])
        ended = Ended(EndReason.FINISHED, None, None)
    except Stopped as stop:
        ended = Ended(stop.reason, number, stop.code)
    await send(world.report, [Calls(0, session.calls), ended])


async def _take_back(
    step: RollbackStep, where: Sequence[Condition], window: Window, session: Session, report: Report
) -> None:
    name = ApiName.parse(step.target)
    with asking(TARGET):
        rows = await count(session, soql_select(name, [FieldPath.of("Id")], where))
    await send(report, [WindowFixed(step.ordinal, window, Path.BULK if rows else Path.NONE, rows)])
    async with aclosing(_lots(session, name, where)) as lots:
        async for lot in lots:
            with asking(TARGET):
                outcome = await delete(session, name, lot)
            frames: list[Frame] = [Moved(step.ordinal, len(lot), outcome.processed - outcome.failed, 0)]
            frames += [RowsFailed(step.ordinal, code, None, failed) for (code, _), failed in outcome.failures.items()]
            if outcome.unprocessed:
                frames.append(RowsFailed(step.ordinal, StatusCode.UNPROCESSED, None, outcome.unprocessed))
            await send(report, [*frames, Calls(0, session.calls)])
    await send(report, [WindowSettled(step.ordinal, window, 0, None), StepDone(step.ordinal)])


async def _lots(session: Session, name: ApiName, where: Sequence[Condition]) -> AsyncGenerator[list[str]]:
    """Yield the ids; all of them are read before the first is deleted, because the query's pages must not shrink."""
    ids: list[str] = []
    with asking(TARGET):
        async for batch in pages(session, soql_select(name, [FieldPath.of("Id")], where)):
            ids += [row_id for record in batch.reveal() if isinstance(row_id := record.get("Id"), str)]
    for start in range(0, len(ids), LOT_ROWS):
        yield ids[start : start + LOT_ROWS]
