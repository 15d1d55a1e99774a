"""The summary page read alone: its figures add up on the page, in words and colours that can be read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any, cast

import pytest

from isthmus.audit.composing.compose import compose
from isthmus.audit.figures import Report
from isthmus.audit.given.contract import ContractItem
from isthmus.audit.given.history import History, PoolPoint
from isthmus.audit.given.prices import CustomerPrice
from isthmus.audit.report.summary import summary_data
from tests.unit.audit.outputs import company, history
from tests.unit.audit.world import CRM, PLATFORM, Org

END = date(2027, 1, 31)
CRM_LINE = ContractItem("SFDC", 600, END, "Sales Cloud", Decimal("128.50"), start=date(2024, 2, 1), notice_days=60)
AUL_LINE = ContractItem("AUL", 60, END, "Starter", Decimal(19), notice_days=60)
PRICES = (CustomerPrice("CpqPsl", Decimal(70), "USD", "Order form 7"), CustomerPrice("PID_WONDER", Decimal(12), "USD"))
OTHERS = ((PLATFORM, 0), ("100WONDER", 11))
HEADS = (
    "bought", "assigned", "active", "unused", "a", "b", "c", "price", "cost", "renew", "fewer", "saved",
)  # fmt: skip


@cache
def report(*contract: ContractItem) -> Report:
    org = company()
    org.user("Twin", last=3, employee_number="7")
    org.user("Twin Two", last=40, employee_number="7")
    others = [PoolPoint(p.day, pool, 60, used, 0, 0, 0) for p in history(org).points for pool, used in OTHERS]
    past = History((*history(org).points, *others))
    return compose(org.analyse(prices=PRICES, contract=contract, history=past), "acme")


def page(found: Report) -> dict[str, Any]:
    return summary_data(found)


def rows(found: Report) -> dict[str, Mapping[str, Decimal | None]]:
    table = cast("dict[str, Any]", page(found)["table"])
    return {row["name"]: dict(zip(HEADS, map(amount, row["cells"]), strict=True)) for row in table["rows"]}


def amount(text: str) -> Decimal | None:
    return Decimal(text.replace(",", "")) if text and text[0].isdigit() else None


def total(lines: Sequence[Mapping[str, Decimal | None]], column: str) -> Decimal:
    return sum((line[column] or Decimal(0) for line in lines), Decimal(0))


def card(found: Report, label: str) -> dict[str, str]:
    return next(c for c in (*page(found)["seats"], *page(found)["cards"]) if c["label"] == label)


def test_assigned_seats_are_the_sum_of_the_three_beside_them_and_say_so() -> None:
    found = report(CRM_LINE, AUL_LINE)
    assert card(found, "Assigned")["note"] == "= active + not used + neither"
    values = [amount(card(found, label)["value"]) for label in ("Active", "Not used", "Neither")]
    assert sum(value or 0 for value in values) == found.seats_assigned
    graded = re.findall(r"[\d,]+", card(found, "Not used")["note"])
    assert sum(amount(text) or 0 for text in graded) == found.seats_unused


def test_each_row_and_the_rows_together_add_up_to_the_cash() -> None:
    found = report(CRM_LINE, AUL_LINE)
    lines, main = rows(found), found.money[0]
    whole, all_of_it = lines.pop("All paid seats"), lines.pop("Total in USD")
    assert set(lines) == {"Salesforce", "Salesforce Platform", "Wonder Cloud", "Add-on: CpqPsl"}
    for line in lines.values():
        bought, price, fewer = (line[name] or Decimal(0) for name in ("bought", "price", "fewer"))
        assert (line["cost"], line["renew"], line["saved"]) == (bought * price * 12, bought - fewer, fewer * price * 12)
        assert line["unused"] == total([line], "a") + total([line], "b") + total([line], "c")
    seats = [line for name, line in lines.items() if not name.startswith("Add-on")]
    for column in HEADS:
        if column != "price":
            assert whole[column] == total(seats, column), column
    for column in ("cost", "fewer", "saved"):
        assert all_of_it[column] == total(list(lines.values()), column), column
    assert (all_of_it["saved"], all_of_it["fewer"]) == (main.cash_at_renewal, main.renewal_seats)
    assert card(found, "Cash at renewal")["value"] == f"USD {main.cash_at_renewal:,.0f}"


def test_the_base_case_is_the_one_that_the_cash_rests_on() -> None:
    found = report(CRM_LINE, AUL_LINE)
    cases = page(found)["table"]["cases"]
    assert [case[0] for case in cases] == ["Conservative", "Base (used above)", "Aggressive"]
    assert [amount(text) for text in cases[1][1:]] == [
        rows(found)["All paid seats"]["renew"],
        rows(found)["All paid seats"]["fewer"],
    ]
    seats = [amount(case[1]) or 0 for case in cases]
    assert seats == sorted(seats, reverse=True)


@pytest.mark.parametrize(("label", "which"), [("Reclaim now", "reclaim"), ("At risk", "risk")])
def test_an_amount_names_the_findings_that_it_consists_of(label: str, which: str) -> None:
    found = report(CRM_LINE, AUL_LINE)
    note = card(found, label)["note"]
    parts = re.findall(r"([\d,]+) [a-z][^(]*\(([\d,]+)(?: less ([\d,]+))?\)", note)
    main = found.money[0]
    seats, money = (main.reclaim_seats, main.reclaim_now) if which == "reclaim" else (main.risk_seats, main.at_risk)
    assert len(parts) > 1
    assert sum(amount(count) or 0 for count, *_ in parts) == seats
    assert sum((amount(worth) or 0) - (amount(less) or 0) for _, worth, less in parts) == money
    assert any(less for *_, less in parts) is ("; less: " in note)
    if which == "reclaim":
        assert f"{(found.seats_unused_a or 0) + (found.seats_unused_b or 0)} not used" in note


def test_the_deadline_says_what_is_lost_and_what_is_late() -> None:
    found = report(CRM_LINE, AUL_LINE)
    told, lines = page(found), rows(found)
    dated = total([lines["Salesforce"], lines["Salesforce Platform"]], "saved")
    assert "Sales Cloud (Salesforce) and Starter (Salesforce Platform)" in told["deadline"]
    assert f"USD {dated:,.0f} a year are not saved before the renewal after that" in told["deadline"]
    assert (
        f": {dated:,.0f} of it after 31 January 2027, the rest at a renewal whose day is not known"
        in told["standfirst"]
    )
    assert told["next"][0] == (
        "Decide: quantity, term and the unit price you will accept (due since 18 November 2026)."
    )


def test_seats_of_which_a_cheaper_one_is_needed_are_taken_off_in_words() -> None:
    org = Org()
    org.license(total=30)
    org.license("100000000000003AAA", name="Salesforce Integration", key="", total=1, used=1)
    org.regulars(20)
    for n in range(4):
        org.user(f"Robot {n}", last=0.5, human=[], machine=[d + 0.5 for d in range(60)])
    prices = [CustomerPrice("SFDC", Decimal(100), "USD"), CustomerPrice("Salesforce Integration", Decimal(10), "USD")]
    found = compose(org.analyse(prices=prices, headroom="0"), "acme")
    line = rows(found)["Salesforce"]
    less = (line["fewer"] or 0) * 100 * 12 - (line["saved"] or 0)
    assert less == 4 * 10 * 12
    assert f"{less} is taken off for cheaper seats that are needed instead" in page(found)["table"]["note"]
    assert card(found, "Reclaim now")["note"].endswith(
        "4 used by software (4,800 less 480); less: seats needed instead"
    )


@pytest.mark.parametrize(
    ("then", "minimum", "told"),
    [
        (20, 0, "25 = 23 in use today + 2 headroom"),
        (26, 0, "28 = 26 in 95 % of weeks + 2 headroom"),
        (20, 27, "27 = the contract minimum"),
    ],
)
def test_the_base_case_says_what_it_is_made_of(then: int, minimum: int, told: str) -> None:
    org = Org()
    org.license(total=30, used=23)
    org.regulars(23)
    days = [date(2026, 11, 15) - timedelta(days=7 * back) for back in range(10)]
    past = History(tuple(PoolPoint(day, CRM, 30, then, 0, 0, 0) for day in days))
    line = ContractItem("SFDC", 30, END, minimum_quantity=minimum)
    found = compose(org.analyse(contract=[line], history=past), "acme")
    assert page(found)["table"]["cases_note"].endswith(f" Base here: Salesforce {told}.")
    assert rows(found)["Salesforce"]["renew"] == int(told[:2])


def test_the_quantity_of_the_contract_counts_as_bought_and_what_the_org_has_besides_is_said() -> None:
    found = report(CRM_LINE)
    assert rows(found)["Salesforce"]["bought"] == 600
    assert "Bought is by your contract file; the org has 13 seats more than it." in page(found)["table"]["note"]


def test_amounts_of_another_currency_are_named_and_in_no_total() -> None:
    euros = ContractItem("AUL", 60, END, unit_price=Decimal(19), currency="EUR")
    found = report(CRM_LINE, euros)
    lines = rows(found)
    assert lines["Salesforce Platform (EUR)"]["cost"] == 60 * 19 * 12
    mine = [line for name, line in lines.items() if name in {"Salesforce", "Wonder Cloud", "Add-on: CpqPsl"}]
    assert lines["Total in USD"]["cost"] == total(mine, "cost") == found.money[0].annual_cost


def test_nothing_of_the_page_is_smaller_than_eight_points() -> None:
    first = template().partition("// ---- findings ---")[0]
    assert [float(size) for size in re.findall(r"size: ([\d.]+)pt", first) if float(size) < 8] == []


@pytest.mark.parametrize("ink", ["navy", "blue", "grey", "amber"])
def test_words_stand_out_from_what_is_behind_them(ink: str) -> None:
    """WCAG 2 asks for 4.5 to 1; blue stands on white alone."""
    names = dict(re.findall(r'#let (\w+) = rgb\("(#\w{6})"\)', template()))
    for ground in ("#ffffff",) if ink == "blue" else ("#ffffff", names["pale"], "#fef6e7"):
        one, other = sorted((luminance(names[ink]), luminance(ground)))
        assert (other + 0.05) / (one + 0.05) >= 4.5


def template() -> str:
    return resources.files("isthmus.audit.report").joinpath("report.typ").read_text("utf-8")


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
