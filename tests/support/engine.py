"""The engine of `isthmus copy` inside the test's own process: the real plan, pump and client, real HTTP to orgsim.

What a worker keeps between two runs (watermarks, windows with failed rows) is kept here in memory, so that a test can
let one run follow another without a database.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from isthmus.clock import Clock, SystemClock
from isthmus.egress.dial import PinnedDialer
from isthmus.egress.policy import Allowed, Call, Route, RouteName, decide
from isthmus.egress.transport import Body, Channel, StreamReply
from isthmus.salesforce.endpoint import Endpoint
from isthmus.salesforce.errors import Refused
from isthmus.salesforce.lease import FixedLeases, Lease, Leases
from isthmus.salesforce.routes import ROUTES
from isthmus.salesforce.session import Session
from isthmus.salesforce.world import MoverWorld
from isthmus.sync.copy import Failure
from isthmus.sync.errors import explain
from isthmus.sync.flow import activate, pump
from isthmus.sync.flow.frames import Frame, WindowSettled, decode
from isthmus.sync.flow.job import INGEST_BYTES_MAX, SOURCE, TARGET, ActivateJob, StepJob, SyncJob, WindowJob
from isthmus.sync.looking import field_name, step_title
from isthmus.sync.model import TRACKING_FIELD, Drawn, EndReason, Plan, Rejected, Window
from isthmus.sync.plan import Schema, draw_plan, objects_of, schema_of
from isthmus.sync.run import Run, StepRun, advance, begin
from isthmus.sync.spec import SyncSpec, parse_spec
from isthmus.values import ApiName, OrgHost, Purpose, Secret
from tests.support.copying import Pair, copy_org
from tests.support.orgsim import Orgsim

REST, BULK = 100_000, 1
"""From how many rows on a window goes by Bulk: never, or always."""
NOWHERE = UUID(int=0)


class MovedClock(SystemClock):
    """Our own clock, moved by `ahead_s`."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=self.ahead_s)


class RenewingLeases:
    """The keeper's part: a token that the org refused is replaced by another good one."""

    def __init__(self, org: Orgsim) -> None:
        self._org = org
        side = copy_org(org)
        self._lease = Lease(side.token, side.host)
        self.renewals = 0

    async def current(self) -> Lease:
        return self._lease

    async def renew(self) -> Lease:
        self.renewals += 1
        fresh = self._org.control("POST", f"/users/{self._org.username}/token")["access_token"]
        side = copy_org(self._org, fresh)
        self._lease = Lease(side.token, side.host)
        return self._lease


@dataclass(frozen=True)
class Sent:
    """One request as it left: what the policy built, and its body."""

    route: str
    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class WatchedWire:
    """A real channel that takes down what it sends."""

    def __init__(self, channel: Channel, sent: list[Sent]) -> None:
        self._channel = channel
        self._sent = sent

    @property
    def host(self) -> OrgHost:
        return self._channel.host

    def route(self, name: RouteName) -> Route:
        return self._channel.route(name)

    @asynccontextmanager
    async def stream(
        self, call: Call, body: Body | None = None, *, bearer: Secret | None = None
    ) -> AsyncIterator[StreamReply]:
        allowed = decide(call, Purpose.SYNC, self.host, ROUTES, loopback=True)
        assert isinstance(allowed, Allowed)
        parts = [body] if isinstance(body, bytes) else []

        async def taken_down(blocks: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
            async for block in blocks:
                parts.append(block)
                yield block

        passed = body if body is None or isinstance(body, bytes) else taken_down(body)
        try:
            async with self._channel.stream(call, passed, bearer=bearer) as reply:
                yield reply
        finally:
            headers = dict(allowed.headers)
            self._sent.append(Sent(call.route, allowed.method.value, allowed.target, headers, b"".join(parts)))

    async def close(self) -> None:
        await self._channel.close()


@asynccontextmanager
async def open_session(
    org: Orgsim, leases: Leases | None = None, clock: Clock | None = None, sent: list[Sent] | None = None
) -> AsyncIterator[Session]:
    """A session with `org` over real HTTP; `sent` gets every request."""
    side = copy_org(org)
    dialer = PinnedDialer(loopback=True)
    channel = Channel(side.host, Purpose.SYNC, ROUTES, lambda: dialer.dial(side.host), None, loopback=True)
    wire = channel if sent is None else WatchedWire(channel, sent)
    session = Session(wire, leases or FixedLeases(side.token, side.host), "62.0", clock or SystemClock())
    try:
        yield session
    finally:
        await session.close()


@dataclass
class _Reported:
    """Where the pump's frames go: judged one by one, as a worker does."""

    run: Run
    frames: list[Frame] = field(default_factory=list[Frame])

    async def send(self, message: bytes) -> None:
        frame = decode(message)
        self.run = advance(self.run, frame)
        self.frames.append(frame)


@dataclass(frozen=True)
class Ran:
    """What one run did."""

    plan: Plan
    run: Run
    frames: tuple[Frame, ...]

    @property
    def steps(self) -> tuple[StepRun, ...]:
        return self.run.steps

    @property
    def ok(self) -> bool:
        """Whether it ran to its end and no row failed."""
        return self.run.end is EndReason.FINISHED and not self.run.rows_failed

    @property
    def failures(self) -> dict[str, int]:
        """How many rows failed by code."""
        found: dict[str, int] = {}
        for (_, code, _), rows in self.run.outcomes.items():
            found[code.name] = found.get(code.name, 0) + rows
        return found

    @property
    def told(self) -> tuple[Failure, ...]:
        """The failures as a person gets them: step, code, field, cause and remedy."""
        found: list[Failure] = []
        for (number, code, ordinal), rows in self.run.outcomes.items():
            step, why = self.plan.steps[number], explain(code)
            found.append(Failure(step_title(step), code.name, field_name(step, ordinal), rows, why.cause, why.remedy))
        return tuple(found)

    def settled(self) -> list[WindowSettled]:
        return [frame for frame in self.frames if isinstance(frame, WindowSettled)]


@dataclass
class Standing:
    """A sync between its runs: what a worker would have in the database."""

    plan: Plan
    marks: dict[int, datetime] = field(default_factory=dict[int, datetime])
    failed: list[tuple[int, Window]] = field(default_factory=list[tuple[int, Window]])


@dataclass
class Engine:
    """The engine between the two orgs of `pair`."""

    pair: Pair
    leases: dict[int, Leases] = field(default_factory=dict[int, Leases])
    clock: Clock = field(default_factory=MovedClock)
    sent: tuple[list[Sent], list[Sent]] = field(default_factory=lambda: ([], []))
    """Every request to the source and to the target, as it left."""

    @property
    def source(self) -> Orgsim:
        return self.pair.source

    @property
    def target(self) -> Orgsim:
        return self.pair.target

    @asynccontextmanager
    async def sessions(self) -> AsyncIterator[tuple[Session, Session]]:
        async with (
            open_session(self.source, self.leases.get(SOURCE), self.clock, self.sent[SOURCE]) as source,
            open_session(self.target, self.leases.get(TARGET), self.clock, self.sent[TARGET]) as target,
        ):
            yield source, target

    async def schemas(self, spec: SyncSpec) -> tuple[Schema, Schema]:
        """Describe in both orgs what `spec` names."""
        found: list[Schema] = []
        async with self.sessions() as sessions:
            for session, names in zip(sessions, objects_of(spec), strict=True):
                described = [await _described(session, name) for name in names]
                found.append(schema_of(each for each in described if each is not None))
        return found[SOURCE], found[TARGET]

    async def drawn(self, text: str) -> Drawn | Rejected:
        """Draw the plan of a sync for these two orgs as they are."""
        spec = parse_spec(text)
        return draw_plan(spec, *await self.schemas(spec))

    async def codes(self, text: str) -> dict[str, str]:
        """Return what the plan says of a sync: the severity of each issue by its code."""
        return {issue.code: issue.severity.value for issue in (await self.drawn(text)).issues}

    async def standing(self, text: str) -> Standing:
        """Draw the plan and make what tracking fields the target lacks."""
        drawn = await self.drawn(text)
        assert isinstance(drawn, Drawn), drawn.issues
        if drawn.plan.tracking:
            job = ActivateJob([], drawn.plan.tracking, TRACKING_FIELD, "Source id")
            async with self.sessions() as (_, target):
                report = _Reported(begin(len(drawn.plan.tracking)))
                await activate.work(job, MoverWorld([target], report, self.clock))
            assert report.run.end is EndReason.FINISHED, report.run.end
        return Standing(drawn.plan)

    async def copy(self, text: str, rows_min: int = REST, *, dry_run: bool = False) -> Ran:
        """Do what `isthmus copy` does, from the plan on."""
        standing = await self.standing(text)
        steps = tuple(StepJob(n, step, (WindowJob(None),)) for n, step in enumerate(standing.plan.steps))
        return await self._work(standing.plan, SyncJob([], steps, rows_min, unbounded=True, dry_run=dry_run))

    async def again(
        self,
        standing: Standing,
        rows_min: int = REST,
        *,
        dry_run: bool = False,
        upload_bytes_max: int = INGEST_BYTES_MAX,
    ) -> Ran:
        """Do one run of a saved sync: own windows from the watermarks on, then the windows with failed rows."""
        retries = list(standing.failed)
        steps: list[StepJob] = []
        for number, step in enumerate(standing.plan.steps):
            again = (WindowJob(w.since, w.until, n) for n, (s, w) in enumerate(retries, start=1) if s == number)
            steps.append(StepJob(number, step, (WindowJob(standing.marks.get(number)), *again)))
        job = SyncJob(
            [], tuple(steps), rows_min, standing.plan.budget, upload_bytes_max=upload_bytes_max, dry_run=dry_run
        )
        ran = await self._work(standing.plan, job)
        self._keep(standing, retries, ran)
        return ran

    def _keep(self, standing: Standing, retries: list[tuple[int, Window]], ran: Ran) -> None:
        run = begin(len(standing.plan.steps))
        for frame in ran.frames:
            run = (
                advance(run, frame)
                if not isinstance(frame, WindowSettled)
                else self._settle(standing, retries, run, frame)
            )

    def _settle(self, standing: Standing, retries: list[tuple[int, Window]], run: Run, frame: WindowSettled) -> Run:
        failed = run.steps[frame.step].open_failures
        if frame.retry:
            if not failed:
                standing.failed.remove(retries[frame.retry - 1])
        elif failed:
            standing.failed.append((frame.step, frame.window))
        if frame.watermark is not None:
            standing.marks[frame.step] = frame.watermark
        return advance(run, frame)

    async def _work(self, plan: Plan, job: SyncJob) -> Ran:
        report = _Reported(begin(len(plan.steps)))
        endpoints = [Endpoint(NOWHERE, org.instance_url, Purpose.SYNC, "62.0") for org in (self.source, self.target)]
        job.endpoints.extend(endpoints)
        async with self.sessions() as sessions:
            await pump.work(job, MoverWorld(sessions, report, self.clock))
        return Ran(plan, report.run, tuple(report.frames))

    def later(self, seconds: float) -> None:
        """Let time go by for both orgs and for us; a token lives a few hours, so there is another afterwards."""
        for side, org in ((SOURCE, self.source), (TARGET, self.target)):
            org.control("POST", "/clock", {"advance_s": seconds})
            self.leases[side] = RenewingLeases(org)
        assert isinstance(self.clock, MovedClock)
        self.clock.ahead_s += seconds

    def fault(self, org: Orgsim, **rule: Any) -> None:
        """Plant a fault."""
        org.control("POST", "/faults", rule)

    def field(self, org: Orgsim, full_name: str, kind: str, **more: Any) -> None:
        """Make a custom field that the connected user may edit."""
        name = full_name.partition(".")[2].removesuffix("__c")
        metadata = {"label": name, "type": kind, **more}
        org.control("POST", "/fields", {"FullName": full_name, "Metadata": metadata, "granted": True})

    def fields(self, full_name: str, kind: str, **more: Any) -> None:
        """Make the same custom field in both orgs."""
        for org in (self.source, self.target):
            self.field(org, full_name, kind, **more)


async def _described(session: Session, name: str):
    try:
        return await session.describe(ApiName.parse(name))
    except Refused:
        return None
