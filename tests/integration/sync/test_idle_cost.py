"""What an idle sync costs: API calls by the orgs' own accounting. The bar: ten objects, at most 1,500 calls a day."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from isthmus.clock import SystemClock
from isthmus.salesforce.world import MoverWorld
from isthmus.sync.flow import pump
from isthmus.sync.flow.frames import Calls, Ended, Frame, Usage, WindowFixed, decode
from isthmus.sync.flow.job import StepJob, SyncJob, WindowJob
from isthmus.sync.model import TRACKING_FIELD, Column, ColumnKind, EndReason, Step, StepKind
from tests.support.copying import Pair, two_orgs
from tests.support.engine import open_session
from tests.support.orgsim import Orgsim

OBJECTS: Final = ("Account", "Contact", "Opportunity", "Lead", "Case")
"""Asked twice each, with another filter: what counts is ten different questions."""
RUNS_A_DAY: Final = 720
CALLS_A_DAY_MAX: Final = 1_500


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    home: Path = tmp_path_factory.mktemp("home")
    with two_orgs(home) as orgs:
        yield orgs


class Heard:
    """What a mover says."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []

    async def send(self, message: bytes) -> None:
        self.frames.append(decode(message))


def used(org: Orgsim) -> int:
    """The org's own count of the day; asking counts as one more."""
    limits: Any = org.call("GET", "/services/data/v62.0/limits")[2]
    return limits["DailyApiRequests"]["Max"] - limits["DailyApiRequests"]["Remaining"]


def ten_steps(since: datetime, *, deletes: bool = False) -> tuple[StepJob, ...]:
    filters = (f"{field} != NULL" for _ in OBJECTS for field in ("CreatedDate", "LastModifiedDate"))
    column = Column(target="Description", kind=ColumnKind.COPY, source="Description")
    steps = [
        Step(kind=StepKind.LOAD, source=name, target=name, key=TRACKING_FIELD, columns=(column,), where=where)
        for name, where in zip((name for name in OBJECTS for _ in range(2)), filters, strict=True)
    ]
    if deletes:
        steps += [Step(kind=StepKind.DELETE, source=name, target=name, key=TRACKING_FIELD) for name in OBJECTS]
    return tuple(StepJob(number, step, (WindowJob(since),)) for number, step in enumerate(steps))


async def run_once(pair: Pair, job: SyncJob) -> list[Frame]:
    heard = Heard()
    async with open_session(pair.source) as source, open_session(pair.target) as target:
        await pump.work(job, MoverWorld([source, target], heard, SystemClock()))
    return heard.frames


@pytest.mark.parametrize("deletes", [False, True])
async def test_ten_idle_objects_cost_two_calls_a_run_and_1440_a_day(pair: Pair, *, deletes: bool) -> None:
    cycles = 6
    before = used(pair.source), used(pair.target)
    for _ in range(cycles):
        since = datetime.now(UTC) - timedelta(minutes=2)
        frames = await run_once(pair, SyncJob(endpoints=[], steps=ten_steps(since, deletes=deletes)))
        assert frames[-1] == Ended(EndReason.FINISHED, None, None)
        assert all(frame.rows_expected == 0 for frame in frames if isinstance(frame, WindowFixed))
    after = used(pair.source) - 1, used(pair.target) - 1
    a_run = [(now - then) / cycles for then, now in zip(before, after, strict=True)]
    assert a_run == [2, 0]
    assert sum(a_run) * RUNS_A_DAY == 1_440 <= CALLS_A_DAY_MAX


async def test_the_runs_own_count_is_the_orgs_and_its_word_on_the_day_travels_up(pair: Pair) -> None:
    before = used(pair.source)
    frames = await run_once(pair, SyncJob(endpoints=[], steps=ten_steps(datetime.now(UTC) - timedelta(minutes=2))))
    calls = [frame for frame in frames if isinstance(frame, Calls)][-1]
    usage = [frame for frame in frames if isinstance(frame, Usage)][-1]
    assert (calls.source, calls.target) == (2, 0)
    assert (usage.side, usage.used) == (0, before + 2)


async def test_what_has_changed_is_counted_once_and_read(pair: Pair) -> None:
    since = datetime.now(UTC) - timedelta(days=2)
    pair.source.add_rows("Lead", [{"LastName": "A", "Company": "B", "Description": "C"}])
    frames = await run_once(pair, SyncJob(endpoints=[], steps=ten_steps(since), dry_run=True))
    expected = [frame.rows_expected for frame in frames if isinstance(frame, WindowFixed)]
    assert expected == [0, 0, 0, 0, 0, 0, 1, 1, 0, 0]
    assert [frame for frame in frames if isinstance(frame, Calls)][-1] == Calls(2, 0)


async def test_an_org_that_refuses_to_answer_together_is_asked_one_by_one(pair: Pair) -> None:
    body = [{"errorCode": "FUNCTIONALITY_NOT_ENABLED", "message": "no"}]
    rule = {"path": "/composite$", "method": "POST", "status": 400, "body": body}
    pair.source.control("POST", "/faults", rule)
    try:
        frames = await run_once(
            pair, SyncJob(endpoints=[], steps=ten_steps(datetime.now(UTC) - timedelta(minutes=2)), dry_run=True)
        )
    finally:
        pair.source.control("DELETE", "/faults")
    assert frames[-1] == Ended(EndReason.FINISHED, None, None)
    assert [frame for frame in frames if isinstance(frame, Calls)][-1].source == 12
