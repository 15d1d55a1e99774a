"""One simulated installation between two orgs: a schedule, workers that die, people who edit, and trouble of all kinds.

First comes trouble: edits, faults and kills while scheduled runs go on. Then it is calm: what is wrong with rows is put
right, orgs are connected again, and runs go on until nothing is left to do. Then the laws are judged.
"""

from __future__ import annotations

import asyncio
import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final, cast
from uuid import UUID

import msgspec
import procrastinate

from isthmus.config import Settings, read_settings
from isthmus.db.database import Database
from isthmus.journal import Journal
from isthmus.orgs.keeper_client import KeeperClient
from isthmus.salesforce.endpoint import Endpoint
from isthmus.salesforce.lease import LeaseBook, Leases
from isthmus.salesforce.session import Wire
from isthmus.salesforce.world import Report
from isthmus.sandbox.spawn import MoverLimits
from isthmus.sync.app import SyncApp
from isthmus.sync.drive import Moving
from isthmus.sync.flow.job import SyncJob
from isthmus.sync.model import Plan
from isthmus.values import OrgHost
from isthmus.worker.tasks import InstallationAway, Overtaken, WorkerServices, register
from tests.simulation.answers import Moods
from tests.simulation.database import TENANT, SimDatabase
from tests.simulation.jobs import Job, Jobs
from tests.simulation.keeper import SimKeeper
from tests.simulation.laws import CANARY, Judge
from tests.simulation.loop import Process, SimLoop
from tests.simulation.movers import Movers, Parts
from tests.simulation.org import Row, SimOrg
from tests.simulation.plans import SHAPES, SPECS, plan_of, schedule_of
from tests.simulation.queue import SimQueue
from tests.simulation.rest import Front
from tests.simulation.wire import SimWire, Trouble

BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)
SOURCE: Final = UUID(int=10)
TARGET: Final = UUID(int=11)
SYNC: Final = UUID(int=20)
HOSTS: Final = (OrgHost("http", "127.0.0.1", 8001), OrgHost("http", "127.0.0.1", 8002))
SETTINGS: Final[Settings] = read_settings({"ISTHMUS_ALLOW_LOOPBACK_HTTP": "1", "HOME": "/nowhere"})
SKEW_S: Final = 240


class Plant:
    """Where a planted bug gets in: each part of the world can be replaced. As it is, it plants nothing."""

    queue: type[SimQueue] = SimQueue

    def parts(self, parts: Parts) -> Parts:
        """Return what movers are made of."""
        return parts

    def database(self, database: SimDatabase) -> Any:
        """Return what the worker takes for its database."""
        return database


class SimClock:
    """A clock that is wrong by a fixed span."""

    def __init__(self, loop: SimLoop, skew_s: float, grain_ms: int = 1) -> None:
        self._loop = loop
        self._grain_ms = grain_ms
        self._zero = BEGAN + timedelta(seconds=round(skew_s, 3))

    def now(self) -> datetime:
        return self._zero + timedelta(seconds=self._loop.time())

    def monotonic_s(self) -> float:
        return self._loop.time()

    def stamp(self) -> int:
        return int(self.now().timestamp() * 1000) // self._grain_ms * self._grain_ms


@dataclass
class _Queue:
    """Stands where the queue's app stands when tasks are registered."""

    tasks: dict[str, Any] = field(default_factory=dict[str, Any])

    def task(self, *, name: str, **_: object) -> Any:
        def keep(function: Any) -> Any:
            self.tasks[name] = function
            return function

        return keep


class World:
    """Everything that one seed makes."""

    ORG: type[SimOrg] = SimOrg
    FRONT: type[Front] = Front
    JUDGE: type[Judge] = Judge

    def __init__(self, seed: int, plant: Plant, *, keep_notes: bool = False) -> None:
        self.loop = SimLoop(seed, keep_notes=keep_notes)
        self.rng = random.Random(f"world {seed}")
        rng = self.rng
        self.clock = SimClock(self.loop, rng.uniform(-SKEW_S, SKEW_S))
        # Salesforce stamps in whole seconds; milliseconds are possible as well.
        grain_ms = rng.choice((1, 1000))
        clocks = [SimClock(self.loop, rng.uniform(-SKEW_S, SKEW_S), grain_ms) for _ in range(2)]
        self.source = self.ORG("source", SHAPES, clocks[0].stamp)
        self.target = self.ORG("target", SHAPES, clocks[1].stamp)
        self.moods = [Moods(), Moods()]
        self.fronts = [
            self.FRONT(org, rng, mood, partial(self._begin_job, mood))
            for org, mood in zip(self.orgs, self.moods, strict=True)
        ]
        self.trouble = Trouble()
        self.servers = Process("servers")
        self.spec = rng.randrange(len(SPECS))
        self.plan = self._drawn()
        self.bulk_rows_min = rng.choice((1, 4, 10, 1000))
        self.database = SimDatabase(rng, self.clock.now)
        self.judge = self.JUDGE(self.loop, self.source, self.target, self.plan, self.database)
        self.keeper = SimKeeper(
            self.loop,
            self.database,
            {SOURCE: self.source, TARGET: self.target},
            {SOURCE: HOSTS[0].origin, TARGET: HOSTS[1].origin},
        )
        parts = plant.parts(Parts(self._wire, _leases_of, _as_it_is, self._smaller))
        self.movers = Movers(self.loop, parts, self.clock, self.judge.on_frame)
        self.tasks = self._registered(plant)
        self.calm = False
        self.queue = plant.queue(self.database.connection, random.Random(f"queue {seed}"))
        self.judge.has_job = self.queue.has
        self.workers: list[Process] = []
        self.jobs: list[asyncio.Task[None]] = []
        self.zombies: list[asyncio.Task[str]] = []
        self._settle_in()

    def _drawn(self) -> Plan:
        return plan_of(self.spec)

    @property
    def orgs(self) -> tuple[SimOrg, SimOrg]:
        return self.source, self.target

    def _wire(self, process: Process, index: int, endpoint: Endpoint) -> Wire:
        del endpoint
        return SimWire(
            self.loop,
            self.fronts[index],
            HOSTS[index],
            process=process,
            servers=self.servers,
            trouble=self.trouble,
            seen=self.judge.on_request,
        )

    def _begin_job(self, mood: Moods, jobs: Jobs, job: Job) -> None:
        """Let an org work on a Bulk job in its own time."""

        async def work() -> None:
            await asyncio.sleep(self.rng.random() * self.rng.choice(mood.job_rests_s))
            while jobs.work(job):
                await asyncio.sleep(self.rng.random() * 0.4)

        self.loop.spawn(self.servers, work())

    def _smaller(self, job: SyncJob) -> SyncJob:
        """The orgs here have some dozen rows: Bulk begins earlier."""
        return msgspec.structs.replace(job, bulk_rows_min=self.bulk_rows_min)

    def _movers_to(self, origins: Sequence[str], settings: Settings) -> Moving:
        assert list(origins) == [host.origin for host in HOSTS]

        async def dial(endpoint: int) -> Any:
            raise AssertionError(endpoint)

        return Moving(dial, settings.allow_no_sandbox, True, None, MoverLimits(), start=self.movers.start)

    def _registered(self, plant: Plant) -> dict[str, Any]:
        self.journal: list[str] = []
        app = SyncApp(
            database=cast("Database", plant.database(self.database)),
            keeper=cast("KeeperClient", self.keeper),
            settings=SETTINGS,
            clock=self.clock,
            journal=Journal("worker", self.journal.append, self.clock),
            movers=self._movers_to,
        )
        queue = _Queue()
        register(cast("procrastinate.App", queue), WorkerServices(app, cast("Any", None), app.journal))
        return queue.tasks

    def _settle_in(self) -> None:
        put = self.database.put
        for connection, host in ((SOURCE, HOSTS[0]), (TARGET, HOSTS[1])):
            org = UUID(int=connection.int + 100)
            put("orgs.org", tenant_id=TENANT, id=org, instance_origin=host.origin)
            put("orgs.connection", tenant_id=TENANT, id=connection, org_id=org, state="connected")
        ends = {"source_connection": SOURCE, "target_connection": TARGET}
        schedule = schedule_of(self.spec)
        put("sync.definition", id=SYNC, title="simulated", document="", interval_s=60, schedule=schedule, **ends)
        put("sync.plan", sync_id=SYNC, version=1, document=msgspec.json.encode(self.plan))
        put("sync.state", sync_id=SYNC, state="active", plan_version=1, due_at=self.clock.now())

    def queue_run(self, kind: str) -> UUID | None:
        """Make a run, unless one is under way."""
        if self.database.look("select 1 from sync.run where state in ('queued', 'running')"):
            return None
        run = UUID(int=self.rng.getrandbits(128))
        self.database.put("sync.run", id=run, sync_id=SYNC, plan_version=1, kind=kind)
        self.loop.note(f"run {kind}")
        return run

    def digest(self) -> int:
        """Return a checksum of the target's rows, without the times that are the org's own."""
        rows = [(name, row.id, row.deleted_at is None, row.fields) for name in SHAPES for row in self._rows(name)]
        return zlib.crc32(repr(rows).encode())

    def _rows(self, name: str) -> list[Row]:
        return list(self.target.tables[name].values())

    async def attempt(self, run: UUID, worker: Process, held: int) -> str:
        """Let one worker carry a run out: 'done', 'away' (to be tried again), 'failed' or 'killed'.

        `held` is the number under which the worker holds the job; the queue hears of the end as it would.
        """
        self.judge.attempts[worker] = run
        work = self.loop.spawn(worker, self.tasks["run_sync"](tenant_id=str(TENANT), subject_id=str(run)))
        await asyncio.wait({work})
        if not worker.alive:
            return "killed"
        worker.kill()
        error = work.exception()
        if isinstance(error, InstallationAway):
            self.queue.try_again(run, held, overtaken=isinstance(error, Overtaken))
            return "away"
        self.queue.finish(run, held)
        return "done" if error is None else "failed"


def _leases_of(book: LeaseBook, endpoint: Endpoint) -> Leases:
    return book.leases_of(endpoint.connection)


def _as_it_is(report: Report) -> Report:
    return report


def canary(rng: random.Random) -> str:
    """Return a value that must turn up in the two orgs only."""
    return f"{CANARY}{rng.getrandbits(48):012x}"
