"""A two-way sync as it is used: saved once, activated in both orgs, run by the real worker and the real mover."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from isthmus.sync import definitions
from isthmus.sync.flow.job import SOURCE
from isthmus.sync.looping import ECHO_RUNS_MAX
from isthmus.sync.model import PauseReason, RunState, SyncState
from tests.support.copying import two_orgs
from tests.support.orgsim import Orgsim
from tests.support.postgres import FreshDatabase
from tests.support.working import Installation, installation, until

KEY = "SwiftPort_Source_Id__c"
TWO_WAY = """
version: 1
name: both ways
direction: two-way
conflicts: hold
steps:
  - object: Account
    fields: {Name: Name, Phone: Phone, Site: Site}
    adopt_on: Site
    deletes: {action: delete}
  - object: Contact
    fields: {LastName: LastName, AccountId: AccountId}
"""


def person(org: Orgsim) -> str:
    """A token of somebody who is not the connected user: an administrator of the org's own."""
    users: dict[str, Any] = org.control("GET", "/users")
    name = users["integration_username"]
    return org.control("POST", f"/users/{name}/token")["access_token"]


def edit(org: Orgsim, row_id: str, values: dict[str, object]) -> None:
    status, _, _ = org.call("PATCH", f"/services/data/v62.0/sobjects/Account/{row_id}", values, token=person(org))
    assert status == 204


def rows(org: Orgsim) -> dict[str, dict[str, Any]]:
    return {row["Name"]: row for row in org.rows("Account")}


async def test_a_two_way_sync_lives_from_its_activation_to_its_pause(
    tmp_path: Path, fresh_database: FreshDatabase
) -> None:
    with two_orgs(tmp_path) as pair:
        left, right = pair.source, pair.target
        async with installation(fresh_database, pair) as installed, installed.worker():
            (acme,) = left.add_rows("Account", [{"Name": "Acme", "Site": "acme.example", "Phone": "1"}])
            right.add_rows("Account", [{"Name": "Acme", "Site": "acme.example", "Phone": "1"}, {"Name": "Native"}])
            left.add_rows("Contact", [{"LastName": "Ann", "AccountId": acme}])
            sync = await installed.save(TWO_WAY)
            await installed.activate(sync)
            assert KEY in left.rows("Account")[0]
            assert KEY in right.rows("Account")[0]

            first = await installed.run(sync)
            assert first.run.state is RunState.DONE
            assert {outcome.code: outcome.failed for outcome in first.outcomes} == {"ADOPTED": False}
            assert [step.title for step in first.steps][:2] == ["Account →: deletions", "Account ←: deletions"]
            assert rows(left)["Native"][KEY] == rows(right)["Native"]["Id"]
            assert rows(right)["Acme"][KEY] == acme
            assert right.rows("Contact")[0]["AccountId"] == rows(right)["Acme"]["Id"]

            edit(left, acme, {"Phone": "left"})
            edit(right, rows(right)["Acme"]["Id"], {"Phone": "right"})
            held = await installed.run(sync)
            assert held.run.state is RunState.PARTIAL
            assert {(outcome.code, outcome.rows) for outcome in held.outcomes} == {("CONFLICT_HELD", 1)}
            assert (rows(left)["Acme"]["Phone"], rows(right)["Acme"]["Phone"]) == ("left", "right")
            assert held.failed_windows_open == 2

            async with installed.transaction() as tx:
                run = await definitions.request_run(tx, sync, retry=True, winner=SOURCE)
            decided = await installed.ended(run)
            assert (decided.run.state, decided.failed_windows_open) == (RunState.DONE, 0)
            assert (rows(left)["Acme"]["Phone"], rows(right)["Acme"]["Phone"]) == ("left", "left")

            await _automation_pauses_it(installed, sync)
            kept = await _everything_kept(fresh_database)
            assert "CONFLICT" not in kept  # codes are numbers
            for value in (acme, acme[:15], rows(right)["Native"]["Id"], "acme.example", "Acme 2"):
                assert value not in kept


async def _everything_kept(database: FreshDatabase) -> str:
    """Every row of every table about syncs, as text: nothing of a record may be in it."""
    admin: Any = await database.superuser()
    tables = await (await admin.execute("select tablename from pg_tables where schemaname = 'sync'")).fetchall()
    found: list[str] = []
    for (name,) in tables:
        rows = await (await admin.execute(f'select t::text from sync."{name}" t')).fetchall()
        found += [text for (text,) in rows]
    return "\n".join(found)


async def _automation_pauses_it(installed: Installation, sync: Any) -> None:
    """Let both orgs change what we write: the third guard ends it, and says why."""
    for org, value in ((installed.pair.source, "a"), (installed.pair.target, "b")):
        org.control(
            "POST", "/rules", [{"kind": "trigger", "object": "Account", "set": {"Phone": value}, "timing": "after"}]
        )
    edit(installed.pair.source, rows(installed.pair.source)["Acme"]["Id"], {"Name": "Acme 2"})
    for _ in range(ECHO_RUNS_MAX + 6):
        if await installed.state_is(sync, SyncState.PAUSED):
            break
        await installed.run(sync)
        for org in (installed.pair.source, installed.pair.target):
            org.control("POST", "/clock", {"advance_s": 120})  # past where windows overlap
    await until(lambda: installed.state_is(sync, SyncState.PAUSED))
    async with installed.transaction() as tx:
        view = await definitions.sync_view(tx, sync)
    assert view is not None
    assert (view.pause_reason, view.two_way) == (PauseReason.LOOPING, True)
