"""What-if questions and the portfolio over JSON."""

from __future__ import annotations

import asyncio
from typing import Final
from uuid import UUID

import msgspec
from litestar import Response, get, post

from isthmus.audit import service
from isthmus.audit.desk.views import DocumentKind
from isthmus.audit.given.prices import PricesInvalid
from isthmus.audit.portfolio.rows import read_portfolio
from isthmus.audit.what_if.questions import CannotAsk, Question, Ready, load
from isthmus.audit.what_if.questions import answer as answer_question
from isthmus.portal.api.answers import answer
from isthmus.portal.api.findings import done_only
from isthmus.portal.desk import ApiActing, Problem, SignedIn, WayOut, WebRequest, World, id_of
from isthmus.portal.problems import bad_input
from isthmus.values import AuditId

_LIST: Final = WayOut("/audits", "All audits")
QUESTION_BYTES_MAX: Final = 5 * 1024 * 1024
"""Three texts as long as audit settings may have them, escaped, and people on leave."""


@post("/api/v1/audits/{audit:str}/what-if", status_code=200, request_max_body_size=QUESTION_BYTES_MAX)
async def what_if(request: WebRequest, world: World, api_actor: ApiActing, audit: str) -> Response[bytes]:
    """Return what the audit's report would say with other settings, and the difference from what it says.

    `prepared_ms` is how long the audit's data took to load for this answer: 0 if an earlier question had loaded them.
    """
    audit_id = AuditId(id_of(audit, "Audit", _LIST))
    question = _question(await request.body())
    async with world.database.tenant(api_actor.visitor.ticket) as tx:
        done_only(await service.audit_state(tx, audit_id))
        tenant = await service.own_tenant(tx)
        kept = await service.has_document(tx, audit_id, DocumentKind.BUNDLE)
    if not kept:
        world.tables.forget(tenant, audit_id)
        raise _removed()
    ready, prepared_ms = await _ready(world, api_actor, tenant, audit_id)
    began_s = world.clock.monotonic_s()
    try:
        answered = await asyncio.to_thread(answer_question, ready, question)
    except PricesInvalid as invalid:
        what, _, remedy = str(invalid).partition(". ")
        remedy = remedy or "docs/audit-api.md says what each field takes."
        raise Problem(422, "These settings cannot be used", f"{what.rstrip('.')}.", remedy, _LIST) from None
    took_ms = round((world.clock.monotonic_s() - began_s) * 1000, 1)
    shown = {name: getattr(answered, name) for name in answered.__struct_fields__}
    return answer({"audit": audit_id, "prepared_ms": prepared_ms, "answered_ms": took_ms, **shown})


@get("/api/v1/portfolio")
async def portfolio(world: World, visitor: SignedIn) -> Response[bytes]:
    """Return all orgs side by side, what can be added up, and persons who hold paid seats in several orgs."""
    async with world.database.tenant(visitor.ticket) as tx:
        return answer(await read_portfolio(tx, world.clock.now()))


async def _ready(world: World, actor: ApiActing, tenant: UUID, audit: AuditId) -> tuple[Ready, int]:
    """Return the audit's table, loaded now if need be, and how long that took. One is loaded at a time."""
    found = world.tables.get(tenant, audit)
    if found is not None:
        return found, 0
    began_s = world.clock.monotonic_s()
    async with world.tables.loading:
        found = world.tables.get(tenant, audit)
        if found is None:
            async with world.database.tenant(actor.visitor.ticket) as tx:
                bundle = await service.document(tx, audit, DocumentKind.BUNDLE)
            if bundle is None:
                raise _removed()
            try:
                found = await asyncio.to_thread(load, bundle)
            except CannotAsk as refused:
                what, _, remedy = str(refused).partition(". ")
                raise Problem(409, "This audit cannot be asked", f"{what}.", remedy, _LIST) from None
            world.tables.put(tenant, audit, found)
    return found, max(1, round((world.clock.monotonic_s() - began_s) * 1000))


def _removed() -> Problem:
    return Problem(
        409,
        "This audit's evidence was removed",
        "Documents, findings and names of older audits are removed, as the org's schedule says.",
        "Ask a newer audit, or audit the org again.",
        _LIST,
    )


def _question(unverified_body: bytes) -> Question:
    try:
        return msgspec.json.decode(unverified_body or b"{}", type=Question)
    except (msgspec.DecodeError, UnicodeDecodeError):
        bad_input(
            "The question is no JSON object of the form that is asked for, or has a field of an unknown name.",
            f"Its fields are: {', '.join(Question.__struct_fields__)}. See docs/audit-api.md.",
        )


HANDLERS = (what_if, portfolio)
