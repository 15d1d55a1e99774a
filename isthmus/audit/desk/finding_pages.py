"""The findings of an audit in pages, filtered, with how many there are by each value. As role isthmus_portal."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, LiteralString

import msgspec

from isthmus.audit.desk.views import FindingFilter
from isthmus.audit.figures import FactLine, FindingLine
from isthmus.audit.money import annual
from isthmus.db.database import TenantTx
from isthmus.values import AuditId, UserText

PAGE_ROWS_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One finding as a list shows it. `annual` is what it saves a year; None where nothing, or no price is known.

    `counted`: whether its seat is in the totals. `exempt` and `snoozed_until` say why it is not, if that is so.
    """

    number: int
    rule: str
    title: str
    severity: str
    grade: str
    subject_kind: str
    subject_id: str
    subject: str
    detail: str
    email: str
    department: str
    pool: str
    pool_name: str
    why: str
    remedy: str
    traps: tuple[str, ...]
    facts: tuple[FactLine, ...]
    quantity: int
    counted: bool
    annual: Decimal | None
    currency: str | None
    exempt: bool
    snoozed_until: date | None
    snooze_reason: str


@dataclass(frozen=True, slots=True)
class Count:
    """How many findings have a value, if all other filters hold."""

    value: str
    label: str
    count: int


@dataclass(frozen=True, slots=True)
class FindingPage:
    """A page in the report's order. `total` findings are admitted; `after` continues, None at the end."""

    findings: list[FindingRow]
    total: int
    after: int | None
    counts: dict[str, list[Count]]


@dataclass(frozen=True, slots=True)
class _Line:
    line: str


@dataclass(frozen=True, slots=True)
class _Facet:
    facet: str
    value: str
    label: str
    count: int


_ADMITTED: Final[LiteralString] = """
    with found as materialized (
        select ordinal, rule, grade, severity, pool, pool_name, snoozed, exempt, line,
            (%(rule)s::text is null or rule = %(rule)s) as in_rule,
            (%(grade)s::audit.grade is null or grade = %(grade)s) as in_grade,
            (%(severity)s::audit.severity is null or severity = %(severity)s) as in_severity,
            (%(pool)s::text is null or pool = %(pool)s or lower(pool_name) = lower(%(pool)s)) as in_pool,
            (%(snoozed)s::boolean is null or snoozed = %(snoozed)s) as in_snoozed,
            (%(exempt)s::boolean is null or exempt = %(exempt)s) as in_exempt
        from audit.finding
        where audit_id = %(audit)s
          and (%(text)s::text is null or position(lower(%(text)s) in lower(search_text)) > 0)
          and (%(annual)s::numeric is null or annual >= %(annual)s)
    )
"""
_COUNTS: Final[LiteralString] = """
    select 'rule' as facet, rule::text as value, '' as label, count(*) from found
    where in_grade and in_severity and in_pool and in_snoozed and in_exempt group by rule
    union all
    select 'grade', grade::text, '', count(*) from found
    where in_rule and in_severity and in_pool and in_snoozed and in_exempt group by grade
    union all
    select 'severity', severity::text, '', count(*) from found
    where in_rule and in_grade and in_pool and in_snoozed and in_exempt group by severity
    union all
    select 'license', pool::text, pool_name::text, count(*) from found
    where in_rule and in_grade and in_severity and in_snoozed and in_exempt group by pool, pool_name
    union all
    select 'snoozed', case when snoozed then 'yes' else 'no' end, '', count(*) from found
    where in_rule and in_grade and in_severity and in_pool and in_exempt group by snoozed
    union all
    select 'exempt', case when exempt then 'yes' else 'no' end, '', count(*) from found
    where in_rule and in_grade and in_severity and in_pool and in_snoozed group by exempt
    union all
    select 'total', '', '', count(*) from found
    where in_rule and in_grade and in_severity and in_pool and in_snoozed and in_exempt
    order by 1, 2
"""
_PAGE: Final[LiteralString] = """
    select line from found
    where in_rule and in_grade and in_severity and in_pool and in_snoozed and in_exempt and ordinal > %(after)s
    order by ordinal limit %(rows_max)s
"""


async def finding_page(
    tx: TenantTx, audit: AuditId, wanted: FindingFilter, *, rows_max: int, after: int = 0
) -> FindingPage:
    """Return the findings that `wanted` admits, from the one after number `after` on."""
    given = {
        "audit": audit,
        "rule": _typed(wanted.rule),
        "grade": wanted.grade,
        "severity": wanted.severity,
        "pool": _typed(wanted.license),
        "text": _typed(wanted.text),
        "snoozed": wanted.snoozed,
        "exempt": wanted.exempt,
        "annual": wanted.annual_min,
    }
    facets = await tx.fetch_all(_ADMITTED + _COUNTS, row=_Facet, **given)
    lines = await tx.fetch_all(_ADMITTED + _PAGE, row=_Line, **given, after=after, rows_max=rows_max + 1)
    rows = [finding_row(msgspec.json.decode(row.line, type=FindingLine)) for row in lines[:rows_max]]
    counts: dict[str, list[Count]] = defaultdict(list)
    for facet in facets:
        if facet.facet != "total":
            counts[facet.facet].append(Count(facet.value, facet.label, facet.count))
    total = next((facet.count for facet in facets if facet.facet == "total"), 0)
    return FindingPage(rows, total, rows[-1].number if len(lines) > rows_max else None, dict(counts))


async def one_finding(tx: TenantTx, audit: AuditId, number: int) -> FindingRow | None:
    """Return the finding of that number, or None if this tenant has no such one."""
    row = await tx.fetch_one(
        "select line from audit.finding where audit_id = %(audit)s and ordinal = %(number)s",
        row=_Line,
        audit=audit,
        number=number,
    )
    return finding_row(msgspec.json.decode(row.line, type=FindingLine)) if row is not None else None


def finding_row(line: FindingLine) -> FindingRow:
    """Return a report's finding as a list shows it."""
    return FindingRow(
        number=line.ordinal,
        rule=line.rule,
        title=line.title,
        severity=line.severity,
        grade=line.grade,
        subject_kind=line.subject_kind,
        subject_id=line.subject_id,
        subject=line.subject,
        detail=line.detail,
        email=line.email,
        department=line.department,
        pool=line.pool,
        pool_name=line.pool_name,
        why=line.why,
        remedy=line.remedy,
        traps=line.traps,
        facts=line.facts,
        quantity=line.quantity,
        counted=line.valued,
        annual=None if line.saving_monthly is None else annual(line.saving_monthly, 1),
        currency=line.currency,
        exempt=line.exempt,
        snoozed_until=line.snoozed_until,
        snooze_reason=line.snooze_reason,
    )


def _typed(text: str | None) -> UserText | None:
    return UserText(text) if text else None
