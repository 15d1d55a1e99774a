"""The documents: the numbers are in them, and nothing in them runs."""

from __future__ import annotations

import csv
import io
import json

import openpyxl
import pypdf
import pytest

from isthmus.audit.bundle import fingerprint_of
from isthmus.audit.judge import Judged, judge
from isthmus.audit.options import AuditOptions
from isthmus.audit.report.cells import defused
from isthmus.audit.report.files import read_report
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
    reader = pypdf.PdfReader(io.BytesIO(judged.documents["report.pdf"]))
    return [page.extract_text().replace("\u200b", "") for page in reader.pages]


def test_the_summary_page_answers_how_many_how_sure_how_much_and_when(hostile: Judged) -> None:
    first = pdf_text(hostile)[0]
    report = hostile.report
    for figure in (report.seats_purchased, report.seats_assigned, report.seats_active, report.seats_unused):
        assert str(figure) in first
    total = report.money[0]
    for amount in (total.reclaim_now, total.cash_at_renewal, total.at_risk):
        assert f"USD {int(amount):,}" in first
    for word in ("grade A", "Deadline", "What could be wrong", "signal, not proof", "valued at list"):
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
    assert "/StructTreeRoot" in reader.trailer["/Root"]


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
