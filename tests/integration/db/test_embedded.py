"""The launcher: a private server, started again after a hard kill, and clear words where it cannot start."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from isthmus.config import Settings, read_settings
from isthmus.db.address import SUPERUSER, owner_arguments
from isthmus.db.embedded import SOCKET_NAME, check_socket_path, package_folder, start_embedded
from isthmus.db.embedded_account import launch_for
from isthmus.db.errors import DatabaseUnusable


@pytest.fixture
def settings() -> Iterator[Settings]:
    place = Path(tempfile.mkdtemp(prefix="ist-"))
    yield read_settings({"ISTHMUS_HOME": str(place / "h"), "ISTHMUS_SECRETS_DIR": str(place / "s"), "HOME": str(place)})
    shutil.rmtree(place, ignore_errors=True)


async def one(settings: Settings, statement: str) -> object:
    async with await psycopg.AsyncConnection.connect(**owner_arguments(settings)) as connection:
        cursor = await connection.execute(statement)  # type: ignore[arg-type]
        row = await cursor.fetchone()
        return row[0] if row else None


async def test_the_server_is_private_checksummed_and_reached_by_password_only(settings: Settings):
    server = await start_embedded(settings)
    try:
        assert stat.S_IMODE(settings.run_dir.stat().st_mode) == 0o700
        assert stat.S_IMODE(settings.data_dir.stat().st_mode) == 0o700
        assert stat.S_IMODE(settings.passfile(SUPERUSER).stat().st_mode) == 0o600
        assert await one(settings, "show listen_addresses") == ""
        assert await one(settings, "show data_checksums") == "on"
        assert await one(settings, "show password_encryption") == "scram-sha-256"
        assert await one(settings, "show log_min_messages") == "fatal"
        hba = await one(settings, "select string_agg(distinct auth_method, ',') from pg_hba_file_rules")
        assert hba == "scram-sha-256"
        with pytest.raises(psycopg.OperationalError):
            await psycopg.AsyncConnection.connect(f"host={settings.run_dir} user=postgres password=guessed")
    finally:
        await server.stop()
    assert not (settings.run_dir / SOCKET_NAME).exists()


async def test_after_a_hard_kill_the_next_start_recovers_everything(settings: Settings):
    server = await start_embedded(settings)
    async with await psycopg.AsyncConnection.connect(**owner_arguments(settings)) as connection:
        await connection.execute("create table public.kept as select 42 as n")
    os.kill(server.pid, signal.SIGKILL)
    await server.process.wait()
    server = await start_embedded(settings)
    try:
        assert await one(settings, "select n from public.kept") == 42
    finally:
        await server.stop()


async def test_a_server_process_that_outlives_a_hard_kill_is_waited_for(settings: Settings):
    server = await start_embedded(settings)
    left = psutil.Process(server.pid).children()
    for process in left:
        process.suspend()
    os.kill(server.pid, signal.SIGKILL)
    await server.process.wait()
    with pytest.raises(DatabaseUnusable, match="another PostgreSQL already uses"):
        await start_embedded(settings, stale_lock_retry_s=0)
    starting = asyncio.create_task(start_embedded(settings))
    await asyncio.sleep(0)
    for process in left:
        process.resume()
    await (await starting).stop()


async def test_a_second_server_on_the_same_place_is_refused_with_the_remedy(settings: Settings):
    server = await start_embedded(settings)
    try:
        with pytest.raises(DatabaseUnusable, match="Isthmus is running here"):
            await start_embedded(settings, stale_lock_retry_s=0.5)
    finally:
        await server.stop()


async def test_other_secrets_and_data_of_another_version_are_refused_with_the_remedy(settings: Settings):
    server = await start_embedded(settings)
    await server.stop()
    settings.passfile(SUPERUSER).write_text(f"*:*:*:{SUPERUSER}:that of another installation\n")
    with pytest.raises(DatabaseUnusable, match=r"is not the one in .* set ISTHMUS_SECRETS_DIR"):
        await start_embedded(settings)
    settings.passfile(SUPERUSER).unlink()
    with pytest.raises(DatabaseUnusable, match=r"is missing: .* Put back the folder of secrets"):
        await start_embedded(settings)
    settings.passfile(SUPERUSER).touch()
    (settings.data_dir / "PG_VERSION").write_text("17\n")
    with pytest.raises(DatabaseUnusable, match="another PostgreSQL version"):
        await start_embedded(settings)


async def test_an_interrupted_first_start_is_begun_anew(settings: Settings):
    unfinished = settings.data_dir.with_name("postgres.unfinished")
    settings.home.mkdir(parents=True, mode=0o700)
    unfinished.mkdir()
    (unfinished / "half").write_text("x")
    server = await start_embedded(settings)
    await server.stop()
    assert not unfinished.exists()


def test_a_path_too_long_for_a_socket_is_named():
    with pytest.raises(DatabaseUnusable, match="Set ISTHMUS_HOME to a shorter path"):
        check_socket_path(Path("/" + "x" * 100))
    check_socket_path(Path("/" + "x" * 90))


async def test_a_normal_user_runs_the_programs_directly(settings: Settings):
    launch = await launch_for(settings, package_folder(), uid=1000)
    assert launch.prefix == ()
    assert launch.account is None


async def test_missing_programs_are_named(settings: Settings, tmp_path: Path):
    with pytest.raises(DatabaseUnusable, match="ISTHMUS_DATABASE_URL"):
        await launch_for(settings, tmp_path)
