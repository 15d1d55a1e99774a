"""An audit inside the worker: claim, read through a mover, judge, store. Runs as role isthmus_worker.

1. The keeper's ticket says whose audit it is; one that has ended gets none.
2. `claim` raises the attempt: an older attempt that still lives can write nothing more.
3. The lease channel goes straight to the mover; the worker never sees a token.
4. What is read is kept every few seconds, in whole windows of logins: the next attempt goes on from there.
5. Bundle, people and documents are stored as they are made, each large one of them held alone, and shown to nobody
   yet; findings and figures then, in one transaction with the state `done`. A failure removes them again.
6. The org's API limit puts it off, with what was read (`audit.continuing`). Whatever else stops it is stored as a
   reason of a closed list, shown with its remedy.
7. What is to be told of the end is set down in the same transaction (`audit.afterwards`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from isthmus.audit import store
from isthmus.audit.cadence.afterwards import note_done, note_failed
from isthmus.audit.collect import AuditJob
from isthmus.audit.collecting.checkpoint import EVERY_S, Keeping
from isthmus.audit.collecting.reading import MoverSetting, Read, read_org
from isthmus.audit.continuing import WAITING_MAX, continues_at
from isthmus.audit.desk.setting import read_options
from isthmus.audit.evidence.bundle import zipped
from isthmus.audit.evidence.parts import Parts, parts_of, pieces_of
from isthmus.audit.failures import AuditFailed, AuditInterrupted, Failure, LeasesEnded, goes_on
from isthmus.audit.given.options import AuditOptions
from isthmus.audit.judge import Judged, judge
from isthmus.audit.model import ProgressMessage
from isthmus.audit.store_checkpoint import StoredShelf, save_waiting
from isthmus.clock import Clock
from isthmus.config import Settings
from isthmus.db.database import Database
from isthmus.db.errors import DatabaseError
from isthmus.db.ticket import Ticket
from isthmus.journal import Journal
from isthmus.orgs.attestation import save_attestation
from isthmus.orgs.keeper_client import KeeperClient, KeeperRefused, KeeperUnavailable, RunKind
from isthmus.orgs.model import ConnectionState
from isthmus.salesforce.endpoint import Endpoint
from isthmus.salesforce.version import API_VERSION_DEFAULT
from isthmus.sandbox.report import SandboxReport
from isthmus.values import AuditId, ConnectionId, Purpose

TICKET_FRESH_S: Final = 120.0
SAVE_EVERY_S: Final = 0.5
PDF: Final = "report.pdf"
ATTEMPTS_MAX: Final = 5
"""An audit whose worker is ended so often is one that ends workers."""


@dataclass(frozen=True, slots=True)
class AuditApp:
    """What an audit needs of its worker. `database` is open as role isthmus_worker."""

    database: Database
    keeper: KeeperClient
    settings: Settings
    clock: Clock
    journal: Journal
    options: AuditOptions
    checkpoint_every_s: float = EVERY_S


async def perform_audit(audit: AuditId, app: AuditApp) -> None:
    """Carry out one queued audit. A second call for a finished one does nothing; failures are stored with a remedy.

    Raises `store.AttemptLost` if another attempt has begun: that one writes, and this one's work is dropped.
    Raises `DatabaseError` or `KeeperUnavailable` if the installation itself is not there, and `AuditInterrupted` if the
    reading broke off half-way: the job is then tried again, and the reading goes on from what was kept of it.
    """
    performing = _Performing(audit, app)
    try:
        ticket = await performing.ticket()
    except KeeperRefused:
        return
    async with app.database.tenant(ticket) as tx:
        claimed = await store.claim(tx, audit)
    if claimed is None:
        return
    settled = False
    try:
        await performing.carry_out(claimed)
        settled = True
    except LeasesEnded:
        settled = True  # not the audit's fault: the job is tried again
        message = "the keeper went away in mid-audit"
        raise KeeperUnavailable(message) from None
    except AuditFailed as failed:
        settled = True
        if performing.goes_on(claimed, failed):
            raise AuditInterrupted from None
        if not await performing.waits(claimed, failed):
            await performing.fail(claimed, failed)
    except KeeperRefused:
        settled = True
        await performing.fail(claimed, AuditFailed(Failure.LEASE_LOST))
    except (store.AttemptLost, DatabaseError, KeeperUnavailable, asyncio.CancelledError):
        settled = True  # nor is this
        raise
    finally:
        if not settled:  # an error of ours: it goes on to the worker, which writes it down, but no audit hangs
            await performing.fail(claimed, AuditFailed(Failure.INTERNAL))


class _Performing:
    """One attempt at an audit."""

    def __init__(self, audit: AuditId, app: AuditApp) -> None:
        self._audit = audit
        self._app = app
        self._ticket: Ticket | None = None
        self._got_s = 0.0
        self._saved_s = 0.0
        self._keeping: Keeping | None = None

    async def ticket(self) -> Ticket:
        """Return a ticket that is good for minutes yet: it lasts five, an audit may last longer."""
        now_s = self._app.clock.monotonic_s()
        if self._ticket is None or now_s - self._got_s > TICKET_FRESH_S:
            self._ticket = await self._app.keeper.ticket_for_run(RunKind.AUDIT, self._audit)
            self._got_s = now_s
        return self._ticket

    async def carry_out(self, claimed: store.Claimed) -> None:
        if claimed.attempt - claimed.waits > ATTEMPTS_MAX:
            raise AuditFailed(Failure.WORKER_STOPPED)
        judged = await self._judged(claimed, await self._options(claimed))
        # The PDF first: another process sets it, and this one is never smaller than now.
        for name in sorted(judged.documents, key=lambda name: name != PDF):
            await self._save_document(claimed, name, lambda name=name: parts_of(judged.documents, name))
        async with self._app.database.tenant(await self.ticket()) as tx:
            await store.save_judged(tx, self._audit, claimed.attempt, judged.report)
            await note_done(tx, self._audit, claimed.connection)

    async def _judged(self, claimed: store.Claimed, options: AuditOptions) -> Judged:
        """Read the org, judge it, and store what holds all that was read; then let go of it."""
        read = await self._read(claimed)
        async with self._app.database.tenant(await self.ticket()) as tx:
            await store.save_reporting(tx, self._audit, claimed.attempt)
        judged = await asyncio.to_thread(judge, read.snapshot, options, claimed.alias)
        await self._save_document(claimed, store.BUNDLE_NAME, lambda: (zipped(judged.bundle),))
        async with self._app.database.tenant(await self.ticket()) as tx:
            await store.save_people(tx, self._audit, claimed.attempt, judged)
        judged.let_go()
        return judged

    async def _save_document(self, claimed: store.Claimed, name: str, make: Callable[[], Parts]) -> None:
        """Make a document and store it, a piece at a time: no large one is held, and no transaction waits for it."""
        pieces = pieces_of(make)
        while piece := await asyncio.to_thread(next, pieces, b""):
            async with self._app.database.tenant(await self.ticket()) as tx:
                await store.save_document(tx, self._audit, claimed.attempt, name, piece)

    async def _options(self, claimed: store.Claimed) -> AuditOptions:
        """Return what the installation and the tenant decide, and what earlier audits of the org knew."""
        async with self._app.database.tenant(await self.ticket()) as tx:
            options = await read_options(tx, ConnectionId(claimed.connection), self._app.options)
            history = await store.load_history(tx, self._audit)
            snoozes = await store.load_snoozes(tx, self._audit)
        return msgspec.structs.replace(options, history=history, snoozes=snoozes)

    def goes_on(self, claimed: store.Claimed, failed: AuditFailed) -> bool:
        """Whether another attempt is to go on from what this one kept."""
        kept = self._keeping is not None and self._keeping.kept > 0
        attempt = claimed.attempt - claimed.waits
        return goes_on(failed.failure, kept=kept, attempt=attempt, attempts_max=ATTEMPTS_MAX)

    async def waits(self, claimed: store.Claimed, failed: AuditFailed) -> bool:
        """Put the audit off if calls of the org's API are all that it lacks; return whether it was."""
        kept = self._keeping is not None and self._keeping.holds
        at = continues_at(failed.failure, kept=kept, began_at=claimed.started_at, now=self._app.clock.now())
        if at is None:
            return False
        async with self._app.database.tenant(await self.ticket()) as tx:
            await save_waiting(tx, self._audit, claimed.attempt, at)
        return True

    async def fail(self, claimed: store.Claimed, failed: AuditFailed) -> None:
        """Store why the audit ended; an audit that is no longer ours is left alone."""
        try:
            async with self._app.database.tenant(await self.ticket()) as tx:
                await store.save_failure(tx, self._audit, claimed.attempt, failed.failure, failed.of)
                await note_failed(tx, self._audit, claimed.connection, failed.failure, self._app.clock.now())
        except (KeeperRefused, store.AttemptLost):
            return

    async def _read(self, claimed: store.Claimed) -> Read:
        if claimed.state != ConnectionState.ACTIVE:
            raise AuditFailed(Failure.LEASE_LOST)
        settings = self._app.settings
        lease = await self._app.keeper.open_lease_channel(
            await self.ticket(), self._audit, [ConnectionId(claimed.connection)]
        )
        setting = MoverSetting(settings.allow_loopback_http, settings.allow_no_sandbox, settings.ca_file)
        endpoint = Endpoint(claimed.connection, claimed.origin, Purpose.AUDIT, API_VERSION_DEFAULT)
        job = AuditJob([endpoint], self._app.options.as_of)
        if self._app.options.pseudonym_key is None:  # else names are not to be written before they are replaced
            shelf = StoredShelf(self._app.database, self.ticket, self._audit, claimed.attempt)
            self._keeping = Keeping(shelf, self._app.clock, self._app.checkpoint_every_s, WAITING_MAX)

        async def on_sandbox(report: SandboxReport) -> None:
            async with self._app.database.tenant(await self.ticket()) as tx:
                await save_attestation(tx, report)

        async def on_progress(message: ProgressMessage) -> None:
            now_s = self._app.clock.monotonic_s()
            if now_s - self._saved_s < SAVE_EVERY_S:
                return
            self._saved_s = now_s
            async with self._app.database.tenant(await self.ticket()) as tx:
                await store.save_percent(tx, self._audit, claimed.attempt, message.percent)

        return await read_org(job, setting, lease, on_sandbox, on_progress, keeping=self._keeping)
