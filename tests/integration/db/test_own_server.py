"""The operator's own PostgreSQL: an ordinary account is enough, each refusal says what to do, no secret is shown."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest
from psycopg import sql

from isthmus.clock import SystemClock
from isthmus.config import Settings, read_settings
from isthmus.db import gate
from isthmus.db.address import LOGIN_ROLES, OWNER, Role, conninfo, owner_arguments, without_owner
from isthmus.db.database import Database
from isthmus.db.embedded import start_embedded
from isthmus.db.errors import DatabaseError, DatabaseUnusable, Unavailable
from isthmus.wiring.first_start import KeyRefused, first_start

PASSWORD = "s3cret/of:the@owner%"


@dataclass(frozen=True)
class OwnServer:
    """A server with an account that may create roles, one that may not, and a database of each."""

    administrator: Settings
    place: Path

    def settings(self, name: str = "first", account: str = "boss", database: str = "kept", more: str = "") -> Settings:
        url = f"postgresql://{account}:{quote(PASSWORD, safe='')}@/{database}?host={self.administrator.run_dir}{more}"
        return self.at(url, name)

    def at(self, url: str, name: str = "first") -> Settings:
        place = self.place / name
        environ = {"ISTHMUS_HOME": str(place / "h"), "ISTHMUS_SECRETS_DIR": str(place / "s"), "HOME": str(place)}
        return replace(read_settings(environ), database_url=url)

    async def run(self, *statements: str) -> None:
        arguments = owner_arguments(self.administrator)
        async with await psycopg.AsyncConnection.connect(**arguments, autocommit=True) as connection:
            for statement in statements:
                await connection.execute(sql.SQL(statement))  # type: ignore[arg-type]


class OtherClock(SystemClock):
    """A machine whose clock is wrong."""

    def __init__(self, ahead: timedelta) -> None:
        self._ahead = ahead

    def now(self) -> datetime:
        return super().now() + self._ahead


async def begin(settings: Settings) -> None:
    await first_start(settings, clock=SystemClock(), random_bytes=secrets.token_bytes)


async def refused(settings: Settings) -> str:
    with pytest.raises((DatabaseError, KeyRefused)) as caught:
        await begin(settings)
    assert "s3cret" not in str(caught.value)
    assert "fault" not in str(caught.value)
    return f"{type(caught.value).__name__}: {caught.value}"


@pytest.fixture
async def server() -> AsyncIterator[OwnServer]:
    place = Path(tempfile.mkdtemp(prefix="ist-"))
    environ = {"ISTHMUS_HOME": str(place / "h"), "ISTHMUS_SECRETS_DIR": str(place / "s"), "HOME": str(place)}
    own = OwnServer(read_settings(environ), place)
    running = await start_embedded(own.administrator)
    try:
        await own.run(
            f"create role boss login createrole password '{PASSWORD}'",
            f"create role clerk login password '{PASSWORD}'",
            "create database kept owner boss",
            "create database other owner boss",
            "create database clerks owner clerk",
        )
        yield own
    finally:
        await running.stop()
        shutil.rmtree(place, ignore_errors=True)


async def test_the_whole_life_with_an_account_that_is_no_superuser(
    server: OwnServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = server.settings()
    told = {
        "no account, or password": await refused(server.settings(account="nobody")),
        "names no database": await refused(server.at("postgresql://boss@somewhere")),
        "not a PostgreSQL address": await refused(server.settings(more="&pgbouncer=true")),
        "no such database": await refused(server.settings(database="nowhere")),
        "to be able to create roles": await refused(server.settings(account="clerk", database="clerks")),
        "has to own the database": await refused(server.settings(database="clerks")),
        "does not answer": await refused(server.settings(more="&port=5999")),
    }
    for sign, text in told.items():
        assert sign in text or (sign == "no account, or password" and "refuses the account" in text), (sign, text)
    assert told["does not answer"].startswith(Unavailable.__name__)
    assert not any(text.startswith(Unavailable.__name__) for sign, text in told.items() if sign != "does not answer")

    monkeypatch.setenv("PGPASSWORD", PASSWORD)  # the owner's: the serving roles have to go on with their own
    await begin(server.at(f"postgresql://boss@/kept?host={server.administrator.run_dir}"))
    await _each_role_is_let_in(settings)
    monkeypatch.delenv("PGPASSWORD")

    await _clocks_that_differ_are_refused(settings)
    await _secrets_of_another_change_nothing(server, settings)
    await _a_backup_goes_into_another_server(server, settings)


async def _each_role_is_let_in(settings: Settings) -> None:
    for role in Role:
        database = await Database.open(settings, role)
        try:
            async with database.gate_connection() as connection:
                await gate.require_sound(connection, role, managed_server=True)
        finally:
            await database.close()


async def _clocks_that_differ_are_refused(settings: Settings) -> None:
    for ahead, said in (
        (timedelta(hours=2), "behind this machine's"),
        (timedelta(hours=-2), "ahead of this machine's"),
    ):
        with pytest.raises(DatabaseUnusable, match=said):
            await first_start(settings, clock=OtherClock(ahead), random_bytes=secrets.token_bytes)


async def _secrets_of_another_change_nothing(server: OwnServer, settings: Settings) -> None:
    assert "another database of this PostgreSQL server" in await refused(server.settings("second", database="other"))
    # The second start left a key behind; led to the first one's database by mistake, it must not lock that one out.
    assert "does not belong to this database" in await refused(server.settings("second"))
    await _each_role_is_let_in(settings)
    await server.run("alter role isthmus_worker password 'another'")
    with pytest.raises(DatabaseUnusable, match="the folder of secrets holds for isthmus_worker"):
        await Database.open(settings, Role.WORKER, wait_s=0.2)


async def _a_backup_goes_into_another_server(server: OwnServer, settings: Settings) -> None:
    """Another server knows no roles, and the folder of secrets has their passwords already."""
    roles = ", ".join((OWNER, *LOGIN_ROLES))
    await server.run("drop database kept with (force)", f"drop role {roles}", "create database kept owner boss")
    await begin(settings)
    await _each_role_is_let_in(settings)


def test_processes_that_serve_are_told_where_the_database_is_and_nothing_of_its_owner() -> None:
    url = f"postgresql://boss:{quote(PASSWORD, safe='')}@db.example:5433/kept?sslmode=verify-full&passfile=/root/p"
    environ = {"HOME": "/h", "ISTHMUS_DATABASE_URL": url, "PGPASSWORD": PASSWORD, "PGUSER": "boss", "PGSSLMODE": "x"}
    left = without_owner(environ)
    assert conninfo(left.pop("ISTHMUS_DATABASE_URL")) == {
        "host": "db.example",
        "port": "5433",
        "dbname": "kept",
        "sslmode": "verify-full",
    }
    assert left == {"HOME": "/h", "PGSSLMODE": "x"}
    assert without_owner({"HOME": os.sep}) == {"HOME": os.sep}
