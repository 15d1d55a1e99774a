"""Everything that an audit puts out, as texts; and a company whose figures cannot be mistaken for one another."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
import openpyxl
import pypdf

from isthmus.audit import analysis as analysing
from isthmus.audit import service
from isthmus.audit.analysis import Analysis, Basis
from isthmus.audit.cadence.change import told_report
from isthmus.audit.cadence.telling import Told, result_notice
from isthmus.audit.composing.compose import compose
from isthmus.audit.evidence.bundle import zipped
from isthmus.audit.figures import Report
from isthmus.audit.given.contract import ContractItem
from isthmus.audit.given.history import History, PoolPoint
from isthmus.audit.given.options import AuditOptions
from isthmus.audit.given.pricebook import price_book
from isthmus.audit.given.prices import CustomerPrice
from isthmus.audit.judge import judge
from isthmus.audit.money import valued_findings
from isthmus.audit.rules.registry import CHECKS, DERIVED
from isthmus.audit.view import View
from isthmus.audit.what_if.questions import Question, answer, load
from isthmus.cli.audited import plain_audit, print_audit
from isthmus.portal.api.answers import answer as portal_answer
from tests.unit.audit.test_telling import BERLIN, FACTS, URL
from tests.unit.audit.world import CRM, PLATFORM, Org

Figure: TypeAlias = int | Decimal | None
PRICES = (CustomerPrice("SFDC", Decimal("131.37"), "USD"), CustomerPrice("CpqPsl", Decimal("71.13"), "USD"))
CONTRACT = (ContractItem("SFDC", 613, date(2027, 3, 31), minimum_quantity=211, auto_renew=True),)
FILES = (Path("out/report.pdf"),)
_NUMBER = re.compile(r"(?<![\w.:#/-])\d+(?:,\d{3})*(?:\.\d+)?(?![\w:/-]|[.,]\d)")
_FIGURE_NAME = re.compile(r"\b[a-z_]+\[\d+\]")


def company() -> Org:
    """Some four hundred people on three licences, with permission set licences, features, twins and software."""
    org = Org()
    org.license(total=613)
    org.license(PLATFORM, name="Salesforce Platform", key="AUL", total=60)
    org.license("100WONDER", name="Wonder Cloud", key="PID_WONDER", total=50)
    for n in range(307):
        weeks = [14 * week + n % 5 + 0.3 for week in range(13)]
        org.user(f"Regular {n}", last=weeks[0], human=weeks, features=("Knowledge User",) if n % 3 else ())
    for n in range(23):
        org.user(f"Software {n}", last=1.2, human=[], machine=[d + 0.2 for d in range(1, 90)])
    for n in range(61):
        org.user(f"Absent {n}", last=95.5 + n, human=[95.5 + n], features=("Marketing User",))
    for n in range(43):
        org.user(f"Absent Never {n}", last=None, created=100 + 3 * n)
    for n in range(17):
        org.user(f"Absent Dormant {n}", last=200 + n)
    for n in range(11):
        org.user(f"Wonder {n}", last=130.5, human=[130.5], seat="100WONDER")
    _grants(org)
    return org


def _grants(org: Org) -> None:
    cpq = org.psl(used=0, total=171, permissions=["RunFlow"])
    console = org.psl("0PL000000000002AAA", key="Console", total=333, permissions=["RunFlow", "EditTask"])
    for n, user in enumerate(org.users[:131]):
        org.grant(user, console, 400)
        if n % 2:
            org.grant(user, cpq, 400)
    for user in org.users[330:391]:
        org.grant(user, cpq, 60)
    for n in range(19):
        org.grant(org.user(f"Gone {n}", active=False, last=50), cpq, 100)
    counts = {row.id: sum(1 for grant in org.assigns if grant.psl == row.id) for row in org.psls}
    org.psls = [msgspec.structs.replace(row, used=counts[row.id]) for row in org.psls]


def history(org: Org) -> History:
    """Return ten weekly audits of the past."""
    weeks = [org.now.date() - timedelta(days=7 * week) for week in range(1, 11)]
    return History(tuple(PoolPoint(day, CRM, 613, 440 + n, 91, 17, 3) for n, day in enumerate(weeks)))


def options_of(org: Org) -> AuditOptions:
    return AuditOptions(prices=PRICES, contract=CONTRACT, history=history(org))


def report_of(org: Org) -> Report:
    return compose(org.analyse(prices=PRICES, contract=CONTRACT, history=history(org)), "acme")


def naive(org: Org) -> Report:
    """Return the report of a tool that has our rules and no gates."""
    snapshot = org.snapshot()
    own = options_of(org)
    basis = Basis(own.thresholds, price_book(PRICES), CONTRACT, history=own.history)
    terms = analysing.terms_of(snapshot, basis)
    prices = analysing.prices_of(snapshot, basis, terms)
    view = View(snapshot, basis.thresholds, prices=prices, terms=terms, history=basis.history)
    found = [finding for check in CHECKS for finding in check.check(view)]
    direct = tuple(found)
    findings = (*direct, *(finding for derived in DERIVED for finding in derived.check(view, direct)))
    valued = valued_findings(findings)
    worth = {n: analysing._worth(findings[n], prices, basis) for n in sorted(valued)}
    whole = Analysis(view, basis, (), findings, valued, frozenset(), prices, worth)
    return compose(replace(whole, money=analysing._money(whole)), "acme")


LISTS: Final = frozenset({"Named users", "Integration", "Duplicates", "PSL", "Pools", "Requests", "Hashes"})
"""Sheets that list what was found or read, with ordinals and dates that are no figures of the audit."""


def outputs_of(org: Org) -> tuple[dict[str, str], dict[str, str]]:
    """Return all outputs of an audit as texts by name: whole, and what they sum up, without their lists of findings.

    The evidence bundle is what was read, and no output.
    """
    made = judge(org.snapshot(), options_of(org), "acme")
    report = made.report
    bare = msgspec.structs.replace(report, findings=(), requests=(), gates=())
    whole: dict[str, str] = {}
    brief: dict[str, str] = {}
    for name, content in made.documents.items():
        whole[name], brief[name] = _texts(name, content)
    brief["report.json"] = msgspec.json.encode(bare).decode()
    found = [service._finding(line) for line in report.findings]
    whole["portal"] = portal_answer({"report": report, "findings": found}).content.decode()
    brief["portal"] = portal_answer({"report": bare}).content.decode()
    words = {
        "what-if": msgspec.json.encode(answer(load(zipped(made.bundle)), Question())).decode(),
        "mail": result_notice(
            replace(FACTS, made_at=org.now), Told(told_report(made.documents["report.json"]), None, {}), URL, BERLIN
        ).text,
        "command": printed(report),
        "command.json": msgspec.json.encode(plain_audit(report, FILES)).decode(),
    }
    return whole | words, brief | words


def printed(report: Report) -> str:
    """Return what the command line prints of it."""
    screen = io.StringIO()
    with contextlib.redirect_stdout(screen), contextlib.redirect_stderr(screen):
        print_audit(report, FILES)
    return screen.getvalue()


def _texts(name: str, content: bytes) -> tuple[str, str]:
    if name.endswith(".pdf"):
        pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(content)).pages]
        listed = [n for n, page in enumerate(pages) if "Findings by name" in page]
        behind = [n for n, page in enumerate(pages) if page.startswith(("Renewal", "Method and coverage"))]
        return "\n".join(pages), "\n".join([*pages[: listed[0]], *pages[behind[0] :]])
    if name.endswith(".xlsx"):
        book = openpyxl.load_workbook(io.BytesIO(content), read_only=True)
        sheets = {sheet.title: "\n".join(_cells(sheet.iter_rows(values_only=True))) for sheet in book}
        return "\n".join(sheets.values()), "\n".join(text for title, text in sheets.items() if title not in LISTS)
    text = content.decode("utf-8-sig")
    return text, "" if name == "findings.csv" else text


def _cells(rows: Iterable[tuple[object, ...]]) -> Iterator[str]:
    return (str(cell) for row in rows for cell in row if cell is not None)


def figures_in(text: str) -> set[Decimal]:
    """Return the numbers that stand in a text, thousands apart or not; no parts of dates, ids, hashes, figures' names."""
    plain = _FIGURE_NAME.sub(" ", text).replace('":', " ").replace('"', " ")  # in JSON an amount is a text
    return {Decimal(found.replace(",", "")) for found in _NUMBER.findall(plain)}
