"""Signing in by a one-time link, sessions, and the tickets that the keeper gives for them."""

from __future__ import annotations

import asyncio
import secrets
from dataclasses import replace

import pytest

from isthmus.accounts.service import (
    create_tenant,
    end_session,
    end_session_by_id,
    issue_link,
    list_sessions,
    me,
    redeem_link,
)
from isthmus.clock import SystemClock
from isthmus.db.address import Role
from isthmus.orgs.keeper_client import KeeperClient, KeeperUnavailable, NoSession, NoTenant
from isthmus.values import Secret, UserText
from tests.support.keeper import RunningKeeper


async def signed_in(keeper: RunningKeeper) -> Secret:
    made = await create_tenant(
        keeper.settings,
        UserText("Globex"),
        UserText("Hank"),
        random_bytes=secrets.token_bytes,
        clock=SystemClock(),
    )
    portal = await keeper.database.open_as(Role.PORTAL)
    session = await redeem_link(portal, made.link, random_bytes=secrets.token_bytes)
    assert session is not None
    return session


async def test_a_link_signs_its_member_in_once(keeper: RunningKeeper):
    portal = await keeper.database.open_as(Role.PORTAL)
    made = await create_tenant(
        keeper.settings, UserText("Globex"), UserText("Hank"), random_bytes=secrets.token_bytes, clock=SystemClock()
    )
    sessions = await asyncio.gather(
        *(redeem_link(portal, made.link, random_bytes=secrets.token_bytes) for _ in range(20))
    )
    (session,) = [session for session in sessions if session is not None]
    ticket = await keeper.portal.ticket_for_session(session)
    async with portal.tenant(ticket) as tx:
        shown = await me(tx)
    assert shown is not None
    assert (shown.tenant_name, shown.member_name, shown.is_owner) == ("Globex", "Hank", True)


async def test_an_expired_or_unknown_link_signs_nobody_in(keeper: RunningKeeper):
    portal = await keeper.database.open_as(Role.PORTAL)
    made = await create_tenant(
        keeper.settings, UserText("Globex"), UserText("Hank"), random_bytes=secrets.token_bytes, clock=SystemClock()
    )
    superuser = await keeper.database.superuser()
    await superuser.execute("update accounts.sign_in_link set expires_at = now()")
    for link in (made.link, Secret("unknown")):
        assert await redeem_link(portal, link, random_bytes=secrets.token_bytes) is None


async def test_only_hashes_of_links_and_sessions_are_stored(keeper: RunningKeeper):
    session = await signed_in(keeper)
    superuser = await keeper.database.superuser()
    cursor = await superuser.execute("select token_hash from accounts.session")
    hashes = [row[0] for row in await cursor.fetchall()]
    assert [len(found) for found in hashes] == [32]
    assert session.reveal() not in hashes


async def test_a_session_that_ended_or_expired_gets_no_ticket(keeper: RunningKeeper):
    portal = await keeper.database.open_as(Role.PORTAL)
    session = await signed_in(keeper)
    await end_session(portal, session)
    with pytest.raises(NoSession):
        await keeper.portal.ticket_for_session(session)
    another = await signed_in(keeper)
    superuser = await keeper.database.superuser()
    await superuser.execute("update accounts.session set expires_at = now()")
    with pytest.raises(NoSession):
        await keeper.portal.ticket_for_session(another)
    with pytest.raises(NoSession):
        await keeper.portal.ticket_for_session(Secret("guessed"))


async def test_a_tenant_sees_and_ends_its_own_sessions(keeper: RunningKeeper):
    portal = await keeper.database.open_as(Role.PORTAL)
    ticket = await keeper.portal.ticket_for_session(await signed_in(keeper))
    async with portal.tenant(ticket) as tx:
        (shown,) = await list_sessions(tx)
        assert await end_session_by_id(tx, shown.id)
        assert await list_sessions(tx) == []
    async with portal.tenant(keeper.ticket) as tx:
        assert not await end_session_by_id(tx, shown.id)


async def test_a_new_link_makes_the_old_one_worthless(keeper: RunningKeeper):
    portal = await keeper.database.open_as(Role.PORTAL)
    ticket = await keeper.portal.ticket_for_operator("Acme")
    links: list[Secret] = []
    for _ in range(2):
        async with portal.tenant(ticket) as tx:
            links.append(await issue_link(tx, random_bytes=secrets.token_bytes, clock=SystemClock()))
    assert await redeem_link(portal, links[0], random_bytes=secrets.token_bytes) is None
    assert await redeem_link(portal, links[1], random_bytes=secrets.token_bytes) is not None


async def test_the_operator_names_a_tenant_where_there_are_several(keeper: RunningKeeper):
    ticket = await keeper.portal.ticket_for_operator(None)
    assert ticket.claims.tenant == keeper.acme.tenant
    await keeper.database.make_tenant("Second")
    with pytest.raises(NoTenant):
        await keeper.portal.ticket_for_operator(None)
    with pytest.raises(NoTenant):
        await keeper.portal.ticket_for_operator("Nobody's")
    by_id = await keeper.portal.ticket_for_operator(str(keeper.acme.tenant))
    assert by_id.claims.tenant == keeper.acme.tenant


async def test_the_keeper_tells_its_custody(keeper: RunningKeeper):
    told = await keeper.portal.custody()
    assert (told.key_mode, told.key_file_mode, told.pkce_method) == ("key file", "0600", "S256")
    assert told.key_file_outside_data_dir
    assert told.key_file_owner_is_keeper
    assert told.connections_sealed == told.open_lease_channels == 0


async def test_a_keeper_that_is_not_there_is_named(keeper: RunningKeeper):
    nowhere = replace(keeper.settings, home=keeper.settings.home / "nowhere")
    with pytest.raises(KeeperUnavailable, match="isthmus up"):
        await KeeperClient(nowhere.keeper_portal_socket).custody()
