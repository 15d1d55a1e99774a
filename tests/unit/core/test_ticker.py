"""The one loop behind what a worker does by the clock."""

from __future__ import annotations

import asyncio

from isthmus.clock import SystemClock
from isthmus.db.errors import Unavailable
from isthmus.journal import Journal
from isthmus.worker.ticker import Ticker

AN_HOUR_S = 3600.0


async def written_of(every_s: float, *answers: bool | Unavailable) -> list[str]:
    """Tick until each answer was given, the last of which stops the worker; return what the journal has."""
    stop, left, lines = asyncio.Event(), list(answers), list[str]()

    async def tick() -> bool:
        answer = left.pop(0)
        if not left:
            stop.set()
        if isinstance(answer, Unavailable):
            raise answer
        return answer

    async with asyncio.timeout(60):
        await Ticker(every_s, tick).until(stop, Journal("worker", lines.append, SystemClock()))
    assert left == []
    return lines


async def test_a_database_that_is_away_is_written_down_and_asked_again() -> None:
    (line,) = await written_of(0.01, Unavailable("PostgreSQL does not answer"), False)
    assert "Unavailable" in line


async def test_what_waits_for_room_is_looked_at_before_the_next_tick() -> None:
    assert await written_of(AN_HOUR_S, True, False) == []


async def test_a_worker_that_stops_does_not_wait_for_the_next_tick() -> None:
    assert await written_of(AN_HOUR_S, False) == []
