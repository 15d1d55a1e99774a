"""The embedded PostgreSQL of `isthmus up`: started, started again when it dies, stopped in the end."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from isthmus.cli.output import note
from isthmus.cli.supervisor import RESTARTS_MAX, RESTARTS_WINDOW_S, ProcessFailed
from isthmus.clock import Clock
from isthmus.config import Settings
from isthmus.db.embedded import EmbeddedServer, start_embedded

RESTART_DELAY_S: Final = 0.5
STALE_LOCK_RETRY_S: Final = 300.0
"""A server process that outlives a killed server holds its memory until it ends; nothing can begin before."""


class KeptDatabase:
    """The server of one installation; portal, worker and keeper connect to it anew by themselves."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Nothing runs yet."""
        self._settings = settings
        self._clock = clock
        self._server: EmbeddedServer | None = None

    async def start(self) -> None:
        """Start the server. Raises `DatabaseUnusable`."""
        self._server = await start_embedded(self._settings)

    async def keep(self) -> None:
        """Start the server again whenever it ends; cancel this before `stop`. Raises `ProcessFailed`."""
        ends: deque[float] = deque()
        while self._server is not None:
            await self._server.process.wait()
            now = self._clock.monotonic_s()
            ends.append(now)
            while now - ends[0] > RESTARTS_WINDOW_S:
                ends.popleft()
            if len(ends) > RESTARTS_MAX:
                message = f"PostgreSQL does not stay up. Its log says why: {self._settings.log_dir / 'postgres.log'}"
                raise ProcessFailed(message)
            note("PostgreSQL ended; starting it again …")
            await asyncio.sleep(RESTART_DELAY_S)
            self._server = await start_embedded(self._settings, stale_lock_retry_s=STALE_LOCK_RETRY_S)

    async def stop(self) -> None:
        """Stop the server; what was committed is on disk."""
        if self._server is not None:
            await self._server.stop()
