"""An audit of a connected org by the installation that runs here, with its documents fetched to a folder."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

import msgspec

from isthmus.audit import service
from isthmus.audit.desk.views import AuditDetail, AuditState, DocumentKind
from isthmus.audit.evidence.bundle import read_bundle
from isthmus.audit.evidence.places import ZippedFiles
from isthmus.audit.evidence.previous import OtherOrg, check_org
from isthmus.audit.given.options import AuditOptions
from isthmus.audit.judge import Judged, basis_of, judge_by
from isthmus.cli.output import note, refuse
from isthmus.cli.running import with_installation
from isthmus.orgs.connections import list_connections
from isthmus.orgs.model import ConnectionState
from isthmus.values import AuditId, ConnectionId, Purpose
from isthmus.wiring.installation import Installation

POLL_S: Final = 0.5


def audit_connected(name: str, options: AuditOptions, given: Collection[str], previous: Sequence[Path]) -> Judged:
    """Audit the connected org `name` and judge what was read. Stops with exit status 2 if it fails.

    What the member decided in the portal and what earlier audits knew holds, but for `given`: the fields of a `Basis`
    that the command names in `options`.
    """
    if options.as_of is not None:
        refuse(
            "--as-of decides what is read, and a connected org is read by the worker, as of now.",
            "Leave --as-of out, or give the org by token (ISTHMUS_ORG_…).",
        )
    content = with_installation(lambda installation: _audit(installation, name))
    return judge_stored(content, options, given, previous)


def judge_stored(content: bytes, options: AuditOptions, given: Collection[str], previous: Sequence[Path]) -> Judged:
    """Judge a stored bundle.zip again, as `audit_connected` says."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        snapshot, stored, org = read_bundle(ZippedFiles(archive, "the bundle"))
    try:
        check_org(previous, snapshot.reading.host)
    except OtherOrg as other:
        refuse(*other.lines)
    own = basis_of(snapshot, options)
    basis = msgspec.structs.replace(stored, **{field: getattr(own, field) for field in given})
    return judge_by(snapshot, basis, org, options.pseudonym_key)


async def _audit(installation: Installation, name: str) -> bytes:
    connection = await _connection(installation, name)
    async with installation.transaction() as tx:
        audit = await service.request_audit(tx, connection)
    note(f"Auditing {name} …")
    detail = await _finished(installation, audit)
    if detail.report is None:
        what, _, remedy = (detail.audit.problem or "The audit failed").partition(". ")
        refuse(f"{what.rstrip('.')}.", remedy or "`isthmus doctor` says what is wrong.")
    ticket = await installation.keeper.ticket_for_operator(None)
    async with installation.database.tenant(ticket) as tx:
        bundle = await service.document(tx, audit, DocumentKind.BUNDLE)
    if bundle is None:
        refuse("The audit left no evidence bundle.", "Audit again; if it happens again, report it as a bug.")
    return bundle


async def _finished(installation: Installation, audit: AuditId) -> AuditDetail:
    while True:
        ticket = await installation.keeper.ticket_for_operator(None)
        async with installation.database.tenant(ticket) as tx:
            detail = await service.audit_detail(tx, audit)
        if detail is not None and detail.audit.state in {AuditState.DONE, AuditState.FAILED}:
            return detail
        if detail is not None and detail.audit.continues_at is not None:
            refuse(
                "The org's API calls are used up for now. What was read is kept.",
                f"The worker goes on by itself at {detail.audit.continues_at:%Y-%m-%d %H:%M} UTC, for three days if "
                "need be. Run the same command again later: it waits for that audit.",
            )
        await asyncio.sleep(POLL_S)


async def _connection(installation: Installation, name: str) -> ConnectionId:
    async with installation.transaction() as tx:
        for connection in await list_connections(tx):
            active = connection.state is ConnectionState.ACTIVE
            if connection.alias == name.casefold() and connection.purpose is Purpose.AUDIT and active:
                return connection.id
    key = f"ISTHMUS_ORG_{name.upper().replace('-', '_')}"
    refuse(
        f"No org {name!r}: not in the environment, and not connected for audits here.",
        f"Set {key}_INSTANCE_URL and {key}_ACCESS_TOKEN, or run: isthmus org connect {name} --purpose audit",
    )
