"""Leases without a keeper: the process that was given the tokens answers a mover's questions itself."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from uuid import UUID

from isthmus.salesforce.lease import Lease, answer_fixed
from isthmus.sandbox.packets import packet_pair
from isthmus.values import Secret


@asynccontextmanager
async def lent(leases: Mapping[UUID, Lease], mask_key: Secret | None = None) -> AsyncGenerator[socket.socket]:
    """Lend a lease socket for one mover and answer it meanwhile; `leases` by connection."""
    ours, theirs = packet_pair()
    ours.setblocking(False)  # noqa: FBT003 - positional by its signature
    with ours:
        answering = asyncio.create_task(answer_fixed(ours, dict(leases), mask_key))
        try:
            yield theirs
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)
