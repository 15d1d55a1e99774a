"""A whole audit of the demo company through a real mover."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from isthmus.audit.evidence.verify import verify_bundle
from isthmus.audit.failures import AuditFailed, Failure
from isthmus.audit.given.options import AuditOptions
from isthmus.audit.once import OutputRefused
from isthmus.values import Secret
from tests.support.auditing import audit_org
from tests.support.orgsim import Orgsim, start_orgsim

OUTPUT = {"report.pdf", "report.xlsx", "findings.csv", "report.json", "bundle"}


@pytest.fixture(scope="module")
def demo() -> Iterator[Orgsim]:
    with start_orgsim(profile="demo", seed=1) as org:
        yield org


def test_an_audit_writes_its_documents_and_they_agree_with_the_org(demo: Orgsim, tmp_path: Path) -> None:
    result = audit_org(demo, tmp_path / "out")
    assert {place.name for place in (tmp_path / "out").iterdir()} == OUTPUT
    report = result.report
    assert (report.seats_purchased, report.seats_assigned) == (450, 438)
    assert {gate.verdict for gate in report.gates} <= {"pass", "warn"}
    # The org forgets what is older than six months while it runs, and an audit leaves out what is newer than itself.
    times = [datetime.fromisoformat(row["LoginTime"]) for row in demo.rows("LoginHistory")]
    assert report.history_start is not None
    inside = [at for at in times if report.history_start <= at < report.taken_at]
    assert len(inside) == report.login_rows, (report.history_start, min(times), max(times), report.taken_at)
    users = {row["Id"]: row for row in demo.rows("User")}
    never = {f.subject_id for f in report.findings if f.rule == "R06"}
    assert never
    assert all(users[user]["LastLoginDate"] is None and users[user]["IsActive"] for user in never)
    limit = datetime.now(UTC) - timedelta(days=90)
    for finding in report.findings:
        if finding.rule in {"R07", "R08"}:
            last = users[finding.subject_id]["LastLoginDate"]
            assert datetime.fromisoformat(last) < limit


def test_what_permission_set_licences_can_grant_is_read_and_redundant_ones_are_found(
    demo: Orgsim, tmp_path: Path
) -> None:
    report = audit_org(demo, tmp_path / "out").report
    active = {row["Id"] for row in demo.rows("User") if row["IsActive"]}
    can = {
        row["Id"]: {name for name, value in row.items() if name.startswith("MaximumPermissions") and value}
        for row in demo.rows("PermissionSetLicense")
        if row["Status"] == "Active"
    }
    held: dict[str, set[str]] = {}
    for row in demo.rows("PermissionSetLicenseAssign"):
        held.setdefault(row["AssigneeId"], set()).add(row["PermissionSetLicenseId"])
    expected = {
        (user, less)
        for user, pools in held.items()
        if user in active
        for less in pools & can.keys()
        if can[less] and any(can[less] < can[more] for more in pools & can.keys())
    }
    grants = {row["Id"]: row["AssigneeId"] for row in demo.rows("PermissionSetLicenseAssign")}
    assert {(grants[f.subject_id], f.pool) for f in report.findings if f.rule == "R14"} == expected
    assert expected


def test_everybody_who_is_absent_is_found(demo: Orgsim, tmp_path: Path) -> None:
    report = audit_org(demo, tmp_path / "out").report
    limit = datetime.now(UTC) - timedelta(days=90)
    grace = datetime.now(UTC) - timedelta(days=30)
    profiles = {row["Id"]: row["UserLicenseId"] for row in demo.rows("Profile")}
    paid = {line.id for line in report.licenses if line.category == "paid"}
    expected = set()
    for row in demo.rows("User"):
        last = row["LastLoginDate"]
        absent = datetime.fromisoformat(last) < limit if last else datetime.fromisoformat(row["CreatedDate"]) < grace
        if row["IsActive"] and profiles.get(row["ProfileId"]) in paid and absent:
            expected.add(row["Id"])
    found = {f.subject_id for f in report.findings if f.rule in {"R06", "R07", "R08"} and f.grade != "D"}
    assert found == expected


def test_the_bundle_on_disk_verifies_and_the_report_carries_its_fingerprint(demo: Orgsim, tmp_path: Path) -> None:
    result = audit_org(demo, tmp_path / "out")
    stated = json.loads((tmp_path / "out/report.json").read_bytes())["bundle_sha256"]
    assert verify_bundle(tmp_path / "out/bundle", stated).fingerprint == result.fingerprint
    users = tmp_path / "out/bundle/users.jsonl"
    users.write_bytes(users.read_bytes().replace(b'"active":true', b'"active":null', 1))
    with pytest.raises(Exception, match=r"users\.jsonl has been changed"):
        verify_bundle(tmp_path / "out/bundle")


def test_a_user_who_may_not_read_other_people_s_logins_gets_no_names_but_the_remedy(
    demo: Orgsim, tmp_path: Path
) -> None:
    token = demo.control("POST", f"/users/{demo.ready['reader_username']}/token")["access_token"]
    demo.control(
        "POST", f"/users/{demo.ready['reader_username']}/permissions", {"ViewSetup": True, "MonitorLoginHistory": False}
    )
    report = audit_org(demo, tmp_path / "out", token=token).report
    assert next(gate.verdict for gate in report.gates if gate.rule == "R00") == "fail"
    assert not [f for f in report.findings if f.subject_kind == "user"]
    assert report.seats_active is None
    assert report.seats_unused is None
    assert any("Monitor Login History" in gate.remedy for gate in report.gates)


def test_an_expired_token_is_one_clear_failure_and_leaves_nothing(demo: Orgsim, tmp_path: Path) -> None:
    with pytest.raises(AuditFailed, match="does not accept the access token") as failed:
        audit_org(demo, tmp_path / "out", token="00Dx!wrong")
    assert failed.value.failure is Failure.EXPIRED
    assert list((tmp_path / "out").iterdir()) == []


def test_an_org_that_is_not_there_is_one_clear_failure(demo: Orgsim, tmp_path: Path) -> None:
    gone = Orgsim("http://127.0.0.1:9", "", "", "", "", "x", {})
    with pytest.raises(AuditFailed, match="could not be reached"):
        audit_org(gone, tmp_path / "out")


def test_a_second_audit_replaces_the_first_and_leaves_other_files_alone(demo: Orgsim, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = audit_org(demo, out).fingerprint
    (out / "notes.txt").write_text("mine")
    (out / "bundle" / "stray.txt").write_text("old")
    second = audit_org(demo, out, options=AuditOptions(pseudonym_key=Secret(b"k" * 32)))
    assert second.fingerprint != first
    assert {place.name for place in out.iterdir()} == OUTPUT | {"notes.txt"}
    assert verify_bundle(out / "bundle").report.pseudonymous


def test_a_folder_that_is_not_ours_to_replace_is_refused_before_anything_is_read(demo: Orgsim, tmp_path: Path) -> None:
    (tmp_path / "bundle").mkdir()
    calls = len(demo.transcript())
    with pytest.raises(OutputRefused, match="is no evidence bundle"):
        audit_org(demo, tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputRefused, match="cannot be written"):
        audit_org(demo, tmp_path / "file")
    assert len(demo.transcript()) == calls


def test_as_of_leaves_out_what_came_later(demo: Orgsim, tmp_path: Path) -> None:
    as_of = datetime.now(UTC).replace(microsecond=0) - timedelta(days=60)
    report = audit_org(demo, tmp_path / "out", options=AuditOptions(as_of=as_of)).report
    assert report.taken_at == as_of
    assert report.login_rows < len(demo.rows("LoginHistory"))
