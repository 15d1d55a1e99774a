"""Giving a grant back: here, at once; then at Salesforce, until it is confirmed; then the credential is shredded."""

from __future__ import annotations

import asyncio
from typing import Final

from isthmus.egress.errors import EgressError
from isthmus.orgs import store
from isthmus.orgs.custodian import Custodian, host_of, open_credential
from isthmus.orgs.model import ConnectionState, UnknownConnection
from isthmus.salesforce import login
from isthmus.values import ConnectionId, TenantId
from isthmus.vault.sealed import SealBroken

RETRY_FIRST_S: Final = 1.0
RETRY_LAST_S: Final = 300.0


async def revoke_here(custodian: Custodian, tenant: TenantId, connection: ConnectionId) -> None:
    """Mark a connection revoked: from the commit on no lease is given. Raises `UnknownConnection`."""
    async with custodian.database.tenant(custodian.own_ticket(tenant)) as tx:
        if not await store.mark_revoked(tx, connection):
            message = "there is no such connection"
            raise UnknownConnection(message)


async def revoke_there(custodian: Custodian, tenant: TenantId, connection: ConnectionId) -> None:
    """Tell Salesforce until it confirms, then shred the credential. Ends also if somebody connected again meanwhile."""
    wait_s = RETRY_FIRST_S
    while not await _told(custodian, tenant, connection):
        await asyncio.sleep(wait_s)
        wait_s = min(wait_s * 2, RETRY_LAST_S)


async def _told(custodian: Custodian, tenant: TenantId, connection: ConnectionId) -> bool:
    ticket = custodian.own_ticket(tenant, connection=connection)
    async with custodian.database.tenant(ticket) as tx:
        row = await store.grant(tx, connection)
    if row is None or row.state is not ConnectionState.REVOKED:
        return True
    try:
        credential = await open_credential(custodian, tenant, row)
        if credential is not None:
            async with custodian.open_login(host_of(row.login_origin)) as channel:
                if not await login.revoke(channel, credential.refresh_token):
                    return False
    except SealBroken:
        credential = None  # nothing that could be given back; the row is shredded all the same
    except (login.LoginUnavailable, login.GrantRefused, EgressError):
        return False
    async with custodian.database.tenant(ticket) as tx:
        await store.lock_credential(tx, connection)
        now = await store.grant(tx, connection)
        if now is not None and now.state is ConnectionState.REVOKED and now.generation == row.generation:
            await store.confirm_revoked(tx, connection)
            return True
    return False
