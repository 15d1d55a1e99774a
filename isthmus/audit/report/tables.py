"""The sheets of the workbook, from the report. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Final

from isthmus.audit.evidence.bundle import Manifest
from isthmus.audit.figures import FactLine, FindingLine, Report
from isthmus.audit.report.cells import FIGURE, Cell, Table
from isthmus.audit.report.findings import counted_with
from isthmus.audit.report.guide import guide
from isthmus.audit.report.tables_more import more_tables
from isthmus.audit.report.tables_pools import licenses_table, psl_pools_table, weeks_table
from isthmus.audit.report.tables_renewal import contract_table, prices_table, renewal_tables
from isthmus.audit.report.tables_summary import summary_table

INTEGRATION_RULES: Final = frozenset({"R08b", "R09", "R24"})
NO_PRICE: Final = "no price"
"""Of a finding that would be counted: in no amount, as long as nobody gives a price."""
DUPLICATE_RULES: Final = frozenset({"R15"})
FINDING_COLUMNS = (
    "No.",
    "Rule",
    "Finding",
    "Grade",
    "Severity",
    "Name",
    "User name",
    "E-mail",
    "Department",
    "Manager",
    "Licence",
    "Why",
    "Evidence",
    "What lowers the grade",
    "What to do",
    "Seats",
    "Counted in the totals",
    "Counted with",
    "Saving per month",
    "Currency",
    "Record id",
    "Put off until",
    "Put off because",
    "User created",
    "Last login",
    "Granted",
    FIGURE,
)


def finding_rows(report: Report, lines: Iterable[FindingLine]) -> Iterator[list[Cell]]:
    """Yield findings as rows of `FINDING_COLUMNS`."""
    elsewhere = counted_with(report)
    return (_finding_row(line, elsewhere.get(line.ordinal)) for line in lines)


def _finding_row(line: FindingLine, elsewhere: int | None) -> list[Cell]:
    return [
        line.ordinal,
        line.rule,
        line.title,
        line.grade,
        line.severity,
        line.subject,
        line.detail,
        line.email,
        line.department,
        line.manager,
        line.pool_name,
        line.why,
        evidence(line.facts),
        "; ".join(line.traps),
        line.remedy,
        line.quantity,
        NO_PRICE if line.valued and line.saving_monthly is None else line.valued,
        None if elsewhere is None else f"No. {elsewhere}",
        line.saving_monthly,
        line.currency,
        line.subject_id,
        line.snoozed_until,
        line.snooze_reason,
        line.created_at,
        line.last_login_at,
        line.granted_at,
        f"findings[{line.ordinal - 1}]",
    ]


def evidence(facts: tuple[FactLine, ...]) -> str:
    """Return facts as one line of text."""
    return "; ".join(f"{fact.label}: {_word(fact.value)}" for fact in facts)


def _word(value: int | str | None) -> str:
    if value is None:
        return "none"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def tables(report: Report, manifest: Manifest) -> tuple[Table, ...]:
    """Return all sheets in order. The usual ones are always there, if only to say why they are empty."""
    first, sheets = summary_table(report, manifest), _sheets(report, manifest)
    return Table(first.title, first.columns, [*first.rows, *guide(sheet.title for sheet in sheets)]), *sheets


def _sheets(report: Report, manifest: Manifest) -> tuple[Table, ...]:
    return (
        licenses_table(report),
        weeks_table(report),
        _findings("Named users", report, {"user"}),
        _findings("PSL", report, {"psl_assignment"}),
        psl_pools_table(report),
        _of_rules("Integration", report, INTEGRATION_RULES),
        _of_rules("Duplicates", report, DUPLICATE_RULES),
        _findings("Pools", report, {"license", "psl"}),
        *_put_off(report),
        *renewal_tables(report),
        *more_tables(report),
        prices_table(report),
        contract_table(report),
        Table(
            "Method",
            ("Rule", "Title", "Saves", "How it decides", "Findings", FIGURE),
            [(r.id, r.title, r.saves, r.doc, r.findings, f"rules[{i}]") for i, r in enumerate(report.rules)],
        ),
        Table(
            "Coverage",
            ("Gate", "Title", "Verdict", "What it says", "What to do", "Keeps back", "Evidence", FIGURE),
            [
                (g.rule, g.title, g.verdict, g.says, g.remedy, ", ".join(g.withholds), evidence(g.facts), f"gates[{i}]")
                for i, g in enumerate(report.gates)
            ],
        ),
        Table(
            "Requests",
            ("Request", "Text", "Times sent", "Rows", FIGURE),
            [(r.name, r.text, r.times, r.rows, f"requests[{i}]") for i, r in enumerate(report.requests)],
        ),
        Table(
            "Hashes",
            ("File", "Bytes", "SHA-256"),
            [*((f.name, f.bytes, f.sha256) for f in manifest.files), ("(fingerprint)", None, manifest.fingerprint)],
        ),
    )


def _findings(title: str, report: Report, kinds: Collection[str]) -> Table:
    found = [line for line in report.findings if line.subject_kind in kinds and line.snoozed_until is None]
    return Table(title, FINDING_COLUMNS, list(finding_rows(report, found)), _nothing(report))


def _of_rules(title: str, report: Report, rules: Collection[str]) -> Table:
    found = [line for line in report.findings if line.rule in rules and line.snoozed_until is None]
    return Table(title, FINDING_COLUMNS, list(finding_rows(report, found)), _nothing(report))


def _nothing(report: Report) -> str:
    return "Withheld: see Coverage" if report.withheld else "Nothing was found"


def _put_off(report: Report) -> list[Table]:
    """Return the sheet of findings that are put off, if there are any."""
    found = [line for line in report.findings if line.snoozed_until is not None]
    return [Table("Put off", FINDING_COLUMNS, list(finding_rows(report, found)))] if found else []
