"""What the work of a mover is given: sessions with its orgs, a way to report, a clock. Nothing else exists for it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from isthmus.clock import Clock
from isthmus.salesforce.session import Session
from isthmus.values import Secret

MESSAGE_BYTES_MAX: Final = 60 * 1024
"""The longest message that a mover may report in one piece."""


class Report(Protocol):
    """The way out of the mover."""

    async def send(self, message: bytes) -> None:
        """Hand `message` (at most `MESSAGE_BYTES_MAX`) to the parent; waits while the parent is slow."""
        ...


@dataclass(frozen=True, slots=True)
class MoverWorld:
    """Everything that a job may touch. `sessions[i]` belongs to `job.endpoints[i]`.

    `mask_key` asks for the key of the pseudonyms (raises `LeaseLost`); None where nothing can be masked.
    `answers` waits for the next sealed message of whoever looks; None where nobody can answer.
    """

    sessions: Sequence[Session]
    report: Report
    clock: Clock
    mask_key: Callable[[], Awaitable[Secret]] | None = None
    answers: Callable[[], Awaitable[bytes]] | None = None
