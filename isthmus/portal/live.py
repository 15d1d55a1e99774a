"""Live pages: a stream of server-sent events that repeats a fragment whenever the rows behind it have changed.

The stream reads the database again and again with a ticket that it renews through the session, so a member who signs
out, or a session that ends, ends the stream too. Where database or keeper are away it stops without the event `end`:
the browser comes again by itself until they are back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from litestar.response import Stream

from isthmus.clock import Clock
from isthmus.db.errors import DatabaseError
from isthmus.db.ticket import Ticket
from isthmus.orgs.keeper_client import KeeperClient, KeeperRefused, KeeperUnavailable
from isthmus.portal.visitors import Visitor

LOOK_EVERY_S: Final = 0.5
STREAM_S_MAX: Final = 300.0
"""After this long the browser is asked to come again, so that no connection lives for ever."""
TICKET_RENEWED_AFTER_S: Final = 60.0
BEAT_EVERY_S: Final = 15.0


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at the rows gave: the fragment, and whether nothing more will change."""

    fragment: str
    finished: bool


Looker = Callable[[Ticket], Awaitable[Look]]


def stream(visitor: Visitor, keeper: KeeperClient, clock: Clock, look: Looker) -> Stream:
    """Return the answer that streams fragments until `look` says that it is finished; then the event `end`."""
    return Stream(
        _events(visitor, keeper, clock, look),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _events(visitor: Visitor, keeper: KeeperClient, clock: Clock, look: Looker) -> AsyncIterator[bytes]:
    began = renewed = sent = clock.monotonic_s()
    ticket, shown = visitor.ticket, ""
    while clock.monotonic_s() - began < STREAM_S_MAX:
        if clock.monotonic_s() - renewed > TICKET_RENEWED_AFTER_S:
            try:
                ticket = await keeper.ticket_for_session(visitor.session)
            except KeeperRefused:
                break
            except KeeperUnavailable:
                return
            renewed = clock.monotonic_s()
        try:
            seen = await look(ticket)
        except DatabaseError:
            return
        if seen.fragment != shown:
            shown, sent = seen.fragment, clock.monotonic_s()
            yield message(seen.fragment)
        elif clock.monotonic_s() - sent > BEAT_EVERY_S:
            sent = clock.monotonic_s()
            yield b": still here\n\n"
        if seen.finished:
            break
        await asyncio.sleep(LOOK_EVERY_S)
    yield message("done", event="end")


def message(data: str, *, event: str | None = None) -> bytes:
    """Return one event on the wire; a line break in `data` cannot end it early."""
    head = f"event: {event}\n" if event else ""
    return (head + "".join(f"data: {line}\n" for line in data.splitlines()) + "\n").encode()
