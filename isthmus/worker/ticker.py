"""The clock of a worker: the one loop behind everything that it does by itself, every few seconds, until it stops.

What is ticked stands elsewhere: due syncs (`due_syncs`), due audits (`due_audits`), and the notices of both (`herald`).
Several workers may tick at the same time: what is due is taken once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from procrastinate.exceptions import ProcrastinateException

from isthmus.db.errors import DatabaseError
from isthmus.journal import Journal

BACKLOG_TICK_S: Final = 0.5
"""The next tick if what is due had to wait for room: short runs free it before long."""

WRITTEN_DOWN_EACH: Final = 100
"""Of so many failures in a row the first is written down."""

Tick = Callable[[], Awaitable[bool]]
"""Do once what is due; return whether something that is due waits for room."""


@dataclass(frozen=True, slots=True)
class Ticker:
    """What is done by the clock, and how often."""

    every_s: float
    tick: Tick

    async def until(self, stop: asyncio.Event, journal: Journal) -> None:
        """Tick until `stop` is set. A database that is away is written down, and asked again at the next tick."""
        failures = 0
        while not stop.is_set():
            wait_s = self.every_s
            try:
                if await self.tick():
                    wait_s = BACKLOG_TICK_S
                failures = 0
            except (DatabaseError, ProcrastinateException) as error:
                if failures % WRITTEN_DOWN_EACH == 0:  # an outage of hours must not fill the log
                    journal.unexpected(error)
                failures += 1
            try:
                async with asyncio.timeout(wait_s):
                    await stop.wait()
            except TimeoutError:
                continue
