"""Required seats, scenarios and plan; the calendar and the cost rows made of them."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from decimal import Decimal

import pytest

from isthmus.audit.composing.compose import compose
from isthmus.audit.evidence.verify import verify_files
from isthmus.audit.figures import Report
from isthmus.audit.figures_renewal import ReadinessLine
from isthmus.audit.given.contract import ContractItem
from isthmus.audit.given.history import History, PoolPoint, weekly
from isthmus.audit.given.options import AuditOptions, LicenseThresholds
from isthmus.audit.given.prices import CustomerPrice, PricesInvalid
from isthmus.audit.given.thresholds import parse_settings
from isthmus.audit.judge import Judged, judge
from isthmus.audit.once import OPTIONAL, write_output
from isthmus.audit.report.calendar import LINE_BYTES_MAX, render_ics
from tests.unit.audit.test_documents import pdf_text
from tests.unit.audit.world import CRM, NOW, Org, example

CONTRACT = ContractItem(
    "SFDC", 100, date(2027, 3, 31), sku="Sales, Enterprise; EE", unit_price=Decimal(150), notice_days=60,
    minimum_quantity=40,
)  # fmt: skip


def company(total: int = 100) -> Org:
    org = Org()
    org.license(total=total)
    org.regulars(50)
    org.user("Dora", last=300)  # R07, grade A
    org.user("Bea", last=100)  # R08, grade B
    return org


def weeks(*assigned: int, a: int = 1, b: int = 1, c: int = 0) -> History:
    """Points a week apart, the last one a week ago."""
    days = [NOW.date() - timedelta(days=7 * n) for n in range(len(assigned), 0, -1)]
    return History(tuple(PoolPoint(d, CRM, 100, n, a, b, c) for d, n in zip(days, assigned, strict=True)))


def report(org: Org, *, history: History | None = None, contract: tuple[ContractItem, ...] = ()) -> Report:
    return compose(org.analyse(history=history or History(), contract=contract, headroom="0"), "acme")


def ready(found: Report) -> ReadinessLine:
    return next(line for line in found.readiness if line.pool == CRM)


def test_below_eight_weeks_only_today_s_value_is_given() -> None:
    line = ready(report(company(), history=weeks(*[60] * 6)))
    assert (line.weeks, line.spot) == (7, 50)  # 52 held, less one of grade A and one of grade B
    assert (line.conservative, line.base, line.aggressive) == (None, None, None)
    assert "insufficient history: 7 of 8" in line.note


def test_with_eight_weeks_the_three_cases_are_the_maximum_the_95th_percentile_and_the_median() -> None:
    line = ready(report(company(), history=weeks(60, 62, 64, 66, 68, 70, 90, c=5)))  # and today: 52 held
    assert (line.weeks, line.note) == (8, "")
    assert line.conservative == 89
    assert line.base == 88  # of eight weeks the 95th percentile is the largest
    assert line.aggressive == 59  # of 50, 53, 55, 57, 59, 61, 63, 83 the upper median


def test_over_forty_weeks_the_95th_percentile_lies_below_the_maximum_as_reckoned_by_hand() -> None:
    """39 weeks of 60 to 98 assigned seats, 2 of grade A, 3 of B, 4 of C; today 52 assigned, 1 of A, 1 of B."""
    found = compose(company().analyse(history=weeks(*range(60, 99), a=2, b=3, c=4), headroom="0.05"), "acme")
    line = ready(found)
    assert line.weeks == 40
    assert line.forecast is None  # today breaks with the rise before it
    assert line.conservative == 101  # less A: 58 to 96, and 51; the largest is 96, x 1.05 = 100.8
    assert line.base == 96  # less A and B: 50, 55 to 93; of forty the 38th is 91, x 1.05 = 95.55
    assert line.aggressive == 74  # less A, B and C: 50, 51 to 89; the median is 70, x 1.05 = 73.5
    assert line.fewer_base == 4
    assert line.break_even_percent == Decimal("4.2")  # 4 of 100 seats less: 0.04 / 0.96


def test_headroom_and_minimum_hold_in_every_case() -> None:
    history = weeks(*[30] * 8)
    found = compose(company().analyse(history=history, contract=[CONTRACT], headroom="0.10"), "acme")
    line = ready(found)
    assert line.conservative == 57  # today's 51 is the maximum; with a tenth on top 56.1, rounded up
    assert line.aggressive == 40


def test_committed_hires_are_added_to_every_case_and_taken_off_surplus_and_cash() -> None:
    history = weeks(*[60] * 9)
    without = compose(company().analyse(history=history, headroom="0.10"), "acme")
    hires = LicenseThresholds("SFDC", hires=7)
    with_them = compose(company().analyse(history=history, headroom="0.10", licenses=[hires]), "acme")
    before, after = ready(without), ready(with_them)
    assert (before.hires, after.hires) == (0, 7)
    for case in ("spot", "conservative", "base", "aggressive"):
        assert getattr(after, case) - getattr(before, case) == 7, case
    assert without.money[0].renewal_seats - with_them.money[0].renewal_seats == 7
    surplus = [[f.quantity for f in found.findings if f.rule == "R16"] for found in (without, with_them)]
    assert surplus[0][0] - surplus[1][0] == 7


def test_committed_hires_stand_in_the_settings_of_a_licence_only() -> None:
    found = parse_settings('[[license]]\nlicense = "SFDC"\nhires = 7\n', "s.toml")
    assert (found.of("SFDC").hires, found.of("AUL").hires) == (7, 0)
    for text in ("hires = 7\n", '[[license]]\nlicense = "SFDC"\nhires = -1\n'):
        with pytest.raises(PricesInvalid, match=r"s\.toml"):
            parse_settings(text, "s.toml")


def test_several_audits_in_a_week_are_one_week_and_old_or_later_points_are_none() -> None:
    today = NOW.date()
    points = [PoolPoint(today - timedelta(days=d), CRM, 1, d) for d in (0, 1, 2, 363, 364, -1)]
    assert [p.assigned for p in weekly(points, CRM, today)] == [363, 0]
    assert weekly(points, "other", today) == ()


def test_blind_data_give_no_required_seats() -> None:
    org = company()
    org.blind = True
    found = report(org, history=weeks(*[60] * 10), contract=(CONTRACT,))
    assert (found.readiness, found.scenarios) == ((), ())
    assert found.plan


def test_scenarios_cover_quantity_price_and_term_and_the_break_even_is_f_over_one_minus_f() -> None:
    found = report(company(), history=weeks(*[82] * 9), contract=(CONTRACT,))
    cells = {(s.case, s.price_case, s.years): s for s in found.scenarios}
    assert {case for case, _, _ in cells} == {"as is", "base", "aggressive"}
    assert {price for _, price, _ in cells} == {"flat", "+3 %", "+6 %", "+7 %", "+10 %", "list"}
    base = cells["base", "flat", 1]
    assert (base.quantity, base.annual, base.difference) == (80, Decimal(144_000), Decimal(-36_000))
    assert base.break_even_percent == Decimal("25.0")
    assert cells["as is", "flat", 1].break_even_percent is None
    assert cells["as is", "+7 %", 3].term == Decimal("160.50") * 100 * 36
    assert cells["as is", "list", 1].unit_price == 175


def test_without_a_contract_or_in_a_sandbox_there_are_no_scenarios() -> None:
    assert report(company()).scenarios == ()
    org = company()
    org.host = "acme--uat.sandbox.my.salesforce.com"
    assert report(org, contract=(CONTRACT,)).scenarios == ()


def test_the_plan_counts_back_from_the_term_s_end() -> None:
    plan = report(company(), contract=(CONTRACT,)).plan
    days = [step.day for step in plan]
    assert days == sorted(days)
    assert [(date(2027, 3, 31) - day).days for day in days] == [365, 274, 182, 90, 74, 60, 0]
    assert "notice" in plan[-2].what


@pytest.fixture(scope="module")
def judged() -> Judged:
    options = AuditOptions(
        prices=(CustomerPrice("SFDC", Decimal(150), "USD"),), contract=(CONTRACT,), history=weeks(*[40] * 9)
    )
    return judge(example(12).snapshot(), options, "=acme")


def test_the_calendar_has_an_event_a_step_and_hostile_names_break_no_line(judged: Judged) -> None:
    content = judged.documents["renewal.ics"]
    assert content == render_ics(judged.report)
    lines = content.split(b"\r\n")
    assert all(len(line) <= LINE_BYTES_MAX for line in lines)
    whole = content.replace(b"\r\n ", b"").decode()
    assert whole.count("BEGIN:VEVENT") == len(judged.report.plan) == 7
    assert "SUMMARY:Sales\\, Enterprise\\; EE: " in whole
    assert "DTSTART;VALUE=DATE:20270130" in whole  # the notice
    assert len({line for line in whole.split("\r\n") if line.startswith("UID:")}) == 7


def test_a_line_break_in_a_product_starts_no_line_of_its_own() -> None:
    item = ContractItem("SFDC", 1, date(2027, 3, 31), sku="EE\r\nATTACH:http://evil.example\x00")
    content = render_ics(report(company(), contract=(item,)))
    assert not [line for line in content.split(b"\r\n") if line.startswith(b"ATTACH")]


def test_cost_rows_add_up_to_the_seats_and_hold_no_formula(judged: Judged) -> None:
    rows = list(csv.DictReader(io.StringIO(judged.documents["focus.csv"].decode())))
    mine = [row for row in rows if row["SkuId"] == "SFDC"]
    assert [row["CommitmentDiscountStatus"] for row in mine] == ["Used", "Unused"]
    assert sum(int(row["PricingQuantity"]) for row in mine) == CONTRACT.quantity
    assert sum(Decimal(row["EffectiveCost"]) for row in mine) == 150 * CONTRACT.quantity
    assert {row["x_Org"] for row in mine} == {"'=acme"}
    assert {row["ChargePeriodStart"] for row in mine} == {"2026-11-01T00:00:00Z"}


def test_renewal_stands_in_the_pdf_and_the_workbook_and_the_bundle_verifies(judged: Judged) -> None:
    text = " ".join(" ".join(pdf_text(judged)).split())
    assert "What to do when" in text
    assert "Cost of a year" in text
    verified = verify_files(judged.bundle)
    assert verified.report.readiness == judged.report.readiness
    assert len(judged.bundle["history.json"]) > 100


def test_an_audit_without_contract_or_own_price_leaves_neither_and_takes_former_ones_away(
    judged: Judged, tmp_path
) -> None:
    assert {place.name for place in write_output(judged, tmp_path)} >= set(OPTIONAL)
    plain = judge(example(12).snapshot(), AuditOptions(), "acme")
    write_output(plain, tmp_path)
    assert not set(OPTIONAL) & {place.name for place in tmp_path.iterdir()}
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "focus.csv").write_text("mine")
    write_output(plain, tmp_path / "elsewhere")
    assert (tmp_path / "elsewhere" / "focus.csv").read_text() == "mine"
