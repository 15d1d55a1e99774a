"""Calls that must not type-check. Each carries an ignore; an ignore that is not needed is an error of its own.

Never run: `tests/typing/test_forbidden_calls.py` gives this file to basedpyright.
"""

from __future__ import annotations

from uuid import UUID

from isthmus.db.database import Database, SystemTx, TenantTx
from isthmus.db.jobs import TaskName, enqueue
from isthmus.db.ticket import Ticket
from isthmus.orgs.connections import list_connections
from isthmus.values import ApiName, Secret, UserText


async def a_plain_text_cannot_be_stored(tx: TenantTx, value: str) -> None:
    await tx.execute("insert into t values (%(value)s)", value=value)  # pyright: ignore[reportArgumentType]
    await tx.execute("insert into t values (%(value)s)", value=UserText(value))


async def plain_bytes_cannot_be_stored(tx: TenantTx, value: bytes) -> None:
    await tx.execute("insert into t values (%(value)s)", value=value)  # pyright: ignore[reportArgumentType]


async def a_secret_cannot_be_stored(tx: TenantTx, value: Secret) -> None:
    await tx.execute("insert into t values (%(value)s)", value=value)  # pyright: ignore[reportArgumentType]


async def a_list_of_texts_cannot_be_stored(tx: TenantTx, values: list[str]) -> None:
    await tx.execute("select %(values)s", values=values)  # pyright: ignore[reportArgumentType]


async def a_statement_cannot_be_composed(tx: TenantTx, name: str) -> None:
    await tx.execute(f"select * from {name}")  # pyright: ignore[reportArgumentType]
    await tx.execute("select * from " + name)  # pyright: ignore[reportArgumentType]
    await tx.execute(f"select * from {ApiName.parse(name)}")  # pyright: ignore[reportArgumentType]


async def a_function_of_tenants_takes_no_system_transaction(tx: SystemTx) -> None:
    await list_connections(tx)  # pyright: ignore[reportArgumentType]


async def a_job_needs_a_tenant(tx: SystemTx, subject: UUID) -> None:
    await enqueue(tx, TaskName.RUN_SYNC, subject)  # pyright: ignore[reportArgumentType]


async def a_job_carries_ids_only(tx: TenantTx, subject: str) -> None:
    await enqueue(tx, TaskName.RUN_SYNC, subject)  # pyright: ignore[reportArgumentType]


async def a_tenant_is_a_ticket_and_not_an_id(database: Database, tenant: UUID, ticket: Ticket) -> None:
    async with database.tenant(tenant):  # pyright: ignore[reportArgumentType]
        pass
    async with database.tenant(ticket):
        pass
