"""`python -m isthmus.portal`: the web process. It reads the settings, checks the database's gate, then serves.

What it cannot use it says in one line and exits with status 2, so that its supervisor does not try again in vain.
"""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
import socket
import sys
from typing import Final

import uvicorn

from isthmus.audit.what_if.questions import ReadyTables
from isthmus.clock import SystemClock
from isthmus.config import Settings, SettingsInvalid, read_settings
from isthmus.db import gate
from isthmus.db.address import Role
from isthmus.db.database import Database
from isthmus.db.errors import EXIT_UNAVAILABLE, DatabaseError, Unavailable
from isthmus.journal import Journal, ProcessStarted, ProcessStopped, silence_libraries
from isthmus.orgs.keeper_client import KeeperClient
from isthmus.portal.app import create_app
from isthmus.portal.services import PortalServices
from isthmus.portal.statics import AssetsMissing

BACKLOG: Final = 256
DRAIN_S: Final = 3
EXIT_REFUSED: Final = 2


class Unusable(Exception):
    """The portal cannot start; the message says why and what to do."""


def listen(settings: Settings) -> socket.socket:
    """Return the listening socket, or raise `Unusable`."""
    family = socket.AF_INET6 if ":" in settings.bind else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.bind, settings.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            message = (
                f"port {settings.port} on {settings.bind} is in use by another program. "
                "Stop that program, or set ISTHMUS_PORT to another port."
            )
        else:
            message = (
                f"the portal cannot listen on {settings.bind}:{settings.port}. "
                "Set ISTHMUS_BIND to an address of this machine and ISTHMUS_PORT to a port that you may use."
            )
        raise Unusable(message) from None
    return listener


async def serve(settings: Settings) -> None:
    """Serve until a signal ends it."""
    clock = SystemClock()
    journal = Journal("portal", _write, clock)
    listener = listen(settings)
    database = await Database.open(settings, Role.PORTAL)
    try:
        async with database.gate_connection() as connection:
            await gate.require_sound(connection, Role.PORTAL, managed_server=settings.database_url is not None)
        keeper = KeeperClient(settings.keeper_portal_socket)
        tables = ReadyTables(clock)
        app = create_app(PortalServices(database, keeper, settings, clock, journal, secrets.token_bytes, tables))
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=DRAIN_S,
        )
        journal.emit(ProcessStarted(pid=os.getpid()))
        await uvicorn.Server(config).serve(sockets=[listener])
        journal.emit(ProcessStopped(pid=os.getpid()))
    finally:
        await database.close()


def main() -> int:
    """Run the portal; return the exit status."""
    silence_libraries()
    try:
        asyncio.run(serve(read_settings(os.environ)))
    except Unavailable as problem:
        sys.stderr.write(f"portal: {problem}\n")
        return EXIT_UNAVAILABLE
    except (SettingsInvalid, AssetsMissing, Unusable, DatabaseError) as problem:
        sys.stderr.write(f"portal: {problem}\n")
        return EXIT_REFUSED
    return 0


def _write(line: str) -> None:
    sys.stdout.write(line)
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
