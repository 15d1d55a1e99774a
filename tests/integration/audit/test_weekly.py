"""A week's audit from its schedule to the mail: real keeper, real grant, real mover, real servers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import pytest

from isthmus.audit.given.options import AuditOptions
from isthmus.audit.perform import AuditApp, perform_audit
from isthmus.clock import SystemClock
from isthmus.db.address import Role
from isthmus.egress.outside import OutsideDialer
from isthmus.egress.tls import tls_context
from isthmus.journal import Journal
from isthmus.notices.channels import Channels, read_channels
from isthmus.notices.sending import Sender
from isthmus.values import AuditId, ConnectionId, Purpose
from isthmus.worker.audit_herald import AuditHerald
from isthmus.worker.due_audits import begin_due_audits
from tests.integration.notices.test_sending import Hook, hook_server
from tests.support.cadence import tell
from tests.support.keeper import RunningKeeper
from tests.support.mail_server import MailServer, mail_server
from tests.support.orgsim import Orgsim, start_orgsim
from tests.support.postgres import Connection


@pytest.fixture(scope="module")
def demo() -> Iterator[Orgsim]:
    with start_orgsim(name="acme") as org:
        yield org


@dataclass
class Weekly:
    keeper: RunningKeeper
    app: AuditApp
    admin: Connection
    connection: ConnectionId

    async def week(self) -> AuditId:
        """Let a week pass: the schedule is due, the audit is carried out."""
        await self.admin.execute("update audit.schedule set due_at = now() - interval '1 second'")
        assert await begin_due_audits(self.app.database, self.app.clock) == 1
        cursor = await self.admin.execute("select id from audit.audit where state = 'queued'")
        row: tuple[UUID] | None = await cursor.fetchone()
        assert row is not None
        await perform_audit(AuditId(row[0]), self.app)
        return AuditId(row[0])

    def herald(self, channels: Channels) -> AuditHerald:
        sender = Sender(channels, OutsideDialer(), tls_context(None), SystemClock())
        return AuditHerald(self.app.database, sender, "https://isthmus.acme.com")


@pytest.fixture
async def weekly(keeper: RunningKeeper, demo: Orgsim) -> Weekly:
    clock = SystemClock()
    app = AuditApp(
        database=await keeper.database.open_as(Role.WORKER),
        keeper=keeper.worker,
        settings=keeper.settings,
        clock=clock,
        journal=Journal("worker", lambda _line: None, clock),
        options=AuditOptions(),
    )
    connection = await keeper.connect(demo, "north", Purpose.AUDIT)
    admin = await keeper.database.superuser()
    await admin.execute(
        "insert into audit.schedule (tenant_id, connection_id) values (%s, %s)", (keeper.acme.tenant, connection)
    )
    return Weekly(keeper, app, admin, connection)


def both(server: MailServer, hook: Hook) -> Channels:
    return read_channels(
        f"version: 1\nsmtp: smtp://localhost:{server.port}\nfrom: i@acme.com\nchannels:\n"
        "  cfo: {mail: [cfo@acme.com], events: [audit], audit: {attach: [pdf, xlsx]}}\n"
        f'  chat: {{webhook: "{hook.url}", private: yes}}\n'
    )


async def test_an_audit_that_ends_its_workers_again_and_again_is_given_up_without_another_call(
    weekly: Weekly, demo: Orgsim
) -> None:
    demo.control("DELETE", "/transcript")
    await weekly.admin.execute("update audit.schedule set due_at = now() - interval '1 second'")
    assert await begin_due_audits(weekly.app.database, weekly.app.clock) == 1
    cursor = await weekly.admin.execute("update audit.audit set state = 'reading', attempt = 5 returning id")
    row: tuple[UUID] | None = await cursor.fetchone()
    assert row is not None
    await perform_audit(AuditId(row[0]), weekly.app)
    cursor = await weekly.admin.execute("select state, failure from audit.audit")
    assert await cursor.fetchall() == [("failed", "worker_stopped")]
    assert demo.transcript() == []
    cursor = await weekly.admin.execute("select failed_in_row, due_at < now() + interval '2 hours' from audit.schedule")
    assert await cursor.fetchall() == [(1, True)], "tried again before next week"


def deactivate_one(org: Orgsim) -> None:
    """Do what an administrator does on Tuesday: one full seat fewer, and the org counts it."""
    seat = next(row for row in org.rows("UserLicense") if row["LicenseDefinitionKey"] == "SFDC")
    profiles = {row["Id"] for row in org.rows("Profile") if row["UserLicenseId"] == seat["Id"]}
    holders = [row for row in org.rows("User") if row["IsActive"] and row["ProfileId"] in profiles]
    org.control("PATCH", f"/rows/User/{holders[-1]['Id']}", {"IsActive": False})
    org.control("PATCH", f"/rows/UserLicense/{seat['Id']}", {"UsedLicenses": seat["UsedLicenses"] - 1})


async def test_the_second_week_tells_what_changed_since_the_first_and_a_failure_has_an_end(
    weekly: Weekly, demo: Orgsim
) -> None:
    async with mail_server() as server, hook_server() as hook:
        herald = weekly.herald(both(server, hook))
        await weekly.week()
        assert await tell(herald) == 2
        assert json.loads(hook.bodies[0])["text"].startswith("This is the first audit")
        names = [part.get_filename() for part in server.mails[0].iter_attachments()]
        assert names == ["north-report.pdf", "north-report.xlsx"]
        people = [user["Name"] for user in demo.rows("User")]
        body = server.mails[0].get_body(("plain",))
        assert body is not None
        assert not [name for name in people if name in body.get_content()]

        await weekly.keeper.portal.revoke(weekly.keeper.ticket, weekly.connection)
        await weekly.admin.execute("update orgs.connection set state = 'needs_reauth'")
        await weekly.week()
        assert await tell(herald) == 2
        assert json.loads(hook.bodies[1])["event"] == "failure"
        assert "Connect the org again" in json.loads(hook.bodies[1])["text"]

        again = await weekly.keeper.connect(demo, "north", Purpose.AUDIT)
        assert again == weekly.connection
        deactivate_one(demo)
        await weekly.week()
        assert await tell(herald) == 2
        told = json.loads(hook.bodies[2])
        assert told["event"] == "recovery"
        lines = told["text"].splitlines()
        assert lines[0] == "Audits of north work again."
        assert lines[1].startswith("Since ")
        assert told["assigned_change"] == -1
        assert "\N{MINUS SIGN}1 assigned" in lines[1]
