"""PostgreSQL played by SQLite: the product's own schema file and its own statements, in a transaction of their own.

What SQLite spells differently is translated; what cannot be translated raises `NotModelled`. Row-level security, grants
and checks are not modelled, and one transaction follows the other: the integration tests run the same statements in
PostgreSQL.
"""

from __future__ import annotations

import asyncio
import dataclasses
import random
import re
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import lru_cache
from pathlib import Path
from types import UnionType
from typing import Any, Final, TypeVar, get_args, get_origin, get_type_hints
from uuid import UUID

from isthmus.db.errors import Unavailable
from isthmus.db.storable import Storable, as_parameter
from isthmus.db.ticket import Ticket
from tests.simulation.loop import PROCESS, Process
from tests.simulation.soql import NotModelled

Row = TypeVar("Row")
SCHEMA: Final = Path(__file__).parents[2] / "isthmus" / "db" / "schema"
SCHEMAS: Final = ("sync", "trust", "orgs")
OF_OTHERS: Final = ("orgs.org", "orgs.connection", "trust.attestation")
"""What a run touches besides the tables of syncs."""
TENANT: Final = UUID(int=1)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)

_TABLE = re.compile(r"create table (\w+)\.(\w+) \(\n(.*?)\n\);", re.DOTALL)
_UNIQUE = re.compile(r"create unique index (\w+) on (\w+)\.(\w+) (\(.*?)(?: include .*?)?;", re.DOTALL)
_RETURNING_JOIN = re.compile(
    r"^update (?P<table>\S+) (?P<alias>\w+) set (?P<set>.*?) from (?P<others>.*?) where (?P<where>.*?)"
    r" returning (?P<wanted>.*)$",
    re.DOTALL,
)
_FUNCTIONS: Final = {
    "sync.org_calls(:org)": """
        (select null as used, null as allowed, null as seen_at, null as day_percent, null as own_percent,
            (select coalesce(sum(u.own), 0) from sync.org_usage u where u.org_id = :org) as own)
    """,
}
"""What stands in the place of a call of one of our SQL functions. The simulated orgs tell nothing of their limits."""
_SPANS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


class SimDatabase:
    """Stands where `db.database.Database` stands. `trouble` is the chance that a transaction meets a dead server."""

    def __init__(self, rng: random.Random, now: Callable[[], datetime]) -> None:
        self._rng = rng
        self._now = now
        self.trouble = 0.0
        self.after_commit: Callable[[frozenset[str], Process | None], None] = lambda _tables, _process: None
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self._turn = asyncio.Lock()
        self._filled = 0
        self._functions()
        for statement in schema_statements():
            self.connection.execute(statement)

    def _functions(self) -> None:
        def make_uuid() -> str:
            return str(UUID(int=self._rng.getrandbits(128)))

        def largest(*values: Any) -> Any:
            return max((value for value in values if value is not None), default=None)

        def smallest(*values: Any) -> Any:
            return min((value for value in values if value is not None), default=None)

        self.connection.create_function("now", 0, lambda: stored(self._now()))
        self.connection.create_function("gen_random_uuid", 0, make_uuid)
        self.connection.create_function("greatest", -1, largest)
        self.connection.create_function("least", -1, smallest)

    @asynccontextmanager
    async def tenant(self, ticket: Ticket) -> AsyncGenerator[SimTransaction]:
        """Open a transaction; a process that is killed in it leaves nothing of it."""
        del ticket
        process = PROCESS.get()
        if process is not None:
            process.require_alive()
        await asyncio.sleep(self._rng.random() * 0.002)
        self._maybe_away()
        async with self._turn:
            transaction = SimTransaction(self.connection, self._maybe_away)
            self.connection.execute("begin")
            try:
                yield transaction
                await asyncio.sleep(0)
                if process is not None:
                    process.require_alive()
                self._maybe_away()
            except BaseException:
                self.connection.execute("rollback")
                raise
            self.connection.execute("commit")
            self.after_commit(frozenset(transaction.touched), process)
        # The answer to a commit can be lost as well as any other.
        self._maybe_away()

    def _maybe_away(self) -> None:
        if self.trouble and self._rng.random() < self.trouble:
            message = "PostgreSQL does not answer"
            raise Unavailable(message)

    def put(self, table: str, **values: object) -> None:
        """Insert a row past everything; a column that must have something and is not named gets a number."""
        schema, name = table.split(".")
        known = self.connection.execute(f"pragma {schema}.table_info({name})").fetchall()
        self._filled += 1
        needed = {column: self._filled for _, column, _, must, default, _ in known if must and default is None}
        row = {**needed, **{key: stored(value) for key, value in values.items()}}
        places = ", ".join(f":{key}" for key in row)
        self.connection.execute(f"insert into {table} ({', '.join(row)}) values ({places})", row)

    def look(self, query: str, **params: object) -> list[tuple[Any, ...]]:
        """Read for the judge, past everything."""
        return self.connection.execute(translated(query)[0][0], {k: stored(v) for k, v in params.items()}).fetchall()

    def everything(self) -> list[object]:
        """Return every value that stands anywhere."""
        found: list[object] = []
        for schema, name in known_tables():
            for row in self.connection.execute(f"select * from {schema}.{name}"):
                found += row
        return found


class SimTransaction:
    """Stands where `TenantTx` stands."""

    def __init__(self, connection: sqlite3.Connection, maybe_away: Callable[[], None]) -> None:
        self._connection = connection
        self._maybe_away = maybe_away
        self.touched: set[str] = set()

    async def execute(self, query: str, **params: Storable) -> None:
        """Run one statement."""
        self._run(query, params)

    async def fetch_all(self, query: str, *, row: type[Row], **params: Storable) -> list[Row]:
        """Run one statement; return its rows as `row`."""
        cursor = self._run(query, params)
        make = _maker(row)
        names = [column[0] for column in cursor.description or ()]
        return [make(dict(zip(names, values, strict=True))) for values in cursor.fetchall()]

    async def fetch_one(self, query: str, *, row: type[Row], **params: Storable) -> Row | None:
        """Run one statement and return its first row."""
        rows = await self.fetch_all(query, row=row, **params)
        return rows[0] if rows else None

    def _run(self, query: str, params: dict[str, Storable]) -> sqlite3.Cursor:
        process = PROCESS.get()
        if process is not None:
            process.require_alive()
        self._maybe_away()
        bound = {name: stored(as_parameter(value)) for name, value in params.items()}
        statements, table = translated(query)
        self.touched.add(table)
        cursor = self._connection.cursor()
        for statement in statements:
            try:
                cursor.execute(statement, bound)
            except sqlite3.OperationalError as error:
                raise NotModelled(f"{error}: {statement}") from None
            if len(statements) > 1 and cursor.rowcount == 0:
                break
        return cursor


def stored(value: object) -> Any:
    """Return how SQLite keeps a value: times and spans as microseconds."""
    match value:
        case datetime():
            return (value - EPOCH) // MICROSECOND
        case timedelta():
            return value // MICROSECOND
        case UUID():
            return str(value)
        case Enum():
            return value.value
        case _:
            return value


@lru_cache(maxsize=512)
def translated(query: str) -> tuple[tuple[str, ...], str]:
    """Return the statement (or two) that SQLite understands, and the table that it is about."""
    text = " ".join(query.split())
    text = re.sub(r"%\((\w+)\)s", r":\1", text)
    text = re.sub(r"::[a-z_.]+(?:\[\])?", "", text)
    text = re.sub(r" for (?:no key )?update(?: of \w+)?(?: skip locked| nowait)?", "", text)
    text = re.sub(r"^delete from (\S+) (?!where)(\w+) where", r"delete from \1 as \2 where", text)
    if " lateral " in text:
        # What is unusual about a run is judged from earlier runs by means that SQLite lacks: here nothing ever is.
        return ("select 1 where 0",), ""
    text = text.replace("( select from ", "( select 1 from ")
    text = re.sub(r"interval '(\d+) (\w+?)s?'", lambda span: str(int(span[1]) * _SPANS[span[2]] * 1_000_000), text)
    for call, instead in _FUNCTIONS.items():
        text = text.replace(call, instead)
    found = re.search(r"(?:insert into|update|delete from|from) (\w+\.\w+)", text)
    table = found[1] if found else ""
    joined = _RETURNING_JOIN.match(text)
    if joined is None:
        text = re.sub(r"^update (\S+) (?!set\b)(?!as\b)(\w+) set", r"update \1 as \2 set", text)
        return (text,), table
    # SQLite's RETURNING knows the changed table only: change first, then look the row up.
    part = joined.groupdict()
    change = f"update {part['table']} as {part['alias']} set {part['set']} from {part['others']} where {part['where']}"
    look = f"select {part['wanted']} from {part['table']} {part['alias']}, {part['others']} where {part['where']}"
    return (change, look), table


@lru_cache(maxsize=1)
def schema_statements() -> tuple[str, ...]:
    """Return the product's tables in SQLite's words."""
    statements = [f"attach ':memory:' as {name}" for name in SCHEMAS]
    for file in sorted(SCHEMA.glob("*.sql")):
        text = re.sub(r"--.*", "", file.read_text())
        for schema, name, body in _TABLE.findall(text):
            if schema != "sync" and f"{schema}.{name}" not in OF_OTHERS:
                continue
            columns = [made for line in _parts(body) if (made := _column(line))]
            statements.append(f"create table {schema}.{name} ({', '.join(columns)})")
        for index, schema, name, rest in _UNIQUE.findall(text):
            if schema != "sync" and f"{schema}.{name}" not in OF_OTHERS:
                continue
            statements.append(f"create unique index {schema}.{index} on {name} {' '.join(rest.split())}")
    return tuple(statements)


@lru_cache(maxsize=1)
def known_tables() -> tuple[tuple[str, str], ...]:
    """Return schema and name of every table."""
    found = (re.match(r"create table (\w+)\.(\w+)", statement) for statement in schema_statements())
    return tuple((match[1], match[2]) for match in found if match)


def _parts(body: str) -> list[str]:
    """Cut a table's body at the commas that are outside parentheses."""
    parts: list[str] = []
    depth, current = 0, ""
    for letter in body:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append(" ".join(current.split()))
            current = ""
        else:
            current += letter
    return [*parts, " ".join(current.split())]


def _column(line: str) -> str | None:
    if line.startswith(("primary key", "unique")):
        return line
    if re.match(r"(foreign key|constraint|check|exclude)\b", line):
        return None
    name = line.split(" ", 1)[0]
    default = re.search(r"\bdefault ((?:'[^']*'|[\w.]+(?:\(\))?|\([^)]*\)))", line)
    made = f'"{name}"'
    if "not null" in line:
        made += " not null"
    if default:
        value = f"'{TENANT}'" if default[1].startswith("ctx.") else re.sub(r"::[a-z_.]+", "", default[1])
        made += f" default ({value})"
    return made


@lru_cache(maxsize=64)
def _maker(row: type[Any]) -> Callable[[dict[str, Any]], Any]:
    hints = get_type_hints(row)
    converters = {field.name: _converter(hints[field.name]) for field in dataclasses.fields(row)}

    def make(values: dict[str, Any]) -> Any:
        return row(**{n: None if v is None else converters[n](v) for n, v in values.items()})

    return make


def _converter(hint: Any) -> Callable[[Any], Any]:  # noqa: PLR0911 - one line per type
    if get_origin(hint) is UnionType or get_origin(hint) is not None:
        inner: Sequence[Any] = [part for part in get_args(hint) if part is not type(None)]
        return _converter(inner[0]) if len(inner) == 1 else lambda value: value
    if hint is datetime:
        return lambda value: EPOCH + value * MICROSECOND
    if hint is timedelta:
        return lambda value: value * MICROSECOND
    if hint is UUID:
        return UUID
    if hint is bool:
        return bool
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint
    return lambda value: value
