"""Each rule with what it finds, what it leaves alone, its boundary and its traps."""

from __future__ import annotations

import pytest

from isthmus.audit.model import LoginKind
from isthmus.audit.rules.registry import GATES, RULES
from tests.unit.audit.world import PLATFORM, Org, ago, found, graded


def company(**more: object) -> Org:
    org = Org(**more)
    org.license()
    org.regulars(10)
    return org


def test_every_rule_is_documented_and_says_what_to_do() -> None:
    rules = [gate.rule for gate in GATES] + [check.rule for check in RULES]
    assert [rule.id for rule in rules] == sorted({rule.id for rule in rules})
    assert all(len(rule.doc) > 80 and rule.title and rule.saves and rule.remedy for rule in rules)


# R06 -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("created", "grade"),
    [(400, "A"), (90.1, "A"), (89.9, "B"), (30.1, "B"), (29.9, "D"), (0, "D")],
)
def test_a_person_who_never_came_is_graded_by_the_age_of_the_seat(created: float, grade: str) -> None:
    org = company()
    org.user("Nora", last=None, created=created)
    assert graded(org.analyse(), "R06", "Nora") == grade


def test_a_new_starter_costs_nothing_in_the_report() -> None:  # peer defect 7
    org = company()
    org.user("Fred", last=None, created=3)
    analysis = org.analyse()
    assert graded(analysis, "R06", "Fred") == "D"
    assert all(analysis.findings[i].rule != "R06" for i in analysis.valued)


def test_someone_with_a_login_in_the_history_has_logged_in_even_without_a_last_login_date() -> None:
    org = company()
    org.user("Lag", last=None, created=300, human=[5])
    assert found(org.analyse(), "R06") == []


def test_failed_logins_are_not_use() -> None:  # peer defect 4
    org = company()
    org.user("Fay", last=None, created=300, failed=[1, 2, 3], failed_logins=3)
    org.user("Ian", last=120, human=[120], failed=[1, 2, 3])
    analysis = org.analyse()
    assert found(analysis, "R06") == ["Fay"]
    assert found(analysis, "R08") == ["Ian"]


def test_five_who_were_created_on_one_day_and_never_came_may_wait_for_a_go_live() -> None:
    org = company()
    for i in range(4):
        org.user(f"Cohort {i}", last=None, created=200)
    assert graded(org.analyse(), "R06", "Cohort 0") == "A"
    org.user("Cohort 4", last=None, created=200)
    analysis = org.analyse()
    assert graded(analysis, "R06", "Cohort 0") == "B"
    assert any("go-live" in trap for f in analysis.findings for trap in f.traps)


@pytest.mark.parametrize("rule", ["R06", "R07", "R08"])
def test_a_free_seat_a_deactivated_user_and_a_user_without_profile_are_left_alone(rule: str) -> None:
    org = company()
    org.license("100FREE", name="Chatter Free", key="PID_CHATTER_FREE")
    for i, last in enumerate((None, 300, 120)):
        org.user(f"Free {i}", last=last, seat="100FREE")
        org.user(f"Gone {i}", last=last, active=False)
        org.user(f"System {i}", last=last, seat=None)
    assert found(org.analyse(), rule) == []


def test_an_unknown_licence_is_unclassified_never_free() -> None:  # peer defect 2
    org = company()
    org.license("100ODD", name="Wonder Cloud", key="PID_WONDER")
    org.user("Nora", last=None, seat="100ODD")
    analysis = org.analyse()
    assert found(analysis, "R06") == ["Nora"]
    assert any("not in our catalogue" in gate.says for gate in analysis.gates)
    assert analysis.money["100ODD"].pool.price.amount is None


# R07, R08 --------------------------------------------------------------------------------------------------------


def test_dormant_means_before_all_history_and_inactive_means_within_it() -> None:
    org = company(history_days=180)
    org.user("Dora", last=181)
    org.user("Ivan", last=179)
    analysis = org.analyse()
    assert found(analysis, "R07") == ["Dora"]
    assert found(analysis, "R08") == ["Ivan"]
    assert graded(analysis, "R07", "Dora") == "A"


def test_with_a_short_history_nobody_is_dormant_before_the_threshold() -> None:
    org = company(history_days=60)
    org.user("Carl", last=70)
    analysis = org.analyse()
    assert found(analysis, "R07") == []
    assert found(analysis, "R08") == ["Carl"]


@pytest.mark.parametrize(("last", "grade"), [(89.9, None), (90.1, "B"), (119.9, "B"), (120.1, "A")])
def test_inactive_begins_at_the_threshold_and_is_sure_at_120_days(last: float, grade: str | None) -> None:
    org = company()
    org.user("Ivan", last=last)
    analysis = org.analyse()
    if grade is None:
        assert found(analysis, "R08") == []
    else:
        assert graded(analysis, "R08", "Ivan") == grade


def test_the_threshold_may_be_chosen() -> None:
    org = company()
    org.user("Ivan", last=70)
    assert found(org.analyse(), "R08") == []
    assert found(org.analyse(inactive_days=60), "R08") == ["Ivan"]


def test_software_in_the_users_name_keeps_them_from_being_called_inactive() -> None:
    org = company()
    org.user("Robot", last=2, human=[], machine=[2, 3, 4])
    assert found(org.analyse(), "R08") == []


def test_the_org_s_own_last_login_date_beats_a_hole_in_the_history() -> None:
    org = company()
    org.user("Purged", last=5, human=[])
    assert found(org.analyse(), "R08") == []


def test_an_unknown_login_type_counts_as_presence() -> None:
    org = company()
    user = org.user("Una", last=150, human=[150])
    org.login(user, 3, LoginKind.UNKNOWN)
    assert found(org.analyse(), "R08") == []


def test_someone_who_came_back_after_a_long_gap_before_is_graded_lower() -> None:
    org = company()
    org.user("Steady", last=100, human=[100, 110, 120, 159])
    org.user("Quarterly", last=100, human=[100, 160])
    analysis = org.analyse()
    assert graded(analysis, "R08", "Steady") == "B"
    assert graded(analysis, "R08", "Quarterly") == "C"


def test_a_department_that_went_silent_together_may_be_seasonal() -> None:
    org = company()
    for i in range(5):
        org.user(f"Season {i}", last=100 + i, department="Harvest")
    org.user("Other", last=100, department="Sales")
    analysis = org.analyse()
    assert graded(analysis, "R08", "Season 0") == "C"
    assert graded(analysis, "R08", "Other") == "B"


def test_a_department_that_went_silent_over_months_is_not_seasonal() -> None:
    org = company()
    for i in range(5):
        org.user(f"Slow {i}", last=95 + 15 * i, department="Harvest")
    assert graded(org.analyse(), "R08", "Slow 0") == "B"


# R10, R11 --------------------------------------------------------------------------------------------------------


def psl_org(used: int) -> Org:
    org = company()
    psl = org.psl(used=used, total=used)
    org.grant(org.users[0], psl, 100)
    org.grant(org.user("Gil", active=False, last=60), psl, 100)
    return org


@pytest.mark.parametrize(("used", "grade", "valued"), [(2, "A", True), (1, "D", False), (7, "C", True)])
def test_a_grant_of_a_deactivated_user_is_money_only_if_everyone_counts(used: int, grade: str, *, valued: bool) -> None:
    analysis = psl_org(used).analyse()  # peer defects 3 and 6: inactive holders are seen, a full pool too
    assert graded(analysis, "R10", "Gil") == grade
    assert any(analysis.findings[i].rule == "R10" for i in analysis.valued) is valued


def test_nobody_deactivated_means_no_such_finding() -> None:
    org = company()
    org.grant(org.users[0], org.psl(used=1), 100)
    assert found(org.analyse(), "R10") == []


@pytest.mark.parametrize(
    ("granted", "last", "hit"),
    [(60, 61, True), (60, 59, False), (60, None, True), (29.9, 100, False), (30.1, 100, True)],
)
def test_a_grant_is_never_used_if_the_holder_has_not_logged_in_since(
    granted: float, last: float | None, *, hit: bool
) -> None:
    org = company()
    org.grant(org.user("Pia", last=last), org.psl(used=1), granted)
    assert found(org.analyse(), "R11") == (["Pia"] if hit else [])


def test_software_after_the_grant_lowers_the_grade() -> None:
    org = company()
    org.grant(org.user("Pia", last=5, human=[100], machine=[5]), org.psl(used=1), 60)
    assert graded(org.analyse(), "R11", "Pia") == "B"


def test_a_grant_older_than_the_history_is_not_judged_by_software_alone() -> None:
    org = company()
    org.grant(org.user("Pia", last=5, human=[], machine=[5]), org.psl(used=1), 300)
    assert found(org.analyse(), "R11") == []


# R16, R18 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("total", "surplus"), [(10, None), (11, None), (12, 1), (30, 19)])
def test_a_surplus_begins_beyond_the_headroom(total: int, surplus: int | None) -> None:
    org = Org()
    org.license(total=total)
    org.regulars(10)  # headroom: one seat
    hits = [f.quantity for f in org.analyse().findings if f.rule == "R16"]
    assert hits == ([] if surplus is None else [surplus])


def test_an_old_counter_lowers_the_grade_of_counts() -> None:
    org = Org()
    org.license(total=100, updated=ago(2))
    org.license(PLATFORM, name="Salesforce Platform", key="AUL", total=1, used=2, updated=ago(2))
    org.regulars(10)
    assert {f.rule: f.grade.value for f in org.analyse().findings} == {"R16": "B", "R18": "B"}


def test_free_and_ended_pools_have_no_surplus() -> None:
    org = Org()
    org.license(total=10)
    org.license("100FREE", name="Chatter Free", key="", total=5000)
    org.license(PLATFORM, name="Salesforce Platform", key="AUL", total=50, status="Disabled")
    org.regulars(10)
    assert found(org.analyse(), "R16") == []


@pytest.mark.parametrize(
    ("total", "used", "status", "hit"),
    [(5, 5, "Active", False), (5, 6, "Active", True), (5, 1, "Disabled", True), (5, 0, "Disabled", False)],
)
def test_over_allocation_is_use_beyond_what_there_is(total: int, used: int, status: str, *, hit: bool) -> None:
    org = company()
    org.license(PLATFORM, name="Salesforce Platform", key="AUL", total=total, used=used, status=status)
    assert found(org.analyse(), "R18") == ([PLATFORM] if hit else [])


def test_findings_come_in_the_same_order_whatever_the_order_of_the_rows() -> None:
    org = company()
    for name in ("Zoe", "Adam", "Mia"):
        org.user(name, last=130)
    first = [(f.rule, f.subject_id) for f in org.analyse().findings]
    org.users.reverse()
    org.logins.reverse()
    assert [(f.rule, f.subject_id) for f in org.analyse().findings] == first
