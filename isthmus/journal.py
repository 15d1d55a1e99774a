"""The process log: typed events, one JSON object a line. There is no way to log free text.

An event is a frozen dataclass whose fields are numbers, instants, ids or words of closed lists; so neither a record's
value nor a server's message can get into it. An unexpected exception is written as its class and its frames, without
its message and without local values.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import traceback
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final, TypeAlias
from uuid import UUID

from isthmus.clock import Clock

FRAMES_MAX: Final = 30
# Libraries that would print arguments, queries or addresses if they were asked to log.
SILENCED: Final = ("procrastinate", "aiohttp", "asyncio", "psycopg", "litestar", "uvicorn.access", "h11")

Loggable: TypeAlias = int | float | bool | UUID | datetime | Enum | None


@dataclass(frozen=True, slots=True)
class Event:
    """Base of all events; the class name is the event's name."""


@dataclass(frozen=True, slots=True)
class ProcessStarted(Event):
    """A process of the product is ready to work."""

    pid: int


@dataclass(frozen=True, slots=True)
class ProcessStopped(Event):
    """A process of the product has ended in order."""

    pid: int


@dataclass(frozen=True, slots=True)
class RunStarted(Event):
    """A worker has claimed a run."""

    run: UUID
    fence: int


@dataclass(frozen=True, slots=True)
class RunEnded(Event):
    """A run has ended; `state` is a word of the run's own closed list."""

    run: UUID
    fence: int
    state: Enum
    duration_ms: int


@dataclass(frozen=True, slots=True)
class RequestRefused(Event):
    """The egress policy refused a request; `reason` is a word of its closed list."""

    reason: Enum


class Journal:
    """Writes events. `write` gets whole lines; the caller decides where they go."""

    def __init__(self, process: str, write: Callable[[str], object], clock: Clock) -> None:
        self._process = process
        self._write = write
        self._clock = clock

    def emit(self, event: Event) -> None:
        """Write one event."""
        fields = {f.name: _plain(getattr(event, f.name)) for f in dataclasses.fields(event)}
        self._line({"event": type(event).__name__, **fields})

    def unexpected(self, error: BaseException) -> None:
        """Write where an exception came from: classes, files, lines and functions; no message, no values."""
        chain = [f"{type(e).__module__}.{type(e).__qualname__}" for e in _chain(error)]
        frames = [
            f"{frame.filename.rpartition('site-packages/')[2]}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__, limit=-FRAMES_MAX)
        ]
        self._line({"event": "Unexpected", "errors": chain, "frames": frames})

    def _line(self, fields: dict[str, object]) -> None:
        head = {"at": self._clock.now().isoformat(timespec="milliseconds"), "process": self._process}
        self._write(json.dumps(head | fields) + "\n")


def _plain(value: Loggable) -> int | float | bool | str | None:
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return value


def _chain(error: BaseException) -> Iterable[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or current.__context__


def silence_libraries() -> None:
    """Cut off the loggers of libraries by name: what they print may hold arguments, addresses or values."""
    for name in SILENCED:
        logger = logging.getLogger(name)
        logger.handlers = [logging.NullHandler()]
        logger.propagate = False
        logger.setLevel(logging.CRITICAL)
