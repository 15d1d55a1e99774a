"""The org's own clock: real time plus a settable offset, or frozen; stamps never run backwards."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta


def _system_now() -> datetime:
    return datetime.now(UTC)


class OrgClock:
    """Time as the org sees it, in UTC. `stamp()` has second precision and is monotone; `now()` follows the settings."""

    def __init__(self, source: Callable[[], datetime] = _system_now) -> None:
        self._source = source
        self._offset = timedelta()
        self._frozen: datetime | None = None
        self._held: datetime | None = None
        self._last_stamp = datetime.min.replace(tzinfo=UTC)

    @property
    def offset(self) -> timedelta:
        """How far the org's time is ahead of real time."""
        return self._offset

    def now(self) -> datetime:
        """Return the org's current instant, in UTC, with microseconds."""
        return self._frozen if self._frozen is not None else self._source() + self._offset

    def stamp(self) -> datetime:
        """Return the current second for audit fields; never earlier than any stamp given before."""
        if self._held is not None:
            return self._held
        self._last_stamp = max(self._last_stamp, self.now().replace(microsecond=0))
        return self._last_stamp

    @contextmanager
    def holding(self, stamp: datetime) -> Generator[None]:
        """Stamp with an earlier second inside the block: that of statements which are committed now."""
        self._held = stamp
        try:
            yield
        finally:
            self._held = None

    def set(self, instant: datetime) -> None:
        """Jump to an instant and run on from there; going back also allows older stamps again."""
        instant = instant.astimezone(UTC)
        self._frozen = None
        self._offset = instant - self._source()
        self._last_stamp = min(self._last_stamp, instant.replace(microsecond=0))

    def advance(self, step: timedelta) -> None:
        """Move forward; a frozen clock stays frozen at the later instant."""
        if self._frozen is not None:
            self._frozen += step
        else:
            self._offset += step

    def freeze(self, instant: datetime | None = None) -> None:
        """Stop at an instant (default: now)."""
        self._frozen = (instant or self.now()).astimezone(UTC)
        self._last_stamp = min(self._last_stamp, self._frozen.replace(microsecond=0))

    def thaw(self) -> None:
        """Run on from where it was frozen."""
        if self._frozen is not None:
            self._offset = self._frozen - self._source()
            self._frozen = None
