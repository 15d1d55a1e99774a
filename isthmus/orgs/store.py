"""The keeper's statements about connections and sealed credentials. One function per statement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from isthmus.db.database import SystemTx, TenantTx
from isthmus.db.storable import Blob, SalesforceId, SalesforceUsername, ScopeList
from isthmus.orgs.model import ConnectionState
from isthmus.values import Alias, ConnectionId, OrgHost, OrgId, Purpose, TenantId, UserText


@dataclass(frozen=True, slots=True)
class RequestRow:
    """A question that was put to Salesforce's login page."""

    id: UUID
    alias: Alias
    purpose: Purpose
    login_origin: str
    client_id: str
    org_id: OrgId | None
    wrapped_key: bytes
    verifier: bytes
    client_secret: bytes | None


@dataclass(frozen=True, slots=True)
class OrgRow:
    """A known org."""

    id: OrgId
    alias: Alias
    salesforce_org_id: SalesforceId


@dataclass(frozen=True, slots=True)
class GrantRow:
    """A connection together with its credential, if it has one."""

    id: ConnectionId
    org_id: OrgId
    purpose: Purpose
    state: ConnectionState
    epoch: int
    login_origin: str
    instance_origin: str
    client_id: str
    salesforce_org_id: SalesforceId
    salesforce_user_id: SalesforceId
    rotates: bool | None
    generation: int | None
    wrapped_key: bytes | None
    refresh_token: bytes | None
    access_token: bytes | None
    client_secret: bytes | None


@dataclass(frozen=True, slots=True)
class SealedCredential:
    """What is written of a credential: envelopes only."""

    generation: int
    wrapped_key: bytes
    refresh_token: bytes
    access_token: bytes
    client_secret: bytes | None


@dataclass(frozen=True, slots=True)
class Attempts:
    """How often a refresh of one generation was begun."""

    attempts: int


@dataclass(frozen=True, slots=True)
class Found:
    """A connection of some tenant, by ids."""

    tenant_id: TenantId
    connection_id: ConnectionId


@dataclass(frozen=True, slots=True)
class Id:
    """An id."""

    id: UUID


async def add_request(
    tx: TenantTx,
    *,
    request: UUID,
    state_hash: bytes,
    binding_hash: bytes,
    alias: Alias,
    purpose: Purpose,
    login: OrgHost,
    client_id: UserText,
    org: OrgId | None,
    wrapped_key: bytes,
    verifier: bytes,
    client_secret: bytes | None,
    expires_at: datetime,
) -> None:
    """Keep a question, and forget those that are out of date."""
    await tx.execute("delete from orgs.authorization_request where expires_at < now()")
    await tx.execute(
        """
        insert into orgs.authorization_request (id, state_hash, binding_hash, alias, purpose, login_origin, client_id,
            org_id, wrapped_key, verifier, client_secret, expires_at)
        values (%(request)s, %(state_hash)s, %(binding_hash)s, %(alias)s, %(purpose)s, %(login)s, %(client_id)s,
            %(org)s, %(wrapped_key)s, %(verifier)s, %(client_secret)s, %(expires_at)s)
        """,
        request=request,
        state_hash=Blob(state_hash),
        binding_hash=Blob(binding_hash),
        alias=alias,
        purpose=purpose,
        login=login,
        client_id=client_id,
        org=org,
        wrapped_key=Blob(wrapped_key),
        verifier=Blob(verifier),
        client_secret=None if client_secret is None else Blob(client_secret),
        expires_at=expires_at,
    )


async def take_request(tx: TenantTx, state_hash: bytes, binding_hash: bytes, now: datetime) -> RequestRow | None:
    """Take the question out of the table: of many callers one gets it. Another browser or member gets nothing."""
    return await tx.fetch_one(
        """
        delete from orgs.authorization_request
        where state_hash = %(state_hash)s and binding_hash = %(binding_hash)s
            and member_id = (select ctx.member()) and expires_at > %(now)s
        returning id, alias, purpose, login_origin, client_id, org_id, wrapped_key, verifier, client_secret
        """,
        row=RequestRow,
        state_hash=Blob(state_hash),
        binding_hash=Blob(binding_hash),
        now=now,
    )


async def orgs_like(tx: TenantTx, alias: Alias, salesforce_org_id: SalesforceId) -> list[OrgRow]:
    """Return the orgs that have this alias or this Salesforce id: at most two."""
    return await tx.fetch_all(
        "select id, alias, salesforce_org_id from orgs.org where alias = %(alias)s or salesforce_org_id = %(id)s",
        row=OrgRow,
        alias=alias,
        id=salesforce_org_id,
    )


async def org_named(tx: TenantTx, org: OrgId) -> OrgRow | None:
    """Return an org by its id."""
    return await tx.fetch_one(
        "select id, alias, salesforce_org_id from orgs.org where id = %(org)s", row=OrgRow, org=org
    )


async def connection_of(tx: TenantTx, org: OrgId, purpose: Purpose) -> Id | None:
    """Return the connection of an org for a purpose."""
    return await tx.fetch_one(
        "select id from orgs.connection where org_id = %(org)s and purpose = %(purpose)s",
        row=Id,
        org=org,
        purpose=purpose,
    )


async def save_org(tx: TenantTx, org: OrgId, alias: Alias, salesforce_org_id: SalesforceId, instance: OrgHost) -> None:
    """Add an org, or keep up with its instance."""
    await tx.execute(
        """
        insert into orgs.org (id, alias, salesforce_org_id, instance_origin)
        values (%(org)s, %(alias)s, %(salesforce_org_id)s, %(instance)s)
        on conflict (tenant_id, id) do update set instance_origin = excluded.instance_origin
        """,
        org=org,
        alias=alias,
        salesforce_org_id=salesforce_org_id,
        instance=instance,
    )


async def save_connection(
    tx: TenantTx,
    *,
    connection: ConnectionId,
    org: OrgId,
    purpose: Purpose,
    login: OrgHost,
    client_id: UserText,
    user: SalesforceId,
    username: SalesforceUsername,
    scopes: ScopeList,
) -> None:
    """Add a connection, or renew its grant: the epoch rises, so older leases are worth nothing."""
    await tx.execute(
        """
        insert into orgs.connection
            (id, org_id, purpose, state, login_origin, client_id, salesforce_user_id, username, scopes)
        values (%(connection)s, %(org)s, %(purpose)s, 'active', %(login)s, %(client_id)s, %(user)s, %(username)s,
            %(scopes)s)
        on conflict (tenant_id, id) do update set state = 'active', epoch = connection.epoch + 1,
            login_origin = excluded.login_origin, client_id = excluded.client_id,
            salesforce_user_id = excluded.salesforce_user_id, username = excluded.username, scopes = excluded.scopes,
            rotates = null, connected_at = now(), revoked_at = null, revoke_confirmed_at = null
        """,
        connection=connection,
        org=org,
        purpose=purpose,
        login=login,
        client_id=client_id,
        user=user,
        username=username,
        scopes=scopes,
    )


async def grant(tx: TenantTx, connection: ConnectionId) -> GrantRow | None:
    """Return a connection and its credential; the ticket must name the connection."""
    return await tx.fetch_one(
        """
        select c.id, c.org_id, c.purpose, c.state, c.epoch, c.login_origin, o.instance_origin, c.client_id,
            o.salesforce_org_id, c.salesforce_user_id, c.rotates,
            k.generation, k.wrapped_key, k.refresh_token, k.access_token, k.client_secret
        from orgs.connection c
        join orgs.org o on o.tenant_id = c.tenant_id and o.id = c.org_id
        left join orgs.credential k on k.tenant_id = c.tenant_id and k.connection_id = c.id
        where c.id = %(connection)s
        """,
        row=GrantRow,
        connection=connection,
    )


async def lock_credential(tx: TenantTx, connection: ConnectionId) -> None:
    """Wait until nobody else refreshes or replaces this credential, and keep others out until the end."""
    await tx.execute(
        "select from orgs.credential where connection_id = %(connection)s for update", connection=connection
    )


async def save_credential(tx: TenantTx, connection: ConnectionId, sealed: SealedCredential) -> None:
    """Write a new generation of a credential; the database refuses one that does not rise."""
    await tx.execute(
        """
        insert into orgs.credential (generation, wrapped_key, refresh_token, access_token, client_secret)
        values (%(generation)s, %(wrapped_key)s, %(refresh_token)s, %(access_token)s, %(client_secret)s)
        on conflict (tenant_id, connection_id) do update set generation = excluded.generation,
            wrapped_key = excluded.wrapped_key, refresh_token = excluded.refresh_token,
            access_token = excluded.access_token, client_secret = excluded.client_secret, updated_at = now()
        """,
        generation=sealed.generation,
        wrapped_key=Blob(sealed.wrapped_key),
        refresh_token=Blob(sealed.refresh_token),
        access_token=Blob(sealed.access_token),
        client_secret=None if sealed.client_secret is None else Blob(sealed.client_secret),
    )
    await tx.execute("update orgs.connection set refreshed_at = now() where id = %(connection)s", connection=connection)


async def rewrap_credential(tx: TenantTx, connection: ConnectionId, old: bytes, new: bytes) -> None:
    """Exchange the wrapping of a data key, unless the credential has changed meanwhile."""
    await tx.execute(
        """
        update orgs.credential set wrapped_key = %(new)s
        where connection_id = %(connection)s and wrapped_key = %(old)s
        """,
        new=Blob(new),
        old=Blob(old),
        connection=connection,
    )


async def begin_attempt(tx: TenantTx, generation: int) -> int:
    """Write down that a refresh to `generation` begins; returns how often it was begun without an end."""
    row = await tx.fetch_one(
        """
        insert into orgs.refresh_attempt as a (generation) values (%(generation)s)
        on conflict (tenant_id, connection_id) do update set
            attempts = case when a.generation = excluded.generation then a.attempts + 1 else 1 end,
            generation = excluded.generation, started_at = now()
        returning attempts
        """,
        row=Attempts,
        generation=generation,
    )
    return row.attempts if row else 0


async def end_attempt(tx: TenantTx) -> None:
    """The refresh came to an end that is known."""
    await tx.execute("delete from orgs.refresh_attempt where connection_id = (select ctx.connection())")


async def note_rotation(tx: TenantTx, connection: ConnectionId, *, rotates: bool) -> None:
    """Keep whether a refresh brought a new refresh token, so that the old one is worth nothing."""
    await tx.execute(
        "update orgs.connection set rotates = %(rotates)s where id = %(connection)s",
        connection=connection,
        rotates=rotates,
    )


async def needs_reauth(tx: TenantTx, connection: ConnectionId) -> None:
    """Salesforce no longer accepts the grant: a person must connect again."""
    await tx.execute(
        """
        update orgs.connection set state = 'needs_reauth', epoch = epoch + 1
        where id = %(connection)s and state = 'active'
        """,
        connection=connection,
    )


async def mark_revoked(tx: TenantTx, connection: ConnectionId) -> bool:
    """Revoke here and now. False: no such connection of this tenant."""
    row = await tx.fetch_one(
        """
        update orgs.connection set state = 'revoked', epoch = epoch + 1, revoked_at = coalesce(revoked_at, now())
        where id = %(connection)s returning id
        """,
        row=Id,
        connection=connection,
    )
    return row is not None


async def confirm_revoked(tx: TenantTx, connection: ConnectionId) -> None:
    """Salesforce confirmed: shred the credential."""
    await tx.execute("delete from orgs.credential where connection_id = %(connection)s", connection=connection)
    await tx.execute(
        "update orgs.connection set revoke_confirmed_at = now() where id = %(connection)s and state = 'revoked'",
        connection=connection,
    )


async def revocations_pending(tx: SystemTx) -> list[Found]:
    """Return the connections whose revocation Salesforce has not confirmed, of all tenants."""
    return await tx.call("orgs.revocations_pending", row=Found, arguments={})


async def credentials_sealed(tx: SystemTx) -> list[Found]:
    """Return every connection that has a credential, of all tenants."""
    return await tx.call("orgs.credentials_sealed", row=Found, arguments={})
