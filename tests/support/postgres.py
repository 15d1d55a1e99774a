"""A real PostgreSQL for tests: one embedded cluster per test process, one cloned database per test, the real roles."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import shutil
import tempfile
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from isthmus.config import Settings, read_settings
from isthmus.db.address import DATABASE_NAME, SUPERUSER, Role, connect_arguments, owner_arguments
from isthmus.db.database import Database
from isthmus.db.embedded import EmbeddedServer, start_embedded
from isthmus.db.migrate import owner_transaction, prepare_database
from isthmus.db.private_files import write_private
from isthmus.db.ticket import NO_CONNECTION, NOBODY, Claims, Ticket, sign_ticket
from isthmus.values import ConnectionId, MemberId, OrgId, Secret, TenantId

Result = TypeVar("Result")
Connection = psycopg.AsyncConnection[tuple[Any, ...]]


class _LoopThread:
    """An event loop that lives as long as the test session: the server's parent thread must not end before."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@dataclass(frozen=True)
class Cluster:
    """A running server with one migrated database, which tests clone."""

    settings: Settings
    ticket_key: Secret
    server: EmbeddedServer


@dataclass(frozen=True)
class TestTenant:
    """A tenant with its owner member."""

    __test__ = False
    tenant: TenantId
    member: MemberId


@dataclass(frozen=True)
class TestConnection:
    """A connected org without any credential."""

    __test__ = False
    org: OrgId
    connection: ConnectionId


@dataclass
class FreshDatabase:
    """A database of one test. `settings` point at it, so every part of the product can be opened on it."""

    settings: Settings
    ticket_key: Secret
    name: str
    closing: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def open_as(self, role: Role, *, size_max: int = 8) -> Database:
        """Open a pool as `role`; closed at the end of the test."""
        database = await Database.open(self.settings, role, size_max=size_max)
        self.closing.push_async_callback(database.close)
        return database

    async def connect(self, role: str) -> Connection:
        """Open one plain connection as any login role, for tests below the database door."""
        connection = await psycopg.AsyncConnection.connect(**connect_arguments(self.settings, role), autocommit=True)
        self.closing.push_async_callback(connection.close)
        return connection

    async def superuser(self) -> Connection:
        """Open one plain connection as superuser, to plant faults and to look behind the policies."""
        connection = await psycopg.AsyncConnection.connect(**owner_arguments(self.settings), autocommit=True)
        self.closing.push_async_callback(connection.close)
        return connection

    async def make_tenant(self, name: str = "Acme") -> TestTenant:
        """Make a tenant with one owner member."""
        tenant, member = uuid4(), uuid4()
        async with owner_transaction(self.settings) as connection:
            await connection.execute("insert into accounts.tenant (tenant_id, name) values (%s, %s)", (tenant, name))
            await connection.execute(
                "insert into accounts.member (tenant_id, id, name, is_owner) values (%s, %s, 'Owner', true)",
                (tenant, member),
            )
        return TestTenant(TenantId(tenant), MemberId(member))

    async def make_connection(
        self, owner: TestTenant, alias: str, purpose: str = "sync", *, origin: str = "https://acme.my.salesforce.com"
    ) -> TestConnection:
        """Make an org with an active connection (no credential)."""
        org, connection_id = uuid4(), uuid4()
        salesforce_id = "00D" + hashlib.sha256(alias.encode()).hexdigest()[:15]
        connection = await self.superuser()
        await connection.execute(
            "insert into orgs.org (tenant_id, id, alias, salesforce_org_id, instance_origin) values (%s,%s,%s,%s,%s)",
            (owner.tenant, org, alias, salesforce_id, origin),
        )
        await connection.execute(
            "insert into orgs.connection (tenant_id, id, org_id, purpose, state, login_origin, client_id,"
            " salesforce_user_id, username, scopes) values (%s,%s,%s,%s,'active',%s,'client','005000000000001AAA',"
            " 'integration@acme.example','api refresh_token')",
            (owner.tenant, connection_id, org, purpose, origin),
        )
        return TestConnection(OrgId(org), ConnectionId(connection_id))

    def ticket(
        self,
        role: Role,
        tenant: TestTenant,
        *,
        connection: UUID = NO_CONNECTION,
        expires_in: timedelta = timedelta(minutes=5),
    ) -> Ticket:
        """Sign a ticket as the keeper would."""
        member = tenant.member if role is Role.PORTAL else NOBODY
        expires_at = datetime.now(UTC) + expires_in
        claims = Claims(role.value, tenant.tenant, member, ConnectionId(connection), expires_at)
        return sign_ticket(self.ticket_key, claims)


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The server of this test process."""
    place = Path(tempfile.mkdtemp(prefix="ist-"))
    environ = {"ISTHMUS_HOME": str(place / "h"), "ISTHMUS_SECRETS_DIR": str(place / "s"), "HOME": str(place)}
    settings = read_settings(environ)
    ticket_key = Secret(secrets.token_bytes(32))
    thread = _LoopThread()
    server = thread.run(start_embedded(settings))
    try:
        thread.run(prepare_database(settings, ticket_key))
        write_private(settings.ticket_key_file, ticket_key.reveal())
        thread.run(_forget_the_disk(settings))
        yield Cluster(settings, ticket_key, server)
    finally:
        thread.run(server.stop())
        thread.close()
        shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
async def fresh_database(cluster: Cluster) -> AsyncIterator[FreshDatabase]:
    """A clone of the migrated database, dropped after the test."""
    name = f"t_{secrets.token_hex(6)}"
    await _administer(cluster, "create database {} template {}", name, DATABASE_NAME)
    url = (
        f"postgresql:///{name}?host={cluster.settings.run_dir}&user={SUPERUSER}"
        f"&passfile={cluster.settings.passfile(SUPERUSER)}"
    )
    settings = replace(cluster.settings, database_url=url)
    # A clone has its own privileges on the database itself: the roles file sets them.
    async with await psycopg.AsyncConnection.connect(**owner_arguments(settings)) as connection:
        await connection.execute(files("isthmus.db").joinpath("schema", "000_roles.sql").read_text("utf-8"))
    fresh = FreshDatabase(settings, cluster.ticket_key, name)
    try:
        yield fresh
    finally:
        await fresh.closing.aclose()
        await _administer(cluster, "drop database {} with (force)", name)


@pytest.fixture
def database_settings(fresh_database: FreshDatabase) -> Settings:
    """The settings that lead to the test's own database."""
    return fresh_database.settings


async def _administer(cluster: Cluster, statement: str, *names: str) -> None:
    arguments = owner_arguments(cluster.settings)
    async with await psycopg.AsyncConnection.connect(**arguments, autocommit=True) as connection:
        await connection.execute(sql.SQL(statement).format(*(sql.Identifier(name) for name in names)))


async def _forget_the_disk(settings: Settings) -> None:
    """Stop waiting for the disk: what the tests write is gone with them. All that is written stays as it was."""
    async with await psycopg.AsyncConnection.connect(**owner_arguments(settings), autocommit=True) as connection:
        await connection.execute("alter system set fsync = off")
        await connection.execute("select pg_reload_conf()")
