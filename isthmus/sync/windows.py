"""Which windows the steps of a run read: pure, from the plan and from what earlier runs have left.

Each step has a window of its own that begins at its watermark, and reads windows with failed rows again. A step of a
two-way sync is also told which spans the step of the other direction has not carried yet: a change in there may be
newer than what it writes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Final

import msgspec

from isthmus.sync.flow.job import SOURCE, StepJob, WindowJob
from isthmus.sync.flow.reading import CLOCK_STEP
from isthmus.sync.model import Plan, Step, StepKind, Window
from isthmus.sync.pairing import Winner
from isthmus.sync.planning.run_tag import tagged
from isthmus.sync.planning.two_way import opposite

NOTHING_SEEN: Final[Mapping[int, datetime]] = MappingProxyType({})
SPANS_MAX: Final = 64
"""More spans than this are told as one that has them all."""


def step_jobs(
    plan: Plan,
    *,
    settled: Collection[int],
    marks: Mapping[int, datetime],
    retries: Sequence[tuple[int, Window]],
    waiting: Sequence[tuple[int, Window]] = (),
    own: bool = True,
    winner: int | None = None,
    seen: Mapping[int, datetime] = NOTHING_SEEN,
    tag: str = "",
) -> tuple[StepJob, ...]:
    """Return the steps that are left to do, in their order, with their windows.

    `retries` are (step, window) to read again, numbered from 1; `waiting` all windows with failed rows; `own` False: a
    run that only reads again. `winner`: a person has decided all conflicts for the sync's source (0) or its target (1).
    `seen`: up to where steps have read, see `read_until`. `tag` is the run's own.
    """
    jobs: list[StepJob] = []
    for number, step in enumerate(plan.steps):
        if number in settled:
            continue
        first = (WindowJob(marks.get(number)),) if own else ()
        again = (WindowJob(w.since, w.until, n) for n, (each, w) in enumerate(retries, start=1) if each == number)
        spans = uncarried(plan, number, {**marks, **seen}, waiting)
        written = step if plan.run_tag is None else tagged(step, plan.run_tag, tag)
        other = opposite(plan, number) if plan.two_way else None
        overlap = None if other is None else marks.get(other)
        unloaded = unread_by_load(plan, number, {**marks, **seen}, waiting)
        jobs.append(
            StepJob(number, decided(written, winner), (*first, *again), spans, seen.get(number), overlap, unloaded)
        )
    # Deletions count from before the first row was read: else what is deleted between two attempts at a first run, of
    # which only the first has read it, would stay in the target for ever.
    jobs.sort(key=lambda each: not (each.step.kind is StepKind.DELETE and each.ordinal not in marks))
    return tuple(jobs)


def decided(step: Step, winner: int | None) -> Step:
    """Return the step with a person's decision in the place of its rules for conflicts."""
    if winner is None or step.pairing is None:
        return step
    rule = Winner.SOURCE if (winner == SOURCE) is not step.backward else Winner.TARGET
    return msgspec.structs.replace(step, pairing=msgspec.structs.replace(step.pairing, conflicts=rule, fields={}))


def read_until(window: Window) -> datetime:
    """Return up to where a step has read once this window of its own is settled.

    The window ends a second after the run began, and what came in that second may not have been seen.
    """
    return window.until - CLOCK_STEP


def uncarried(
    plan: Plan, number: int, marks: Mapping[int, datetime], waiting: Sequence[tuple[int, Window]]
) -> tuple[WindowJob, ...]:
    """Return the spans of changes in the target of step `number` that its opposite has not carried."""
    return _unread(opposite(plan, number) if plan.two_way else None, marks, waiting)


def unread_by_load(
    plan: Plan, number: int, marks: Mapping[int, datetime], waiting: Sequence[tuple[int, Window]]
) -> tuple[WindowJob, ...]:
    """Return, for a pass that sets links, the spans that the load of the other direction has not carried.

    The pass before it may have read further: in a run that was resumed, or where rows of the load failed.
    """
    links = plan.two_way and plan.steps[number].kind is StepKind.LINK
    return _unread(opposite(plan, number, StepKind.LOAD) if links else None, marks, waiting)


def _unread(
    step: int | None, marks: Mapping[int, datetime], waiting: Sequence[tuple[int, Window]]
) -> tuple[WindowJob, ...]:
    if step is None:
        return ()
    spans = sorted({window for each, window in waiting if each == step}, key=lambda span: span.until)
    if len(spans) > SPANS_MAX:
        begins = [span.since for span in spans]
        earliest = None if None in begins else min(begin for begin in begins if begin is not None)
        spans = [Window(earliest, spans[-1].until)]
    return (WindowJob(marks.get(step)), *(WindowJob(span.since, span.until) for span in spans))
