"""What keeps the keeper from starting, as a real process; and what a first start makes."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from isthmus.clock import SystemClock
from isthmus.config import Settings
from isthmus.db.errors import DatabaseUnusable, SchemaTooNew
from isthmus.db.migrate import SCHEMA_VERSION
from isthmus.keeper.rotation import begin_rotation, finish_rotation
from isthmus.keeper.server import SocketInUse, listen, peer_uid
from isthmus.keeper.world import open_custodian
from isthmus.orgs.keeper_client import KeeperClient, KeeperUnavailable
from isthmus.orgs.leasing import Leased, lease
from isthmus.vault.keys import KeyMissing, create_key_file
from isthmus.vault.vault import WrongKey
from isthmus.wiring.first_start import prepare
from tests.support.keeper import RunningKeeper
from tests.support.orgsim import Orgsim
from tests.support.postgres import FreshDatabase


async def prepare_here(settings: Settings) -> None:
    await prepare(settings, clock=SystemClock(), random_bytes=secrets.token_bytes)


def keeper_process(settings: Settings) -> subprocess.Popen[str]:
    environ = {
        "PATH": os.environ["PATH"],
        "ISTHMUS_HOME": str(settings.home),
        "ISTHMUS_SECRETS_DIR": str(settings.secrets_dir),
        "ISTHMUS_KEY_FILE": str(settings.key_file),
        "ISTHMUS_DATABASE_URL": settings.database_url or "",
    }
    return subprocess.Popen(
        [sys.executable, "-m", "isthmus.keeper"],
        env=environ,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )


async def test_a_keeper_process_serves_undumpable_and_ends_when_told(keeper_settings: Settings):
    await prepare_here(keeper_settings)
    process = keeper_process(keeper_settings)
    client = KeeperClient(keeper_settings.keeper_portal_socket)
    try:
        async with asyncio.timeout(60):
            while True:
                try:
                    told = await client.custody()
                    break
                except KeeperUnavailable:
                    assert process.poll() is None, process.communicate()[1]
                    await asyncio.sleep(0.05)
        assert (told.dumpable, told.core_limit) == (False, 0)
        assert (keeper_settings.keeper_portal_socket.stat().st_mode & 0o777) == 0o600
    finally:
        process.send_signal(signal.SIGTERM)
        _, complaints = await asyncio.to_thread(process.communicate, timeout=60)
    assert (process.returncode, complaints) == (0, "")


@pytest.mark.parametrize("what", ["missing", "wrong", "open to others", "unsound database"])
async def test_a_keeper_does_not_start_without_its_own_key_or_a_sound_database(
    fresh_database: FreshDatabase, keeper_settings: Settings, what: str
):
    await prepare_here(keeper_settings)
    key_file = keeper_settings.key_file
    if what == "missing":
        key_file.unlink()
    elif what == "wrong":
        key_file.unlink()
        create_key_file(key_file, secrets.token_bytes)
    elif what == "open to others":
        key_file.chmod(0o644)
    else:
        superuser = await fresh_database.superuser()
        await superuser.execute("alter table orgs.credential no force row level security")
    process = keeper_process(keeper_settings)
    _, complaints = await asyncio.to_thread(process.communicate, timeout=60)
    assert process.returncode == 2
    expected = {
        "missing": "the key file is missing",
        "wrong": "the key does not belong to this database",
        "open to others": "chmod 600",
        "unsound database": "orgs.credential: row-level security is not enabled and forced",
    }[what]
    assert expected in complaints
    assert len(complaints.strip().splitlines()) == 1


async def test_an_existing_database_is_never_given_a_new_key(keeper_settings: Settings):
    await prepare_here(keeper_settings)
    keeper_settings.key_file.unlink()
    with pytest.raises(KeyMissing, match="backup"):
        await prepare_here(keeper_settings)
    assert not keeper_settings.key_file.exists()
    create_key_file(keeper_settings.key_file, secrets.token_bytes)
    with pytest.raises(WrongKey):
        await prepare_here(keeper_settings)


async def test_a_first_start_makes_one_tenant_with_one_link(keeper_settings: Settings):
    first = await prepare(keeper_settings, clock=SystemClock(), random_bytes=secrets.token_bytes)
    second = await prepare(keeper_settings, clock=SystemClock(), random_bytes=secrets.token_bytes)
    assert first.owner_link is not None
    assert second.owner_link is None


async def test_a_database_of_a_newer_release_is_refused_and_left_alone(
    fresh_database: FreshDatabase, keeper_settings: Settings
):
    superuser = await fresh_database.superuser()
    await superuser.execute("insert into meta.schema_version (version) values (%s)", (SCHEMA_VERSION + 1,))
    with pytest.raises(SchemaTooNew, match="newer release"):
        await prepare_here(keeper_settings)


async def test_a_database_of_another_unreleased_state_is_refused_and_left_alone(
    fresh_database: FreshDatabase, keeper_settings: Settings
):
    await prepare_here(keeper_settings)
    superuser = await fresh_database.superuser()
    await superuser.execute("update meta.schema_version set fingerprint = 'of other files'")
    with pytest.raises(DatabaseUnusable, match=r"another state .* ISTHMUS_HOME"):
        await prepare_here(keeper_settings)
    await superuser.execute("alter table meta.schema_version drop column fingerprint")
    with pytest.raises(DatabaseUnusable, match="another state"):
        await prepare_here(keeper_settings)


def test_a_second_keeper_on_the_same_socket_is_refused_and_a_dead_one_replaced(tmp_path: Path):
    with listen(tmp_path / "k.sock"), pytest.raises(SocketInUse, match="Isthmus is running"):
        listen(tmp_path / "k.sock")
    with listen(tmp_path / "k.sock") as again:
        assert again.fileno() > 0


def test_the_kernel_says_who_is_calling(tmp_path: Path):
    with listen(tmp_path / "k.sock") as listening, socket.socket(socket.AF_UNIX) as caller:
        caller.connect(str(tmp_path / "k.sock"))
        listening.setblocking(True)
        accepted, _ = listening.accept()
        with accepted:
            assert peer_uid(accepted) == os.geteuid()


async def test_a_rotated_key_opens_everything_and_the_old_one_nothing(keeper: RunningKeeper, orgsim: Orgsim):
    connection = await keeper.connect(orgsim)
    old_key = keeper.settings.key_file.read_bytes()
    begin_rotation(keeper.settings, secrets.token_bytes)
    async with open_custodian(keeper.settings, clock=SystemClock(), random_bytes=secrets.token_bytes) as custodian:
        rotated = await finish_rotation(keeper.settings, custodian)
    assert rotated.credentials == 1
    assert keeper.settings.key_file.read_bytes() != old_key
    async with open_custodian(keeper.settings, clock=SystemClock(), random_bytes=secrets.token_bytes) as custodian:
        answer = await lease(custodian, keeper.acme.tenant, connection, stale_generation=None)
        assert isinstance(answer, Leased)
    keeper.settings.key_file.write_bytes(old_key)
    with pytest.raises(WrongKey):
        async with open_custodian(keeper.settings, clock=SystemClock(), random_bytes=secrets.token_bytes):
            pass
