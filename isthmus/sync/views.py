"""What pages and commands show of syncs and runs: counts, codes and times, in frozen rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from isthmus.sync.model import PauseReason, RunState, SyncState


@dataclass(frozen=True, slots=True)
class SyncView:
    """One saved sync as a list shows it."""

    id: UUID
    title: str
    source_connection: UUID
    target_connection: UUID
    source_alias: str
    target_alias: str
    state: SyncState
    pause_reason: PauseReason | None
    interval_s: int
    due_at: datetime | None
    source_needs_login: bool
    target_needs_login: bool
    last_run: UUID | None
    last_run_state: RunState | None
    last_run_ended_at: datetime | None

    @property
    def waits_for(self) -> tuple[str, ...]:
        """The aliases of orgs without whose new login an active sync does not run; it goes on by itself then."""
        needing = ((self.source_alias, self.source_needs_login), (self.target_alias, self.target_needs_login))
        return tuple(alias for alias, needs in needing if needs and self.state is SyncState.ACTIVE)

    two_way: bool = False


@dataclass(frozen=True, slots=True)
class RunView:
    """One run as a list shows it; counts are sums over its steps.

    `rows_retried` of the rows written failed in this run and were brought in by later ones, lastly at `corrected_at`.
    """

    id: UUID
    sync_id: UUID
    kind: str
    state: RunState
    end_reason: int | None
    requested_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    calls_source: int
    calls_target: int
    rows_expected: int
    rows_read: int
    rows_written: int
    rows_created: int
    rows_failed: int
    rows_retried: int
    corrected_at: datetime | None


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of a run with its counts."""

    ordinal: int
    title: str
    path: str
    rows_expected: int
    rows_read: int
    rows_written: int
    rows_created: int
    rows_failed: int
    settled: bool


@dataclass(frozen=True, slots=True)
class OutcomeView:
    """How many rows failed for one reason, in plain language with its remedy."""

    step: int
    step_title: str
    code: str
    field: str | None
    rows: int
    cause: str
    remedy: str
    failed: bool = True
    """Whether these rows failed; else they are worth a note."""


@dataclass(frozen=True, slots=True)
class RunDetail:
    """Everything that is known about one run; nothing of a record is among it."""

    run: RunView
    title: str
    message: str
    steps: tuple[StepView, ...]
    outcomes: tuple[OutcomeView, ...]
    failed_windows_open: int
