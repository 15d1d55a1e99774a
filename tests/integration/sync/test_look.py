"""Looking at rows that fail, through the real queue, worker and mover: what is shown, to whom, what stays nowhere."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from isthmus.db.address import Role
from isthmus.sync.definitions import SyncProblem
from isthmus.sync.flow.sealing import BadViewerKey
from isthmus.sync.flow.shown import ShownRow
from isthmus.sync.inspecting.looks import Looked, looked, open_windows, request_look
from isthmus.sync.inspecting.relay import waiting
from isthmus.sync.inspecting.viewing import Viewer
from isthmus.sync.model import RunState
from isthmus.values import SyncId
from tests.support.copying import two_orgs
from tests.support.postgres import FreshDatabase, TestTenant
from tests.support.working import Installation, installation, until

SECRET = "Person 3"
WORDS = "The rule says: Person 3 must have a phone."
ONLY_CONTACTS = "version: 1\nname: contacts\ninterval_s: 86400\nsteps: [{object: Contact}]\n"


@pytest.fixture
async def product(fresh_database: FreshDatabase, tmp_path: Path) -> AsyncIterator[Installation]:
    with two_orgs(tmp_path) as pair:
        async with installation(fresh_database, pair) as running:
            yield running


async def failing(product: Installation, text: str = ONLY_CONTACTS) -> SyncId:
    """Return an active sync with one failed window, in which one contact is refused by the target."""
    product.pair.fill()
    error = {"code": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "fields": ["Phone"], "message": WORDS}
    product.pair.target.control(
        "POST", "/faults", {"object": "Contact", "where": {"LastName": SECRET}, "row_error": error}
    )
    sync = await product.save(text)
    await product.activate(sync)
    assert (await product.run(sync)).run.state is RunState.PARTIAL
    return sync


async def look(product: Installation, sync: SyncId, rows_max: int = 20) -> tuple[Looked, list[ShownRow], list[bytes]]:
    viewer, number = Viewer(), uuid4()
    async with waiting(product.settings.run_dir, number) as relay:
        async with product.transaction() as tx:
            await request_look(tx, sync, number, viewer=viewer.public, rows_max=rows_max)
        result = await looked(relay)
    rows = viewer.open(number, result.sealed, whole=result.message is None)
    return result, [row for row in rows if isinstance(row, ShownRow)], list(result.sealed)


async def test_the_failing_row_is_shown_with_the_org_s_own_words_to_its_viewer_only(product: Installation) -> None:
    async with product.worker():
        sync = await failing(product)
        result, rows, relayed = await look(product, sync)
        assert result.message is None
        assert (result.end.rows_failed, [row.code for row in rows]) == (1, ["FIELD_CUSTOM_VALIDATION_EXCEPTION"])
        assert rows[0].message == WORDS
        assert rows[0].values["LastName"] == SECRET
        assert next(iter(rows[0].values)) == "Phone"
        assert SECRET.encode() not in b"".join(relayed)
        assert not any(SECRET in line for line in product.journal_lines)
        assert list(product.settings.run_dir.glob("*.look")) == []


async def test_rows_that_are_in_order_again_are_not_shown(product: Installation) -> None:
    async with product.worker():
        sync = await failing(product)
        product.pair.target.control("DELETE", "/faults")
        result, rows, _ = await look(product, sync)
        assert (result.end.rows_failed, rows, result.message) == (0, [], None)
        assert result.end.rows_tried > 0


async def test_a_look_shows_no_more_rows_than_were_asked_for(product: Installation) -> None:
    async with product.worker():
        sync = await failing(product)
        product.pair.target.control(
            "POST", "/faults", {"object": "Contact", "row_error": {"code": "STRING_TOO_LONG", "fields": []}}
        )
        _, rows, _ = await look(product, sync, rows_max=2)
        assert len(rows) == 2


async def test_a_look_that_nobody_waits_for_reads_nothing(product: Installation) -> None:
    async with product.worker():
        sync = await failing(product)
        calls = len(product.pair.source.transcript())
        gone = uuid4()
        async with product.transaction() as tx:
            await request_look(tx, sync, gone, viewer=Viewer().public, rows_max=5)
        await until(lambda: is_over(product, gone))
        assert len(product.pair.source.transcript()) == calls


async def test_a_viewer_that_leaves_in_the_middle_takes_the_mover_along(product: Installation) -> None:
    async with product.worker():
        sync = await failing(product)
        for org in (product.pair.source, product.pair.target):
            org.control("POST", "/faults", {"path": "/query", "delay_s": 900})
        connections = product.keeper.channels
        opened, number = len(connections), uuid4()

        async def begun() -> bool:
            return len(connections) > opened

        async with waiting(product.settings.run_dir, number):
            async with product.transaction() as tx:
                await request_look(tx, sync, number, viewer=Viewer().public, rows_max=5)
            await until(begun)
            assert not await is_over(product, number)
        await until(lambda: is_over(product, number))


async def test_looks_that_wait_for_decisions_leave_places_for_runs(fresh_database: FreshDatabase) -> None:
    portal, admin = await fresh_database.open_as(Role.PORTAL), await fresh_database.superuser()
    mine, *others = [await fresh_database.make_tenant(name) for name in ("mine", "one", "two")]
    await admin.execute("set session_replication_role = replica")  # looks without syncs
    for tenant in others:
        await admin.execute(
            "insert into sync.look (tenant_id, id, sync_id, failed_window_id, viewer_key, rows_max, decides)"
            " values (%s, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), %s, 5, true)",
            (tenant.tenant, Viewer().public),
        )

    async def refused(tenant: TestTenant) -> str:
        async with portal.tenant(fresh_database.ticket(Role.PORTAL, tenant)) as tx:
            with pytest.raises(SyncProblem) as told:
                await request_look(tx, SyncId(uuid4()), uuid4(), viewer=Viewer().public, rows_max=5, decides=True)
        return str(told.value)

    assert re.search(r"^2 looks wait for decisions here.* Wait until \d\d:\d\d UTC", await refused(mine))
    assert re.search(r"already\. End that look, or wait until \d\d:\d\d UTC", await refused(others[0]))
    await admin.execute("update sync.look set ended_at = now() where tenant_id = %s", (others[0].tenant,))
    nothing = "No conflict is held. `isthmus sync show` has the codes of other failures."
    assert await refused(mine) == nothing
    assert (await refused(others[0])).startswith("One place is left")  # whoever has just had one lets others in
    for sooner, tenant in (("0 minutes", others[1]), ("2 minutes", others[0])):
        await admin.execute(
            "update sync.look set ended_at = now() - %s::interval where tenant_id = %s", (sooner, tenant.tenant)
        )
        assert await refused(tenant) == nothing


async def is_over(product: Installation, look: UUID) -> bool:
    admin = await product.database.superuser()
    row = await (await admin.execute("select ended_at from sync.look where id = %s", (look,))).fetchone()
    return row is not None and row[0] is not None


async def test_a_revoked_org_ends_a_look_with_its_reason_and_the_remedy(product: Installation) -> None:
    async with product.worker():
        sync = await failing(product)
        await product.keeper.revoke(product.source)
        result, rows, _ = await look(product, sync)
        assert rows == []
        assert result.message is not None
        assert "the source org was revoked" in result.message
        assert "Connect it again" in result.message


async def test_there_is_nothing_to_look_at_without_a_failed_window(product: Installation) -> None:
    sync = await product.save(ONLY_CONTACTS)
    async with product.transaction() as tx:
        assert await open_windows(tx, sync) == []
        with pytest.raises(SyncProblem, match="nothing to look at"):
            await request_look(tx, sync, uuid4(), viewer=Viewer().public, rows_max=5)
        with pytest.raises(SyncProblem, match="1 to 50"):
            await request_look(tx, sync, uuid4(), viewer=Viewer().public, rows_max=51)
        with pytest.raises(BadViewerKey):
            await request_look(tx, sync, uuid4(), viewer=b"k" * 65, rows_max=5)


async def test_a_step_that_looks_first_is_looked_at_as_it_runs_and_makes_no_second_record(
    product: Installation,
) -> None:
    adopting = ONLY_CONTACTS.replace("{object: Contact}", "{object: Contact, adopt_on: Email}")
    async with product.worker():
        sync = await failing(product, adopting)
        rows = len(product.pair.target.rows("Contact"))
        result, shown, _ = await look(product, sync)
        assert [(row.code, row.message, row.values["LastName"]) for row in shown] == [
            ("FIELD_CUSTOM_VALIDATION_EXCEPTION", WORDS, SECRET)
        ]
        assert result.end.rows_failed == 1
        assert len(product.pair.target.rows("Contact")) == rows
        product.pair.target.control("DELETE", "/faults")
        product.pair.target.add_rows("Contact", [{"LastName": SECRET, "Email": "p3@example.com"}])
        _, shown, _ = await look(product, sync)
        assert shown == []
        adopted = [row for row in product.pair.target.rows("Contact") if row["LastName"] == SECRET]
        assert [row["SwiftPort_Source_Id__c"] is not None for row in adopted] == [True]


async def test_a_stranger_at_the_viewer_s_socket_is_not_heard(product: Installation) -> None:
    number = uuid4()
    async with waiting(product.settings.run_dir, number) as relay:
        path = next(product.settings.run_dir.glob("*.look"))
        assert path.stat().st_mode & 0o777 == 0o600
        _, writer = await asyncio.open_unix_connection(path)
        writer.write(uuid4().bytes + (4).to_bytes(4, "big") + b"evil")
        writer.close()
        assert [message async for message in relay.messages(10)] == []
