"""The client against a real orgsim over real HTTP, with trouble planted through its control port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest

from isthmus.clock import SystemClock
from isthmus.egress.dial import PinnedDialer
from isthmus.egress.hosts import parse_login_host
from isthmus.egress.transport import Channel
from isthmus.salesforce import bulk, collections, query, tooling
from isthmus.salesforce.errors import Expired, Incomplete, LeaseLost, Limited, Refused, Transient
from isthmus.salesforce.lease import FixedLeases, Lease
from isthmus.salesforce.query import Compare, FieldPath, soql_select
from isthmus.salesforce.routes import ROUTES
from isthmus.salesforce.session import Session
from isthmus.salesforce.status_code import StatusCode
from isthmus.values import ApiName, OrgHost, Purpose, Secret
from tests.support.orgsim import Orgsim, start_orgsim

ACCOUNT, KEY = ApiName.parse("Account"), ApiName.parse("SwiftPort_Source_Id__c")
ID, NAME = FieldPath.of("Id"), FieldPath.of("Name")
ALL = soql_select(ACCOUNT, [ID, NAME])
FIELD = {
    "FullName": f"Account.{KEY}",
    "Metadata": {"label": "Source", "type": "Text", "length": 18, "externalId": True, "unique": True},
    "granted": True,
}


@pytest.fixture(scope="module")
def running():
    with start_orgsim(name="a") as org:
        org.control("POST", "/fields", FIELD)
        org.add_rows("Account", [{"Name": f"Company {n}"} for n in range(4500)])
        yield org


@pytest.fixture
def org(running: Orgsim):
    running.control("DELETE", "/faults")
    running.control("DELETE", "/transcript")
    yield running
    running.control("DELETE", "/faults")


class RenewingLeases:
    """A stale token first, the good one after one renewal."""

    def __init__(self, first: Lease, second: Lease) -> None:
        self.lease, self.second, self.renewals = first, second, 0

    async def current(self) -> Lease:
        return self.lease

    async def renew(self) -> Lease:
        self.renewals += 1
        self.lease = self.second
        return self.lease


def host_of(org: Orgsim) -> OrgHost:
    host = parse_login_host(org.instance_url, allow_loopback_http=True)
    assert isinstance(host, OrgHost)
    return host


@asynccontextmanager
async def session_with(org: Orgsim, leases=None, purpose: Purpose = Purpose.SYNC) -> AsyncIterator[Session]:
    host, dialer = host_of(org), PinnedDialer(loopback=True)
    channel = Channel(host, purpose, ROUTES, lambda: dialer.dial(host), None, loopback=True)
    session = Session(channel, leases or FixedLeases(Secret(org.access_token), host), "62.0", SystemClock())
    try:
        yield session
    finally:
        await session.close()


def fault(org: Orgsim, **rule: object) -> None:
    org.control("POST", "/faults", rule)


def paths(org: Orgsim) -> list[str]:
    return [entry["path"].rsplit("/", 1)[-1] for entry in org.transcript()]


async def read_all(session: Session) -> list[str]:
    return [str(record["Id"]) async for batch in query.pages(session, ALL) for record in batch.reveal()]


async def test_every_page_is_read_and_counted(org):
    async with session_with(org) as session:
        assert len(set(await read_all(session))) == 4500
        assert await query.count(session, ALL) == 4500
        assert session.calls == 4
        assert session.usage is not None
        assert session.usage.max == 100_000


async def test_the_calls_that_we_count_are_those_that_the_org_counts(org):
    async with session_with(org) as session:
        before = (await session.limits()).used
        await session.server_time()
        await session.describe(ACCOUNT)
        await read_all(session)
        assert session.usage is not None
        assert session.usage.used - before == session.calls - 1


async def test_a_window_is_covered_up_to_the_orgs_own_word(org):
    async with session_with(org) as session:
        now = await session.server_time()
        assert abs(now - datetime.now(UTC)) < timedelta(minutes=5)
        assert await session.covered_until(ACCOUNT, now - timedelta(hours=1), now) <= now
        with pytest.raises(Refused) as refused:
            await session.covered_until(ACCOUNT, now, now - timedelta(hours=1))
        assert refused.value.code == StatusCode.INVALID_REPLICATION_DATE


@pytest.mark.parametrize(
    "trouble",
    [
        {"status": 503, "body": "<html>", "content_type": "text/html"},
        {"status": 420},
        {"reset": True},
        {"half_after_bytes": 40},
    ],
)
async def test_an_interrupted_read_is_repeated(org, trouble):
    fault(org, path="/query", nth=1, **trouble)
    async with session_with(org) as session:
        assert len(await read_all(session)) == 4500


async def test_an_org_that_stays_away_is_transient(org):
    fault(org, path="/limits", status=503)
    async with session_with(org) as session:
        with pytest.raises(Transient) as caught:
            await session.limits()
        assert caught.value.http_status == 503
    assert len(paths(org)) == 5


async def test_a_used_up_allowance_is_not_tried_again(org):
    fault(org, path="/limits", status=403, body=[{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "secret"}])
    async with session_with(org) as session:
        with pytest.raises(Limited) as caught:
            await session.limits()
    assert "secret" not in repr(caught.value) + str(caught.value.__cause__)
    assert len(paths(org)) == 1


async def test_a_refused_token_is_renewed_once_and_the_request_sent_again(org):
    good, bad = Lease(Secret(org.access_token), host_of(org)), Lease(Secret("00Dbad!x"), host_of(org))
    leases = RenewingLeases(bad, good)
    async with session_with(org, leases) as session:
        assert (await session.limits()).max == 100_000
    assert leases.renewals == 1
    leases = RenewingLeases(bad, bad)
    async with session_with(org, leases) as session:
        with pytest.raises(Expired):
            await session.limits()
    assert leases.renewals == 1


async def test_a_fixed_token_cannot_be_renewed(org):
    async with session_with(org, FixedLeases(Secret("00Dbad!x"), host_of(org))) as session:
        with pytest.raises(LeaseLost, match="needs_reauth"):
            await session.limits()


async def test_a_wrong_field_is_refused_with_its_code(org):
    async with session_with(org) as session:
        with pytest.raises(Refused) as caught:
            async for _ in query.pages(session, soql_select(ACCOUNT, [FieldPath.of("Nope__c")])):
                pass
        assert caught.value.code == StatusCode.INVALID_FIELD


async def test_a_result_that_is_shorter_than_announced_is_incomplete(org):
    body = {"totalSize": 2, "done": True, "records": [{"attributes": {"type": "Account"}, "Id": "x"}]}
    fault(org, path="/query", status=200, body=body)
    async with session_with(org) as session:
        with pytest.raises(Incomplete):
            await read_all(session)


async def test_rows_of_an_upsert_have_their_own_fates(org):
    async with session_with(org) as session:
        rows = [{str(KEY): "u1", "Name": "new"}, {str(KEY): "u2"}, {str(KEY): "u1x", "Name": "y" * 300}]
        first, second, third = await collections.upsert(session, ACCOUNT, KEY, rows)
        assert (first.ok, first.created, first.code) == (True, True, None)
        assert (second.ok, second.code, second.field_names) == (
            False,
            StatusCode.parse("REQUIRED_FIELD_MISSING"),
            ("Name",),
        )
        assert third.code == StatusCode.parse("STRING_TOO_LONG")
        again = await collections.upsert(session, ACCOUNT, KEY, rows[:1])
        assert (again[0].ok, again[0].created) == (True, False)


async def test_an_upsert_whose_answer_was_lost_is_sent_again_without_a_second_row(org):
    fault(org, path="/composite", nth=1, half_after_bytes=0)
    async with session_with(org) as session:
        results = await collections.upsert(session, ACCOUNT, KEY, [{str(KEY): "lost", "Name": "once"}])
        assert results[0].ok
    assert len([row for row in org.rows("Account") if row[str(KEY)] == "lost"]) == 1


async def exported(session: Session, soql=ALL) -> tuple[int, bytes]:
    pages, content = 0, b""
    async with aclosing(bulk.export(session, soql)) as export:
        async for page in export:
            pages += 1
            content += b"".join([chunk async for chunk in page.chunks])
    return pages, content


async def test_an_export_brings_every_row_and_leaves_no_job(org):
    async with session_with(org) as session:
        pages, content = await exported(session)
    assert content.count(b"\n") - pages >= 4500
    assert content.startswith(b'"Id","Name"\n')
    assert org.transcript()[-1]["method"] == "DELETE"


async def test_an_empty_export_has_no_page(org):
    async with session_with(org) as session:
        assert await exported(session, soql_select(ACCOUNT, [ID], [Compare(NAME, "=", "nobody")])) == (0, b"")


async def test_a_page_that_breaks_before_its_first_byte_is_read_again(org):
    fault(org, path="/results", nth=1, reset=True)
    async with session_with(org) as session:
        assert (await exported(session))[1].count(b"\n") > 4500


async def test_a_page_that_breaks_in_the_middle_is_transient_and_the_job_is_gone(org):
    fault(org, path="/results", nth=1, half_after_bytes=20_000)
    async with session_with(org) as session:
        with pytest.raises(Transient):
            await exported(session)
    assert org.transcript()[-1]["method"] == "DELETE"


async def aiter_second_page(session: Session) -> AsyncIterator[bulk.ExportPage]:
    async with aclosing(bulk.export(session, ALL)) as export:
        await anext(export)
        yield await anext(export)


async def test_a_page_that_is_left_unread_is_incomplete(org):
    async with session_with(org) as session:
        with pytest.raises(Incomplete):
            await anext(aiter_second_page(session))


async def test_a_cancelled_export_aborts_its_job(org):
    fault(
        org, path="/jobs/query/.*", method="GET", status=200, body={"id": "750000000000001AAA", "state": "InProgress"}
    )
    async with session_with(org) as session:
        task = asyncio.create_task(exported(session))
        while len(paths(org)) < 3:
            await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert [entry["method"] for entry in org.transcript()][-2:] == ["PATCH", "DELETE"]


async def csv(*rows: str) -> AsyncIterator[bytes]:
    yield f"{KEY},Name\n".encode()
    for row in rows:
        yield row.encode() + b"\n"


async def test_an_ingest_counts_failures_by_code_and_field(org):
    async with session_with(org) as session:
        outcome = await bulk.ingest(
            session, ACCOUNT, KEY, csv("i1,ok", 'i2,""', f"i3,{'x' * 300}", 'i4,"a ""b"", c"', 'i5,""')
        )
    assert (outcome.processed, outcome.failed, outcome.unprocessed) == (5, 3, 0)
    assert outcome.failures == {
        (StatusCode.parse("REQUIRED_FIELD_MISSING"), "Name"): 2,
        (StatusCode.parse("STRING_TOO_LONG"), "Name"): 1,
    }
    assert org.transcript()[-1]["method"] == "DELETE"


async def test_a_token_that_dies_while_the_job_runs_is_renewed_and_the_job_goes_on(org):
    fault(
        org,
        path="/jobs/ingest/[^/]+$",
        method="GET",
        nth=1,
        status=401,
        body=[{"errorCode": "INVALID_SESSION_ID", "message": "x"}],
    )
    good = Lease(Secret(org.access_token), host_of(org))
    leases = RenewingLeases(good, good)
    async with session_with(org, leases) as session:
        outcome = await bulk.ingest(session, ACCOUNT, KEY, csv("t1,ok"))
    assert (outcome.processed, outcome.failed, leases.renewals) == (1, 0, 1)
    assert len([entry for entry in org.transcript() if entry["path"].endswith("/jobs/ingest")]) == 1


@pytest.mark.parametrize("trouble", [{"reset": True}, {"status": 503}, {"status": 401}])
async def test_an_upload_that_breaks_off_aborts_the_job(org, trouble):
    fault(org, path="/batches", **trouble)
    async with session_with(org) as session:
        with pytest.raises(Transient):
            await bulk.ingest(session, ACCOUNT, KEY, csv("b1,never"))
    assert [entry["method"] for entry in org.transcript()][-2:] == ["PATCH", "DELETE"]
    assert [row for row in org.rows("Account") if row[str(KEY)] == "b1"] == []


async def test_an_error_of_the_source_in_mid_upload_comes_through_and_nothing_is_written(org):
    async def broken() -> AsyncIterator[bytes]:
        yield f"{KEY},Name\nq1,never\n".encode()
        raise Incomplete(next(iter(ROUTES)))

    async with session_with(org) as session:
        with pytest.raises(Incomplete):
            await bulk.ingest(session, ACCOUNT, KEY, broken())
    assert [row for row in org.rows("Account") if row[str(KEY)] == "q1"] == []


async def test_a_close_whose_answer_was_lost_is_no_failure(org):
    fault(org, path="/jobs/ingest/[^/]+$", method="PATCH", nth=1, half_after_bytes=0)
    async with session_with(org) as session:
        outcome = await bulk.ingest(session, ACCOUNT, KEY, csv("c1,ok"))
    assert (outcome.processed, outcome.failed) == (1, 0)


async def test_a_job_that_the_org_fails_is_refused(org):
    async def wrong_column() -> AsyncIterator[bytes]:
        yield f"{KEY},Nope__c\nx,y\n".encode()

    async with session_with(org) as session:
        with pytest.raises(Refused) as caught:
            await bulk.ingest(session, ACCOUNT, KEY, wrong_column())
    assert caught.value.code == StatusCode.parse("INVALIDBATCH")


async def test_the_tracking_field_is_made_granted_and_seen():
    contact = ApiName.parse("Contact")
    with start_orgsim(name="b") as org:
        async with session_with(org) as session:
            assert await tooling.create_text_external_id(session, contact, KEY, "Source")
            assert (await session.describe(contact)).field(KEY) is None
            assert await tooling.grant_field(session, contact, KEY)
            assert await tooling.await_field(session, contact, KEY)
            assert not await tooling.create_text_external_id(session, contact, KEY, "Source")
            assert not await tooling.grant_field(session, contact, KEY)
            field = (await session.describe(contact)).field(KEY)
    assert field is not None
    assert (field.length, field.external_id, field.unique, field.case_sensitive) == (18, True, True, True)
