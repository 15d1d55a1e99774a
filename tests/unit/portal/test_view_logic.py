"""What pages decide before they are drawn."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast
from uuid import uuid4

import pytest

from isthmus.audit.desk.views import AuditState
from isthmus.audit.figures import LicenseLine
from isthmus.audit.finding import Grade
from isthmus.config import read_settings
from isthmus.db.storable import SalesforceId, SalesforceUsername, ScopeList
from isthmus.orgs.model import Connection, ConnectionState, ConsentDenied, StateUnknown
from isthmus.portal import live
from isthmus.portal.charts import license_chart
from isthmus.portal.connecting import explained, read_wish
from isthmus.portal.headers import content_policy
from isthmus.portal.hosts import own_hosts
from isthmus.portal.next_steps import next_steps
from isthmus.portal.orgs_view import by_org, usable
from isthmus.portal.pages.audits import read_filter
from isthmus.portal.pages.runs import percent
from isthmus.portal.pages.syncs import stages
from isthmus.portal.problems import Problem
from isthmus.portal.sync_forms import simple_definition
from isthmus.sync.model import RunState, SyncState
from isthmus.sync.spec import parse_spec
from isthmus.values import Alias, ConnectionId, OrgId, Purpose

WISH = {
    "purpose": "audit",
    "environment": "my_domain",
    "address": "acme.my.salesforce.com",
    "alias": "Acme",
    "client_id": "3MVG9.abc_DEF",
    "client_secret": "",
}


def _settings(**environ: str) -> Any:
    return read_settings({"HOME": "/home/x", **environ})


def _connection(
    alias: str, purpose: Purpose, state: ConnectionState = ConnectionState.ACTIVE, org: OrgId | None = None
) -> Connection:
    now = datetime(2026, 11, 22, tzinfo=UTC)
    return Connection(
        id=ConnectionId(uuid4()),
        org_id=org or OrgId(uuid4()),
        alias=Alias(alias),
        purpose=purpose,
        state=state,
        epoch=1,
        login_origin="https://login.salesforce.com",
        instance_origin=f"https://{alias}.my.salesforce.com",
        salesforce_org_id=SalesforceId("00D000000000001EAA"),
        username=SalesforceUsername("a@b.example"),
        scopes=ScopeList("api refresh_token"),
        connected_at=now,
        refreshed_at=None,
        revoked_at=None,
        revoke_confirmed_at=None,
    )


def _wish(**changed: str) -> Any:
    fields = {**WISH, **changed}
    return read_wish(lambda name: fields.get(name, ""), _settings())


def test_a_wish_is_parsed_once_into_checked_words() -> None:
    wanted = _wish()
    assert (wanted.alias, wanted.purpose, wanted.login_host.origin) == (
        "acme",
        Purpose.AUDIT,
        "https://acme.my.salesforce.com",
    )


def test_production_and_sandbox_need_no_address() -> None:
    assert _wish(environment="production", address="").login_host.name == "login.salesforce.com"
    assert _wish(environment="sandbox", address="").login_host.name == "test.salesforce.com"


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"purpose": "both"}, "purpose"),
        ({"alias": "a b"}, "alias"),
        ({"address": ""}, "address"),
        ({"address": "evil.example"}, "not login.salesforce.com"),
        ({"address": "http://127.0.0.1:8801"}, "ISTHMUS_ALLOW_LOOPBACK_HTTP"),
        ({"client_id": ""}, "client id"),
        ({"client_id": "a b"}, "client id"),
    ],
)
def test_a_wrong_wish_is_refused_with_the_rule_and_never_the_value(changed: dict[str, str], rule: str) -> None:
    with pytest.raises(Problem) as refused:
        _wish(**changed)
    assert rule in refused.value.text
    assert refused.value.remedy
    assert not [value for value in changed.values() if value and value in refused.value.text]


@pytest.mark.parametrize(("failure", "status"), [(ConsentDenied("denied"), 403), (StateUnknown("used"), 400)])
def test_each_failure_to_connect_has_its_own_title_and_the_way_to_start_again(failure: Any, status: int) -> None:
    problem = explained(failure)
    assert (problem.status, problem.text, problem.way_out.href) == (status, str(failure), "/orgs/connect")


def test_the_set_up_list_marks_one_step_as_the_next_and_vanishes_when_all_is_done() -> None:
    nothing = next_steps([], [], [])
    assert [step.first for step in nothing] == [True, False, False, False, False]
    two = [_connection("a", Purpose.SYNC), _connection("b", Purpose.SYNC), _connection("c", Purpose.AUDIT)]
    audits = cast("Any", [SimpleNamespace(state=AuditState.DONE)])
    syncs = cast("Any", [SimpleNamespace(state=SyncState.ACTIVE, id=uuid4())])
    assert next_steps(two, audits, syncs) == []


def test_connections_are_grouped_by_org_and_revoked_ones_are_not_offered() -> None:
    org = OrgId(uuid4())
    listed = [
        _connection("b", Purpose.SYNC, org=org),
        _connection("b", Purpose.AUDIT, ConnectionState.REVOKED, org),
        _connection("a", Purpose.AUDIT),
    ]
    assert [(view.alias, len(view.connections)) for view in by_org(listed)] == [("a", 1), ("b", 2)]
    assert [c.alias for c in usable(listed, Purpose.AUDIT)] == ["a"]


def test_a_withheld_figure_has_no_bar_and_is_called_withheld() -> None:
    line = cast("LicenseLine", SimpleNamespace(name="Chatter Free", purchased=500, assigned=20, active_90=None))
    chart = license_chart(line)
    assert [bar.width for bar in chart.bars] == [100.0, 4.0, 0.0]
    assert "withheld" in chart.says


def test_a_filter_that_makes_no_sense_is_left_out() -> None:
    wanted = read_filter({"grade": "Z", "rule": "R05", "text": " ann "})
    assert (wanted.grade, wanted.rule, wanted.text) == (None, "R05", "ann")
    assert read_filter({"grade": "A"}).grade is Grade.A


@pytest.mark.parametrize(
    ("state", "written", "expected", "share"),
    [
        (RunState.RUNNING, 50, 200, 25),
        (RunState.RUNNING, 0, 0, 0),
        (RunState.DONE, 0, 0, 100),
        (RunState.FAILED, 100, 400, 25),
        (RunState.RUNNING, 300, 200, 100),
    ],
)
def test_progress_is_a_share_that_never_passes_a_hundred(
    state: RunState, written: int, expected: int, share: int
) -> None:
    run = cast("Any", SimpleNamespace(state=state, rows_written=written, rows_failed=0, rows_expected=expected))
    assert percent(run) == share


def test_a_paused_sync_shows_its_whole_path() -> None:
    assert [stage.mark for stage in stages(SyncState.PAUSED)] == ["past", "past", "past", "now"]
    assert [stage.mark for stage in stages(SyncState.ACTIVATING)] == ["past", "now", "ahead"]


def test_the_checklist_becomes_a_definition_that_the_parser_accepts() -> None:
    spec = parse_spec(simple_definition("My: sync # 1", ["Account", "Contact", "Account", "Foo__c"]))
    assert (spec.name, [step.object for step in spec.steps]) == ("My: sync # 1", ["Account", "Contact", "Foo__c"])


def test_an_impossible_object_name_is_refused() -> None:
    with pytest.raises(Problem):
        simple_definition("x", ["Account; drop"])
    with pytest.raises(Problem):
        simple_definition("x", [])


def test_a_line_break_in_a_fragment_cannot_forge_an_event() -> None:
    forged = live.message("<p>a\n\nevent: end\ndata: x</p>")
    assert forged == b"data: <p>a\ndata: \ndata: event: end\ndata: data: x</p>\n\n"


def test_the_policy_allows_no_script_on_an_answer_without_a_page() -> None:
    assert "script-src 'none'" in content_policy(None)
    assert "unsafe" not in content_policy("n")
    assert content_policy("n").startswith("default-src 'none'")


def test_the_portal_answers_to_its_public_name_and_its_own_address_only() -> None:
    hosts = own_hosts(_settings(ISTHMUS_PUBLIC_URL="https://isthmus.example.com", ISTHMUS_PORT="8700"))
    assert hosts == {"isthmus.example.com", "127.0.0.1:8700"}
