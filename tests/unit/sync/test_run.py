"""The run machine: any legal order of frames is accepted, and what comes out is the sum of what went in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.salesforce.status_code import StatusCode
from isthmus.sync.flow.frames import Calls, Ended, Frame, Moved, RowsFailed, StepDone, WindowFixed, WindowSettled
from isthmus.sync.model import EndReason, Path, RunState, Window
from isthmus.sync.run import OutOfOrder, Run, advance, begin, stopped
from isthmus.sync.service import blamed

UNTIL = datetime(2026, 1, 1, tzinfo=UTC)
WINDOW = Window(None, UNTIL)
FIXED = WindowFixed(0, WINDOW, Path.BULK, 10)
SETTLED = WindowSettled(0, WINDOW, 0, UNTIL - timedelta(minutes=1))
FINISHED = Ended(EndReason.FINISHED, None, None)


def after(*frames: Frame, steps: int = 1) -> Run:
    run = begin(steps)
    for frame in frames:
        run = advance(run, frame)
    return run


@given(
    moved=st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=10),
    failed=st.lists(st.tuples(st.sampled_from(["INVALID_FIELD", "UNABLE_TO_LOCK_ROW"]), st.integers(1, 9)), max_size=6),
)
def test_counts_add_up(moved: list[tuple[int, int]], failed: list[tuple[str, int]]) -> None:
    frames: list[Frame] = [Moved(0, read, written, 0) for read, written in moved]
    frames += [RowsFailed(0, StatusCode.parse(code), None, rows) for code, rows in failed]
    run = after(FIXED, *frames, SETTLED, StepDone(0), FINISHED)
    assert run.steps[0].rows_read == sum(read for read, _ in moved)
    assert run.steps[0].rows_written == sum(written for _, written in moved)
    assert run.rows_failed == sum(run.outcomes.values()) == sum(rows for _, rows in failed)
    assert run.state is (RunState.PARTIAL if failed else RunState.DONE)


@pytest.mark.parametrize(
    ("frames", "why"),
    [
        ((Moved(0, 1, 1, 0),), "rows outside a window"),
        ((FIXED, FIXED), "a window inside a window"),
        ((FIXED, StepDone(0)), "a step that ends with its window open"),
        ((FIXED, WindowSettled(0, Window(None, UNTIL + timedelta(days=1)), 0, None)), "another window settled"),
        ((FIXED, WindowSettled(0, WINDOW, 0, UNTIL + timedelta(seconds=1))), "a watermark past the window"),
        ((FIXED, SETTLED, FIXED, SETTLED), "two watermarks for one step"),
        ((StepDone(0), FIXED), "work after the end of a step"),
        ((StepDone(1),), "a step that the plan does not have"),
        ((FINISHED,), "finished with a step undone"),
        ((StepDone(0), FINISHED, Calls(1, 1)), "a frame after the last"),
        ((Calls(5, 5), Calls(4, 5)), "calls taken back"),
    ],
)
def test_a_frame_that_may_not_come_now_is_refused(frames: tuple[Frame, ...], why: str) -> None:
    with pytest.raises(OutOfOrder):
        after(*frames)


def test_a_mover_that_dies_leaves_a_failed_run_with_its_counts() -> None:
    run = stopped(after(FIXED, Moved(0, 5, 5, 0)), EndReason.MOVER_DIED)
    assert (run.state, run.end, run.steps[0].rows_written) == (RunState.FAILED, EndReason.MOVER_DIED, 5)
    assert run.steps[0].watermark is None


def test_a_revocation_has_a_state_of_its_own() -> None:
    assert after(Ended(EndReason.SOURCE_REVOKED, 0, None)).state is RunState.REVOKED


@pytest.mark.parametrize(
    ("said", "source", "target", "end", "state"),
    [
        (EndReason.SOURCE_LEASE_LOST, "active", "needs_reauth", EndReason.TARGET_LEASE_LOST, RunState.FAILED),
        (EndReason.TARGET_LEASE_LOST, "needs_reauth", "active", EndReason.SOURCE_LEASE_LOST, RunState.FAILED),
        (EndReason.TARGET_LEASE_LOST, "needs_reauth", "needs_reauth", EndReason.TARGET_LEASE_LOST, RunState.FAILED),
        (EndReason.TARGET_LEASE_LOST, "active", "active", EndReason.TARGET_LEASE_LOST, RunState.FAILED),
        (EndReason.SOURCE_LEASE_LOST, "needs_reauth", "revoked", EndReason.TARGET_REVOKED, RunState.REVOKED),
        (EndReason.SOURCE_LEASE_LOST, "revoked", None, EndReason.SOURCE_REVOKED, RunState.REVOKED),
    ],
)
def test_a_lost_lease_is_blamed_on_the_org_that_lost_it(
    said: EndReason, source: str, target: str | None, end: EndReason, state: RunState
) -> None:
    run = blamed(stopped(begin(1), said), [source, target])
    assert (run.end, run.state) == (end, state)
