"""Everything the portal works with, passed in by its caller."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from isthmus.audit.what_if.questions import ReadyTables
from isthmus.clock import Clock
from isthmus.config import Settings
from isthmus.db.database import Database
from isthmus.journal import Journal
from isthmus.orgs.keeper_client import KeeperClient


@dataclass(frozen=True, slots=True)
class PortalServices:
    """The portal's world. `database` is open as role `isthmus_portal`; the portal holds no key of any kind.

    `tables` are the audits that were loaded for what-if questions.
    """

    database: Database
    keeper: KeeperClient
    settings: Settings
    clock: Clock
    journal: Journal
    random_bytes: Callable[[int], bytes]
    tables: ReadyTables
