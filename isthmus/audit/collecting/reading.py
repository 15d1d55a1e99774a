"""The parent's side of reading an org: start the mover, take its rows, make the snapshot."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from isthmus.audit.collect import AuditJob
from isthmus.audit.collecting.checkpoint import Keeping
from isthmus.audit.failures import AuditFailed, Failure, LeasesEnded
from isthmus.audit.model import AuditMessage, CollectFailure, ProgressMessage, WindowMessage
from isthmus.audit.snapshot import ReadingFailed, Snapshot, SnapshotBuilder
from isthmus.egress.dial import PinnedDialer
from isthmus.egress.errors import DialRefused
from isthmus.egress.hosts import HostDenied, parse_login_host
from isthmus.sandbox.report import MoverExit, MoverFailure, SandboxReport
from isthmus.sandbox.spawn import Dial, MoverLimits, MoverRefused, mover_command, spawn

OnProgress = Callable[[ProgressMessage], Awaitable[None]]
"""Called as the reading goes on."""

_FAILURES: Final = {
    MoverFailure.LEASE_REVOKED: Failure.LEASE_LOST,
    MoverFailure.LEASE_NEEDS_REAUTH: Failure.EXPIRED,
    MoverFailure.LEASE_UNAVAILABLE: Failure.UNREACHABLE,
    MoverFailure.TRANSIENT: Failure.UNREACHABLE,
    MoverFailure.LIMITED: Failure.LIMITED,
    MoverFailure.REFUSED: Failure.NOT_READABLE,
    MoverFailure.UNREADABLE: Failure.ANSWER_UNEXPECTED,
    MoverFailure.DIAL_REFUSED: Failure.UNREACHABLE,
    MoverFailure.TLS_REFUSED: Failure.UNREACHABLE,
    MoverFailure.INCOMPLETE: Failure.ROWS_DIFFER,
}

_KEEPER_AWAY: Final = frozenset({MoverFailure.LEASE_NOT_RUNNING, MoverFailure.LEASES_ENDED})


@dataclass(frozen=True, slots=True)
class MoverSetting:
    """How movers are started here."""

    allow_loopback_http: bool
    allow_no_sandbox: bool
    ca_file: Path | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """What a reading gave, how its mover was confined, and how it ended."""

    snapshot: Snapshot
    sandbox: SandboxReport
    exit: MoverExit


def dial_to(origin: str, *, loopback: bool) -> Dial:
    """Return how the mover's one endpoint is dialled; an origin that is not permitted is refused when it is dialled."""
    host = parse_login_host(origin, allow_loopback_http=loopback)
    dialer = PinnedDialer(loopback=loopback)

    async def dial(endpoint: int) -> socket.socket:
        if isinstance(host, HostDenied) or endpoint != 0:
            message = "the org's address is not one that we may talk to"
            raise DialRefused(message)
        return await dialer.dial(host)

    return dial


async def read_org(
    job: AuditJob,
    setting: MoverSetting,
    lease_socket: socket.socket,
    on_sandbox: Callable[[SandboxReport], Awaitable[None]],
    on_progress: OnProgress,
    *,
    keeping: Keeping | None,
) -> Read:
    """Read the org of `job.endpoints[0]`. Takes over `lease_socket`. Raises `AuditFailed`.

    `keeping`: where an interrupted reading may lie that is to be gone on from; None keeps nothing.
    """
    origin = job.endpoints[0].origin
    host = origin.partition("://")[2]
    builder = SnapshotBuilder(host) if keeping is None else await keeping.begin(host, job.as_of)
    job = msgspec.structs.replace(job, resume=builder.resume())
    decoder = msgspec.json.Decoder(AuditMessage)
    try:
        async with spawn(
            mover_command(loopback=setting.allow_loopback_http, ca_file=setting.ca_file),
            msgspec.json.encode(job),
            dial=dial_to(origin, loopback=setting.allow_loopback_http),
            lease_socket=lease_socket,
            limits=MoverLimits(),
            allow_no_sandbox=setting.allow_no_sandbox,
        ) as mover:
            await on_sandbox(mover.sandbox)
            async for packet in mover.messages():
                message = decoder.decode(packet)
                builder.take(message)
                if isinstance(message, ProgressMessage):
                    await on_progress(message)
                elif keeping is not None and isinstance(message, WindowMessage):
                    await keeping.window_read(builder)
                await asyncio.sleep(0)  # messages that have arrived are taken without a pause: let others have a turn
            ended = await mover.exit()
    except MoverRefused as refused:
        no_sandbox = refused.failure is MoverFailure.SANDBOX_REFUSED
        raise AuditFailed(Failure.NO_SANDBOX if no_sandbox else Failure.MOVER_STOPPED) from None
    except ReadingFailed as failed:
        if failed.failed.reason is CollectFailure.KEEPER_GONE:
            raise LeasesEnded from None
        raise AuditFailed(Failure(failed.failed.reason.value), failed.failed.object or None) from None
    except (msgspec.ValidationError, msgspec.DecodeError):
        raise AuditFailed(Failure.ANSWER_UNEXPECTED) from None
    if not builder.complete and ended.failure in _KEEPER_AWAY:
        raise LeasesEnded
    if not builder.complete:
        raise AuditFailed(_FAILURES.get(ended.failure, Failure.MOVER_STOPPED))
    return Read(await asyncio.to_thread(builder.finish), mover.sandbox, ended)
