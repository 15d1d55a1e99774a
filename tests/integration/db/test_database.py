"""The database door, as the real roles on a real server."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from isthmus.db.address import Role
from isthmus.db.errors import Conflict, Refused, Unavailable
from isthmus.db.jobs import TaskName, enqueue
from isthmus.db.storable import NotStorable, SalesforceId
from isthmus.values import Alias, Purpose, UserText
from tests.support.postgres import FreshDatabase


@dataclass(frozen=True)
class Name:
    name: UserText


@dataclass(frozen=True)
class OrgRow:
    id: UUID
    alias: Alias
    salesforce_org_id: SalesforceId


@dataclass(frozen=True)
class PurposeRow:
    purpose: Purpose
    seen: Purpose | None


async def test_a_transaction_shows_the_rows_of_its_ticket_s_tenant_only(fresh_database: FreshDatabase):
    acme, other = await fresh_database.make_tenant("Acme"), await fresh_database.make_tenant("Other")
    portal = await fresh_database.open_as(Role.PORTAL)
    for tenant, name in ((acme, "Acme"), (other, "Other")):
        async with portal.tenant(fresh_database.ticket(Role.PORTAL, tenant)) as tx:
            assert await tx.fetch_all("select name from accounts.tenant", row=Name) == [Name(UserText(name))]


async def test_without_a_ticket_nothing_shows(fresh_database: FreshDatabase):
    await fresh_database.make_tenant()
    portal = await fresh_database.open_as(Role.PORTAL)
    async with portal.system() as tx:
        assert await tx.fetch_all("select name from accounts.tenant", row=Name) == []


async def test_a_ticket_does_not_outlive_its_transaction_on_a_pooled_connection(fresh_database: FreshDatabase):
    acme = await fresh_database.make_tenant()
    portal = await fresh_database.open_as(Role.PORTAL, size_max=1)
    async with portal.tenant(fresh_database.ticket(Role.PORTAL, acme)) as tx:
        assert await tx.fetch_one("select name from accounts.tenant", row=Name) is not None
    async with portal.system() as tx:
        assert await tx.fetch_one("select name from accounts.tenant", row=Name) is None


async def test_rows_come_back_as_the_words_of_the_product(fresh_database: FreshDatabase):
    acme = await fresh_database.make_tenant()
    await fresh_database.make_connection(acme, "north")
    portal = await fresh_database.open_as(Role.PORTAL)
    async with portal.tenant(fresh_database.ticket(Role.PORTAL, acme)) as tx:
        org = await tx.fetch_one("select id, alias, salesforce_org_id from orgs.org", row=OrgRow)
        purpose = await tx.fetch_one("select purpose, null as seen from orgs.connection", row=PurposeRow)
    assert org is not None
    assert type(org.alias) is Alias
    assert type(org.salesforce_org_id) is SalesforceId
    assert purpose == PurposeRow(Purpose.SYNC, None)


async def test_a_plain_string_is_not_storable_even_where_the_type_checker_was_silenced(fresh_database: FreshDatabase):
    acme = await fresh_database.make_tenant()
    portal = await fresh_database.open_as(Role.PORTAL)
    async with portal.tenant(fresh_database.ticket(Role.PORTAL, acme)) as tx:
        with pytest.raises(NotStorable, match="type str"):
            await tx.execute("select %(value)s::text", value="a record's value")  # type: ignore[arg-type]
        with pytest.raises(NotStorable, match="type bytes"):
            await tx.execute("select %(value)s::bytea", value=b"a record's value")  # type: ignore[arg-type]


async def test_an_exception_rolls_everything_back(fresh_database: FreshDatabase):
    acme = await fresh_database.make_tenant()
    portal = await fresh_database.open_as(Role.PORTAL)
    subject = uuid4()

    async def fail_halfway() -> None:
        async with portal.tenant(fresh_database.ticket(Role.PORTAL, acme)) as tx:
            await enqueue(tx, TaskName.RUN_SYNC, subject)
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        await fail_halfway()
    connection = await fresh_database.superuser()
    cursor = await connection.execute("select count(*) from jobs.procrastinate_jobs")
    assert await cursor.fetchone() == (0,)


async def test_an_error_names_the_rule_and_never_the_value(fresh_database: FreshDatabase):
    acme = await fresh_database.make_tenant()
    await fresh_database.make_connection(acme, "north")
    keeper = await fresh_database.open_as(Role.KEEPER)
    statement = (
        "insert into orgs.org (alias, salesforce_org_id, instance_origin)"
        " values (%(alias)s, %(id)s, 'https://x.my.salesforce.com')"
    )
    ticket = fresh_database.ticket(Role.KEEPER, acme)
    with pytest.raises(Conflict) as conflict:
        async with keeper.tenant(ticket) as tx:
            await tx.execute(statement, alias=Alias("north"), id=SalesforceId("00D000000000009AAA"))
    assert str(conflict.value) == "exists already (org_tenant_id_alias_key)"
    assert conflict.value.__cause__ is None
    with pytest.raises(Refused) as refused:
        async with keeper.tenant(ticket) as tx:
            await tx.execute(statement, alias=Alias("Not An Alias"), id=SalesforceId("00D000000000009AAA"))
    assert "Not An Alias" not in str(refused.value)


async def test_an_expired_ticket_opens_nothing(fresh_database: FreshDatabase):
    acme = await fresh_database.make_tenant()
    portal = await fresh_database.open_as(Role.PORTAL)
    expired = fresh_database.ticket(Role.PORTAL, acme, expires_in=timedelta(seconds=-1))
    async with portal.tenant(expired) as tx:
        assert await tx.fetch_all("select name from accounts.tenant", row=Name) == []


async def test_a_cancelled_transaction_leaves_the_pool_whole(fresh_database: FreshDatabase):
    acme = await fresh_database.make_tenant()
    portal = await fresh_database.open_as(Role.PORTAL, size_max=1)
    ticket = fresh_database.ticket(Role.PORTAL, acme)

    async def slow() -> None:
        async with portal.tenant(ticket) as tx:
            await tx.execute("select pg_catalog.pg_sleep(30)")

    for _ in range(5):
        task = asyncio.create_task(slow())
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with portal.tenant(ticket) as tx:
        assert await tx.fetch_one("select name from accounts.tenant", row=Name) is not None


async def test_a_closed_pool_is_unavailable(fresh_database: FreshDatabase):
    portal = await fresh_database.open_as(Role.PORTAL)
    await portal.close()
    with pytest.raises(Unavailable):
        async with portal.system():
            pass


async def test_connections_that_the_server_cut_off_are_replaced_before_use(fresh_database: FreshDatabase):
    portal = await fresh_database.open_as(Role.PORTAL, size_max=2)
    acme = await fresh_database.make_tenant()
    superuser = await fresh_database.superuser()
    await superuser.execute("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'isthmus_portal'")
    async with portal.tenant(fresh_database.ticket(Role.PORTAL, acme)) as tx:
        await tx.execute("select 1")
