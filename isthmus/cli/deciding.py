"""`isthmus sync decide`: held conflicts with both sides, what a person says of each, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

from isthmus.cli.looking import Seen, plain_seen
from isthmus.cli.output import say
from isthmus.sync.definitions import request_run
from isthmus.sync.flow.shown import Carried, Decision, Decisions, Outcome, ShownPair
from isthmus.sync.inspecting.looks import answered, looked, request_look
from isthmus.sync.inspecting.relay import waiting
from isthmus.sync.inspecting.viewing import LookBroken, Viewer
from isthmus.values import RunId, SyncId
from isthmus.wiring.installation import Installation

Decide = Callable[[ShownPair], Decision | None]
OUTCOMES: Final = {
    Outcome.WRITTEN: "written",
    Outcome.CHANGED: "not written: a record has changed since it was shown. Look again",
    Outcome.HALF: "half written: the source's record was changed in that moment. Look again",
    Outcome.REFUSED: "refused by the org",
    Outcome.UNKNOWN: "the connection broke off while it was written. Look again",
    Outcome.UNDECIDABLE: "cannot be decided here: make both records alike in one of the orgs",
}


@dataclass(frozen=True, slots=True)
class Decided:
    """What was seen, what became of the decisions, and the run that settles what was written."""

    seen: Seen
    results: tuple[Carried, ...]
    run: RunId | None

    @property
    def settled(self) -> bool:
        """Whether every conflict that was shown is decided and written."""
        written = {result.pair for result in self.results if result.outcome is Outcome.WRITTEN}
        return {pair.number for pair in self.seen.pairs} == written


async def decide_with(
    installation: Installation, sync: SyncId, decide: Decide, *, rows_max: int, window: UUID | None
) -> Decided:
    """Show held conflicts and carry out what `decide` says of each.

    Raises `SyncProblem` if none is held, `WorkerGone`, `LookBroken`.
    """
    viewer, look = Viewer(), uuid4()
    run_dir = installation.settings.run_dir
    async with waiting(run_dir, look) as relay:
        async with installation.transaction() as tx:
            found = await request_look(
                tx, sync, look, viewer=viewer.public, rows_max=rows_max, window=window, decides=True
            )
        result = await looked(relay)
        shown = tuple(viewer.open(look, result.sealed, whole=result.message is None))
        seen = Seen.of(found, shown, result)
        if not result.waits:
            return Decided(seen, (), None)
        relay.stay()
        telling = _Telling(run_dir, look, viewer)
        results: list[Carried] = []
        try:
            for pair in seen.pairs:
                decision = decide(pair) if pair.decidable else None
                if decision is not None:
                    results += await telling.tell(Decisions((decision,)))
        finally:
            await telling.tell(Decisions(done=True))
        await looked(relay)  # its end: the sync is free again
    run = None
    if any(each.outcome in {Outcome.WRITTEN, Outcome.HALF} for each in results):
        async with installation.transaction() as tx:
            run = await request_run(tx, sync, retry=True)
    return Decided(seen, tuple(results), run)


@dataclass(frozen=True, slots=True)
class _Telling:
    """The way back to the mover that waits."""

    run_dir: Path
    look: UUID
    viewer: Viewer

    async def tell(self, decisions: Decisions) -> Sequence[Carried]:
        reply = await answered(self.run_dir, self.look, self.viewer.answer(self.look, decisions))
        if not reply:
            text = "The mover did not understand the decision. Look again."
            raise LookBroken(text)
        return self.viewer.open_reply(self.look, reply).results


def print_decided(title: str, decided: Decided) -> None:
    """Say what became of each decision."""
    if decided.seen.looked.message is not None:
        say(decided.seen.looked.message, style="red")
    if not decided.seen.pairs:
        say(f"{title}: no conflict is held in this window any more. The next run settles it.")
    for result in decided.results:
        good = result.outcome is Outcome.WRITTEN
        code = f" ({result.code})" if result.code else ""
        say(f"{result.pair}. {OUTCOMES[result.outcome]}{code}", style="green" if good else "yellow")
    if decided.run is not None:
        say(f"Run {decided.run} settles what was written.", style="dim")


def plain_decided(title: str, decided: Decided) -> dict[str, object]:
    """Return the same for a program."""
    results = [
        {"pair": each.pair, "outcome": each.outcome.value, "code": each.code or None} for each in decided.results
    ]
    return {**plain_seen(title, decided.seen), "results": results, "run": decided.run and str(decided.run)}
