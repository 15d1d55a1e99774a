"""Each promise is withdrawn when its mechanism is off: every judge is shown the fault that it is there for."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from isthmus.db.storable import SalesforceId, SalesforceUsername, ScopeList
from isthmus.orgs.model import Connection, ConnectionState, Custody
from isthmus.sandbox.report import Probe
from isthmus.trust import catalogue, keeping, requests
from isthmus.trust.confinement import Attestation, judge_confinement
from isthmus.trust.model import Verdict
from isthmus.values import Alias, ConnectionId, OrgId, Purpose

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
ALL_PROBES = (1 << len(Probe)) - 1
GOOD = Custody(
    key_mode="key file",
    key_id="k1",
    key_file_mode="0600",
    key_file_outside_data_dir=True,
    key_file_owner_is_keeper=True,
    dumpable=False,
    core_limit=0,
    swap_locked=True,
    pkce_method="S256",
    pkce_enforcement="unproven",
    connections_sealed=2,
    open_lease_channels=0,
)
CONFINED = Attestation(NOW, True, 4, 2, 0, 0, 0, 0, ALL_PROBES, ALL_PROBES)
LOOSE = dataclasses.replace(CONFINED, confined=False, landlock_abi=0, refused=ALL_PROBES & ~1)


def _connection(scopes: str, purpose: Purpose = Purpose.SYNC, **changed: object) -> Connection:
    made = Connection(
        id=ConnectionId(uuid4()),
        org_id=OrgId(uuid4()),
        alias=Alias("acme"),
        purpose=purpose,
        state=ConnectionState.ACTIVE,
        epoch=1,
        login_origin="https://login.salesforce.com",
        instance_origin="https://acme.my.salesforce.com",
        salesforce_org_id=SalesforceId("00D000000000001EAA"),
        username=SalesforceUsername("a@b.example"),
        scopes=ScopeList(scopes),
        connected_at=NOW,
        refreshed_at=None,
        revoked_at=None,
        revoke_confirmed_at=None,
    )
    return dataclasses.replace(made, **changed)  # pyright: ignore[reportArgumentType] fields by name


def test_a_mover_that_was_not_confined_withdraws_the_promise_for_a_day() -> None:
    assert judge_confinement([], NOW).verdict is Verdict.NOT_YET_KNOWN
    assert judge_confinement([CONFINED], NOW).verdict is Verdict.KEPT
    assert judge_confinement([LOOSE, CONFINED], NOW).verdict is Verdict.WITHDRAWN
    recent = dataclasses.replace(LOOSE, reported_at=NOW - timedelta(hours=2))
    old = dataclasses.replace(LOOSE, reported_at=NOW - timedelta(days=2))
    assert judge_confinement([CONFINED, recent], NOW).verdict is Verdict.WITHDRAWN
    assert judge_confinement([CONFINED, old], NOW).verdict is Verdict.KEPT


def test_the_evidence_names_what_an_unconfined_mover_could_do() -> None:
    assert any("not refused: open read" in line for line in judge_confinement([LOOSE], NOW).evidence)


@pytest.mark.parametrize(
    "fault",
    [
        {"key_file_outside_data_dir": False},
        {"key_file_mode": "0644"},
        {"key_file_owner_is_keeper": False},
    ],
)
def test_a_key_that_others_can_reach_withdraws_the_promise(fault: dict[str, object]) -> None:
    assert keeping.judge_key(GOOD).verdict is Verdict.KEPT
    judged = keeping.judge_key(dataclasses.replace(GOOD, **fault))  # pyright: ignore[reportArgumentType]
    assert judged.verdict is Verdict.WITHDRAWN
    assert judged.remedy


def test_another_challenge_method_withdraws_pkce() -> None:
    assert keeping.judge_pkce(GOOD).verdict is Verdict.KEPT
    assert keeping.judge_pkce(dataclasses.replace(GOOD, pkce_method="plain")).verdict is Verdict.WITHDRAWN


def test_a_process_that_can_dump_its_memory_withdraws_the_promise() -> None:
    assert keeping.judge_process(GOOD, [CONFINED]).verdict is Verdict.KEPT
    assert keeping.judge_process(dataclasses.replace(GOOD, dumpable=True), []).verdict is Verdict.WITHDRAWN
    assert keeping.judge_process(GOOD, [dataclasses.replace(CONFINED, core_limit=1)]).verdict is Verdict.WITHDRAWN


def test_a_scope_that_was_not_asked_for_withdraws_the_promise() -> None:
    assert keeping.judge_scopes([]).verdict is Verdict.NOT_YET_KNOWN
    assert keeping.judge_scopes([_connection("api refresh_token")]).verdict is Verdict.KEPT
    assert keeping.judge_scopes([_connection("api full refresh_token")]).verdict is Verdict.WITHDRAWN
    audit = _connection("api offline_access openid refresh_token", Purpose.AUDIT)
    assert keeping.judge_scopes([audit]).verdict is Verdict.KEPT


def test_a_run_on_a_revoked_connection_withdraws_revocation() -> None:
    revoked = _connection("api", state=ConnectionState.REVOKED, revoked_at=NOW)
    confirmed = dataclasses.replace(revoked, revoke_confirmed_at=NOW)
    assert keeping.judge_revocation([], 0).verdict is Verdict.NOT_YET_KNOWN
    assert keeping.judge_revocation([revoked], 0).verdict is Verdict.NOT_YET_KNOWN
    assert keeping.judge_revocation([confirmed], 0).verdict is Verdict.KEPT
    assert keeping.judge_revocation([confirmed], 1).verdict is Verdict.WITHDRAWN


def test_a_column_that_could_hold_a_value_withdraws_the_promise() -> None:
    number = catalogue.WritableColumn("run.rows_read", "bigint", 8)
    text = catalogue.WritableColumn("run.note", "text", -1)
    assert catalogue.judge_worker_columns([]).verdict is Verdict.WITHDRAWN, "an empty catalogue proves nothing"
    assert catalogue.judge_worker_columns([number]).verdict is Verdict.KEPT
    assert catalogue.judge_worker_columns([number, text]).verdict is Verdict.WITHDRAWN


def test_a_credential_column_in_the_clear_or_readable_by_others_withdraws_the_promise() -> None:
    good = [catalogue.CredentialColumn(name, "envelope", 0) for name in sorted(catalogue.EXPECTED_ENVELOPES)]
    assert catalogue.judge_credentials(good, 1).verdict is Verdict.KEPT
    clear = [*good[1:], dataclasses.replace(good[0], domain="bytea")]
    assert catalogue.judge_credentials(clear, 1).verdict is Verdict.WITHDRAWN
    readable = [*good[1:], dataclasses.replace(good[0], readers=1)]
    assert catalogue.judge_credentials(readable, 1).verdict is Verdict.WITHDRAWN
    assert catalogue.judge_credentials(good[1:], 1).verdict is Verdict.WITHDRAWN


@pytest.mark.parametrize(
    ("version", "verdict"),
    [
        (180006, Verdict.KEPT),
        (180003, Verdict.WITHDRAWN),
        (150018, Verdict.KEPT),
        (150017, Verdict.WITHDRAWN),
        (140030, Verdict.WITHDRAWN),
    ],
)
def test_a_server_below_its_floor_withdraws_the_promise(version: int, verdict: Verdict) -> None:
    assert catalogue.judge_version(version).verdict is verdict


def test_the_route_table_refuses_every_plant_and_plain_http_is_shown_as_a_withdrawn_promise() -> None:
    assert requests.judge_audit_reads().verdict is Verdict.KEPT
    assert requests.judge_egress(loopback=False).verdict is Verdict.KEPT
    assert requests.judge_egress(loopback=True).verdict is Verdict.WITHDRAWN
    assert len(requests.listed_requests()) > 20
