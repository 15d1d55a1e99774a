"""Running movers against real orgsim processes, with the leases that a command line would give."""

from __future__ import annotations

import asyncio
import sys
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest

from isthmus.egress.dial import PinnedDialer
from isthmus.egress.hosts import parse_login_host
from isthmus.salesforce.endpoint import Endpoint
from isthmus.salesforce.lease import Lease, answer_fixed
from isthmus.sandbox.packets import packet_pair
from isthmus.sandbox.spawn import Mover, MoverLimits, mover_command, spawn
from isthmus.values import OrgHost, Purpose, Secret

CHILD = str(Path(__file__).parent / "child.py")
LIMITS = MoverLimits(stop_s=2.0)


@dataclass(frozen=True)
class Side:
    """One org as a mover's parent knows it."""

    host: OrgHost
    token: str
    endpoint: Endpoint


def side_of(instance_url: str, token: str) -> Side:
    host = parse_login_host(instance_url, allow_loopback_http=True)
    assert isinstance(host, OrgHost)
    return Side(host, token, Endpoint(uuid.uuid4(), host.origin, Purpose.SYNC, "62.0"))


def child_command(*, ca_file: Path | None = None) -> tuple[str, ...]:
    flags = ("--loopback",) if ca_file is None else ("--loopback", f"--ca-file={ca_file}")
    return (sys.executable, "-I", "-B", "-X", "utf8", CHILD, *flags)


def job_of(name: str, sides: Sequence[Side] = ()) -> bytes:
    return msgspec.json.encode({"name": name, "endpoints": [side.endpoint for side in sides]})


@asynccontextmanager
async def running(command: Sequence[str], job: bytes, sides: Sequence[Side] = (), dial=None) -> AsyncIterator[Mover]:
    ours, theirs = packet_pair()
    dialer = PinnedDialer(loopback=True)

    async def dial_side(index: int):
        return await dialer.dial(sides[index].host)

    leases = {side.endpoint.connection: Lease(Secret(side.token), side.host) for side in sides}
    with ours:
        answering = asyncio.create_task(answer_fixed(ours, leases))
        try:
            async with spawn(
                command, job, dial=dial or dial_side, lease_socket=theirs, limits=LIMITS, allow_no_sandbox=False
            ) as mover:
                yield mover
        finally:
            answering.cancel()
            await asyncio.gather(answering, return_exceptions=True)


@pytest.fixture
def product_command() -> tuple[str, ...]:
    return mover_command(loopback=True, ca_file=None)
