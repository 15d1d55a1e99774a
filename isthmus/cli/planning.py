"""`isthmus sync plan`: what a file would change, and what that would cost; nothing is saved or switched on."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from isthmus.cli.output import EXIT_DONE, EXIT_PARTIAL, EXIT_REFUSED, say
from isthmus.cli.plans import (
    plain_estimate,
    plain_issue,
    plain_plan,
    plain_suggestion,
    print_estimate,
    print_plan,
    print_suggestions,
)
from isthmus.cli.specs import spec_of
from isthmus.cli.syncs import POLL_S, SCHEMA_WAIT_S, ended, pair_of
from isthmus.sync import definitions
from isthmus.sync.definitions import SchemaPending
from isthmus.sync.looking import list_syncs, runs, sync_view
from isthmus.sync.model import Drawn
from isthmus.sync.planning import previews
from isthmus.sync.planning.changes import Change, ChangeKind
from isthmus.sync.planning.estimate import Estimate
from isthmus.sync.planning.previews import Preview
from isthmus.sync.views import SyncView
from isthmus.values import Alias, ConnectionId, SyncId, UserText
from isthmus.wiring.installation import Installation

COUNT_WAIT_S: Final = 300.0
_MARKS: Final = {
    ChangeKind.ADDED: ("+", "green"),
    ChangeKind.REMOVED: ("-", "red"),
    ChangeKind.CHANGED: ("~", "yellow"),
}


@dataclass(frozen=True, slots=True)
class Planned:
    """What a file would do. `sync` None: there is no such sync yet. `uncounted`: why there is no estimate."""

    sync: SyncView | None
    preview: Preview
    estimate: Estimate | None
    uncounted: str | None

    @property
    def exit_status(self) -> int:
        """0 nothing to do, 1 `apply` would change something, 2 the file cannot be applied."""
        if not isinstance(self.preview.outcome, Drawn):
            return EXIT_REFUSED
        return EXIT_PARTIAL if self.preview.changes else EXIT_DONE


async def planned(installation: Installation, text: str, source: Alias, target: Alias, *, count: bool) -> Planned:
    """Return what `text` would do. A sync that does not exist yet is kept as a draft meanwhile."""
    title = spec_of(text, "the file").name
    async with installation.transaction() as tx:
        pair = await pair_of(tx, source, target)
        found = [
            s for s in await list_syncs(tx) if s.title == title and (s.source_connection, s.target_connection) == pair
        ]
        if found:
            sync = SyncId(found[0].id)
            await previews.prepare(tx, sync, UserText(text))
        else:
            ends = (ConnectionId(pair[0]), ConnectionId(pair[1]))
            sync = await definitions.save(tx, UserText(text), *ends, draft=True)
    try:
        preview = await _previewed(installation, sync, text)
        made, why = await _counted(installation, sync, preview) if count else (None, None)
        async with installation.transaction() as tx:
            return Planned(await sync_view(tx, sync) if found else None, preview, made, why)
    finally:
        if not found:
            async with installation.transaction() as tx:
                await definitions.remove(tx, sync)


async def _previewed(installation: Installation, sync: SyncId, text: str) -> Preview:
    """Wait while the worker reads the objects of the orgs."""
    deadline = installation.clock.monotonic_s() + SCHEMA_WAIT_S
    while True:
        async with installation.transaction() as tx:
            try:
                return await previews.preview(tx, sync, UserText(text))
            except SchemaPending:
                if installation.clock.monotonic_s() > deadline:
                    raise
        await asyncio.sleep(POLL_S)


async def _counted(installation: Installation, sync: SyncId, preview: Preview) -> tuple[Estimate | None, str | None]:
    if not isinstance(preview.outcome, Drawn):
        return None, None
    async with installation.transaction() as tx:
        if any(run.ended_at is None for run in await runs(tx, sync, rows_max=5)):
            return None, "A run of this sync is under way, so the rows were not counted. Plan again after it."
        run = await previews.request_dry_run(tx, sync, preview.outcome.plan)
    try:
        async with asyncio.timeout(COUNT_WAIT_S):
            detail = await ended(installation, run)
    except TimeoutError:
        return None, "Counting the rows takes longer than this command waits. The page of the sync shows it later."
    async with installation.transaction() as tx:
        found = await previews.estimated(tx, sync)
    made = None if found is None else found.estimate
    return made, None if made is not None else f"The rows could not be counted. {detail.message}"


def print_planned(planned: Planned) -> None:
    """Print it for a person."""
    outcome = planned.preview.outcome
    drawn = outcome.plan if isinstance(outcome, Drawn) else None
    print_plan(drawn, outcome.issues)
    print_suggestions(planned.preview.suggestions)
    if planned.estimate is not None:
        print_estimate(planned.estimate)
    if planned.uncounted is not None:
        say(planned.uncounted, style="yellow")
    if drawn is None:
        say("The file cannot be applied; see the errors.", style="bold red")
    else:
        _print_changes(planned)


def _print_changes(planned: Planned) -> None:
    name = "a new sync" if planned.sync is None else f"{planned.sync.title} ({planned.sync.state.value})"
    if not planned.preview.changes:
        say(f"No changes: {name} runs by this file already.", style="bold green")
        return
    say(f"`isthmus sync apply` would change {name}:", style="bold")
    for change in planned.preview.changes:
        mark, style = _MARKS[change.kind]
        values = " → ".join(text for text in (change.before, change.after) if text is not None)
        say(f"  {mark} {change.place}" + (f": {values}" if values else ""), style=style)


def plain_planned(planned: Planned, sync: dict[str, object] | None) -> dict[str, object]:
    """Return it for machines; `sync` is the plain form of its sync."""
    outcome = planned.preview.outcome
    return {
        "exit_status": planned.exit_status,
        "sync": sync,
        "plan": plain_plan(outcome.plan) if isinstance(outcome, Drawn) else None,
        "issues": [plain_issue(issue) for issue in outcome.issues],
        "changes": plain_changes(planned.preview.changes),
        "suggestions": [plain_suggestion(suggestion) for suggestion in planned.preview.suggestions],
        "estimate": None if planned.estimate is None else plain_estimate(planned.estimate),
        "uncounted": planned.uncounted,
    }


def plain_changes(changes: Sequence[Change]) -> list[dict[str, object]]:
    """Return changes for machines."""
    return [
        {"kind": change.kind.value, "place": change.place, "before": change.before, "after": change.after}
        for change in changes
    ]
