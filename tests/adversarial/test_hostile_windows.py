"""Window borders against late commits, whole minutes and clocks that are off: nothing is skipped, nothing waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from isthmus.salesforce.session import Session
from isthmus.sync.flow.reading import CLOCK_STEP, idle_since, next_since
from isthmus.sync.model import Step, StepKind, Window
from isthmus.values import ApiName

DAY = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)
STEP = Step(kind=StepKind.LOAD, source="Account", target="Account", key="Key__c", columns=())
TRANSACTION_MAX = timedelta(minutes=10)


@dataclass(frozen=True)
class Change:
    """A row stamped at `stamp` that nobody sees before `commit`."""

    stamp: datetime
    commit: datetime


@dataclass
class Source:
    """What the reading asks of a session: getUpdated's bound, and our own clock."""

    changes: list[Change]
    at: datetime
    drift: timedelta
    lag: timedelta

    def now(self) -> datetime:
        return self.at + self.drift

    @property
    def clock(self) -> Source:
        return self

    async def covered_until(self, _name: ApiName, _start: datetime, end: datetime) -> datetime:
        """The whole minute of the end asked for, or of the oldest open transaction's start."""
        opened = [change.stamp for change in self.changes if change.stamp <= self.at < change.commit]
        return min([end - self.lag, *opened]).replace(second=0, microsecond=0)


SECONDS = st.integers(0, 3_600)
CHANGES = st.lists(
    st.builds(
        lambda at, open_s, ms: Change(
            DAY + timedelta(seconds=at, milliseconds=ms), DAY + timedelta(seconds=at + open_s, milliseconds=ms)
        ),
        SECONDS,
        st.integers(0, int(TRANSACTION_MAX.total_seconds())),
        st.integers(0, 999),
    ),
    max_size=12,
)


@given(
    changes=CHANGES,
    runs=st.lists(st.integers(1, 900), min_size=1, max_size=12),
    drift_s=st.integers(-7_200, 7_200),
    lag_s=st.integers(0, 300),
    reading_ms=st.integers(0, 90_000),
)
async def test_every_change_is_read_by_the_first_run_after_its_commit_and_none_is_skipped(
    changes: list[Change], runs: list[int], drift_s: int, lag_s: int, reading_ms: int
) -> None:
    source = Source(changes, DAY, timedelta(seconds=drift_s), timedelta(seconds=lag_s))
    since: datetime | None = None
    read: set[int] = set()
    for wait_s in [*runs, 7_200]:
        source.at += timedelta(seconds=wait_s)
        began = source.at
        window = Window(since, began.replace(microsecond=0) + CLOCK_STEP)
        due = {n for n, change in enumerate(changes) if change.commit <= began}
        found = {
            n
            for n, change in enumerate(changes)
            if change.commit <= source.at and (since is None or since <= change.stamp) and change.stamp < window.until
        }
        if found:
            session: Session = source  # type: ignore[assignment]  # what `next_since` asks of a session, and no more
            since = await next_since(session, STEP, window)
            source.at += timedelta(milliseconds=reading_ms)
        else:
            since = idle_since(window, source.now())
        read |= found
        assert due <= read
        assert since <= window.until
