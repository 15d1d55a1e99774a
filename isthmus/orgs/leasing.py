"""Leasing access tokens, and refreshing them so that rotation never loses the chain. Runs in the keeper.

A refresh, step by step:
1. The credential's row is locked and stays locked to the end, so one refresh happens per expiry, across processes.
2. Whoever waited for the lock and finds a newer generation uses it and asks Salesforce nothing.
3. "A refresh to generation n+1 begins" is committed on a second connection.
4. Salesforce is asked. 5. The new tokens are stored and the note of 3 removed, in one commit.
A crash between 4 and 5 may have cost the chain; no client can avoid that. The note shows it: exactly one replay is
made, and if that fails a person must connect again.

That holds for apps that rotate refresh tokens, and for those of which nothing is known yet. Where the last refresh
brought no new refresh token, the old one is as good after an end that nobody knows: it is replayed as often as it
takes. Should the app have been switched to rotation since, a replay is refused, and that is an end that is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from isthmus.db.database import TenantTx
from isthmus.db.storable import SalesforceId
from isthmus.egress.errors import DialRefused, EgressError, RequestDenied, TlsRefused, Unreachable
from isthmus.egress.hosts import judge_host
from isthmus.orgs import store
from isthmus.orgs.custodian import Custodian, host_of, open_credential, place_of, seal_credential
from isthmus.orgs.model import ConnectionState
from isthmus.salesforce import login
from isthmus.salesforce.lease import LeaseRefusal
from isthmus.salesforce.login import Grant
from isthmus.values import ConnectionId, InvalidValue, OrgHost, Secret, TenantId
from isthmus.vault.sealed import Part, SealBroken

ATTEMPTS_MAX: Final = 2
"""The refresh itself and one replay after an end that nobody knows; where refresh tokens may rotate."""
NOTHING_SENT: Final = (RequestDenied, DialRefused, Unreachable, TlsRefused)
GENERATION_NONE: Final = 0


@dataclass(frozen=True, slots=True)
class Leased:
    """A token for one org. `generation` tells a later caller whether the token it held is the newest."""

    token: Secret
    instance: OrgHost
    generation: int


@dataclass(frozen=True, slots=True)
class NotLeased:
    """No token, and why."""

    reason: LeaseRefusal


LeaseAnswer: TypeAlias = Leased | NotLeased


async def lease(
    custodian: Custodian, tenant: TenantId, connection: ConnectionId, *, stale_generation: int | None
) -> LeaseAnswer:
    """Return the connection's token. `stale_generation`: the generation of a token that the org refused."""
    ticket = custodian.own_ticket(tenant, connection=connection)
    async with custodian.database.tenant(ticket) as tx:
        row = await store.grant(tx, connection)
    refused = _unusable(row)
    if refused is not None or row is None:
        return refused or NotLeased("revoked")
    if stale_generation is None or (row.generation or GENERATION_NONE) > stale_generation:
        return await _opened(custodian, tenant, row)
    return await refresh(custodian, tenant, connection, stale_generation)


async def refresh(
    custodian: Custodian, tenant: TenantId, connection: ConnectionId, stale_generation: int
) -> LeaseAnswer:
    """Get a newer token than `stale_generation`, asking Salesforce only if nobody else has done so meanwhile."""
    ticket = custodian.own_ticket(tenant, connection=connection)
    async with custodian.database.tenant(ticket) as tx:
        await store.lock_credential(tx, connection)  # 1
        row = await store.grant(tx, connection)
        refused = _unusable(row)
        if refused is not None or row is None:
            return refused or NotLeased("revoked")
        if row.generation is None or row.generation > stale_generation:  # 2
            return await _opened(custodian, tenant, row)
        async with custodian.attempts.tenant(ticket) as note:  # 3
            attempts = await store.begin_attempt(note, row.generation + 1)
        if attempts > ATTEMPTS_MAX and row.rotates is not False:
            return await _lost(tx, connection)
        return await _refresh_locked(custodian, tenant, tx, row)


async def _refresh_locked(custodian: Custodian, tenant: TenantId, tx: TenantTx, row: store.GrantRow) -> LeaseAnswer:
    try:
        credential = await open_credential(custodian, tenant, row)
        if credential is None:
            return await _lost(tx, row.id)
        async with custodian.open_login(host_of(row.login_origin)) as channel:  # 4
            granted = await login.refresh(
                channel, credential.app, credential.refresh_token, loopback=custodian.loopback
            )
    except (SealBroken, login.GrantRefused):
        return await _lost(tx, row.id)
    except (login.LoginUnavailable, EgressError) as error:
        if surely_unused(error):
            await store.end_attempt(tx)
        return NotLeased("unavailable")  # where the end is unknown, the note of step 3 stays
    if not _same_org(row, granted, loopback=custodian.loopback):
        return await _lost(tx, row.id)
    generation = (row.generation or GENERATION_NONE) + 1
    kept = granted.refresh_token or credential.refresh_token
    place = place_of(tenant, row, generation)
    sealed = await seal_credential(custodian, place, kept, granted.access_token, credential.app.client_secret)
    await store.save_credential(tx, row.id, sealed)  # 5
    await store.note_rotation(tx, row.id, rotates=kept.reveal_text() != credential.refresh_token.reveal_text())
    await store.end_attempt(tx)
    now = await store.grant(tx, row.id)  # somebody may have revoked while Salesforce was asked
    return _unusable(now) or Leased(granted.access_token, host_of(row.instance_origin), generation)


def surely_unused(error: login.LoginUnavailable | EgressError) -> bool:
    """Whether the org cannot have used the refresh token up, whatever became of the request."""
    return not error.sent if isinstance(error, login.LoginUnavailable) else isinstance(error, NOTHING_SENT)


async def _opened(custodian: Custodian, tenant: TenantId, row: store.GrantRow) -> LeaseAnswer:
    if row.wrapped_key is None or row.access_token is None or row.generation is None:
        return NotLeased("needs_reauth")
    try:
        data_key = await custodian.vault.data_key(row.wrapped_key, place_of(tenant, row, row.generation))
        token = data_key.open(row.access_token, Part.ACCESS_TOKEN)
    except SealBroken:  # moved, changed or put back: nothing is done with it until a person has connected again
        async with custodian.database.tenant(custodian.own_ticket(tenant, connection=row.id)) as tx:
            await store.needs_reauth(tx, row.id)
        return NotLeased("needs_reauth")
    return Leased(token, host_of(row.instance_origin), row.generation)


async def _lost(tx: TenantTx, connection: ConnectionId) -> NotLeased:
    await store.needs_reauth(tx, connection)
    await store.end_attempt(tx)
    return NotLeased("needs_reauth")


def _unusable(row: store.GrantRow | None) -> NotLeased | None:
    if row is None or row.state is ConnectionState.REVOKED:
        return NotLeased("revoked")
    return NotLeased("needs_reauth") if row.state is ConnectionState.NEEDS_REAUTH else None


def _same_org(row: store.GrantRow, granted: Grant, *, loopback: bool) -> bool:
    try:
        answered = SalesforceId.parse(granted.org_id), SalesforceId.parse(granted.user_id)
    except InvalidValue:
        return False
    bound = row.salesforce_org_id, row.salesforce_user_id
    return answered == bound and judge_host(granted.instance, loopback=loopback) is None
