"""Money: one seat one dollar, three figures apart, capped by the pool, unpriced is never zero."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.audit.composing.compose import compose
from isthmus.audit.finding import Finding, Grade, Saving, Severity, Subject
from isthmus.audit.given.catalogue import Category, category_of
from isthmus.audit.given.contract import parse_contract
from isthmus.audit.given.history import History, PoolPoint
from isthmus.audit.given.prices import (
    AT_LIST,
    CustomerPrice,
    Price,
    PricesInvalid,
    parse_customer_prices,
    shipped_prices,
)
from isthmus.audit.money import Less, Pool, Split, break_even_percent, money_of_seats, pool_money, valued_findings
from tests.unit.audit.world import CRM, PLATFORM, Org

PRICE = Price("L", "x", Decimal(100), "USD", AT_LIST, "", "")


def finding(rule: str, grade: Grade, subject: str, saving: Saving = Saving.SEAT) -> Finding:
    return Finding(rule, Subject.USER, subject, "L", Severity.CRITICAL, grade, "", saving=saving)


def seats(a: int = 0, b: int = 0, c: int = 0) -> list[Finding]:
    grades = [Grade.A] * a + [Grade.B] * b + [Grade.C] * c
    return [finding("R08", grade, str(i)) for i, grade in enumerate(grades)]


def test_a_seat_that_two_rules_found_is_valued_once_by_the_first_in_priority() -> None:
    found = [finding("R08", Grade.B, "u"), finding("R06", Grade.A, "u"), finding("R06", Grade.A, "v")]
    assert valued_findings(found) == {1, 2}


def test_a_hint_takes_no_seat_from_a_surer_finding() -> None:
    found = [finding("R15", Grade.C, "u"), finding("R08", Grade.A, "u"), finding("R15", Grade.B, "v")]
    found += [finding("R08", Grade.B, "v"), finding("R14", Grade.C, "g", Saving.PSL)]
    assert valued_findings([*found, finding("R12", Grade.B, "g", Saving.PSL)]) == {1, 2, 5}


def test_a_person_who_seems_to_have_two_seats_makes_no_unused_seat_doubtful() -> None:
    org = company()
    org.user("Nora", last=2, department="Sales", email="", human=[2 + 7 * n for n in range(25)])
    org.user("Nora", last=130, department="Sales", email="")
    found = compose(org.analyse(), "x")
    assert [(f.grade, f.valued) for f in found.findings if f.rule == "R15"] == [("C", False)]
    assert (found.money[0].reclaim_split.a, found.money[0].at_risk) == (Decimal(12 * (175 * 2 + 25)), 0)


def test_information_is_not_valued() -> None:
    assert valued_findings([finding("R06", Grade.D, "u"), finding("R10", Grade.A, "v", Saving.NONE)]) == frozenset()


def test_the_three_figures_are_kept_apart() -> None:
    money = pool_money(Pool("L", total=120, used=100, price=PRICE), seats(a=10, b=5, c=7), Decimal("0.05"))
    assert (money.reclaim.a, money.reclaim.b) == (10, 5)
    assert money.risk.c == 7
    assert money.renewal.total == 120 - 90  # 85 needed, 89.25 with headroom, rounded up to 90
    assert money.renewal.a == 30


def test_an_over_allocated_pool_caps_what_can_be_reclaimed() -> None:
    money = pool_money(Pool("L", total=95, used=100, price=PRICE), seats(a=10), Decimal(0))
    assert money.reclaim.total == 5
    assert money.renewal.total == 5


def test_the_contract_s_minimum_and_quantity_bound_the_renewal() -> None:
    pool = Pool("L", total=120, used=50, price=PRICE, contracted=100, minimum=80)
    assert pool_money(pool, [], Decimal(0)).renewal.total == 20


@given(
    total=st.integers(0, 500),
    used=st.integers(0, 500),
    a=st.integers(0, 60),
    b=st.integers(0, 60),
    c=st.integers(0, 60),
    minimum=st.integers(0, 500),
)
def test_no_figure_exceeds_its_pool(*, total: int, used: int, a: int, b: int, c: int, minimum: int) -> None:
    money = pool_money(Pool("L", total, used, PRICE, minimum=minimum), seats(a, b, c), Decimal("0.05"))
    assert 0 <= money.reclaim.total <= min(total, used, a + b)
    assert 0 <= money.renewal.total <= max(0, total - minimum)
    assert min(money.reclaim.a, money.reclaim.b, money.renewal.a, money.renewal.b) >= 0


def test_dropping_a_fifth_is_cancelled_by_a_rise_of_a_quarter() -> None:
    assert break_even_percent(Decimal(20), Decimal(100)) == Decimal("25.0")
    assert break_even_percent(Decimal(100), Decimal(100)) is None


def company() -> Org:
    org = Org()
    org.license(total=25)
    org.license(PLATFORM, name="Salesforce Platform", key="AUL", total=2)
    org.regulars(20)
    org.user("Ivan", last=130)
    org.user("Paul", last=130, seat=PLATFORM)
    return org


def test_every_licence_has_its_own_price() -> None:  # peer defect 11
    lines = {line.id: line for line in compose(company().analyse(), "x").licenses}
    assert (lines[CRM].unit_price, lines[PLATFORM].unit_price) == (Decimal(175), Decimal(25))
    assert lines[CRM].price_basis == "list"


def test_the_customer_s_own_price_wins() -> None:
    prices = (CustomerPrice("sfdc", Decimal("120.50"), "EUR"), CustomerPrice("Salesforce Platform", None, "EUR"))
    report = compose(company().analyse(prices=prices), "x")
    lines = {line.id: line for line in report.licenses}
    assert (lines[CRM].unit_price, lines[CRM].currency, lines[CRM].price_basis) == (Decimal("120.50"), "EUR", "yours")
    assert lines[PLATFORM].unit_price is None
    assert report.unpriced_seats == 1
    assert [total.currency for total in report.money] == ["EUR"]
    assert report.money[0].reclaim_now == Decimal("120.50") * 12


def test_unpriced_is_null_and_never_zero() -> None:
    org = company()
    org.grant(org.users[-1], org.psl(used=1), 60)
    report = compose(org.analyse(), "x")
    grant = next(f for f in report.findings if f.rule == "R11")
    assert grant.valued
    assert grant.saving_monthly is None
    assert report.psls[0].reclaim_monthly is None


def test_a_list_price_is_named_as_an_assumption() -> None:
    report = compose(company().analyse(), "x")
    assert any("valued at list, 175 USD" in text for text in report.assumptions)


def test_prices_are_dated_and_weak_ones_are_not_used() -> None:
    book = shipped_prices()
    crm = [p for p in book if "SFDC" in p.keys]
    assert len(crm) >= 3
    assert all(p.source and p.confidence and p.retrieved for p in book)
    on = date(2026, 11, 22)
    assert [p.amount for p in crm if p.use and p.in_force(on)] == [Decimal(175)]
    assert [p.amount for p in crm if p.use and p.in_force(date(2025, 7, 31))] == [Decimal(165)]


def test_the_licence_table_knows_the_documented_keys() -> None:  # peer defects 1 and 10
    paid = "SFDC AUL AUL1 AUL_LIGHT FDC_ONE FDC_SUB".split()
    assert {category_of(key, "") for key in paid} == {Category.PAID}
    assert category_of("AULL_IGHT", "") is Category.UNCLASSIFIED
    assert category_of("", "Customer Community Plus") is Category.EXTERNAL
    assert category_of("PID_Customer_Community_Login", "") is Category.METERED
    assert category_of("", "Identity") is Category.FREE


CONTRACT = """sku,license,quantity,unit price,currency,start,end,notice days,minimum quantity
Sales EE,SFDC,22,140.00,USD,2026-02-01,2027-01-31,60,21
"""


def test_a_contract_gives_price_deadline_and_drift() -> None:
    org = company()
    report = compose(org.analyse(contract=parse_contract(CONTRACT, "c.csv")), "x")
    line = report.contract[0]
    assert (line.contracted, line.provisioned, line.drift) == (22, 25, 3)
    assert line.notice_deadline == date(2026, 12, 2)
    assert (report.deadline, line.days_left) == (date(2026, 12, 2), 10)
    crm = next(row for row in report.licenses if row.id == CRM)
    assert (crm.unit_price, crm.price_basis) == (Decimal("140.00"), "yours")
    assert crm.renewal_seats == 1  # the minimum is 21


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("p.csv", "", "the column product is missing"),
        ("p.csv", "product,price,currency\n", "has no prices"),
        ("p.csv", "product,amount,currency\nSFDC,10,USD\n", "the column price is missing"),
        ("p.csv", "product,price,currency\nSFDC,abc,USD\n", "p.csv, line 2: the price"),
        ("p.csv", "product,price,currency\nSFDC,-1,USD\n", "line 2: the price"),
        ("p.csv", "product,price,currency\nSFDC,NaN,USD\n", "line 2: the price"),
        ("p.csv", "product,price,currency\nSFDC,1,dollars\n", "line 2: the currency"),
        ("p.csv", "product,price,currency\n,1,USD\n", "line 2: the product"),
        ("p.csv", "product,price,currency\nSFDC,1,USD\nsfdc,2,USD\n", "two prices"),
        ("p.toml", "not toml [", "is no TOML"),
        ("p.toml", "a = 1", "no [[price]] blocks"),
        ("p.txt", "", "neither .csv nor .toml"),
    ],
)
def test_a_price_file_that_cannot_be_used_says_where_and_what_to_do(name: str, text: str, says: str) -> None:
    with pytest.raises(PricesInvalid, match=says.replace("[", r"\[").replace("]", r"\]")):
        parse_customer_prices(text, name)


def test_prices_come_from_toml_too() -> None:
    text = '[[price]]\nproduct = "SFDC"\nprice = "99.5"\ncurrency = "gbp"\nsource = "order form 7"\n'
    assert parse_customer_prices(text, "p.toml") == (CustomerPrice("SFDC", Decimal("99.5"), "GBP", "order form 7"),)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n", "a column is missing"),
        ("license,quantity,end\nSFDC,x,2027-01-31\n", "line 2: the quantity"),
        ("license,quantity,end\nSFDC,5,31.1.2027\n", "line 2: the end"),
        ("license,quantity,end\nSFDC,5,\n", "the end is missing"),
        ("license,quantity,end\n,5,2027-01-31\n", "the licence is missing"),
    ],
)
def test_a_contract_file_that_cannot_be_used_says_where(text: str, says: str) -> None:
    with pytest.raises(PricesInvalid, match=says):
        parse_contract(text, "c.csv")


def test_the_sensitivity_line_agrees_with_the_findings_at_the_threshold() -> None:
    org = company()
    for days in (65, 95, 125, 175, 400):
        org.user(f"Quiet {days}", last=days)
    org.user("Nora", last=None)
    org.user("Fresh", last=None, created=5)
    report = compose(org.analyse(), "x")
    at = {point.days: point.seats for point in report.sensitivity}
    assert at[90] == report.seats_unused
    assert at[60] == report.seats_unused + 1
    assert list(at.values()) == sorted(at.values(), reverse=True)


def test_seats_that_the_past_weeks_needed_are_not_given_back() -> None:
    pool = Pool("L", total=120, used=60, price=PRICE, needed_before=100)
    assert pool_money(pool, seats(a=5), Decimal("0.05")).renewal.total == 15  # 105 are needed at the peak
    assert pool_money(pool, seats(a=5), Decimal("0.05")).reclaim.total == 5


@pytest.mark.parametrize(("weeks", "cash"), [(6, 67), (7, 15), (30, 15)])
def test_cash_at_renewal_is_capped_by_the_peak_once_there_are_eight_weeks(weeks: int, cash: int) -> None:
    org = Org()
    org.license(total=120)
    org.regulars(50)
    today = org.now.date()
    past = [PoolPoint(today - timedelta(days=7 * n), CRM, 120, 101, 1, 0, 0) for n in range(1, weeks + 1)]
    report = compose(org.analyse(history=History(tuple(past))), "x")
    assert report.licenses[0].renewal_seats == cash
    assert report.money[0].renewal_seats == cash
    ready = report.readiness[0]
    assert ready.base is None or (ready.fewer_base or 0) >= cash


@pytest.mark.parametrize(("minimum", "seats", "saved"), [(14, 6, 560), (15, 5, 490), (16, 4, 400), (19, 1, 100)])
def test_of_seats_that_are_worth_less_as_few_as_can_be_are_given_back(minimum: int, seats: int, saved: int) -> None:
    """Six of grade B at 100; for one of them a seat of 30 is needed instead, for another one a seat of 10."""
    odd = Less(b=((Decimal(30), 1), (Decimal(10), 1)), c=((Decimal(80), 3),))
    found = money_of_seats(Pool("L", 20, 20, PRICE, minimum=minimum), Split(b=6, c=3), Decimal(0), odd)
    assert (found.renewal.b, found.saving(found.renewal)) == (seats, saved)
    assert (found.saving(found.reclaim), found.saving(found.risk)) == (560, 60)


@pytest.mark.parametrize("growth", [0, 1, 2])
def test_cash_at_renewal_rests_on_the_base_case_of_the_seats_to_renew(growth: int) -> None:
    """With a forecast of more seats than today needs, with none, and for a seat that a person has twice."""
    org = Org()
    org.license(total=140)
    org.regulars(100)
    org.user("Twin", last=3, employee_number="7")
    org.user("Twin Two", last=40, employee_number="7")
    today = org.now.date()
    past = [PoolPoint(today - timedelta(days=7 * n), CRM, 140, 102 - growth * n, 0, 0, 0) for n in range(1, 31)]
    report = compose(org.analyse(history=History(tuple(past))), "x")
    ready = report.readiness[0]
    assert (ready.forecast is not None) is bool(growth)
    assert report.licenses[0].renewal_seats == ready.fewer_base == [32, 24, 16][growth]  # 102 + 8 weeks, x 1.05
    alone = compose(org.analyse(), "x")
    assert alone.readiness[0].spot == 107  # 102 held, one of them twice by one person; 101 x 1.05
    assert alone.licenses[0].renewal_seats == alone.readiness[0].fewer_base == 33


def test_a_figure_is_rounded_once_at_the_end() -> None:
    org = Org()
    org.license(total=60)
    org.license(PLATFORM, name="Salesforce Platform", key="AUL", total=10)
    org.regulars(20)
    org.user("Paul", last=130, seat=PLATFORM)
    for n in range(8):
        org.user(f"Gone {n}", last=130)
    report = compose(org.analyse(prices=[CustomerPrice("SFDC", Decimal("10.0005"), "USD")]), "x")
    at = next(point for point in report.sensitivity if point.days == 90)
    assert at.annual == Decimal("1260.05")  # 8 seats at 10.0005 and one at 25, times 12: no cent lost by seat
    assert report.money[0].reclaim_now == Decimal("1260.05")
