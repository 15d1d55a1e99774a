"""Make the database what this release expects: roles, passwords, schema. Safe to run at every start.

1. As the account that may create roles: `000_roles.sql` and passwords, repeated at every start.
2. As `isthmus_migrate`, which becomes the owner for it: the schema files in order, in one transaction, once.
A database of a newer release, or of another state of an unreleased one, is refused and left alone.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Final, LiteralString, cast

import psycopg
from procrastinate.schema import SchemaManager
from psycopg import sql
from psycopg.conninfo import make_conninfo

from isthmus.config import Settings
from isthmus.db.address import DATABASE_NAME, LOGIN_ROLES, MIGRATE, connect_arguments, owner_arguments
from isthmus.db.embedded import PASSWORD_BYTES
from isthmus.db.errors import DatabaseUnusable, SchemaTooNew
from isthmus.db.private_files import make_private_folder, write_private
from isthmus.db.reaching import not_let_in, not_prepared
from isthmus.db.ticket import pads
from isthmus.values import Secret

SCHEMA_VERSION: Final = 1
CONNECT_TIMEOUT_S: Final = 10
SERVER_VERSION_MIN: Final = 150_000
CLOCKS_DIFFER_S_MAX: Final = 20.0
"""A third of the shortest ticket's life."""
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


@dataclass(frozen=True, slots=True)
class Found:
    """What a database holds before anything is touched. `canary`: what the vault sealed when it was made."""

    schema: bool
    canary: bytes | None


async def found_in(settings: Settings) -> Found:
    """Return what the database holds, and leave it as it is. Raises `Unavailable`, `DatabaseUnusable`."""
    try:
        if settings.database_url is None and not await _database_exists(settings):
            return Found(schema=False, canary=None)
        async with _as_owner_account(settings, in_database=True) as connection:
            if not await _schema_exists(connection):
                return Found(schema=False, canary=None)
            async with _as_object_owner(connection):
                cursor = await connection.execute("select sealed from meta.vault_canary")
                row = await cursor.fetchone()
            return Found(schema=True, canary=cast("bytes", row[0]) if row else None)
    except psycopg.Error as error:
        raise not_prepared(error, settings) from None


@dataclass(frozen=True, slots=True)
class ServerSeen:
    """What the operator's account sees of its server."""

    version: int
    encrypted: bool
    now: datetime


async def look_at_server(settings: Settings) -> ServerSeen:
    """Return what server there is. Raises `Unavailable`, `DatabaseUnusable`."""
    try:
        async with _as_owner_account(settings, in_database=settings.database_url is not None) as connection:
            cursor = await connection.execute("select clock_timestamp()")
            row = cast("tuple[datetime]", await cursor.fetchone())
            return ServerSeen(connection.info.server_version, connection.pgconn.ssl_in_use, row[0])
    except psycopg.Error as error:
        raise not_prepared(error, settings) from None


def clock_fault(server: datetime, here: datetime) -> str | None:
    """Return what is wrong where the clocks differ by so much that tickets have ended before they are used."""
    ahead_s = (server - here).total_seconds()
    if abs(ahead_s) <= CLOCKS_DIFFER_S_MAX:
        return None
    return (
        f"PostgreSQL's clock is {abs(ahead_s):.0f} s {'ahead of' if ahead_s > 0 else 'behind'} this machine's. "
        "Have both set by the network (NTP): what Isthmus may do in the database it may for a minute at a time."
    )


async def prepare_database(settings: Settings, ticket_key: Secret) -> Prepared:
    """Bring roles, passwords and schema up to this release and store the ticket key's pads.

    Raises `SchemaTooNew`, `DatabaseUnusable`, `Unavailable`.
    """
    try:
        await _prepare_roles(settings)
        return await _prepare_schema(settings, ticket_key)
    except psycopg.Error as error:
        raise not_prepared(error, settings) from None


async def _prepare_roles(settings: Settings) -> None:
    if settings.database_url is None and not await _database_exists(settings):
        async with _as_owner_account(settings, in_database=False) as connection:
            await connection.execute(sql.SQL("create database {}").format(sql.Identifier(DATABASE_NAME)))
    async with _as_owner_account(settings, in_database=True) as connection:
        if connection.info.server_version < SERVER_VERSION_MIN:
            message = "PostgreSQL 15 or newer is needed; this server is older. Set ISTHMUS_DATABASE_URL to another."
            raise DatabaseUnusable(message)
        known = await _known_roles(connection)
        if await _schema_exists(connection):
            async with _as_object_owner(connection):
                await _refuse_other(connection)  # before anything is touched
        if MIGRATE in known and not settings.passfile(MIGRATE).exists():
            await _refuse_roles_of_another(connection)
        async with connection.transaction():
            await connection.execute("select pg_advisory_xact_lock(%s)", (_ONE_AT_A_TIME,))
            await connection.execute(_schema_text(ROLES_FILE))
            await _set_passwords(settings, connection, known)


async def _prepare_schema(settings: Settings, ticket_key: Secret) -> Prepared:
    async with _connected(settings, MIGRATE) as connection, connection.transaction():
        await connection.execute("set local role isthmus_owner")
        await connection.execute("select pg_advisory_xact_lock(%s)", (_ONE_AT_A_TIME,))
        created = not await _schema_exists(connection)
        if created:
            await _apply_schema(connection)
        else:
            await _refuse_other(connection)
        await _store_pads(connection, ticket_key)
    return Prepared(created=created, version=SCHEMA_VERSION)


@asynccontextmanager
async def _as_object_owner(connection: Plain) -> AsyncGenerator[None]:
    """Look as the owner of our objects, which the operator's account is not, but may become; nothing of it stays."""
    async with connection.transaction(force_rollback=True):
        await connection.execute("grant isthmus_owner to current_user")
        await connection.execute("set local role isthmus_owner")
        yield


async def _known_roles(connection: Plain) -> frozenset[str]:
    cursor = await connection.execute(
        "select rolname::text from pg_catalog.pg_roles where rolname = any(%s)", (list(LOGIN_ROLES),)
    )
    return frozenset(str(name) for (name,) in await cursor.fetchall())


async def _refuse_roles_of_another(connection: Plain) -> None:
    """Roles belong to a whole server: refuse to change the passwords of those that another database's Isthmus uses."""
    cursor = await connection.execute(
        "select from pg_catalog.pg_database d, pg_catalog.aclexplode(d.datacl) granted "
        "join pg_catalog.pg_roles r on r.oid = granted.grantee "
        "where r.rolname = %s and d.datname <> current_database()",
        (MIGRATE,),
    )
    if await cursor.fetchone() is not None:
        message = (
            "another database of this PostgreSQL server belongs to an Isthmus already, whose roles it would take over. "
            "Use a server for each Isthmus, or go on with that one's folder of secrets (ISTHMUS_SECRETS_DIR)."
        )
        raise DatabaseUnusable(message)


@asynccontextmanager
async def owner_transaction(settings: Settings) -> AsyncGenerator[Plain]:
    """A transaction as the owner of everything, for first start and for tests. Serving processes cannot open one."""
    async with _connected(settings, MIGRATE) as connection, connection.transaction():
        await connection.execute("set local role isthmus_owner")
        yield connection


async def _apply_schema(connection: Plain) -> None:
    for name in _schema_files():
        if name == QUEUE_FILE:
            await connection.execute("create schema jobs")
            await connection.execute("set local search_path = jobs")
            await connection.execute(SchemaManager.get_schema())
            await connection.execute("set local search_path = ''")
        await connection.execute(_schema_text(name))
    await connection.execute(
        "insert into meta.schema_version (version, fingerprint) values (%s, %s)",
        (SCHEMA_VERSION, schema_fingerprint()),
    )


def schema_fingerprint() -> str:
    """Return what tells two states of the schema files apart, comments and white space left out."""
    text = "\n".join((*(_schema_text(name) for name in _schema_files()), SchemaManager.get_schema()))
    statements = re.sub(r"\s+", " ", re.sub(r"--[^\n]*", "", text))
    return hashlib.sha256(statements.encode()).hexdigest()


def _schema_files() -> list[str]:
    names = sorted(entry.name for entry in files("isthmus.db").joinpath("schema").iterdir())
    return [name for name in names if name.endswith(".sql") and name != ROLES_FILE]


async def _store_pads(connection: Plain, ticket_key: Secret) -> None:
    await connection.execute(
        "insert into ctx.pad (inner_pad, outer_pad) values (%s, %s) "
        "on conflict (one) do update set inner_pad = excluded.inner_pad, outer_pad = excluded.outer_pad",
        pads(ticket_key),
    )


async def _set_passwords(settings: Settings, connection: Plain, known: frozenset[str]) -> None:
    """Give a new password to each login role that has no password file here, and to a new role what its file holds.

    A role is new though its file is not where a backup is restored into another server.
    """
    make_private_folder(settings.secrets_dir)
    for role in LOGIN_ROLES:
        passfile = settings.passfile(role)
        kept = _kept_password(passfile)
        if kept is not None and role in known:
            continue
        password = kept or secrets.token_urlsafe(PASSWORD_BYTES)
        verifier = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
        await connection.execute(
            sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(verifier.decode()))
        )
        if kept is None:
            write_private(passfile, f"*:*:*:{role}:{password}\n")


def _kept_password(passfile: Path) -> str | None:
    return passfile.read_text().strip().rpartition(":")[2] if passfile.exists() else None


async def _schema_exists(connection: Plain) -> bool:
    """Whether there is a schema of ours, asked of the catalogue, which everybody may read."""
    cursor = await connection.execute(
        "select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace "
        "where n.nspname = 'meta' and c.relname = 'schema_version'"
    )
    return await cursor.fetchone() is not None


async def _refuse_other(connection: Plain) -> None:
    """Raise `SchemaTooNew`, or `DatabaseUnusable` if the schema was made of other files than this Isthmus has."""
    cursor = await connection.execute(
        "select version, to_jsonb(made) ->> 'fingerprint' from meta.schema_version made order by version desc limit 1"
    )
    row = await cursor.fetchone()
    version, fingerprint = cast("tuple[int, str | None]", row) if row else (0, None)
    if version > SCHEMA_VERSION:
        message = (
            f"the database has schema {version}, this Isthmus knows up to {SCHEMA_VERSION}: a newer release made it. "
            "Start that release again, or restore a backup from before the upgrade."
        )
        raise SchemaTooNew(message)
    if fingerprint != schema_fingerprint():
        message = (
            "the database was made by another state of Isthmus, and nothing upgrades it before the first release. "
            "Start that state again, or set ISTHMUS_HOME and ISTHMUS_SECRETS_DIR to new places and connect the orgs."
        )
        raise DatabaseUnusable(message)


async def _database_exists(settings: Settings) -> bool:
    async with _as_owner_account(settings, in_database=False) as connection:
        cursor = await connection.execute("select from pg_database where datname = %s", (DATABASE_NAME,))
        return await cursor.fetchone() is not None


@asynccontextmanager
async def _as_owner_account(settings: Settings, *, in_database: bool) -> AsyncGenerator[Plain]:
    database = DATABASE_NAME if in_database and settings.database_url is None else None
    async with _connected(settings, None, database) as connection:
        yield connection


@asynccontextmanager
async def _connected(settings: Settings, role: str | None, database: str | None = None) -> AsyncGenerator[Plain]:
    """Connect as `role`, or as the account that may create roles, to the embedded server's `database` where given."""
    arguments = owner_arguments(settings) if role is None else connect_arguments(settings, role)
    if database is not None:
        arguments["dbname"] = database
    try:
        connection = await psycopg.AsyncConnection.connect(
            make_conninfo("", **{"connect_timeout": CONNECT_TIMEOUT_S, **arguments}), autocommit=True
        )
    except psycopg.OperationalError as error:
        raise not_let_in(error, settings, role) from None
    async with connection:
        yield connection


def _schema_text(name: str) -> LiteralString:
    """Return a schema file of this package, which is as constant as the code beside it."""
    return cast("LiteralString", files("isthmus.db").joinpath("schema", name).read_text("utf-8"))
