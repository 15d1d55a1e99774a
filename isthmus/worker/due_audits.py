"""What a worker does for audits by the clock: begin what is due, go on with what waited, end the forsaken, remove."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from isthmus.audit.cadence.cadence import Cadence, Candidate, Decision, Rhythm, after_failure, decide
from isthmus.audit.failures import Failure
from isthmus.clock import Clock
from isthmus.db.database import Database, SystemTx
from isthmus.db.jobs import TaskName, enqueue_due

AUDIT_TICK_S: Final = 15.0
DUE_AT_ONCE_MAX: Final = 50
UNDER_WAY_MAX: Final = 2
"""Scheduled audits at the same time, of all tenants: an audit is memory, and syncs are to go on."""
ROWS_AT_ONCE_MAX: Final = 5_000
BATCHES_MAX: Final = 20
"""Batches of old rows that one tick removes: others may want the database too."""


@dataclass(frozen=True, slots=True)
class _Due:
    tenant_id: UUID
    connection_id: UUID
    cadence: Rhythm
    weekday: int
    month_day: int
    minute: int
    zone: str
    due_at: datetime | None

    def candidate(self) -> Candidate:
        cadence = Cadence(self.cadence, self.weekday, self.month_day, self.minute, self.zone)
        return Candidate(self.tenant_id, self.connection_id, cadence, self.due_at)


@dataclass(frozen=True, slots=True)
class _InFlight:
    tenant_id: UUID
    audits: int


@dataclass(frozen=True, slots=True)
class _Begun:
    audit_id: UUID


@dataclass(frozen=True, slots=True)
class _Continuing:
    tenant_id: UUID
    connection_id: UUID
    audit_id: UUID


@dataclass(frozen=True, slots=True)
class _Forsaken:
    tenant_id: UUID
    connection_id: UUID
    audit_id: UUID
    scheduled: bool
    failed_in_row: int
    failure: Failure


@dataclass(frozen=True, slots=True)
class _Removed:
    audit_id: UUID
    whole: bool


async def tick_audits(database: Database, clock: Clock) -> bool:
    """Do once what is due. Audits take minutes, so one that waits for room is not looked at before the next tick."""
    await begin_due_audits(database, clock)
    await continue_audits(database)
    await end_forsaken_audits(database, clock)
    await remove_old_audits(database)
    return False


async def begin_due_audits(database: Database, clock: Clock) -> int:
    """Make an audit and its job for each schedule that is due and has room; return how many."""
    async with database.system() as tx:
        rows = await tx.call("audit.due", row=_Due, arguments={"at_most": DUE_AT_ONCE_MAX})
        if not rows:
            return 0
        flying = await tx.call("audit.in_flight", row=_InFlight, arguments={})
        in_flight = {tenant.tenant_id: tenant.audits for tenant in flying}
        room = UNDER_WAY_MAX - sum(in_flight.values())
        decisions = decide([row.candidate() for row in rows], in_flight, room, clock.now())
        return sum([await _carry_out(tx, decision) for decision in decisions])


async def _carry_out(tx: SystemTx, decision: Decision) -> int:
    if decision.waits:
        return 0
    begun = await tx.call(
        "audit.begin_due",
        row=_Begun,
        arguments={
            "tenant": decision.candidate.tenant_id,
            "connection": decision.candidate.connection_id,
            "next_at": decision.next_at,
            "begins": decision.begins,
        },
    )
    for audit in begun:
        due = decision.candidate
        await enqueue_due(
            tx, TaskName.RUN_AUDIT, audit.audit_id, tenant=due.tenant_id, lock=due.connection_id, priority=-1
        )
    return len(begun)


async def continue_audits(database: Database) -> int:
    """Make a job for each audit that waited for API calls and may go on; return how many."""
    async with database.system() as tx:
        waited = await tx.call("audit.continue_due", row=_Continuing, arguments={})
        for each in waited:
            await enqueue_due(
                tx, TaskName.RUN_AUDIT, each.audit_id, tenant=each.tenant_id, lock=each.connection_id, priority=-1
            )
    return len(waited)


async def end_forsaken_audits(database: Database, clock: Clock) -> int:
    """End audits that no job works on any more, with their reason; return how many."""
    async with database.system() as tx:
        ended = await tx.call("audit.end_forsaken", row=_Forsaken, arguments={})
        for audit in ended:
            after = after_failure(audit.failure, audit.failed_in_row, clock.now())
            await tx.count(
                "audit.note_failure",
                arguments={
                    "tenant": audit.tenant_id,
                    "connection": audit.connection_id,
                    "audit": audit.audit_id,
                    "tells": after.tells or not audit.scheduled,
                    "retry_at": after.retry_at if audit.scheduled else None,
                },
            )
    return len(ended)


async def remove_old_audits(database: Database) -> int:
    """Remove documents, findings and names that are older than their operator wants; return of how many audits.

    Each batch is a transaction of its own, so that a big one holds up nobody.
    """
    whole = 0
    for _ in range(BATCHES_MAX):
        async with database.system() as tx:
            removed = await tx.call("audit.remove_old", row=_Removed, arguments={"at_most": ROWS_AT_ONCE_MAX})
        if not removed:
            break
        whole += sum(each.whole for each in removed)
    return whole
