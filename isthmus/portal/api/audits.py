"""Audits over JSON."""

from __future__ import annotations

from uuid import UUID

import msgspec
from litestar import Response, get, post

from isthmus.audit import service
from isthmus.audit.prices import PricesInvalid
from isthmus.audit.setting import AuditSetting, read_setting, save_setting
from isthmus.portal.api.answers import answer
from isthmus.portal.desk import ApiActing, Problem, SignedIn, WayOut, WebRequest, World, id_of, missing, query
from isthmus.portal.pages.audits import read_filter, request_audit
from isthmus.values import AuditId, ConnectionId

_LIST = WayOut("/audits", "All audits")
_ORGS = WayOut("/orgs", "All orgs")
PAGE_ROWS_DEFAULT = 200
PAGE_ROWS_MAX = 1000


class StartBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which audit connection to read with."""

    connection: UUID


class SettingBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Files as text: prices, contract and exemptions as CSV, thresholds as TOML. Empty: none."""

    prices: str = ""
    contract: str = ""
    exemptions: str = ""
    thresholds: str = ""


@get("/api/v1/audits")
async def audits(world: World, visitor: SignedIn) -> Response[bytes]:
    """List audits, newest first."""
    async with world.database.tenant(visitor.ticket) as tx:
        return answer({"audits": await service.list_audits(tx)})


@post("/api/v1/audits", status_code=202)
async def start(world: World, api_actor: ApiActing, data: StartBody) -> Response[bytes]:
    """Queue an audit."""
    audit = await request_audit(world, api_actor.visitor, ConnectionId(data.connection))
    return answer({"audit": audit}, status=202)


@get("/api/v1/audits/{audit:str}")
async def audit(world: World, visitor: SignedIn, audit: str) -> Response[bytes]:
    """Return one audit with its report and the names of its documents."""
    async with world.database.tenant(visitor.ticket) as tx:
        detail = await service.audit_detail(tx, AuditId(id_of(audit, "Audit", _LIST)))
    if detail is None:
        missing("Audit", _LIST)
    return answer(detail)


@get("/api/v1/audits/{audit:str}/findings")
async def findings(request: WebRequest, world: World, visitor: SignedIn, audit: str) -> Response[bytes]:
    """Return findings: `rule`, `grade`, `license` and `text` filter, `rows` and `offset` page."""
    given = query(request)
    rows = min(_whole(given.get("rows"), PAGE_ROWS_DEFAULT), PAGE_ROWS_MAX)
    async with world.database.tenant(visitor.ticket) as tx:
        found = await service.findings(
            tx,
            AuditId(id_of(audit, "Audit", _LIST)),
            read_filter(given),
            rows_max=rows,
            offset=_whole(given.get("offset"), 0),
        )
    return answer({"findings": found})


@get("/api/v1/audit-settings/{connection:str}")
async def setting(world: World, visitor: SignedIn, connection: str) -> Response[bytes]:
    """Return prices, contract, exemptions and thresholds that the next audits of this connection use, as texts."""
    connection_id = ConnectionId(id_of(connection, "Connection", _ORGS))
    async with world.database.tenant(visitor.ticket) as tx:
        return answer(await read_setting(tx, connection_id))


@post("/api/v1/audit-settings/{connection:str}", status_code=200)
async def set_setting(world: World, api_actor: ApiActing, connection: str, data: SettingBody) -> Response[bytes]:
    """Keep them; a text that cannot be used is refused, naming its line."""
    connection_id = ConnectionId(id_of(connection, "Connection", _ORGS))
    given = AuditSetting(data.prices, data.contract, data.exemptions, data.thresholds)
    try:
        async with world.database.tenant(api_actor.visitor.ticket) as tx:
            known = await save_setting(tx, connection_id, given)
    except PricesInvalid as invalid:
        what, _, remedy = str(invalid).partition(". ")
        raise Problem(422, "This setting cannot be used", f"{what.rstrip('.')}.", remedy, _ORGS) from None
    if not known:
        missing("Connection", _ORGS)
    return answer(given)


def _whole(unverified_text: str | None, default: int) -> int:
    if unverified_text is None:
        return default
    if not unverified_text.isdecimal() or len(unverified_text) > len("1000000"):
        raise Problem(400, "Not a number", "rows and offset are whole numbers.", "For example rows=200&offset=400.")
    return int(unverified_text)


HANDLERS = (audits, start, audit, findings, setting, set_setting)
