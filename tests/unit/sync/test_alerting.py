"""One trouble is told once, reminded of once a day, and its end told once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.sync.model import EndReason, RunState
from isthmus.sync.telling.alerting import Alert, NoticeKind, after_end

NOON = datetime(2026, 6, 10, 12, tzinfo=UTC)
STEP = timedelta(minutes=2)
BAD = (RunState.FAILED, EndReason.TARGET_REFUSED)
AWAY = (RunState.FAILED, EndReason.TARGET_UNAVAILABLE)
GOOD = (RunState.DONE, EndReason.FINISHED)
PARTIAL = (RunState.PARTIAL, EndReason.FINISHED)
SPENT = (RunState.FAILED, EndReason.TARGET_BUDGET)
End = tuple[RunState, EndReason]


def told(ends: list[End], *, windows_open: int = 0, step: timedelta = STEP) -> list[str]:
    alert, kinds = Alert(), list[str]()
    for number, (state, end) in enumerate(ends):
        result = after_end(alert, state, end, windows_open=windows_open, now=NOON + number * step)
        alert = result.alert
        kinds.append(result.kind.value if result.kind else "-")
    return kinds


@pytest.mark.parametrize(
    ("ends", "kinds"),
    [
        ([BAD] * 5 + [GOOD] * 2, ["failure", "-", "-", "-", "-", "recovery", "-"]),
        ([PARTIAL, GOOD], ["failure", "recovery"]),
        ([AWAY, AWAY, GOOD], ["-", "-", "-"]),
        ([AWAY, AWAY, AWAY, AWAY, GOOD], ["-", "-", "failure", "-", "recovery"]),
        ([AWAY, BAD, GOOD], ["-", "failure", "recovery"]),
        ([SPENT] * 5 + [GOOD], ["-"] * 6),
        ([BAD, SPENT, GOOD], ["failure", "-", "recovery"]),
        ([GOOD] * 3, ["-"] * 3),
    ],
)
def test_what_is_told_of_a_row_of_runs(ends: list[End], kinds: list[str]) -> None:
    assert told(ends) == kinds


def test_trouble_that_lasts_is_reminded_of_once_a_day() -> None:
    kinds = told([BAD] * (3 * 720))
    assert [n for n, kind in enumerate(kinds) if kind != "-"] == [0, 720, 1440]
    assert kinds[720] == "reminder"


def test_an_idle_run_while_failed_rows_wait_is_no_recovery() -> None:
    assert told([PARTIAL, GOOD, GOOD], windows_open=1) == ["failure", "-", "-"]


ends = st.lists(st.sampled_from((BAD, AWAY, GOOD, PARTIAL, SPENT)), max_size=60)


@given(ends)
def test_failures_and_recoveries_take_turns(row: list[End]) -> None:
    loud = [kind for kind in told(row) if kind in {"failure", "recovery"}]
    assert loud == ["failure", "recovery"] * (len(loud) // 2) + ["failure"] * (len(loud) % 2)


@given(ends)
def test_nobody_is_told_more_than_once_of_one_trouble(row: list[End]) -> None:
    assert NoticeKind.REMINDER.value not in told(row), "two hours are no day"
