"""What an org remembers about calls: how many were used, by which app, and what was asked."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from orgsim.errors import ApiError
from orgsim.wire import Session

TRANSCRIPT_ENTRIES_MAX: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class TranscriptEntry:
    """One call as it was seen on the wire. `note` says what was not emulated, if anything."""

    at: datetime
    method: str
    path: str
    query: str
    status: int
    bytes_in: int
    bytes_out: int
    note: str = ""


class Transcript:
    """All calls in order, the newest million of them."""

    def __init__(self) -> None:
        self.entries: deque[TranscriptEntry] = deque(maxlen=TRANSCRIPT_ENTRIES_MAX)

    def record(self, entry: TranscriptEntry) -> None:
        """Add one call."""
        self.entries.append(entry)

    def note_not_emulated(self, at: datetime, method: str, path: str, what: str) -> None:
        """Add an entry for something the emulator refuses with 501 (besides the server's own entry for the call)."""
        self.entries.append(TranscriptEntry(at, method, path, "", 501, 0, 0, note=what))

    def clear(self) -> None:
        """Forget everything."""
        self.entries.clear()


class ApiUsage:
    """The daily API allowance, for the org and per app."""

    def __init__(self, requests_per_day: int) -> None:
        self.requests_per_day = requests_per_day
        self.used = 0
        self.by_app: dict[str, int] = {}

    def count(self, session: Session | None) -> None:
        """Count one call; ApiError 403 REQUEST_LIMIT_EXCEEDED when the day's allowance is used up."""
        if self.used >= self.requests_per_day:
            raise ApiError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
        self.used += 1
        if session is not None and session.app_name:
            self.by_app[session.app_name] = self.by_app.get(session.app_name, 0) + 1

    def headers(self, session: Session | None) -> list[tuple[str, str]]:
        """Return the Sforce-Limit-Info header; none for calls without a session."""
        if session is None:
            return []
        return [("Sforce-Limit-Info", f"api-usage={self.used}/{self.requests_per_day}")]
