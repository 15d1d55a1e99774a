"""What a member should do next, decided from what there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from isthmus.audit.desk.views import AuditState, AuditView
from isthmus.orgs.model import Connection
from isthmus.portal.orgs_view import usable
from isthmus.sync.model import SyncState
from isthmus.sync.views import SyncView
from isthmus.values import Purpose

ORGS_OF_A_SYNC = 2


@dataclass(frozen=True, slots=True)
class NextStep:
    """One line of the set-up list. `first` marks the one to do now."""

    title: str
    text: str
    href: str
    label: str
    done: bool
    first: bool


def next_steps(
    connections: Sequence[Connection], audits: Sequence[AuditView], syncs: Sequence[SyncView]
) -> list[NextStep]:
    """Return the set-up list, empty when all of it is done."""
    sync_orgs = usable(connections, Purpose.SYNC)
    inactive = next((s for s in syncs if s.state is SyncState.INACTIVE), None)
    facts = (
        (
            bool(usable(connections, Purpose.AUDIT)),
            "Connect an org for the licence audit",
            "With an integration user that may read the licence objects and login history.",
            "/orgs/connect?purpose=audit",
            "Connect",
        ),
        (
            any(a.state is AuditState.DONE for a in audits),
            "Run the first audit",
            "Takes about a minute and changes nothing in the org. From then on it runs weekly.",
            "/audits",
            "Start",
        ),
        (
            len(sync_orgs) >= ORGS_OF_A_SYNC,
            "Connect two orgs for a sync",
            f"{len(sync_orgs)} of {ORGS_OF_A_SYNC} connected for sync.",
            "/orgs/connect?purpose=sync",
            "Connect",
        ),
        (
            bool(syncs),
            "Create a sync",
            "Choose the objects and look at the plan before anything is written.",
            "/syncs/new",
            "Create",
        ),
        (
            any(s.state in {SyncState.ACTIVE, SyncState.ACTIVATING, SyncState.PAUSED} for s in syncs),
            "Activate it",
            "This creates the tracking field in the target org and starts the first run.",
            f"/syncs/{inactive.id}" if inactive else "/syncs",
            "Open",
        ),
    )
    if all(done for done, *_ in facts):
        return []
    now = next(i for i, (done, *_) in enumerate(facts) if not done)
    return [
        NextStep(title, text, href, label, done, i == now) for i, (done, title, text, href, label) in enumerate(facts)
    ]
