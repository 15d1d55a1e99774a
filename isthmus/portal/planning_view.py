"""What the page of a sync shows of planning: differences, suggestions, the latest estimate, calls beside runs."""

from __future__ import annotations

from dataclasses import dataclass

from isthmus.db.database import TenantTx
from isthmus.sync.definitions import SpecRefused, SyncProblem
from isthmus.sync.planning import previews
from isthmus.sync.planning.changes import Change
from isthmus.sync.planning.previews import Estimated
from isthmus.sync.planning.suggestions import Suggestion
from isthmus.sync.timing.beside import CallsBeside, calls_beside_runs
from isthmus.values import SyncId


@dataclass(frozen=True, slots=True)
class Planning:
    """The parts; differences are shown of a sync that was active once."""

    changes: tuple[Change, ...]
    suggestions: tuple[Suggestion, ...]
    dry_run: Estimated | None
    beside: CallsBeside | None


async def planning_of(tx: TenantTx, sync: SyncId) -> Planning:
    """Return what is known now. Changes and queues nothing; what is not known yet is left out."""
    beside = (await calls_beside_runs(tx, sync)).get(sync)
    dry_run = await previews.estimated(tx, sync)
    try:
        preview = await previews.preview(tx, sync)
    except (SyncProblem, SpecRefused):
        return Planning((), (), dry_run, beside)
    shown = preview.changes if await previews.active_plan(tx, sync) is not None else ()
    return Planning(shown, preview.suggestions, dry_run, beside)
