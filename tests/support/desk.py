"""The portal's API over a real database, with audits judged from made-up orgs; several tenants to sign in as."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar.testing import AsyncTestClient

from isthmus.audit import store
from isthmus.audit.evidence.bundle import zipped
from isthmus.audit.given.options import AuditOptions
from isthmus.audit.judge import Judged, judge
from isthmus.audit.what_if.questions import ReadyTables
from isthmus.clock import SystemClock
from isthmus.db.address import Role
from isthmus.db.database import Database
from isthmus.db.ticket import Ticket
from isthmus.journal import Journal
from isthmus.orgs.keeper_client import NoSession
from isthmus.portal.app import create_app
from isthmus.portal.services import PortalServices
from isthmus.values import Secret
from tests.support.postgres import FreshDatabase, TestTenant
from tests.unit.audit.world import Org

URL = "http://127.0.0.1:8700"


class Sessions:
    """A stand-in for the keeper of which the portal asks one thing here: whose session it is."""

    def __init__(self, database: FreshDatabase) -> None:
        self._database = database
        self.members: dict[str, TestTenant] = {}

    async def ticket_for_session(self, session: Secret) -> Ticket:
        name = session.reveal().decode()
        if name not in self.members:
            raise NoSession
        return self._database.ticket(Role.PORTAL, self.members[name])


@dataclass
class Desk:
    """A portal with tenants `acme` and `other`, each signed in by its name as the bearer token."""

    database: FreshDatabase
    worker: Database
    portal: Database
    sessions: Sessions
    client: AsyncTestClient[Any]
    tables: ReadyTables
    connections: dict[tuple[str, str], UUID] = field(default_factory=dict)

    async def tenant(self, name: str) -> TestTenant:
        if name not in self.sessions.members:
            self.sessions.members[name] = await self.database.make_tenant(name)
        return self.sessions.members[name]

    async def connection(self, tenant: str, alias: str) -> UUID:
        if (tenant, alias) not in self.connections:
            made = await self.database.make_connection(await self.tenant(tenant), alias, "audit")
            self.connections[tenant, alias] = made.connection
        return self.connections[tenant, alias]

    async def audit(
        self, org: Org, *, tenant: str = "acme", alias: str = "north", options: AuditOptions | None = None
    ) -> UUID:
        """Store an audit of the org as a worker does that has just read it; what was put off is known to it."""
        connection = await self.connection(tenant, alias)
        admin = await self.database.superuser()
        row = await admin.execute(
            "insert into audit.audit (tenant_id, connection_id) values (%s, %s) returning id",
            ((await self.tenant(tenant)).tenant, connection),
        )
        found: tuple[UUID] | None = await row.fetchone()
        assert found is not None
        ticket = self.database.ticket(Role.WORKER, await self.tenant(tenant))
        async with self.worker.tenant(ticket) as tx:
            claimed = await store.claim(tx, found[0])
            assert claimed is not None
            snoozes = await store.load_snoozes(tx, found[0])
            options = replace_snoozes(options or AuditOptions(), snoozes)
            judged = judge(org.snapshot(), options, alias)
            for name, content in kept(judged).items():
                await store.save_document(tx, found[0], claimed.attempt, name, content)
            await store.save_people(tx, found[0], claimed.attempt, judged)
            await store.save_judged(tx, found[0], claimed.attempt, judged.report)
        return found[0]

    async def get(self, path: str, *, who: str = "acme", **query: str) -> httpx.Response:
        return await self.client.get(path, params=query, headers={"Authorization": f"Bearer {who}"})

    async def post(self, path: str, body: object, *, who: str = "acme") -> httpx.Response:
        return await self.client.post(path, json=body, headers={"Authorization": f"Bearer {who}"})

    async def delete(self, path: str, *, who: str = "acme") -> httpx.Response:
        return await self.client.delete(path, headers={"Authorization": f"Bearer {who}"})


def replace_snoozes(options: AuditOptions, snoozes: tuple[Any, ...]) -> AuditOptions:
    return AuditOptions(**{**{n: getattr(options, n) for n in options.__struct_fields__}, "snoozes": snoozes})


def kept(judged: Judged) -> Mapping[str, bytes]:
    """The documents that the API reads; the PDF and the workbook take most of the time and are not among them."""
    return {"report.json": judged.documents["report.json"], "bundle.zip": zipped(judged.bundle)}


@pytest.fixture
async def desk(fresh_database: FreshDatabase) -> AsyncIterator[Desk]:
    clock = SystemClock()
    settings = replace(fresh_database.settings, public_url=URL)
    worker, portal = await fresh_database.open_as(Role.WORKER), await fresh_database.open_as(Role.PORTAL)
    sessions, tables = Sessions(fresh_database), ReadyTables(clock)
    journal = Journal("portal", lambda _line: None, clock)
    services = PortalServices(portal, sessions, settings, clock, journal, os.urandom, tables)  # type: ignore[arg-type]
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(AsyncTestClient(create_app(services), base_url=URL))
        made = Desk(fresh_database, worker, portal, sessions, client, tables)
        await made.tenant("acme")
        await made.tenant("other")
        yield made
