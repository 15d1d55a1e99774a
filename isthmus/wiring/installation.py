"""Settings → objects: the one place that constructs the world of a command. Long-running processes have their own."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from isthmus.clock import Clock, SystemClock
from isthmus.config import Settings
from isthmus.db.address import Role
from isthmus.db.database import Database, TenantTx
from isthmus.db.ticket import Ticket
from isthmus.orgs.keeper_client import KeeperClient


@dataclass(frozen=True, slots=True)
class Installation:
    """A running installation as the operator's commands see it: the portal's rights, one tenant's rows."""

    settings: Settings
    database: Database
    keeper: KeeperClient
    clock: Clock
    ticket: Ticket

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[TenantTx]:
        """Open a transaction of the operator's tenant."""
        async with self.database.tenant(self.ticket) as tx:
            yield tx


@asynccontextmanager
async def open_installation(settings: Settings, tenant: str | None) -> AsyncGenerator[Installation]:
    """Connect to the installation that runs on this machine.

    Raises `KeeperUnavailable` if it does not run, `NoTenant` if `tenant` names none of it.
    """
    keeper = KeeperClient(settings.keeper_portal_socket)
    ticket = await keeper.ticket_for_operator(tenant)
    database = await Database.open(settings, Role.PORTAL, size_max=2)
    try:
        yield Installation(settings, database, keeper, SystemClock(), ticket)
    finally:
        await database.close()
