"""Every benign explanation of the rules' table: it lowers the grade and names itself, or the report says it is blind."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import msgspec
import pytest

from isthmus.audit.collecting.logins import Block
from isthmus.audit.collecting.records import LoginGroupRecord
from isthmus.audit.finding import Finding
from isthmus.audit.given.contract import ContractItem
from isthmus.audit.given.history import History, SeenDeactivated
from isthmus.audit.model import LoginKind, Window
from isthmus.audit.rules.registry import GATES, RULES
from isthmus.audit.view import NO_HISTORY
from tests.unit.audit.world import CRM, NOW, PLATFORM, Org, ago, found


def company(**more: object) -> Org:
    org = Org(**more)
    org.license()
    org.regulars(10)
    return org


def of(org: Org, rule: str, name: str, *, history: History = NO_HISTORY) -> Finding:
    analysis = org.analyse(history=history)
    hits = [f for f in analysis.findings if f.rule == rule and analysis.view.users[f.subject_id].name == name]
    assert len(hits) == 1, (rule, name, len(hits))
    return hits[0]


def doc_of(rule: str) -> str:
    return next(entry.rule.doc for entry in (*GATES, *RULES) if entry.rule.id == rule)


# R06 -------------------------------------------------------------------------------------------------------------


def test_r06_trap_seats_provisioned_ahead_of_a_go_live() -> None:
    org = company()
    for n in range(5):
        org.user(f"Cohort {chr(65 + n)}", last=None, created=200)
    finding = of(org, "R06", "Cohort A")
    assert finding.grade.value == "B"
    assert "go-live" in finding.traps[0]


@pytest.mark.parametrize("name", ["Unassigned Leads", "EMEA Queue", "House Account", "Record Owner"])
def test_r06_trap_a_placeholder_that_owns_records(name: str) -> None:
    org = company()
    org.user(name, last=None, created=200)
    org.user("Quentin Queuesmith", last=None, created=201)  # a word inside a name is no placeholder
    finding = of(org, "R06", name)
    assert (finding.grade.value, "owns records" in finding.traps[0]) == ("B", True)
    assert of(org, "R06", "Quentin Queuesmith").traps == ()


def test_r06_trap_an_account_for_software_that_was_never_used() -> None:
    org = company()
    org.user("Svc Mulesoft", last=None, created=200)
    org.user("Plain", last=None, created=201, profile="Salesforce API Only System Integrations")
    for name in ("Svc Mulesoft", "Plain"):
        assert of(org, "R06", name).grade.value == "B"
        assert "made for software" in of(org, "R06", name).traps[0]


def test_r06_unverified_address_and_failed_logins_are_evidence_and_raise_no_grade() -> None:
    org = company()
    org.user("Fay", last=None, created=60, failed_logins=3, email_verified=False)
    finding = of(org, "R06", "Fay")
    assert finding.grade.value == "B"
    assert {("failed logins", 3), ("e-mail address verified", False)} <= {(f.label, f.value) for f in finding.facts}


def test_two_traps_lower_the_grade_twice_and_information_saves_nothing() -> None:
    org = company()
    for n in range(5):
        org.user(f"Svc {chr(65 + n)}", last=None, created=60)
    finding = of(org, "R06", "Svc A")
    assert (finding.grade.value, len(finding.traps), finding.saving.value) == ("D", 2, "none")


@pytest.mark.parametrize(("rule", "last", "before"), [("R06", None, "A"), ("R07", 300, "A"), ("R08", 130, "A")])
def test_r06_r07_r08_trap_an_account_that_was_activated_again(rule: str, last: float | None, before: str) -> None:
    org = company()
    user = org.user("Back", last=last, created=400)
    assert of(org, rule, "Back").grade.value == before
    finding = of(org, rule, "Back", history=History(deactivated=(SeenDeactivated(user.id, ago(20)),)))
    assert finding.grade.value == "B"
    assert finding.traps == ("was deactivated at the audit of 2026-11-02 and is active again",)


# R08, R09 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("earlier", "hit"), [(159, False), (160, True)])
def test_r08_trap_quarter_end_people_came_back_before_after_sixty_days(earlier: float, *, hit: bool) -> None:
    org = company()
    org.user("Quinn", last=100, human=[100, earlier])
    assert bool(of(org, "R08", "Quinn").traps) is hit


@pytest.mark.parametrize(("people", "hit"), [(4, False), (5, True)])
def test_r08_trap_a_department_that_is_away_together(people: int, *, hit: bool) -> None:
    org = company()
    for n in range(people):
        org.user(f"Season {chr(65 + n)}", last=100 + n, department="Harvest")
    assert bool(of(org, "R08", "Season A").traps) is hit


def test_r09_trap_a_mobile_only_rep_is_a_person() -> None:
    org = company()
    rep = org.user("Rep", last=1, human=[])
    for day in range(60):
        org.login(rep, 1 + day, LoginKind.APP)
    assert found(org.analyse(), "R09") == []


def test_r09_trap_a_person_who_shares_the_account_or_renewed_consent_in_person() -> None:
    org = company()
    for name, day in (("Shared", 30.0), ("Consent", 120.0)):
        user = org.user(name, last=1, human=[], machine=range(1, 60))
        org.login(user, day, LoginKind.UI)
    assert found(org.analyse(), "R09") == ["Consent"]
    finding = of(org, "R09", "Consent")
    assert (finding.grade.value, finding.traps) == ("C", ("logged in in person earlier in the history",))


# R10 to R13 ------------------------------------------------------------------------------------------------------


def test_r11_trap_automation_and_token_renewals_after_the_grant() -> None:
    org = company()
    psl = org.psl(used=2)
    for kind in (LoginKind.MACHINE, LoginKind.SEEDED):  # a renewed refresh token counts as SEEDED
        user = org.user(f"Pia {kind}", last=5, human=[100])
        org.login(user, 5, kind)
        org.grant(user, psl, 60)
    hits = [f for f in org.analyse().findings if f.rule == "R11"]
    assert [(f.grade.value, len(f.traps)) for f in hits] == [("B", 1), ("B", 1)]


def test_r12_trap_a_bundled_licence_has_no_price_and_saves_nothing() -> None:
    org = company()
    org.grant(org.user("Ivan", last=130), org.psl(key="BundledPsl", used=1), 170)
    analysis = org.analyse()
    position = next(i for i, f in enumerate(analysis.findings) if f.rule == "R12")
    assert analysis.worth[position] is None


def test_r13_trap_a_trial_is_meant_to_end() -> None:
    org = company()
    org.psls = [msgspec.structs.replace(org.psl(used=1), status="Disabled", label="CPQ Trial")]
    hit = next(f for f in org.analyse().findings if f.rule == "R13")
    assert (hit.grade.value, len(hit.traps)) == ("B", 1)


# R15 -------------------------------------------------------------------------------------------------------------


def twins(first: dict[str, object], second: dict[str, object]) -> Org:
    org = company()
    org.user("Nora", **({"last": 2} | first))
    org.user("Nora Two", **({"last": 50} | second))
    return org


@pytest.mark.parametrize(
    ("org", "trap"),
    [
        (
            lambda: twins({"employee_number": "1"}, {"employee_number": "1", "email": "nora.admin@x.example"}),
            None,
        ),
        (lambda: twins({"employee_number": "1", "external": True}, {"employee_number": "1"}), "external"),
        (
            lambda: twins({"employee_number": "1"}, {"employee_number": "1", "human": [], "machine": [50, 51]}),
            "software only",
        ),
        (
            lambda: twins({"email": "support@acme.example"}, {"email": "support@acme.example"}),
            "role's address",
        ),
        (
            lambda: twins({"employee_number": "1"}, {"employee_number": "1", "last": 3}),
            "in use within 30 days",
        ),
    ],
)
def test_r15_traps_lower_the_grade_and_name_themselves(org: Callable[[], Org], trap: str | None) -> None:
    hit = next(f for f in org().analyse().findings if f.rule == "R15")
    assert hit.grade.value == ("B" if trap is None else "C")
    assert (trap or "") in " ".join(hit.traps)


def test_r15_trap_an_administrator_s_second_account() -> None:
    org = company()
    org.user("Ada", last=2, employee_number="1")
    org.user("Ada Admin", last=50, employee_number="1")
    assert "administrator" in of(org, "R15", "Ada Admin").traps[0]


def test_r15_trap_namesakes_in_two_departments_are_two_people() -> None:
    org = company()
    org.user("Jo Poe", last=2, department="Sales", email="a@x.example")
    org.user("Jo Poe", last=50, department="Legal", email="b@x.example")
    assert found(org.analyse(), "R15") == []


# R16 to R22 ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("contracted", "surplus"), [(None, 9), (20, 9), (15, 4), (11, None), (30, 9)])
def test_r16_trap_free_allowances_and_ramp_deals_beyond_the_contract_are_no_surplus(
    contracted: int | None, surplus: int | None
) -> None:
    org = Org()
    org.license(total=20)
    org.regulars(10)  # one seat is headroom
    contract = [] if contracted is None else [ContractItem("SFDC", contracted, date(2027, 3, 31))]
    hits = [f.quantity for f in org.analyse(contract=contract).findings if f.rule == "R16"]
    assert hits == ([] if surplus is None else [surplus])


def test_r16_r18_trap_a_counter_of_yesterday() -> None:
    org = Org()
    org.license(total=100, updated=ago(1.1))
    org.license(PLATFORM, name="Salesforce Platform", key="AUL", total=1, used=2, updated=ago(0.9))
    org.regulars(10)
    grades = {(f.rule, f.pool): f.grade.value for f in org.analyse().findings}
    assert grades == {("R16", CRM): "B", ("R18", PLATFORM): "A"}


def test_r19_trap_no_claim_that_a_person_can_move_is_made() -> None:
    org = company()
    org.user("Few", last=3, human=[3])
    finding = of(org, "R19", "Few")
    assert finding.grade.value == "C"
    assert "cannot show which objects" in doc_of("R19")
    assert "upper bound" in doc_of("R19")


@pytest.mark.parametrize(("minutes", "hit"), [(4, False), (6, True)])
def test_r22_trap_two_clocks_that_differ_by_minutes(minutes: int, *, hit: bool) -> None:
    org = company()
    gone = org.user("Gone", active=False, last=10, human=[10])
    seen = SeenDeactivated(gone.id, ago(10 + minutes / 1440))
    assert bool([f for f in org.analyse(history=History(deactivated=(seen,))).findings if f.rule == "R22"]) is hit


# What cannot be seen ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("R07", "legal hold"),
        ("R08", "approving by e-mail"),
        ("R08", "Long leave"),
        ("R08b", "Outlook"),
        ("R09", "dashboards or flows"),
        ("R09", "packages"),
        ("R14", "objects and limits"),
        ("R16", "Planned hires"),
        ("R20", "do not roll over"),
        ("R20", "overage"),
        ("R21", "many feature licences are free"),
        ("R23", "bundled"),
    ],
)
def test_a_benign_explanation_that_these_objects_cannot_show_stands_in_the_rule_s_text(rule: str, words: str) -> None:
    assert words in " ".join(doc_of(rule).split())


def test_r05_an_unknown_status_counts_as_presence_and_is_shown() -> None:
    block = Block(Window(ago(2), NOW))
    at = "2026-11-21T10:00:00.000+0000"
    block.add(LoginGroupRecord(2, at, at, "005", "Application", "Verfied?", "Browser"), date(2026, 11, 21))
    (row,) = block.rows
    assert (row.success, sum(block.unknown.values())) == (True, 2)
