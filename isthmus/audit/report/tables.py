"""The sheets of the workbook, from the report. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from isthmus.audit.bundle import Manifest
from isthmus.audit.figures import FactLine, FindingLine, Report
from isthmus.audit.report.cells import Cell, Table
from isthmus.audit.report.tables_renewal import renewal_tables

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
    "Licence",
    "Why",
    "Evidence",
    "What lowers the grade",
    "What to do",
    "Seats",
    "Counted in the totals",
    "Saving per month",
    "Currency",
    "Record id",
    "Put off until",
    "Put off because",
)


def finding_row(line: FindingLine) -> list[Cell]:
    """Return a finding as a row of `FINDING_COLUMNS`."""
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
        line.pool_name,
        line.why,
        evidence(line.facts),
        "; ".join(line.traps),
        line.remedy,
        line.quantity,
        line.valued,
        line.saving_monthly,
        line.currency,
        line.subject_id,
        line.snoozed_until,
        line.snooze_reason,
    ]


def evidence(facts: tuple[FactLine, ...]) -> str:
    """Return facts as one line of text."""
    return "; ".join(f"{fact.label}: {_word(fact.value)}" for fact in facts)


def _word(value: int | str | None) -> str:
    if value is None:
        return "none"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def tables(report: Report, manifest: Manifest) -> tuple[Table, ...]:
    """Return all sheets in order."""
    return (
        _summary(report, manifest),
        _licenses(report),
        _findings("Named users", report, {"user"}),
        _findings("PSL", report, {"psl_assignment"}),
        _findings("Pools", report, {"license", "psl"}),
        *_put_off(report),
        _psl_pools(report),
        *renewal_tables(report),
        _prices(report),
        _contract(report),
        Table(
            "Method",
            ("Rule", "Title", "Saves", "How it decides", "Findings"),
            [(r.id, r.title, r.saves, r.doc, r.findings) for r in report.rules],
        ),
        Table(
            "Coverage",
            ("Gate", "Title", "Verdict", "What it says", "What to do", "Keeps back", "Evidence"),
            [
                (g.rule, g.title, g.verdict, g.says, g.remedy, ", ".join(g.withholds), evidence(g.facts))
                for g in report.gates
            ],
        ),
        Table(
            "Requests",
            ("Request", "Text", "Times sent", "Rows"),
            [(r.name, r.text, r.times, r.rows) for r in report.requests],
        ),
        Table(
            "Hashes",
            ("File", "Bytes", "SHA-256"),
            [*((f.name, f.bytes, f.sha256) for f in manifest.files), ("(fingerprint)", None, manifest.fingerprint)],
        ),
    )


def _findings(title: str, report: Report, kinds: Collection[str]) -> Table:
    found = [line for line in report.findings if line.subject_kind in kinds and line.snoozed_until is None]
    return Table(title, FINDING_COLUMNS, [finding_row(line) for line in found])


def _put_off(report: Report) -> list[Table]:
    """Return the sheet of findings that are put off, if there are any."""
    found = [finding_row(line) for line in report.findings if line.snoozed_until is not None]
    return [Table("Put off", FINDING_COLUMNS, found)] if found else []


def _summary(report: Report, manifest: Manifest) -> Table:
    rows: list[Sequence[Cell]] = [
        ("Org", report.org),
        ("Host", report.host),
        ("As of (UTC)", report.taken_at),
        ("Seats purchased (paid licences)", report.seats_purchased),
        ("Seats assigned", report.seats_assigned),
        ("Seats estimated active, 90 days", report.seats_active),
        ("Seats unused", report.seats_unused),
        ("Inactive means no login for (days)", report.effective_threshold_days),
        ("Login history begins (UTC)", report.history_start),
    ]
    for total in report.money:
        rows.append((f"Reclaim now, a year ({total.currency}, {total.basis} price)", total.reclaim_now))
        rows.append((f"  of which grade A ({total.currency})", total.reclaim_split.a))
        rows.append((f"  of which grade B ({total.currency})", total.reclaim_split.b))
        rows.append((f"Cash at renewal, a year ({total.currency})", total.cash_at_renewal))
        rows.append((f"At risk (grade C), a year ({total.currency})", total.at_risk))
        rows.append(("Unit price rise that would cancel the saving (%)", total.break_even_uplift_percent))
    if report.money_withheld:
        rows.append(("Money", "withheld: see Coverage"))
    rows.append(("Seats and grants found without a known price", report.unpriced_seats))
    rows.append(("Notice deadline", report.deadline))
    rows.extend((f"If inactive meant {p.days} days: seats", p.seats) for p in report.sensitivity)
    rows.extend((f"If inactive meant {p.days} days: {p.currency or ''} a year", p.annual) for p in report.sensitivity)
    rows.extend(("Withheld", text) for text in report.withheld)
    rows.extend(("Assumption", text) for text in report.assumptions)
    rows.extend(("Blind spot", text) for text in report.blind_spots)
    rows.append(("Bundle fingerprint", manifest.fingerprint))
    return Table("Summary", ("What", "Value"), rows)


def _licenses(report: Report) -> Table:
    columns = (
        "Licence",
        "Key",
        "Paid how",
        "Status",
        "Purchased",
        "Assigned",
        "Active 30 d",
        "Active 60 d",
        "Active 90 d",
        "Software only 90 d",
        "Unused",
        "Unused A",
        "Unused B",
        "Unused C",
        "Unit price a month",
        "Currency",
        "Price from",
        "Reclaim now a month",
        "Fewer at renewal",
        "Cash at renewal a month",
        "At risk a month",
    )
    rows = [
        (
            line.name,
            line.key,
            line.category,
            line.status,
            line.purchased,
            line.assigned,
            line.active_30,
            line.active_60,
            line.active_90,
            line.machines_90,
            line.unused,
            line.unused_a,
            line.unused_b,
            line.unused_c,
            line.unit_price,
            line.currency,
            line.price_basis,
            line.reclaim_monthly,
            line.renewal_seats,
            line.renewal_monthly,
            line.risk_monthly,
        )
        for line in report.licenses
    ]
    return Table("Licences", columns, rows)


def _psl_pools(report: Report) -> Table:
    columns = (
        "Permission set licence",
        "Key",
        "Status",
        "Purchased",
        "Used",
        "Grants",
        "Grants to active users",
        "Holders counted",
        "Expires",
        "Held by deactivated",
        "Never used since granted",
        "Unit price a month",
        "Currency",
    )
    rows = [
        (
            line.name,
            line.key,
            line.status,
            line.purchased,
            line.used,
            line.assignments,
            line.assignments_active,
            line.convention,
            line.expires_on,
            line.held_by_deactivated,
            line.never_used,
            line.unit_price,
            line.currency,
        )
        for line in report.psls
    ]
    return Table("PSL pools", columns, rows)


def _prices(report: Report) -> Table:
    columns = ("Product", "Price a month", "Currency", "From", "In force since", "Source", "Confidence", "Note")
    rows = [
        (p.product, p.price, p.currency, p.basis, p.effective_from, p.source, p.confidence, p.note)
        for p in report.prices
    ]
    return Table("Price book", columns, rows)


def _contract(report: Report) -> Table:
    columns = (
        "Product",
        "Contracted",
        "Provisioned",
        "Difference",
        "Unit price",
        "Currency",
        "Start",
        "End",
        "Notice deadline",
        "Days left",
        "Minimum",
        "Source",
    )
    rows = [
        (
            c.product,
            c.contracted,
            c.provisioned,
            c.drift,
            c.unit_price,
            c.currency,
            c.start,
            c.end,
            c.notice_deadline,
            c.days_left,
            c.minimum,
            c.source,
        )
        for c in report.contract
    ]
    return Table("Contract", columns, rows)
