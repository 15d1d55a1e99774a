"""What a login history will cost is said before it is read, and is about what it then costs."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from isthmus.audit.collecting.estimate import calls_estimated, groups_per_login
from isthmus.audit.collecting.logins import blocks, count_of, read_blocks
from isthmus.audit.collecting.pace import DAY, Pace
from isthmus.audit.collecting.records import CountRecord, LoginGroupRecord
from isthmus.audit.model import Window
from isthmus.salesforce.audit_queries import GROUPS_MAX

START = datetime(2026, 6, 1, tzinfo=UTC)
DAYS = 56
OFFICE = np.array([1, 1, 1, 1, 1, 2, 8, 30, 70, 80, 70, 60, 50, 55, 65, 60, 45, 30, 15, 10, 8, 6, 4, 2]) / 675
EVEN = np.full(24, 1 / 24)


class History:
    """Logins of so many users, answered as an org does and counted call by call."""

    def __init__(self, users: int, logins: int, *, machines: bool = False) -> None:
        random = np.random.default_rng(5)
        weekend = np.array([not machines and day % 7 >= 5 for day in range(DAYS)])
        shares = np.where(weekend, 0.1, random.uniform(0.9, 1.1, DAYS))
        days = random.choice(DAYS, logins, p=shares / shares.sum())
        hours = random.choice(24, logins, p=EVEN if machines else OFFICE)
        seconds = days * 86_400 + hours * 3_600 + random.integers(0, 3_600, logins)
        order = np.argsort(seconds)
        self.seconds = seconds[order]
        self.users = random.integers(0, users, logins)[order]
        self.calls = 0

    def _between(self, since: datetime, until: datetime) -> slice:
        self.calls += 1
        edges = [(at - START).total_seconds() for at in (since, until)]
        return slice(*np.searchsorted(self.seconds, edges).tolist())

    async def count(self, since: datetime, until: datetime) -> list[CountRecord]:
        found = self._between(since, until)
        return [CountRecord(found.stop - found.start)]

    async def groups(self, since: datetime, until: datetime) -> list[LoginGroupRecord]:
        users, counts = np.unique(self.users[self._between(since, until)], return_counts=True)
        at, some = since.isoformat(), slice(GROUPS_MAX)
        return [
            LoginGroupRecord(count, at, at, str(user), "Application", "Success", "Browser")
            for user, count in zip(users[some].tolist(), counts[some].tolist(), strict=True)
        ]

    async def estimated_and_made(self) -> tuple[int, int]:
        """Return the calls that were estimated and those that were then made, the samples in both."""
        counted = [(window, await count_of(window, self.count)) for window in blocks(START, START + DAYS * DAY)]
        ratio = await groups_per_login(counted, self.groups)
        estimated, pace = self.calls + sum(calls_estimated(*block, ratio) for block in counted), Pace()
        for window, logins in counted:
            read = [block.logins async for block in read_blocks(window, self.count, self.groups, pace, logins)]
            assert sum(read) == logins
        return estimated, self.calls


@pytest.mark.parametrize(
    ("users", "logins", "machines"),
    [
        pytest.param(60, 20_000, False, id="a small office"),
        pytest.param(1_500, 250_000, False, id="a day's people fit in one answer"),
        pytest.param(20_000, 400_000, False, id="a large office"),
        pytest.param(12, 700_000, True, id="twelve integrations"),
    ],
)
def test_the_estimate_is_near_the_truth(users: int, logins: int, *, machines: bool) -> None:
    estimated, made = asyncio.run(History(users, logins, machines=machines).estimated_and_made())
    assert 0.8 * made <= estimated <= 1.5 * made, (estimated, made)


def test_without_a_sample_each_login_may_be_a_group_of_its_own() -> None:
    async def never(_since: datetime, _until: datetime) -> list[LoginGroupRecord]:
        pytest.fail("a small history needs no sample")

    week = Window(START, START + 7 * DAY)
    assert asyncio.run(groups_per_login([], never)) == 1
    assert asyncio.run(groups_per_login([(week, 5_000)], never)) == 1
    assert calls_estimated(week, 5_000, 1.0) == 7
    assert calls_estimated(week, 0, 1.0) == 0


def test_a_sample_of_a_dense_history_costs_few_calls() -> None:
    calls: list[timedelta] = []

    async def full(since: datetime, until: datetime) -> list[LoginGroupRecord]:
        calls.append(until - since)
        return [LoginGroupRecord(1, "", "")] * GROUPS_MAX

    counted = [(window, 10**9) for window in blocks(START, START + 70 * DAY)]
    assert asyncio.run(groups_per_login(counted, full)) == 1
    assert len(calls) == 12
    assert min(calls) >= timedelta(seconds=1)
