"""Audits as portal and CLI handle them, as role isthmus_portal: ask for one, look at it, fetch its documents."""

from __future__ import annotations

from isthmus.audit.views import AuditDetail, AuditView, DocumentKind, FindingFilter, FindingView
from isthmus.db.database import TenantTx
from isthmus.values import AuditId, ConnectionId

AUDITS_SHOWN_MAX = 100
FINDINGS_SHOWN_MAX = 200


async def request_audit(tx: TenantTx, connection: ConnectionId) -> AuditId:
    """Queue an audit of the org behind `connection`. Raises `AuditProblem` if it is no audit connection in force."""
    raise NotImplementedError


async def list_audits(tx: TenantTx, *, rows_max: int = AUDITS_SHOWN_MAX) -> list[AuditView]:
    """Return the newest audits first."""
    raise NotImplementedError


async def audit_detail(tx: TenantTx, audit: AuditId) -> AuditDetail | None:
    """Return one audit with its report, or None if this tenant has no such audit."""
    raise NotImplementedError


async def findings(
    tx: TenantTx,
    audit: AuditId,
    wanted: FindingFilter | None = None,
    *,
    rows_max: int = FINDINGS_SHOWN_MAX,
    offset: int = 0,
) -> list[FindingView]:
    """Return findings in the report's order, those that `wanted` admits."""
    raise NotImplementedError


async def document(tx: TenantTx, audit: AuditId, kind: DocumentKind) -> bytes | None:
    """Return a document's bytes, or None if the audit has none of this kind."""
    raise NotImplementedError


class AuditProblem(Exception):
    """A request about an audit that cannot be met; the message says what and the remedy."""
