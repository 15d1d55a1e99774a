"""Whoever asks with whatever ticket sees and changes rows of its own tenant only: generated from the catalogue.

Every table of every schema that has a tenant gets rows of tenants A and B, made from its column types, so a new table
is tested before anybody remembers to. Then every serving role tries every verb with every kind of ticket.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import sql

from isthmus.db.address import Role
from isthmus.db.ticket import Claims, Ticket, sign_ticket
from isthmus.values import ConnectionId, Secret
from tests.support.postgres import Connection, FreshDatabase, TestTenant

ENVELOPE = b"ISTH\x01" + bytes(60)
CANDIDATES: dict[str, list[Any]] = {
    "text": [
        "a",
        "Account",
        "00D000000000001AAA",
        "a@b",
        "api",
        "https://a.my.salesforce.com",
        "sync",
        "active",
        "USD",
        "R01",
        "r01",
    ],
    "bytea": [b"xx", bytes(32), bytes(65), ENVELOPE],
    "boolean": [True],
    "timestamp with time zone": [datetime(2026, 1, 1, tzinfo=UTC)],
    "date": [datetime(2026, 1, 1, tzinfo=UTC).date()],
    "interval": [timedelta(days=1)],
}
NUMBERS = {"smallint", "integer", "bigint", "numeric", "double precision", "real"}
VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE")


@dataclass(frozen=True)
class Table:
    schema: str
    name: str

    @property
    def identifier(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.name)


@dataclass(frozen=True)
class World:
    database: FreshDatabase
    superuser: Connection
    a: TestTenant
    b: TestTenant
    connection: UUID
    tables: list[Table]
    columns: dict[Table, list[tuple[str, str, str]]] = field(default_factory=dict)
    samples: dict[str, Any] = field(default_factory=dict)
    statements: dict[tuple[Table, str], dict[str, sql.Composed]] = field(default_factory=dict)

    async def columns_of(self, table: Table) -> list[tuple[str, str, str]]:
        """Return name, declared type and base type of each column; the catalogue is asked once."""
        if table not in self.columns:
            self.columns[table] = await columns_of(self.superuser, table)
        return self.columns[table]

    async def sample(self, declared: str, base: str) -> Any:
        """Return a value that the column's type admits; each type is asked once."""
        if base == "uuid":
            return uuid4()
        if declared not in self.samples:
            self.samples[declared] = await sample(self.superuser, declared, base)
        return self.samples[declared]


async def tenant_tables(connection: Connection) -> list[Table]:
    cursor = await connection.execute(
        "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " where c.relkind in ('r', 'p') and n.nspname !~ '^(pg_|information_schema$)'"
        " and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'tenant_id')"
        " order by 1, 2"
    )
    return [Table(*row) for row in await cursor.fetchall()]


async def columns_of(connection: Connection, table: Table) -> list[tuple[str, str, str]]:
    """Return name, declared type and base type of each column."""
    cursor = await connection.execute(
        "select a.attname, format_type(a.atttypid, null),"
        " format_type(case t.typtype when 'd' then t.typbasetype else t.oid end, null)"
        " from pg_attribute a join pg_type t on t.oid = a.atttypid"
        " where a.attrelid = %s::regclass and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''",
        (f"{table.schema}.{table.name}",),
    )
    return [tuple(row) for row in await cursor.fetchall()]  # type: ignore[misc]


async def sample(connection: Connection, declared: str, base: str) -> Any:
    """Return a value that the column's type admits; a domain is asked."""
    candidates = [1, 0, 3600] if base in NUMBERS else CANDIDATES.get(base)
    if candidates is None:
        cursor = await connection.execute("select enumlabel from pg_enum where enumtypid = %s::regtype", (base,))
        candidates = [label for (label,) in await cursor.fetchall()]
    for candidate in candidates:
        try:
            await connection.execute(sql.SQL("select %s::{}").format(sql.SQL(declared)), (candidate,))  # type: ignore[arg-type]
        except psycopg.Error:
            continue
        return candidate
    raise AssertionError(f"add a sample value for the type {declared}")


async def plant(world: World, table: Table, tenant: UUID, connection: UUID) -> None:
    """Insert a row of a tenant, whatever the table's references are."""
    values: dict[str, Any] = {}
    for name, declared, base in await world.columns_of(table):
        values[name] = await world.sample(declared, base)
        if base == "integer" and name == "interval_s":
            values[name] = 3600
    values["tenant_id"] = tenant
    if "connection_id" in values:
        values["connection_id"] = connection
    statement = sql.SQL("insert into {} ({}) values ({})").format(
        table.identifier,
        sql.SQL(", ").join(map(sql.Identifier, values)),
        sql.SQL(", ").join(sql.Placeholder() for _ in values),
    )
    await world.superuser.execute(statement, list(values.values()))


@pytest.fixture
async def world(fresh_database: FreshDatabase) -> World:
    a, b = await fresh_database.make_tenant("A"), await fresh_database.make_tenant("B")
    superuser = await fresh_database.superuser()
    made = World(fresh_database, superuser, a, b, uuid4(), await tenant_tables(superuser))
    await superuser.execute("set session_replication_role = replica")  # references are not what is tested here
    for table in made.tables:
        if table.name not in {"tenant", "member"}:  # there already
            await plant(made, table, a.tenant, made.connection)
            await plant(made, table, b.tenant, uuid4())
    return made


def tickets(world: World, role: Role) -> dict[str, str | None]:
    """Every kind of ticket that opens nothing of A to `role`, and A's own."""
    fresh, key = world.database, world.database.ticket_key
    own = fresh.ticket(role, world.a, connection=world.connection)
    another = next(other for other in Role if other is not role)
    parts = own.text.split("|")
    moved = [*parts[:2], str(world.a.tenant), *parts[3:6]]
    foreign = fresh.ticket(role, world.b).text.split("|")
    later = Claims(
        role.value, world.a.tenant, world.a.member, ConnectionId(world.connection), datetime(2100, 1, 1, tzinfo=UTC)
    )
    return {
        "own": own.text,
        "other tenant": fresh.ticket(role, world.b).text,
        "none": None,
        "empty": "",
        "garbage": "x" * 5000,
        "expired": fresh.ticket(role, world.a, connection=world.connection, expires_in=timedelta(seconds=-1)).text,
        "other role": fresh.ticket(another, world.a, connection=world.connection).text,
        "unsigned": "|".join([*parts[:6], ""]),
        "tenant exchanged": "|".join([*moved[:2], str(world.a.tenant), *foreign[3:]]),
        "wrong key": sign_ticket(Secret(bytes(32)), later).text,
        "prolonged": "|".join([*parts[:5], "4102444800", parts[6]]),
        "another's signature": "|".join([*parts[:6], foreign[6]]),
        "signed twice": sign_ticket(key, later).text + "|",
        "null bytes of the pad": Ticket("v1|" + "|".join(parts[1:6]) + "|" + "0" * 64).text,
    }


async def statements_of(connection: Connection, world: World, table: Table) -> dict[str, sql.Composed]:
    """Return what a role tries on a table, by verb; an update sets a column that it may set, if there is one."""
    key = (table, connection.info.user)
    if key in world.statements:
        return world.statements[key]
    columns = [name for name, *_ in await world.columns_of(table)]
    writable = [name for name in columns if await may(world, connection, table, "UPDATE", name)]
    world.statements[key] = {
        "SELECT": sql.SQL("select tenant_id from {}").format(table.identifier),
        "UPDATE": sql.SQL("update {} set {} returning tenant_id").format(
            table.identifier, sql.SQL("{0} = {0}").format(sql.Identifier(writable[0] if writable else "tenant_id"))
        ),
        "DELETE": sql.SQL("delete from {} returning tenant_id").format(table.identifier),
        "INSERT": sql.SQL("insert into {} (tenant_id) values ({}) returning tenant_id").format(
            table.identifier, sql.Literal(world.a.tenant)
        ),
    }
    return world.statements[key]


async def attempt(
    connection: Connection, world: World, table: Table, verb: str, ticket: str | None
) -> tuple[int, int, str]:
    """Try a verb on every row; return how many rows of A and of others were reached, and how it ended."""
    statement = (await statements_of(connection, world, table))[verb]
    try:
        async with connection.transaction(force_rollback=True):
            if ticket is not None:
                await connection.execute("select set_config('app.ticket', %s, true)", (ticket,))
            cursor = await connection.execute(statement)
            reached = [row[0] for row in await cursor.fetchall()]
    except psycopg.Error as error:
        return 0, 0, error.sqlstate or ""
    mine = sum(tenant == world.a.tenant for tenant in reached)
    return mine, len(reached) - mine, "done"


async def may(world: World, connection: Connection, table: Table, verb: str, column: str) -> bool:
    cursor = await world.superuser.execute(
        "select has_column_privilege(%s, %s::regclass, %s, %s)",
        (connection.info.user, f"{table.schema}.{table.name}", column, verb),
    )
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


@pytest.mark.parametrize("role", list(Role))
async def test_no_ticket_but_its_own_reaches_a_tenant(world: World, role: Role):
    connection = await world.database.connect(role)
    wrong: list[str] = []
    cells = own_reached = 0
    for table in world.tables:
        for kind, ticket in tickets(world, role).items():
            for verb in VERBS:
                mine, others, ending = await attempt(connection, world, table, verb, ticket)
                cells += 1
                allowed_others = 1 if kind == "other tenant" else 0  # B's ticket reaches B's row
                if (kind != "own" and mine) or others > allowed_others or (verb == "INSERT" and ending == "done"):
                    wrong.append(f"{table.schema}.{table.name} {verb} {kind}: {mine} of A, {others} of others")
                own_reached += kind == "own" and mine
    assert wrong == []
    assert cells == len(world.tables) * 14 * 4
    assert own_reached >= 8  # positive control: with its own ticket the role reaches what it may


@pytest.mark.parametrize("role", list(Role))
async def test_what_a_role_may_read_it_reads_with_its_own_ticket(world: World, role: Role):
    connection = await world.database.connect(role)
    unread: list[str] = []
    for table in world.tables:
        if await may(world, connection, table, "SELECT", "tenant_id"):
            mine, others, _ = await attempt(connection, world, table, "SELECT", tickets(world, role)["own"])
            if (mine, others) != (1, 0):
                unread.append(f"{table.schema}.{table.name}: {mine}, {others}")
    assert unread == []


async def test_a_table_without_its_policy_is_caught_by_this_very_matrix(world: World):
    await world.superuser.execute("create policy leak on orgs.org for select to isthmus_portal using (true)")
    connection = await world.database.connect(Role.PORTAL)
    mine, others, _ = await attempt(connection, world, Table("orgs", "org"), "SELECT", None)
    assert (mine, others) == (1, 1)


@pytest.mark.parametrize("role", list(Role))
async def test_the_pads_and_the_other_roles_tables_stay_shut(world: World, role: Role):
    connection = await world.database.connect(role)
    shut = ["ctx.pad"] + ([] if role is Role.KEEPER else ["orgs.credential", "meta.vault_canary"])
    for name in shut:
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            await connection.execute(f"select * from {name}")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "statement",
    [
        "set role isthmus_owner",
        "set session authorization postgres",
        "alter table orgs.org disable row level security",
        "set row_security = off; select * from orgs.org",
        "truncate orgs.org",
        "copy orgs.org from stdin",
        "create temporary table t (x text)",
        "create schema mine",
        "select lo_from_bytea(0, 'x')",
        "select pg_logical_emit_message(false, 'x', 'y')",
        "do $$ begin raise log 'x'; end $$",
        "create function pg_temp.f() returns text language sql as 'select 1'",
        "set log_min_messages = debug5",
        "alter role isthmus_portal set log_min_messages = debug5",
        "select ctx.claim()",
        "update ctx.pad set inner_pad = '\\x00'",
        "select accounts.session_owner('x')",
    ],
)
async def test_a_role_cannot_step_out_of_its_policies(world: World, statement: str):
    connection = await world.database.connect(Role.PORTAL)
    with pytest.raises(psycopg.Error) as refused:
        await connection.execute(statement)  # type: ignore[arg-type]
    assert refused.value.sqlstate in {"42501", "42883", "0A000"}


async def test_a_reference_to_another_tenant_s_row_is_refused(world: World):
    org = uuid4()
    await world.superuser.execute(
        "insert into orgs.org (tenant_id, id, alias, salesforce_org_id, instance_origin)"
        " values (%s, %s, 'b-org', '00D000000000009AAA', 'https://b.my.salesforce.com')",
        (world.b.tenant, org),
    )
    connection = await world.database.connect(Role.WORKER)
    ticket = world.database.ticket(Role.WORKER, world.a)
    await connection.execute("select set_config('app.ticket', %s, false)", (ticket.text,))
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        await connection.execute(
            "insert into orgs.object_schema (org_id, object_name, describe) values (%s, 'Lead', 'x')", (org,)
        )
