"""Make the database what this release expects: roles, passwords, schema. Safe to run at every start.

1. As the account that may create roles: `000_roles.sql` and passwords, repeated at every start.
2. As `isthmus_migrate`, which becomes the owner for it: the schema files in order, in one transaction, once.
A database of a newer release is refused and left alone.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.resources import files
from typing import Final, LiteralString, cast

import psycopg
from procrastinate.schema import SchemaManager
from psycopg import sql
from psycopg.conninfo import make_conninfo

from isthmus.config import Settings
from isthmus.db.address import DATABASE_NAME, LOGIN_ROLES, MIGRATE, connect_arguments, owner_arguments
from isthmus.db.embedded import PASSWORD_BYTES
from isthmus.db.errors import DatabaseUnusable, SchemaTooNew, Unavailable
from isthmus.db.private_files import make_private_folder, write_private
from isthmus.db.ticket import pads
from isthmus.values import Secret

SCHEMA_VERSION: Final = 1
CONNECT_TIMEOUT_S: Final = 10
SERVER_VERSION_MIN: Final = 150_000
ROLES_FILE: Final = "000_roles.sql"
QUEUE_FILE: Final = "070_jobs.sql"
_ONE_AT_A_TIME: Final = 7_450_317
"""Advisory lock: two processes that start at once must not both create things."""

Plain = psycopg.AsyncConnection[tuple[object, ...]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was found and done. `created`: there was no schema before."""

    created: bool
    version: int


async def has_schema(settings: Settings) -> bool:
    """Whether the database holds an Isthmus schema already. Raises `Unavailable`, `DatabaseUnusable`."""
    if settings.database_url is None and not await _database_exists(settings):
        return False
    async with _as_owner_account(settings, in_database=True) as connection:
        return await _schema_exists(connection)


async def prepare_database(settings: Settings, ticket_key: Secret) -> Prepared:
    """Bring roles, passwords and schema up to this release and store the ticket key's pads.

    Raises `SchemaTooNew`, `DatabaseUnusable`, `Unavailable`.
    """
    if settings.database_url is None and not await _database_exists(settings):
        async with _as_owner_account(settings, in_database=False) as connection:
            await connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE_NAME)))
    async with _as_owner_account(settings, in_database=True) as connection:
        if connection.info.server_version < SERVER_VERSION_MIN:
            message = "PostgreSQL 15 or newer is needed; this server is older. Set ISTHMUS_DATABASE_URL to another."
            raise DatabaseUnusable(message)
        if await _schema_exists(connection) and settings.passfile(MIGRATE).exists():
            await _refuse_newer_now(settings)  # before anything is touched
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock(%s)", (_ONE_AT_A_TIME,))
            await connection.execute(_schema_text(ROLES_FILE))
            await _set_passwords(settings, connection)
    async with _connected(connect_arguments(settings, MIGRATE)) as connection, connection.transaction():
        await connection.execute("set local role isthmus_owner")
        await connection.execute("select pg_advisory_xact_lock(%s)", (_ONE_AT_A_TIME,))
        version = await _version(connection)
        _refuse_newer(version)
        if version is None:
            await _apply_schema(connection)
        await _store_pads(connection, ticket_key)
    return Prepared(created=version is None, version=SCHEMA_VERSION)


@asynccontextmanager
async def owner_transaction(settings: Settings) -> AsyncGenerator[Plain]:
    """A transaction as the owner of everything, for first start and for tests. Serving processes cannot open one."""
    async with _connected(connect_arguments(settings, MIGRATE)) as connection, connection.transaction():
        await connection.execute("set local role isthmus_owner")
        yield connection


async def _apply_schema(connection: Plain) -> None:
    for name in sorted(entry.name for entry in files("isthmus.db").joinpath("schema").iterdir()):
        if name.endswith(".sql") and name != ROLES_FILE:
            if name == QUEUE_FILE:
                await connection.execute("create schema jobs")
                await connection.execute("set local search_path = jobs")
                await connection.execute(SchemaManager.get_schema())
                await connection.execute("set local search_path = ''")
            await connection.execute(_schema_text(name))
    await connection.execute("insert into meta.schema_version (version) values (%s)", (SCHEMA_VERSION,))


async def _store_pads(connection: Plain, ticket_key: Secret) -> None:
    await connection.execute(
        "insert into ctx.pad (inner_pad, outer_pad) values (%s, %s) "
        "on conflict (one) do update set inner_pad = excluded.inner_pad, outer_pad = excluded.outer_pad",
        pads(ticket_key),
    )


async def _set_passwords(settings: Settings, connection: Plain) -> None:
    """Give a new password to each login role that has no password file here."""
    make_private_folder(settings.secrets_dir)
    for role in LOGIN_ROLES:
        passfile = settings.passfile(role)
        if passfile.exists():
            continue
        password = secrets.token_urlsafe(PASSWORD_BYTES)
        verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
        await connection.execute(
            sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(verifier.decode()))
        )
        write_private(passfile, f"*:*:*:{role}:{password}\n")


async def _schema_exists(connection: Plain) -> bool:
    """Whether there is a schema of ours, asked of the catalogue, which everybody may read."""
    cursor = await connection.execute(
        "select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace "
        "where n.nspname = 'meta' and c.relname = 'schema_version'"
    )
    return await cursor.fetchone() is not None


async def _refuse_newer_now(settings: Settings) -> None:
    async with owner_transaction(settings) as connection:
        _refuse_newer(await _version(connection))


async def _version(connection: Plain) -> int | None:
    if not await _schema_exists(connection):
        return None
    cursor = await connection.execute("select max(version) from meta.schema_version")
    row = await cursor.fetchone()
    return cast("int | None", row[0]) if row else None


def _refuse_newer(version: int | None) -> None:
    if version is not None and version > SCHEMA_VERSION:
        message = (
            f"the database has schema {version}, this Isthmus knows up to {SCHEMA_VERSION}: a newer release made it. "
            "Start that release again, or restore a backup from before the upgrade."
        )
        raise SchemaTooNew(message)


async def _database_exists(settings: Settings) -> bool:
    async with _as_owner_account(settings, in_database=False) as connection:
        cursor = await connection.execute("select from pg_database where datname = %s", (DATABASE_NAME,))
        return await cursor.fetchone() is not None


@asynccontextmanager
async def _as_owner_account(settings: Settings, *, in_database: bool) -> AsyncGenerator[Plain]:
    arguments = owner_arguments(settings)
    if in_database and settings.database_url is None:
        arguments["dbname"] = DATABASE_NAME
    async with _connected(arguments) as connection:
        yield connection


@asynccontextmanager
async def _connected(arguments: dict[str, str]) -> AsyncGenerator[Plain]:
    try:
        connection = await psycopg.AsyncConnection.connect(
            make_conninfo("", **arguments, connect_timeout=CONNECT_TIMEOUT_S), autocommit=True
        )
    except psycopg.OperationalError:
        message = "PostgreSQL does not answer or refuses the account. Is it running, and is its address right?"
        raise Unavailable(message) from None
    async with connection:
        yield connection


def _schema_text(name: str) -> LiteralString:
    """Return a schema file of this package, which is as constant as the code beside it."""
    return cast("LiteralString", files("isthmus.db").joinpath("schema", name).read_text("utf-8"))
