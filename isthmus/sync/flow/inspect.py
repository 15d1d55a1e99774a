"""A look at rows that fail: try the rows of one failed window once more, and seal those that fail to whoever looks.

No id of a row is kept anywhere, so which rows fail can only be found out by trying; an upsert that now succeeds is no
harm, the next run would have done the same. Steps that look at both records of a pair first have a look of their own
(`inspect_pairs`): it shows held conflicts with both sides, and may carry out what its viewer decides.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final
from uuid import UUID

import msgspec

from isthmus.salesforce.collections import UPSERT_ROWS_MAX, RowResult, upsert
from isthmus.salesforce.endpoint import Endpoint
from isthmus.salesforce.query import pages
from isthmus.salesforce.records import Record
from isthmus.salesforce.session import Session
from isthmus.salesforce.status_code import StatusCode
from isthmus.salesforce.world import MoverWorld
from isthmus.sync.flow.computed import tools_for
from isthmus.sync.flow.frames import BadFrame
from isthmus.sync.flow.inspect_pairs import PairLook
from isthmus.sync.flow.job import SOURCE, TARGET, StepJob, WindowJob
from isthmus.sync.flow.mapping import StepMapping, Unsendable
from isthmus.sync.flow.reading import query_of
from isthmus.sync.flow.sealing import BadAnswer, Sealer, point
from isthmus.sync.flow.showing import ROWS_SHOWN_MAX, SEALED, Showing, unsendable_row
from isthmus.sync.flow.shown import CarriedOut, Decisions, Shown, ShownRow, shown_row
from isthmus.sync.flow.sides import Stopped, asking, first_stop, turned
from isthmus.sync.flow.substitutes import Substitutes
from isthmus.sync.model import EndReason, Step, Window
from isthmus.values import ApiName

__all__ = ["END", "REPLY", "ROWS_SHOWN_MAX", "SEALED", "WAITS", "InspectJob", "LookEnded", "work"]

ROWS_TRIED_MAX: Final = 20_000
DECIDE_S: Final = 300.0
"""How long a look waits for decisions once everything is shown."""
END: Final = b"\x02"
WAITS: Final = b"\x03"
"""Everything is shown, and the mover waits for what the viewer decides; the numbers so far follow."""
REPLY: Final = b"\x04"
"""What became of an answer, sealed; empty if it was none."""
_END = struct.Struct(">IIHhII")


class InspectJob(msgspec.Struct, frozen=True, tag_field="kind", tag="inspect"):
    """Try `step` between `since` and `until`, show at most `rows_max` failing rows to the holder of `viewer`'s key.

    For steps that look at pairs: `opposite` is the step of the other direction, `uncarried` and `unloaded` are those of
    `StepJob`; `reads_only` tries nothing, because nothing but conflicts is open. `decide_s`: so long it waits for
    decisions.
    """

    endpoints: list[Endpoint]
    step: Step
    since: datetime | None
    until: datetime | None
    viewer: bytes
    look: UUID
    rows_max: int
    opposite: Step | None = None
    uncarried: tuple[WindowJob, ...] = ()
    unloaded: tuple[WindowJob, ...] = ()
    reads_only: bool = False
    decide_s: float = 0.0


@dataclass(frozen=True, slots=True)
class LookEnded:
    """How a look ended, in numbers: the only thing that the worker can read of it."""

    rows_tried: int
    rows_failed: int
    reason: EndReason
    code: StatusCode | None
    calls_source: int
    calls_target: int


def encode_end(end: LookEnded, head: bytes = END) -> bytes:
    """Return the last message of a look, or with `WAITS` the one before it waits."""
    code = -1 if end.code is None else int(end.code)
    numbers = (end.rows_tried, end.rows_failed, end.reason, code, end.calls_source, end.calls_target)
    return head + _END.pack(*numbers)


def decode_end(unverified_message: bytes, head: bytes = END) -> LookEnded:
    """Return what `encode_end` was given. Raises `BadFrame`."""
    try:
        tried, failed, reason, code, source, target = _END.unpack(unverified_message.removeprefix(head))
        return LookEnded(tried, failed, EndReason(reason), None if code < 0 else StatusCode(code), source, target)
    except (struct.error, ValueError):
        message = "the end of a look has its form"
        raise BadFrame(message) from None


async def work(job: InspectJob, world: MoverWorld, *, zones: Mapping[str, tzinfo] | None = None) -> None:
    """Try, seal, report; the last message says how it ended. `zones`: see `computed.zones_for`."""
    looking = _Looking(job, world, zones)
    reason, code = EndReason.FINISHED, None
    try:
        await looking.run()
    except Stopped as stop:
        reason, code = stop.reason, stop.code
    except BaseExceptionGroup as group:
        stop = first_stop(group)
        if stop is None:
            raise
        reason, code = stop.reason, stop.code
    if not looking.closed:
        await looking.showing.close()
    await world.report.send(encode_end(looking.numbers(turned(reason, backward=job.step.backward), code)))


def warm() -> None:
    """Load what sealing and opening need before the mover is locked down."""
    ours = Sealer(_warm_point(), UUID(int=0))
    ours.seal(msgspec.json.encode(Shown()))
    msgspec.json.decode(b"{}", type=Decisions)
    msgspec.json.encode(CarriedOut())
    try:
        ours.open_answer(bytes(64))
    except BadAnswer:
        return


def _warm_point() -> bytes:
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 needed here only

    return point(ec.generate_private_key(ec.SECP256R1()).public_key())


class _Looking:
    """One look, and the decisions after it."""

    def __init__(self, job: InspectJob, world: MoverWorld, zones: Mapping[str, tzinfo] | None) -> None:
        self._job = job
        self._world = world
        self._zones = zones
        self._sealer = Sealer(job.viewer, job.look)
        self.showing = Showing(world.report, self._sealer, job.rows_max)
        self.closed = False

    async def run(self) -> None:
        job, showing = self._job, self.showing
        window = None if job.until is None else Window(job.since, job.until)
        first, second = self._world.sessions
        sessions = (second, first) if job.step.backward else (first, second)
        tools = await tools_for([job.step], self._world, self._zones)
        if job.step.pairing is None:
            mapped = Substitutes(job.step, sessions)
            await _Look(job.step, mapped, StepMapping(job.step, mapped.tables, tools), sessions, showing).run(window)
            return
        step = StepJob(0, job.step, (), job.uncarried, unloaded=job.unloaded)
        pairs = PairLook(step, sessions, showing, tools, reads_only=job.reads_only)
        await pairs.run(window, rows_max=ROWS_TRIED_MAX)
        answers = self._world.answers
        if job.decide_s <= 0 or answers is None or job.opposite is None or not pairs.decidable:
            return
        await showing.close()
        self.closed = True
        await self._world.report.send(encode_end(self.numbers(EndReason.FINISHED, None), WAITS))
        clock = self._world.clock
        deadline_s = clock.monotonic_s() + job.decide_s
        done = False
        while not done and (left_s := deadline_s - clock.monotonic_s()) > 0:
            try:
                async with asyncio.timeout(left_s):
                    message = await answers()
            except TimeoutError:
                return
            done = await self._answer(message, pairs, job.opposite)

    async def _answer(self, message: bytes, pairs: PairLook, opposite: Step) -> bool:
        """Carry out what one answer decides; return whether it was the last one."""
        try:
            said = msgspec.json.decode(self._sealer.open_answer(message), type=Decisions)
        except (BadAnswer, msgspec.MsgspecError, UnicodeDecodeError):
            await self._world.report.send(REPLY)
            return False
        results = CarriedOut(tuple([await pairs.carry_out(each, opposite) for each in said.decisions]))
        await self._world.report.send(REPLY + self._sealer.seal(msgspec.json.encode(results)))
        return said.done

    def numbers(self, reason: EndReason, code: StatusCode | None) -> LookEnded:
        calls = [session.calls for session in self._world.sessions]
        return LookEnded(self.showing.rows_tried, self.showing.rows_failed, reason, code, calls[SOURCE], calls[TARGET])


class _Look:
    """A look at the rows of a step that upserts without looking."""

    def __init__(
        self,
        step: Step,
        substitutes: Substitutes,
        mapping: StepMapping,
        sessions: tuple[Session, Session],
        showing: Showing,
    ) -> None:
        self._step = step
        self._sessions = sessions
        self._substitutes = substitutes
        self._mapping = mapping
        self._showing = showing

    async def run(self, window: Window | None) -> None:
        query = query_of(self._step, self._mapping.select, window, ordered=True)
        async with aclosing(pages(self._sessions[SOURCE], query)) as batches:
            while not self._showing.full and self._showing.rows_tried < ROWS_TRIED_MAX:
                with asking(SOURCE):
                    batch = await anext(batches, None)
                if batch is None:
                    return
                await self._try(batch.reveal())
                batch.clear()

    async def _try(self, records: Sequence[Record]) -> None:
        await self._substitutes.learn(self._mapping.wanted(records))
        lot: dict[str, Record] = {}
        for record in records:
            if self._showing.full:
                return
            mapped = self._mapping.from_record(record)
            self._showing.rows_tried += 1
            if isinstance(mapped, Unsendable):
                await self._showing.rows([unsendable_row(self._step, record, mapped)])
                continue
            lot[str(mapped[self._step.key]).casefold()] = mapped
            if len(lot) >= UPSERT_ROWS_MAX:
                await self._upsert(list(lot.values()))
                lot = {}
        if lot:
            await self._upsert(list(lot.values()))

    async def _upsert(self, lot: Sequence[Record]) -> None:
        step = self._step
        with asking(TARGET):
            results = await upsert(
                self._sessions[TARGET],
                ApiName.parse(step.target),
                ApiName.parse(step.key),
                lot,
                allow_duplicates=step.allow_duplicates,
            )
        failed = [_failed(record, result) for record, result in zip(lot, results, strict=True) if not result.ok]
        await self._showing.rows(failed)


def _failed(record: Record, result: RowResult) -> ShownRow:
    return shown_row(record, result.code or StatusCode.OTHER, result.field_names, result.message)
