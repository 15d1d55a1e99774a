"""What was asked and answered, for the control port's `GET /transcript`. Bodies and credentials are never kept."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl, quote

ENTRIES_MAX: Final = 500_000
"""Older entries are dropped beyond this, so that a soak test cannot eat the memory."""

_CREDENTIALS: Final = frozenset({"token", "oauth_token", "code", "sid", "client_secret", "refresh_token", "password"})
_HIDDEN: Final = "***"


@dataclass(frozen=True, slots=True)
class Entry:
    """One call.

    `at` is ISO 8601 in the org's time; `path` and `query` are as sent (credentials in it replaced by
    `***`); `status` is 0 where the connection was cut before a status line; sizes are bytes of body on the wire;
    `note` says what was not emulated, or which fault or whim struck.
    """

    at: str
    method: str
    path: str
    query: str
    status: int
    bytes_in: int
    bytes_out: int
    note: str = ""


class Transcript:
    """The list of calls of one emulated org, oldest first."""

    def __init__(self, entries_max: int = ENTRIES_MAX) -> None:
        self._entries: deque[Entry] = deque(maxlen=entries_max)
        self._note = ""

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: Entry) -> None:
        """Append one finished call."""
        self._entries.append(entry)

    def note_not_emulated(self, at: datetime, method: str, path: str, what: str) -> None:
        """Say why the call being answered gets a 501; the entry of that call will carry it."""
        del at, method, path  # they are in the entry itself
        self._note = f"not emulated: {what}"

    def take_note(self) -> str:
        """Return what was noted since the last entry, and forget it."""
        note, self._note = self._note, ""
        return note

    @property
    def entries(self) -> list[Entry]:
        """Return all calls kept, oldest first."""
        return list(self._entries)

    def as_json(self) -> list[dict[str, object]]:
        """Return the entries as the control port shows them."""
        return [asdict(entry) for entry in self._entries]

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()


def safe_query(query: str) -> str:
    """Return a raw query string with the values of credentials replaced; untouched where it has none."""
    pairs = parse_qsl(query, keep_blank_values=True)
    if not any(name.lower() in _CREDENTIALS for name, _ in pairs):
        return query
    return "&".join(
        f"{quote(name)}={_HIDDEN if name.lower() in _CREDENTIALS else quote(value, safe='')}" for name, value in pairs
    )
