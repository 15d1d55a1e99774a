"""Computes every promise of the trust page, live, for one installation and one tenant."""

from __future__ import annotations

from dataclasses import dataclass

from isthmus.clock import Clock
from isthmus.config import Settings
from isthmus.db.database import Database
from isthmus.db.ticket import Ticket
from isthmus.orgs.keeper_client import KeeperClient
from isthmus.trust.model import PromiseReport


@dataclass(frozen=True, slots=True)
class TrustWorld:
    """What the checks look at. `database` is opened as the caller's own role."""

    database: Database
    keeper: KeeperClient
    settings: Settings
    clock: Clock


async def compute(world: TrustWorld, ticket: Ticket) -> list[PromiseReport]:
    """Return one report per promise, in the order of the page.

    A check that cannot be carried out yields `not yet known` with the reason as evidence; it never leaves a promise out.
    """
    raise NotImplementedError
