"""A look at rows that fail: try the rows of one failed window once more, and seal those that fail to whoever looks.

No id of a row is kept anywhere, so which rows fail can only be found out by trying; an upsert that now succeeds is no
harm, the next run would have done the same.
"""

from __future__ import annotations

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
from isthmus.salesforce.records import Cell, Record
from isthmus.salesforce.status_code import StatusCode
from isthmus.salesforce.world import MoverWorld
from isthmus.sync.flow.computed import Tools, tools_for
from isthmus.sync.flow.frames import BadFrame
from isthmus.sync.flow.job import SOURCE, TARGET
from isthmus.sync.flow.mapping import StepMapping, Unsendable
from isthmus.sync.flow.reading import query_of
from isthmus.sync.flow.sealing import Sealer
from isthmus.sync.flow.sides import Stopped, asking, first_stop, turned
from isthmus.sync.flow.substitutes import Substitutes
from isthmus.sync.model import EndReason, Step, Window
from isthmus.values import ApiName

ROWS_SHOWN_MAX: Final = 50
ROWS_TRIED_MAX: Final = 20_000
TEXT_LENGTH_MAX: Final = 400
ROW_BYTES_MAX: Final = 48 * 1024
"""Longer texts are cut, and fields left out, so that a row fits into a message; blamed fields come first."""
SEALED: Final = b"\x01"
END: Final = b"\x02"
_END = struct.Struct(">IIHhII")


class InspectJob(msgspec.Struct, frozen=True, tag_field="kind", tag="inspect"):
    """Try `step` between `since` and `until`, show at most `rows_max` failing rows to the holder of `viewer`'s key."""

    endpoints: list[Endpoint]
    step: Step
    since: datetime | None
    until: datetime | None
    viewer: bytes
    look: UUID
    rows_max: int


class ShownRow(msgspec.Struct, frozen=True):
    """A failing row: what was sent (or, where nothing could be, what was read), and the org's answer."""

    values: dict[str, str | None]
    code: str
    fields: tuple[str, ...]
    message: str

    def __repr__(self) -> str:
        """Show the code only."""
        return f"<ShownRow {self.code}>"


class Shown(msgspec.Struct, frozen=True):
    """One message to the viewer. `last`: nothing follows, so that a viewer sees whether something is missing."""

    rows: tuple[ShownRow, ...] = ()
    last: bool = False


@dataclass(frozen=True, slots=True)
class LookEnded:
    """How a look ended, in numbers: the only thing that the worker can read of it."""

    rows_tried: int
    rows_failed: int
    reason: EndReason
    code: StatusCode | None
    calls_source: int
    calls_target: int


def encode_end(end: LookEnded) -> bytes:
    """Return the last message of a look."""
    code = -1 if end.code is None else int(end.code)
    numbers = (end.rows_tried, end.rows_failed, end.reason, code, end.calls_source, end.calls_target)
    return END + _END.pack(*numbers)


def decode_end(unverified_message: bytes) -> LookEnded:
    """Return what `encode_end` was given. Raises `BadFrame`."""
    try:
        tried, failed, reason, code, source, target = _END.unpack(unverified_message.removeprefix(END))
        return LookEnded(tried, failed, EndReason(reason), None if code < 0 else StatusCode(code), source, target)
    except (struct.error, ValueError):
        message = "the end of a look has its form"
        raise BadFrame(message) from None


async def work(job: InspectJob, world: MoverWorld, *, zones: Mapping[str, tzinfo] | None = None) -> None:
    """Try, seal, report; the last message says how it ended. `zones`: see `computed.zones_for`."""
    look = _Look(job, world)
    reason, code = EndReason.FINISHED, None
    try:
        await look.run(await tools_for([job.step], world, zones))
    except Stopped as stop:
        reason, code = stop.reason, stop.code
    except BaseExceptionGroup as group:
        stop = first_stop(group)
        if stop is None:
            raise
        reason, code = stop.reason, stop.code
    await look.close()
    reason = turned(reason, backward=job.step.backward)
    calls = [session.calls for session in world.sessions]
    end = LookEnded(look.rows_tried, look.rows_failed, reason, code, calls[SOURCE], calls[TARGET])
    await world.report.send(encode_end(end))


def warm() -> None:
    """Load what sealing needs before the mover is locked down."""
    look = UUID(int=0)
    ours = Sealer(_warm_point(), look)
    ours.seal(msgspec.json.encode(Shown()))


def _warm_point() -> bytes:
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 needed here only

    from isthmus.sync.flow.sealing import point  # noqa: PLC0415 needed here only

    return point(ec.generate_private_key(ec.SECP256R1()).public_key())


class _Look:
    """One look while it lasts."""

    def __init__(self, job: InspectJob, world: MoverWorld) -> None:
        self._job = job
        self._report = world.report
        first, second = world.sessions
        self._sessions = (second, first) if job.step.backward else (first, second)
        self._sealer = Sealer(job.viewer, job.look)
        self._substitutes = Substitutes(job.step, self._sessions)
        self._rows_max = min(job.rows_max, ROWS_SHOWN_MAX)
        columns = job.step.columns
        self._masked = {name for c in columns if c.transform is not None and c.transform.mask for name in c.reads}
        self._shown = 0
        self.rows_tried = 0
        self.rows_failed = 0

    async def run(self, tools: Tools) -> None:
        job = self._job
        self._mapping = StepMapping(job.step, self._substitutes.tables, tools)
        window = None if job.until is None else Window(job.since, job.until)
        query = query_of(job.step, self._mapping.select, window, ordered=True)
        async with aclosing(pages(self._sessions[SOURCE], query)) as batches:
            while self._shown < self._rows_max and self.rows_tried < ROWS_TRIED_MAX:
                with asking(SOURCE):
                    batch = await anext(batches, None)
                if batch is None:
                    return
                await self._try(batch.reveal())
                batch.clear()

    async def close(self) -> None:
        """Say that nothing follows."""
        await self._send(Shown(last=True))

    async def _try(self, records: Sequence[Record]) -> None:
        await self._substitutes.learn(self._mapping.wanted(records))
        lot: dict[str, Record] = {}
        for record in records:
            if self._shown >= self._rows_max:
                return
            mapped = self._mapping.from_record(record)
            self.rows_tried += 1
            if isinstance(mapped, Unsendable):
                column = None if mapped.ordinal is None else self._job.step.columns[mapped.ordinal].target
                told = {name: value for name, value in record.items() if name not in self._masked}
                await self._show([_row(told, mapped.code, () if column is None else (column,), "")])
                continue
            lot[str(mapped[self._job.step.key]).casefold()] = mapped
            if len(lot) >= UPSERT_ROWS_MAX:
                await self._upsert(list(lot.values()))
                lot = {}
        if lot:
            await self._upsert(list(lot.values()))

    async def _upsert(self, lot: Sequence[Record]) -> None:
        step = self._job.step
        with asking(TARGET):
            results = await upsert(
                self._sessions[TARGET],
                ApiName.parse(step.target),
                ApiName.parse(step.key),
                lot,
                allow_duplicates=step.allow_duplicates,
            )
        failed = [_failed(record, result) for record, result in zip(lot, results, strict=True) if not result.ok]
        await self._show(failed)

    async def _show(self, rows: Sequence[ShownRow]) -> None:
        self.rows_failed += len(rows)
        for row in rows[: self._rows_max - self._shown]:
            self._shown += 1
            await self._send(Shown((row,)))

    async def _send(self, shown: Shown) -> None:
        await self._report.send(SEALED + self._sealer.seal(msgspec.json.encode(shown)))


def _failed(record: Record, result: RowResult) -> ShownRow:
    return _row(record, result.code or StatusCode.OTHER, result.field_names, result.message)


def _row(record: Record, code: StatusCode, fields: Sequence[str], message: str) -> ShownRow:
    blamed = {name.casefold() for name in fields}
    names = sorted(record, key=lambda name: name.casefold() not in blamed)
    while True:
        values = {name: _text(record[name]) for name in names}
        row = ShownRow(values, code.name, tuple(fields), message[:TEXT_LENGTH_MAX])
        if len(msgspec.json.encode(row)) <= ROW_BYTES_MAX:
            return row
        names = names[: len(names) // 2]


def _text(value: Cell) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    text = msgspec.json.encode(value).decode() if isinstance(value, dict) else str(value)
    return text[:TEXT_LENGTH_MAX]
