"""What happens to a simulated world: one coroutine for each who acts in it."""

from __future__ import annotations

import asyncio
import traceback
from typing import Final, Protocol
from uuid import UUID

from tests.simulation.laws import Broken
from tests.simulation.loop import Process
from tests.simulation.org import BAD, Fields, Transaction
from tests.simulation.plans import SHAPES, TEXTS
from tests.simulation.world import SOURCE, SYNC, TARGET, World, canary

STALLED_S: Final = 15.0
TICK_S: Final = 5.0
FORSAKEN_S: Final = 90.0
"""So long after its last job a run is closed: a minute, and a tick."""
CALM_RUNS_MAX: Final = 12
CALM_S_MAX: Final = 36_000.0
TRANSACTION_S: Final = 540.0


class People(Protocol):
    """Who edits."""

    def put_right(self) -> None:
        """Make acceptable what was refused."""
        ...


async def play(world: World) -> None:
    """Trouble, then calm, then judgement. Raises `Broken`."""
    edits = Editor(world)
    edits.fill(world.rng.randint(2, 14))
    brew(world)
    acting = [asyncio.create_task(work) for work in (edits.work(), schedule(world), mischief(world), edits.late())]
    await asyncio.sleep(world.rng.choice((40.0, 90.0, 150.0)))
    await calm(world, edits)
    for task in acting:
        task.cancel()
    await settle(world)
    judge(world)


def brew(world: World) -> None:
    """Choose what will go wrong: in every seed some things, in none all of them."""
    rng, trouble = world.rng, world.trouble
    rates = (0.0, 0.0, 0.01, 0.05)
    for name in ("unreachable", "lost_before", "lost_after", "cut_answer", "cut_upload", "server_error", "token_dies"):
        setattr(trouble, name, rng.choice(rates))
    trouble.slow = rng.choice((0.0, 0.3))
    for mood in world.moods:
        mood.lock = rng.choice((0.0, 0.0, 0.05, 0.3))
        mood.job_fails = rng.choice((0.0, 0.0, 0.2))
        mood.job_rests_s = rng.choice(((0.2, 3.0), (0.2, 3.0), (3.0, 120.0)))
        mood.page_rows = rng.choice(((1, 4), (2, 2), (3, 9), (2000, 2000)))
        mood.stale_pages = rng.random() < 0.5
        mood.no_replication = rng.random() < 0.15
    world.database.trouble = rng.choice((0.0, 0.0, 0.01, 0.03))
    world.keeper.trouble = rng.choice((0.0, 0.0, 0.05))
    world.movers.no_start = rng.choice((0.0, 0.0, 0.1))


async def calm(world: World, edits: People) -> None:
    """Let trouble end, put the rows right, connect again what was revoked."""
    world.loop.note("calm")
    for name in vars(world.trouble):
        setattr(world.trouble, name, 0.0)
    for mood in world.moods:
        mood.lock = mood.job_fails = 0.0
        mood.no_replication = False
    world.database.trouble = world.keeper.trouble = world.movers.no_start = 0.0
    world.calm = True
    edits.put_right()
    for connection in (SOURCE, TARGET):
        if connection in world.keeper.revoked:
            world.keeper.reconnect(connection)
    await asyncio.sleep(0)


async def schedule(world: World) -> None:
    """Play the ticker: a run when one is due and none is under way; runs without a job are closed."""
    look, run = world.database.look, world.database.connection.execute
    while True:
        await asyncio.sleep(TICK_S)
        _sweep(world)
        due = look("select 1 from sync.state where state = 'active' and due_at <= now()")
        if not due:
            continue
        run("update sync.state set due_at = now() + 60000000")
        _start(world, "scheduled")


def _sweep(world: World) -> None:
    """Let the ticker close what is forsaken."""
    for _ in world.queue.sweep():
        world.loop.note("a run is forsaken")


def _start(world: World, kind: str) -> None:
    number = world.queue_run(kind)
    if number is not None:
        world.queue.put(number)
        world.jobs.append(world.loop.spawn(world.servers, _job(world, number)))


async def _job(world: World, run: UUID) -> None:
    """Play the queue: a job whose worker dies or is silent is given to another; one that failed waits and goes again."""
    while (held := world.queue.take(run)) is not None:
        worker = Process("worker")
        world.workers.append(worker)
        attempt = asyncio.create_task(world.attempt(run, worker, held))
        if not world.calm and world.queue.is_late():
            world.loop.spawn(world.servers, _freeze(world, worker))
        while not attempt.done():
            await asyncio.wait({attempt}, timeout=STALLED_S)
            if worker.frozen and not attempt.done():
                # Nobody hears of it any more: the job goes to another, while this one may yet wake up.
                world.zombies.append(attempt)
                world.queue.hand_on(run, held)
                break
        if not attempt.done():
            continue
        ended = attempt.result()
        if ended == "failed":
            world.judge.break_law("nothing fails unforeseen", world.journal[-1])
        elif ended == "killed":
            await asyncio.sleep(STALLED_S)
            world.queue.hand_on(run, held)
        elif ended == "away":
            await asyncio.sleep(2.0 ** (held + 1))


async def mischief(world: World) -> None:
    """Kill, freeze and revoke, now and then."""
    rng = world.rng
    kinds = rng.sample(("mover", "worker", "freeze", "keeper", "revoke", "token", "nothing"), 3)
    while not world.calm:
        await asyncio.sleep(rng.uniform(1.0, 25.0))
        if world.calm:
            return
        workers = [worker for worker in world.workers if worker.alive and not worker.frozen]
        match rng.choice(kinds):
            case "mover" if world.movers.running:
                rng.choice(world.movers.running).steps_left = rng.randint(1, 150)
            case "worker" if workers:
                rng.choice(workers).steps_left = rng.randint(1, 60)
            case "freeze" if workers:
                world.loop.spawn(world.servers, _freeze(world, rng.choice(workers)))
            case "keeper":
                world.keeper.restart()
            case "revoke" if not world.keeper.revoked:
                world.loop.spawn(world.servers, _revoke(world, rng.choice((SOURCE, TARGET))))
            case "token":
                rng.choice(world.orgs).renew_token()
            case _:
                pass


async def _freeze(world: World, worker: Process) -> None:
    world.loop.note("freeze a worker")
    world.loop.freeze(worker)
    await asyncio.sleep(world.rng.uniform(1.0, 50.0))
    world.loop.note("thaw a worker")
    world.loop.thaw(worker)


async def _revoke(world: World, connection: UUID) -> None:
    org = world.source if connection == SOURCE else world.target
    world.loop.note(f"revoke {org.name}")
    world.judge.revoked_tokens[org.token] = world.loop.time()
    world.keeper.revoke(connection)
    await asyncio.sleep(world.rng.uniform(5.0, 40.0))
    if connection in world.keeper.revoked:
        world.keeper.reconnect(connection)
    _resume(world)


def _resume(world: World) -> None:
    """A person switches the sync on again."""
    world.database.connection.execute(
        "update sync.state set state = 'active', pause_reason = null, due_at = 0 where sync_id = ? and state = 'paused'",
        (str(SYNC),),
    )


async def settle(world: World) -> None:
    """Go on until runs find nothing to do any more; failed windows are read again by hand."""
    look = world.database.look
    for number in range(CALM_RUNS_MAX):
        await _until_idle(world)
        still = look("select 1 from sync.failed_window where settled_at is null")
        before = world.digest()
        kind = "retry" if still and number % 2 else "by_hand"
        _resume(world)
        _start(world, kind)
        await _until_idle(world)
        [(state,)] = look("select state from sync.run order by requested_at desc, id limit 1")
        if not still and kind == "by_hand" and state == "done" and world.digest() == before:
            return
    raise Broken("calm runs come to rest: they still change the target")


async def _until_idle(world: World) -> None:
    """Wait for whatever is under way."""
    waiting = {job for job in world.jobs if not job.done()}
    if waiting:
        _, late = await asyncio.wait(waiting, timeout=CALM_S_MAX)
        if late:
            raise Broken("every run ends: one is still under way after hours of calm")
    _raise_if_broken(world)
    closed_by = world.loop.time() + FORSAKEN_S
    while world.database.look("select 1 from sync.run where state in ('queued', 'running')"):
        if world.loop.time() > closed_by:
            raise Broken("every run ends: one has no job any more")
        await asyncio.sleep(TICK_S)
        _sweep(world)


def judge(world: World) -> None:
    _raise_if_broken(world)
    for difference in world.judge.converged():
        raise Broken(f"the target becomes the mapped source: {difference}")
    for fault in world.judge.at_rest():
        raise Broken(f"all is at rest: {fault}")


def _raise_if_broken(world: World) -> None:
    for error in [*world.movers.bugs, *world.loop.faults]:
        if not isinstance(error, asyncio.CancelledError):
            raise Broken(f"nothing fails unforeseen: {traced(error)}") from error
    if world.judge.broken is not None:
        raise world.judge.broken


def traced(error: BaseException) -> str:
    """Return an error with the places that it came by, those of groups as well."""
    places = [f"{frame.name}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)]
    members: tuple[BaseException, ...] = getattr(error, "exceptions", ())
    inner = [traced(each) for each in members]
    return f"{error!r} by {' '.join(places)} {' '.join(inner)}"


class Editor:
    """The people of the source org."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng = world.rng
        self._org = world.source
        self._names = tuple(dict.fromkeys(step.source for step in world.plan.steps))
        self._locked: set[str] = set()

    def fill(self, rows: int) -> None:
        """Make the first rows, some of them at the same moment."""
        for _ in range(rows):
            self._insert(self._rng.choice(self._names))

    async def work(self) -> None:
        """Edit in bursts."""
        while not self._world.calm:
            await asyncio.sleep(self._rng.expovariate(0.15))
            if self._world.calm:
                return
            for _ in range(self._rng.choice((1, 1, 2, 5))):
                self._edit()

    async def late(self) -> None:
        """Now and then write in a transaction that is committed later, even minutes later."""
        while not self._world.calm:
            await asyncio.sleep(self._rng.expovariate(0.03))
            if self._world.calm:
                return
            transaction = self._org.begin()
            for _ in range(self._rng.randint(1, 3)):
                await asyncio.sleep(self._rng.random())
                self._write_unseen(transaction)
            await asyncio.sleep(self._rng.choice((0.5, 5.0, 30.0, 70.0)))
            if transaction in self._org.open:
                self._commit(transaction)

    def put_right(self) -> None:
        """End what is open, and make every row acceptable."""
        for transaction in list(self._org.open):
            self._commit(transaction)
        for name in self._names:
            for row in self._org.live(name):
                if row.fields.get("Rating") == BAD:
                    self._org.write(name, row.id, {"Rating": "good"})

    def _commit(self, transaction: Transaction) -> None:
        rows = self._org.commit(transaction)
        self._locked -= {row.id for _, row in rows}
        self._world.loop.note(f"late commit of {len(rows)}")
        self._world.judge.on_late_commit(rows)

    def _write_unseen(self, transaction: Transaction) -> None:
        name = self._rng.choice(self._names)
        rows = [row for row in self._org.live(name) if row.id not in self._locked]
        stamp = self._org.clock()
        if rows and self._rng.random() < 0.6:
            row = self._rng.choice(rows)
            self._locked.add(row.id)
            transaction.writes.append((name, row.id, self._text(name), stamp))
        else:
            transaction.writes.append((name, None, self._new(name), stamp))

    def _edit(self) -> None:
        rng, org = self._rng, self._org
        name = rng.choice(self._names)
        rows = [row for row in org.live(name) if row.id not in self._locked]
        kind = rng.choices(("insert", "text", "link", "bad", "delete", "undelete"), (5, 6, 4, 1, 2, 1))[0]
        self._world.loop.note(f"edit {kind} {name}")
        if kind == "insert" or not rows:
            self._insert(name)
            return
        row = rng.choice(rows)
        if kind == "text":
            org.write(name, row.id, self._text(name))
        elif kind == "link":
            org.write(name, row.id, self._links(name, row.id))
        elif kind == "bad":
            org.write(name, row.id, {"Rating": rng.choice((BAD, "good", None))})
        elif kind == "delete" and not self._has_children(row.id):
            org.write(name, row.id, None)
        elif kind == "undelete":
            gone = [each for each in org.tables[name].values() if each.deleted_at is not None]
            if gone:
                back = rng.choice(gone)
                back.deleted_at = None
                org.write(name, back.id, self._text(name) | self._links(name, back.id))

    def _insert(self, name: str) -> None:
        self._org.write(name, None, self._new(name))

    def _new(self, name: str) -> Fields:
        return self._text(name) | self._links(name, "") | {"Rating": self._rng.choice(("good", "good", None))}

    def _text(self, name: str) -> Fields:
        return {TEXTS[name]: canary(self._rng)}

    def _links(self, name: str, own: str) -> Fields:
        found: Fields = {}
        for lookup, parent in SHAPES[name].lookups.items():
            # A parent in an open transaction is not seen yet, so nobody can choose it.
            rows = [row.id for row in self._org.live(parent) if row.id != own and row.id not in self._locked]
            found[lookup] = self._rng.choice(rows) if rows and self._rng.random() < 0.7 else None
        return found

    def _has_children(self, row_id: str) -> bool:
        tables = self._org.tables.values()
        written = [fields or {} for each in self._org.open for _, _, fields, _ in each.writes]
        return any(
            row_id in row.fields.values() for table in tables for row in table.values() if row.deleted_at is None
        ) or any(row_id in fields.values() for fields in written)
