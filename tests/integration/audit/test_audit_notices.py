"""What is told of audits: by mail and webhook to real servers, once, to those who asked, with no name in the body."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from psycopg.sql import SQL

from isthmus.notices.channels import Channels, read_channels
from tests.integration.notices.test_sending import Hook, hook_server
from tests.support.cadence import CANARY, Planted, plant, tell
from tests.support.mail_server import MailServer, mail_server
from tests.support.postgres import FreshDatabase


@pytest.fixture
async def planted(fresh_database: FreshDatabase) -> Planted:
    return await plant(fresh_database)


def mailed(server: MailServer, wish: str = "") -> Channels:
    return read_channels(
        f"version: 1\nsmtp: smtp://localhost:{server.port}\nfrom: i@acme.com\n"
        f"channels: {{cfo: {{mail: [cfo@acme.com, owner@acme.com], events: [audit]{wish}}}}}\n"
    )


def hooked(hook: Hook, extra: str = "") -> Channels:
    return read_channels(f'version: 1\nchannels: {{h: {{webhook: "{hook.url}", private: yes{extra}}}}}\n')


async def test_a_mail_has_the_change_first_the_report_attached_and_no_name_in_its_body(planted: Planted) -> None:
    await planted.audit(7, findings=1)
    await planted.notice(await planted.audit(0, findings=3))
    async with mail_server() as server:
        channels = mailed(server, ", audit: {attach: [pdf]}")
        assert await tell(planted.herald(channels)) == 1
        assert await tell(planted.herald(channels)) == 0
    (mail,) = server.mails
    assert server.recipients == ["cfo@acme.com", "owner@acme.com"]
    pm = "\N{PLUS-MINUS SIGN}"
    assert str(mail["Subject"]) == f"prod: {pm}0 assigned, {pm}0 active, 2 new findings, 0 resolved"
    body = mail.get_body(("plain",))
    assert body is not None
    text = body.get_content()
    assert text.splitlines()[0].startswith("Since ")
    assert "Reclaim now 12,600 USD a year (was 12,600)" in text
    assert "Notice for Sales Cloud by 2199-07-02" in text
    page = mail.get_body(("html",))
    assert page is not None
    assert "Since " in page.get_content()
    assert CANARY not in text + page.get_content()
    attached = {part.get_filename(): part.get_content() for part in mail.iter_attachments()}
    assert attached == {"prod-report.pdf": f"%PDF {CANARY}".encode()}


async def test_without_an_audit_section_nothing_with_names_leaves(planted: Planted) -> None:
    await planted.notice(await planted.audit(0))
    async with mail_server() as server:
        assert await tell(planted.herald(mailed(server))) == 1
    assert list(server.mails[0].iter_attachments()) == []
    assert CANARY.encode() not in server.mails[0].as_bytes()


async def test_a_webhook_gets_figures_for_programs_and_a_repetition_has_the_same_key(planted: Planted) -> None:
    await planted.notice(await planted.audit(0))
    async with hook_server(status=503) as hook:
        herald = planted.herald(hooked(hook))
        assert await tell(herald) == 0
        assert await tell(herald) == 0
        assert len(hook.bodies) == 1, "the next attempt is a minute away"
        hook.status = 200
        await planted.admin.execute("update audit.delivery set next_try_at = now()")
        # A worker that was killed in the attempt left the same behind: another one goes on.
        assert await tell(planted.herald(hooked(hook))) == 1
        assert await tell(herald) == 0
    first, second = (json.loads(body) for body in hook.bodies)
    assert first == second
    assert (second["event"], second["org"], second["seats"], second["seats_unused"]) == ("audit", "prod", 438, 42)
    assert second["money"][0]["reclaim_now"] == "12600.00"
    assert CANARY not in json.dumps(second)


async def test_channels_are_told_what_they_asked_for_and_nothing_else(planted: Planted) -> None:
    by_hand = await planted.audit(0, scheduled=False)
    failed = await planted.audit(1, state="failed", failure="not_readable", failure_object="LoginHistory")
    wishes = {
        ", events: [failure]": ["failure"],
        ", events: [recovery, digest]": [],
        ", tenant: Somebody else": [],
        ", audit: {orgs: [uat]}": [],
        ", audit: {orgs: [prod], manual: yes}": ["audit", "failure"],
        ", events: [audit], audit: {results: no}": [],
    }
    for wish, expected in wishes.items():
        await planted.admin.execute("delete from audit.notice")
        await planted.notice(by_hand)
        await planted.notice(failed, "failure")
        async with hook_server() as hook:
            await tell(planted.herald(hooked(hook, wish)))
        assert sorted(json.loads(body)["event"] for body in hook.bodies) == expected, wish
        if "failure" in expected:
            assert any("may not read LoginHistory. Give it" in body.decode() for body in hook.bodies)


async def test_documents_are_given_out_only_while_their_notice_is_on_its_way(planted: Planted) -> None:
    audit = await planted.audit(0)
    await planted.notice(audit)
    asked = "select count(*) from audit.notice n, audit.notice_document(n.tenant_id, n.id, 'report.pdf', false)"
    assert await planted.count(asked) == 0
    async with hook_server(status=503) as hook:
        await tell(planted.herald(hooked(hook)))
        assert await planted.count(asked) == 1
        hook.status = 200
        await planted.admin.execute("update audit.delivery set next_try_at = now()")
        assert await tell(planted.herald(hooked(hook))) == 1
    assert await planted.count(asked) == 0


async def test_of_audits_of_one_second_the_one_before_is_the_one_that_ended_before(planted: Planted) -> None:
    """The org's clock counts seconds: audits that follow at once have one instant, and some end in one, too."""
    taken = datetime.now(UTC) - timedelta(days=1)
    await planted.audit(8, findings=1)
    ended = [taken + timedelta(seconds=seconds) for seconds in (1, 2, 3, 3)]
    audits = [
        await planted.audit(1, findings=9, taken_at=taken, finished_at=at, requested_at=taken) for at in reversed(ended)
    ]
    twins, audits = sorted(audits[:2]), audits[:1:-1]  # the last two ended in one instant: their ids part them
    before: list[bytes | None] = [None]
    for number, audit in enumerate([*audits, *twins]):
        await planted.admin.execute(
            "update audit.document set content = %s where audit_id = %s and kind = 'report.pdf'",
            (f"%PDF {number}".encode(), audit),
        )
        before.append(f"%PDF {number}".encode())
    before[0] = f"%PDF {CANARY}".encode()  # the one of a week before
    asked = "select content from audit.notice n, audit.notice_document(n.tenant_id, n.id, 'report.pdf', {})"
    for number, audit in enumerate([*audits, *twins]):
        await planted.admin.execute("delete from audit.notice")
        await planted.notice(audit)
        async with hook_server(status=503) as hook:
            await tell(planted.herald(hooked(hook)))
            for previous, expected in (("true", before[number]), ("false", before[number + 1])):
                rows = await (await planted.admin.execute(SQL(asked).format(SQL(previous)))).fetchall()
                assert [bytes(row[0]) for row in rows] == [expected], (number, previous)


async def test_the_finance_summary_comes_once_a_month_with_the_trend_of_every_org(
    fresh_database: FreshDatabase, planted: Planted
) -> None:
    now = datetime.now(UTC)
    await planted.audit(100, seats=400)
    await planted.audit(40)
    uat = await plant(fresh_database, "uat", planted.tenant)
    await uat.audit(41)
    gone = await plant(fresh_database, "gone", await fresh_database.make_tenant("Other"))
    next_first = (now.replace(day=1) + timedelta(days=32)).replace(day=1, hour=8)
    async with mail_server() as server:
        herald = planted.herald(mailed(server, ", tenant: Acme, audit: {results: no, monthly: yes}"), next_first - now)
        await gone.audit(1)
        assert await tell(herald) == 1
        assert await tell(herald) == 0
        again = planted.herald(mailed(server, ", tenant: Acme, audit: {monthly: yes}"), next_first - now)
        assert await tell(again) == 0, "the same channel, the same month"
    (mail,) = server.mails
    body, page = mail.get_body(("plain",)), mail.get_body(("html",))
    assert body is not None
    assert page is not None
    assert CANARY not in page.get_content()
    text = body.get_content()
    assert str(mail["Subject"]).startswith("Licences of Acme: finance summary to")
    assert "prod, as of" in text
    assert "uat, as of" in text
    assert "USD a year: reclaim now 12,600, cash at renewal 20,000, at risk 0." in text
    assert f"{now - timedelta(days=100):%Y-%m}: 400 assigned" in text
    assert "gone" not in text
    assert CANARY not in text
