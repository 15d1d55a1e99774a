"""Leases, refreshes under rotation, and revocation, against a real orgsim whose tokens rotate and die by family."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from uuid import UUID, uuid4

import msgspec
import pytest

from isthmus.db.address import Role
from isthmus.orgs.keeper_client import KeeperRefused, RunKind
from isthmus.orgs.leasing import Leased, NotLeased, lease, refresh
from isthmus.orgs.model import UnknownConnection
from isthmus.salesforce.lease import (
    FromKeeper,
    LeaseGranted,
    LeaseRefused,
    LeaseRequest,
    LeaseRevoked,
    MaskKeyGranted,
    MaskKeyRequest,
)
from isthmus.values import ConnectionId, TenantId
from tests.support.keeper import RunningKeeper, serving
from tests.support.orgsim import Orgsim


async def ask(channel: socket.socket, connection: UUID, *, stale: bool = False) -> FromKeeper:
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(channel, msgspec.json.encode(LeaseRequest(connection, stale)))
    return await told(channel)


async def told(channel: socket.socket) -> FromKeeper:
    async with asyncio.timeout(60):
        packet = await asyncio.get_running_loop().sock_recv(channel, 65536)
    return msgspec.json.decode(packet, type=FromKeeper)


async def open_channel(keeper: RunningKeeper, connection: ConnectionId) -> socket.socket:
    ticket = await keeper.worker.ticket_for_run(RunKind.SCHEMA, connection)
    return await keeper.worker.open_lease_channel(ticket, connection, [connection])


def token_calls(org: Orgsim) -> int:
    return sum(entry["path"].endswith("/oauth2/token") for entry in org.transcript())


async def test_a_mover_gets_a_token_that_the_org_accepts(keeper: RunningKeeper, orgsim: Orgsim):
    connection = await keeper.connect(orgsim)
    channel = await open_channel(keeper, connection)
    with channel:
        granted = await ask(channel, connection)
        assert isinstance(granted, LeaseGranted)
        assert (granted.instance_url, granted.expires_in_s) == (orgsim.instance_url, 60)
        assert granted.token not in repr(granted)
        status, *_ = await asyncio.to_thread(orgsim.call, "GET", "/services/data/v64.0/limits", token=granted.token)
    assert status == 200


async def test_a_mover_gets_its_tenants_key_of_pseudonyms_and_no_other(keeper: RunningKeeper, orgsim: Orgsim):
    connection = await keeper.connect(orgsim)
    custodian, tenant = keeper.custodian, keeper.acme.tenant
    loop = asyncio.get_running_loop()
    with await open_channel(keeper, connection) as channel:
        await loop.sock_sendall(channel, msgspec.json.encode(MaskKeyRequest(connection)))
        found = await told(channel)
        await loop.sock_sendall(channel, msgspec.json.encode(MaskKeyRequest(uuid4())))
        refused = await told(channel)
    assert isinstance(found, MaskKeyGranted)
    assert bytes.fromhex(found.key) == custodian.tenant_mask_key(tenant).reveal()
    assert custodian.tenant_mask_key(TenantId(uuid4())).reveal() != bytes.fromhex(found.key)
    assert custodian.mask_key.reveal() not in bytes.fromhex(found.key)
    assert isinstance(refused, LeaseRefused)


async def test_a_stale_token_is_refreshed_once_and_the_new_one_works(keeper: RunningKeeper, orgsim: Orgsim):
    connection = await keeper.connect(orgsim)
    before = token_calls(orgsim)
    with await open_channel(keeper, connection) as channel:
        first = await ask(channel, connection)
        second = await ask(channel, connection, stale=True)
        assert isinstance(first, LeaseGranted)
        assert isinstance(second, LeaseGranted)
        status, *_ = await asyncio.to_thread(orgsim.call, "GET", "/services/data/v64.0/limits", token=second.token)
    assert status == 200
    assert token_calls(orgsim) == before + 1


async def test_twenty_refreshes_at_once_ask_salesforce_once_and_lose_no_family(keeper: RunningKeeper, orgsim: Orgsim):
    connection = await keeper.connect(orgsim)
    custodian, tenant = keeper.custodian, keeper.acme.tenant
    held = await lease(custodian, tenant, connection, stale_generation=None)
    assert isinstance(held, Leased)
    before = token_calls(orgsim)
    answers = await asyncio.gather(
        *(lease(custodian, tenant, connection, stale_generation=held.generation) for _ in range(20))
    )
    assert {answer.generation for answer in answers if isinstance(answer, Leased)} == {held.generation + 1}
    assert len([answer for answer in answers if isinstance(answer, Leased)]) == 20
    assert token_calls(orgsim) == before + 1
    again = await lease(custodian, tenant, connection, stale_generation=held.generation + 1)
    assert isinstance(again, Leased)  # the chain of rotations holds


async def test_twenty_movers_that_find_their_token_stale_cause_one_refresh(keeper: RunningKeeper, orgsim: Orgsim):
    connection = await keeper.connect(orgsim)
    channels = [await open_channel(keeper, connection) for _ in range(20)]
    for channel in channels:
        await ask(channel, connection)
    before = token_calls(orgsim)
    answers = await asyncio.gather(*(ask(channel, connection, stale=True) for channel in channels))
    assert all(isinstance(answer, LeaseGranted) for answer in answers)
    assert token_calls(orgsim) == before + 1
    for channel in channels:
        channel.close()


async def test_a_grant_revoked_at_salesforce_needs_a_person_and_is_not_hammered(keeper: RunningKeeper, orgsim: Orgsim):
    connection = await keeper.connect(orgsim)
    with await open_channel(keeper, connection) as channel:
        await ask(channel, connection)
        await asyncio.to_thread(orgsim.control, "POST", f"/users/{orgsim.username}/revoke")
        before = token_calls(orgsim)
        answers = [await ask(channel, connection, stale=True) for _ in range(3)]
    # An active connection that needs a person is nothing to work on any more.
    assert [a.reason for a in answers if isinstance(a, LeaseRefused)] == ["needs_reauth", "not_running", "not_running"]
    assert token_calls(orgsim) == before + 1


async def test_after_a_crash_in_mid_refresh_exactly_one_replay_is_made(keeper: RunningKeeper, orgsim: Orgsim):
    connection = await keeper.connect(orgsim)
    custodian, tenant = keeper.custodian, keeper.acme.tenant
    held = await lease(custodian, tenant, connection, stale_generation=None)
    assert isinstance(held, Leased)
    # The reply is cut in half: whether the org rotated the token cannot be known (it did).
    await asyncio.to_thread(
        orgsim.control, "POST", "/faults", {"path": "/oauth2/token", "half_after_bytes": 10, "nth": 1}
    )
    assert await refresh(custodian, tenant, connection, held.generation) == NotLeased("unavailable")
    before = token_calls(orgsim)
    assert await refresh(custodian, tenant, connection, held.generation) == NotLeased("needs_reauth")
    assert await refresh(custodian, tenant, connection, held.generation) == NotLeased("needs_reauth")
    assert token_calls(orgsim) == before + 1


async def set_rotation(org: Orgsim, *, on: bool) -> None:
    apps = await asyncio.to_thread(org.control, "GET", "/apps")
    app = next(each for each in apps if each["client_id"] == org.client_id)
    await asyncio.to_thread(org.control, "POST", "/apps", {**app, "rotation": on})


async def killed_refresh(keeper: RunningKeeper, orgsim: Orgsim, connection: ConnectionId, held: int) -> None:
    """Let the keeper die in the middle of a refresh: after the org has got the request, before its answer is read."""
    before = token_calls(orgsim)
    await asyncio.to_thread(
        orgsim.control, "POST", "/faults", {"path": "/oauth2/token", "half_after_bytes": 10, "delay_s": 0.5, "times": 1}
    )
    refreshing = asyncio.create_task(refresh(keeper.custodian, keeper.acme.tenant, connection, held))
    async with asyncio.timeout(60):
        while await asyncio.to_thread(token_calls, orgsim) == before and not refreshing.done():
            await asyncio.sleep(0.05)
    refreshing.cancel()
    await asyncio.gather(refreshing, return_exceptions=True)
    await asyncio.to_thread(orgsim.control, "DELETE", "/faults")


@pytest.mark.parametrize("rotation", [False, True])
async def test_kills_in_mid_refresh_cost_the_grant_only_where_tokens_rotate(
    keeper: RunningKeeper, orgsim: Orgsim, *, rotation: bool
):
    await set_rotation(orgsim, on=rotation)
    try:
        connection = await keeper.connect(orgsim)
        custodian, tenant = keeper.custodian, keeper.acme.tenant
        first = await refresh(custodian, tenant, connection, 1)
        assert isinstance(first, Leased)
        for _ in range(4):
            await killed_refresh(keeper, orgsim, connection, first.generation)
        answer = await refresh(custodian, tenant, connection, first.generation)
    finally:
        await set_rotation(orgsim, on=True)
    assert isinstance(answer, Leased) is not rotation
    assert rotation is (answer == NotLeased("needs_reauth"))


async def test_before_the_first_refresh_an_app_counts_as_one_that_rotates(keeper: RunningKeeper, orgsim: Orgsim):
    await set_rotation(orgsim, on=False)
    try:
        connection = await keeper.connect(orgsim)
        fault = {"path": "/oauth2/token", "half_after_bytes": 10, "times": 2}
        await asyncio.to_thread(orgsim.control, "POST", "/faults", fault)
        answers = [await refresh(keeper.custodian, keeper.acme.tenant, connection, 1) for _ in range(3)]
    finally:
        await set_rotation(orgsim, on=True)
    assert answers == [NotLeased("unavailable"), NotLeased("unavailable"), NotLeased("needs_reauth")]


async def test_an_app_switched_to_rotation_is_replayed_once_and_then_known_to_be_lost(
    keeper: RunningKeeper, orgsim: Orgsim
):
    await set_rotation(orgsim, on=False)
    try:
        connection = await keeper.connect(orgsim)
        custodian, tenant = keeper.custodian, keeper.acme.tenant
        held = await refresh(custodian, tenant, connection, 1)
        assert isinstance(held, Leased)
    finally:
        await set_rotation(orgsim, on=True)
    fault = {"path": "/oauth2/token", "half_after_bytes": 10, "nth": 1}
    await asyncio.to_thread(orgsim.control, "POST", "/faults", fault)
    assert await refresh(custodian, tenant, connection, held.generation) == NotLeased("unavailable")
    before = token_calls(orgsim)
    assert await refresh(custodian, tenant, connection, held.generation) == NotLeased("needs_reauth")
    assert await refresh(custodian, tenant, connection, held.generation) == NotLeased("needs_reauth")
    assert token_calls(orgsim) == before + 1


async def test_a_refresh_that_surely_did_not_happen_costs_nothing(keeper: RunningKeeper, orgsim: Orgsim):
    connection = await keeper.connect(orgsim)
    custodian, tenant = keeper.custodian, keeper.acme.tenant
    held = await lease(custodian, tenant, connection, stale_generation=None)
    assert isinstance(held, Leased)
    await asyncio.to_thread(orgsim.control, "POST", "/faults", {"path": "/oauth2/token", "status": 503, "times": 4})
    for _ in range(4):
        assert await refresh(custodian, tenant, connection, held.generation) == NotLeased("unavailable")
    assert isinstance(await refresh(custodian, tenant, connection, held.generation), Leased)


async def test_revoking_reaches_an_open_channel_and_salesforce_and_shreds_the_credential(
    keeper: RunningKeeper, orgsim: Orgsim
):
    connection = await keeper.connect(orgsim)
    with await open_channel(keeper, connection) as channel:
        granted = await ask(channel, connection)
        assert isinstance(granted, LeaseGranted)
        await keeper.portal.revoke(keeper.ticket, connection)
        async with asyncio.timeout(60):
            assert await told(channel) == LeaseRevoked(connection)
        refused = await ask(channel, connection)
    assert isinstance(refused, LeaseRefused)
    superuser = await keeper.database.superuser()
    async with asyncio.timeout(60):
        while True:
            cursor = await superuser.execute(
                "select c.revoke_confirmed_at is not null, k.connection_id is null from orgs.connection c"
                " left join orgs.credential k on k.connection_id = c.id"
            )
            if await cursor.fetchone() == (True, True):
                break
            await asyncio.sleep(0.05)
    status, *_ = await asyncio.to_thread(orgsim.call, "GET", "/services/data/v64.0/limits", token=granted.token)
    assert status == 401


async def test_a_revocation_that_salesforce_did_not_hear_goes_on_after_a_restart(keeper: RunningKeeper, orgsim: Orgsim):
    connection = await keeper.connect(orgsim)
    await asyncio.to_thread(orgsim.control, "POST", "/faults", {"path": "/oauth2/revoke", "status": 503})
    await keeper.portal.revoke(keeper.ticket, connection)
    assert isinstance(await lease(keeper.custodian, keeper.acme.tenant, connection, stale_generation=None), NotLeased)
    await asyncio.to_thread(orgsim.control, "DELETE", "/faults")
    run_dir = keeper.settings.home / "second"
    (run_dir / "run").mkdir(parents=True, exist_ok=True)
    async with serving(replace(keeper.settings, home=run_dir), keeper.database, keeper.acme):
        superuser = await keeper.database.superuser()
        async with asyncio.timeout(60):
            while True:
                cursor = await superuser.execute("select count(*) from orgs.credential")
                if await cursor.fetchone() == (0,):
                    break
                await asyncio.sleep(0.05)


async def test_a_revoked_connection_can_be_connected_again(keeper: RunningKeeper, orgsim: Orgsim):
    connection = await keeper.connect(orgsim)
    await keeper.portal.revoke(keeper.ticket, connection)
    assert await keeper.connect(orgsim) == connection
    assert isinstance(await lease(keeper.custodian, keeper.acme.tenant, connection, stale_generation=None), Leased)


async def test_another_tenant_can_neither_revoke_nor_lease(keeper: RunningKeeper, orgsim: Orgsim):
    connection = await keeper.connect(orgsim)
    other = await keeper.database.make_tenant("Other")
    with pytest.raises(UnknownConnection):
        await keeper.portal.revoke(keeper.database.ticket(Role.PORTAL, other), connection)
    with pytest.raises(KeeperRefused):
        await keeper.worker.open_lease_channel(keeper.database.ticket(Role.WORKER, other), connection, [connection])
    assert await lease(keeper.custodian, other.tenant, connection, stale_generation=None) == NotLeased("revoked")


async def test_a_worker_gets_tickets_for_what_exists_only(keeper: RunningKeeper):
    for kind in RunKind:
        with pytest.raises(KeeperRefused):
            await keeper.worker.ticket_for_run(kind, uuid4())
    with pytest.raises(KeeperRefused):
        await keeper.portal.ticket_for_run(RunKind.SYNC, uuid4())


async def test_a_channel_answers_for_its_own_connections_only(keeper: RunningKeeper, orgsim: Orgsim):
    connection = await keeper.connect(orgsim)
    with await open_channel(keeper, connection) as channel:
        other = uuid4()
        assert await ask(channel, other) == LeaseRefused(other, "not_running")


async def test_a_ciphertext_put_back_from_earlier_is_not_used(keeper: RunningKeeper, orgsim: Orgsim):
    connection = await keeper.connect(orgsim)
    superuser = await keeper.database.superuser()
    await superuser.execute("create temporary table kept as select * from orgs.credential")
    await refresh(keeper.custodian, keeper.acme.tenant, connection, 1)
    await superuser.execute("alter table orgs.credential disable trigger generation_rises")
    await superuser.execute(
        "update orgs.credential c set access_token = k.access_token, wrapped_key = k.wrapped_key from kept k"
    )
    answer = await lease(keeper.custodian, keeper.acme.tenant, connection, stale_generation=None)
    assert answer == NotLeased("needs_reauth")


async def test_the_database_itself_refuses_a_generation_that_does_not_rise(keeper: RunningKeeper, orgsim: Orgsim):
    await keeper.connect(orgsim)
    superuser = await keeper.database.superuser()
    with pytest.raises(Exception, match="must rise"):
        await superuser.execute("update orgs.credential set access_token = refresh_token")
