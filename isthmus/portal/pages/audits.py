"""Audits: start one, watch it, read its figures and findings, fetch its documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from litestar import Response, get, post
from litestar.response import Redirect, Stream

from isthmus.audit import service
from isthmus.audit.desk.views import AuditDetail, AuditState, AuditView, DocumentKind, FindingFilter, FindingView
from isthmus.audit.figures import Report
from isthmus.audit.finding import Grade
from isthmus.audit.service import AuditProblem
from isthmus.db.ticket import Ticket
from isthmus.orgs.connections import list_connections
from isthmus.portal import live
from isthmus.portal.charts import license_chart
from isthmus.portal.desk import Acting, Problem, Renderer, SignedIn, WayOut, WebRequest, World, id_of, missing, query
from isthmus.portal.orgs_view import usable
from isthmus.portal.visitors import FIELD_LENGTH_MAX, Visitor
from isthmus.values import AuditId, ConnectionId, Purpose

_LIST = WayOut("/audits", "All audits")
FINDINGS_SHOWN: Final = 50
FINDINGS_SHOWN_MAX: Final = 1000
CHARTS_MAX: Final = 4
LABELS: Final[Mapping[DocumentKind, str]] = MappingProxyType(
    {
        DocumentKind.PDF: "Report (PDF)",
        DocumentKind.XLSX: "Workbook (XLSX)",
        DocumentKind.CSV: "Findings (CSV)",
        DocumentKind.JSON: "Figures (JSON)",
        DocumentKind.BUNDLE: "Evidence bundle",
        DocumentKind.CALENDAR: "Renewal days (ICS)",
        DocumentKind.FOCUS: "Cost rows (FOCUS-shaped CSV)",
    }
)
_PROGRESS: Final[Mapping[AuditState, str]] = MappingProxyType(
    {
        AuditState.QUEUED: "Waiting for a worker",
        AuditState.READING: "Reading licences, users and logins",
        AuditState.REPORTING: "Judging and writing the documents",
        AuditState.DONE: "Finished",
        AuditState.FAILED: "Stopped",
    }
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the member filters by, as text for the form."""

    rule: str
    grade: str
    license: str
    text: str


@get("/audits")
async def audits(request: WebRequest, world: World, pages: Renderer, visitor: SignedIn) -> Response[str]:
    """List audits and offer to start one."""
    async with world.database.tenant(visitor.ticket) as tx:
        connections = usable(await list_connections(tx), Purpose.AUDIT)
        listed = await service.list_audits(tx)
    return pages.page(request, "audits.html", visitor, connections=connections, audits=listed)


@post("/audits")
async def start(world: World, actor: Acting) -> Redirect:
    """Queue an audit."""
    connection = ConnectionId(id_of(actor.form.text("connection"), "Connection", _LIST))
    audit = await request_audit(world, actor.visitor, connection)
    return Redirect(f"/audits/{audit}?done=audit-requested", status_code=303)


async def request_audit(world: World, visitor: Visitor, connection: ConnectionId) -> AuditId:
    """Queue an audit, or raise the `Problem` that says why not."""
    try:
        async with world.database.tenant(visitor.ticket) as tx:
            return await service.request_audit(tx, connection)
    except AuditProblem as error:
        raise Problem(409, "This audit cannot be started", str(error), "Settle this first.", _LIST) from None


@get("/audits/{audit:str}")
async def audit(request: WebRequest, world: World, pages: Renderer, visitor: SignedIn, audit: str) -> Response[str]:
    """Show one audit: its progress, or its report with findings."""
    detail, found = await _read(request, world, visitor, audit)
    view = detail.audit
    values: dict[str, Any] = {"audit": view, "report": detail.report, "live": is_live(view)}
    if detail.report is not None:
        values |= _report_values(detail, detail.report) | _finding_values(request, found)
    values |= {"text": _progress(view)}
    return pages.page(request, "audit.html", visitor, **values)


@get("/audits/{audit:str}/findings")
async def findings(request: WebRequest, world: World, pages: Renderer, visitor: SignedIn, audit: str) -> Response[str]:
    """Return the findings that the filters admit, as a part of the audit's page."""
    _, found = await _read(request, world, visitor, audit)
    text = pages.fragment("findings.html", **_finding_values(request, found))
    return Response(text, media_type="text/html; charset=utf-8")


def _progress(view: AuditView) -> str:
    """Return in words where an audit is."""
    if view.continues_at is None:
        return _PROGRESS[view.state]
    at = f"{view.continues_at:%Y-%m-%d %H:%M} UTC"
    return f"The org's API calls are used up for now. What was read is kept; the audit goes on by itself at {at}"


@get("/audits/{audit:str}/live")
async def watch(world: World, pages: Renderer, visitor: SignedIn, audit: str) -> Stream:
    """Stream the progress of an audit."""
    audit_id = AuditId(id_of(audit, "Audit", _LIST))

    async def look(ticket: Ticket) -> live.Look:
        async with world.database.tenant(ticket) as tx:
            detail = await service.audit_detail(tx, audit_id)
        if detail is None:
            return live.Look("", finished=True)
        text = pages.fragment("audit_progress.html", audit=detail.audit, text=_progress(detail.audit))
        return live.Look(text, finished=not is_live(detail.audit))

    return live.stream(visitor, world.keeper, world.clock, look)


@get("/audits/{audit:str}/documents/{name:str}")
async def document(world: World, visitor: SignedIn, audit: str, name: str) -> Response[bytes]:
    """Return one document of an audit as a download."""
    kind = next((kind for kind in DocumentKind if kind.value == name), None)
    audit_id = AuditId(id_of(audit, "Audit", _LIST))
    content = None
    if kind is not None:
        async with world.database.tenant(visitor.ticket) as tx:
            content = await service.document(tx, audit_id, kind)
    if kind is None or content is None:
        missing("Document", _LIST)
    return Response(
        content, media_type=kind.media_type, headers={"Content-Disposition": f'attachment; filename="{kind.value}"'}
    )


def is_live(audit: AuditView) -> bool:
    """Whether an audit still changes."""
    return audit.state not in {AuditState.DONE, AuditState.FAILED}


def read_filter(unverified: Mapping[str, str]) -> FindingFilter:
    """Return the filter that an address asks for; what makes no sense is left out."""
    given = {name: unverified.get(name, "").strip()[:FIELD_LENGTH_MAX] for name in ("rule", "grade", "license", "text")}
    grade = next((grade for grade in Grade if grade.value == given["grade"]), None)
    return FindingFilter(given["rule"] or None, grade, None, given["license"] or None, given["text"] or None)


async def _read(
    request: WebRequest, world: World, visitor: Visitor, audit: str
) -> tuple[AuditDetail, list[FindingView]]:
    audit_id = AuditId(id_of(audit, "Audit", _LIST))
    async with world.database.tenant(visitor.ticket) as tx:
        detail = await service.audit_detail(tx, audit_id)
        if detail is None:
            missing("Audit", _LIST)
        wanted = read_filter(query(request))
        found = await service.findings(tx, audit_id, wanted, rows_max=_rows(request) + 1) if detail.report else []
    return detail, found


def _rows(request: WebRequest) -> int:
    return FINDINGS_SHOWN_MAX if query(request).get("rows") else FINDINGS_SHOWN


def _finding_values(request: WebRequest, found: list[FindingView]) -> dict[str, Any]:
    wanted = read_filter(query(request))
    return {
        "findings": found[: _rows(request)],
        "more": len(found) > _rows(request),
        "rows_max": FINDINGS_SHOWN_MAX,
        "wanted": Wanted(wanted.rule or "", wanted.grade or "", wanted.license or "", wanted.text or ""),
    }


def _report_values(detail: AuditDetail, report: Report) -> dict[str, Any]:
    titles = {rule.id: rule.title for rule in report.rules if rule.findings}
    pools = {finding.pool: finding.pool_name for finding in report.findings}
    return {
        "gates_open": [gate for gate in report.gates if gate.verdict != "pass"],
        "charts": [license_chart(line) for line in report.licenses[:CHARTS_MAX]],
        "documents": detail.documents,
        "labels": LABELS,
        "rules": [(rule, f"{rule} {title}") for rule, title in titles.items()],
        "grades": [(grade.value, f"Grade {grade.value}") for grade in Grade],
        "licences": sorted(pools.items(), key=lambda pool: pool[1]),
    }


HANDLERS = (audits, start, audit, findings, watch, document)
