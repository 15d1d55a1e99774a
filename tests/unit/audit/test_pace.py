"""How long a window of logins may be: never above what a grouped query can show for long, and not far below it."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from isthmus.audit.collecting.pace import DAY, GROUPS_AIMED, HOUR, Pace
from isthmus.salesforce.audit_queries import GROUPS_MAX

MONDAY = datetime(2026, 6, 1, tzinfo=UTC)
WEEKS = 8


def groups_in(since: datetime, until: datetime, busiest: int) -> int:
    """Return an office's groups: `busiest` an hour at noon, few at night, a tenth at weekends."""
    total, at = 0.0, since
    while at < until:
        stop = min(at.replace(minute=0, second=0, microsecond=0) + HOUR, until)
        share = max(0.02, 1 - abs(at.hour - 12) / 6) * (0.1 if at.weekday() >= 5 else 1)
        total += busiest * share * (stop - at).total_seconds() / 3600
        at = stop
    return int(total)


def windows(busiest: int) -> list[tuple[int, timedelta]]:
    """Walk through eight weeks as the reader does; return each call's groups and length."""
    pace, at, calls, end = Pace(), MONDAY, [], MONDAY + timedelta(weeks=WEEKS)
    while at < end:
        until = pace.until(at, min(at + DAY, end))
        groups = groups_in(at, until, busiest)
        while groups >= GROUPS_MAX:
            calls.append((groups, until - at))
            pace.learn(at, until, GROUPS_MAX)
            until = min(pace.until(at, min(at + DAY, end)), at + (until - at) / 2)
            groups = groups_in(at, until, busiest)
        pace.learn(at, until, groups)
        calls.append((groups, until - at))
        at = until
    return calls


def test_a_small_org_is_read_day_by_day() -> None:
    assert {length for _, length in windows(20)} == {DAY}


@pytest.mark.parametrize("busiest", [500, 3_000, 20_000])
def test_a_large_org_costs_few_calls_more_than_the_least_that_its_groups_need(busiest: int) -> None:
    calls = windows(busiest)
    least = groups_in(MONDAY, MONDAY + timedelta(weeks=WEEKS), busiest) / GROUPS_AIMED
    days = WEEKS * 7
    assert len(calls) <= 1.25 * least + 2 * days, (len(calls), least)
    wasted = sum(groups >= GROUPS_MAX for groups, _ in calls)
    assert wasted <= 0.05 * len(calls) + 24, (wasted, len(calls))


def test_a_window_always_goes_on_and_never_beyond_its_end() -> None:
    pace, random_ = Pace(), random.Random(1)
    end = MONDAY + timedelta(days=3)
    for _ in range(300):
        since = MONDAY + timedelta(seconds=random_.randrange(3 * 86_400))
        until = pace.until(since, end)
        assert since < until <= end
        pace.learn(since, until, random_.choice([0, 1, 700, GROUPS_MAX, 50_000]))


def test_pieces_have_about_as_many_groups_each_and_leave_nothing_out() -> None:
    pace, day = Pace(), [MONDAY + timedelta(hours=h) for h in range(25)]
    assert pace.edges(MONDAY, MONDAY + DAY, 4) == day[::6]  # nothing is known yet
    for since, until in pairwise(day):
        pace.learn(since, until, groups_in(since, until, 1_000))
    edges = pace.edges(MONDAY, MONDAY + DAY, 4)
    assert (edges[0], edges[-1], len(edges)) == (MONDAY, MONDAY + DAY, 5)
    sizes = [groups_in(since, until, 1_000) for since, until in pairwise(edges)]
    assert max(sizes) <= 1.2 * min(sizes), sizes
    assert edges[1] - edges[0] > 2 * (edges[2] - edges[1])  # the night is long
