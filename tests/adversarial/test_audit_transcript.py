"""The audit sends the listed requests and no others, and leaves the org as it was."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from isthmus.salesforce.audit_queries import AUDIT_QUERIES
from tests.support.auditing import audit_org
from tests.support.orgsim import Orgsim, start_orgsim

INSTANT = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z"
OBJECTS = "(User|UserLicense|LoginHistory|PermissionSetLicense|PermissionSetLicenseAssign)"
PATHS = (
    re.compile(r"/services/data/?"),
    re.compile(r"/services/data/v[0-9]{2}\.0/limits/?"),
    re.compile(rf"/services/data/v[0-9]{{2}}\.0/sobjects/{OBJECTS}/describe/?"),
    re.compile(r"/services/data/v[0-9]{2}\.0/query/01g[A-Za-z0-9]+-[0-9]+"),
)
SOQL = tuple(
    re.compile(re.escape(query.text).replace(r"\{since\}", INSTANT).replace(r"\{until\}", INSTANT))
    for query in AUDIT_QUERIES.values()
)


@pytest.fixture(scope="module")
def demo() -> Iterator[Orgsim]:
    with start_orgsim(profile="demo", seed=3) as org:
        yield org


def strangers(calls: list[dict[str, object]]) -> list[dict[str, object]]:
    """Calls that are on no list."""
    return [call for call in calls if not listed(call)]


def listed(call: dict[str, object]) -> bool:
    path, query = str(call["path"]), str(call["query"] or "")
    if call["method"] != "GET":
        return False
    if re.fullmatch(r"/services/data/v[0-9]{2}\.0/query/?", path):
        asked = parse_qs(query, keep_blank_values=True)
        return set(asked) == {"q"} and any(soql.fullmatch(asked["q"][0]) for soql in SOQL)
    return not query and any(pattern.fullmatch(path) for pattern in PATHS)


def test_an_audit_sends_listed_requests_only_and_changes_nothing(demo: Orgsim, tmp_path: Path) -> None:
    before = demo.control("GET", "/state")
    demo.control("DELETE", "/transcript")
    result = audit_org(demo, tmp_path / "out")
    calls = demo.transcript()
    assert strangers(calls) == []
    assert demo.control("GET", "/state")["sha256"] == before["sha256"]
    # What the report says was sent is what the org saw.
    assert sum(line.times for line in result.report.requests) <= len(calls)
    asked = sum(1 for call in calls if "?" in str(call["path"]) or call["query"])
    assert asked == sum(line.times for line in result.report.requests if line.text.startswith("SELECT"))


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/services/data/v62.0/sobjects/User"),
        ("GET", "/services/data/v62.0/query?q=SELECT+Id+FROM+Account"),
        ("GET", "/services/data/v62.0/query?q=SELECT+Id+FROM+UserLicense+FOR+VIEW"),
        ("GET", "/services/data/v62.0/sobjects/Account/describe"),
        ("GET", "/services/oauth2/revoke?token=x"),
        ("GET", "/services/data/v62.0/queryAll?q=SELECT+Id+FROM+UserLicense"),
    ],
)
def test_the_transcript_check_sees_a_planted_stranger(demo: Orgsim, method: str, path: str) -> None:
    demo.control("DELETE", "/transcript")
    demo.call(method, path, {} if method == "POST" else None)
    assert len(strangers(demo.transcript())) == 1


def test_the_state_check_sees_a_planted_change(demo: Orgsim) -> None:
    before = demo.control("GET", "/state")["sha256"]
    demo.control("PATCH", f"/rows/User/{demo.rows('User')[0]['Id']}", {"Department": "Planted"})
    assert demo.control("GET", "/state")["sha256"] != before
