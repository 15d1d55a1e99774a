"""The documents that people forward, held against one another: the same figure is the same everywhere."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any, cast

import openpyxl
import pypdf
import pytest

from isthmus.audit.composing.compose import compose
from isthmus.audit.evidence.bundle import read_manifest
from isthmus.audit.figures import Report
from isthmus.audit.judge import Judged, judge
from isthmus.audit.report.files import render_csv
from isthmus.audit.report.findings import counted_with, worth_by_rule
from isthmus.audit.report.pdf import pdf_data, render_pdf
from isthmus.audit.report.tables import tables
from tests.unit.audit import orgs
from tests.unit.audit.outputs import company, options_of, printed
from tests.unit.audit.world import Org

NOTHING = "\N{EN DASH}"


@cache
def large() -> Judged:
    org = company()
    return judge(org.snapshot(), options_of(org), "acme")


MADE = (*orgs.ORGS, large)
every_org = pytest.mark.parametrize("make", MADE, ids=lambda make: make.__name__)


@cache
def report_of(make: Callable[[], Judged]) -> Report:
    return make().report


@cache
def pages() -> tuple[str, ...]:
    reader = pypdf.PdfReader(io.BytesIO(large().documents["report.pdf"]))
    return tuple(page.extract_text().replace("\u200b", "") for page in reader.pages)


def amount(text: str) -> Decimal:
    return Decimal(0) if text == NOTHING else Decimal(text.replace(",", ""))


# ---- the PDF behind its summary page --------------------------------------------------------------------------------


@every_org
def test_the_money_of_the_findings_adds_up_by_rule_to_the_amounts_of_the_summary_page(
    make: Callable[[], Judged],
) -> None:
    found = report_of(make)
    tables = cast("list[dict[str, Any]]", worth_by_rule(found))
    assert len(tables) == (0 if found.money_withheld else len(found.money))
    for table, total in zip(tables, () if found.money_withheld else found.money, strict=True):
        columns = list(zip(*[row[2:] for row in table["rows"]], strict=True))
        assert [sum(map(amount, column), Decimal(0)) for column in columns] == [
            amount(cell) for cell in table["sum"][2:][: len(columns)]
        ]
        if "less than the rows have" not in table["note"]:
            wanted = (total.reclaim_split.a, total.reclaim_split.b, total.at_risk)
            assert [amount(cell) for cell in table["sum"][3:6]] == [round(part) for part in wanted]


@every_org
def test_a_seat_that_is_counted_with_another_finding_names_one_that_is_counted(make: Callable[[], Judged]) -> None:
    found = report_of(make)
    lines = {line.ordinal: line for line in found.findings}
    for mine, other in counted_with(found).items():
        assert not lines[mine].valued
        assert lines[other].valued
        assert (lines[mine].subject_id, lines[mine].pool) == (lines[other].subject_id, lines[other].pool)


def test_of_two_findings_about_a_seat_the_page_says_where_its_money_is() -> None:
    assert counted_with(large().report)
    cells = [
        row[-1] for group in cast("list[Any]", pdf_data(large().report, "f" * 64)["groups"]) for row in group["rows"]
    ]
    assert any(cell.startswith("in No. ") for cell in cells)
    assert {cell.partition(" ")[0] for cell in cells} <= {"in", "no", "USD", NOTHING}
    assert {cell[-3] for cell in cells if cell.startswith("USD")} == {"."}  # all with cents, so that they stand in line


@every_org
def test_all_that_a_report_assumes_is_behind_the_summary_page_whatever_had_room_on_it(
    make: Callable[[], Judged],
) -> None:
    assert pdf_data(report_of(make), "f" * 64)["assumptions"] == list(report_of(make).assumptions)


def test_what_is_assumed_withheld_asked_and_cannot_be_seen_is_printed_behind_the_summary_page() -> None:
    behind = " ".join(" ".join(pages()[1:]).split())
    found = large().report
    for text in (*found.assumptions, *found.blind_spots, *(request.text for request in found.requests)):
        assert text in behind


def ended(pdf: bytes) -> list[str]:
    """Return how each page ends above its footer."""
    texts = [
        " ".join(page.extract_text().replace("\u200b", "").split()) for page in pypdf.PdfReader(io.BytesIO(pdf)).pages
    ]
    return [text.rpartition("isthmus ")[0].strip() for text in texts]


def test_no_heading_of_findings_is_parted_from_its_table() -> None:
    """So many seats never used leave room on their page for the next heading, and for no row below it."""
    org = Org()
    org.license(total=200)
    org.regulars(10)
    for number in range(24):
        org.user(f"Never {number:03d}", last=None, created=200 + 3 * number)
    for number in range(5):
        org.user(f"Ivan {number}", last=130 + number)
    found = compose(org.analyse(), "acme")
    ends = ended(render_pdf(found, "f" * 64))
    assert not [end for end in ends if end.endswith(tuple(line.remedy for line in found.findings))]


def test_a_step_that_several_products_share_is_printed_once_with_all_of_them() -> None:
    found = report_of(orgs.everything)
    rows = cast("list[list[str]]", pdf_data(found, "f" * 64)["plan"])
    assert len({(row[0], row[3]) for row in rows}) == len(rows) <= len(found.plan)
    for step in found.plan:
        assert any(row[0] == step.day.isoformat() and row[3] == step.what and step.product in row[2] for row in rows)


def test_a_price_has_the_name_that_its_licence_has_everywhere_else() -> None:
    rows = cast("list[list[str]]", pdf_data(report_of(orgs.everything), "f" * 64)["prices"])
    assert any(row[0] == "Salesforce (SFDC)" for row in rows)


def test_a_line_of_the_contract_says_whether_it_renews_by_itself_and_what_notice_it_asks_for() -> None:
    rows = cast("list[list[str]]", pdf_data(report_of(orgs.everything), "f" * 64)["contract"])
    assert all("renew" in row[1] and "notice" in row[1] for row in rows)


# ---- the workbook and findings.csv ----------------------------------------------------------------------------------


@cache
def book(make: Callable[[], Judged]) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(make().documents["report.xlsx"]))


def table(sheet: Any) -> list[dict[str, Any]]:
    head, *lines = sheet.iter_rows(values_only=True)
    return [dict(zip(head, line, strict=True)) for line in lines]


def yearly(rows: Iterable[Mapping[str, Any]], grades: str, currency: str) -> Decimal:
    counted = [row for row in rows if row["Counted in the totals"] == "yes" and row["Currency"] == currency]
    monthly = (Decimal(str(row["Saving per month"])) for row in counted if row["Grade"] in grades)
    return 12 * sum(monthly, Decimal(0))


@pytest.mark.parametrize("make", [orgs.everything, large], ids=lambda make: make.__name__)
def test_whoever_sums_up_the_rows_of_the_workbook_gets_the_amounts_of_its_summary(make: Callable[[], Judged]) -> None:
    sheets = book(make)
    rows = table(sheets["Named users"]) + table(sheets["PSL"])
    summary = {row["Figure"]: row["Value"] for row in table(sheets["Summary"]) if row["Figure"]}
    for index, total in enumerate(report_of(make).money):
        reclaim, risk = yearly(rows, "AB", total.currency), yearly(rows, "C", total.currency)
        told = [Decimal(str(summary[f"money[{index}].{figure}"])) for figure in ("reclaim_now", "at_risk")]
        if make is orgs.everything:  # its contract's minimum keeps seats that were found
            assert [reclaim, risk] >= told
        else:
            assert [reclaim, risk] == told


@pytest.mark.parametrize("make", [orgs.everything, large], ids=lambda make: make.__name__)
def test_what_has_no_price_is_not_said_to_be_counted_and_no_amount_stands_without_being_counted(
    make: Callable[[], Judged],
) -> None:
    for row in table(book(make)["Named users"]) + table(book(make)["PSL"]):
        assert row["Counted in the totals"] in {"yes", "no", "no price"}
        assert (row["Counted in the totals"] == "yes") is (row["Saving per month"] is not None)
        assert row["Counted with"] is None or row["Counted in the totals"] == "no"


@every_org
def test_each_sheet_is_explained_on_the_first_one_and_no_two_of_its_lines_are_called_the_same(
    make: Callable[[], Judged],
) -> None:
    sheets = tables(report_of(make), read_manifest(make().bundle))
    told = [str(row[0]) for row in sheets[0].rows]
    assert {f"Sheet {sheet.title}" for sheet in sheets[1:]} <= set(told)
    named = [name for name in told if name not in {"Withheld", "Warning", "Assumption", "Blind spot"}]
    assert len(set(named)) == len(named)
    assert [name for name in told if name != name.strip()] == []  # an indented name is found by no filter


def test_sheets_print_on_pages_as_wide_as_they_are_with_their_head_on_each() -> None:
    for sheet in book(large):
        assert (sheet.page_setup.orientation, sheet.sheet_properties.pageSetUpPr.fitToPage) == ("landscape", True)
        assert sheet.page_setup.fitToHeight == 0
        assert sheet.print_title_rows == "$1:$1"
        assert not sheet.merged_cells.ranges


def test_a_share_in_percent_does_not_look_like_money() -> None:
    renewal = book(large)["Renewal"]
    heads = [str(cell.value) for cell in renewal[1]]
    column = heads.index("Unit price rise that would cancel it (%)")
    assert {row[column].number_format for row in renewal.iter_rows(min_row=2) if row[column].value} == {"0.0"}


def test_who_is_to_be_asked_about_a_person_stands_in_the_row_and_whether_that_one_is_gone_too() -> None:
    org = Org()
    org.license(total=20)
    boss, gone = org.user("Bea Boss"), org.user("Guy Gone", active=False)
    for number, manager in enumerate((boss.id, gone.id, None)):
        org.user(f"Ivan {number}", last=130, manager=manager)
    found = compose(org.analyse(), "acme")
    told = {line.subject: line.manager for line in found.findings if line.rule == "R08"}
    assert told == {"Ivan 0": "Bea Boss", "Ivan 1": "Guy Gone (deactivated)", "Ivan 2": ""}
    head, *rows = csv.reader(io.StringIO(b"".join(render_csv(found)).decode("utf-8-sig")))
    asked = {row[head.index("Name")]: row[head.index("Manager")] for row in rows}
    assert asked["Ivan 1"] == "Guy Gone (deactivated)"


# ---- focus.csv ------------------------------------------------------------------------------------------------------

MANDATORY = (
    "BilledCost BillingAccountId BillingAccountName BillingCurrency BillingPeriodEnd BillingPeriodStart ChargeCategory "
    "ChargeClass ChargeDescription ChargePeriodEnd ChargePeriodStart ContractedCost EffectiveCost InvoiceIssuerName ListCost "
    "PricingQuantity PricingUnit ProviderName PublisherName ServiceCategory ServiceName"
)
"""The columns of FOCUS 1.2 whose feature level is Mandatory."""
EMPTY_ALLOWED = {"ChargeClass"}
"""Empty where a row corrects no earlier one."""


def focus(make: Callable[[], Judged]) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(make().documents["focus.csv"].decode())))


@pytest.mark.parametrize("make", [orgs.everything, large], ids=lambda make: make.__name__)
def test_focus_rows_have_all_mandatory_columns_and_leave_none_empty_that_must_not_be(
    make: Callable[[], Judged],
) -> None:
    for row in focus(make):
        assert [name for name in MANDATORY.split() if not row[name] and name not in EMPTY_ALLOWED] == []
        assert (row["ChargeCategory"], row["ChargeFrequency"]) == ("Purchase", "Recurring")
        assert row["ServiceCategory"] == "Business Applications"
        assert row["CommitmentDiscountStatus"] in {"", "Used", "Unused"}
        assert row["BillingPeriodStart"] < row["BillingPeriodEnd"]
        assert all(name.startswith("x_") or name[0].isupper() for name in row)


@pytest.mark.parametrize("make", [orgs.everything, large], ids=lambda make: make.__name__)
def test_a_year_of_focus_rows_costs_what_the_summary_page_says_that_a_year_costs(make: Callable[[], Judged]) -> None:
    for total in report_of(make).money:
        mine = [row for row in focus(make) if row["BillingCurrency"] == total.currency]
        for metric in ("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"):
            assert 12 * sum(Decimal(row[metric]) for row in mine) == total.annual_cost


# ---- the terminal ---------------------------------------------------------------------------------------------------


def test_the_terminal_has_the_amounts_of_the_page_and_lists_no_rule_that_found_nothing() -> None:
    found, screen = large().report, printed(large().report)
    for total in found.money:
        for amount_ in (total.cash_at_renewal, total.reclaim_now, total.at_risk):
            assert f"{amount_:,.0f}" in screen
    assert "never add them up" in screen
    assert f"Unused: {found.seats_unused:,} ({found.seats_unused_a:,} sure" in screen
    listed = screen.partition("Findings")[2].partition("Nothing was found by")[0]
    for rule in found.rules:
        assert (re.search(rf"^{rule.id} +\S", listed, re.MULTILINE) is not None) is bool(rule.findings)
