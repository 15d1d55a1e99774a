"""The budget of an org over all its syncs: what is left, when a run may begin, when it will be used up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isthmus.sync.timing.budget import (
    PAUSE,
    OrgCalls,
    UsageSample,
    calls_left,
    forecast,
    own_left,
    pace_per_hour,
    paused_until,
)

NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)


def samples(*pairs: tuple[int, int]) -> list[UsageSample]:
    return [UsageSample(NOW - timedelta(minutes=ago), used) for ago, used in pairs]


def test_an_org_that_has_told_nothing_yet_holds_nobody_up() -> None:
    assert calls_left(OrgCalls()) is None
    assert own_left(OrgCalls()) is None
    assert paused_until(OrgCalls(), NOW) is None
    assert forecast([], OrgCalls(), NOW) is None


def test_the_share_of_the_day_counts_everybodys_calls() -> None:
    calls = OrgCalls(7_000, 15_000, NOW, own=10)
    assert calls_left(calls) == 5_000
    assert paused_until(calls, NOW) is None


def test_the_smaller_of_both_shares_counts() -> None:
    calls = OrgCalls(7_000, 15_000, NOW, own=1_400, own_percent=10)
    assert calls_left(calls) == 100


def test_a_used_up_day_is_looked_at_again_an_hour_after_the_org_was_last_asked() -> None:
    calls = OrgCalls(12_000, 15_000, NOW - timedelta(minutes=20), own=10)
    assert paused_until(calls, NOW) == NOW + timedelta(minutes=40)
    assert paused_until(calls, NOW + timedelta(minutes=40)) is None


def test_a_used_up_share_of_our_own_waits_without_asking_the_org() -> None:
    calls = OrgCalls(100, 15_000, NOW - timedelta(hours=5), own=1_500, own_percent=10)
    assert paused_until(calls, NOW) == NOW + PAUSE


def test_the_forecast_says_when_the_budget_is_used_up_at_the_pace_of_the_last_hour() -> None:
    calls = OrgCalls(10_000, 15_000, NOW, own=900)
    seen = forecast(samples((60, 9_400), (30, 9_700), (0, 10_000), (600, 0)), calls, NOW)
    assert seen is not None
    assert (seen.budget, seen.left, seen.per_hour) == (12_000, 2_000, 600)
    assert seen.used_up_at == NOW + timedelta(hours=2_000 / 600)


@pytest.mark.parametrize("known", [samples((0, 5)), samples((5, 1), (0, 5)), []])
def test_too_little_knowledge_gives_no_pace(known: list[UsageSample]) -> None:
    assert pace_per_hour(known, NOW) is None
    seen = forecast(known, OrgCalls(10, 15_000, NOW), NOW)
    assert seen is not None
    assert seen.used_up_at is None


def test_a_pace_that_lasts_for_more_than_a_day_uses_nothing_up() -> None:
    calls = OrgCalls(1_000, 15_000, NOW)
    seen = forecast(samples((60, 900), (0, 1_000)), calls, NOW)
    assert seen is not None
    assert seen.used_up_at is None


def test_calls_that_fall_out_of_the_day_faster_than_new_ones_come_are_no_pace() -> None:
    assert pace_per_hour(samples((60, 9_000), (0, 8_000)), NOW) == 0


@given(st.integers(0, 10**6), st.integers(1, 10**6), st.integers(0, 10**6), st.integers(1, 100), st.integers(1, 100))
def test_what_is_left_is_never_more_than_either_share_and_never_negative(
    used: int, allowed: int, own: int, day: int, share: int
) -> None:
    calls = OrgCalls(used, allowed, NOW, own, day, share)
    left = calls_left(calls)
    assert left is not None
    assert 0 <= left <= max(0, allowed * day // 100 - used)
    assert left <= max(0, allowed * share // 100 - own)
    assert (paused_until(calls, NOW) is None) == (left > 0)
