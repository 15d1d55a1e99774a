"""The audit sends the listed requests and no others, and leaves the org as it was."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlencode

import pytest

from isthmus.audit.figures import Report
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


def audited(org: Orgsim, out: Path) -> Report:
    """Audit the org; see that it got listed requests only, that the report says which, and that nothing has changed."""
    before, viewed = org.control("GET", "/state"), views(org)
    org.control("DELETE", "/transcript")
    report = audit_org(org, out).report
    calls = org.transcript()
    assert strangers(calls) == []
    assert sent(calls) == {line.text: line.times for line in report.requests if line.text.startswith("SELECT")}, (
        "what the report says was sent is what the org saw"
    )
    assert report.api_calls == len(calls) - 1, "the list of versions, asked for its clock, is no API call"
    assert org.control("GET", "/state")["sha256"] == before["sha256"]
    assert views(org) == viewed
    return report


def views(org: Orgsim) -> list[object]:
    """Return what the audit's own user has viewed, by every way in which an org tells."""
    asked = (
        "SELECT Id, LastViewedDate FROM RecentlyViewed ORDER BY Id",
        "SELECT Id, LastViewedDate, LastReferencedDate FROM User WHERE LastViewedDate != NULL ORDER BY Id",
        "SELECT Id, LastViewedDate, LastReferencedDate FROM Account WHERE LastViewedDate != NULL ORDER BY Id",
    )
    return [org.call("GET", f"/services/data/v62.0/query?{urlencode({'q': soql})}")[2] for soql in asked]


def sent(calls: list[dict[str, object]]) -> dict[str, int]:
    """Count the queries by their constant text; the instants in them go back to holes. Further pages do not count."""
    found: Counter[str] = Counter()
    for call in calls:
        asked = parse_qs(str(call["query"] or "")).get("q", [])
        for text in asked:
            since = re.sub(rf"(LoginTime >= ){INSTANT}", r"\1{since}", text)
            found[re.sub(rf"(LoginTime < ){INSTANT}", r"\1{until}", since)] += 1
    return dict(found)


def test_an_audit_of_a_company_of_450_sends_listed_requests_only_and_changes_nothing(
    demo: Orgsim, tmp_path: Path
) -> None:
    demo.call("GET", f"/services/data/v62.0/sobjects/Account/{demo.rows('Account')[0]['Id']}")
    assert audited(demo, tmp_path / "out").seats_unused


@pytest.mark.parametrize(
    ("profile", "rows"),
    [
        ("empty", {}),
        ("bench", {"User": 1, "LoginHistory": 10}),
        ("bench", {"User": 5_000, "LoginHistory": 20_000, "PermissionSetLicenseAssign": 2_500}),
    ],
    ids=["nobody", "one user", "5,000 users"],
)
def test_an_org_of_any_size_gets_listed_requests_only(profile: str, rows: dict[str, int], tmp_path: Path) -> None:
    with start_orgsim(profile=profile, rows=rows, seed=5) as org:
        report = audited(org, tmp_path / "out")
    assert report.login_rows == rows.get("LoginHistory", 0)
    assert report.users >= rows.get("User", 0)


def test_logins_too_dense_for_one_answer_are_asked_for_in_listed_requests_too(tmp_path: Path) -> None:
    """5,000 people within one hour: more groups than a query returns, so windows are halved, by the same two queries."""
    with start_orgsim(profile="empty", seed=6) as org:
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=3)
        rows = [
            {
                "UserId": f"005tt{number:010d}AAA",
                "LoginTime": (hour + timedelta(seconds=number * 3600 // 5_000)).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
                "LoginType": "Application",
                "Status": "Success",
                "Application": "Browser",
            }
            for number in range(5_000)
        ]
        org.add_rows("LoginHistory", rows)
        report = audited(org, tmp_path / "out")
    grouped = [line for line in report.requests if " GROUP BY " in line.text]
    assert report.login_rows == 5_000
    assert grouped[0].times >= 4


def test_no_query_of_the_list_reaches_beyond_the_five_objects_or_writes() -> None:
    """The check above goes by the product's list, so the list itself is held to the five objects here."""
    for query in AUDIT_QUERIES.values():
        fields, _, rest = query.text.removeprefix("SELECT ").partition(" FROM ")
        assert query.text.startswith("SELECT ")
        assert re.match(rf"{OBJECTS}(?:$| WHERE | GROUP BY )", rest), query.text
        assert not re.search(r"\b(?:FOR|UPDATE|ALL ROWS|SELECT|SourceIp|ForwardedForIp|Geo)\b", f"{fields} FROM {rest}")
        paths = set(re.findall(r"\w+(?:\.\w+)+", fields))
        assert paths <= {"Profile.Name", "Profile.UserLicenseId", "Profile.UserLicense.LicenseDefinitionKey"}


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


def test_the_views_check_sees_a_planted_view(demo: Orgsim) -> None:
    before = views(demo)
    account = demo.rows("Account")[1]["Id"]
    asked = urlencode({"q": f"SELECT Id, Name FROM Account WHERE Id = '{account}' FOR VIEW"})
    demo.call("GET", f"/services/data/v62.0/query?{asked}")
    assert views(demo) != before


def test_the_state_check_sees_a_planted_change(demo: Orgsim) -> None:
    before = demo.control("GET", "/state")["sha256"]
    demo.control("PATCH", f"/rows/User/{demo.rows('User')[0]['Id']}", {"Department": "Planted"})
    assert demo.control("GET", "/state")["sha256"] != before
