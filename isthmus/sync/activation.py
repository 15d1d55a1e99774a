"""Activation inside the worker: make the tracking fields that the plan lacks, then switch the sync on."""

from __future__ import annotations

from contextlib import suppress

import msgspec

from isthmus.db.database import TenantTx
from isthmus.orgs.attestation import save_attestation
from isthmus.orgs.keeper_client import KeeperRefused, RunKind
from isthmus.salesforce.endpoint import Endpoint
from isthmus.salesforce.version import API_VERSION_DEFAULT
from isthmus.sync import store
from isthmus.sync.app import SyncApp
from isthmus.sync.drive import RunningMover, drive
from isthmus.sync.flow.frames import Frame
from isthmus.sync.flow.job import ActivateJob
from isthmus.sync.model import TRACKING_FIELD, EndReason, PauseReason, Plan, SyncState
from isthmus.sync.moving import moving_to
from isthmus.sync.run import Run, begin
from isthmus.sync.schemas import SchemaUnread, perform_schema
from isthmus.values import ConnectionId, Purpose, SyncId

TRACKING_LABEL = "SwiftPort Source Id"


async def perform_activation(sync: SyncId, app: SyncApp) -> None:
    """Carry out one activation. A second call for an active sync does nothing."""
    try:
        ticket = await app.keeper.ticket_for_run(RunKind.ACTIVATION, sync)
    except KeeperRefused:
        return
    async with app.database.tenant(ticket) as tx:
        row = await store.activation(tx, sync)
        endpoint = None if row is None else await store.endpoint(tx, row.target_connection)
        if row is None or endpoint is None:
            return
        plan = msgspec.json.decode(row.document, type=Plan)
        if not plan.tracking:
            await store.set_state(tx, sync, SyncState.ACTIVE, None)
            return
    lease = await app.keeper.open_lease_channel(ticket, sync, [ConnectionId(endpoint.id)])

    async def started(mover: RunningMover) -> None:
        async with app.database.tenant(ticket) as tx:
            await save_attestation(tx, mover.sandbox)

    driven = await drive(
        activation_job(plan, Endpoint(endpoint.id, endpoint.origin, Purpose.SYNC, API_VERSION_DEFAULT)),
        begun=begin(len(plan.tracking)),
        moving=moving_to([endpoint.origin], app.settings),
        lease_socket=lease,
        on_start=started,
        on_frame=nothing_to_keep,
    )
    if driven.run.end is EndReason.FINISHED:
        with suppress(
            SchemaUnread
        ):  # what is kept of the target's objects lacks the new fields; the next reading has them
            await perform_schema(ConnectionId(endpoint.id), app)
    async with app.database.tenant(await app.keeper.ticket_for_run(RunKind.ACTIVATION, sync)) as tx:
        await _close(tx, sync, driven.run)


def activation_job(plan: Plan, endpoint: Endpoint) -> ActivateJob:
    """Return the job that makes the plan's missing tracking fields."""
    return ActivateJob(endpoints=[endpoint], objects=plan.tracking, field=TRACKING_FIELD, label=TRACKING_LABEL)


async def nothing_to_keep(_run: Run, _frame: Frame) -> None:
    """An activation has no counts."""


async def _close(tx: TenantTx, sync: SyncId, run: Run) -> None:
    await store.save_activation_calls(tx, sync, run.calls_target)
    if run.end is EndReason.FINISHED:
        await store.set_state(tx, sync, SyncState.ACTIVE, None)
    elif run.end in {EndReason.TARGET_REVOKED, EndReason.TARGET_LEASE_LOST}:
        await store.set_state(tx, sync, SyncState.PAUSED, PauseReason.TARGET_REVOKED)
    else:
        await store.set_state(tx, sync, SyncState.PAUSED, PauseReason.ACTIVATION_REFUSED)
