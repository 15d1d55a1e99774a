"""The documents of one audit, as bytes by name. The same report gives the same bytes."""

# xlsxwriter annotates its signatures in part only.
# pyright: reportUnknownMemberType=false

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final, cast

import msgspec
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from isthmus.audit.evidence.bundle import Files, Manifest, read_manifest
from isthmus.audit.evidence.parts import MadeFiles, Parts, bunches, fields_of
from isthmus.audit.figures import Report
from isthmus.audit.given.prices import NEGOTIATED
from isthmus.audit.report.calendar import render_ics
from isthmus.audit.report.cells import Cell, Table, as_text, defused
from isthmus.audit.report.focus import render_focus
from isthmus.audit.report.pdf import render_pdf
from isthmus.audit.report.tables import FINDING_COLUMNS, finding_rows, tables

COLUMN_WIDTH_MAX: Final = 60
COLUMN_WIDTH_MIN: Final = 8
EXCEL_TEXT_MAX: Final = 32_000
PAPER_A4: Final = 9
PERCENT: Final = "(%)"
"""How a column's title ends, or on the sheet of names and values a row's name, whose decimals are no money."""
KEY_VALUE_COLUMNS: Final = 3
_NO_GUESSING: Final = ("strings_to_formulas", "strings_to_urls", "strings_to_numbers")


def documents(report: Report, bundle: Files) -> Files:
    """Return report.xlsx, findings.csv, report.json and report.pdf, in which the bundle's fingerprint is printed.

    With a contract also renewal.ics; with a price of the customer's own also focus.csv. Each is made when it is read.
    """
    manifest = read_manifest(bundle)
    makers: dict[str, Callable[[], Parts]] = {
        "report.xlsx": lambda: (render_xlsx(report, manifest),),
        "findings.csv": lambda: render_csv(report),
        "report.json": lambda: render_json(report, manifest.fingerprint),
    }
    # After the large ones: the typesetter keeps its memory.
    makers["report.pdf"] = lambda: (render_pdf(report, manifest.fingerprint),)
    if report.plan:
        makers["renewal.ics"] = lambda: (render_ics(report),)
    if not report.money_withheld and any(line.price_basis == NEGOTIATED for line in report.licenses):
        makers["focus.csv"] = lambda: (render_focus(report),)
    return MadeFiles(makers)


def render_json(report: Report, fingerprint: str) -> Iterator[bytes]:
    """Yield report.json: the report's own keys, with `bundle_sha256` first, one space for each level."""
    yield b'{\n "bundle_sha256": ' + msgspec.json.encode(fingerprint)
    for name, value in fields_of(report):
        yield b",\n " + msgspec.json.encode(name) + b": "
        if value and isinstance(value, tuple):
            yield from _array(cast("tuple[object, ...]", value))
        else:
            yield _indented(value)
    yield b"\n}\n"


def _array(rows: tuple[object, ...]) -> Iterator[bytes]:
    before = b"["
    for some in bunches(rows):
        yield before + _indented(some)[1:-3]  # without the bracket, and the new line and space before the other one
        before = b","
    yield b"\n ]"


def _indented(value: object) -> bytes:
    return msgspec.json.format(msgspec.json.encode(value), indent=1).replace(b"\n", b"\n ")


def read_report(content: bytes) -> Report:
    """Return the report of a report.json that we wrote."""
    return msgspec.json.decode(content, type=Report)


def render_csv(report: Report) -> Iterator[bytes]:
    """Yield findings.csv: UTF-8 with a byte order mark, for spreadsheets; no cell is a formula."""
    yield b"\xef\xbb\xbf" + _csv([FINDING_COLUMNS])
    for some in bunches(finding_rows(report, report.findings)):
        yield _csv([as_text(cell) for cell in row] for row in some)


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows(rows)
    return buffer.getvalue().encode()


def render_xlsx(report: Report, manifest: Manifest) -> bytes:
    """Return the workbook; texts are written as texts, never as formulas or links.

    A row is let go once it is written: it waits in a private folder, which is removed again, until its sheet is packed.
    """
    buffer = io.BytesIO()
    with tempfile.TemporaryDirectory(prefix="isthmus-") as folder:
        options = {"constant_memory": True, "tmpdir": folder, **dict.fromkeys(_NO_GUESSING, False)}
        book = xlsxwriter.Workbook(buffer, options)
        made = report.taken_at.astimezone(UTC).replace(tzinfo=None)
        book.set_properties({"title": f"Licence audit of {report.org}", "created": made, "author": report.product})
        formats = _formats(book)
        for table in tables(report, manifest):
            _fill(book.add_worksheet(table.title), table, formats)
        book.close()
    return buffer.getvalue()


def _formats(book: xlsxwriter.Workbook) -> dict[str, Format]:
    """Return the formats of cells by kind; all at the top, for some texts beside them have several lines."""
    head: dict[str, object] = {"bold": True, "bg_color": "#032D60", "font_color": "#FFFFFF", "text_wrap": True}
    kinds: dict[str, dict[str, object]] = {
        "head": head,
        "money": {"num_format": "#,##0.00"},
        "percent": {"num_format": "0.0"},
        "count": {"num_format": "#,##0"},
        "instant": {"num_format": "yyyy-mm-dd hh:mm:ss"},
        "date": {"num_format": "yyyy-mm-dd"},
        "text": {"text_wrap": True},
    }
    return {kind: book.add_format({**how, "valign": "top"}) for kind, how in kinds.items()}


def _fill(sheet: Worksheet, table: Table, formats: Mapping[str, Format]) -> None:
    sheet.freeze_panes(1, 0)
    _print_setup(sheet)
    for column, title in enumerate(table.columns):
        sheet.write_string(0, column, title, formats["head"])
        longest = max((len(as_text(row[column])) for row in table.rows), default=0)
        sheet.set_column(column, column, max(COLUMN_WIDTH_MIN, min(COLUMN_WIDTH_MAX, max(longest, len(title)) + 2)))
    for number, row in enumerate(table.rows, start=1):
        for column, cell in enumerate(row):
            named = table.columns[column] if len(table.columns) > KEY_VALUE_COLUMNS else str(row[0])
            _write(sheet, number, column, cell, formats, percent=named.endswith(PERCENT))
    if table.rows:
        sheet.autofilter(0, 0, len(table.rows), len(table.columns) - 1)


def _print_setup(sheet: Worksheet) -> None:
    """Print a sheet as wide as the page, with its head and its name on each of them."""
    sheet.set_landscape()
    sheet.set_paper(PAPER_A4)
    sheet.fit_to_pages(1, 0)
    sheet.repeat_rows(0)
    sheet.set_footer("&L&A&R&P / &N")


def _write(
    sheet: Worksheet, row: int, column: int, cell: Cell, formats: Mapping[str, Format], *, percent: bool
) -> None:
    match cell:
        case None:
            pass
        case bool():
            sheet.write_string(row, column, "yes" if cell else "no", formats["text"])
        case str():
            sheet.write_string(row, column, defused(cell)[:EXCEL_TEXT_MAX], formats["text"])
        case Decimal() | float():
            sheet.write_number(row, column, float(cell), formats["percent" if percent else "money"])
        case int():
            sheet.write_number(row, column, cell, formats["count"])
        case datetime():
            sheet.write_datetime(row, column, cell.astimezone(UTC).replace(tzinfo=None), formats["instant"])
        case date():
            sheet.write_datetime(row, column, datetime(cell.year, cell.month, cell.day), formats["date"])  # noqa: DTZ001 a day
