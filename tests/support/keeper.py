"""A real keeper on its real sockets, over the test's own database, and a person to sign in at orgsim."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from isthmus.clock import SystemClock
from isthmus.config import Settings
from isthmus.db.address import Role
from isthmus.db.ticket import Ticket
from isthmus.keeper.world import open_custodian, run
from isthmus.orgs.custodian import Custodian
from isthmus.orgs.keeper_client import KeeperClient
from isthmus.orgs.model import AuthorizationWanted
from isthmus.values import Alias, ConnectionId, OrgHost, OrgId, Purpose, Secret, UserText
from isthmus.vault.keys import create_key_file
from isthmus.wiring.first_start import prepare
from tests.support.browser import answer_consent
from tests.support.orgsim import Orgsim
from tests.support.postgres import FreshDatabase, TestTenant


@dataclass
class RunningKeeper:
    """A keeper that serves, its callers' clients, and a tenant to work for."""

    settings: Settings
    database: FreshDatabase
    custodian: Custodian
    portal: KeeperClient
    worker: KeeperClient
    acme: TestTenant

    @property
    def ticket(self) -> Ticket:
        return self.database.ticket(Role.PORTAL, self.acme)

    async def begin(
        self, org: Orgsim, alias: str = "north", purpose: Purpose = Purpose.SYNC, renew: OrgId | None = None
    ) -> tuple[str, Secret]:
        begun = await self.portal.begin_authorization(self.ticket, wanted(org, alias, purpose, renew))
        return begun.authorize_url, begun.browser_binding

    async def connect(
        self,
        org: Orgsim,
        alias: str = "north",
        purpose: Purpose = Purpose.SYNC,
        *,
        renew: OrgId | None = None,
        username: str | None = None,
    ) -> ConnectionId:
        """Connect an org all the way, as a person would."""
        url, binding = await self.begin(org, alias, purpose, renew)
        back = await answer_consent(org, url, username=username)
        return await self.portal.finish_authorization(
            back["state"], back.get("code"), back.get("error"), binding, self.ticket
        )


def wanted(
    org: Orgsim, alias: str = "north", purpose: Purpose = Purpose.SYNC, renew: OrgId | None = None
) -> AuthorizationWanted:
    scheme, _, rest = org.instance_url.partition("://")
    name, _, port = rest.partition(":")
    return AuthorizationWanted(
        Alias(alias), purpose, OrgHost(scheme, name, int(port)), UserText(org.client_id), None, renew
    )


@asynccontextmanager
async def serving(settings: Settings, database: FreshDatabase, acme: TestTenant) -> AsyncIterator[RunningKeeper]:
    stop, ready = asyncio.Event(), asyncio.Event()
    async with open_custodian(settings, clock=SystemClock(), random_bytes=secrets.token_bytes) as custodian:
        task = asyncio.create_task(run(settings, custodian, stop=stop, ready=ready, swap_locked=False))
        await asyncio.wait({asyncio.create_task(ready.wait()), task}, return_when=asyncio.FIRST_COMPLETED)
        try:
            yield RunningKeeper(
                settings,
                database,
                custodian,
                KeeperClient(settings.keeper_portal_socket),
                KeeperClient(settings.keeper_worker_socket),
                acme,
            )
        finally:
            stop.set()
            await task


@pytest.fixture
def keeper_settings(fresh_database: FreshDatabase, tmp_path: Path) -> Settings:
    key_file = tmp_path / "key"
    create_key_file(key_file, secrets.token_bytes)
    return replace(
        fresh_database.settings, key_file=key_file, allow_loopback_http=True, public_url="http://127.0.0.1:8700"
    )


@pytest.fixture
async def keeper(fresh_database: FreshDatabase, keeper_settings: Settings) -> AsyncIterator[RunningKeeper]:
    acme = await fresh_database.make_tenant("Acme")
    await prepare(keeper_settings, clock=SystemClock(), random_bytes=secrets.token_bytes)
    async with serving(keeper_settings, fresh_database, acme) as running:
        yield running
