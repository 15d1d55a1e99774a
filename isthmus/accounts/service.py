"""Tenants, members and sign-in: one-time links and sessions, both random tokens of which only hashes are stored."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import psycopg

from isthmus.clock import Clock
from isthmus.config import Settings
from isthmus.db.database import Database, TenantTx
from isthmus.db.migrate import owner_transaction
from isthmus.db.storable import Blob
from isthmus.values import MemberId, Secret, TenantId, UserText

TOKEN_BYTES: Final = 32
LINK_LIFETIME: Final = timedelta(hours=24)
SESSION_LIFETIME: Final = timedelta(hours=12)
"""As `accounts.redeem_link` sets it; the cookie need not live longer."""
LINK_PATH: Final = "/sign-in/"

RandomBytes = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class NewTenant:
    """A tenant just made, with the link that signs its owner in once."""

    tenant: TenantId
    member: MemberId
    link: Secret


@dataclass(frozen=True, slots=True)
class Me:
    """Who is signed in."""

    tenant_id: UUID
    tenant_name: UserText
    member_id: UUID
    member_name: UserText
    is_owner: bool


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A session as its tenant sees it."""

    id: UUID
    member_id: UUID
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class _MemberOf:
    member_id: UUID


@dataclass(frozen=True, slots=True)
class _Id:
    id: UUID


async def create_tenant(
    settings: Settings, name: UserText, owner: UserText, *, random_bytes: RandomBytes, clock: Clock
) -> NewTenant:
    """Make a tenant, its owner member and a sign-in link. Needs the migrating role: first start and the operator."""
    tenant, member = UUID(bytes=random_bytes(16), version=4), UUID(bytes=random_bytes(16), version=4)
    link = _new_token(random_bytes)
    async with owner_transaction(settings) as connection:
        await connection.execute("insert into accounts.tenant (tenant_id, name) values (%s, %s)", (tenant, str(name)))
        await connection.execute(
            "insert into accounts.member (tenant_id, id, name, is_owner) values (%s, %s, %s, true)",
            (tenant, member, str(owner)),
        )
        await _store_link(connection, tenant, member, link, clock.now() + LINK_LIFETIME)
    return NewTenant(TenantId(tenant), MemberId(member), link)


async def any_tenant(settings: Settings) -> bool:
    """Whether there is a tenant yet."""
    async with owner_transaction(settings) as connection:
        cursor = await connection.execute("select from accounts.tenant limit 1")
        return await cursor.fetchone() is not None


async def issue_link(tx: TenantTx, *, random_bytes: RandomBytes, clock: Clock) -> Secret:
    """Make another sign-in link for the member of the ticket; links not yet used stop working."""
    link = _new_token(random_bytes)
    await tx.execute(
        "update accounts.sign_in_link set used_at = now() where member_id = (select ctx.member()) and used_at is null"
    )
    await tx.execute(
        """
        insert into accounts.sign_in_link (member_id, token_hash, expires_at)
        values ((select ctx.member()), %(token_hash)s, %(expires_at)s)
        """,
        token_hash=Blob(_digest(link)),
        expires_at=clock.now() + LINK_LIFETIME,
    )
    return link


async def redeem_link(database: Database, link: Secret, *, random_bytes: RandomBytes) -> Secret | None:
    """Turn a sign-in link into a session token; None if the link is unknown, used or out of date."""
    session = _new_token(random_bytes)
    async with database.system() as tx:
        redeemed = await tx.call(
            "accounts.redeem_link", row=_MemberOf, arguments={"link": link, "session_hash": Blob(_digest(session))}
        )
    return session if redeemed else None


async def end_session(database: Database, session: Secret) -> None:
    """Sign a browser out; a session that has ended already stays so."""
    async with database.system() as tx:
        await tx.call("accounts.end_session", row=_MemberOf, arguments={"session": session})


async def end_session_by_id(tx: TenantTx, session: UUID) -> bool:
    """End a session of the tenant, another browser's too. False: there is no such open session."""
    ended = await tx.fetch_one(
        "update accounts.session set ended_at = now() where id = %(session)s and ended_at is null returning id",
        row=_Id,
        session=session,
    )
    return ended is not None


async def list_sessions(tx: TenantTx) -> list[SessionRow]:
    """Return the tenant's sessions that may still be used, newest first."""
    return await tx.fetch_all(
        """
        select id, member_id, created_at, expires_at, ended_at from accounts.session
        where ended_at is null and expires_at > now() order by created_at desc
        """,
        row=SessionRow,
    )


async def me(tx: TenantTx) -> Me | None:
    """Return who the ticket stands for."""
    return await tx.fetch_one(
        """
        select t.tenant_id, t.name as tenant_name, m.id as member_id, m.name as member_name, m.is_owner
        from accounts.member m join accounts.tenant t on t.tenant_id = m.tenant_id
        where m.id = (select ctx.member())
        """,
        row=Me,
    )


async def _store_link(
    connection: psycopg.AsyncConnection[tuple[object, ...]],
    tenant: UUID,
    member: UUID,
    link: Secret,
    expires_at: datetime,
) -> None:
    await connection.execute(
        "insert into accounts.sign_in_link (tenant_id, member_id, token_hash, expires_at) values (%s, %s, %s, %s)",
        (tenant, member, _digest(link), expires_at),
    )


def _new_token(random_bytes: RandomBytes) -> Secret:
    return Secret(urlsafe_b64encode(random_bytes(TOKEN_BYTES)).rstrip(b"="))


def _digest(token: Secret) -> bytes:
    return hashlib.sha256(token.reveal()).digest()
