"""What the operator of `isthmus audit run` may add: who is excused, thresholds, earlier audits. Each shows in the result."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from isthmus.audit.evidence.bundle import zipped
from isthmus.audit.given.options import AuditOptions
from isthmus.audit.judge import judge
from tests.support.commands import Said, bare_environ, org_environ, run
from tests.support.orgsim import start_orgsim
from tests.unit.audit.world import example


class Desk:
    """A folder, and the environment of somebody who audits the demo company."""

    def __init__(self, place: Path, environ: dict[str, str]) -> None:
        self.place = place
        self.environ = environ
        self.plain = self.audit("plain")

    def audit(self, out: str, *more: str) -> dict[str, Any]:
        """Audit; return report.json."""
        said = self.run(out, *more)
        assert said.status in {0, 1}, said.err
        return json.loads((self.place / out / "report.json").read_bytes())

    def run(self, out: str, *more: str) -> Said:
        """Run `isthmus audit run --json`."""
        command = ("audit", "run", "--org", "acme", "--out", str(self.place / out), "--json", *more)
        return run(*command, environ=self.environ)

    def file(self, name: str, text: str) -> str:
        """Write a file; return its path."""
        (self.place / name).write_text(text)
        return str(self.place / name)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    place = tmp_path_factory.mktemp("options")
    with start_orgsim(name="acme", profile="demo", seed=1) as org:
        yield Desk(place, {**bare_environ(place), **org_environ("acme", org)})


def of_rule(report: dict[str, Any], rule: str) -> list[dict[str, Any]]:
    return [finding for finding in report["findings"] if finding["rule"] == rule]


def alone(report: dict[str, Any], finding: dict[str, Any]) -> bool:
    """Whether no other finding is about this subject: else that one would value the seat."""
    return sum(other["subject_id"] == finding["subject_id"] for other in report["findings"]) == 1


def test_an_exempt_person_s_finding_stays_without_money_and_says_why(desk: Desk) -> None:
    found = of_rule(desk.plain, "R08")[0]
    users = (desk.place / "plain/bundle/users.jsonl").read_text().splitlines()
    email = next(row["email"] for row in map(json.loads, users) if row["id"] == found["subject_id"])
    exempt = desk.file("leave.csv", f"who,reason,kind\n{email},parental leave,leave\n")
    report = desk.audit("exempt", "--exempt", exempt)
    again = next(f for f in of_rule(report, "R08") if f["subject_id"] == found["subject_id"])
    assert found["grade"] != "D"
    assert again["grade"] == "D"
    assert "parental leave" in json.dumps(again)
    assert report["seats_unused"] == desk.plain["seats_unused"] - 1


def test_a_threshold_of_the_settings_file_decides(desk: Desk) -> None:
    settings = desk.file("settings.toml", "inactive_days = 30\n")
    report = desk.audit("short", "--settings", settings)
    assert len(of_rule(report, "R08")) > len(of_rule(desk.plain, "R08"))


def test_an_earlier_audit_s_bundle_becomes_history_and_the_new_bundle_verifies(desk: Desk) -> None:
    last_week = (datetime.now(UTC) - timedelta(days=7)).date().isoformat()
    desk.audit("earlier", "--as-of", last_week)
    desk.audit("later", "--previous", str(desk.place / "earlier/bundle"))
    history = json.loads((desk.place / "later/bundle/history.json").read_bytes())
    assert {point["day"] for point in history["points"]} == {last_week}
    assert run("audit", "verify", str(desk.place / "later/bundle"), environ=desk.environ).status == 0


def test_another_org_s_bundle_is_no_history_and_is_named(desk: Desk, tmp_path: Path) -> None:
    snapshot = example()  # of acme.my.salesforce.com, where the demo company is not
    bundle = tmp_path / "bundle.zip"
    bundle.write_bytes(zipped(judge(snapshot.snapshot(), AuditOptions(), "elsewhere").bundle))
    told = desk.run("refused", "--previous", str(bundle)).refusal()
    assert "elsewhere (acme.my.salesforce.com)" in told
    assert not (desk.place / "refused").exists()


def test_a_finding_of_the_snooze_file_stays_without_money_and_the_bundle_verifies(desk: Desk) -> None:
    found = next(finding for finding in of_rule(desk.plain, "R08") if finding["valued"] and alone(desk.plain, finding))
    until = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    line = f"R08,{found['detail']},{until},parental leave\n"
    report = desk.audit("snoozed", "--snooze", desk.file("snooze.csv", f"rule,subject,until,reason\n{line}"))
    again = next(f for f in of_rule(report, "R08") if f["subject_id"] == found["subject_id"])
    assert (again["snoozed_until"], again["valued"], again["grade"]) == (until, False, found["grade"])
    seats = [sum(total["reclaim_seats"] for total in r["money"]) for r in (desk.plain, report)]
    assert seats[0] - seats[1] == 1
    assert run("audit", "verify", str(desk.place / "snoozed/bundle"), environ=desk.environ).status == 0


def test_a_portfolio_of_bundles_needs_no_installation(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "other.zip").write_bytes(zipped(judge(example().snapshot(), AuditOptions(), "other").bundle))
    bundles = str(desk.place / "plain/bundle"), str(tmp_path / "other.zip")
    found = run("audit", "portfolio", *bundles, "--json", environ=desk.environ).json
    assert [org["org"] for org in found["orgs"]] == ["acme", "other"]
    assert found["totals"]["seats_assigned"] == sum(org["summary"]["seats_assigned"] for org in found["orgs"])
    said = run("audit", "portfolio", *bundles, environ=desk.environ)
    assert "Together:" in said.out
    assert "Persons with paid seats in several orgs: 0" in said.out
    assert "cannot be used" in run("audit", "portfolio", __file__, "--json", environ=desk.environ).refusal()


@pytest.mark.parametrize(
    ("option", "text", "named"),
    [
        ("--exempt", "who\nada@example.com\n", "reason"),
        ("--exempt", "who,reason,until\nada@example.com,leave,soon\n", "line 2"),
        ("--settings", "inactive_days = 3\n", "inactive_days"),
        ("--settings", "inactive = 90\n", "no setting of that name"),
        ("--previous", "not a bundle", "--previous"),
        ("--snooze", "rule,subject,until,reason\n8,a@b,2030-01-01,x\n", "line 2"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_name_and_place(
    desk: Desk, option: str, text: str, named: str
) -> None:
    assert named in desk.run("never", option, desk.file("wrong", text)).refusal()
    assert not (desk.place / "never").exists()


@pytest.mark.parametrize("day", ["1999-01-01", "2020-02-29"])
def test_a_day_before_all_login_history_is_refused_for_that_reason(desk: Desk, day: str) -> None:
    refusal = desk.run("never", "--as-of", day).refusal()
    assert "six months" in refusal
    assert day in refusal
