"""A saved sync with nothing stood in: the real keeper, queue, worker and mover, and two orgs whose tokens rotate."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from isthmus.db.address import Role
from isthmus.orgs import store
from isthmus.orgs.connections import list_connections
from isthmus.orgs.custodian import open_credential
from isthmus.orgs.model import ConnectionState, RunKind
from isthmus.sync import definitions
from isthmus.sync.flow.masks import Masks
from isthmus.sync.model import MaskKind, PauseReason, RunState, SyncState
from isthmus.sync.views import RunDetail
from isthmus.values import ConnectionId, RunId, SyncId
from tests.support.copying import THREE_OBJECTS, Pair, sync_settings
from tests.support.keeper import RunningKeeper
from tests.support.orgsim import Orgsim, start_orgsim
from tests.support.working import Installation, until

ROWS = 1_200
"""Changed rows of the run that is cut short: several collections requests, no bulk job."""
SLOW_S = 1.0
ON_ITS_WAY_S = 0.2
"""What a mover had begun to send when it was told to stop may still arrive; the next request would be later."""
RECORDS = "/composite/sobjects"
MASKED_LEADS = """
version: 1
name: leads
steps:
  - object: Lead
    fields:
      LastName: LastName
      Email: Email
      Company: {expr: 'format(CreatedDate, "DD.MM.YYYY", "Australia/Sydney")'}
    mask: {LastName: name, Email: email}
"""


@dataclass
class Real:
    """An installation whose keeper is the real one. `sync` is active and its first run is over."""

    keeper: RunningKeeper
    working: Installation
    sync: SyncId
    ids: dict[str, list[str]]

    @property
    def pair(self) -> Pair:
        return self.working.pair

    async def request(self) -> RunId:
        async with self.working.transaction() as tx:
            return await definitions.request_run(tx, self.sync)

    async def writing(self, run: RunId) -> None:
        """Wait until some rows of the run are in the target, and not all. (The run itself counts page by page.)"""
        before = self.writes()

        async def begun() -> bool:
            return await asyncio.to_thread(self.writes) > before

        await until(begun)
        assert (await self.working.detail(run)).run.state is RunState.RUNNING

    def writes(self) -> int:
        """How many requests to write records the target has answered."""
        return sum(call["method"] == "PATCH" and RECORDS in call["path"] for call in self.pair.target.transcript())

    async def cut_short(self) -> RunId:
        """Request a run with plenty to write into a slow target, and return it when it has begun to write."""
        self.pair.source.add_rows("Account", [{"Name": f"More {n}"} for n in range(ROWS)])
        self.pair.target.control("POST", "/faults", {"path": RECORDS, "method": "PATCH", "delay_s": SLOW_S})
        run = await self.request()
        await self.writing(run)
        return run

    async def refresh_token(self, connection: ConnectionId) -> bytes:
        custodian, tenant = self.keeper.custodian, self.keeper.acme.tenant
        async with custodian.database.tenant(custodian.own_ticket(tenant, connection=connection)) as tx:
            row = await store.grant(tx, connection)
        assert row is not None
        opened = await open_credential(custodian, tenant, row)
        assert opened is not None
        return opened.refresh_token.reveal()

    async def connection_state(self, connection: ConnectionId) -> ConnectionState:
        async with self.working.transaction() as tx:
            return next(c.state for c in await list_connections(tx) if c.id == connection)

    async def sync_is(self) -> tuple[SyncState, PauseReason | None]:
        async with self.working.transaction() as tx:
            view = await definitions.sync_view(tx, self.sync)
        assert view is not None
        return view.state, view.pause_reason


@pytest.fixture
async def real(keeper: RunningKeeper, tmp_path: Path) -> AsyncIterator[Real]:
    with ExitStack() as stack:
        starting = (start_orgsim(name="source"), start_orgsim(name="target", seed=2))
        orgs = await asyncio.gather(*(asyncio.to_thread(stack.enter_context, org) for org in starting))
        pair = Pair(orgs[0], orgs[1], sync_settings(tmp_path))
        ids = pair.fill()
        source = await keeper.connect(pair.source, "source")
        target = await keeper.connect(pair.target, "target")
        portal = await keeper.database.open_as(Role.PORTAL)
        working = Installation(pair, keeper.database, keeper.acme, keeper.settings, portal, keeper, source, target, [])
        async with working.worker():
            sync = await working.save(THREE_OBJECTS)
            await working.activate(sync)
            first = await working.run(sync)
            assert first.run.state is RunState.DONE, first
            yield Real(keeper, working, sync, ids)


def refreshes(org: Orgsim) -> list[int]:
    """The statuses of the calls to the token endpoint, without the one that redeemed the code."""
    return [entry["status"] for entry in org.transcript() if entry["path"].endswith("/oauth2/token")][1:]


def later(org: Orgsim, moment: datetime) -> list[dict[str, Any]]:
    """What arrived at the org after `moment`, by both clocks' milliseconds."""
    return [entry for entry in org.transcript() if datetime.fromisoformat(entry["at"]) > moment]


def shown(calls: list[dict[str, Any]]) -> list[tuple[str, str, int]]:
    return [(call["method"], call["path"], call["status"]) for call in calls]


async def change_something(real: Real) -> None:
    """A few rows of every object, among them a parent that is taken away."""
    ids, source = real.ids, real.pair.source
    source.control("PATCH", f"/rows/Contact/{ids['Contact'][1]}", {"AccountId": None, "Description": "new\nline"})
    source.control("PATCH", f"/rows/Opportunity/{ids['Opportunity'][2]}", {"Amount": 12.5})
    source.add_rows("Account", [{"Name": "New one", "ParentId": ids["Account"][3]}])


async def test_a_first_run_and_a_delta_arrive_and_need_no_refresh(real: Real) -> None:
    real.pair.assert_equal()
    await change_something(real)
    second = await real.working.run(real.sync)
    assert (second.run.state, second.run.rows_failed) == (RunState.DONE, 0)
    assert second.run.rows_created == 1, "what was there is matched, however much the overlap reads again"
    real.pair.assert_equal()
    assert (refreshes(real.pair.source), refreshes(real.pair.target)) == ([], [])


async def test_pseudonyms_of_a_saved_sync_are_made_with_its_tenants_own_key(real: Real) -> None:
    row = {"LastName": "Ng", "Company": "x", "Email": "Ng@example.org", "CreatedDate": "2026-04-04T15:30:00.000Z"}
    real.pair.source.add_rows("Lead", [row])
    sync = await real.working.save(MASKED_LEADS)
    await real.working.activate(sync)
    run = await real.working.run(sync)
    assert (run.run.state, run.run.rows_written) == (RunState.DONE, 1)
    (lead,) = real.pair.target.rows("Lead")
    key = real.keeper.custodian.tenant_mask_key(real.keeper.acme.tenant)
    assert lead["Email"] == Masks(key).masked(MaskKind.EMAIL, "ng@example.org", 80)
    assert (lead["LastName"], lead["Company"]) == (Masks(key).masked(MaskKind.NAME, "Ng", 80), "05.04.2026")
    superuser = await real.keeper.database.superuser()
    plans = await (await superuser.execute("select document from sync.plan")).fetchall()
    assert plans
    for secret in (key.reveal(), real.keeper.custodian.mask_key.reveal()):
        assert all(secret not in bytes(plan) and secret.hex().encode() not in bytes(plan) for (plan,) in plans)


async def test_tokens_that_expire_in_mid_run_are_refreshed_once_and_the_next_run_uses_the_rotated_ones(
    real: Real,
) -> None:
    orgs = {ConnectionId(real.working.source): real.pair.source, ConnectionId(real.working.target): real.pair.target}
    first = {connection: await real.refresh_token(connection) for connection in orgs}
    real.pair.source.control("POST", "/faults", {"path": "/query", "nth": 2, "expire_token": True})
    real.pair.target.control("POST", "/faults", {"path": RECORDS, "method": "PATCH", "nth": 2, "expire_token": True})
    await change_something(real)
    real.pair.source.add_rows("Account", [{"Name": f"More {n}"} for n in range(500)])
    ended = await real.working.run(real.sync)
    assert ended.run.state is RunState.DONE, ended
    real.pair.assert_equal()
    second = {connection: await real.refresh_token(connection) for connection in orgs}
    for connection, org in orgs.items():
        assert [rule["hits"] for rule in org.control("GET", "/faults")] == [1]
        assert refreshes(org) == [200]
        assert second[connection] != first[connection]
        # The org kills the whole grant if the spent token comes back, so a refresh that succeeds used the new one.
        assert org.control("POST", f"/users/{org.username}/expire")["expired"] >= 1
    real.pair.source.add_rows("Contact", [{"LastName": "Late"}])
    again = await real.working.run(real.sync)
    assert again.run.state is RunState.DONE, again
    real.pair.assert_equal()
    for connection, org in orgs.items():
        assert refreshes(org) == [200, 200]
        assert await real.refresh_token(connection) not in {first[connection], second[connection]}
        assert await real.connection_state(connection) is ConnectionState.ACTIVE


async def test_a_refresh_that_salesforce_cannot_serve_just_now_asks_nothing_of_a_person(real: Real) -> None:
    target, connection = real.pair.target, ConnectionId(real.working.target)
    target.control("POST", "/faults", {"path": RECORDS, "method": "PATCH", "nth": 1, "expire_token": True})
    target.control("POST", "/faults", {"path": "/oauth2/token", "status": 503})
    await change_something(real)
    ended = await real.working.run(real.sync)
    assert ended.run.state is RunState.FAILED
    assert ended.message == "Stopped: the target org did not answer. Nothing to do: the next run goes on from there."
    assert await real.connection_state(connection) is ConnectionState.ACTIVE
    assert refreshes(target) == [503]
    target.control("DELETE", "/faults")
    assert (await real.working.run(real.sync)).run.state is RunState.DONE
    real.pair.assert_equal()


async def test_revoking_in_mid_run_ends_it_pauses_the_sync_and_no_request_follows(real: Real) -> None:
    run, waiting = await real.cut_short(), await real.request()
    await real.keeper.portal.revoke(real.keeper.ticket, ConnectionId(real.working.target))
    revoked_at = datetime.now(UTC)
    ended = await real.working.ended(run)
    assert ended.run.state is RunState.REVOKED, ended
    assert ended.message == (
        "Stopped: the target org was revoked, so the sync is paused. Connect it again, then resume."
    )
    assert await real.sync_is() == (SyncState.PAUSED, PauseReason.TARGET_REVOKED)
    assert (await real.working.ended(waiting)).run.state is RunState.REVOKED, "the run that was queued behind it"
    with pytest.raises(definitions.SyncProblem, match="Connect it again"):
        await real.request()
    await asyncio.sleep(2 * SLOW_S)  # the slow org writes down a call when it has answered it
    calls = later(real.pair.target, revoked_at + timedelta(seconds=ON_ITS_WAY_S))
    assert {call["path"] for call in calls} <= {"/services/oauth2/revoke"}, shown(calls)
    heard = [call["status"] for call in real.pair.target.transcript() if call["path"] == "/services/oauth2/revoke"]
    assert heard == [200]


@pytest.mark.parametrize("side", ["source", "target"])
async def test_a_grant_that_the_admin_revokes_in_mid_run_ends_it_plainly_and_without_a_storm(
    real: Real, side: str
) -> None:
    org = real.pair.source if side == "source" else real.pair.target
    connection = ConnectionId(real.working.source if side == "source" else real.working.target)
    if side == "source":
        real.pair.source.control("POST", "/faults", {"path": "/query", "delay_s": SLOW_S})
    run, waiting = await real.cut_short(), await real.request()
    assert org.control("POST", f"/users/{org.username}/revoke")["revoked"] >= 1
    revoked_at = datetime.now(UTC)
    ended = await real.working.ended(run)
    _says_why(ended, side)
    _says_why(await real.working.ended(waiting), side)
    assert await real.connection_state(connection) is ConnectionState.NEEDS_REAUTH
    with pytest.raises(definitions.SyncProblem, match=f"The {side} org does not accept our grant"):
        await real.request()
    await asyncio.sleep(2 * SLOW_S)
    calls = later(org, revoked_at)
    assert len(calls) <= 2, shown(calls)
    assert refreshes(org) == [400]
    # What a person does about it: connect again. The sync then goes on from where it stood.
    for each in (real.pair.source, real.pair.target):
        each.control("DELETE", "/faults")
    assert await real.keeper.connect(org, side) == connection
    finished = await real.working.run(real.sync)
    assert finished.run.state is RunState.DONE, finished
    real.pair.assert_equal()


def _says_why(ended: RunDetail, side: str) -> None:
    assert ended.run.state is RunState.FAILED, ended
    assert ended.message == f"Stopped: the {side} no longer accepts our grant. Connect the {side} org again.", ended


async def test_a_second_attempt_at_a_run_ends_the_mover_of_the_first(real: Real) -> None:
    run, connections = await real.request(), [ConnectionId(real.working.source), ConnectionId(real.working.target)]
    client = real.keeper.worker
    first = await client.open_lease_channel(await client.ticket_for_run(RunKind.SYNC, run), run, connections)
    second = await client.open_lease_channel(await client.ticket_for_run(RunKind.SYNC, run), run, connections)
    loop = asyncio.get_running_loop()
    with first, second:
        async with asyncio.timeout(60):
            assert await loop.sock_recv(first, 1) == b""
