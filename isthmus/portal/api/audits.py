"""Audits over JSON."""

from __future__ import annotations

from uuid import UUID

import msgspec
from litestar import Response, get, post

from isthmus.audit import service
from isthmus.audit.desk.setting import AuditSetting, save_setting, setting_view
from isthmus.audit.given.prices import PricesInvalid
from isthmus.portal.api.answers import answer
from isthmus.portal.desk import ApiActing, Problem, SignedIn, WayOut, World, id_of, missing
from isthmus.portal.pages.audits import request_audit
from isthmus.values import AuditId, ConnectionId

_LIST = WayOut("/audits", "All audits")
_ORGS = WayOut("/orgs", "All orgs")
SETTING_BYTES_MAX = 9 * 1024 * 1024
"""Four texts of a mebibyte, escaped."""


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


@get("/api/v1/audit-settings/{connection:str}")
async def setting(world: World, visitor: SignedIn, connection: str) -> Response[bytes]:
    """Return what the next audits of this org use: the texts that were given, and what they come to."""
    connection_id = ConnectionId(id_of(connection, "Connection", _ORGS))
    async with world.database.tenant(visitor.ticket) as tx:
        view = await setting_view(tx, connection_id)
    if view is None:
        missing("Connection", _ORGS)
    return answer(view)


@post("/api/v1/audit-settings/{connection:str}", status_code=200, request_max_body_size=SETTING_BYTES_MAX)
async def set_setting(world: World, api_actor: ApiActing, connection: str, data: SettingBody) -> Response[bytes]:
    """Keep them; a text that cannot be used is refused, naming its line."""
    connection_id = ConnectionId(id_of(connection, "Connection", _ORGS))
    given = AuditSetting(data.prices, data.contract, data.exemptions, data.thresholds)
    try:
        async with world.database.tenant(api_actor.visitor.ticket) as tx:
            known = await save_setting(tx, connection_id, given)
            view = await setting_view(tx, connection_id)
    except PricesInvalid as invalid:
        what, _, remedy = str(invalid).partition(". ")
        remedy = remedy or "docs/audit-api.md says what each text takes."
        raise Problem(422, "This setting cannot be used", f"{what.rstrip('.')}.", remedy, _ORGS) from None
    if not known or view is None:
        missing("Connection", _ORGS)
    return answer(view)


HANDLERS = (audits, start, audit, setting, set_setting)
