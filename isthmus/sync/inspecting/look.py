"""A look inside the worker: start a mover on one failed window, hand its sealed rows on to whoever waits for them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec

from isthmus.db.database import TenantTx
from isthmus.db.ticket import Ticket
from isthmus.orgs.attestation import save_attestation
from isthmus.orgs.keeper_client import KeeperRefused, RunKind
from isthmus.salesforce.endpoint import Endpoint
from isthmus.salesforce.status_code import StatusCode
from isthmus.salesforce.version import API_VERSION_DEFAULT
from isthmus.sandbox.spawn import MoverRefused, mover_command
from isthmus.sync import store
from isthmus.sync.app import SyncApp
from isthmus.sync.drive import RunningMover, reason_of
from isthmus.sync.flow.inspect import DECIDE_S, END, REPLY, WAITS, InspectJob, LookEnded, encode_end
from isthmus.sync.flow.job import WindowJob
from isthmus.sync.inspecting.relay import Relay, ViewerGone, answers_to, relay_to
from isthmus.sync.mending.failed_windows import waiting_windows
from isthmus.sync.model import EndReason, Plan
from isthmus.sync.planning.two_way import opposite
from isthmus.sync.service import refusal_of
from isthmus.sync.windows import uncarried, unread_by_load
from isthmus.values import ConnectionId, Purpose


@dataclass(frozen=True, slots=True)
class _Row:
    sync_id: UUID
    plan_version: int
    document: bytes
    step: int
    since: datetime | None
    until: datetime
    viewer_key: bytes
    rows_max: int
    decides: bool
    held_only: bool
    source_connection: UUID
    target_connection: UUID


@dataclass(frozen=True, slots=True)
class _Spans:
    """See `StepJob`."""

    uncarried: tuple[WindowJob, ...] = ()
    unloaded: tuple[WindowJob, ...] = ()


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
        plan = msgspec.json.decode(row.document, type=Plan)
        spans = await _spans(tx, row, plan)
    endpoints = [endpoint for endpoint in found if endpoint is not None]
    try:
        async with relay_to(app.settings.run_dir, look) as relay:
            refusal = refusal_of(endpoints)
            if refusal is not None:
                await relay.send(_ended(refusal))
                return
            job = _job(row, look, endpoints, plan, spans)
            lease = await app.keeper.open_lease_channel(ticket, look, [ConnectionId(e.id) for e in endpoints])
            end = await _show(app, job, lease, relay, ticket)
            await _over(look, app)  # whoever hears of the end may look again at once
            await relay.send(end)
    except ViewerGone:
        return  # whoever looked has gone away: there is nobody to tell
    finally:
        await _over(look, app)


async def _begin(tx: TenantTx, look: UUID) -> _Row | None:
    return await tx.fetch_one(
        """
        select w.sync_id, w.plan_version, p.document, w.step, w.since, w.until, l.viewer_key, l.rows_max, l.decides,
               not exists (
                   select from sync.window_outcome o
                   where o.tenant_id = w.tenant_id and o.window_id = w.id and o.code <> %(held)s) as held_only,
               d.source_connection, d.target_connection
        from sync.look l
        join sync.failed_window w on w.tenant_id = l.tenant_id and w.id = l.failed_window_id
        join sync.plan p on p.tenant_id = w.tenant_id and p.sync_id = w.sync_id and p.version = w.plan_version
        join sync.definition d on d.tenant_id = w.tenant_id and d.id = w.sync_id
        where l.id = %(look)s and l.ended_at is null
        """,
        row=_Row,
        look=look,
        held=int(StatusCode.CONFLICT_HELD),
    )


async def _spans(tx: TenantTx, row: _Row, plan: Plan) -> _Spans:
    """Return which changes of the other side no run has carried yet, as a run would be told now."""
    if not plan.two_way:
        return _Spans()
    marks = await store.checkpoints(tx, row.sync_id, row.plan_version)
    seen = await store.read_times(tx, row.sync_id, row.plan_version)
    waiting = await waiting_windows(tx, row.sync_id, row.plan_version)
    known = {**marks, **seen}
    return _Spans(uncarried(plan, row.step, known, waiting), unread_by_load(plan, row.step, known, waiting))


async def _over(look: UUID, app: SyncApp) -> None:
    try:
        ticket = await app.keeper.ticket_for_run(RunKind.LOOK, look)
    except KeeperRefused:
        return  # too old to be worked on: it is over already
    async with app.database.tenant(ticket) as tx:
        await tx.execute("update sync.look set ended_at = now() where id = %(look)s", look=look)


def _job(row: _Row, look: UUID, endpoints: Sequence[store.EndpointRow], plan: Plan, spans: _Spans) -> InspectJob:
    other = opposite(plan, row.step) if plan.two_way else None
    return InspectJob(
        endpoints=[Endpoint(e.id, e.origin, Purpose.SYNC, API_VERSION_DEFAULT) for e in endpoints],
        step=plan.steps[row.step],
        since=row.since,
        until=row.until,
        viewer=row.viewer_key,
        look=look,
        rows_max=row.rows_max,
        opposite=None if other is None else plan.steps[other],
        uncarried=spans.uncarried,
        unloaded=spans.unloaded,
        reads_only=row.held_only,
        decide_s=DECIDE_S if row.decides else 0.0,
    )


async def _show(app: SyncApp, job: InspectJob, lease: socket.socket, relay: Relay, ticket: Ticket) -> bytes:
    """Run the mover; return the last message, which the viewer gets whatever becomes of it."""
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
            end = await _hand_on(app.settings.run_dir, job.look, mover, relay)
            return end or _ended(reason_of(await mover.exit()))
    except MoverRefused:
        return _ended(EndReason.MOVER_REFUSED)


async def _hand_on(run_dir: Path, look: UUID, mover: RunningMover, relay: Relay) -> bytes | None:
    """Hand on what the mover says, and to the mover what the viewer answers; return its last word if it said one."""
    replies = asyncio.Queue[bytes | None]()

    async def carry_out(message: bytes) -> bytes:
        await mover.answer(message)
        reply = await replies.get()
        if reply is None:
            raise ViewerGone  # the look is over: there is nothing to hand back
        return reply

    waits = False

    async def leave_with_viewer() -> None:
        if await relay.gone() or not waits:  # while it waits, another process of the portal may bring the answer
            mover.kill()  # it may read for long without a word, and holds a place that runs need

    async with AsyncExitStack() as stack:
        stack.callback(replies.put_nowait, None)
        watching = asyncio.create_task(leave_with_viewer())
        stack.callback(watching.cancel)
        async for message in mover.messages():
            if message.startswith(REPLY):
                replies.put_nowait(message)
                continue
            if message.startswith(END):
                return message
            if message.startswith(WAITS):
                waits = True  # who answers comes by another socket
                await stack.enter_async_context(answers_to(run_dir, look, carry_out))
            await relay.send(message)
    return None


def _ended(reason: EndReason) -> bytes:
    return encode_end(LookEnded(0, 0, reason, None, 0, 0))
