"""The first page: figures of the last audit, orgs, syncs, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass

from litestar import Response, get

from isthmus.audit import service as audits
from isthmus.audit.desk.views import AuditState, AuditView
from isthmus.audit.figures import Report
from isthmus.orgs.connections import list_connections
from isthmus.portal import formats
from isthmus.portal.desk import Renderer, SignedIn, WebRequest, World
from isthmus.portal.next_steps import next_steps
from isthmus.portal.orgs_view import by_org
from isthmus.sync import definitions
from isthmus.values import AuditId

SHOWN_MAX = 5


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its name."""

    label: str
    value: str


@get("/")
async def home(request: WebRequest, world: World, pages: Renderer, visitor: SignedIn) -> Response[str]:
    """Show the overview."""
    async with world.database.tenant(visitor.ticket) as tx:
        connections = await list_connections(tx)
        listed = await audits.list_audits(tx)
        syncs = await definitions.list_syncs(tx)
        last = next((audit for audit in listed if audit.state is AuditState.DONE), None)
        detail = await audits.audit_detail(tx, AuditId(last.id)) if last else None
    return pages.page(
        request,
        "home.html",
        visitor,
        steps=next_steps(connections, listed, syncs),
        audit=last,
        figures=figures(last, detail.report if detail else None) if last else [],
        orgs=by_org(connections)[:SHOWN_MAX],
        syncs=syncs[:SHOWN_MAX],
    )


def figures(audit: AuditView, report: Report | None) -> list[Figure]:
    """Return the figures of an audit that the first page shows."""
    return [
        Figure("Seats purchased", formats.number(report.seats_purchased if report else None)),
        Figure("Assigned", formats.number(report.seats_assigned if report else None)),
        Figure("Active, estimated", formats.number(report.seats_active if report else None)),
        Figure("Reclaim now, a year", formats.money(audit.reclaim_annual, audit.currency)),
        Figure("Cash at renewal, a year", formats.money(audit.renewal_annual, audit.currency)),
        Figure("At risk, a year", formats.money(audit.risk_annual, audit.currency)),
    ]


HANDLERS = (home,)
