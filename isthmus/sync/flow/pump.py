"""The work of a mover that moves records: step by step, window by window, in the plan's order.

A step of a two-way sync may go backward: then the sync's target is its source. For each window: (1) fix its bounds by
the source's clock, (2) count its rows and choose the path, (3) ask where the
next window may begin, (4) read, map and write, (5) say that it is settled. Only then does the next begin, so a mover
that dies at any point leaves windows that are either settled or to be done again; upserts make that harmless.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, tzinfo
from typing import Final

from isthmus.salesforce.bulk import await_earlier_jobs
from isthmus.salesforce.query import Compare, FieldPath, count, soql_select
from isthmus.salesforce.status_code import StatusCode
from isthmus.salesforce.world import MoverWorld
from isthmus.sync.flow.both import Both, look_at_both
from isthmus.sync.flow.computed import NO_TOOLS, tools_for
from isthmus.sync.flow.csv_blocks import RecordCutter, header_names
from isthmus.sync.flow.frames import Ended, StepDone, Tagged, WindowFixed, WindowSettled
from isthmus.sync.flow.job import SOURCE, TARGET, StepJob, SyncJob, WindowJob
from isthmus.sync.flow.large import move_large
from isthmus.sync.flow.mapping import StepMapping
from isthmus.sync.flow.pair_windows import move_bereft, move_pairs
from isthmus.sync.flow.paths import choose_path
from isthmus.sync.flow.probing import probe
from isthmus.sync.flow.reading import CLOCK_STEP, idle_since, next_since, query_of, server_until
from isthmus.sync.flow.removing import Removal, look_for_deleted, remove
from isthmus.sync.flow.removing_pairs import look_for_deleted_pairs, remove_pairs
from isthmus.sync.flow.sides import Stopped, asking, first_stop, turned
from isthmus.sync.flow.small import SmallWriter, move_small
from isthmus.sync.flow.swaps import swapped
from isthmus.sync.flow.tally import Tally, calls_of, send
from isthmus.sync.model import Column, ColumnKind, EndReason, Path, Step, StepKind, Window
from isthmus.values import ApiName

PERCENT: Final = 100
PACE_ROWS_MIN: Final = 200
"""Fewer rows tell nothing about the pace of a window."""
GENTLE_TIMES: Final = 10
TAG_PAUSE_S: Final = 2.0
"""Orgs stamp in whole seconds."""


async def work(job: SyncJob, world: MoverWorld, *, zones: Mapping[str, tzinfo] | None = None) -> None:
    """Do `job` and report in frames; the last one says how it ended. `zones`: see `computed.zones_for`."""
    pump = _Pump(job, world, zones)
    try:
        await pump.run()
        ended = Ended(EndReason.FINISHED, None, None)
    except Stopped as stop:
        ended = Ended(turned(stop.reason, backward=pump.backward), pump.step, stop.code)
    except BaseExceptionGroup as group:
        stop = first_stop(group)
        if stop is None:
            raise
        ended = Ended(turned(stop.reason, backward=pump.backward), pump.step, stop.code)
    await send(world.report, [*calls_of((world.sessions[SOURCE], world.sessions[TARGET])), ended])


def warm() -> None:
    """Drive the record path once on a made-up row, so that nothing of it is loaded after the mover is locked down."""
    column = Column(target="B", kind=ColumnKind.COPY, source="B")
    mapping = StepMapping(Step(kind=StepKind.LOAD, source="X", target="X", key="K", columns=(column,)))
    cutter = RecordCutter()
    block = b"".join(cutter.feed(b'"Id","B"\n')) + cutter.finish()
    header_names(block)
    parsed = mapping.codec.parse(b'"1",""\n"2","#N/A"\n')
    for part in mapping.from_block(parsed).parts:
        list(mapping.from_part(part))
    swapped(parsed.values(1), {})


class _Pump:
    """One job while it runs."""

    def __init__(self, job: SyncJob, world: MoverWorld, zones: Mapping[str, tzinfo] | None) -> None:
        self._job = job
        self._world = world
        self._zones = zones
        self._tools = NO_TOOLS
        self._report = world.report
        self._sessions = (world.sessions[SOURCE], world.sessions[TARGET])
        self._both = Both(self._sessions)
        self._idle: set[tuple[bool, str, str | None, datetime | None]] = set()
        self._bereft: dict[tuple[bool, str], tuple[str, ...]] = {}
        self._rest_rows_per_s: float | None = None
        self._tallies: list[Tally] = []
        self.step: int | None = None
        self.backward = False

    async def run(self) -> None:
        self._tools = await tools_for([step.step for step in self._job.steps], self._world, self._zones)
        until = [await server_until(self._sessions[SOURCE])]
        if any(step.step.pairing is not None and step.step.pairing.two_way for step in self._job.steps):
            self._both = await look_at_both(self._sessions)
            self.backward = True
            until.append(await server_until(self._sessions[TARGET]))
        if self._job.tagged and not self._job.dry_run:
            await self._tag()
        await self._probe(until)
        for step in self._job.steps:
            self.step = step.ordinal
            self._tallies.clear()
            for window in step.windows:
                self.backward = False
                self._check_budget()
                self.backward = step.step.backward
                await self._window(step, window, until[self.backward])
            await self._bring_back(step, until[-1] if step.step.backward else until[0])
            if step.step.critical and any(tally.rows_failed for tally in self._tallies):
                raise Stopped(EndReason.CRITICAL_STEP)
            await send(self._report, [StepDone(step.ordinal)])
        self.step, self.backward = None, False

    async def _tag(self) -> None:
        """Say from when on rows carry this run's tag; what an earlier run created lies clearly before that."""
        with asking(TARGET):
            now = await self._sessions[TARGET].server_time()
        await send(self._report, [Tagged(now.replace(microsecond=0))])
        await asyncio.sleep(TAG_PAUSE_S)

    def _tally(self, job: StepJob) -> Tally:
        """Return a new count for a window of the step at hand."""
        self._tallies.append(Tally(self._report, job.ordinal, self._sessions))
        return self._tallies[-1]

    async def _probe(self, until: list[datetime]) -> None:
        """Ask about many windows at once, forward and backward; a one-shot copy has none that were read before."""
        for backward, end in enumerate(until):
            self.backward = bool(backward)
            steps = [step for step in self._job.steps if step.step.backward == self.backward]
            if not self._job.unbounded:
                await probe(self._sides().sessions[SOURCE], steps, end)

    def _sides(self) -> Both:
        """Both orgs as the step at hand sees them."""
        return self._both.turned() if self.backward else self._both

    def _check_budget(self) -> None:
        """Stop between two windows, where nothing is lost: a window itself costs few calls."""
        reasons = (EndReason.SOURCE_BUDGET, EndReason.TARGET_BUDGET)
        for session, reason, ceiling in zip(self._sessions, reasons, self._job.ceilings, strict=True):
            if ceiling.calls_left is not None and session.calls > ceiling.calls_left:
                raise Stopped(reason)
            usage = session.usage
            if usage is None:
                continue
            day = min(self._job.budget.day_percent, ceiling.day_percent) * usage.max
            if usage.used * PERCENT > day or session.calls * PERCENT > self._job.budget.run_percent * usage.max:
                raise Stopped(reason)

    async def _window(self, job: StepJob, window_job: WindowJob, until: datetime) -> None:
        window = Window(window_job.since, window_job.until or until)
        if window.since is not None and window.since >= window.until:
            return
        if job.step.kind is StepKind.DELETE:
            await self._remove(job, window, window_job.retry)
            return
        bounds = None if self._job.unbounded else window
        rows = await self._count(job, bounds, window)
        # A window that is read again had rows that a large job could not bring in: small lots are gentler.
        gentle = GENTLE_TIMES if window_job.retry else 1
        chosen = choose_path(
            rows,
            bulk_rows_min=self._job.bulk_rows_min * gentle,
            rest_rows_per_s=self._rest_rows_per_s,
            usage=self._sides().sessions[TARGET].usage,
        )
        path = chosen.path
        if (
            rows
            and _looks_first(job.step, bounds)
            and not (path is Path.BULK and await self._is_blank(job, bounds, window_job.retry))
        ):
            path = Path.COLLECTIONS  # pairs are looked at row by row
        await send(self._report, [WindowFixed(job.ordinal, window, path, rows)])
        own = window_job.retry == 0 and not self._job.dry_run and not self._job.unbounded
        source = self._sides().sessions[SOURCE]
        watermark = idle_since(window, source.clock.now()) if own else None
        if rows and not self._job.dry_run:
            if own:
                watermark = await next_since(source, job.step, window)
            await self._move(job, bounds, path, rows, again=window_job.retry > 0)
        settled = WindowSettled(job.ordinal, window, window_job.retry, watermark)
        await send(self._report, [*calls_of(self._sessions), settled])

    async def _bring_back(self, job: StepJob, until: datetime) -> None:
        """Make again what lives on though its counterpart is gone; in a window that holds no row."""
        bereft = self._bereft.get((job.step.backward, job.step.source), ())
        if not bereft or job.step.kind is not StepKind.LOAD or self._job.dry_run:
            return
        self.backward = job.step.backward
        window = Window(until, until + CLOCK_STEP)
        await send(self._report, [WindowFixed(job.ordinal, window, Path.COLLECTIONS, len(bereft))])
        await move_bereft(job, bereft, self._sides(), self._tally(job), self._tools)
        await send(self._report, [*calls_of(self._sessions), WindowSettled(job.ordinal, window, 0, None)])

    async def _remove(self, job: StepJob, window: Window, retry: int) -> None:
        """Deletions are told by windows of a schedule: a one-shot copy has none before its own."""
        both = self._sides()
        if self._job.unbounded:
            removal = None
        elif job.step.pairing is not None:
            await self._await_first_load(job.step, window)
            removal = await look_for_deleted_pairs(job, window, both)
        else:
            removal = await look_for_deleted(job.step, window, both.sessions)
        found = removal.found if removal else ()
        path = Path.COLLECTIONS if found else Path.NONE
        await send(self._report, [WindowFixed(job.ordinal, window, path, len(found))])
        own = retry == 0 and not self._job.dry_run
        watermark = removal.watermark if removal is not None and own else None
        if removal is not None and not self._job.dry_run:
            tally = self._tally(job)
            if job.step.pairing is None or job.step.flag is not None:
                await remove(job.step, removal, both.sessions[TARGET], tally)
            elif await self._remove_pairs(job.step, removal, tally, retry) and own:
                watermark = None
        await send(self._report, [*calls_of(self._sessions), WindowSettled(job.ordinal, window, retry, watermark)])

    async def _await_first_load(self, step: Step, window: Window) -> None:
        """A first load's Bulk job outlives its mover, and may yet create what is deleted already: let it end first."""
        loads = (job for job in self._job.steps if job.step.kind is StepKind.LOAD and job.step.source == step.source)
        if window.since is None or not any(
            load.step.backward is step.backward and any(each.since is None and not each.retry for each in load.windows)
            for load in loads
        ):
            return
        with asking(TARGET):
            target = self._sides().sessions[TARGET]
            await await_earlier_jobs(target, ApiName.parse(step.target), ApiName.parse(step.key))

    async def _remove_pairs(self, step: Step, removal: Removal, tally: Tally, retry: int) -> bool:
        """Delete; say whether records are left whose counterparts the other direction has to make again."""
        kept = {row_id for child in step.children for row_id in self._bereft.get((not step.backward, child.target), ())}
        left = await remove_pairs(step, removal, self._sides(), tally, again=retry > 0, kept=kept)
        place = (not step.backward, step.target)
        self._bereft[place] = (*self._bereft.get(place, ()), *left.bereft)
        # Where a window of its own stays open it is looked at again whatever waits; any other has to be kept as failed.
        rows = left.waiting + (len(left.bereft) if retry else 0)
        if rows and (retry or not left.bereft):
            tally.failed(StatusCode.DELETION_WAITS, None, rows)
            await tally.flush()
        return bool(left.bereft)

    async def _count(self, job: StepJob, bounds: Window | None, window: Window) -> int:
        """A second pass needs no question where the first one found nothing in the same window."""
        same = (job.step.backward, job.step.source, job.step.where, window.since)
        if job.step.kind is StepKind.LINK and same in self._idle:
            return 0
        with asking(SOURCE):
            rows = await count(self._sides().sessions[SOURCE], query_of(job.step, ("Id",), bounds, ordered=False))
        if rows == 0 and job.step.kind is StepKind.LOAD:
            self._idle.add(same)
        return rows

    async def _is_blank(self, job: StepJob, window: Window | None, retry: int) -> bool:
        """Whether no row of the window can be paired yet: a first load has nothing to look at, and may go by Bulk."""
        step, pairing = job.step, job.step.pairing
        first = step.kind is StepKind.LOAD and (window is None or window.since is None) and not retry
        if not first or pairing is None or pairing.adoption is not None:
            return False
        if pairing.two_way:  # an earlier attempt's upload may still be making the pairs that are looked for here
            with asking(TARGET):
                target = self._sides().sessions[TARGET]
                await await_earlier_jobs(target, ApiName.parse(step.target), ApiName.parse(step.key))
        until = [] if window is None else [Compare(FieldPath.of(step.stamp), "<", window.until)]
        keepers = ((TARGET, step.target), (SOURCE, step.source))
        for side, name in keepers[: 2 if pairing.two_way else 1]:
            paired = [Compare(FieldPath.of(step.key), "!=", None), *(until if side == SOURCE else ())]
            soql = soql_select(ApiName.parse(name), [FieldPath.of("Id")], paired)
            with asking(side):
                if await count(self._sides().sessions[side], soql):
                    return False
        return True

    async def _move(self, job: StepJob, bounds: Window | None, path: Path, rows: int, *, again: bool) -> None:
        tally = self._tally(job)
        sessions = self._sides().sessions
        if path is not Path.BULK and _looks_first(job.step, bounds):
            await move_pairs(job, bounds, self._sides(), tally, self._tools, again=again)
            return
        writer = SmallWriter(job.step, sessions, tally, self._tools)
        if path is Path.BULK:
            await move_large(
                job.step,
                bounds,
                sessions,
                writer,
                tally,
                rows_expected=rows,
                bulk_rows_min=self._job.bulk_rows_min,
                upload_bytes_max=self._job.upload_bytes_max,
            )
        else:
            began_s = self._sessions[SOURCE].clock.monotonic_s()
            await move_small(job.step, bounds, sessions[SOURCE], writer, tally)
            took_s = self._sessions[SOURCE].clock.monotonic_s() - began_s
            if rows >= PACE_ROWS_MIN and took_s > 0:
                self._rest_rows_per_s = rows / took_s
        await tally.flush()


def _looks_first(step: Step, window: Window | None) -> bool:
    """Whether a window's rows are written with a look at what is there: always both ways, else to adopt at first."""
    pairing = step.pairing
    return pairing is not None and (pairing.two_way or pairing.always or window is None or window.since is None)
