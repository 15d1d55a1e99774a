"""The promises over a real database: kept as it is made, withdrawn when somebody changes it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from isthmus.clock import SystemClock
from isthmus.db.address import Role
from isthmus.orgs.keeper_client import KeeperClient
from isthmus.trust.model import PromiseReport, Verdict
from isthmus.trust.service import TrustWorld, compute
from tests.support.postgres import FreshDatabase


async def _computed(fresh: FreshDatabase, nowhere: Path) -> dict[str, PromiseReport]:
    database = await fresh.open_as(Role.PORTAL)
    tenant = await fresh.make_tenant()
    world = TrustWorld(database, KeeperClient(nowhere), fresh.settings, SystemClock())
    return {report.key: report for report in await compute(world, fresh.ticket(Role.PORTAL, tenant))}


async def test_a_sound_database_keeps_its_promises_and_a_silent_keeper_hides_none(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    found = await _computed(fresh_database, tmp_path / "nobody.sock")
    assert len(found) == 12
    assert found["no-record-stored"].verdict is Verdict.KEPT, found["no-record-stored"].evidence
    assert found["row-security"].verdict is Verdict.KEPT, found["row-security"].evidence
    assert found["database-version"].verdict is Verdict.KEPT
    assert found["key-custody"].verdict is Verdict.NOT_YET_KNOWN
    assert found["confinement"].verdict is Verdict.NOT_YET_KNOWN


async def test_a_text_column_that_the_worker_may_write_is_seen_at_once(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    superuser = await fresh_database.superuser()
    await superuser.execute("alter table sync.run add column note text")
    await superuser.execute("grant update (note) on sync.run to isthmus_worker")
    found = await _computed(fresh_database, tmp_path / "nobody.sock")
    assert found["no-record-stored"].verdict is Verdict.WITHDRAWN
    assert "run.note is text." in found["no-record-stored"].evidence


async def test_a_table_whose_row_security_was_switched_off_is_seen_at_once(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    superuser = await fresh_database.superuser()
    await superuser.execute("alter table orgs.org no force row level security")
    found = await _computed(fresh_database, tmp_path / "nobody.sock")
    assert found["row-security"].verdict is Verdict.WITHDRAWN
    assert any("orgs.org" in line for line in found["row-security"].evidence)


async def test_the_places_that_notices_go_to_are_listed_without_their_addresses(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    file = tmp_path / "notices.yaml"
    database = await fresh_database.open_as(Role.PORTAL)
    tenant = await fresh_database.make_tenant("Acme")
    settings = dataclasses.replace(fresh_database.settings, notices_file=file)
    world = TrustWorld(database, KeeperClient(tmp_path / "nobody.sock"), settings, SystemClock())

    async def egress() -> str:
        reports = await compute(world, fresh_database.ticket(Role.PORTAL, tenant))
        return "\n".join(next(report for report in reports if report.key == "egress").evidence)

    assert "Notices go nowhere" in await egress()
    file.write_text(
        "version: 1\nsmtp: smtps://u:hush@mail.acme.com\nfrom: i@acme.com\nchannels:\n"
        "  cfo: {mail: [cfo@acme.com], events: [audit], audit: {attach: [pdf], monthly: yes}}\n"
        '  chat: {slack: "https://hooks.slack.com/services/hush", events: [failure]}\n'
        '  others: {slack: "https://hooks.slack.com/services/hush", tenant: Somebody else}\n'
    )
    file.chmod(0o600)
    told = await egress()
    assert "Notices go to the channel cfo (mail): audit, with pdf of audits, a finance summary each month." in told
    assert "Notices go to the channel chat (slack): failure." in told
    assert "others" not in told
    assert "hush" not in told
    assert "cfo@acme.com" not in told
    file.chmod(0o644)
    assert "cannot be read here" in await egress()
