"""Whether the end of a run is worth telling: once when trouble begins, once a day while it lasts, once when it is over.

| end | told |
|---|---|
| a grant lost or revoked, refused, a ceiling, a fault, failed rows | at once |
| an org or a mover away, a broken read | after `PASSING_RUNS` such ends in a row: most pass by themselves |
| a budget or an allowance used up | never: that is a pause, which the sync page shows |
| the first run without trouble and without open failed windows | as recovery, if trouble was told |
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from isthmus.sync.model import EndReason, RunState

PASSING_RUNS: Final = 3
REMINDER_AFTER: Final = timedelta(days=1)
_PASSING: Final = frozenset(
    {
        EndReason.SOURCE_UNAVAILABLE,
        EndReason.TARGET_UNAVAILABLE,
        EndReason.INCOMPLETE_READ,
        EndReason.MOVER_DIED,
        EndReason.LEASES_ENDED,
        EndReason.UNEXPECTED_ANSWER,
        EndReason.MALFORMED_CSV,
    }
)
_PAUSES: Final = frozenset(
    {EndReason.SOURCE_BUDGET, EndReason.TARGET_BUDGET, EndReason.SOURCE_LIMITED, EndReason.TARGET_LIMITED}
)


class NoticeKind(StrEnum):
    """What a notice tells."""

    FAILURE = "failure"
    REMINDER = "reminder"
    RECOVERY = "recovery"
    DIGEST = "digest"
    ANOMALY = "anomaly"


@dataclass(frozen=True, slots=True)
class Alert:
    """Whether a sync is in trouble: since when, when it was told last, and how many runs in a row it has been."""

    failing_since: datetime | None = None
    told_at: datetime | None = None
    runs_failed: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """The alert after a run, and what is to be told, if anything."""

    alert: Alert
    kind: NoticeKind | None


def after_end(alert: Alert, state: RunState, end: EndReason | None, *, windows_open: int, now: datetime) -> Told:
    """Return what follows from the end of a run. `windows_open`: failed windows that still wait for a retry."""
    if end in _PAUSES:
        return Told(alert, None)
    if state is RunState.DONE:
        if windows_open and alert.failing_since is not None:
            # An idle run proves nothing while failed rows wait.
            return _reminded(alert, now)
        return Told(Alert(), NoticeKind.RECOVERY if alert.told_at is not None else None)
    failing = replace(alert, failing_since=alert.failing_since or now, runs_failed=alert.runs_failed + 1)
    if failing.told_at is not None:
        return _reminded(failing, now)
    if end in _PASSING and failing.runs_failed < PASSING_RUNS:
        return Told(failing, None)
    return Told(replace(failing, told_at=now), NoticeKind.FAILURE)


def _reminded(alert: Alert, now: datetime) -> Told:
    if alert.told_at is None or now - alert.told_at < REMINDER_AFTER:
        return Told(alert, None)
    return Told(replace(alert, told_at=now), NoticeKind.REMINDER)
