"""Which windows the steps of a run read: pure, from the plan and from what earlier runs have left.

Each step has a window of its own that begins at its watermark, and reads windows with failed rows again. A step of a
two-way sync is also told which spans the step of the other direction has not carried yet: a change in there may be
newer than what it writes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from isthmus.sync.flow.job import StepJob, WindowJob
from isthmus.sync.model import Plan, StepKind, Window
from isthmus.sync.two_way import opposite

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
) -> tuple[StepJob, ...]:
    """Return the steps that are left to do, in their order, with their windows.

    `retries` are (step, window) to read again, numbered from 1; `waiting` all windows with failed rows; `own` False: a
    run that only reads again.
    """
    jobs: list[StepJob] = []
    for number, step in enumerate(plan.steps):
        if number in settled:
            continue
        first = (WindowJob(marks.get(number)),) if own else ()
        again = (WindowJob(w.since, w.until, n) for n, (each, w) in enumerate(retries, start=1) if each == number)
        jobs.append(StepJob(number, step, (*first, *again), uncarried(plan, number, marks, waiting)))
    # Deletions count from before the first row was read: else what is deleted between two attempts at a first run, of
    # which only the first has read it, would stay in the target for ever.
    jobs.sort(key=lambda each: not (each.step.kind is StepKind.DELETE and each.ordinal not in marks))
    return tuple(jobs)


def uncarried(
    plan: Plan, number: int, marks: Mapping[int, datetime], waiting: Sequence[tuple[int, Window]]
) -> tuple[WindowJob, ...]:
    """Return the spans of changes in the target of step `number` that its opposite has not carried."""
    other = opposite(plan, number) if plan.two_way else None
    if other is None:
        return ()
    spans = sorted({window for step, window in waiting if step == other}, key=lambda span: span.until)
    if len(spans) > SPANS_MAX:
        begins = [span.since for span in spans]
        earliest = None if None in begins else min(begin for begin in begins if begin is not None)
        spans = [Window(earliest, spans[-1].until)]
    return (WindowJob(marks.get(other)), *(WindowJob(span.since, span.until) for span in spans))
