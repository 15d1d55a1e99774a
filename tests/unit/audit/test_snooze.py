"""Findings that are put off: listed apart, without money until their day, back afterwards; recomputed by verify."""

from __future__ import annotations

import io
from datetime import date, timedelta

import openpyxl
import pytest
from pypdf import PdfReader

from isthmus.audit.evidence.verify import BundleInvalid, verify_files
from isthmus.audit.figures import FindingLine, Report
from isthmus.audit.given.exemptions import Exemption
from isthmus.audit.given.options import AuditOptions
from isthmus.audit.given.prices import CustomerPrice, PricesInvalid
from isthmus.audit.given.snooze import Snooze, SnoozeLine, parse_snoozes
from isthmus.audit.judge import Judged, judge
from isthmus.values import Secret
from tests.unit.audit.world import CRM, NOW, example

TODAY = NOW.date()
HEAD = "rule,subject,until,reason,pool\n"
PRICES = (CustomerPrice("CpqPsl", None, "USD", "bundled"),)


def audit(*, lines: str = "", snoozes: tuple[Snooze, ...] = (), secret: Secret | None = None) -> Judged:
    options = AuditOptions(
        snoozes=snoozes, snooze_lines=parse_snoozes(HEAD + lines, "snooze.csv"), pseudonym_key=secret, prices=PRICES
    )
    return judge(example().snapshot(), options, "acme")


def line_of(report: Report, rule: str, name: str) -> FindingLine:
    return next(line for line in report.findings if (line.rule, line.subject) == (rule, name))


IVAN = f"R08,ivan.inactive@acme.example,{TODAY},on parental leave\n"


def test_a_finding_that_is_put_off_stays_listed_and_counts_for_no_money() -> None:
    before, after = audit().report, audit(lines=IVAN).report
    assert len(before.findings) == len(after.findings)
    line = line_of(after, "R08", "Ivan Inactive")
    assert (line.snoozed_until, line.snooze_reason) == (TODAY, "on parental leave")
    assert (line.valued, line.saving_monthly) == (False, None)
    assert line.grade == line_of(before, "R08", "Ivan Inactive").grade
    assert after.money[0].reclaim_seats == before.money[0].reclaim_seats - 1
    assert after.money[0].renewal_seats == before.money[0].renewal_seats - 1
    assert after.seats_unused == before.seats_unused  # the seat is as unused as before
    assert any("1 finding is put off" in text for text in after.assumptions)


@pytest.mark.parametrize(("until", "held"), [(TODAY, True), (TODAY - timedelta(days=1), False)])
def test_it_is_back_on_the_day_after(until: date, held: bool) -> None:
    line = line_of(audit(lines=f"R08,ivan.inactive@acme.example,{until},later\n").report, "R08", "Ivan Inactive")
    assert (line.snoozed_until is not None, line.valued) == (held, not held)


def test_the_bundle_knows_what_was_put_off_so_verify_gives_the_same_figures() -> None:
    judged = audit(lines=IVAN)
    files = {name: judged.bundle[name] for name in judged.bundle}
    assert b'"snoozes"' in files["settings.json"]
    assert verify_files(files).report == judged.report
    files["settings.json"] = files["settings.json"].replace(TODAY.isoformat().encode(), b"2026-01-01")
    with pytest.raises(BundleInvalid, match=r"settings\.json"):
        verify_files(files)


def test_only_the_finding_of_that_rule_subject_and_pool_is_put_off() -> None:
    org = example()
    ivan = next(user for user in org.users if user.name == "Ivan Inactive")
    for rule, subject, pool in (("R07", ivan.id, CRM), ("R08", "005000000000099AAA", CRM), ("R08", ivan.id, "other")):
        report = audit(snoozes=(Snooze(rule, subject, pool, TODAY, "x"),)).report
        assert not [line for line in report.findings if line.snoozed_until is not None]


def test_a_seat_whose_finding_is_put_off_is_valued_by_the_next_rule_that_found_it() -> None:
    org = example()
    twin = org.user("Ivan Twin", last=1, email="ivan.inactive@acme.example")
    assert twin.license
    options = AuditOptions(snooze_lines=parse_snoozes(HEAD + "R08,ivan.inactive@acme.example,2027-01-01,known\n", "s"))
    first = judge(org.snapshot(), AuditOptions(), "acme").report
    then = judge(org.snapshot(), options, "acme").report
    assert [line_of(first, rule, "Ivan Inactive").valued for rule in ("R08", "R15")] == [True, False], (
        "the surest first"
    )
    assert [line_of(then, rule, "Ivan Inactive").valued for rule in ("R08", "R15")] == [False, True]


def test_grants_and_pools_are_named_by_their_holder_and_key() -> None:
    report = audit(
        lines=f"R11,IVAN.inactive@acme.example,{TODAY},known,CpqPsl\nR16,SFDC,{TODAY},hires are planned\n"
    ).report
    put_off = {(line.rule, line.subject) for line in report.findings if line.snoozed_until is not None}
    assert put_off == {("R11", "Ivan Inactive"), ("R16", "Salesforce")}
    missed = audit(lines=f"R11,ivan.inactive@acme.example,{TODAY},known,Nothing\nR08,nobody,{TODAY},x\n").report
    assert any("2 lines of the snooze file meet nothing" in text for text in missed.assumptions)


def test_they_have_a_heading_of_their_own_in_every_document() -> None:
    judged = audit(lines=IVAN)
    book = openpyxl.load_workbook(io.BytesIO(judged.documents["report.xlsx"]))
    column = [cell.value for cell in book["Put off"]["F"]][1:]
    assert column == ["Ivan Inactive"]
    assert "Ivan Inactive" not in [row[5].value for row in book["Named users"].iter_rows() if row[1].value == "R08"]
    text = " ".join(page.extract_text() for page in PdfReader(io.BytesIO(judged.documents["report.pdf"])).pages)
    assert "Put off" in text
    assert "on parental leave" in " ".join(text.split())
    csv = judged.documents["findings.csv"].decode("utf-8-sig")
    assert f"{TODAY},on parental leave" in csv
    plain = openpyxl.load_workbook(io.BytesIO(audit().documents["report.xlsx"]))
    assert "Put off" not in plain.sheetnames


def test_a_pseudonymous_report_does_not_repeat_the_reason() -> None:
    judged = audit(lines=IVAN, secret=Secret(b"k" * 32))
    lines = [line for line in judged.report.findings if line.snoozed_until is not None]
    assert [line.snooze_reason for line in lines] == [""]
    assert not any(b"parental" in judged.bundle[name] for name in judged.bundle)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("rule,subject,until\n", "column is missing. It needs: reason"),
        (HEAD + "8,a@b,2027-01-31,x\n", "line 2: the rule"),
        (HEAD + "R08,,2027-01-31,x\n", "line 2: the subject"),
        (HEAD + "R08,a@b,soon,x\n", "line 2: until is no date"),
        (HEAD + "R08,a@b,2027-01-31,x\nR08,a@b,2027-01-31,\n", "line 3: the reason"),
        (HEAD + f"R08,a@b,2027-01-31,{'x' * 201}\n", "line 2: the reason"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_naming_its_line(text: str, says: str) -> None:
    with pytest.raises(PricesInvalid, match=says):
        parse_snoozes(text, "snooze.csv")


def test_lines_are_read_as_they_are_written() -> None:
    assert parse_snoozes("\ufeffReason,Subject,Until,RULE\nlater, a@b ,2027-01-31,R08\n", "s") == (
        SnoozeLine("R08", "a@b", date(2027, 1, 31), "later"),
    )


def test_an_exempt_person_is_told_from_a_finding_that_is_put_off() -> None:
    exempt = AuditOptions(exemptions=(Exemption("nora.never@acme.example", "on leave"),))
    report = judge(example().snapshot(), exempt, "acme").report
    line = line_of(report, "R06", "Nora Never")
    assert (line.exempt, line.snoozed_until, line.grade) == (True, None, "D")
    assert not line_of(audit(lines=IVAN).report, "R08", "Ivan Inactive").exempt
