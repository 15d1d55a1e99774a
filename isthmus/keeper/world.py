"""Settings → the keeper's objects, and the checks without which it does not start."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from ssl import SSLContext
from typing import Final

from isthmus.clock import Clock
from isthmus.config import Settings
from isthmus.db.address import Role
from isthmus.db.database import Database
from isthmus.db.gate import require_sound
from isthmus.egress.dial import PinnedDialer
from isthmus.egress.policy import LOGIN
from isthmus.egress.tls import tls_context
from isthmus.egress.transport import Channel
from isthmus.journal import Journal
from isthmus.keeper.server import listen, serve
from isthmus.keeper.service import Keeper
from isthmus.orgs.custodian import Custodian, OpenLogin
from isthmus.salesforce.routes import ROUTES
from isthmus.values import OrgHost, Secret
from isthmus.vault.keys import FileKeys, RandomBytes, create_key_file, read_key_file
from isthmus.vault.vault import Vault, WrongKey

ATTEMPT_CONNECTIONS_MAX: Final = 4


@dataclass(frozen=True, slots=True)
class _Sealed:
    sealed: bytes


@asynccontextmanager
async def open_custodian(settings: Settings, *, clock: Clock, random_bytes: RandomBytes) -> AsyncGenerator[Custodian]:
    """Open everything that the keeper works with.

    Raises `KeyMissing`, `KeyUnusable`, `WrongKey`, `Unavailable`, `DatabaseUnusable` (the catalogue gate), `NoRoots`.
    """
    keys = FileKeys.load(settings.key_file, random_bytes)
    ticket_key = read_key_file(settings.ticket_key_file)
    vault = Vault(keys, random_bytes)
    tls = tls_context(settings.ca_file)
    async with AsyncExitStack() as closing:
        database = await Database.open(settings, Role.KEEPER)
        closing.push_async_callback(database.close)
        attempts = await Database.open(settings, Role.KEEPER, size_max=ATTEMPT_CONNECTIONS_MAX)
        closing.push_async_callback(attempts.close)
        async with database.gate_connection() as connection:
            await require_sound(connection, Role.KEEPER, managed_server=settings.database_url is not None)
        await check_key(database, vault)
        yield Custodian(
            database=database,
            attempts=attempts,
            vault=vault,
            ticket_key=ticket_key,
            clock=clock,
            random_bytes=random_bytes,
            open_login=login_opener(tls, loopback=settings.allow_loopback_http),
            public_url=settings.public_url,
            loopback=settings.allow_loopback_http,
            mask_key=_mask_key(settings, random_bytes),
        )


def _mask_key(settings: Settings, random_bytes: RandomBytes) -> Secret:
    """Return the key of the pseudonyms, made where it is missing. It is no key of anything that is stored."""
    if not settings.mask_key_file.exists():
        create_key_file(settings.mask_key_file, random_bytes)
    return read_key_file(settings.mask_key_file)


async def check_key(database: Database, vault: Vault) -> None:
    """Raise `WrongKey` if the key does not open this database's canary."""
    async with database.system() as tx:
        row = await tx.fetch_one("select sealed from meta.vault_canary", row=_Sealed)
    if row is None:
        message = "the database holds no proof of its key: it was not prepared by `isthmus up`. Start it that way."
        raise WrongKey(message)
    await vault.check_canary(row.sealed)


def login_opener(tls: SSLContext, *, loopback: bool) -> OpenLogin:
    """Return how to open a channel to an org's token endpoint: each resolved, judged and dialled anew."""

    @asynccontextmanager
    async def open_login(host: OrgHost) -> AsyncGenerator[Channel]:
        dialer = PinnedDialer(loopback=loopback)

        async def connect() -> socket.socket:
            return await dialer.dial(host)

        channel = Channel(host, LOGIN, ROUTES, connect, tls if host.scheme == "https" else None, loopback=loopback)
        try:
            yield channel
        finally:
            await channel.close()

    return open_login


async def run(
    settings: Settings, custodian: Custodian, *, stop: asyncio.Event, ready: asyncio.Event, swap_locked: bool
) -> None:
    """Serve both sockets until `stop` is set. Raises `SocketInUse`."""
    allowed = frozenset({os.geteuid()})
    journal = Journal("keeper", sys.stderr.write, custodian.clock)
    places = ((settings.keeper_portal_socket, False), (settings.keeper_worker_socket, True))
    sockets = [(listen(path), path, from_worker) for path, from_worker in places]
    try:
        async with asyncio.TaskGroup() as tasks:
            keeper = Keeper(custodian, settings, tasks, swap_locked=swap_locked)
            serving = [
                tasks.create_task(serve(listening, keeper, journal, from_worker=from_worker, allowed_uids=allowed))
                for listening, _, from_worker in sockets
            ]
            await keeper.resume_revocations()
            ready.set()
            await stop.wait()
            for task in serving:
                task.cancel()
            keeper.close()
            raise _Stopped
    except* _Stopped:
        pass
    finally:
        for listening, path, _ in sockets:
            listening.close()
            path.unlink(missing_ok=True)


class _Stopped(Exception):
    """Ends the task group together with its background work."""
