"""The documents that people forward, held against one another: the same figure is the same everywhere."""

from __future__ import annotations

import io
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any, cast

import pypdf
import pytest

from isthmus.audit.figures import Report
from isthmus.audit.judge import Judged, judge
from isthmus.audit.report.findings import counted_with, worth_by_rule
from isthmus.audit.report.pdf import pdf_data
from tests.unit.audit import orgs
from tests.unit.audit.outputs import company, options_of

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


def test_no_heading_of_findings_is_parted_from_its_table() -> None:
    remedies = {line.remedy for line in large().report.findings}
    for page in pages():
        text = " ".join(page.partition("isthmus ")[0].split() if page.startswith("isthmus") else page.split())
        before_footer = text.rpartition("isthmus ")[0].strip()
        assert not [remedy for remedy in remedies if before_footer.endswith(remedy)]


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
