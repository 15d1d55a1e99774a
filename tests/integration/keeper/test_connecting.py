"""Connecting an org through orgsim's real login pages, and every way in which that is refused."""

from __future__ import annotations

import asyncio
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from isthmus.db.address import Role
from isthmus.orgs.connections import list_connections
from isthmus.orgs.keeper_client import KeeperRefused
from isthmus.orgs.model import (
    AliasTaken,
    ConnectionState,
    ConsentDenied,
    GrantRefused,
    HostNotAllowed,
    OtherOrg,
    StateUnknown,
)
from isthmus.values import Alias, OrgHost, OrgId, Purpose, Secret, UserText
from tests.support.browser import answer_consent
from tests.support.keeper import RunningKeeper, wanted
from tests.support.orgsim import Orgsim, start_orgsim


async def test_an_org_is_connected_through_its_own_login_page(keeper: RunningKeeper, orgsim: Orgsim):
    connection = await keeper.connect(orgsim)
    portal = await keeper.database.open_as(Role.PORTAL)
    async with portal.tenant(keeper.ticket) as tx:
        (shown,) = await list_connections(tx)
    assert (shown.id, shown.alias, shown.purpose, shown.state) == (
        connection,
        "north",
        Purpose.SYNC,
        ConnectionState.ACTIVE,
    )
    assert (shown.username, shown.salesforce_org_id) == (orgsim.username, orgsim.ready["org_id"])
    assert shown.instance_origin == orgsim.instance_url
    assert set(shown.scopes.split()) <= {"api", "refresh_token", "offline_access", "id"}


@pytest.mark.parametrize(
    ("purpose", "scopes"),
    [(Purpose.AUDIT, "api refresh_token offline_access openid"), (Purpose.SYNC, "api refresh_token")],
)
async def test_the_authorize_url_has_pkce_and_the_scopes_of_its_purpose(
    keeper: RunningKeeper, orgsim: Orgsim, purpose: Purpose, scopes: str
):
    urls = [(await keeper.begin(orgsim, purpose=purpose))[0] for _ in range(5)]
    asked = [parse_qs(urlsplit(url).query) for url in urls]
    for query in asked:
        assert query["code_challenge_method"] == ["S256"]
        assert len(query["code_challenge"][0]) == 43
        assert query["scope"] == [scopes]
        assert query["redirect_uri"] == ["http://127.0.0.1:8700/oauth/callback"]
        assert set(query) == {
            "response_type",
            "client_id",
            "redirect_uri",
            "scope",
            "state",
            "code_challenge",
            "code_challenge_method",
        }
    assert len({query["code_challenge"][0] for query in asked}) == len({query["state"][0] for query in asked}) == 5


async def test_no_token_verifier_or_state_is_stored_in_the_clear(keeper: RunningKeeper, orgsim: Orgsim):
    url, _ = await keeper.begin(orgsim, alias="south")
    await keeper.connect(orgsim)
    superuser = await keeper.database.superuser()
    stored = b""
    for table in ("orgs.credential", "orgs.authorization_request", "orgs.connection", "orgs.org"):
        cursor = await superuser.execute(f"select * from {table}")  # type: ignore[arg-type]
        for row in await cursor.fetchall():
            stored += b"|".join(value if isinstance(value, bytes) else str(value).encode() for value in row)
    assert parse_qs(urlsplit(url).query)["state"][0].encode() not in stored
    assert b"5Aep" not in stored
    assert orgsim.ready["org_id"][:15].encode() + b"!" not in stored
    assert orgsim.ready["org_id"].encode() in stored  # positive control: what is stored can be found this way


async def test_of_fifty_callbacks_at_once_one_succeeds(keeper: RunningKeeper, orgsim: Orgsim):
    url, binding = await keeper.begin(orgsim)
    back = await answer_consent(orgsim, url)

    async def come_back() -> object:
        try:
            return await keeper.portal.finish_authorization(back["state"], back["code"], None, binding, keeper.ticket)
        except StateUnknown as unknown:
            return unknown

    answers = await asyncio.gather(*(come_back() for _ in range(50)))
    assert sum(not isinstance(answer, StateUnknown) for answer in answers) == 1


async def test_a_state_is_refused_to_anyone_but_its_own_browser_and_member(keeper: RunningKeeper, orgsim: Orgsim):
    url, binding = await keeper.begin(orgsim)
    back = await answer_consent(orgsim, url)
    other = keeper.database.ticket(Role.PORTAL, await keeper.database.make_tenant("Other"))
    finish = keeper.portal.finish_authorization
    refused = [
        (back["state"], None, keeper.ticket),
        (back["state"], Secret("another browser's cookie"), keeper.ticket),
        ("forged", binding, keeper.ticket),
        (back["state"], binding, other),
    ]
    for state, cookie, ticket in refused:
        with pytest.raises(StateUnknown):
            await finish(state, back["code"], None, cookie, ticket)
    await finish(back["state"], back["code"], None, binding, keeper.ticket)  # none of them used it up
    with pytest.raises(StateUnknown):
        await finish(back["state"], back["code"], None, binding, keeper.ticket)


async def test_a_state_is_refused_after_ten_minutes(keeper: RunningKeeper, orgsim: Orgsim):
    url, binding = await keeper.begin(orgsim)
    back = await answer_consent(orgsim, url)
    superuser = await keeper.database.superuser()
    await superuser.execute("update orgs.authorization_request set expires_at = expires_at - interval '10 minutes'")
    with pytest.raises(StateUnknown):
        await keeper.portal.finish_authorization(back["state"], back["code"], None, binding, keeper.ticket)


async def test_a_denied_consent_is_said_plainly(keeper: RunningKeeper):
    with start_orgsim(name="asks", seed=3) as org:  # one that has not approved the app before
        url, binding = await keeper.begin(org)
        back = await answer_consent(org, url, action="deny")
    with pytest.raises(ConsentDenied, match="denied the access"):
        await keeper.portal.finish_authorization(back["state"], None, back["error"], binding, keeper.ticket)


async def test_a_code_that_salesforce_does_not_know_is_refused(keeper: RunningKeeper, orgsim: Orgsim):
    url, binding = await keeper.begin(orgsim)
    back = await answer_consent(orgsim, url)
    with pytest.raises(GrantRefused, match="invalid_grant"):
        await keeper.portal.finish_authorization(back["state"], "made-up", None, binding, keeper.ticket)


@pytest.mark.parametrize("host", ["evil.example", "my.salesforce.com.evil.example", "169.254.169.254"])
async def test_a_host_that_is_not_salesforce_s_is_refused(keeper: RunningKeeper, orgsim: Orgsim, host: str):
    asked = wanted(orgsim)
    asked = type(asked)(
        asked.alias, asked.purpose, OrgHost("https", host, 443), asked.client_id, asked.client_secret, asked.org
    )
    with pytest.raises(HostNotAllowed):
        await keeper.portal.begin_authorization(keeper.ticket, asked)


async def test_a_renewal_from_another_org_is_refused_and_given_back(keeper: RunningKeeper, orgsim: Orgsim):
    connection = await keeper.connect(orgsim)
    portal = await keeper.database.open_as(Role.PORTAL)
    async with portal.tenant(keeper.ticket) as tx:
        (before,) = await list_connections(tx)
    with start_orgsim(name="beta", seed=2) as beta:
        with pytest.raises(OtherOrg):
            await keeper.connect(beta, renew=OrgId(before.org_id))
        with pytest.raises(OtherOrg, match="stands for another org"):
            await keeper.connect(beta, alias="north")
        assert [entry["status"] for entry in beta.transcript() if "revoke" in entry["path"]] == [200, 200]
    async with portal.tenant(keeper.ticket) as tx:
        assert await list_connections(tx) == [before]
    assert before.id == connection


async def test_a_renewal_as_another_user_is_refused(keeper: RunningKeeper, orgsim: Orgsim):
    await keeper.connect(orgsim)
    with pytest.raises(OtherOrg, match="another user"):
        await keeper.connect(orgsim, username=orgsim.ready["reader_username"])


async def test_one_org_has_one_alias(keeper: RunningKeeper, orgsim: Orgsim):
    await keeper.connect(orgsim, alias="north")
    with pytest.raises(AliasTaken, match="as north"):
        await keeper.connect(orgsim, alias="south")


async def test_a_second_purpose_is_a_connection_of_its_own(keeper: RunningKeeper, orgsim: Orgsim):
    sync = await keeper.connect(orgsim, purpose=Purpose.SYNC)
    audit = await keeper.connect(orgsim, purpose=Purpose.AUDIT)
    assert sync != audit
    portal = await keeper.database.open_as(Role.PORTAL)
    async with portal.tenant(keeper.ticket) as tx:
        shown = await list_connections(tx)
    assert [connection.purpose for connection in shown] == [Purpose.AUDIT, Purpose.SYNC]
    assert len({connection.org_id for connection in shown}) == 1


async def test_a_renewed_grant_keeps_the_connection_and_raises_its_epoch(keeper: RunningKeeper, orgsim: Orgsim):
    first = await keeper.connect(orgsim)
    again = await keeper.connect(orgsim)
    assert first == again
    portal = await keeper.database.open_as(Role.PORTAL)
    async with portal.tenant(keeper.ticket) as tx:
        (shown,) = await list_connections(tx)
    assert shown.epoch == 2


async def test_a_worker_s_or_forged_ticket_connects_nothing(keeper: RunningKeeper, orgsim: Orgsim):
    for ticket in (keeper.database.ticket(Role.WORKER, keeper.acme), type(keeper.ticket)(keeper.ticket.text + "0")):
        with pytest.raises(KeeperRefused):
            await keeper.portal.begin_authorization(ticket, wanted(orgsim))
    with pytest.raises(KeeperRefused):
        await keeper.worker.begin_authorization(keeper.ticket, wanted(orgsim))
    with pytest.raises(KeeperRefused):
        await keeper.portal.open_lease_channel(keeper.ticket, uuid4(), [])


async def test_a_malformed_alias_or_consumer_key_is_refused(keeper: RunningKeeper, orgsim: Orgsim):
    asked = wanted(orgsim)
    for alias, client_id in (("Not an alias", asked.client_id), ("north", UserText("two words"))):
        bad = type(asked)(Alias(alias), asked.purpose, asked.login_host, UserText(client_id), None, None)
        with pytest.raises(Exception, match=r"alias has|consumer key has"):
            await keeper.portal.begin_authorization(keeper.ticket, bad)
