"""A look inside the worker: start a mover on one failed window, hand its sealed rows on to whoever waits for them."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from isthmus.db.database import TenantTx
from isthmus.db.ticket import Ticket
from isthmus.orgs.attestation import save_attestation
from isthmus.orgs.keeper_client import KeeperRefused, RunKind
from isthmus.salesforce.endpoint import Endpoint
from isthmus.salesforce.version import API_VERSION_DEFAULT
from isthmus.sandbox.spawn import MoverRefused, mover_command
from isthmus.sync import store
from isthmus.sync.app import SyncApp
from isthmus.sync.drive import reason_of
from isthmus.sync.flow.inspect import END, InspectJob, LookEnded, encode_end
from isthmus.sync.model import EndReason, Plan
from isthmus.sync.relay import Relay, ViewerGone, relay_to
from isthmus.sync.service import refusal_of
from isthmus.values import ConnectionId, Purpose


@dataclass(frozen=True, slots=True)
class _Row:
    document: bytes
    step: int
    since: datetime | None
    until: datetime
    viewer_key: bytes
    rows_max: int
    source_connection: UUID
    target_connection: UUID


async def perform_look(look: UUID, app: SyncApp) -> None:
    """Carry out one look. A look that is over, too old, or that nobody waits for any more does nothing."""
    try:
        ticket = await app.keeper.ticket_for_run(RunKind.LOOK, look)
    except KeeperRefused:
        return
    async with app.database.tenant(ticket) as tx:
        row = await _begin(tx, look)
        if row is None:
            return
        found = [await store.endpoint(tx, connection) for connection in (row.source_connection, row.target_connection)]
    endpoints = [endpoint for endpoint in found if endpoint is not None]
    try:
        async with relay_to(app.settings.run_dir, look) as relay:
            refusal = refusal_of(endpoints)
            if refusal is not None:
                await relay.send(encode_end(_ended(refusal)))
                return
            job = _job(row, look, endpoints)
            lease = await app.keeper.open_lease_channel(ticket, look, [ConnectionId(e.id) for e in endpoints])
            await _show(app, job, lease, relay, ticket)
    except ViewerGone:
        return  # whoever looked has gone away: there is nobody to tell
    finally:
        await _over(look, app)


async def _begin(tx: TenantTx, look: UUID) -> _Row | None:
    return await tx.fetch_one(
        """
        select p.document, w.step, w.since, w.until, l.viewer_key, l.rows_max, d.source_connection, d.target_connection
        from sync.look l
        join sync.failed_window w on w.tenant_id = l.tenant_id and w.id = l.failed_window_id
        join sync.plan p on p.tenant_id = w.tenant_id and p.sync_id = w.sync_id and p.version = w.plan_version
        join sync.definition d on d.tenant_id = w.tenant_id and d.id = w.sync_id
        where l.id = %(look)s and l.ended_at is null
        """,
        row=_Row,
        look=look,
    )


async def _over(look: UUID, app: SyncApp) -> None:
    try:
        ticket = await app.keeper.ticket_for_run(RunKind.LOOK, look)
    except KeeperRefused:
        return  # too old to be worked on: it is over already
    async with app.database.tenant(ticket) as tx:
        await tx.execute("update sync.look set ended_at = now() where id = %(look)s", look=look)


def _job(row: _Row, look: UUID, endpoints: Sequence[store.EndpointRow]) -> InspectJob:
    return InspectJob(
        endpoints=[Endpoint(e.id, e.origin, Purpose.SYNC, API_VERSION_DEFAULT) for e in endpoints],
        step=msgspec.json.decode(row.document, type=Plan).steps[row.step],
        since=row.since,
        until=row.until,
        viewer=row.viewer_key,
        look=look,
        rows_max=row.rows_max,
    )


async def _show(app: SyncApp, job: InspectJob, lease: socket.socket, relay: Relay, ticket: Ticket) -> None:
    """Run the mover; whatever becomes of it, the viewer gets a last message."""
    moving = app.movers([endpoint.origin for endpoint in job.endpoints], app.settings)
    try:
        async with moving.start(
            mover_command(loopback=moving.loopback, ca_file=moving.ca_file),
            msgspec.json.encode(job),
            dial=moving.dial,
            lease_socket=lease,
            limits=moving.limits,
            allow_no_sandbox=moving.allow_no_sandbox,
        ) as mover:
            async with app.database.tenant(ticket) as tx:
                await save_attestation(tx, mover.sandbox)
            async for message in mover.messages():
                await relay.send(message)
                if message.startswith(END):
                    return
            exit_ = await mover.exit()
        await relay.send(encode_end(_ended(reason_of(exit_))))
    except MoverRefused:
        await relay.send(encode_end(_ended(EndReason.MOVER_REFUSED)))


def _ended(reason: EndReason) -> LookEnded:
    return LookEnded(0, 0, reason, None, 0, 0)
