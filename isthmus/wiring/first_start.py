"""Everything that has to exist before the processes start: database, roles, schema, keys, the first tenant.

The key-encryption key is made here, once, and only where no database of ours exists yet. A database without its key is
never given a new one: that would hide that every stored token is lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from isthmus.accounts.service import any_tenant, create_tenant
from isthmus.clock import Clock
from isthmus.config import Settings
from isthmus.db.errors import DatabaseUnusable
from isthmus.db.migrate import clock_fault, found_in, look_at_server, owner_transaction, prepare_database
from isthmus.db.private_files import make_private_folder
from isthmus.values import Secret, UserText
from isthmus.vault.keys import FileKeys, KeyMissing, KeyUnusable, RandomBytes, create_key_file, read_key_file
from isthmus.vault.vault import Vault, WrongKey

TENANT_NAME: Final = UserText("My company")
OWNER_NAME: Final = UserText("Owner")


@dataclass(frozen=True, slots=True)
class Ready:
    """What was found or made. `owner_link` is the one-time sign-in token of a tenant that was made just now."""

    created: bool
    owner_link: Secret | None


class KeyRefused(Exception):
    """The key is missing, unusable or another one; the message says which, and what to do."""


async def first_start(settings: Settings, *, clock: Clock, random_bytes: RandomBytes) -> Ready:
    """As `prepare`, for callers that may not know the vault: what is wrong with the key is one `KeyRefused`."""
    try:
        return await prepare(settings, clock=clock, random_bytes=random_bytes)
    except (KeyMissing, KeyUnusable, WrongKey) as refused:
        raise KeyRefused(str(refused)) from None


async def prepare(settings: Settings, *, clock: Clock, random_bytes: RandomBytes) -> Ready:
    """Prepare an installation; its PostgreSQL must be running. Safe at every start.

    Raises `KeyMissing`, `KeyUnusable`, `WrongKey`, `SchemaTooNew`, `DatabaseUnusable`, `Unavailable`.
    """
    make_private_folder(settings.secrets_dir)
    for folder in (settings.home, settings.run_dir, settings.log_dir):
        make_private_folder(folder)
    if settings.database_url is not None:
        fault = clock_fault((await look_at_server(settings)).now, clock.now())
        if fault is not None:
            raise DatabaseUnusable(fault)
    found = await found_in(settings)
    if not found.schema and not settings.key_file.exists():
        create_key_file(settings.key_file, random_bytes)
    vault = Vault(FileKeys.load(settings.key_file, random_bytes), random_bytes)
    if found.canary is not None:  # first of all: another installation's secrets must not get to change the passwords
        await vault.check_canary(found.canary)
    prepared = await prepare_database(settings, ticket_key(settings, random_bytes))
    await _keep_canary(settings, vault)
    link = None
    if not await any_tenant(settings):
        made = await create_tenant(settings, TENANT_NAME, OWNER_NAME, random_bytes=random_bytes, clock=clock)
        link = made.link
    return Ready(prepared.created, link)


def ticket_key(settings: Settings, random_bytes: RandomBytes) -> Secret:
    """Return the key that signs tickets, made where it is missing: it protects nothing that is stored."""
    if not settings.ticket_key_file.exists():
        create_key_file(settings.ticket_key_file, random_bytes)
    return read_key_file(settings.ticket_key_file)


async def _keep_canary(settings: Settings, vault: Vault) -> None:
    """Seal the canary of a new database, or raise `WrongKey` if that of an old one does not open."""
    async with owner_transaction(settings) as connection:
        cursor = await connection.execute("select sealed from meta.vault_canary")
        row = await cursor.fetchone()
        if row is None:
            await connection.execute("insert into meta.vault_canary (sealed) values (%s)", (await vault.canary(),))
            return
    sealed = row[0]
    await vault.check_canary(sealed if isinstance(sealed, bytes) else b"")
