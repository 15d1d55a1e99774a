"""The policy builds requests from routes and typed holes; what is not in the table cannot be said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.egress.policy import (
    LOGIN,
    SOQL_LENGTH_MAX,
    Allowed,
    Call,
    Denied,
    DenyReason,
    Hole,
    Method,
    RouteName,
    decide,
    render_hole,
)
from isthmus.salesforce import routes
from isthmus.salesforce.routes import ROUTES
from isthmus.values import OrgHost, Purpose

HOST = OrgHost("https", "acme.my.salesforce.com", 443)
V = {"version": "62.0"}


def build(name: RouteName, holes=None, reach=Purpose.SYNC, host=HOST, loopback=False):
    return decide(Call(name, {**V, **(holes or {})}), reach, host, ROUTES, loopback=loopback)


def test_a_request_is_made_of_its_route_and_holes_alone():
    built = build(routes.DESCRIBE, {"object": "Account"})
    assert isinstance(built, Allowed)
    assert (built.method, built.target) == (Method.GET, "/services/data/v62.0/sobjects/Account/describe")


def test_a_query_is_escaped_as_one_parameter():
    built = build(routes.QUERY, {"soql": "SELECT Id FROM Account WHERE Name = 'a&b=c#d+e %é'"})
    assert isinstance(built, Allowed)
    assert built.target == (
        "/services/data/v62.0/query?q=SELECT%20Id%20FROM%20Account%20WHERE%20Name%20%3D%20%27a%26b%3Dc%23d%2Be%20%25%C3%A9%27"
    )


def test_an_optional_parameter_may_be_left_out():
    job = {"job": "750000000000001"}
    assert build(routes.EXPORT_PAGE, job).target == "/services/data/v62.0/jobs/query/750000000000001/results"
    built = build(routes.EXPORT_PAGE, {**job, "locator": "MTAw", "rows": 10})
    assert built.target.endswith("/results?locator=MTAw&maxRecords=10")


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (Call(RouteName("anything")), DenyReason.UNKNOWN_ROUTE),
        (Call(routes.DESCRIBE, V), DenyReason.HOLES),
        (Call(routes.DESCRIBE, {**V, "object": "Account", "more": "x"}), DenyReason.HOLES),
        (Call(routes.DESCRIBE, {**V, "object": "../limits"}), DenyReason.HOLE_VALUE),
        (Call(routes.DESCRIBE, {"version": "62.0/../..", "object": "Account"}), DenyReason.HOLE_VALUE),
        (
            Call(routes.QUERY, {**V, "soql": "SELECT Id FROM Account WHERE Name='" + "é" * 5000 + "'"}),
            DenyReason.TOO_LONG,
        ),
    ],
)
def test_what_is_not_whole_is_refused_with_its_reason(call, reason):
    assert decide(call, Purpose.SYNC, HOST, ROUTES, loopback=False) == Denied(reason)


@pytest.mark.parametrize("name", [name for name, route in ROUTES.items() if Purpose.AUDIT not in route.reaches])
def test_an_audit_connection_reaches_no_other_route(name):
    assert decide(Call(name), Purpose.AUDIT, HOST, ROUTES, loopback=False) == Denied(DenyReason.OUT_OF_REACH)


def test_an_audit_connection_can_only_read():
    audit = [route for route in ROUTES.values() if Purpose.AUDIT in route.reaches]
    assert {route.method for route in audit} == {Method.GET}
    assert all(Hole.SOQL not in route.holes.values() for route in audit)
    assert [route.name for route in audit if not route.name.startswith("audit.")] == [
        routes.VERSIONS,
        routes.LIMITS,
        routes.DESCRIBE,
        routes.QUERY_MORE,
    ]


def test_login_requests_are_the_keepers_alone():
    for name in (routes.TOKEN, routes.REVOKE):
        for purpose in Purpose:
            assert decide(Call(name), purpose, HOST, ROUTES, loopback=False) == Denied(DenyReason.OUT_OF_REACH)
        assert isinstance(decide(Call(name), LOGIN, HOST, ROUTES, loopback=False), Allowed)
    assert {name for name, route in ROUTES.items() if LOGIN in route.reaches} == {
        routes.TOKEN,
        routes.REVOKE,
        routes.USERINFO,
        routes.VERSIONS,
    }


def test_no_route_carries_a_token_or_a_method_in_its_address():
    for route in ROUTES.values():
        assert "_HttpMethod" not in str((route.path, route.query))
        assert "oauth_token" not in str((route.path, route.query))
        assert not (route.path.endswith("/revoke") and route.method is Method.GET)


WRITING = [
    "SELECT Id FROM Account FOR VIEW",
    "SELECT Id FROM Account for reference",
    "SELECT Id FROM Account FOR\u00a0VIEW",
    "SELECT Title FROM KnowledgeArticleVersion UPDATE VIEWSTAT",
    "SELECT Id FROM Account USING SCOPE mine",
    "SELECT Id FROM Account WHERE Name = 'x\\' FOR VIEW",
    "SELECT Id FROM Account WHERE Name = 'x' FOR VIEW--'",
    "SELECT Id FROM Account WHERE Name = 'x\n'",
    "FIND {x} IN ALL FIELDS",
    "select Id from Account",
    "SELECT Id FROM Account\x00",
    "SELECT " + "x" * SOQL_LENGTH_MAX,
]


@pytest.mark.parametrize("soql", WRITING)
def test_a_query_that_would_write_or_is_none_fills_no_hole(soql):
    assert render_hole(Hole.SOQL, soql) is None


@pytest.mark.parametrize(
    "soql",
    [
        "SELECT Id FROM Account WHERE Name = 'ready FOR VIEW'",
        "SELECT For__c FROM Update__c",
        "SELECT Id FROM Account WHERE Name = 'it\\'s for reference'",
    ],
)
def test_words_inside_texts_and_names_do_no_harm(soql):
    assert render_hole(Hole.SOQL, soql) == soql


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Hole.ID, "750"),
        (Hole.ID, "7500000000000010"),
        (Hole.ID, "75000000000000/"),
        (Hole.API_NAME, "Account'"),
        (Hole.API_NAME, ""),
        (Hole.API_NAME, "Ünicode"),
        (Hole.LOCATOR, "a/b"),
        (Hole.LOCATOR, ""),
        (Hole.LOCATOR, "a" * 257),
        (Hole.QUERY_LOCATOR, "01g000000000001-2000/x"),
        (Hole.VERSION, "62"),
        (Hole.VERSION, 62),
        (Hole.COUNT, -1),
        (Hole.COUNT, True),
        (Hole.COUNT, "1"),
        (Hole.INSTANT, "2026-01-01T00:00:00Z"),
        (Hole.INSTANT, datetime(2026, 1, 1)),  # noqa: DTZ001 the point
        (Hole.SOQL, 1),
    ],
)
def test_a_value_of_another_kind_fills_no_hole(kind, value):
    assert render_hole(kind, value) is None


def test_an_instant_is_written_in_utc():
    there = datetime(2026, 1, 1, 12, 0, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert render_hole(Hole.INSTANT, there) == "2026-01-01T06:30:00Z"
    assert render_hole(Hole.INSTANT, there.astimezone(UTC)) == "2026-01-01T06:30:00Z"


def test_a_header_may_have_a_hole_and_takes_a_time_only():
    known = datetime(2026, 3, 1, 2, 0, 0, tzinfo=timezone(timedelta(hours=2)))
    holes = {"object": "Account", "row": "001000000000001AAA"}
    built = build(routes.UPDATE_UNCHANGED, {**holes, "unless_after": known})
    assert ("If-Unmodified-Since", "Sun, 01 Mar 2026 00:00:00 GMT") in built.headers
    for value in ("Sun, 01 Mar 2026 00:00:00 GMT\r\nX: y", known.replace(tzinfo=None), 5):
        assert build(routes.UPDATE_UNCHANGED, {**holes, "unless_after": value}) == Denied(DenyReason.HOLE_VALUE)


@given(text=st.text(max_size=40))
def test_no_text_in_a_name_hole_changes_the_path(text):
    built = build(routes.DESCRIBE, {"object": text})
    if isinstance(built, Allowed):
        assert built.target == f"/services/data/v62.0/sobjects/{text}/describe"
        assert text.isalnum() or "_" in text


@given(text=st.text(max_size=60))
def test_no_text_in_a_query_adds_a_parameter(text):
    built = build(routes.QUERY, {"soql": "SELECT " + text})
    if isinstance(built, Allowed):
        assert built.target.count("?") == 1
        assert "&" not in built.target
        assert "#" not in built.target


@pytest.mark.parametrize(
    "host",
    [
        OrgHost("https", "evil.example", 443),
        OrgHost("http", "acme.my.salesforce.com", 80),
        OrgHost("https", "acme.my.salesforce.com", 8443),
        OrgHost("http", "127.0.0.1", 80),
    ],
)
def test_a_call_to_another_host_is_refused(host):
    assert build(routes.LIMITS, host=host) == Denied(DenyReason.HOST)
