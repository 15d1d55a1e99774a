"""Which day it is: what is given as days is counted from the operator's day, logins from UTC, and verify needs no zone."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from isthmus.audit.analysis import analyse
from isthmus.audit.composing.compose import compose
from isthmus.audit.evidence.bundle import BundleInvalid, bundle_files, read_bundle
from isthmus.audit.evidence.verify import verify_files
from isthmus.audit.figures import Report
from isthmus.audit.given.contract import ContractItem
from isthmus.audit.given.days import end_of
from isthmus.audit.given.exemptions import Exemption, ExemptionKind
from isthmus.audit.given.options import AuditOptions, Thresholds
from isthmus.audit.given.prices import PricesInvalid
from isthmus.audit.given.snooze import SnoozeLine
from isthmus.audit.given.thresholds import parse_settings
from isthmus.audit.judge import Judged, basis_of, judge
from isthmus.audit.once import write_output
from isthmus.audit.report.summary import summary_data
from isthmus.audit.snapshot import Snapshot
from isthmus.audit.what_if.questions import Question, parse_question
from isthmus.values import Secret
from tests.unit.audit.world import Org

EVENING = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)  # the 21st in America, noon of the 22nd in Japan
MORNING = datetime(2026, 11, 21, 22, 0, tzinfo=UTC)  # still the 21st in America, the 22nd in Japan


def taken(at: datetime) -> Snapshot:
    org = Org()
    org.license(total=120)
    org.regulars(20)
    org.user("Ivan", last=130)
    psl = org.psl(used=1)
    org.psls[0] = msgspec.structs.replace(psl, expires_on=date(2026, 11, 21))
    org.grant(org.users[0], psl, 90)
    snapshot = org.snapshot()
    return replace(snapshot, reading=msgspec.structs.replace(snapshot.reading, taken_at=at))


def options(zone: str, end: date = date(2027, 1, 20)) -> AuditOptions:
    return AuditOptions(
        thresholds=Thresholds(time_zone=zone),
        contract=(ContractItem("SFDC", 100, end, unit_price=Decimal(100), notice_days=60),),
        exemptions=(Exemption("ivan@acme.example", "leave", ExemptionKind.LEAVE, date(2026, 11, 21)),),
        snooze_lines=(SnoozeLine("R16", "SFDC", date(2026, 11, 21), "hires"),),
    )


def judged(at: datetime, zone: str, end: date = date(2027, 1, 20)) -> Judged:
    return judge(taken(at), options(zone, end), "acme")


def days_of(report: Report) -> tuple[date | None, int, bool, bool, str]:
    """Return today, the days left to give notice, whether somebody is exempt, something put off, and R13's words."""
    return (
        report.today,
        report.contract[0].days_left,
        any(line.exempt for line in report.findings),
        any(line.snoozed_until for line in report.findings),
        next(line.why for line in report.findings if line.rule == "R13"),
    )


@pytest.mark.parametrize(
    ("at", "zone", "today", "left", "over"),
    [
        (EVENING, "", 22, -1, True),
        (EVENING, "America/Chicago", 21, 0, False),
        (EVENING, "Asia/Tokyo", 22, -1, True),
        (MORNING, "", 21, 0, False),
        (MORNING, "America/Los_Angeles", 21, 0, False),
        (MORNING, "Asia/Tokyo", 22, -1, True),
    ],
)
def test_what_is_given_as_days_is_counted_from_the_operator_s_day(
    at: datetime, zone: str, today: int, left: int, *, over: bool
) -> None:
    found = days_of(judged(at, zone).report)
    assert found[:4] == (date(2026, 11, today), left, not over, not over)
    assert ("ended on" if over else "ends on") in found[4]


def test_a_term_s_last_day_is_that_of_the_operator() -> None:
    last = date(2026, 11, 21)
    at_home, elsewhere = judged(EVENING, "America/Chicago", last).report, judged(EVENING, "", last).report
    assert [line.in_force for line in at_home.contract] == [True]
    assert not any("renewed itself" in text for text in at_home.assumptions)
    assert any("renewed itself" in text for text in elsewhere.assumptions)
    assert any("Today is 2026-11-21, by America/Chicago" in text for text in at_home.assumptions)


def test_logins_and_weeks_are_the_same_in_every_zone() -> None:
    one, other = judged(EVENING, "Pacific/Kiritimati").report, judged(EVENING, "Pacific/Pago_Pago").report
    assert (one.today, other.today) == (date(2026, 11, 22), date(2026, 11, 21))
    for name in ("weeks", "license_weeks", "cohort_months", "seats_active", "history_days", "sensitivity"):
        if name != "sensitivity":  # Ivan is exempt up to the 21st
            assert getattr(one, name) == getattr(other, name), name
    assert summary_data(other)["day"] == "21 November 2026"


def test_a_bundle_is_verified_in_any_time_zone_without_knowing_its_own(tmp_path: Path) -> None:
    made = judged(EVENING, "America/Chicago")
    write_output(made, tmp_path)
    script = "from pathlib import Path; import sys; from isthmus.audit.evidence.verify import verify_bundle;"
    script += "print(verify_bundle(Path(sys.argv[1])).report.today)"
    environ = {"PATH": os.environ["PATH"], "TZ": "Pacific/Kiritimati", "PYTHONTZPATH": ""}
    told = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "bundle")],
        env=environ,
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == str(made.report.today)


def test_a_day_that_it_was_nowhere_is_refused() -> None:
    snapshot = taken(EVENING)
    basis = basis_of(snapshot, options(""))
    for day, fits in ((20, False), (21, True), (22, True), (23, False)):
        other = msgspec.structs.replace(basis, today=date(2026, 11, day))
        files = bundle_files(snapshot, other, "acme", compose(analyse(snapshot, other), "acme"))
        if fits:
            verify_files(files)
            continue
        with pytest.raises(BundleInvalid, match="its day is not that of the audit's instant"):
            read_bundle(files)


def test_names_and_days_survive_pseudonyms() -> None:
    found = options("America/Chicago")
    report = judge(taken(EVENING), msgspec.structs.replace(found, pseudonym_key=Secret(b"k" * 32)), "acme").report
    assert (report.today, report.time_zone) == (date(2026, 11, 21), "America/Chicago")


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", "", 5])
def test_a_zone_that_is_none_is_refused(zone: object) -> None:
    text = f"time_zone = {zone!r}\n".replace("'", '"')
    if zone == "":
        assert parse_settings(text, "s.toml").time_zone == ""
        return
    with pytest.raises(PricesInvalid, match=r"s\.toml: time_zone is no zone"):
        parse_settings(text, "s.toml")
    with pytest.raises(PricesInvalid, match="no setting of that name"):
        parse_settings('[[license]]\nlicense = "AUL"\ntime_zone = "UTC"\n', "s.toml")


def test_another_zone_cannot_be_tried_for_the_audit_s_day_is_fixed() -> None:
    own = Thresholds(time_zone="Asia/Tokyo")
    tried = parse_question(Question(thresholds="inactive_days = 60\n"), own)
    assert tried.thresholds is not None
    parse_question(Question(thresholds='time_zone = "Asia/Tokyo"\n'), own)
    with pytest.raises(PricesInvalid, match="time_zone cannot be tried"):
        parse_question(Question(thresholds='time_zone = "UTC"\n'), own)


@pytest.mark.parametrize(
    ("zone", "instant"),
    [("", "2026-11-21T23:59:59"), ("America/Chicago", "2026-11-22T05:59:59"), ("Asia/Tokyo", "2026-11-21T14:59:59")],
)
def test_the_end_of_a_day_is_an_instant_of_its_zone(zone: str, instant: str) -> None:
    assert end_of(date(2026, 11, 21), zone) == datetime.fromisoformat(instant + "+00:00")
