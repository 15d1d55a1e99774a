"""R12, R13, R17 and R20 to R24: pools, permission set licences, and what follows from other findings."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from isthmus.audit.composing.compose import compose
from isthmus.audit.given.history import History, SeenDeactivated
from isthmus.audit.given.prices import CustomerPrice
from isthmus.audit.model import LicenseRow
from tests.unit.audit.world import CRM, NOW, Org, ago, found, graded

CPQ = CustomerPrice("CpqPsl", Decimal(75), "USD")
FREE = "100FREE"


def company(**more: object) -> Org:
    org = Org(**more)
    org.license()
    org.regulars(10)
    return org


# R12 -------------------------------------------------------------------------------------------------------------


def test_a_grant_of_an_absent_holder_has_the_grade_and_traps_of_that_finding() -> None:
    org = company()
    psl = org.psl(used=3)
    org.grant(org.user("Ivan", last=100, human=[100, 165]), psl, 170)
    org.grant(org.user("Dora", last=300), psl, 350)
    org.grant(org.users[0], psl, 170)
    analysis = org.analyse(prices=[CPQ])
    assert found(analysis, "R12") == ["Dora", "Ivan"]
    assert (graded(analysis, "R12", "Dora"), graded(analysis, "R12", "Ivan")) == ("A", "C")
    assert next(f for f in analysis.findings if f.rule == "R12" and f.traps).traps[0].startswith("came back")


def test_a_grant_is_worth_money_once() -> None:
    org = company()
    org.grant(org.user("Nora", last=None, created=200), org.psl(used=1), 100)
    report = compose(org.analyse(prices=[CPQ]), "acme")
    lines = {f.rule: f for f in report.findings if f.subject_kind == "psl_assignment"}
    assert set(lines) == {"R11", "R12"}
    assert (lines["R11"].valued, lines["R12"].valued) == (True, False)


def test_an_onboarding_holder_s_grant_is_no_finding() -> None:
    org = company()
    org.grant(org.user("Fred", last=None, created=5), org.psl(used=1), 4)
    assert found(org.analyse(), "R12") == []


# R13 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "hit"), [(90, True), (91, False), (0, True), (-5, True)])
def test_a_licence_in_use_that_ends_within_90_days_is_a_risk(days: int, *, hit: bool) -> None:
    org = company()
    psl = org.psl(used=2)
    org.psls = [msgspec.structs.replace(psl, expires_on=(NOW + timedelta(days=days)).date())]
    assert found(org.analyse(), "R13") == ([psl.id] if hit else [])


def test_nobody_holds_it_so_nobody_loses_it_and_a_trial_is_meant_to_end() -> None:
    org = company()
    soon = (NOW + timedelta(days=9)).date()
    org.psls = [
        msgspec.structs.replace(org.psl("0PL1"), expires_on=soon),
        msgspec.structs.replace(org.psl("0PL2", used=1), expires_on=soon, label="CPQ Trial"),
        msgspec.structs.replace(org.psl("0PL3", used=1), status="Disabled"),
    ]
    findings = {f.subject_id: f.grade.value for f in org.analyse().findings if f.rule == "R13"}
    assert findings == {"0PL2": "B", "0PL3": "A"}


# R17 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("total", "hit"), [(11, True), (12, False), (10, True), (9, False)])
def test_a_pool_is_nearly_used_up_from_90_percent(total: int, *, hit: bool) -> None:
    org = Org()
    org.license(total=total)
    org.regulars(10)  # 10 of 11 are 91 %, of 12 are 83 %; 10 of 9 is R18
    assert found(org.analyse(), "R17") == ([CRM] if hit else [])


def test_a_full_pool_names_the_seats_to_use_again_and_saves_nothing_itself() -> None:  # peer defect 6
    org = Org()
    org.license(total=11)
    org.regulars(10)
    org.user("Ivan", last=130)
    analysis = org.analyse()
    finding = next(f for f in analysis.findings if f.rule == "R17")
    assert "1 of them can be used again" in finding.why
    assert finding.saving.value == "none"


# R20 -------------------------------------------------------------------------------------------------------------


def metered(org: Org, used: int, *, entitled: int | None = 1000, now: datetime = NOW) -> Org:
    org.now = now
    org.licenses.append(
        LicenseRow(
            "100LOGIN",
            "Customer Community Login",
            "Customer Community Login",
            "PID_Customer_Community_Login",
            "Active",
            100,
            5,
            logins_entitled=entitled,
            logins_used=used,
        )
    )
    return org


@pytest.mark.parametrize(("used", "hit"), [(720, True), (700, False), (360, False), (350, True)])
def test_login_based_use_is_projected_to_the_end_of_the_month(used: int, *, hit: bool) -> None:
    org = metered(company(), used)  # noon of the 22nd: 21.5 of 30 days have passed
    assert found(org.analyse(), "R20") == (["100LOGIN"] if hit else [])


def test_early_in_the_month_only_what_is_over_already_counts() -> None:
    early = NOW.replace(day=3)
    assert found(metered(company(), 400, now=early).analyse(), "R20") == []
    assert found(metered(company(), 1001, now=early).analyse(), "R20") == ["100LOGIN"]


@pytest.mark.parametrize("entitled", [None, 0])
def test_a_pool_that_is_not_metered_is_left_alone(entitled: int | None) -> None:
    assert found(metered(company(), 5000, entitled=entitled).analyse(), "R20") == []


# R21, R22 --------------------------------------------------------------------------------------------------------


def test_features_are_listed_for_absent_people_only_and_carry_no_money() -> None:
    org = company()
    org.user("Ivan", last=130, features=("Knowledge User",))
    org.user("Here", last=1, features=("Knowledge User",))
    org.user("Plain", last=130)
    org.user("Fresh", last=None, created=3, features=("Knowledge User",))
    analysis = org.analyse()
    assert found(analysis, "R21") == ["Ivan"]
    assert graded(analysis, "R21", "Ivan") == "D"


@pytest.mark.parametrize(("seen", "hit"), [(20, True), (10, False), (9.9, False)])
def test_a_login_after_an_audit_saw_the_user_deactivated_is_noted(seen: float, *, hit: bool) -> None:
    org = company()
    gone = org.user("Gone", active=False, last=10, human=[10])
    back = org.user("Back", active=True, last=1)
    history = History(deactivated=(SeenDeactivated(gone.id, ago(seen)), SeenDeactivated(back.id, ago(seen))))
    assert found(org.analyse(history=history), "R22") == (["Gone"] if hit else [])
    assert found(org.analyse(), "R22") == []


# R23, R24 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("total", "used", "grade"), [(10, 9, "D"), (10, 8, None), (4, 4, None), (5, 5, "D"), (5, 6, "A")]
)
def test_a_pool_of_permission_set_licences_that_is_nearly_full_is_noted(
    total: int, used: int, grade: str | None
) -> None:
    org = company()
    org.psl(total=total, used=used)
    assert [f.grade.value for f in org.analyse().findings if f.rule == "R23"] == ([] if grade is None else [grade])


def test_a_surplus_of_permission_set_licences_is_money_only_at_your_own_price() -> None:
    org = company()
    org.psl(total=50, used=10)
    assert found(org.analyse(), "R23") == []
    report = compose(org.analyse(prices=[CPQ]), "acme")
    line = next(f for f in report.findings if f.rule == "R23")
    assert (line.quantity, line.saving_monthly) == (39, Decimal(75 * 39))  # one is kept as headroom
    assert report.psls[0].reclaim_monthly == 0


def test_a_grant_on_a_licence_that_cannot_use_it_is_asked_about() -> None:
    org = company()
    org.license(FREE, name="Chatter Free", key="", total=50)
    org.license("100INT", name="Salesforce Integration", key="", total=5)
    wrong, right = org.psl("0PL1", key="CpqPsl", used=3), org.psl("0PL2", key="ApiPsl", used=1)
    org.psls[1] = msgspec.structs.replace(right, for_integrations=True)
    org.grant(org.user("Chat", seat=FREE), wrong, 100)
    org.grant(org.user("Robot", seat="100INT"), wrong, 100)
    org.grant(org.user("Good Robot", seat="100INT"), right, 100)
    org.grant(org.users[0], wrong, 100)
    org.grant(org.user("Off", seat=FREE, active=False), wrong, 100)
    analysis = org.analyse()
    assert found(analysis, "R24") == ["Chat", "Robot"]
    assert graded(analysis, "R24", "Chat") == "C"
