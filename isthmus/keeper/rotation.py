"""Rotating the key-encryption key of a key file, so that it may be interrupted anywhere and taken up again.

1. A new key is put beside the old one (`key.next`). From here both are loaded; new envelopes use the new one.
2. Every wrapped data key is wrapped anew, one transaction each, and the canary.
3. When nothing needs the old key any more, the new file takes its place. The tokens themselves are never touched.
A keeper that runs meanwhile has to be started again: it holds the old key only.
"""

from __future__ import annotations

from dataclasses import dataclass

from isthmus.config import Settings
from isthmus.db.storable import Blob
from isthmus.keeper.world import check_key
from isthmus.orgs import store
from isthmus.orgs.custodian import Custodian, place_of
from isthmus.vault.keys import RandomBytes, create_key_file, next_key_file
from isthmus.vault.sealed import envelope_key_id


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation did: how many credentials were wrapped anew, under which key."""

    credentials: int
    key_id: str


class RotationIncomplete(Exception):
    """Something still needs the old key, which therefore stays; the message says what to do."""


def begin_rotation(settings: Settings, random_bytes: RandomBytes) -> None:
    """Step 1. Does nothing if a rotation is under way. Raises `KeyUnusable`."""
    if not next_key_file(settings.key_file).exists():
        create_key_file(next_key_file(settings.key_file), random_bytes)


async def finish_rotation(settings: Settings, custodian: Custodian) -> Rotated:
    """Steps 2 and 3; `custodian` was opened after `begin_rotation`. Raises `RotationIncomplete`, `SealBroken`."""
    await check_key(custodian.database, custodian.vault)
    async with custodian.database.system() as tx:
        found = await store.credentials_sealed(tx)
    rewrapped = 0
    for each in found:
        rewrapped += await _rewrap(custodian, each)
    async with custodian.database.system() as tx:
        await tx.execute(
            "update meta.vault_canary set sealed = %(sealed)s, sealed_at = now()",
            sealed=Blob(await custodian.vault.canary()),
        )
        left = await store.credentials_sealed(tx)
    for each in left:
        if await _rewrap(custodian, each):
            message = "a credential was written under the old key meanwhile. Stop the keeper and rotate again."
            raise RotationIncomplete(message)
    next_key_file(settings.key_file).replace(settings.key_file)
    return Rotated(rewrapped, custodian.vault.keys.key_id)


async def _rewrap(custodian: Custodian, found: store.Found) -> int:
    """Wrap one data key anew; returns 0 if it is under the new key already, or gone."""
    ticket = custodian.own_ticket(found.tenant_id, connection=found.connection_id)
    async with custodian.database.tenant(ticket) as tx:
        await store.lock_credential(tx, found.connection_id)
        row = await store.grant(tx, found.connection_id)
        if row is None or row.wrapped_key is None or row.generation is None:
            return 0
        if envelope_key_id(row.wrapped_key).hex() == custodian.vault.keys.key_id:
            return 0
        new = await custodian.vault.rewrap(row.wrapped_key, place_of(found.tenant_id, row, row.generation))
        await store.rewrap_credential(tx, found.connection_id, row.wrapped_key, new)
    return 1
