"""The work of a mover that makes the tracking fields in the target: the only change of metadata there is.

It ends with one frame of the sync's own kind; the activation is done when every field shows in the describe.
"""

from __future__ import annotations

from isthmus.salesforce.tooling import await_field, create_text_external_id, grant_field
from isthmus.salesforce.world import MoverWorld
from isthmus.sync.flow.frames import Calls, Ended, StepDone
from isthmus.sync.flow.job import TARGET, ActivateJob
from isthmus.sync.flow.sides import Stopped, asking
from isthmus.sync.flow.tally import send
from isthmus.sync.model import EndReason
from isthmus.values import ApiName


async def work(job: ActivateJob, world: MoverWorld) -> None:
    """Create what is missing; report each object as a step that is done."""
    session = world.sessions[0]
    field = ApiName.parse(job.field)
    number = None
    try:
        for number, text in enumerate(job.objects):
            name = ApiName.parse(text)
            with asking(TARGET):
                await create_text_external_id(session, name, field, job.label)
                await grant_field(session, name, field)
                shows = await await_field(session, name, field)
            if not shows:
                raise Stopped(EndReason.TARGET_REFUSED)
            await send(world.report, [StepDone(number)])
        ended = Ended(EndReason.FINISHED, None, None)
    except Stopped as stop:
        ended = Ended(stop.reason, number, stop.code)
    await send(world.report, [Calls(0, session.calls), ended])
