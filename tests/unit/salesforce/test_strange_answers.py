"""Answers that real orgs, their edges and their proxies give beside the usual ones: each is taken for what it means."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest

from isthmus.clock import SystemClock
from isthmus.egress.dial import PinnedDialer
from isthmus.egress.transport import Channel, StreamReply
from isthmus.salesforce import routes
from isthmus.salesforce.collections import RowResult, upsert
from isthmus.salesforce.csv_rows import CsvRows
from isthmus.salesforce.errors import Expired, Limited, Refused, SalesforceError, Transient, Unexpected
from isthmus.salesforce.lease import FixedLeases
from isthmus.salesforce.meaning import RETRY_AFTER_S_MAX, code_in, meaning
from isthmus.salesforce.schema import parse_describe
from isthmus.salesforce.session import ApiLimits, Session
from isthmus.salesforce.status_code import StatusCode
from isthmus.values import ApiName, OrgHost, Purpose, Secret
from tests.support.plain_server import PlainServer, http, plain_server

XML_OF_BULK = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<error xmlns="http://www.force.com/2009/06/asyncapi/dataload">\n'
    b" <exceptionCode>%s</exceptionCode>\n <exceptionMessage>secret</exceptionMessage>\n</error>"
)
SOAP_FAULT = (
    b'<?xml version="1.0"?><soapenv:Envelope><soapenv:Body><soapenv:Fault><faultcode>sf:INVALID_SESSION_ID</faultcode>'
    b"<faultstring>INVALID_SESSION_ID: secret</faultstring></soapenv:Fault></soapenv:Body></soapenv:Envelope>"
)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'[{"message":"x","errorCode":"INVALID_FIELD","fields":["A"],"extra":{"a":[1]}}]', "INVALID_FIELD"),
        (b'\xef\xbb\xbf[ {\n  "errorCode" : "INVALID_FIELD"\n} ]\r\n', "INVALID_FIELD"),
        (b'[{"errorCode":"INVALID_FIELD"},{"errorCode":"NOT_FOUND"}]', "INVALID_FIELD"),
        (b'{"errorCode":"NOT_FOUND","message":"x"}', "NOT_FOUND"),
        (b'{"error":"invalid_grant","error_description":"x"}', "INVALID_GRANT"),
        (b'{"exceptionCode":"InvalidSessionId","exceptionMessage":"x"}', "INVALID_SESSION_ID"),
        (b'[{"statusCode":"UNABLE_TO_LOCK_ROW"}]', "UNABLE_TO_LOCK_ROW"),
        (XML_OF_BULK % b"InvalidSessionId", "INVALID_SESSION_ID"),
        (XML_OF_BULK % b"InvalidJobState", "INVALIDJOBSTATE"),
        (XML_OF_BULK % b"ExceededQuota", "EXCEEDEDQUOTA"),
        (b"<Errors><Error><errorCode>GONE</errorCode><message>x</message></Error></Errors>", "GONE"),
        (SOAP_FAULT, "INVALID_SESSION_ID"),
        (b'[{"errorCode":null,"message":null}]', "OTHER"),
        (b'[{"errorCode":"OF_TOMORROW"}]', "OTHER"),
        (b"[null]", "OTHER"),
        (b"<html><body>We are down for maintenance.</body></html>", "OTHER"),
        (b"Bad_OAuth_Token", "OTHER"),
        (b"", "OTHER"),
    ],
)  # fmt: skip
def test_the_code_is_found_in_whatever_form_an_error_has(body: bytes, code: str) -> None:
    assert code_in(body).name == code


def reply_of(status: int, body: bytes = b"", **headers: str) -> StreamReply:
    async def chunks() -> AsyncIterator[bytes]:
        yield body

    return StreamReply(status, {name.replace("_", "-"): value for name, value in headers.items()}, chunks)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, b'[{"errorCode":"INVALID_SESSION_ID"}]', Expired),
        (401, b"", Expired),
        (400, XML_OF_BULK % b"InvalidSessionId", Expired),
        (500, SOAP_FAULT, Expired),
        (403, b'[{"errorCode":"REQUEST_LIMIT_EXCEEDED"}]', Limited),
        (429, b'[{"errorCode":"REQUEST_LIMIT_EXCEEDED"}]', Limited),
        (503, XML_OF_BULK % b"ExceededQuota", Limited),
        (302, b"", Transient),
        (307, b"<html>Maintenance</html>", Transient),
        (420, b"<html>Setting things up</html>", Transient),
        (429, b"", Transient),
        (400, b'[{"errorCode":"UNABLE_TO_LOCK_ROW"}]', Transient),
        (410, b'[{"errorCode":"GONE"}]', Refused),
        (403, b"<html>Forbidden</html>", Refused),
        (301, b"", Unexpected),
        (308, b"", Unexpected),
    ],
)
async def test_an_answer_is_sorted_by_its_status_and_its_code(
    status: int, body: bytes, kind: type[SalesforceError]
) -> None:
    error = await meaning(routes.LIMITS, reply_of(status, body))
    assert type(error) is kind
    assert "secret" not in f"{error!r} {vars(error)}"


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [("", 0.0), ("7", 7.0), ("86400", RETRY_AFTER_S_MAX), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.0), ("-5", 0.0)],
)
async def test_how_long_an_org_wants_to_be_left_alone_is_kept_within_bounds(header: str, wait_s: float) -> None:
    error = await meaning(routes.LIMITS, reply_of(503, b"", retry_after=header))
    assert isinstance(error, Transient)
    assert error.wait_s == wait_s


@asynccontextmanager
async def session_to(server: PlainServer) -> AsyncGenerator[Session]:
    host, dialer = OrgHost("http", "127.0.0.1", server.port), PinnedDialer(loopback=True)
    channel = Channel(host, Purpose.SYNC, routes.ROUTES, lambda: dialer.dial(host), None, loopback=True)
    session = Session(channel, FixedLeases(Secret("token"), host), "62.0", SystemClock())
    try:
        yield session
    finally:
        await session.close()


async def test_a_request_goes_on_after_a_page_of_maintenance() -> None:
    page = http(302, b"<html>", "Location: https://example.com/maintenance", "Retry-After: 0")
    limits = http(200, b'{"DailyApiRequests":{"Max":100,"Remaining":-20,"An App":{"Max":1,"Remaining":1}}}')
    async with plain_server(page, limits) as server, session_to(server) as session:
        assert await session.limits() == ApiLimits(used=120, max=100)


async def test_the_count_of_an_app_is_not_taken_for_the_orgs() -> None:
    header = "Sforce-Limit-Info: per-app-api-usage=17/250(appName=x), api-usage=25/5000"
    limits = http(200, b'{"DailyApiRequests":{"Max":1,"Remaining":1}}', header)
    async with plain_server(limits) as server, session_to(server) as session:
        await session.limits()
        assert session.usage == ApiLimits(25, 5000)


async def test_a_result_without_its_parts_is_a_row_of_its_own_fate() -> None:
    results = [
        {"id": "001000000000001AAA", "success": True, "errors": None, "created": None},
        None,
        {"success": False, "errors": [{"statusCode": "STRING_TOO_LONG", "message": None, "fields": None}]},
        {"success": False, "errors": []},
    ]
    async with plain_server(http(200, json.dumps(results).encode())) as server, session_to(server) as session:
        found = await upsert(session, ApiName("Account"), ApiName("Key__c"), [{"Key__c": str(n)} for n in range(4)])
    too_long = StatusCode.parse("STRING_TOO_LONG")
    assert found == [
        RowResult(ok=True, created=False, code=None, field_names=()),
        RowResult(ok=False, created=False, code=StatusCode.OTHER, field_names=()),
        RowResult(ok=False, created=False, code=too_long, field_names=()),
        RowResult(ok=False, created=False, code=StatusCode.OTHER, field_names=()),
    ]


def test_rows_come_out_behind_a_byte_order_mark() -> None:
    rows = CsvRows()
    assert rows.feed(b'\xef\xbb\xbf"sf__Id","sf__Error"\r\n"","\xef\xbb\xbfx"\r\n') == [
        [b"sf__Id", b"sf__Error"],
        [b"", b"\xef\xbb\xbfx"],
    ]


def test_a_describe_may_leave_out_what_a_field_has_not() -> None:
    field = {
        "name": "A__c",
        "label": "A",
        "type": "picklist",
        "referenceTo": None,
        "picklistValues": [{"value": None, "label": None, "active": True}, {"value": "x", "validFor": None}],
    }
    kinds = [{"name": "Master", "recordTypeId": "012000000000000AAA"}]
    body = {"name": "X__c", "label": "X", "fields": [field], "recordTypeInfos": kinds}
    describe = parse_describe(json.dumps(body).encode())
    assert describe.record_types[0].developer_name == "Master"
    assert describe.fields[0].picklist_values == ("x",)
    assert describe.fields[0].reference_to == ()
