"""Audits as portal and CLI handle them, as role isthmus_portal: ask for one, look at it, fetch its documents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final
from uuid import UUID

import msgspec

from isthmus.audit.desk.views import AuditDetail, AuditState, AuditView, DocumentKind, FindingFilter, FindingView
from isthmus.audit.failures import Failure, explain
from isthmus.audit.figures import FindingLine
from isthmus.audit.finding import Fact, Grade, Severity
from isthmus.audit.report.files import read_report
from isthmus.db.database import TenantTx
from isthmus.db.jobs import TaskName, enqueue
from isthmus.values import AuditId, ConnectionId, UserText

AUDITS_SHOWN_MAX: Final = 100
FINDINGS_SHOWN_MAX: Final = 200


class AuditProblem(Exception):
    """A request about an audit that cannot be met; the message says what and the remedy."""


@dataclass(frozen=True, slots=True)
class _Made:
    id: UUID


@dataclass(frozen=True, slots=True)
class _ConnectionRow:
    purpose: str
    state: str


@dataclass(frozen=True, slots=True)
class _AuditRow:
    id: UUID
    connection: UUID
    alias: str
    state: AuditState
    percent: int
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    failure: Failure | None
    failure_object: str | None
    continues_at: datetime | None
    seats: int | None
    seats_unused: int | None
    findings: int | None
    currency: str | None
    reclaim_annual: Decimal | None
    renewal_annual: Decimal | None
    risk_annual: Decimal | None


@dataclass(frozen=True, slots=True)
class _State:
    state: AuditState


@dataclass(frozen=True, slots=True)
class _Content:
    content: bytes


@dataclass(frozen=True, slots=True)
class _Kind:
    kind: DocumentKind


@dataclass(frozen=True, slots=True)
class _Line:
    line: str


async def request_audit(tx: TenantTx, connection: ConnectionId) -> AuditId:
    """Queue an audit of the org behind `connection`. Raises `AuditProblem` if it is no audit connection in force.

    An audit of the same connection that is still under way is returned instead of a second one.
    """
    found = await tx.fetch_one(
        "select purpose, state from orgs.connection where id = %(connection)s",
        row=_ConnectionRow,
        connection=connection,
    )
    if found is None or found.purpose != "audit":
        message = "This org is not connected for audits. Connect it with the purpose audit first."
        raise AuditProblem(message)
    if found.state != "active":
        message = "The connection for audits is no longer in force. Connect the org again for audits."
        raise AuditProblem(message)
    under_way = await tx.fetch_one(
        """
        select id from audit.audit
        where connection_id = %(connection)s and state in ('queued', 'reading', 'reporting')
        order by requested_at desc limit 1
        """,
        row=_Made,
        connection=connection,
    )
    if under_way is not None:
        return AuditId(under_way.id)
    made = await tx.fetch_one(
        "insert into audit.audit (connection_id) values (%(connection)s) returning id", row=_Made, connection=connection
    )
    if made is None:
        message = "The audit could not be queued. Try again."
        raise AuditProblem(message)
    await enqueue(tx, TaskName.RUN_AUDIT, made.id, lock=connection)
    return AuditId(made.id)


async def list_audits(tx: TenantTx, *, rows_max: int = AUDITS_SHOWN_MAX) -> list[AuditView]:
    """Return the newest audits first."""
    rows = await tx.fetch_all(
        """
        select a.id, a.connection_id as connection, o.alias, a.state, a.percent, a.requested_at, a.started_at,
            a.finished_at, a.failure, a.failure_object, a.seats, a.seats_unused, a.findings, a.currency,
            a.continues_at, a.reclaim_annual, a.renewal_annual, a.risk_annual
        from audit.audit a
        join orgs.connection c on c.tenant_id = a.tenant_id and c.id = a.connection_id
        join orgs.org o on o.tenant_id = c.tenant_id and o.id = c.org_id
        order by a.requested_at desc, a.id limit %(rows_max)s
        """,
        row=_AuditRow,
        rows_max=rows_max,
    )
    return [_view(row) for row in rows]


async def audit_detail(tx: TenantTx, audit: AuditId) -> AuditDetail | None:
    """Return one audit with its report, or None if this tenant has no such audit."""
    row = await tx.fetch_one(
        """
        select a.id, a.connection_id as connection, o.alias, a.state, a.percent, a.requested_at, a.started_at,
            a.finished_at, a.failure, a.failure_object, a.seats, a.seats_unused, a.findings, a.currency,
            a.continues_at, a.reclaim_annual, a.renewal_annual, a.risk_annual
        from audit.audit a
        join orgs.connection c on c.tenant_id = a.tenant_id and c.id = a.connection_id
        join orgs.org o on o.tenant_id = c.tenant_id and o.id = c.org_id
        where a.id = %(audit)s
        """,
        row=_AuditRow,
        audit=audit,
    )
    if row is None:
        return None
    kinds = await tx.fetch_all(
        "select kind from audit.document where audit_id = %(audit)s order by kind", row=_Kind, audit=audit
    )
    done = row.state is AuditState.DONE
    content = await document(tx, audit, DocumentKind.JSON) if done else None
    report = read_report(content) if content is not None else None
    return AuditDetail(_view(row), report, tuple(found.kind for found in kinds) if done else ())


async def audit_state(tx: TenantTx, audit: AuditId) -> AuditState | None:
    """Return where an audit is, or None if this tenant has no such audit."""
    row = await tx.fetch_one("select state from audit.audit where id = %(audit)s", row=_State, audit=audit)
    return row.state if row is not None else None


async def has_document(tx: TenantTx, audit: AuditId, kind: DocumentKind) -> bool:
    """Return whether the audit has a document of this kind: what is older than the schedule keeps was removed."""
    row = await tx.fetch_one(
        """
        select d.kind from audit.document d join audit.audit a on a.tenant_id = d.tenant_id and a.id = d.audit_id
        where d.audit_id = %(audit)s and d.kind = %(kind)s and a.state = 'done'
        """,
        row=_Kind,
        audit=audit,
        kind=kind,
    )
    return row is not None


async def own_tenant(tx: TenantTx) -> UUID:
    """Return whose rows this transaction sees: the tenant that the ticket names."""
    row = await tx.fetch_one("select ctx.tenant() as id", row=_Made)
    if row is None:
        message = "a transaction of a tenant has no tenant"
        raise RuntimeError(message)
    return row.id


async def findings(
    tx: TenantTx,
    audit: AuditId,
    wanted: FindingFilter | None = None,
    *,
    rows_max: int = FINDINGS_SHOWN_MAX,
    offset: int = 0,
) -> list[FindingView]:
    """Return findings in the report's order, those that `wanted` admits."""
    wanted = wanted or FindingFilter()
    rows = await tx.fetch_all(
        """
        select line from audit.finding
        where audit_id = %(audit)s
          and (%(rule)s::text is null or rule = %(rule)s)
          and (%(grade)s::audit.grade is null or grade = %(grade)s)
          and (%(severity)s::audit.severity is null or severity = %(severity)s)
          and (%(pool)s::text is null or pool = %(pool)s or lower(line::text::jsonb ->> 'pool_name') = lower(%(pool)s))
          and (%(text)s::text is null or position(lower(%(text)s) in lower(search_text)) > 0)
        order by ordinal limit %(rows_max)s offset %(offset)s
        """,
        row=_Line,
        audit=audit,
        rule=_typed(wanted.rule),
        grade=wanted.grade,
        severity=wanted.severity,
        pool=_typed(wanted.license),
        text=_typed(wanted.text),
        rows_max=rows_max,
        offset=offset,
    )
    return [_finding(msgspec.json.decode(row.line, type=FindingLine)) for row in rows]


async def document(tx: TenantTx, audit: AuditId, kind: DocumentKind) -> bytes | None:
    """Return a document's bytes, or None if the audit has none of this kind or is not done."""
    row = await tx.fetch_one(
        """
        select d.content from audit.document d join audit.audit a on a.tenant_id = d.tenant_id and a.id = d.audit_id
        where d.audit_id = %(audit)s and d.kind = %(kind)s and a.state = 'done'
        """,
        row=_Content,
        audit=audit,
        kind=kind,
    )
    return bytes(row.content) if row is not None else None


def _typed(text: str | None) -> UserText | None:
    return UserText(text) if text else None


def _view(row: _AuditRow) -> AuditView:
    return AuditView(
        id=row.id,
        connection=row.connection,
        alias=row.alias,
        state=row.state,
        percent=row.percent,
        requested_at=row.requested_at.astimezone(UTC),
        started_at=row.started_at,
        finished_at=row.finished_at,
        problem=None if row.failure is None else explain(row.failure, row.failure_object),
        seats=row.seats,
        seats_unused=row.seats_unused,
        findings=row.findings,
        currency=row.currency,
        reclaim_annual=row.reclaim_annual,
        renewal_annual=row.renewal_annual,
        risk_annual=row.risk_annual,
        continues_at=None if row.continues_at is None else row.continues_at.astimezone(UTC),
    )


def _finding(line: FindingLine) -> FindingView:
    return FindingView(
        ordinal=line.ordinal,
        rule=line.rule,
        title=line.title,
        severity=Severity(line.severity),
        grade=Grade(line.grade),
        subject=line.subject,
        detail=line.detail,
        pool=line.pool_name,
        why=line.why,
        traps=line.traps,
        facts=tuple(Fact(fact.label, fact.value) for fact in line.facts),
        saving_monthly=line.saving_monthly,
        currency=line.currency,
    )
