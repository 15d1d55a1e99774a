"""A look at held conflicts between two emulated orgs in this process: the mover's own code, with a viewer at it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from isthmus.salesforce.world import MoverWorld
from isthmus.sync.flow import inspect
from isthmus.sync.flow.inspect import END, REPLY, WAITS, InspectJob, LookEnded, decode_end
from isthmus.sync.flow.showing import SEALED
from isthmus.sync.flow.shown import Carried, Decisions, ShownPair, ShownRow
from isthmus.sync.inspecting.viewing import Viewer
from isthmus.sync.planning.two_way import opposite
from tests.support.two_orgs import TwoOrgs

LOOK = UUID(int=11)
Talk = Callable[[Sequence[ShownPair]], Decisions]


@dataclass
class Viewing:
    """What the viewer saw and was told. `raw` is all that left the mover."""

    rows: list[ShownRow] = field(default_factory=list[ShownRow])
    pairs: list[ShownPair] = field(default_factory=list[ShownPair])
    results: list[Carried] = field(default_factory=list[Carried])
    raw: list[bytes] = field(default_factory=list[bytes])
    end: LookEnded | None = None


async def look(world: TwoOrgs, talk: Talk | None = None, *, window: int = 0, reads_only: bool = True) -> Viewing:
    """Look at the open window of that place; `talk` decides once everything is shown (one answer, the last)."""
    step, span, _, _ = world.waiting[window]
    other = opposite(world.plan, step)
    viewer = Viewer()
    job = InspectJob(
        [],
        world.plan.steps[step],
        span.since,
        span.until,
        viewer.public,
        LOOK,
        20,
        opposite=None if other is None else world.plan.steps[other],
        uncarried=world.uncarried(step),
        reads_only=reads_only,
        decide_s=300.0 if talk else 0.0,
    )
    seen, answers = Viewing(), asyncio.Queue[bytes]()

    class Report:
        def __init__(self) -> None:
            self.sealed: list[bytes] = []

        async def send(self, message: bytes) -> None:
            seen.raw.append(message)
            head, rest = message[:1], message[1:]
            if head == SEALED:
                self.sealed.append(rest)
            elif head == WAITS:
                _open(seen, viewer, self.sealed)
                assert talk is not None
                answers.put_nowait(viewer.answer(LOOK, talk(seen.pairs)))
            elif head == REPLY:
                seen.results += viewer.open_reply(LOOK, rest).results
            else:
                assert head == END
                if not seen.pairs:
                    _open(seen, viewer, self.sealed)
                seen.end = decode_end(message)

    await inspect.work(job, MoverWorld(world.sessions(), Report(), world.our_clock, answers=answers.get))
    return seen


def _open(seen: Viewing, viewer: Viewer, sealed: Sequence[bytes]) -> None:
    for shown in viewer.open(LOOK, sealed):
        (seen.rows if isinstance(shown, ShownRow) else seen.pairs).append(shown)  # pyright: ignore[reportArgumentType]
