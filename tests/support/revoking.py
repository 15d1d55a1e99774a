"""Revoking a lease in mid-run, at the mover's own lease socket, and looking at what still arrives at the org."""

from __future__ import annotations

import asyncio
import random
import socket
import time
from datetime import datetime
from uuid import uuid4

import msgspec

from isthmus.salesforce.endpoint import Endpoint
from isthmus.salesforce.lease import (
    LEASE_MESSAGE_BYTES_MAX,
    LEASE_S,
    LeaseGranted,
    LeaseRefused,
    LeaseRequest,
    LeaseRevoked,
)
from isthmus.salesforce.version import API_VERSION_DEFAULT
from isthmus.sandbox.packets import packet_pair
from isthmus.sync.drive import drive
from isthmus.sync.flow.job import TARGET, StepJob, SyncJob, WindowJob
from isthmus.sync.model import EndReason, Plan, RunState
from isthmus.sync.moving import moving_to
from isthmus.sync.run import begin
from isthmus.values import Purpose
from tests.support.copying import Pair


async def revoked_copy(pair: Pair, plan: Plan, seed: int) -> int | None:
    """Run a copy whose target is revoked at a random moment.

    Returns by how many milliseconds the last request with its token came after that, 0 if none did; None if the copy
    had ended before.
    """
    rng = random.Random(seed)
    orgs = (pair.source, pair.target)
    endpoints = [Endpoint(uuid4(), org.instance_url, Purpose.SYNC, API_VERSION_DEFAULT) for org in orgs]
    steps = tuple(StepJob(n, step, (WindowJob(None),)) for n, step in enumerate(plan.steps))
    job = SyncJob(endpoints=endpoints, steps=steps, unbounded=True)
    ours, theirs = packet_pair()
    ours.setblocking(False)
    revoked: list[float] = []
    answering = asyncio.create_task(_answer(ours, pair, endpoints, revoked))
    pair.target.control("DELETE", "/transcript")

    async def revoke() -> None:
        def writing() -> bool:
            return any(call["method"] == "PATCH" for call in pair.target.transcript())

        while not await asyncio.to_thread(writing):
            await asyncio.sleep(0.02)
        await asyncio.sleep(rng.uniform(0, 0.6))
        await asyncio.get_running_loop().sock_sendall(
            ours, msgspec.json.encode(LeaseRevoked(endpoints[TARGET].connection))
        )
        revoked.append(time.time())

    revoking = asyncio.create_task(revoke())

    async def nothing(*_: object) -> None:
        return

    driven = await drive(
        job,
        begun=begin(len(steps)),
        moving=moving_to([endpoint.origin for endpoint in endpoints], pair.settings),
        lease_socket=theirs,
        on_start=nothing,
        on_frame=nothing,
    )
    for task in (revoking, answering):
        task.cancel()
    await asyncio.gather(revoking, answering, return_exceptions=True)
    ours.close()
    if driven.run.end is EndReason.FINISHED or not revoked:
        return None
    assert driven.run.state in {RunState.REVOKED, RunState.FAILED}
    times = [datetime.fromisoformat(call["at"]).timestamp() for call in pair.target.transcript()]
    return max(0, *(int((at - revoked[0]) * 1000) for at in times))


async def _answer(ours: socket.socket, pair: Pair, endpoints: list[Endpoint], revoked: list[float]) -> None:
    loop = asyncio.get_running_loop()
    while packet := await loop.sock_recv(ours, LEASE_MESSAGE_BYTES_MAX):
        asked = msgspec.json.decode(packet, type=LeaseRequest).connection
        number = [endpoint.connection for endpoint in endpoints].index(asked)
        org = (pair.source, pair.target)[number]
        if revoked and number == TARGET:
            answer: LeaseGranted | LeaseRefused = LeaseRefused(asked, "revoked")
        else:
            answer = LeaseGranted(asked, org.access_token, org.instance_url, LEASE_S)
        await loop.sock_sendall(ours, msgspec.json.encode(answer))
