"""Activation inside the worker: make the tracking fields that the plan lacks, then switch the sync on."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import msgspec

from isthmus.db.database import TenantTx
from isthmus.db.ticket import Ticket
from isthmus.orgs.attestation import save_attestation
from isthmus.orgs.keeper_client import KeeperRefused, RunKind
from isthmus.salesforce.endpoint import Endpoint
from isthmus.salesforce.version import API_VERSION_DEFAULT
from isthmus.sync import store
from isthmus.sync.app import SyncApp
from isthmus.sync.drive import RunningMover, drive
from isthmus.sync.flow.frames import Frame
from isthmus.sync.flow.job import SOURCE, TARGET, ActivateJob
from isthmus.sync.model import TRACKING_FIELD, EndReason, PauseReason, Plan, SyncState
from isthmus.sync.moving import moving_to
from isthmus.sync.planning.schemas import SchemaUnread, perform_schema
from isthmus.sync.run import Run, begin
from isthmus.values import ConnectionId, Purpose, SyncId

TRACKING_LABEL = "SwiftPort Source Id"


async def perform_activation(sync: SyncId, app: SyncApp) -> None:
    """Carry out one activation, in the target and for a two-way sync in the source. An active sync needs none."""
    try:
        ticket = await app.keeper.ticket_for_run(RunKind.ACTIVATION, sync)
    except KeeperRefused:
        return
    async with app.database.tenant(ticket) as tx:
        row = await store.activation(tx, sync)
        if row is None:
            return
        plan = msgspec.json.decode(row.document, type=Plan)
        found: list[_Making] = []
        for side, connection, objects in (
            (TARGET, row.target_connection, plan.tracking),
            (SOURCE, row.source_connection, plan.tracking_source),
        ):
            endpoint = await store.endpoint(tx, connection) if objects else None
            if endpoint is not None:
                found.append(_Making(side, endpoint, objects))
        if not found:
            await store.set_state(tx, sync, SyncState.ACTIVE, None)
            return
    calls, end, side = 0, None, TARGET
    for making in found:
        run = await _made(making, sync, ticket, app)
        calls, end, side = calls + run.calls_target, run.end, making.side
        if end is not EndReason.FINISHED:
            break
    async with app.database.tenant(await app.keeper.ticket_for_run(RunKind.ACTIVATION, sync)) as tx:
        await store.save_activation_calls(tx, sync, calls)
        await _close(tx, sync, end, side)


@dataclass(frozen=True, slots=True)
class _Making:
    """The tracking fields that one of the two orgs lacks."""

    side: int
    endpoint: store.EndpointRow
    objects: tuple[str, ...]


async def _made(making: _Making, sync: SyncId, ticket: Ticket, app: SyncApp) -> Run:
    endpoint = making.endpoint
    lease = await app.keeper.open_lease_channel(ticket, sync, [ConnectionId(endpoint.id)])

    async def started(mover: RunningMover) -> None:
        async with app.database.tenant(ticket) as tx:
            await save_attestation(tx, mover.sandbox)

    driven = await drive(
        activation_job(making.objects, Endpoint(endpoint.id, endpoint.origin, Purpose.SYNC, API_VERSION_DEFAULT)),
        begun=begin(len(making.objects)),
        moving=moving_to([endpoint.origin], app.settings),
        lease_socket=lease,
        on_start=started,
        on_frame=nothing_to_keep,
    )
    if driven.run.end is EndReason.FINISHED:
        # What is kept of the org's objects lacks the new fields; if this does not work the next reading has them.
        with suppress(SchemaUnread):
            await perform_schema(ConnectionId(endpoint.id), app)
    return driven.run


def activation_job(objects: tuple[str, ...], endpoint: Endpoint) -> ActivateJob:
    """Return the job that makes the tracking fields that `objects` of an org lack."""
    return ActivateJob(endpoints=[endpoint], objects=objects, field=TRACKING_FIELD, label=TRACKING_LABEL)


async def nothing_to_keep(_run: Run, _frame: Frame) -> None:
    """An activation has no counts."""


async def _close(tx: TenantTx, sync: SyncId, end: EndReason | None, side: int) -> None:
    if end is EndReason.FINISHED:
        await store.set_state(tx, sync, SyncState.ACTIVE, None)
    elif end in {EndReason.TARGET_REVOKED, EndReason.TARGET_LEASE_LOST}:
        reason = PauseReason.TARGET_REVOKED if side == TARGET else PauseReason.SOURCE_REVOKED
        await store.set_state(tx, sync, SyncState.PAUSED, reason)
    else:
        await store.set_state(tx, sync, SyncState.PAUSED, PauseReason.ACTIVATION_REFUSED)
