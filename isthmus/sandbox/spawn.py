"""The parent's side of a mover: start it, hand it its job and dialled sockets, take its messages, see it end."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

from isthmus.sandbox.report import MoverExit, SandboxReport

Dial: TypeAlias = Callable[[int], Awaitable[socket.socket]]
"""Endpoint index → connected, non-blocking TCP socket, already judged and pinned."""


@dataclass(frozen=True, slots=True)
class MoverLimits:
    """Bounds of one mover."""

    start_s: float = 60.0
    stop_s: float = 5.0
    connections_max: int = 64
    message_bytes_max: int = 60 * 1024


class MoverRefused(Exception):
    """No mover may run here: the kernel cannot confine it (or it died before it said so). Message: what to do."""


class Mover:
    """A running mover."""

    pid: int
    sandbox: SandboxReport

    def messages(self) -> AsyncIterator[bytes]:
        """Yield what the job reports until the mover ends. Take them all, then ask `exit`."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Ask the mover to stop, and kill it if it does not within `limits.stop_s`."""

    async def exit(self) -> MoverExit:
        """Wait for the end and return how it ended."""
        raise NotImplementedError


def mover_command() -> tuple[str, ...]:
    """Return the command line of a mover: this Python, isolated, running `isthmus.worker.mover`."""
    raise NotImplementedError


@asynccontextmanager
async def spawn(
    command: Sequence[str],
    job: bytes,
    *,
    dial: Dial,
    lease_socket: socket.socket,
    limits: MoverLimits,
    allow_no_sandbox: bool,
) -> AsyncIterator[Mover]:
    """Start a mover on `job` and yield it once it has reported its confinement; leaving kills it if it still runs.

    Takes over `lease_socket` (closed here). Raises `MoverRefused`.
    """
    raise NotImplementedError
    yield
