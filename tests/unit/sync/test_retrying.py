"""How often and when windows with failed rows are read again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from isthmus.sync.mending.retrying import PAUSE_MAX, is_due, pause_after

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_the_first_attempt_comes_at_once_and_pauses_double_up_to_a_limit() -> None:
    minutes = [pause_after(attempts).total_seconds() / 60 for attempts in range(10)]
    assert minutes == [0, 2, 4, 8, 16, 32, 64, 128, 256, PAUSE_MAX.total_seconds() / 60]
    assert pause_after(10**9) == PAUSE_MAX


@pytest.mark.parametrize(("attempts", "times", "due"), [(0, 0, False), (0, 1, True), (1, 1, False), (9, 10, True)])
def test_a_sync_says_how_often(attempts: int, times: int, due: bool) -> None:
    assert is_due(attempts, NOW - timedelta(days=2), NOW, times=times) is due


def test_a_window_waits_for_its_pause() -> None:
    assert not is_due(1, NOW - timedelta(minutes=1), NOW, times=5)
    assert is_due(1, NOW - timedelta(minutes=2), NOW, times=5)
