"""Everything that is handed out: no text runs, no number is without its explanation, cells are of their kind."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec
import openpyxl
import pytest

from isthmus.audit.explain.path import Json, leaves, resolve
from isthmus.audit.given.contract import ContractItem
from isthmus.audit.given.exemptions import Exemption, ExemptionKind
from isthmus.audit.given.options import AuditOptions
from isthmus.audit.given.prices import CustomerPrice
from isthmus.audit.judge import Judged, judge
from isthmus.audit.report.cells import FIGURE
from tests.unit.audit import orgs
from tests.unit.audit.world import NOW, Org

SHEETS = (
    "Summary",
    "Licence weeks",
    "Named users",
    "PSL",
    "Integration",
    "Duplicates",
    "Scenarios",
    "Price book",
    "Contract",
    "Method",
    "Coverage",
    "Hashes",
)
HOSTILE = (
    '=HYPERLINK("http://evil.example","click")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1)",
    "\t=1",
    "\r\n=1",
    "  =1",
    "\u00a0=1",
    "\u200b=1",
    "\ufeff=1",
    "\uff1d1",
    "a;=1+1",
    'a"; "=1+1',
    "a\n=1+1",
    "x\uffff\ufffe\x00\x07\x1b[31m",
    "%0A=1",
    "\u202egnp.exe",
    "李小龍 \U0001f600 שלום محمد",
    "#eval(1) *b* $x$ @ref <b>&amp;]]>",
    "n" * 300,
)
STARTS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")


@cache
def hostile() -> Judged:
    org = orgs.rich()
    for text in HOSTILE:
        user = org.user(text, last=130, email=f"{text}@x.example", department=text)
        org.users[-1] = msgspec.structs.replace(user, username=text, name=text)
    for number, text in enumerate(HOSTILE):
        org.license(f"1000000000009{number:02d}AAA", name=text, key=f"K{number}", total=9, used=0)
    contract = tuple(
        ContractItem(f"K{n}", 9, date(2027, 1, 31), sku=text, unit_price=Decimal(9), source=text)
        for n, text in enumerate(HOSTILE)
    )
    prices = tuple(CustomerPrice(f"K{n}", Decimal("9.5"), "USD", source=text) for n, text in enumerate(HOSTILE))
    leave = Exemption("dora.dormant@acme.example", HOSTILE[0], ExemptionKind.LEAVE, date(2027, 1, 1))
    options = AuditOptions(contract=contract, prices=(*prices, *orgs.PRICES), exemptions=(leave,))
    return judge(org.snapshot(), options, HOSTILE[0])


def book(judged: Judged) -> openpyxl.Workbook:
    return openpyxl.load_workbook(io.BytesIO(judged.documents["report.xlsx"]))


def cells(judged: Judged) -> Iterator[Any]:
    return (cell for sheet in book(judged) for row in sheet.iter_rows() for cell in row)


def rows(judged: Judged, name: str, delimiter: str = ",") -> list[list[str]]:
    text = judged.documents[name].decode("utf-8-sig")
    return list(csv.reader(io.StringIO(text), delimiter=delimiter))


def runs(text: str) -> bool:
    """Whether a spreadsheet might take the cell for a formula; a plain number is none."""
    seen = text.lstrip(' \u00a0\u200b\ufeff"')
    return seen.startswith((*STARTS, "\t", "\r", "\n")) and re.fullmatch(r"[+-]?[0-9.,]+", text) is None


def test_no_cell_of_the_workbook_is_a_formula_a_link_or_begins_like_one() -> None:
    found = list(cells(hostile()))
    assert [cell for cell in found if cell.data_type in {"f", "e"} or cell.hyperlink] == []
    assert [cell.value for cell in found if cell.data_type == "s" and runs(cell.value)] == []
    assert sum(1 for cell in found if str(cell.value).startswith("'=HYPERLINK")) > 5


@pytest.mark.parametrize("name", ["findings.csv", "focus.csv"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_no_cell_of_a_csv_file_runs_whatever_parts_its_cells(name: str, delimiter: str) -> None:
    assert [cell for row in rows(hostile(), name, delimiter) for cell in row if runs(cell)] == []


def test_the_check_for_formulas_sees_planted_ones() -> None:
    assert all(runs(text) for text in ("=1", "+a", "-a", "@a", "\t=1", "\u00a0=1", " =1"))
    assert not any(runs(text) for text in ("'=1", "a=1", "-12.5", "", "a-b"))


def test_hostile_names_break_no_line_of_the_calendar() -> None:
    lines = hostile().documents["renewal.ics"].decode().replace("\r\n ", "").split("\r\n")
    names = {re.split("[:;]", line)[0] for line in lines if line}
    assert names == {*"BEGIN END VERSION PRODID UID DTSTAMP DTSTART DTEND SUMMARY DESCRIPTION TRANSP".split()}


def test_hostile_names_do_not_stop_the_pdf() -> None:
    assert hostile().documents["report.pdf"].startswith(b"%PDF-")


@pytest.mark.parametrize("org", orgs.ORGS, ids=lambda make: make.__name__)
def test_the_workbook_has_the_known_sheets_in_order_and_none_is_bare(org: Any) -> None:
    found = book(made(org.__name__))
    assert [name for name in found.sheetnames if name in SHEETS] == list(SHEETS)
    for sheet in found:
        assert sheet.freeze_panes == "A2"
        assert sheet.max_row > 1, sheet.title
        assert sheet.auto_filter.ref is not None


@cache
def numbers_below(judged_of: str, figure: str) -> frozenset[Decimal]:
    """Return every number and day below a part of the report, as cells have them."""
    path, value = resolve(msgspec.to_builtins(made(judged_of).report), figure)
    return frozenset(number for _, leaf in leaves(value, path) for number in as_numbers(leaf))


def as_numbers(leaf: Json) -> Iterator[Decimal]:
    if isinstance(leaf, bool) or leaf is None:
        return
    if isinstance(leaf, int | float):
        yield Decimal(str(leaf))
    elif isinstance(leaf, str) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", leaf):
        yield Decimal(leaf)
    elif isinstance(leaf, str) and re.fullmatch(r"\d{4}-\d\d-\d\d(T.*Z)?", leaf):
        yield day_number(datetime.fromisoformat(leaf).replace(tzinfo=None))


def day_number(at: datetime) -> Decimal:
    return Decimal((at.replace(microsecond=0, tzinfo=UTC) - NOW) // timedelta(seconds=1))


@cache
def made(name: str) -> Judged:
    return next(make for make in orgs.ORGS if make.__name__ == name)()


@pytest.mark.parametrize("org", [make.__name__ for make in orgs.ORGS])
def test_every_number_and_day_of_the_workbook_is_a_figure_that_its_row_names(org: str) -> None:
    """So every number can be explained: `isthmus audit explain BUNDLE FIGURE`. File lengths of Hashes aside."""
    strays: list[str] = []
    checked = 0
    for sheet in book(made(org)):
        head = [cell.value for cell in sheet[1]]
        for row in sheet.iter_rows(min_row=2):
            for cell in row:
                if cell.data_type not in {"n", "d"} or cell.value is None or sheet.title == "Hashes":
                    continue
                figure = row[head.index(FIGURE)].value
                wanted = day_number(cell.value) if isinstance(cell.value, datetime) else Decimal(str(cell.value))
                checked += 1
                if figure is None or wanted not in numbers_below(org, str(figure)):
                    strays.append(f"{sheet.title}!{cell.coordinate} {cell.value} {figure}")
    assert strays == []
    assert checked > 10


@pytest.mark.parametrize("org", ["everything", "plain", "pseudonymous"])
def test_every_line_of_findings_csv_names_its_figure(org: str) -> None:
    head, *lines = rows(made(org), "findings.csv")
    for line in lines:
        told = dict(zip(head, line, strict=True))
        assert Decimal(told["No."]) in numbers_below(org, told[FIGURE])
        assert not told["Saving per month"] or Decimal(told["Saving per month"]) in numbers_below(org, told[FIGURE])


def test_focus_rows_carry_unused_seats_say_what_they_are_and_add_up_to_what_was_bought() -> None:
    head, *lines = rows(made("everything"), "focus.csv")
    told = [dict(zip(head, line, strict=True)) for line in lines]
    assert {line["x_Conformance"] for line in told} == {"FOCUS-shaped, not conformant"}
    for figure in {line["x_Figure"] for line in told}:
        mine = [line for line in told if line["x_Figure"] == figure]
        value = resolve(msgspec.to_builtins(made("everything").report), figure)[1]
        assert isinstance(value, dict)
        contracted = [c.contracted for c in made("everything").report.contract if c.pool == value["id"]]
        assert sum(int(line["PricingQuantity"]) for line in mine) == (sum(contracted) or value["purchased"])
        parts = {"Used", "Unused"} if figure.startswith("licenses") else {""}
        assert {line["CommitmentDiscountStatus"] for line in mine} == parts
        for line in mine:
            assert Decimal(line["EffectiveCost"]) == Decimal(line["ContractedUnitPrice"]) * int(line["PricingQuantity"])
            assert (line["ChargeCategory"], line["ChargeFrequency"], line["PricingUnit"]) == (
                "Purchase",
                "Recurring",
                "User-Month",
            )


def test_money_is_a_number_days_are_days_and_the_unknown_says_so() -> None:
    sheets = book(made("plain"))
    weeks = sheets["Licence weeks"]
    assert all(
        isinstance(row[0].value, datetime) and row[0].number_format == "yyyy-mm-dd"
        for row in weeks.iter_rows(min_row=2)
    )
    assigned = [row[4].value for row in weeks.iter_rows(min_row=2)]
    assert "unknown" in assigned
    assert any(isinstance(value, int) for value in assigned)
    licenses = sheets["Licences"]
    price = [cell.value for cell in licenses[1]].index("Unit price a month")
    assert isinstance(licenses.cell(2, price + 1).value, int | float)
    assert licenses.cell(2, price + 1).number_format == "#,##0.00"


def test_the_calendar_has_the_days_of_the_plan_counted_back_from_the_end() -> None:
    """Reference 10.2: T-12 months, T-9, T-6, T-90 days, T-(notice+14), T-notice, T."""
    item = ContractItem("SFDC", 50, date(2027, 12, 31), "CRM", notice_days=60)
    org = Org()
    org.license(total=50)
    org.regulars(10)
    judged = judge(org.snapshot(), AuditOptions(contract=(item,)), "acme")
    content = judged.documents["renewal.ics"]
    assert all(len(line) <= 75 for line in content.split(b"\r\n"))
    assert b"\n" not in content.replace(b"\r\n", b"")
    text = content.decode().replace("\r\n ", "")
    assert text.count("BEGIN:VEVENT") == text.count("END:VEVENT") == 7
    assert text.startswith("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:")
    assert re.findall(r"DTSTART;VALUE=DATE:(\d+)", text) == [
        "20261231",
        "20270401",
        "20270702",
        "20271002",
        "20271018",
        "20271101",
        "20271231",
    ]
    assert len(set(re.findall(r"UID:(\S+)", text))) == 7
    assert set(re.findall(r"DTSTAMP:(\S+)", text)) == {f"{NOW:%Y%m%dT%H%M%SZ}"}
