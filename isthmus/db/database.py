"""The database door: a transaction knows its tenant, takes bound storable values only, and speaks constant SQL.

`Database.tenant(ticket)` opens a transaction whose rows are those of the ticket's tenant; `Database.system()` one
without any tenant, in which only definer functions show anything. There is no third way in.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, LiteralString, TypeVar

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from isthmus.config import Settings
from isthmus.db.address import Role, connect_arguments
from isthmus.db.errors import Conflict, DatabaseError, Refused, Unavailable
from isthmus.db.reaching import not_let_in
from isthmus.db.rows import row_maker
from isthmus.db.storable import Storable, as_parameter
from isthmus.db.ticket import Ticket
from isthmus.values import Secret

Row = TypeVar("Row")
Arguments = Mapping[LiteralString, Storable | Secret]
"""What a definer function is called with, by the names of its parameters."""
POOL_SIZE_MAX: Final = 8
POOL_WAIT_S: Final = 20.0
"""Also how long a pool tries to connect, at growing intervals: after an outage nobody may wait for a late attempt."""
POOL_WAIT_AGAIN_S: Final = 2.0
"""Who comes after somebody that waited in vain need not wait as long to hear that the database is away."""
CONNECT_TIMEOUT_S: Final = "10"
ANSWER_S: Final = 5.0
_CONFLICTS: Final = ("23505", "23P01")
_UNAVAILABLE: Final = ("08", "57", "53")


class Transaction:
    """What tenant and system transactions have in common: bound parameters, constant statements, typed rows."""

    def __init__(self, connection: psycopg.AsyncConnection[tuple[object, ...]]) -> None:
        """Wrap a connection on which a transaction is open."""
        self._connection = connection

    async def execute(self, query: LiteralString, **params: Storable) -> None:
        """Run one statement. Raises `DatabaseError`."""
        await self._run(query, params)

    async def fetch_all(self, query: LiteralString, *, row: type[Row], **params: Storable) -> list[Row]:
        """Run one statement; return its rows as `row`, a dataclass with the columns' names. Raises `DatabaseError`."""
        return await _rows_of(await self._run(query, params), row)

    async def fetch_one(self, query: LiteralString, *, row: type[Row], **params: Storable) -> Row | None:
        """Run one statement and return its first row, or None if there is none. Raises `DatabaseError`."""
        rows = await self.fetch_all(query, row=row, **params)
        return rows[0] if rows else None

    async def _run(
        self, query: LiteralString | sql.Composed, params: Mapping[str, Storable | Secret]
    ) -> psycopg.AsyncCursor[tuple[object, ...]]:
        bound = {name: as_parameter(value) for name, value in params.items()}
        try:
            return await self._connection.execute(query, bound)
        except psycopg.Error as error:
            raise translated(error) from None


class TenantTx(Transaction):
    """A transaction of one tenant. Whoever holds one need not, and cannot, name a tenant."""


class SystemTx(Transaction):
    """A transaction without a tenant: no row of any tenant shows, only definer functions answer."""

    async def call(self, function: LiteralString, *, row: type[Row], arguments: Arguments) -> list[Row]:
        """Call the definer function `schema.name` with named arguments and return its rows. Raises `DatabaseError`."""
        return await _rows_of(await self._call(function, arguments), row)

    async def count(self, function: LiteralString, *, arguments: Arguments) -> int:
        """Call a definer function as `call` does and return how many rows it returned. Raises `DatabaseError`."""
        return (await self._call(function, arguments)).rowcount

    async def _call(self, function: LiteralString, arguments: Arguments) -> psycopg.AsyncCursor[tuple[object, ...]]:
        schema, _, name = function.partition(".")
        statement = sql.SQL("select * from {}({})").format(
            sql.Identifier(schema, name),
            sql.SQL(", ").join(
                sql.SQL("{} => {}").format(sql.Identifier(key), sql.Placeholder(key)) for key in arguments
            ),
        )
        return await self._run(statement, {**arguments})


class Database:
    """A pool of connections as one database role."""

    def __init__(self, pool: AsyncConnectionPool[psycopg.AsyncConnection[tuple[object, ...]]], role: Role) -> None:
        """Take an open pool; `open` makes one."""
        self._pool = pool
        self._wait_s = POOL_WAIT_S
        self.role = role

    @classmethod
    async def open(
        cls, settings: Settings, role: Role, *, size_max: int = POOL_SIZE_MAX, wait_s: float = POOL_WAIT_S
    ) -> Database:
        """Connect as `role`. Raises `Unavailable`, or `DatabaseUnusable` where waiting cannot help."""
        arguments = {"connect_timeout": CONNECT_TIMEOUT_S, **connect_arguments(settings, role)}
        pool: AsyncConnectionPool[psycopg.AsyncConnection[tuple[object, ...]]] = AsyncConnectionPool(
            "",
            kwargs={**arguments, "prepare_threshold": None},
            min_size=1,
            max_size=size_max,
            timeout=POOL_WAIT_S,
            reconnect_timeout=POOL_WAIT_S,
            # After the server was restarted a pool is full of dead connections: one question finds and replaces them.
            check=still_answers,
            open=False,
        )
        try:
            await pool.open(wait=True, timeout=wait_s)
        except (PoolTimeout, psycopg.Error):
            await pool.close()
            await _ask_why(arguments, settings, role)
            message = f"PostgreSQL does not let {role} in within {wait_s:.0f} s; is it running?"
            raise Unavailable(message) from None
        return cls(pool, role)

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.close()

    @asynccontextmanager
    async def tenant(self, ticket: Ticket) -> AsyncGenerator[TenantTx]:
        """Open a transaction for the tenant of `ticket`; it commits at the end, and rolls back on an exception."""
        async with self._transaction() as connection:
            await connection.execute("select set_config('app.ticket', %s, true)", (ticket.text,))
            yield TenantTx(connection)

    @asynccontextmanager
    async def system(self) -> AsyncGenerator[SystemTx]:
        """Open a transaction without a tenant."""
        async with self._transaction() as connection:
            yield SystemTx(connection)

    @asynccontextmanager
    async def gate_connection(self) -> AsyncGenerator[psycopg.AsyncConnection[tuple[object, ...]]]:
        """Lend a connection to the catalogue gate, which reads the catalogue only."""
        async with self._transaction() as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[psycopg.AsyncConnection[tuple[object, ...]]]:
        try:
            async with self._pool.connection(timeout=self._wait_s) as connection:
                self._wait_s = POOL_WAIT_S
                yield connection
        except (PoolTimeout, PoolClosed):
            self._wait_s = POOL_WAIT_AGAIN_S
            message = "no connection to PostgreSQL is free"
            raise Unavailable(message) from None
        except psycopg.Error as error:
            raise translated(error) from None


async def still_answers(connection: psycopg.AsyncConnection[Any]) -> None:
    """Raise `OperationalError` unless the server answers on this connection, and does so soon.

    A server that stands still (a frozen machine, a disk that hangs) keeps its connections open and says nothing. The
    wait for it cannot be cancelled, the driver would wait for the cancellation; so the line is cut.
    """
    asking = asyncio.ensure_future(AsyncConnectionPool.check_connection(connection))
    done, _ = await asyncio.wait({asking}, timeout=ANSWER_S)
    if not done:
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
    await asking


async def _ask_why(arguments: Mapping[str, str], settings: Settings, role: Role) -> None:
    """Knock once more, where the pool only says that its time was up. Raises why nobody was let in, if so again."""
    try:
        connection = await psycopg.AsyncConnection.connect(make_conninfo("", **arguments))
    except psycopg.Error as error:
        why = not_let_in(error, settings, role)
        if not isinstance(why, Unavailable):
            raise why from None
    else:
        await connection.close()


async def _rows_of(cursor: psycopg.AsyncCursor[tuple[object, ...]], row: type[Row]) -> list[Row]:
    try:
        make = row_maker(row, [column.name for column in cursor.description or ()])
        return [make(values) for values in await cursor.fetchall()]
    except psycopg.Error as error:
        raise translated(error) from None


def translated(error: psycopg.Error) -> DatabaseError:
    """Map a driver's error to ours, keeping the rule's name and nothing that could hold a value."""
    state = error.sqlstate or ""
    rule = error.diag.constraint_name or state or type(error).__name__
    if state in _CONFLICTS:
        return Conflict(rule)
    if isinstance(error, psycopg.OperationalError) and (not state or state.startswith(_UNAVAILABLE)):
        return Unavailable("PostgreSQL does not answer")
    return Refused(rule)
