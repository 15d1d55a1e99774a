"""What is unusual is said from counts alone, and what is usual is not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.sync.telling.anomalies import AnomalyKind, RunCounts, overdue, silence, unusual_run

NOON = datetime(2026, 6, 10, 12, tzinfo=UTC)
PLAIN = RunCounts(NOON, NOON + timedelta(seconds=4), read=200, written=198, failed=2, deleted=3, finished=True)
HISTORY = [replace(PLAIN, read=200 + n) for n in range(-5, 6)]


def kinds(run: RunCounts, history: list[RunCounts] = HISTORY) -> set[AnomalyKind]:
    return {anomaly.kind for anomaly in unusual_run(history, run)}


@pytest.mark.parametrize(
    ("run", "kind"),
    [
        (replace(PLAIN, read=2_000), AnomalyKind.SURGE),
        (replace(PLAIN, deleted=60), AnomalyKind.DELETIONS),
        (replace(PLAIN, written=120, failed=80), AnomalyKind.FAILURES),
        (replace(PLAIN, ended_at=NOON + timedelta(minutes=11)), AnomalyKind.SLOW),
    ],
)
def test_what_is_unusual_is_said(run: RunCounts, kind: AnomalyKind) -> None:
    assert kinds(run) == {kind}


@pytest.mark.parametrize(
    "run",
    [
        PLAIN,
        replace(PLAIN, read=0, written=0, failed=0, deleted=0),
        replace(PLAIN, read=900),
        replace(PLAIN, deleted=14),
        replace(PLAIN, written=4, failed=9),
        replace(PLAIN, ended_at=NOON + timedelta(minutes=9)),
    ],
)
def test_what_is_usual_or_small_is_not_said(run: RunCounts) -> None:
    assert kinds(run) == set()


def test_few_rows_are_no_surge_however_many_times_more() -> None:
    assert kinds(replace(PLAIN, read=400), [replace(PLAIN, read=1)] * 20) == set()


def test_a_sync_that_always_fails_is_not_news() -> None:
    failing = replace(PLAIN, written=0, failed=100)
    assert kinds(failing, [failing] * 20) == set()


def test_a_young_sync_has_no_history_to_be_compared_with() -> None:
    assert kinds(replace(PLAIN, read=100_000), HISTORY[:7]) == set()


def test_a_day_without_rows_after_a_busy_week_is_silence() -> None:
    found = silence([0, 300, 250, 20, 400, 310, 290, 280])
    assert found is not None
    assert (found.kind, found.seen, found.usual) == (AnomalyKind.SILENCE, 0, 290)


@pytest.mark.parametrize(
    "days",
    [[5, 300, 250, 20, 400, 310, 290, 280], [0, 300, 250, 0, 0, 310, 290, 280], [0, 300, 250, 200, 400, 310, 290], [0]],
    ids=["some", "weekend", "six-days", "new"],
)
def test_no_silence_where_rows_came_or_days_without_are_usual(days: list[int]) -> None:
    assert silence(days) is None


def test_a_sync_that_is_due_and_does_not_begin_is_overdue() -> None:
    found = overdue(NOON - timedelta(minutes=40), 120, NOON)
    assert found is not None
    assert "40 minutes" in found.text
    assert overdue(NOON - timedelta(minutes=14), 120, NOON) is None
    assert overdue(NOON - timedelta(minutes=40), 3600, NOON) is None
    assert overdue(NOON + timedelta(minutes=40), 120, NOON) is None
    assert overdue(None, 120, NOON) is None


counts = st.builds(
    RunCounts,
    st.just(NOON),
    st.integers(0, 10**5).map(lambda s: NOON + timedelta(seconds=s)),
    read=st.integers(0, 10**6),
    written=st.integers(0, 10**6),
    failed=st.integers(0, 10**6),
    deleted=st.integers(0, 10**6),
    finished=st.booleans(),
)


@given(st.lists(counts, max_size=30), counts)
def test_every_notice_says_what_was_seen_beside_what_is_usual(history: list[RunCounts], run: RunCounts) -> None:
    for anomaly in unusual_run(history, run):
        assert anomaly.text.endswith(".")
        assert anomaly.remedy.endswith(".")
        assert anomaly.seen > anomaly.usual


@given(st.lists(counts, min_size=8, max_size=20), st.data())
def test_a_run_like_one_before_it_is_never_news(history: list[RunCounts], data: st.DataObject) -> None:
    again = data.draw(st.sampled_from(history))
    assert not {AnomalyKind.SURGE, AnomalyKind.DELETIONS} & {a.kind for a in unusual_run(history, again)}
