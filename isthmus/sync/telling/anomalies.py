"""What is unusual about a sync, told from counts alone: pure functions over its own history, damped for low volume.

| kind | when |
|---|---|
| more than usual | a run moved five times as many rows as the busiest before it, and at least 500 |
| deletions | a run removed five times as many records as the most before it, and at least 50 |
| failures | the share of rows that fail rose by a fifth over the usual, with at least 10 rows |
| silence | nothing came for a day, though every one of the seven days before brought at least 20 rows |
| overdue | an active sync is due for a quarter of an hour and three intervals, and does not run |
| slow | a run took five times as long as usual for no more rows, and at least ten minutes |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from statistics import median
from typing import Final

RUNS_MIN: Final = 8
"""Fewer runs are no history."""
TIMES: Final = 5
ROWS_MIN: Final = 500
DELETED_MIN: Final = 50
FAILED_MIN: Final = 10
SHARE_RISE: Final = 0.2
DAYS: Final = 7
DAY_ROWS_MIN: Final = 20
OVERDUE_MIN: Final = timedelta(minutes=15)
OVERDUE_INTERVALS: Final = 3
SLOW_MIN: Final = timedelta(minutes=10)


class AnomalyKind(IntEnum):
    """What is unusual. Ordinals are stored."""

    SURGE = 1
    DELETIONS = 2
    FAILURES = 3
    SILENCE = 4
    OVERDUE = 5
    SLOW = 6


_TEXTS: Final[dict[AnomalyKind, tuple[str, str]]] = {
    AnomalyKind.SURGE: (
        "The run read {seen:,} rows; none of those before it read more than {usual:,}.",
        "If nobody expected it, look for a mass update or an import in the source.",
    ),
    AnomalyKind.DELETIONS: (
        "The run removed {seen:,} records; none before it removed more than {usual:,}.",
        "If nobody meant it, pause the sync, restore them from the target's recycle bin, and lower `ceiling`.",
    ),
    AnomalyKind.FAILURES: (
        "{seen:,} % of the run's rows failed; usually {usual:,} % do.",
        "The codes of the run say why. Often a field, a rule or a right changed in the target.",
    ),
    AnomalyKind.SILENCE: (
        "No change has come for a day; usually {usual:,} rows come in a day.",
        "Check the step's filter, the connected user's access to the source, and whether the source is in use at all.",
    ),
    AnomalyKind.OVERDUE: (
        "The sync has been due for {seen:,} minutes and does not begin.",
        "Check that a worker runs (`isthmus doctor`), and whether other runs keep all of them busy.",
    ),
    AnomalyKind.SLOW: (
        "The run took {seen:,} seconds; usually a run takes {usual:,}.",
        "Look at automation and at other jobs in the target at that time.",
    ),
}


@dataclass(frozen=True, slots=True)
class Anomaly:
    """One unusual thing: what was seen, what is usual (in the same measure), in plain words, and what to look at."""

    kind: AnomalyKind
    name: str
    seen: int
    usual: int
    text: str
    remedy: str


def anomaly_of(kind: AnomalyKind, seen: int, usual: int) -> Anomaly:
    """Return the anomaly in plain words: they are made of its numbers alone."""
    text, remedy = _TEXTS[kind]
    return Anomaly(kind, kind.name.lower(), seen, usual, text.format(seen=seen, usual=usual), remedy)


@dataclass(frozen=True, slots=True)
class RunCounts:
    """What one ended run did. `deleted` is part of `written`."""

    began_at: datetime
    ended_at: datetime
    read: int
    written: int
    failed: int
    deleted: int
    finished: bool


def unusual_run(history: Sequence[RunCounts], run: RunCounts) -> tuple[Anomaly, ...]:
    """Return what is unusual about `run` beside the runs before it. The first load of a sync is not in any history."""
    if len(history) < RUNS_MIN:
        return ()
    found = (_surge(history, run), _deletions(history, run), _failures(history, run), _slow(history, run))
    return tuple(anomaly for anomaly in found if anomaly is not None)


def silence(day_rows: Sequence[int]) -> Anomaly | None:
    """Return whether a sync has fallen silent. `day_rows`: rows read in the last 24 hours, those before, and so on."""
    if len(day_rows) <= DAYS or day_rows[0]:
        return None
    before = day_rows[1 : DAYS + 1]
    if min(before) < DAY_ROWS_MIN:
        return None
    return anomaly_of(AnomalyKind.SILENCE, 0, round(median(before)))


def overdue(due_at: datetime | None, interval_s: int, now: datetime) -> Anomaly | None:
    """Return whether an active sync that is due does not begin."""
    if due_at is None:
        return None
    late = now - due_at
    if late < OVERDUE_MIN or late < OVERDUE_INTERVALS * timedelta(seconds=interval_s):
        return None
    return anomaly_of(AnomalyKind.OVERDUE, int(late.total_seconds() // 60), 0)


def _surge(history: Sequence[RunCounts], run: RunCounts) -> Anomaly | None:
    usual = max(each.read for each in history)
    if run.read < ROWS_MIN or run.read < TIMES * max(usual, 1):
        return None
    return anomaly_of(AnomalyKind.SURGE, run.read, usual)


def _deletions(history: Sequence[RunCounts], run: RunCounts) -> Anomaly | None:
    usual = max(each.deleted for each in history)
    if run.deleted < DELETED_MIN or run.deleted < TIMES * max(usual, 1):
        return None
    return anomaly_of(AnomalyKind.DELETIONS, run.deleted, usual)


def _failures(history: Sequence[RunCounts], run: RunCounts) -> Anomaly | None:
    share = _share(run.failed, run.written)
    usual = _share(sum(each.failed for each in history), sum(each.written for each in history))
    if run.failed < FAILED_MIN or share < usual + SHARE_RISE:
        return None
    return anomaly_of(AnomalyKind.FAILURES, round(share * 100), round(usual * 100))


def _slow(history: Sequence[RunCounts], run: RunCounts) -> Anomaly | None:
    took = run.ended_at - run.began_at
    usual = timedelta(seconds=median((each.ended_at - each.began_at).total_seconds() for each in history))
    if took < SLOW_MIN or took < TIMES * usual or run.read > max(each.read for each in history):
        return None
    return anomaly_of(AnomalyKind.SLOW, int(took.total_seconds()), int(usual.total_seconds()))


def _share(failed: int, written: int) -> float:
    return failed / (failed + written) if failed + written else 0.0
