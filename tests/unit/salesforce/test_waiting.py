"""How often a Bulk job is asked for its state: an API call each time, for as long as the org takes."""

from __future__ import annotations

import pytest

from isthmus.salesforce.waiting import EARLIER_STUCK_S, POLL_MAX_S, STUCK_S, JobState, Watch, seen, wait_s


def questions(job_s: float, *, rows: int = 250_000, starts_s: float = 0.0, tells: bool = True) -> tuple[int, float]:
    """Return how many questions a job of that length is asked, and how long after its end the last one comes."""
    watch, now, asked = Watch(0.0, 0.0), 0.0, 0
    while True:
        asked += 1
        if now >= job_s:
            return asked, now - job_s
        done = int(rows * max(now - starts_s, 0.0) / (job_s - starts_s)) // 10_000 * 10_000 if tells else 0
        watch = seen(watch, JobState("InProgress", done), now)
        pause = wait_s(watch, now, rows)
        assert pause is not None
        now += pause


@pytest.mark.parametrize(
    ("job_s", "starts_s", "asked_max"), [(1.0, 0.0, 6), (15.0, 5.0, 16), (300.0, 60.0, 26), (1_200.0, 120.0, 34)]
)
def test_a_long_job_is_asked_seldom_and_its_end_is_not_missed_for_long(
    job_s: float, starts_s: float, asked_max: int
) -> None:
    asked, late_s = questions(job_s, starts_s=starts_s)
    assert asked <= asked_max
    assert late_s <= max(job_s * 0.35, 0.5)


def test_a_job_that_tells_nothing_of_its_progress_is_asked_every_half_minute_at_most() -> None:
    asked, late_s = questions(1_200.0, tells=False)
    assert (asked <= 70, late_s <= 30.0) == (True, True)


def test_a_job_without_progress_is_stuck_and_one_with_any_is_not() -> None:
    watch = seen(Watch(0.0, 0.0), JobState("InProgress", 5), 10.0)
    assert wait_s(watch, 10.0 + STUCK_S - 1, 100) is not None
    assert wait_s(watch, 10.0 + STUCK_S, 100) is None
    moved = seen(watch, JobState("InProgress", 6), 10.0 + STUCK_S)
    assert wait_s(moved, 10.0 + STUCK_S, 100) == POLL_MAX_S


def test_a_job_that_was_there_already_is_waited_for_less_long() -> None:
    watch = seen(Watch(0.0, 0.0), JobState("UploadComplete"), 0.0)
    assert wait_s(watch, EARLIER_STUCK_S - 1, None, EARLIER_STUCK_S) is not None
    assert wait_s(watch, EARLIER_STUCK_S, None, EARLIER_STUCK_S) is None
    assert EARLIER_STUCK_S * 5 < STUCK_S
