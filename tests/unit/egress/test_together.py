"""Requests that take others along: only reading ones, each allowed by itself, and the policy writes the body."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from isthmus.egress.policy import LOGIN, Allowed, Call, Denied, DenyReason, Reach, decide
from isthmus.salesforce import routes
from isthmus.salesforce.routes import ROUTES
from isthmus.values import OrgHost, Purpose

HOST = OrgHost("https", "acme.my.salesforce.com", 443)
VERSION = {"version": "62.0"}
COUNT = Call(routes.QUERY, {**VERSION, "soql": "SELECT COUNT() FROM Account"})
MOMENT = datetime(2026, 6, 10, 12, tzinfo=UTC)
GONE = Call(routes.DELETED, {**VERSION, "object": "Account", "start": MOMENT, "end": MOMENT})


def together(*parts: Call, reach: Reach = Purpose.SYNC) -> Allowed | Denied:
    return decide(Call(routes.TOGETHER, VERSION, parts), reach, HOST, ROUTES, loopback=False)


def test_counts_and_lists_of_deletions_go_together() -> None:
    allowed = together(*[COUNT] * 5, *[GONE] * 20)
    assert isinstance(allowed, Allowed)
    assert allowed.target == "/services/data/v62.0/composite"
    body = json.loads(allowed.body or b"")
    assert len(body["compositeRequest"]) == 25
    assert body["compositeRequest"][0] == {
        "method": "GET",
        "url": "/services/data/v62.0/query?q=SELECT%20COUNT%28%29%20FROM%20Account",
        "referenceId": "r0",
    }
    assert body["allOrNone"] is False


@pytest.mark.parametrize(
    "parts",
    [
        (),
        (COUNT,) * 6,
        (GONE,) * 26,
        (Call(routes.LIMITS, VERSION),),
        (Call(routes.UPSERT, {**VERSION, "object": "Account", "key": "K__c"}),),
        (Call(routes.EXPORT_DELETE, {**VERSION, "job": "750000000000001"}),),
        (Call(routes.TOGETHER, VERSION, (COUNT,)),),
        (Call(routes.QUERY, {**VERSION, "soql": "SELECT Id FROM Account FOR VIEW"}),),
        (Call(routes.QUERY, VERSION),),
        (Call(routes.DELETED, {**GONE.holes, "object": "Account/../../x"}),),
    ],
    ids=["none", "six-queries", "too-many", "other-route", "write", "delete", "nested", "view", "hole", "path"],
)
def test_nothing_else_goes_along(parts: tuple[Call, ...]) -> None:
    assert together(*parts) == Denied(DenyReason.PARTS)


def test_a_request_that_carries_nothing_takes_nothing_along() -> None:
    denied = decide(Call(routes.QUERY, COUNT.holes, (COUNT,)), Purpose.SYNC, HOST, ROUTES, loopback=False)
    assert denied == Denied(DenyReason.PARTS)


@pytest.mark.parametrize("reach", [Purpose.AUDIT, LOGIN])
def test_only_syncs_ask_together(reach: Reach) -> None:
    assert together(COUNT, reach=reach) == Denied(DenyReason.OUT_OF_REACH)
