"""What must hold, whatever happens: judged from outside, by looking at both orgs and at what was stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final
from uuid import UUID

from isthmus.egress.policy import RouteName
from isthmus.sync.flow.frames import FRAME_BYTES, decode
from isthmus.sync.model import EndReason, Plan, Step, StepKind
from tests.simulation.answers import Answer
from tests.simulation.database import SimDatabase
from tests.simulation.loop import Process, SimLoop
from tests.simulation.org import KEY, Fields, ObjectShape, Row, SimOrg

CANARY: Final = "canary"
GONE: Final = "Gone__c"
AFTER_REVOCATION_S: Final = 2.0
"""A request that is on its way when a revocation comes may still arrive; later ones may not."""
HONEST_ENDS: Final = frozenset(EndReason) - {EndReason.BUG, EndReason.UNEXPECTED_ANSWER, EndReason.MALFORMED_CSV}

_OF_A_RUN: Final = frozenset(
    {"sync.run", "sync.run_step", "sync.outcome", "sync.checkpoint", "sync.failed_window", "sync.state"}
)


class Broken(AssertionError):
    """A law was broken: the message names the law first."""


class Judge:
    """Watches one simulated world."""

    def __init__(self, loop: SimLoop, source: SimOrg, target: SimOrg, plan: Plan, database: SimDatabase) -> None:
        self._loop = loop
        self._source = source
        self._target = target
        self._plan = plan
        self._database = database
        self.revoked_tokens: dict[str, float] = {}
        self.broken: Broken | None = None
        self.attempts: dict[Process, UUID] = {}
        self._latest: dict[UUID, tuple[int, Process]] = {}
        self.frames = 0
        self.has_job: Callable[[UUID], bool] = lambda _run: True
        target.watch_write = self.on_write
        database.after_commit = self.on_commit

    def break_law(self, law: str, detail: str) -> None:
        """Remember the first law that was broken; the run is stopped when it looks."""
        if self.broken is None:
            self._loop.note(f"BROKEN {law}: {detail}")
            self.broken = Broken(f"{law}: {detail} at {self._loop.time():.3f} s")

    def on_write(self, name: str, key: str, row: Row, sent: Fields) -> None:
        """What is written is what the source's row was at one moment: no mixture of two, nothing made up."""
        del row
        values = {field: value for field, value in sent.items() if field != GONE}
        if not values:
            return
        origin = self._source.tables[name].get(key)
        versions = [] if origin is None else origin.versions
        if not any(all(fields.get(f) == value for f, value in values.items()) for _, fields in versions):
            self.break_law("a written row is a row of the source", f"{name} {key}")

    def on_frame(self, packet: bytes) -> None:
        """What leaves a mover is a frame of numbers, never a value."""
        self.frames += 1
        if len(packet) != FRAME_BYTES or CANARY.encode() in packet:
            self.break_law("no value leaves the mover", f"{len(packet)} bytes")
            return
        self._loop.note(f"frame {decode(packet) if self._loop.notes is not None else ''}{packet.hex()}")

    def on_request(self, token: str, route: RouteName, answer: Answer) -> None:
        """Nothing is asked with a grant that was withdrawn."""
        self._loop.note(f"request {route} {answer.status}")
        since = self.revoked_tokens.get(token)
        if since is not None and self._loop.time() > since + AFTER_REVOCATION_S:
            self.break_law("a revoked org is asked nothing more", str(route))

    def on_commit(self, tables: frozenset[str], process: Process | None) -> None:
        """Judge what a worker has just committed."""
        run = None if process is None else self.attempts.get(process)
        if process is not None and run is not None and tables & _OF_A_RUN:
            self._check_fence(run, process)
            self._check_job(run)
        if "sync.checkpoint" in tables:
            self._check_watermarks()

    def _check_fence(self, run: UUID, process: Process) -> None:
        """Whoever writes about a run is the latest that has begun it."""
        [(fence,)] = self._database.look("select fence from sync.run where id = %(id)s", id=run)
        known, latest = self._latest.get(run, (0, process))
        if fence > known:
            self._latest[run] = (fence, process)
        elif latest is not process:
            self.break_law("an overtaken attempt writes nothing", str(run))

    def _check_job(self, run: UUID) -> None:
        """A run that is under way has a job, or the sweep would close it while somebody works on it."""
        [(state,)] = self._database.look("select state from sync.run where id = %(id)s", id=run)
        if state in {"queued", "running"} and not self.has_job(run):
            self.break_law("a run that is under way has a job", str(run))

    def _check_watermarks(self) -> None:
        """A watermark never passes a row that was neither applied nor kept as failed."""
        for number, watermark in self.watermarks().items():
            step = self._plan.steps[number]
            if step.kind is StepKind.DELETE:
                continue
            for row in self._source.live(step.source):
                if row.stamp < watermark and not self._applied(step, row) and not self._failed(number, row.stamp):
                    self.break_law("a watermark never passes an unapplied row", f"step {number}, {row.id}")

    def on_late_commit(self, rows: list[tuple[str, Row]]) -> None:
        """What becomes visible late must not lie below a watermark, or nobody would read it."""
        marks = self.watermarks()
        for name, row in rows:
            for number, step in enumerate(self._plan.steps):
                reads = step.kind is StepKind.LOAD or (step.kind is StepKind.LINK and _linked(step, row))
                if step.source == name and reads and row.stamp < marks.get(number, 0):
                    self.break_law("a late commit lies above the watermark", f"step {number}, {row.id}")

    def watermarks(self) -> dict[int, int]:
        """Return the committed watermarks in milliseconds."""
        return {step: mark // 1000 for step, mark in self._database.look("select step, watermark from sync.checkpoint")}

    def converged(self) -> Iterator[str]:
        """Yield every difference between the target and the mapped source."""
        deletes = {step.source: step for step in self._plan.steps if step.kind is StepKind.DELETE}
        last = {step.source: step for step in self._plan.steps if step.kind is not StepKind.DELETE}
        loads = {step.source: step for step in self._plan.steps if step.kind is StepKind.LOAD}
        for name, step in loads.items():
            source = {row.id: row for row in self._source.live(name)}
            for row in source.values():
                if not self._applied(step, row) or not self._applied(last[name], row):
                    yield f"{name} {row.id} differs"
            rows = self._target.live(name)
            if len({row.fields.get(KEY) for row in rows}) < len(rows):
                yield f"{name}: a key stands there twice"
            for row in rows:
                key = row.fields.get(KEY) or ""
                if key in source:
                    if row.fields.get(GONE) == "true":
                        yield f"{name} {key} is flagged but lives"
                elif key not in self._source.tables[name]:
                    yield f"{name} {key} is in the target only"
                elif name in deletes and not (deletes[name].flag and row.fields.get(GONE) == "true"):
                    yield f"{name} {key} should be gone"

    def at_rest(self) -> Iterator[str]:
        """Yield what is not as it should be when nothing is under way any more."""
        yield from (f"a value stands in the database: {v!r}" for v in self._database.everything() if _is_value(v))
        for state, end in self._database.look("select state, end_reason from sync.run"):
            if state in {"queued", "running"}:
                yield f"a run is still {state}"
            elif end is not None and EndReason(end) not in HONEST_ENDS:
                yield f"a run ended by {EndReason(end).name}"
        open_windows = self._database.look("select step, row_count from sync.failed_window where settled_at is null")
        yield from (f"a failed window of step {step} is still open ({rows} rows)" for step, rows in open_windows)

    def _applied(self, step: Step, row: Row) -> bool:
        mapped = self._target.keys[step.target].get(row.id)
        if step.kind is StepKind.LINK and not _linked(step, row):
            return True
        if mapped is None:
            return False
        shape = self._source.shapes[step.source]
        for column in step.columns:
            if column.source is None or column.target == GONE:
                continue
            there = mapped.fields.get(column.target)
            if column.source in shape.lookups:
                there = self._key_of(shape, column.source, there)
            if there != row.fields.get(column.source):
                return False
        return True

    def _key_of(self, shape: ObjectShape, lookup: str, row_id: str | None) -> str | None:
        if row_id is None:
            return None
        parent = self._target.tables[shape.lookups[lookup]].get(row_id)
        return None if parent is None else parent.fields.get(KEY)

    def _failed(self, number: int, stamp: int) -> bool:
        found = self._database.look(
            """
            select 1 from sync.failed_window where step = %(step)s and settled_at is null
            and (since is null or since <= %(at)s) and until > %(at)s
            """,
            step=number,
            at=stamp * 1000,
        )
        return bool(found)


def _linked(step: Step, row: Row) -> bool:
    sources = [column.source for column in step.columns if column.target in step.links]
    return any(row.fields.get(source or "") is not None for source in sources)


def _is_value(value: object) -> bool:
    if isinstance(value, bytes):
        return CANARY.encode() in value
    return isinstance(value, str) and (CANARY in value or _looks_like_a_record_id(value))


def _looks_like_a_record_id(text: str) -> bool:
    return len(text) in {15, 18} and text.isalnum() and text[:3] in {"001", "003", "a00"}
