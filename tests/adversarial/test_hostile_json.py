"""Answers made to break a decoder or a counter: each ends as a refusal that names route and code, never as a crash."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime

import pytest

from isthmus.clock import SystemClock
from isthmus.egress.dial import PinnedDialer
from isthmus.egress.hosts import HostDenied, parse_login_host
from isthmus.egress.transport import Channel
from isthmus.salesforce.bulk import ingest
from isthmus.salesforce.collections import upsert
from isthmus.salesforce.errors import Incomplete, SalesforceError, Unexpected
from isthmus.salesforce.lease import FixedLeases
from isthmus.salesforce.query import FieldPath, count, pages, soql_select
from isthmus.salesforce.routes import ROUTES
from isthmus.salesforce.session import Session
from isthmus.values import ApiName, Purpose, Secret
from tests.support.plain_server import PlainServer, http, plain_server

ACCOUNT, KEY = ApiName.parse("Account"), ApiName.parse("Key__c")
SOQL = soql_select(ACCOUNT, [FieldPath.of("Id")])
CANARY = "canary"
DEEP = b"[" * 100_000 + b'"canary"' + b"]" * 100_000
NESTED = b'{"canary":' * 800 + b"1" + b"}" * 800
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)


@asynccontextmanager
async def session_to(server: PlainServer) -> AsyncGenerator[Session]:
    """Open a session with a server that answers what the test says."""
    host = parse_login_host(f"http://127.0.0.1:{server.port}", allow_loopback_http=True)
    assert not isinstance(host, HostDenied)
    dialer = PinnedDialer(loopback=True)

    channel = Channel(host, Purpose.SYNC, ROUTES, lambda: dialer.dial(host), None, loopback=True)
    session = Session(channel, FixedLeases(Secret("token"), host), "62.0", SystemClock())
    try:
        yield session
    finally:
        await session.close()


async def read_all(session: Session) -> int:
    async with aclosing(pages(session, SOQL)) as batches:
        return sum([len(batch) async for batch in batches])


async def upsert_one(session: Session) -> object:
    return await upsert(session, ACCOUNT, KEY, [{"Key__c": "1"}])


ASKED: dict[str, Callable[[Session], Awaitable[object]]] = {
    "describe": lambda session: session.describe(ACCOUNT),
    "objects": lambda session: session.describe_global(),
    "limits": lambda session: session.limits(),
    "covered": lambda session: session.covered_until(ACCOUNT, START, END),
    "count": lambda session: count(session, SOQL),
    "pages": read_all,
    "upsert": upsert_one,
}
BODIES = {
    "deep": DEEP,
    "deep under a name that nobody reads": b'{"canary":' + DEEP + b"}",
    "no UTF-8": b'{"name":"\xff\xfe canary"}',
    "no UTF-8 in a record": b'{"totalSize":1,"done":true,"records":[{"Id":"\xff canary"}]}',
    "half a pair": b'[{"success":true,"x":"\\ud800 canary"}]',
    "a number beyond all bounds": b'{"totalSize":1,"done":true,"records":[{"Id":1e99999999999999999999}]}',
    "an endless integer": b'{"totalSize":' + b"9" * 5000 + b',"done":true,"records":[]}',
    "a negative count": b'{"totalSize":-1,"done":true,"records":[]}',
    "a huge count": b'{"totalSize":9223372036854775807,"done":true,"records":[]}',
    "a login page": b"<html>canary</html>",
    "nothing": b"",
    "null": b"null",
    "deeply nested records": b'{"totalSize":2,"done":true,"records":[' + NESTED + b"]}",
    "negative limits": b'{"DailyApiRequests":{"Max":-5,"Remaining":-9}}',
    "a time without a zone": b'{"latestDateCovered":"2026-01-01T00:00:00","ids":[]}',
    "a time before all times": b'{"latestDateCovered":"0001-01-01T00:00:00.000+23:59","ids":[]}',
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("body", BODIES)
async def test_a_body_made_to_break_a_decoder_is_refused_without_a_trace(asked: str, body: str) -> None:
    async with plain_server(http(200, BODIES[body])) as server, session_to(server) as session:
        if asked == "count" and b'"records":[{' in BODIES[body]:
            pytest.skip("a count reads nothing but the total, which is in order here")
        with pytest.raises(SalesforceError) as caught:
            await ASKED[asked](session)
        assert isinstance(caught.value, Unexpected | Incomplete)
        assert CANARY not in f"{caught.value!r} {caught.value.__cause__!r} {vars(caught.value)}"
        assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize("body", [DEEP, b'[{"errorCode":"\xff"}]', b'{"errorCode":"canary"}', b"[]", b"[1]", b"\0"])
async def test_an_error_body_of_any_shape_is_an_error_of_its_status(body: bytes) -> None:
    async with plain_server(http(400, body)) as server, session_to(server) as session:
        with pytest.raises(SalesforceError, match=r"^limits: OTHER \(400\)$"):
            await session.limits()


@pytest.mark.parametrize(
    "date",
    [None, "", "canary", "Sun, 22 Nov 2026 07:00:00 +99999999999999", "Sun, 22 Nov 99999 07:00:00 GMT", "Sun, 32 Nov"],
)
async def test_a_missing_or_senseless_date_is_refused(date: str | None) -> None:
    headers = () if date is None else (f"Date: {date}",)
    async with plain_server(http(200, b"[]", *headers)) as server, session_to(server) as session:
        with pytest.raises(Unexpected, match=r"^versions"):
            await session.server_time()


@pytest.mark.parametrize(
    "page",
    [
        b'{"totalSize":1,"done":false,"nextRecordsUrl":"/services/data/v62.0/query/01g000000000001-1","records":[]}',
        b'{"totalSize":1,"done":false,"nextRecordsUrl":"/x/query/01g000000000001-1","records":[{"Id":"a"}]}',
    ],
)
async def test_pages_without_end_are_not_read_without_end(page: bytes) -> None:
    async with plain_server(http(200, page)) as server, session_to(server) as session:
        with pytest.raises(Incomplete):
            await read_all(session)
        assert len(server.requests) <= 2


@pytest.mark.parametrize(
    ("state", "failed_rows"),
    [
        (b'{"state":"JobComplete","numberRecordsProcessed":-1}', 0),
        (b'{"state":"JobComplete","numberRecordsProcessed":18446744073709551615}', 0),
        (b'{"state":"JobComplete","numberRecordsProcessed":1,"numberRecordsFailed":5}', 5),
        (b'{"state":"JobComplete","numberRecordsProcessed":1,"numberRecordsFailed":1}', 3),
    ],
)
async def test_counts_of_a_job_that_cannot_be_are_refused(state: bytes, failed_rows: int) -> None:
    failed = b'"sf__Id","sf__Error","Key__c"\n' + b'"","X:canary:--","1"\n' * failed_rows
    created = http(200, b'{"id":"750000000000001AAA"}')
    answers = (created, http(201), http(200, b"{}"), http(200, state), http(200, failed), http(204))

    async def blocks() -> AsyncGenerator[bytes]:
        yield b'Key__c\n"1"\n'

    async with plain_server(*answers) as server, session_to(server) as session:
        with pytest.raises(Unexpected):
            await ingest(session, ACCOUNT, KEY, blocks())
