"""R20's money, and seats created together: what is used, needed and never used, and what it costs."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.audit.composing.compose import compose
from isthmus.audit.evidence.verify import verify_files
from isthmus.audit.figures_more import MeterLine
from isthmus.audit.given.exemptions import Exemption
from isthmus.audit.given.options import AuditOptions
from isthmus.audit.given.prices import CustomerPrice
from isthmus.audit.judge import judge
from isthmus.audit.report.files import documents
from isthmus.audit.rules.r20_login_metered import months
from isthmus.audit.view import View
from tests.unit.audit.test_documents import pdf_text
from tests.unit.audit.world import CRM, NOW, PLATFORM, Org

LOGIN = CustomerPrice("Customer Community Login", Decimal(2), "USD")
MEMBER = CustomerPrice("Customer Community", Decimal(5), "USD")


def company(*, used: int = 300, entitled: int = 1000, now: datetime = NOW) -> Org:
    org = Org(now=now)
    org.license()
    org.regulars(10)
    org.meter(used=used, entitled=entitled)
    return org


def meter(org: Org, *prices: CustomerPrice) -> MeterLine:
    (line,) = compose(org.analyse(prices=prices), "acme").meters
    return line


# Logins ----------------------------------------------------------------------------------------------------------


def test_what_is_bought_and_not_needed_costs_the_entitlement_less_the_forecast_s_95_percent_end() -> None:
    line = meter(company(), LOGIN, MEMBER)  # 300 in 21.5 of 30 days: 119 are to come, and 23 more in one of 20 months
    assert (line.projected, line.needed, line.unneeded) == (419, 440, 560)
    assert (line.price, line.saving_monthly, line.currency) == (Decimal(2), Decimal("1120.00"), "USD")
    assert line.break_even_logins == Decimal("2.5")


def test_without_your_own_price_of_a_login_there_is_no_amount() -> None:
    line = meter(company())
    assert (line.price, line.saving_monthly, line.break_even_logins) == (None, None, None)
    assert line.unneeded == 560
    assert meter(company(), LOGIN).break_even_logins is None  # what a member costs is not known
    euros = CustomerPrice("Customer Community", Decimal(5), "EUR")
    assert meter(company(), LOGIN, euros).break_even_logins is None
    assert meter(company(), CustomerPrice("Customer Community Login", None, "USD")).saving_monthly is None


@pytest.mark.parametrize(("used", "unneeded"), [(2000, 0), (0, 1000)])
def test_an_entitlement_that_is_used_up_or_not_used_at_all(used: int, unneeded: int) -> None:
    assert meter(company(used=used), LOGIN).unneeded == unneeded


def test_in_the_first_week_of_a_month_nothing_is_projected() -> None:
    line = meter(company(used=50, now=NOW.replace(day=5)), LOGIN)
    assert (line.projected, line.needed, line.saving_monthly) == (None, None, None)


def test_trap_a_busy_season_in_the_visible_history_raises_what_is_needed() -> None:
    org = company()
    people = [org.user(f"Guest {n}", seat="100LOGIN", last=100, human=()) for n in range(5)]
    for user in people:
        for day in range(98, 133):
            org.login(user, day, count=5)
    line = meter(org, LOGIN)
    assert line.needed == 750  # 5 people, 5 times a day, for 30 days
    assert line.saving_monthly == Decimal("500.00")


def test_a_sandbox_has_no_cost_of_logins_and_no_total_has_it_anywhere() -> None:
    org = company()
    with_login = compose(org.analyse(prices=[LOGIN]), "acme")
    without = compose(org.analyse(), "acme")
    assert with_login.money == without.money
    org.host = "acme--uat.sandbox.my.salesforce.com"
    line = meter(org, LOGIN, MEMBER)
    assert (line.price, line.saving_monthly, line.break_even_logins) == (None, None, None)


@given(used=st.integers(0, 5000), entitled=st.integers(1, 5000), day=st.integers(8, 30))
def test_more_is_never_given_back_than_bought_and_the_need_is_never_below_the_projection(
    used: int, entitled: int, day: int
) -> None:
    org = Org(now=NOW.replace(day=day))
    org.meter(used=used, entitled=entitled)
    (month,) = months(View(org.snapshot(), org.analyse().basis.thresholds))
    assert month.projected is not None
    assert month.needed is not None
    assert month.unneeded is not None
    assert month.needed >= max(used, month.projected)
    assert 0 <= month.unneeded <= entitled


# Seats created together ------------------------------------------------------------------------------------------


def cohort(created: int, never: int, *, days: float = 203, seat: str = CRM) -> Org:
    org = Org()
    org.license()
    org.license(PLATFORM, name="Salesforce Platform", key="AUL", total=100)
    org.regulars(10)
    for n in range(created):
        org.user(f"Cohort {n}", created=days, last=None if n < never else 3, seat=seat)
    return org


@pytest.mark.parametrize(
    ("created", "never", "hit"),
    [(40, 31, True), (10, 5, True), (9, 9, False), (10, 4, False), (40, 10, True), (40, 9, False)],
)
def test_forty_seats_were_created_on_a_day_and_most_were_never_used(created: int, never: int, *, hit: bool) -> None:
    lines = compose(cohort(created, never).analyse(), "acme").cohorts
    assert [(line.seats, line.never_used, line.day.isoformat()) for line in lines] == (
        [(created, never, "2026-05-03")] if hit else []
    )


def test_trap_a_cohort_of_this_month_is_being_onboarded() -> None:
    assert compose(cohort(40, 31, days=29).analyse(), "acme").cohorts == ()
    assert len(compose(cohort(40, 31, days=31).analyse(), "acme").cohorts) == 1


def test_trap_two_licences_on_one_day_are_two_cohorts_and_free_seats_are_none() -> None:
    org = cohort(12, 6)
    org.license("100FREE", name="Chatter Free", key="", total=500)
    for n in range(20):
        org.user(f"Light {n}", created=203, last=None, seat=PLATFORM)
        org.user(f"Free {n}", created=203, last=None, seat="100FREE")
    lines = compose(org.analyse(), "acme").cohorts
    assert [(line.product, line.never_used) for line in lines] == [("Salesforce Platform", 20), ("Salesforce", 6)]


def test_people_who_are_exempt_do_not_raise_the_alarm() -> None:
    org = cohort(10, 5)
    leave = [Exemption("cohort.0@acme.example", "starts in spring")]
    assert compose(org.analyse(exemptions=leave), "acme").cohorts == ()


def test_where_activity_is_withheld_there_is_no_cohort() -> None:
    org = cohort(40, 31)
    org.blind = True
    assert compose(org.analyse(), "acme").cohorts == ()


# In the documents ------------------------------------------------------------------------------------------------


def test_both_stand_in_the_pdf_and_the_workbook_and_the_bundle_verifies() -> None:
    org = cohort(40, 31)
    org.meter()
    made = judge(org.snapshot(), AuditOptions(prices=(LOGIN, MEMBER)), "acme")
    text = " ".join(" ".join(pdf_text(made)).split())
    assert "40 seats of Salesforce were created on 3 May 2026, 31 of them were never used." in text
    assert "Licences paid by the login" in text
    assert "USD 1,120.00" in text
    assert verify_files(made.bundle).report == made.report
    again = documents(made.report, made.bundle)
    assert again["report.json"] == made.documents["report.json"]
    assert "focus.csv" in again  # the login-based licence has an own price, and no cost row by the seat
    assert b"Community" not in again["focus.csv"]


def test_seats_are_counted_by_the_month_of_their_creation() -> None:
    org = Org(history_days=100)  # from 14 August
    org.license()
    org.regulars(10)  # created 400 days ago: before the last twelve months
    may = (NOW.date() - date(2026, 5, 5)).days
    org.user("Gone", created=may, last=120, active=False)
    org.user("Never", created=may, last=None)
    org.user("Here", created=may, last=29.9)
    org.user("Lately", created=may, last=30.0)
    org.user("Away", created=may, last=90.0)
    september = (NOW.date() - date(2026, 9, 10)).days
    org.user("Swift", created=september, last=2, human=[september - 30, 2])
    org.user("Slow", created=september, last=2, human=[september - 31, 2])
    org.user("Fresh", created=10, last=None)
    months = compose(org.analyse(), "acme").cohort_months
    told = {m.start: (m.created, m.deactivated, m.never_used, m.last_30, m.last_90, m.longer) for m in months}
    assert told == {
        date(2026, 5, 1): (5, 1, 1, 1, 1, 1),
        date(2026, 9, 1): (2, 0, 0, 2, 0, 0),
        date(2026, 11, 1): (1, 0, 1, 0, 0, 0),
    }
    assert [(m.followed, m.came_in_30) for m in months] == [(None, None), (2, 1), (0, 0)]


@pytest.mark.parametrize(("days", "counted"), [(356, True), (357, False)])
def test_twelve_months_are_counted_and_this_one_is_the_last(days: int, *, counted: bool) -> None:
    org = Org()
    org.license()
    org.regulars(10)
    org.user("Old", created=days, last=1)  # 1 December or 30 November of last year
    assert bool(compose(org.analyse(), "acme").cohort_months) is counted
