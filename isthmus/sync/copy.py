"""`copy`: the one-shot sync without a database and without a keeper; the same plan, the same mover."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from isthmus.sync.model import EndReason, Issue, Plan


@dataclass(frozen=True, slots=True)
class StepCount:
    """Rows of one step so far."""

    title: str
    path: str
    rows_expected: int
    rows_read: int
    rows_written: int
    rows_created: int
    rows_failed: int
    settled: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """How many rows of a step failed for one reason."""

    step: str
    code: str
    field: str | None
    rows: int
    cause: str
    remedy: str


@dataclass(frozen=True, slots=True)
class CopyResult:
    """What a copy did. `message` is None when it ran to its end, else what stopped it and the remedy."""

    plan: Plan | None
    issues: tuple[Issue, ...]
    dry_run: bool
    steps: tuple[StepCount, ...]
    failures: tuple[Failure, ...]
    calls_source: int
    calls_target: int
    seconds: float
    end: EndReason
    message: str | None
    sandbox: str | None
    mover_peak_rss_bytes: int | None
    mover_cpu_s: float | None

    @property
    def exit_status(self) -> int:
        """0 done, 1 done with failed rows, 2 refused or stopped."""
        if self.message is not None or self.plan is None:
            return 2
        return 1 if any(step.rows_failed for step in self.steps) else 0


Progress = Callable[[tuple[StepCount, ...]], None]
