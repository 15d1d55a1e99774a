"""What pages and commands show of audits: frozen rows, everything already decided and rounded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from isthmus.audit.figures import Report
from isthmus.audit.finding import Fact, Grade, Severity


class AuditState(StrEnum):
    """Where an audit is."""

    QUEUED = "queued"
    READING = "reading"
    REPORTING = "reporting"
    DONE = "done"
    FAILED = "failed"


class DocumentKind(StrEnum):
    """The documents that a finished audit leaves. The value is the file's name; a bundle travels as one ZIP file."""

    PDF = "report.pdf"
    XLSX = "report.xlsx"
    CSV = "findings.csv"
    JSON = "report.json"
    BUNDLE = "bundle.zip"
    CALENDAR = "renewal.ics"
    FOCUS = "focus.csv"

    @property
    def media_type(self) -> str:
        """The Content-Type to serve it with."""
        return {
            DocumentKind.PDF: "application/pdf",
            DocumentKind.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            DocumentKind.CSV: "text/csv; charset=utf-8",
            DocumentKind.JSON: "application/json",
            DocumentKind.BUNDLE: "application/zip",
            DocumentKind.CALENDAR: "text/calendar; charset=utf-8",
            DocumentKind.FOCUS: "text/csv; charset=utf-8",
        }[self]


@dataclass(frozen=True, slots=True)
class AuditView:
    """One audit as a list shows it. Counts and money are None until it is done, or where a gate withheld them.

    `percent` says how far the reading is. `problem` is one sentence with the remedy when it failed. `continues_at`: it
    has met the limit of the org's API calls, and goes on by itself then.
    Money is per year in `currency`; `renewal_annual` is cash at renewal, `reclaim_annual` seats to use again.
    """

    id: UUID
    connection: UUID
    alias: str
    state: AuditState
    percent: int
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    problem: str | None
    seats: int | None
    seats_unused: int | None
    findings: int | None
    currency: str | None
    reclaim_annual: Decimal | None
    renewal_annual: Decimal | None
    risk_annual: Decimal | None
    continues_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AuditDetail:
    """One audit with its whole report (None until it is done), and which documents there are."""

    audit: AuditView
    report: Report | None
    documents: tuple[DocumentKind, ...]


@dataclass(frozen=True, slots=True)
class FindingFilter:
    """Which findings to list; None means any. `text` is looked for in the subject's name, e-mail and detail.

    `license` is a pool's id or name. `annual_min`: findings that save at least so much a year, in their currency.
    """

    rule: str | None = None
    grade: Grade | None = None
    severity: Severity | None = None
    license: str | None = None
    text: str | None = None
    snoozed: bool | None = None
    exempt: bool | None = None
    annual_min: Decimal | None = None


@dataclass(frozen=True, slots=True)
class FindingView:
    """One finding, ready to be shown. `saving_monthly` is None where nothing is saved or no price is known."""

    ordinal: int
    rule: str
    title: str
    severity: Severity
    grade: Grade
    subject: str
    detail: str
    pool: str
    why: str
    traps: tuple[str, ...]
    facts: tuple[Fact, ...]
    saving_monthly: Decimal | None
    currency: str | None
