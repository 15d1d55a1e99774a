"""The documents: the numbers are in them, and nothing in them runs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any, cast

import openpyxl
import pypdf
import pytest

from isthmus.audit.evidence.bundle import fingerprint_of
from isthmus.audit.given.contract import ContractItem
from isthmus.audit.given.options import AuditOptions
from isthmus.audit.given.prices import CustomerPrice
from isthmus.audit.judge import Judged, judge
from isthmus.audit.report.cells import defused
from isthmus.audit.report.chart import chart
from isthmus.audit.report.files import read_report
from isthmus.audit.report.wording import one_line
from tests.unit.audit import orgs
from tests.unit.audit.world import Org, example

FORMULA = '=HYPERLINK("http://evil.example","click")'
MARKUP = '#eval("1+1") *bold* _it_ $x$ @ref <b>'


@pytest.fixture(scope="module")
def hostile() -> Judged:
    org = example(12)
    org.user(FORMULA, last=130, email="+1@acme.example", department="@SUM(1)")
    org.user(MARKUP, last=131, email="x@acme.example")
    org.user("李小龍 Ünïcödé", last=132, email="li@acme.example")
    return judge(org.snapshot(), AuditOptions(), "acme & Söhne #1")


def pdf_text(judged: Judged) -> list[str]:
    return text_of(judged.documents["report.pdf"])


@cache
def pdf_of(make: Callable[[], Judged]) -> bytes:
    return make().documents["report.pdf"]


def text_of(pdf: bytes) -> list[str]:
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    return [page.extract_text().replace("\u200b", "") for page in reader.pages]


def test_the_summary_page_answers_how_many_how_sure_how_much_and_when(hostile: Judged) -> None:
    first = pdf_text(hostile)[0]
    report = hostile.report
    for figure in (report.seats_purchased, report.seats_assigned, report.seats_active, report.seats_unused):
        assert str(figure) in first
    total = report.money[0]
    for amount in (total.reclaim_now, total.cash_at_renewal, total.at_risk):
        assert f"USD {int(amount):,}" in first
    for word in ("Grade A", "Deadline", "What could be wrong", "signal, not proof", "valued at list"):
        assert word in first


def test_findings_are_printed_by_name_and_markup_stays_text(hostile: Judged) -> None:
    text = " ".join("\n".join(pdf_text(hostile)).split())
    for name in ("Nora Never", "Dora Dormant", "Ivan Inactive", '#eval("1+1")'):
        assert name in text
    for line in hostile.report.requests:
        assert line.text in text
    squeezed = "".join(text.split())
    assert fingerprint_of(hostile.bundle) in squeezed


def test_the_pdf_is_tagged_and_titled(hostile: Judged) -> None:
    reader = pypdf.PdfReader(io.BytesIO(hostile.documents["report.pdf"]))
    assert reader.metadata is not None
    assert reader.metadata.title == "Licence audit of acme & Söhne #1"
    assert "/StructTreeRoot" in cast("dict[str, Any]", reader.trailer["/Root"])


def test_the_workbook_has_every_sheet_and_no_formula(hostile: Judged) -> None:
    book = openpyxl.load_workbook(io.BytesIO(hostile.documents["report.xlsx"]))
    wanted = ["Summary", "Licences", "Named users", "PSL", "Price book", "Method", "Coverage", "Requests", "Hashes"]
    assert [name for name in book.sheetnames if name in wanted] == wanted
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert not [cell for cell in cells if cell.data_type == "f" or cell.hyperlink]
    assert any(cell.value == "'" + FORMULA for cell in cells)
    assert any(cell.value == fingerprint_of(hostile.bundle) for cell in cells)


def test_the_csv_has_one_line_a_finding_and_no_formula(hostile: Judged) -> None:
    text = hostile.documents["findings.csv"].decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(hostile.report.findings)
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", "\t=1", "  =1", "\uff1d1"])
def test_what_a_spreadsheet_would_run_is_defused(text: str) -> None:
    assert defused(text).startswith("'")


@pytest.mark.parametrize("text", ["Nora", "O'Hara", "1-2", "李小龍", ""])
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert defused(text) == text


def test_report_json_reads_back_as_the_report(hostile: Judged) -> None:
    content = hostile.documents["report.json"]
    assert read_report(content) == hostile.report
    assert json.loads(content)["bundle_sha256"] == fingerprint_of(hostile.bundle)


def test_a_withheld_report_prints_dashes_and_the_remedy_instead_of_numbers() -> None:
    org = Org()
    org.regulars(6)
    org.user("Ivan", last=150)
    org.blind = True
    judged = judge(org.snapshot(), AuditOptions(), "acme")
    pages = pdf_text(judged)
    assert "This audit cannot say who is inactive." in pages[0]
    assert "withheld" in pages[0]
    assert "Ivan" not in "".join(pages)
    assert "Monitor Login History" in "".join(pages)


def crowded() -> Judged:
    """Long names, many licences in five currencies, and more to doubt than a page holds."""
    org = orgs.rich()
    prices, contract = list(orgs.PRICES), list(orgs.CONTRACT)
    for n in range(25):
        name = f"Customer Community Plus Login Extended Edition for Partners {n}"
        org.license(f"1000000000008{n:02d}AAA", name=name, key=f"K{n}", total=123_456, used=0)
        currency = ("JPY", "USD", "EUR", "GBP", "CHF")[n % 5]
        prices.append(CustomerPrice(f"K{n}", Decimal("12345.67"), currency))
        contract.append(ContractItem(f"K{n}", 123_456, date(2027, 1, 28), f"{name} for all regions of the world"))
    options = AuditOptions(prices=tuple(prices), contract=tuple(contract))
    return judge(org.snapshot(), options, "A company with a name that is far too long for any page, GmbH & Co. KG")


@pytest.mark.parametrize("make", [*orgs.ORGS, crowded], ids=lambda make: make.__name__)
def test_the_summary_is_one_page_and_has_all_of_its_parts(make: Callable[[], Judged]) -> None:
    pages = text_of(pdf_of(make))
    assert pages[1].startswith("Findings by name")
    words = ("Bought", "Cash at renewal", "Deadline", "Seats by licence", "Not used, by another threshold")
    assert [word for word in (*words, "What could be wrong", "signal, not proof") if word not in pages[0]] == []


@pytest.mark.parametrize("make", [*orgs.ORGS, crowded], ids=lambda make: make.__name__)
def test_the_pdf_is_accessible_by_pdf_ua_with_language_title_tags_and_a_text_for_the_chart(
    make: Callable[[], Judged],
) -> None:
    reader = pypdf.PdfReader(io.BytesIO(pdf_of(make)))
    root = cast("dict[str, Any]", reader.trailer["/Root"])
    assert root["/Lang"] == "en"
    assert root["/MarkInfo"]["/Marked"]
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert b"pdfuaid:part" in root["/Metadata"].get_data()


def test_the_chart_marks_peak_and_trough_and_says_what_is_unknown() -> None:
    told = chart(orgs.plain().report)
    assert told is not None
    slots = cast("list[dict[str, object]]", told["slots"])
    assert len(slots) == 52
    assert [slot["mark"] for slot in slots if slot["mark"]].count("peak") == 1
    assert [slot["mark"] for slot in slots if slot["mark"]].count("low") == 1
    assert slots[0]["people"] is None
    assert slots[-1]["people"] is None  # the week of the audit is not over
    assert [slot["assigned"] is None for slot in slots] == [True] * 51 + [False]
    assert "before the first audit they are unknown" in str(told["says"])
    assert "Peak: 2" in str(told["says"])


def test_with_a_year_of_audits_the_chart_reaches_behind_salesforce_s_own_history() -> None:
    told = chart(orgs.everything().report)
    assert told is not None
    slots = cast("list[dict[str, object]]", told["slots"])
    assert sum(slot["people"] is not None for slot in slots) > 40
    assert sum(slot["assigned"] is not None for slot in slots) > 30


def test_a_letter_without_a_font_is_said_to_be_missing(hostile: Judged) -> None:
    text = " ".join(" ".join(pdf_text(hostile)[1:2]).split())
    reader = pypdf.PdfReader(io.BytesIO(hostile.documents["report.pdf"]))
    accessible = b"pdfuaid:part" in cast("dict[str, Any]", reader.trailer["/Root"])["/Metadata"].get_data()
    assert accessible is not ("no font" in text)


def test_a_name_cannot_turn_the_direction_of_writing_or_break_a_line() -> None:
    assert one_line("a\u202egnp.exe\r\nb\u2066") == "agnp.exe b"
