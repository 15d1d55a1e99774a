"""The state of one run as a pure function of the frames that its mover sends.

A frame that may not follow what came before raises `OutOfOrder`: the mover is stopped and the run fails, because a
count that cannot be trusted is worse than none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from isthmus.salesforce.status_code import StatusCode
from isthmus.sync.flow.frames import (
    Calls,
    Ended,
    Frame,
    Moved,
    Noted,
    RowsFailed,
    StepDone,
    Tagged,
    Usage,
    WindowFixed,
    WindowSettled,
)
from isthmus.sync.flow.job import SOURCE
from isthmus.sync.model import EndReason, Path, RunState, Window

OUTCOMES_MAX: Final = 4096
"""Different reasons of failure that one run may report; a mover that reports more is stopped."""

_REVOKED: Final = frozenset({EndReason.SOURCE_REVOKED, EndReason.TARGET_REVOKED})


class OutOfOrder(Exception):
    """A frame that may not come now. The message names the rule."""


@dataclass(frozen=True, slots=True)
class StepRun:
    """What one step has done in this run."""

    path: Path = Path.NONE
    rows_expected: int = 0
    rows_read: int = 0
    rows_written: int = 0
    rows_created: int = 0
    rows_failed: int = 0
    open_window: Window | None = None
    open_failures: int = 0
    open_outcomes: Mapping[tuple[StatusCode, int | None], int] = field(
        default_factory=dict[tuple[StatusCode, int | None], int]
    )
    """Failed rows of the open window by (code, column)."""
    watermark: datetime | None = None
    done: bool = False

    @property
    def open_codes(self) -> frozenset[StatusCode]:
        """Why rows of the open window failed."""
        return frozenset(code for code, _ in self.open_outcomes)


@dataclass(frozen=True, slots=True)
class Run:
    """One execution of a plan. `steps` are in the plan's order; `outcomes` counts rows by (step, code, column)."""

    steps: tuple[StepRun, ...]
    state: RunState = RunState.RUNNING
    end: EndReason | None = None
    end_step: int | None = None
    end_code: StatusCode | None = None
    calls_source: int = 0
    calls_target: int = 0
    usage_source: Usage | None = None
    usage_target: Usage | None = None
    outcomes: dict[tuple[int, StatusCode, int | None], int] = field(
        default_factory=dict[tuple[int, StatusCode, int | None], int]
    )

    @property
    def rows_failed(self) -> int:
        """Failed rows of all steps."""
        return sum(step.rows_failed for step in self.steps)


def begin(steps: int, settled: Mapping[int, StepRun] | None = None) -> Run:
    """Return a run that has just started, with `steps` steps; `settled` are those that an earlier attempt finished."""
    done = settled or {}
    return Run(steps=tuple(done.get(number, StepRun()) for number in range(steps)))


def advance(run: Run, frame: Frame) -> Run:  # noqa: C901, PLR0911 - one clause per kind of frame
    """Return the run after `frame`, or raise `OutOfOrder`."""
    _demand(run.end is None, "nothing follows the last frame")
    match frame:
        case Calls(source, target):
            _demand(source >= run.calls_source and target >= run.calls_target, "calls are never taken back")
            return replace(run, calls_source=source, calls_target=target)
        case Tagged():
            return run
        case Usage(side):
            return replace(run, usage_source=frame) if side == SOURCE else replace(run, usage_target=frame)
        case Ended():
            return _ended(run, frame)
        case WindowFixed(number, window, path, rows):
            step = _step(run, number)
            _demand(step.open_window is None, "a window is settled before the next begins")
            opened = replace(
                step,
                path=max(path, step.path),
                rows_expected=step.rows_expected + rows,
                open_window=window,
                open_failures=0,
                open_outcomes={},
            )
            return _with(run, number, opened)
        case Moved(number, read, written, created):
            step = _open_step(run, number)
            moved = replace(
                step,
                rows_read=step.rows_read + read,
                rows_written=step.rows_written + written,
                rows_created=step.rows_created + created,
            )
            return _with(run, number, moved)
        case RowsFailed():
            return _failed(run, frame)
        case Noted(number):
            _open_step(run, number)
            return _counted(run, frame)
        case WindowSettled(number, window, _, watermark):
            step = _open_step(run, number)
            _demand(step.open_window == window, "the window that is settled is the one that was opened")
            _demand(watermark is None or watermark <= window.until, "a watermark never passes its window")
            _demand(watermark is None or step.watermark is None, "a step's own window is settled once")
            settled = replace(step, open_window=None, watermark=watermark or step.watermark)
            return _with(run, number, settled)
        case StepDone(number):
            step = _step(run, number)
            _demand(step.open_window is None, "a step is done when its windows are settled")
            return _with(run, number, replace(step, done=True))


def stopped(run: Run, reason: EndReason) -> Run:
    """Return the run after its mover ended without a last frame, or was ended by us, for `reason`."""
    return _ended(run, Ended(reason, None, None)) if run.end is None else run


def _ended(run: Run, frame: Ended) -> Run:
    if frame.reason is EndReason.FINISHED:
        _demand(all(step.done for step in run.steps), "a run has finished when every step is done")
        state = RunState.PARTIAL if run.rows_failed else RunState.DONE
    else:
        state = RunState.REVOKED if frame.reason in _REVOKED else RunState.FAILED
    return replace(run, state=state, end=frame.reason, end_step=frame.step, end_code=frame.code)


def _counted(run: Run, frame: RowsFailed | Noted) -> Run:
    key = (frame.step, frame.code, frame.field)
    outcomes = {**run.outcomes, key: run.outcomes.get(key, 0) + frame.rows}
    _demand(len(outcomes) <= OUTCOMES_MAX, "reasons of failure are few")
    return replace(run, outcomes=outcomes)


def _failed(run: Run, frame: RowsFailed) -> Run:
    step = _open_step(run, frame.step)
    reason = (frame.code, frame.field)
    failed = replace(
        step,
        rows_failed=step.rows_failed + frame.rows,
        open_failures=step.open_failures + frame.rows,
        open_outcomes={**step.open_outcomes, reason: step.open_outcomes.get(reason, 0) + frame.rows},
    )
    return _with(_counted(run, frame), frame.step, failed)


def _step(run: Run, number: int) -> StepRun:
    _demand(number < len(run.steps), "the step is one of the plan's")
    step = run.steps[number]
    _demand(not step.done, "a step that is done does no more")
    return step


def _open_step(run: Run, number: int) -> StepRun:
    step = _step(run, number)
    _demand(step.open_window is not None, "rows move within a window")
    return step


def _with(run: Run, number: int, step: StepRun) -> Run:
    return replace(run, steps=(*run.steps[:number], step, *run.steps[number + 1 :]))


def _demand(holds: bool, rule: str) -> None:  # noqa: FBT001 - reads as a sentence where it is called
    if not holds:
        raise OutOfOrder(rule)
