"""The mover: the only process that ever holds a record's values. One job, two sockets' worth of world, then the end.

1. read the job; 2. import everything it needs and warm what would be loaded late; 3. lock down and probe;
4. report the confinement; 5. work; 6. leave a code, never a text. See ARCHITECTURE.md for what it cannot do.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import resource
import socket
import ssl
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Final, Literal, TypeAlias, assert_never

import msgspec

from isthmus.clock import SystemClock
from isthmus.egress.errors import DialRefused, EgressError, RequestDenied, TlsRefused
from isthmus.egress.hosts import HostDenied, parse_login_host
from isthmus.egress.tls import NoRoots, tls_context
from isthmus.egress.transport import Channel
from isthmus.egress.warm import warm
from isthmus.salesforce.endpoint import Endpoint
from isthmus.salesforce.errors import (
    Expired,
    Incomplete,
    LeaseLost,
    Limited,
    Refused,
    SalesforceError,
    Transient,
    Unexpected,
)
from isthmus.salesforce.lease import LeaseBook
from isthmus.salesforce.routes import ROUTES
from isthmus.salesforce.session import Session
from isthmus.salesforce.world import MESSAGE_BYTES_MAX, MoverWorld
from isthmus.sandbox.handed import HandedDialer
from isthmus.sandbox.lockdown import CannotConfine, close_others, confine, die_with_parent, forget_sendmsg
from isthmus.sandbox.packets import (
    ANSWER,
    EXIT,
    EXIT_FRAME,
    MESSAGE,
    PACKET_BYTES_MAX,
    SANDBOX,
    STOP,
    receive_job,
)
from isthmus.sandbox.peak import PeakMemory
from isthmus.sandbox.report import MoverFailure, SandboxReport
from isthmus.values import OrgHost


@dataclass(frozen=True, slots=True)
class _Arguments:
    control: int
    dial: int
    lease: int
    parent: int
    allow_no_sandbox: bool
    loopback: bool
    ca_file: Path | None


@dataclass(frozen=True, slots=True)
class Job:
    """A decoded job: its orgs, what does it, and what must be driven once before lockdown."""

    endpoints: Sequence[Endpoint]
    work: Callable[[MoverWorld], Awaitable[None]]
    warm: Callable[[], None]


JobKind: TypeAlias = Literal["audit", "sync", "schema", "activate", "inspect", "rollback"]


ANSWERS_MAX: Final = 64
"""Answers of a viewer that wait to be read; more than that is no viewer's."""


class _Kind(msgspec.Struct):
    kind: JobKind


class BadJob(Exception):
    """The job cannot be decoded, or names a host that we do not talk to."""


class Stopped(Exception):
    """The parent asked us to stop, or is gone."""


def main(load: Callable[[bytes], Job] | None = None) -> None:
    """Run one mover; the process ends here with status 0 if the job was done, 1 otherwise.

    `load` turns the job's bytes into work; `load_job` unless given.
    """
    arguments = _arguments(sys.argv[1:])
    die_with_parent(arguments.parent)
    control = socket.socket(fileno=arguments.control)
    memory = PeakMemory.prepare()
    try:
        failure, detail = _run(arguments, control, load or load_job, memory)
    except BaseException as error:  # noqa: BLE001 the outermost edge: nothing of an error may reach stderr
        failure, detail = failure_of(error)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu_us = int((usage.ru_utime + usage.ru_stime) * 1e6)
    frame = EXIT + EXIT_FRAME.pack(failure, detail, cpu_us, memory.peak_kb())
    try:
        control.setblocking(True)  # noqa: FBT003 positional by its signature
        control.send(frame)
    except OSError:
        pass
    # Not sys.exit: no finaliser runs, nothing is flushed, the memory just goes.
    os._exit(0 if failure is MoverFailure.NONE else 1)


def _run(
    arguments: _Arguments, control: socket.socket, load: Callable[[bytes], Job], memory: PeakMemory
) -> tuple[MoverFailure, int]:
    blocking, waiting = True, False
    control.setblocking(blocking)
    job = load(receive_job(control))
    dial = socket.socket(fileno=arguments.dial)
    lease = socket.socket(fileno=arguments.lease)
    for sock in (control, dial, lease):
        sock.setblocking(waiting)
    tls = tls_context(arguments.ca_file) if any(e.origin.startswith("https:") for e in job.endpoints) else None
    warm(tls)
    job.warm()
    # What was loaded lives to the end: it is never looked through for garbage (the command line has switched that off).
    gc.freeze()
    gc.enable()
    forget_sendmsg()
    close_others({arguments.control, arguments.dial, arguments.lease} | memory.descriptors)
    with asyncio.Runner() as runner:
        runner.get_loop().set_exception_handler(_say_nothing)
        report = confine(allow_no_sandbox=arguments.allow_no_sandbox)
        runner.run(_perform(job, arguments, _Sockets(control, dial, lease), tls, report))
    return MoverFailure.NONE, 0


@dataclass(frozen=True, slots=True)
class _Sockets:
    control: socket.socket
    dial: socket.socket
    lease: socket.socket


async def _perform(
    job: Job, arguments: _Arguments, sockets: _Sockets, tls: ssl.SSLContext | None, sandbox: SandboxReport
) -> None:
    """Work, while the leases are kept fresh and the parent is listened to."""
    await asyncio.get_running_loop().sock_sendall(sockets.control, SANDBOX + msgspec.json.encode(sandbox))
    clock = SystemClock()
    book = LeaseBook(sockets.lease, clock, loopback=arguments.loopback)
    dialer = HandedDialer(sockets.dial)
    sessions = [
        Session(
            Channel(
                _host(endpoint, loopback=arguments.loopback),
                endpoint.purpose,
                ROUTES,
                dialer.connect_to(index),
                tls,
                loopback=arguments.loopback,
            ),
            book.leases_of(endpoint.connection),
            endpoint.api_version,
            clock,
        )
        for index, endpoint in enumerate(job.endpoints)
    ]
    mask_key = partial(book.mask_key, job.endpoints[0].connection) if job.endpoints else None
    answers = asyncio.Queue[bytes](ANSWERS_MAX)
    world = MoverWorld(sessions, _Report(sockets.control), clock, mask_key, answers.get)
    try:
        await carry_out(job.work, world, [book.run(), _obey(sockets.control, answers)])
    finally:
        dialer.close()


async def carry_out(
    work: Callable[[MoverWorld], Awaitable[None]], world: MoverWorld, watch: Sequence[Coroutine[object, object, None]]
) -> None:
    """Work, while `watch` runs beside it; the first to fail ends all of them, and all of them end with the work."""
    async with asyncio.TaskGroup() as tasks:
        watchers = [tasks.create_task(each) for each in watch]
        try:
            await work(world)
        finally:
            for session in world.sessions:
                await session.close()
        for watcher in watchers:
            watcher.cancel()


class _Report:
    """The way out, one packet per message."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._turn = asyncio.Lock()

    async def send(self, message: bytes) -> None:
        """Hand `message` to the parent; waits while the parent is slow. Raises `ValueError` if it is too long."""
        if len(message) > MESSAGE_BYTES_MAX:
            text = f"a message has at most {MESSAGE_BYTES_MAX} bytes"
            raise ValueError(text)
        async with self._turn:
            await asyncio.get_running_loop().sock_sendall(self._control, MESSAGE + message)


async def _obey(control: socket.socket, answers: asyncio.Queue[bytes]) -> None:
    """Hand on what a viewer answers, until the parent wishes us to stop, or ends."""
    while True:
        packet = await asyncio.get_running_loop().sock_recv(control, PACKET_BYTES_MAX)
        if packet[:1] != ANSWER or answers.full():
            raise Stopped if packet == STOP else BrokenPipeError
        answers.put_nowait(packet[1:])


def load_job(packed: bytes) -> Job:
    """Decode a job and import what does it. Raises `BadJob`."""
    try:
        return _load(packed, msgspec.json.decode(packed, type=_Kind).kind)
    except (msgspec.DecodeError, msgspec.ValidationError):
        message = "the job cannot be decoded"
        raise BadJob(message) from None


def _load(packed: bytes, kind: JobKind) -> Job:
    # Only the module of this job is imported: what is not loaded cannot be misused, and costs no memory.
    match kind:
        case "schema":
            from isthmus.salesforce import describe  # noqa: PLC0415

            schema = msgspec.json.decode(packed, type=describe.SchemaJob)
            return Job(schema.endpoints, partial(describe.work, schema), _nothing)
        case "audit":
            from isthmus.audit import collect  # noqa: PLC0415

            audit = msgspec.json.decode(packed, type=collect.AuditJob)
            return Job(audit.endpoints, partial(collect.work, audit), _warm_of(collect))
        case "sync":
            from isthmus.sync.flow import pump  # noqa: PLC0415
            from isthmus.sync.flow.computed import zones_for  # noqa: PLC0415
            from isthmus.sync.flow.job import SyncJob  # noqa: PLC0415

            sync = msgspec.json.decode(packed, type=SyncJob)
            return Job(
                sync.endpoints,
                partial(pump.work, sync, zones=zones_for([step.step for step in sync.steps])),
                _warm_of(pump),
            )
        case "activate":
            from isthmus.sync.flow import activate  # noqa: PLC0415
            from isthmus.sync.flow.job import ActivateJob  # noqa: PLC0415

            activation = msgspec.json.decode(packed, type=ActivateJob)
            return Job(activation.endpoints, partial(activate.work, activation), _warm_of(activate))
        case "rollback":
            from isthmus.sync.flow import rollback  # noqa: PLC0415
            from isthmus.sync.flow.job import RollbackJob  # noqa: PLC0415

            taking_back = msgspec.json.decode(packed, type=RollbackJob)
            return Job(taking_back.endpoints, partial(rollback.work, taking_back), _warm_of(rollback))
        case "inspect":
            from isthmus.sync.flow import inspect  # noqa: PLC0415
            from isthmus.sync.flow.computed import zones_for  # noqa: PLC0415

            inspection = msgspec.json.decode(packed, type=inspect.InspectJob)
            return Job(
                inspection.endpoints,
                partial(inspect.work, inspection, zones=zones_for([inspection.step])),
                _warm_of(inspect),
            )
        case _:
            assert_never(kind)


def _warm_of(module: ModuleType) -> Callable[[], None]:
    """Return the module's `warm()`, which drives once what would otherwise be loaded after lockdown; if it has one."""
    function: Callable[[], None] = getattr(module, "warm", _nothing)
    return function


def _nothing() -> None:
    return


def _say_nothing(_loop: asyncio.AbstractEventLoop, _context: dict[str, object]) -> None:
    """Drop what asyncio would log: its texts show objects."""


def _host(endpoint: Endpoint, *, loopback: bool) -> OrgHost:
    host = parse_login_host(endpoint.origin, allow_loopback_http=loopback)
    if isinstance(host, HostDenied):
        message = "an endpoint's host is refused"
        raise BadJob(message)
    return host


_LEASE_FAILURES: Final = {
    "revoked": MoverFailure.LEASE_REVOKED,
    "needs_reauth": MoverFailure.LEASE_NEEDS_REAUTH,
    "not_running": MoverFailure.LEASE_NOT_RUNNING,
    "unavailable": MoverFailure.LEASE_UNAVAILABLE,
    "ended": MoverFailure.LEASES_ENDED,
}


def failure_of(error: BaseException) -> tuple[MoverFailure, int]:
    """Return the code that stands for `error`, and with `REFUSED` the number of the org's status code."""
    if isinstance(error, BaseExceptionGroup):
        members: tuple[BaseException, ...] = error.exceptions  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] isinstance leaves the members open
        codes = [failure_of(each) for each in members]
        # A lost lease or a wish to stop explains the other errors, not the other way round.
        causes = [code for code in codes if code[0] in _CAUSES]
        return (causes or codes)[0]
    match error:
        case LeaseLost():
            return _LEASE_FAILURES.get(error.reason, MoverFailure.LEASE_UNAVAILABLE), 0
        case SalesforceError():
            return _SALESFORCE_FAILURES.get(type(error), MoverFailure.UNREADABLE), int(error.code)
        case _:
            kinds = (kind for kind in _OTHER_FAILURES if isinstance(error, kind))
            return _OTHER_FAILURES.get(next(kinds, Exception), MoverFailure.UNEXPECTED), 0


_CAUSES: Final = frozenset({*_LEASE_FAILURES.values(), MoverFailure.STOPPED, MoverFailure.BROKEN_PIPE})
_SALESFORCE_FAILURES: Final[dict[type[SalesforceError], MoverFailure]] = {
    Transient: MoverFailure.TRANSIENT,
    Expired: MoverFailure.LEASE_NEEDS_REAUTH,
    Limited: MoverFailure.LIMITED,
    Refused: MoverFailure.REFUSED,
    Unexpected: MoverFailure.UNREADABLE,
    Incomplete: MoverFailure.INCOMPLETE,
}
_OTHER_FAILURES: Final[dict[type[BaseException], MoverFailure]] = {
    BadJob: MoverFailure.BAD_JOB,
    CannotConfine: MoverFailure.SANDBOX_REFUSED,
    Stopped: MoverFailure.STOPPED,
    BrokenPipeError: MoverFailure.BROKEN_PIPE,
    RequestDenied: MoverFailure.REQUEST_DENIED,
    DialRefused: MoverFailure.DIAL_REFUSED,
    TlsRefused: MoverFailure.TLS_REFUSED,
    NoRoots: MoverFailure.TLS_REFUSED,
    EgressError: MoverFailure.TRANSIENT,
}


def _arguments(words: Sequence[str]) -> _Arguments:
    parser = argparse.ArgumentParser(prog="isthmus-mover", add_help=False, allow_abbrev=False)
    for name in ("control", "dial", "lease", "parent"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--allow-no-sandbox", action="store_true")
    parser.add_argument("--loopback", action="store_true")
    parser.add_argument("--ca-file", type=Path)
    given = parser.parse_args(words)
    return _Arguments(
        control=given.control,
        dial=given.dial,
        lease=given.lease,
        parent=given.parent,
        allow_no_sandbox=given.allow_no_sandbox,
        loopback=given.loopback,
        ca_file=given.ca_file,
    )


if __name__ == "__main__":
    main()
