"""What the sync's work in a worker needs, passed in by the worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from isthmus.clock import Clock
from isthmus.config import Settings
from isthmus.db.database import Database
from isthmus.journal import Journal
from isthmus.orgs.keeper_client import KeeperClient
from isthmus.sync.drive import Moving
from isthmus.sync.moving import moving_to


@dataclass(frozen=True, slots=True)
class SyncApp:
    """What runs, activations and schema readings need of their worker. `database` is open as role isthmus_worker."""

    database: Database
    keeper: KeeperClient
    settings: Settings
    clock: Clock
    journal: Journal
    movers: Callable[[Sequence[str], Settings], Moving] = moving_to
    """From the orgs' origins to how movers that reach them are started."""
