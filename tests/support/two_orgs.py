"""Two emulated orgs and the real engine in one process, without sockets: for tests that need thousands of runs.

The pump, the client and its policy are the product's own; the wire hands each request to the emulator, makes the
trouble that it asks for, and can be cut for good at any request, as a mover that is killed is. What a worker would keep
between two runs is kept here, from the frames alone. Time is that of the orgs' clocks; waits take none.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, cast

from isthmus.clock import Clock
from isthmus.egress.errors import Interrupted, Unreachable
from isthmus.egress.hosts import HostDenied, parse_login_host
from isthmus.egress.policy import Allowed, Call, Route, RouteName, decide
from isthmus.egress.transport import Body, StreamReply
from isthmus.salesforce.lease import Lease
from isthmus.salesforce.routes import ROUTES
from isthmus.salesforce.session import Session
from isthmus.salesforce.status_code import StatusCode
from isthmus.salesforce.world import MoverWorld
from isthmus.sync.flow import pump
from isthmus.sync.flow.frames import Frame, WindowSettled, decode
from isthmus.sync.flow.job import BULK_ROWS_MIN, SyncJob, WindowJob
from isthmus.sync.model import TRACKING_FIELD, Drawn, EndReason, Plan, Window
from isthmus.sync.plan import draw_plan, objects_of, schema_of
from isthmus.sync.run import Run, advance, begin
from isthmus.sync.spec import SyncSpec, parse_spec
from isthmus.sync.windows import read_until, step_jobs, uncarried
from isthmus.values import ApiName, OrgHost, Purpose, Secret
from orgsim.emulator import Emulator, Options
from orgsim.org import Org, Row
from orgsim.store.results import SaveResult, WriteContext
from orgsim.whims import LEVELS
from orgsim.wire import Request

LEFT, RIGHT = 0, 1
KEY = TRACKING_FIELD
START = datetime(2026, 3, 2, 9, 0, 0, tzinfo=UTC)
ATTEMPTS_MAX = 5


class Killed(BaseException):
    """The mover was killed here: nothing that it does afterwards reaches anybody."""


class SkippingLoop(asyncio.SelectorEventLoop):
    """An event loop in which waiting takes no time."""

    def __init__(self) -> None:
        super().__init__()
        self._skipped = 0.0

    def time(self) -> float:
        return super().time() + self._skipped

    def _run_once(self) -> None:
        inner: Any = self
        if not inner._ready and inner._scheduled:
            self._skipped += max(inner._scheduled[0].when() - self.time(), 0.0)
        super()._run_once()  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType] - asyncio's own


@dataclass
class Side:
    """One org: its emulator, the user as whom we are connected, and a person who works in it."""

    emulator: Emulator
    host: OrgHost
    ours: str
    person: str
    token: str
    requests: int = 0
    written: int = 0
    """Rows that we changed or created through the API."""

    @property
    def org(self) -> Org:
        return self.emulator.org

    def live(self, name: str) -> dict[str, Row]:
        """All rows of an object that are not deleted, by id."""
        return {str(row["Id"]): row for row in self.org.tables[name.lower()].scan() if not row.get("IsDeleted")}

    def insert(self, name: str, values: Mapping[str, object]) -> str:
        """Let the person create a row."""
        return _done(Org.insert(self.org, name, values, WriteContext(self.person))).id or ""

    def update(self, name: str, row_id: str, values: Mapping[str, object], *, by: str | None = None) -> None:
        """Let the person (or another user) change a row."""
        _done(Org.update(self.org, name, row_id, values, WriteContext(by or self.person)))

    def delete(self, name: str, row_id: str) -> None:
        """Let the person delete a row."""
        _done(Org.delete(self.org, name, row_id, WriteContext(self.person)))

    def undelete(self, name: str, row_id: str) -> None:
        """Let the person take a row out of the recycle bin."""
        _done(self.org.undelete(name, row_id, WriteContext(self.person)))


def _done(result: SaveResult) -> SaveResult:
    assert result.success, result.errors
    return result


class _Leases:
    """Replaces a token that the org no longer takes, as the keeper does."""

    def __init__(self, side: Side) -> None:
        self._side = side

    async def current(self) -> Lease:
        return Lease(Secret(self._side.token), self._side.host)

    async def renew(self) -> Lease:
        self._side.token = self._side.emulator.new_access_token(self._side.ours)
        return await self.current()


class _Wire:
    """The way to one org. `world.kill_at` counts requests of a run, to either org."""

    def __init__(self, side: Side, world: TwoOrgs) -> None:
        self._side = side
        self._world = world

    @property
    def host(self) -> OrgHost:
        return self._side.host

    def route(self, name: RouteName) -> Route:
        return ROUTES[name]

    @asynccontextmanager
    async def stream(
        self, call: Call, body: Body | None = None, *, bearer: Secret | None = None
    ) -> AsyncGenerator[StreamReply]:
        allowed = decide(call, Purpose.SYNC, self.host, ROUTES, loopback=True)
        assert isinstance(allowed, Allowed), allowed
        content = body if isinstance(body, bytes) or body is None else b"".join([block async for block in body])
        content = content if allowed.body is None else allowed.body
        headers = {name.lower(): value for name, value in allowed.headers}
        if content is not None:
            headers.setdefault("content-type", "text/csv" if content[:1] != b"{" else "application/json")
        if bearer is not None:
            headers["authorization"] = f"Bearer {bearer.reveal_text()}"
        if self._world.before is not None:
            self._world.before(headers)
        request = Request.build(allowed.method.value, allowed.target, headers=headers, body=content)
        self._world.reached()
        yield await self._answered(request, allowed.target)

    async def _answered(self, request: Request, target: str) -> StreamReply:
        emulator = self._side.emulator
        self._side.requests += 1
        trouble = emulator.trouble_for(request, target)
        if trouble is not None and trouble.expire_token:
            emulator.expire_token_of(request)
        if trouble is not None and trouble.reset:
            raise Unreachable
        if trouble is not None and trouble.answer is not None:
            return _reply(trouble.answer.status, dict(trouble.answer.headers), trouble.answer.body)
        response = emulator.answer(request)
        await asyncio.sleep(0)
        self._world.reached()
        if trouble is not None and trouble.half_after_bytes is not None:
            raise Interrupted
        parts: Any = response.body
        if isinstance(parts, AsyncIterator):
            whole = b"".join([part async for part in cast("AsyncIterator[bytes]", parts)])
        else:
            whole = parts if isinstance(parts, bytes) else b"".join(parts)
        date = format_datetime(emulator.clock.now(), usegmt=True)
        return _reply(response.status, {**{n.lower(): v for n, v in response.headers}, "date": date}, whole)

    async def close(self) -> None:
        return


def _reply(status: int, headers: Mapping[str, str], body: bytes) -> StreamReply:
    async def chunks() -> AsyncIterator[bytes]:
        yield body

    return StreamReply(status, {name.lower(): value for name, value in headers.items()}, chunks)


@dataclass
class _OurClock:
    """Our own clock: that of the left org, and some seconds beside it."""

    side: Side
    beside: timedelta = timedelta()

    def now(self) -> datetime:
        return self.side.emulator.clock.now() + self.beside

    def monotonic_s(self) -> float:
        return 0.0


@dataclass
class _Report:
    """Where frames go: judged one by one, and kept as a worker keeps them."""

    world: TwoOrgs
    run: Run

    async def send(self, message: bytes) -> None:
        frame = decode(message)
        self.run = advance(self.run, frame)
        self.world.keep(self.run, frame)


@dataclass
class TwoOrgs:
    """Two orgs, a plan between them, and what a worker would have kept."""

    sides: tuple[Side, Side]
    plan: Plan
    marks: dict[int, datetime] = field(default_factory=dict[int, datetime])
    seen: dict[int, datetime] = field(default_factory=dict[int, datetime])
    waiting: list[tuple[int, Window, int, bool]] = field(default_factory=list[tuple[int, Window, int, bool]])
    kill_at: int | None = None
    bulk_rows_min: int = BULK_ROWS_MIN
    echoes: int = 0
    before: Callable[[dict[str, str]], None] | None = None
    """Is called with the headers of each request before it is sent."""
    _reached: int = 0
    _retries: list[tuple[int, Window, int, bool]] = field(default_factory=list[tuple[int, Window, int, bool]])

    @classmethod
    async def make(cls, text: str, *, seed: int = 1, ahead: timedelta = timedelta()) -> TwoOrgs:
        """Make two empty orgs whose clocks stand still, `ahead` apart, and activate the sync `text` between them."""
        spec = parse_spec(text)
        sides = (_side("left", seed, START), _side("right", seed + 1, START + ahead))
        for side, objects in zip(sides, objects_of(spec), strict=True):
            for name in objects:
                if "field: IsGone__c" in text:
                    flag = cast("Any", {"label": "Gone", "type": "Checkbox", "defaultValue": "false"})
                    side.emulator.tooling.add(side.org, f"{name}.IsGone__c", flag, granted=True)
                metadata = {"label": "Source", "type": "Text", "length": 18, "externalId": True, "unique": True}
                made = cast("Any", {**metadata, "caseSensitive": True})
                side.emulator.tooling.add(side.org, f"{name}.{KEY}", made, granted=True)
        world = cls(sides, Plan(steps=()))
        world.plan = await world.drawn(spec)
        return world

    @property
    def left(self) -> Side:
        return self.sides[LEFT]

    @property
    def right(self) -> Side:
        return self.sides[RIGHT]

    async def drawn(self, spec: SyncSpec) -> Plan:
        """Draw the plan from the describes of both orgs."""
        schemas = [
            schema_of([await session.describe(ApiName.parse(name)) for name in names])
            for session, names in zip(self.sessions(), objects_of(spec), strict=True)
        ]
        found = draw_plan(spec, *schemas)
        assert isinstance(found, Drawn), found.issues
        return found.plan

    def pass_time(self, seconds: float) -> None:
        """Let time pass in both orgs."""
        for side in self.sides:
            side.emulator.clock.advance(timedelta(seconds=seconds))

    def whims(self, level: str, seed: int = 1) -> None:
        """Set the mood of both orgs."""
        for number, side in enumerate(self.sides):
            side.emulator.whims.set(LEVELS[level], level=level, seed=seed + number)

    async def cycle(self, *, kill_at: int | None = None, winner: int | None = None) -> Run:
        """Do one run of the sync; `kill_at`: the mover is killed at that request. `winner` decides what is held."""
        self.pass_time(60)
        self.kill_at, self._reached = kill_at, 0
        self._retries = [each for each in self.waiting if each[3] or each[2] < ATTEMPTS_MAX]
        steps = step_jobs(
            self.plan,
            settled=(),
            marks=self.marks,
            retries=[(step, window) for step, window, _, _ in self._retries],
            waiting=[(step, window) for step, window, _, held in self.waiting if held or window.since is not None],
            winner=winner,
            seen=self.seen,
        )
        report = _Report(self, begin(len(self.plan.steps)))
        world = MoverWorld(self.sessions(), report, _OurClock(self.left))
        try:
            await pump.work(SyncJob([], steps, self.bulk_rows_min), world)
        except Killed:
            await self._finish_jobs()
            return report.run
        self._count_echoes(report.run)
        return report.run

    def reached(self) -> None:
        """Note that a request is about to be worked on, or was; a killed mover gets no further."""
        self._reached += 1
        if self.kill_at is not None and self._reached >= self.kill_at:
            raise Killed

    def keep(self, run: Run, frame: Frame) -> None:
        """Keep of a frame what a worker keeps."""
        if not isinstance(frame, WindowSettled):
            return
        step = run.steps[frame.step]
        failed, again = step.open_failures, StatusCode.CONFLICT_HELD in step.open_codes
        if frame.retry:
            old = self._retries[frame.retry - 1]
            self.waiting.remove(old)
            if failed:
                self.waiting.append((old[0], old[1], old[2] + 1, again))
        elif failed:
            self.waiting.append((frame.step, frame.window, 0, again))
        if frame.watermark is not None:
            self.marks[frame.step] = frame.watermark
            self.seen[frame.step] = read_until(frame.window)

    def _count_echoes(self, run: Run) -> None:
        if run.end is EndReason.FINISHED:
            echoed = any(code.name == "ECHO_CHANGED" for _, code, _ in run.outcomes)
            self.echoes = self.echoes + 1 if echoed else 0

    def uncarried(self, step: int) -> tuple[WindowJob, ...]:
        """What a worker tells a step of the other side's changes."""
        waiting = [(step, window) for step, window, _, held in self.waiting if held or window.since is not None]
        return uncarried(self.plan, step, {**self.marks, **self.seen}, waiting)

    async def _finish_jobs(self) -> None:
        """A job that an org has taken on goes on without us: let it end before anybody acts."""
        for _ in range(20):
            await asyncio.sleep(1)

    @property
    def our_clock(self) -> Clock:
        """Our own clock."""
        return _OurClock(self.left)

    def sessions(self) -> tuple[Session, Session]:
        left, right = (Session(_Wire(side, self), _Leases(side), "62.0", _OurClock(self.left)) for side in self.sides)
        return left, right


def _side(name: str, seed: int, now: datetime) -> Side:
    url = f"http://127.0.0.1:{8000 + seed % 1000}"
    emulator = Emulator(Options(name=name, profile="empty", seed=seed), url)
    emulator.clock.freeze(now)
    host = parse_login_host(url, allow_loopback_http=True)
    assert not isinstance(host, HostDenied)
    ours = emulator.seeded.integration_id
    return Side(emulator, host, ours, emulator.seeded.admin_id, emulator.new_access_token(ours))
