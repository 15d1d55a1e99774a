"""An audit inside the worker: claim, read through a mover, judge, store. Runs as role isthmus_worker."""

from __future__ import annotations

from dataclasses import dataclass

from isthmus.clock import Clock
from isthmus.values import AuditId


@dataclass(frozen=True, slots=True)
class AuditApp:
    """What an audit needs of its worker."""

    clock: Clock


async def perform_audit(audit: AuditId, app: AuditApp) -> None:
    """Carry out one queued audit. A second call for a finished one does nothing; failures are stored with a remedy."""
    raise NotImplementedError
