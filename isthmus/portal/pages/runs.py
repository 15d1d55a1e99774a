"""One run: its counts while they grow, and its failures by reason."""

from __future__ import annotations

from typing import Any, Final

from litestar import Response, get
from litestar.response import Stream

from isthmus.db.ticket import Ticket
from isthmus.portal import formats, live
from isthmus.portal.desk import Renderer, SignedIn, WayOut, WebRequest, World, id_of, missing
from isthmus.sync import definitions
from isthmus.sync.model import RunState
from isthmus.sync.telling.outlook import run_anomalies
from isthmus.sync.views import RunDetail, RunView
from isthmus.values import RunId

_LIST = WayOut("/syncs", "All syncs")
PERCENT_MAX: Final = 100


@get("/runs/{run:str}")
async def run(request: WebRequest, world: World, pages: Renderer, visitor: SignedIn, run: str) -> Response[str]:
    """Show one run."""
    async with world.database.tenant(visitor.ticket) as tx:
        run_id = RunId(id_of(run, "Run", _LIST))
        detail, unusual = await definitions.run_detail(tx, run_id), await run_anomalies(tx, run_id)
    if detail is None:
        missing("Run", _LIST)
    shown = detail.run
    took_s = (shown.ended_at - shown.started_at).total_seconds() if shown.ended_at and shown.started_at else None
    return pages.page(
        request,
        "run.html",
        visitor,
        live=is_live(shown),
        detail=detail,
        anomalies=unusual,
        took_s=took_s,
        **counts(detail),
    )


@get("/runs/{run:str}/live")
async def watch(world: World, pages: Renderer, visitor: SignedIn, run: str) -> Stream:
    """Stream the counts of a run."""
    run_id = RunId(id_of(run, "Run", _LIST))

    async def look(ticket: Ticket) -> live.Look:
        async with world.database.tenant(ticket) as tx:
            detail = await definitions.run_detail(tx, run_id)
        if detail is None:
            return live.Look("", finished=True)
        return live.Look(pages.fragment("run_live.html", **counts(detail)), finished=not is_live(detail.run))

    return live.stream(visitor, world.keeper, world.clock, look)


def is_live(run: RunView) -> bool:
    """Whether a run still changes."""
    return run.state in {RunState.QUEUED, RunState.RUNNING}


def counts(detail: RunDetail) -> dict[str, Any]:
    """Return what the counts of a run show: the run, its steps, one sentence, and how far it is."""
    run = detail.run
    if run.state is RunState.QUEUED:
        text = "Waiting for a worker"
    elif run.state is RunState.RUNNING:
        text = f"{formats.number(run.rows_written)} of {formats.number(run.rows_expected)} rows written"
    else:
        text = detail.message
    return {"run": run, "steps": detail.steps, "text": text, "percent": percent(run)}


def percent(run: RunView) -> int:
    """Return how far a run is; a run of nothing that has ended is complete."""
    if run.state in {RunState.DONE, RunState.PARTIAL}:
        return PERCENT_MAX
    settled = run.rows_written + run.rows_failed
    return min(PERCENT_MAX, PERCENT_MAX * settled // run.rows_expected) if run.rows_expected else 0


HANDLERS = (run, watch)
