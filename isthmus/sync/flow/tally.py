"""Counting what becomes of rows, and saying so in frames: batches of counts, never a row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from isthmus.salesforce.session import Session
from isthmus.salesforce.status_code import StatusCode
from isthmus.salesforce.world import Report
from isthmus.sync.flow.frames import CALLS_MAX, Calls, Frame, Moved, Noted, RowsFailed, Usage, encode

FLUSH_S: Final = 0.5


class Tally:
    """The counts of one step that have not been reported yet."""

    def __init__(self, report: Report, ordinal: int, sessions: tuple[Session, Session]) -> None:
        """Count for the step `ordinal`; calls are those of `sessions`."""
        self._report = report
        self._ordinal = ordinal
        self._sessions = sessions
        self._read = self._written = self._created = 0
        self.rows_failed = 0
        self._failed: Counter[tuple[StatusCode, int | None]] = Counter()
        self._noted: Counter[StatusCode] = Counter()
        self._flushed_s = 0.0

    def read(self, rows: int) -> None:
        """Count rows read."""
        self._read += rows

    def written(self, rows: int, created: int = 0) -> None:
        """Count rows written, and those of them that were created (where the org says so)."""
        self._written += rows
        self._created += created

    def failed(self, code: StatusCode, ordinal: int | None, rows: int = 1) -> None:
        """Count rows that failed."""
        self._failed[(code, ordinal)] += rows
        self.rows_failed += rows

    def noted(self, code: StatusCode, rows: int = 1) -> None:
        """Count rows that did not fail, and are worth a note."""
        self._noted[code] += rows

    async def flush_at_times(self) -> None:
        """Report as `flush` does, if that was not done just now: each report costs the mover and its parent a turn."""
        if self._sessions[0].clock.monotonic_s() - self._flushed_s >= FLUSH_S:
            await self.flush()

    async def flush(self) -> None:
        """Report the counts, and the calls so far."""
        self._flushed_s = self._sessions[0].clock.monotonic_s()
        frames: list[Frame] = []
        if self._read or self._written:
            frames.append(Moved(self._ordinal, self._read, self._written, self._created))
        frames.extend(Noted(self._ordinal, code, None, rows) for code, rows in self._noted.items())
        frames.extend(RowsFailed(self._ordinal, code, field, rows) for (code, field), rows in self._failed.items())
        frames.extend(calls_of(self._sessions))
        self._read = self._written = self._created = 0
        self._failed.clear()
        self._noted.clear()
        await send(self._report, frames)


def calls_of(sessions: tuple[Session, Session]) -> list[Frame]:
    """Return the frames that tell the calls of both orgs: ours, and all by each org's own count."""
    frames: list[Frame] = [Calls(sessions[0].calls, sessions[1].calls)]
    for side, session in enumerate(sessions):
        if session.usage is not None:
            used, allowed = (min(number, CALLS_MAX) for number in (session.usage.used, session.usage.max))
            frames.append(Usage(side, used, allowed))
    return frames


async def send(report: Report, frames: Iterable[Frame]) -> None:
    """Send each frame in its own packet."""
    for frame in frames:
        await report.send(encode(frame))
