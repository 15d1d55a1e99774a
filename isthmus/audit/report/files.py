"""The documents of one audit, as bytes by name. The same report gives the same bytes."""

# xlsxwriter annotates its signatures in part only.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

import msgspec
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from isthmus.audit.bundle import Files, read_manifest
from isthmus.audit.figures import Report
from isthmus.audit.prices import NEGOTIATED
from isthmus.audit.report.calendar import render_ics
from isthmus.audit.report.cells import Cell, as_text, defused
from isthmus.audit.report.focus import render_focus
from isthmus.audit.report.pdf import render_pdf
from isthmus.audit.report.tables import FINDING_COLUMNS, finding_row, tables

COLUMN_WIDTH_MAX: Final = 60
COLUMN_WIDTH_MIN: Final = 8
EXCEL_TEXT_MAX: Final = 32_000


def documents(report: Report, bundle: Files) -> dict[str, bytes]:
    """Return report.pdf, report.xlsx, findings.csv and report.json, in which the bundle's fingerprint is printed.

    With a contract also renewal.ics; with a price of the customer's own also focus.csv.
    """
    fingerprint = read_manifest(bundle).fingerprint
    found = {
        "report.pdf": render_pdf(report, fingerprint),
        "report.xlsx": render_xlsx(report, bundle),
        "findings.csv": render_csv(report),
        "report.json": render_json(report, fingerprint),
    }
    if report.plan:
        found["renewal.ics"] = render_ics(report)
    if any(line.price_basis == NEGOTIATED for line in report.licenses):
        found["focus.csv"] = render_focus(report)
    return found


def render_json(report: Report, fingerprint: str) -> bytes:
    """Return report.json: the report's own keys, with `bundle_sha256` first."""
    body = msgspec.to_builtins(report)
    return msgspec.json.format(msgspec.json.encode({"bundle_sha256": fingerprint, **body}), indent=1) + b"\n"


def read_report(content: bytes) -> Report:
    """Return the report of a report.json that we wrote."""
    return msgspec.json.decode(content, type=Report)


def render_csv(report: Report) -> bytes:
    """Return findings.csv: UTF-8 with a byte order mark, for spreadsheets; no cell is a formula."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(FINDING_COLUMNS)
    for line in report.findings:
        writer.writerow([as_text(cell) for cell in finding_row(line)])
    return b"\xef\xbb\xbf" + buffer.getvalue().encode()


def render_xlsx(report: Report, bundle: Files) -> bytes:
    """Return the workbook; texts are written as texts, never as formulas or links."""
    buffer = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    book = xlsxwriter.Workbook(buffer, options)
    made = report.taken_at.astimezone(UTC).replace(tzinfo=None)
    book.set_properties({"title": f"Licence audit of {report.org}", "created": made, "author": report.product})
    head = book.add_format(
        {"bold": True, "bg_color": "#032D60", "font_color": "#FFFFFF", "text_wrap": True, "valign": "top"}
    )
    formats = {
        "money": book.add_format({"num_format": "#,##0.00"}),
        "count": book.add_format({"num_format": "#,##0"}),
        "instant": book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
        "date": book.add_format({"num_format": "yyyy-mm-dd"}),
        "text": book.add_format({"text_wrap": True, "valign": "top"}),
    }
    for table in tables(report, read_manifest(bundle)):
        sheet = book.add_worksheet(table.title)
        sheet.freeze_panes(1, 0)
        for column, title in enumerate(table.columns):
            sheet.write_string(0, column, title, head)
            longest = max((len(as_text(row[column])) for row in table.rows), default=0)
            sheet.set_column(column, column, max(COLUMN_WIDTH_MIN, min(COLUMN_WIDTH_MAX, max(longest, len(title)) + 2)))
        for number, row in enumerate(table.rows, start=1):
            for column, cell in enumerate(row):
                _write(sheet, number, column, cell, formats)
        if table.rows:
            sheet.autofilter(0, 0, len(table.rows), len(table.columns) - 1)
    book.close()
    return buffer.getvalue()


def _write(sheet: Worksheet, row: int, column: int, cell: Cell, formats: Mapping[str, Format]) -> None:
    match cell:
        case None:
            pass
        case bool():
            sheet.write_string(row, column, "yes" if cell else "no")
        case str():
            sheet.write_string(row, column, defused(cell)[:EXCEL_TEXT_MAX], formats["text"])
        case Decimal() | float():
            sheet.write_number(row, column, float(cell), formats["money"])
        case int():
            sheet.write_number(row, column, cell, formats["count"])
        case datetime():
            sheet.write_datetime(row, column, cell.astimezone(UTC).replace(tzinfo=None), formats["instant"])
        case date():
            sheet.write_datetime(row, column, datetime(cell.year, cell.month, cell.day), formats["date"])  # noqa: DTZ001 a day
