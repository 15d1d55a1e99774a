"""Which due syncs begin now: a pure decision over everything that is due, with a reason for each.

Fair between tenants: whoever has the fewest runs in flight comes next, and nobody takes every place, so a tenant with a
hundred due syncs leaves room for the one sync of another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from isthmus.sync.timing.budget import OrgCalls, paused_until
from isthmus.sync.timing.schedule import Due, DueReason, Schedule, next_due, quiet_until

PLACES_PER_SLOT: Final = 2
"""Runs that may be queued or under way for each slot of the workers: enough that no slot waits for the next tick."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A sync that is due. `busy`: a run of it is queued or under way."""

    tenant_id: UUID
    sync_id: UUID
    due_at: datetime
    schedule: Schedule
    idle_runs: int
    busy: bool
    source: OrgCalls
    target: OrgCalls


@dataclass(frozen=True, slots=True)
class Room:
    """How much the workers can do: their slots, and the scheduled runs that are queued or under way, by tenant."""

    slots: int
    in_flight: Counter[UUID]

    @property
    def places_per_tenant(self) -> int:
        """One slot is always left to others: to other tenants, to runs by hand, to audits."""
        return max(1, self.slots - 1)


class Verdict(StrEnum):
    """What becomes of a due sync."""

    BEGINS = "it begins"
    BUSY = "a run of it is under way"
    QUIET = "it has its quiet hours"
    BUDGET = "the budget of API calls of an org is used up"
    NO_ROOM = "the workers have their hands full"


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one due sync, and when it is due next (None: it stays due). `rank` orders what begins."""

    candidate: Candidate
    verdict: Verdict
    due: Due | None
    rank: int = 0


def decide(candidates: Sequence[Candidate], room: Room, now: datetime) -> list[Decision]:
    """Return what becomes of each candidate, those that begin in their order."""
    decisions: list[Decision] = []
    ready: list[Candidate] = []
    for candidate in candidates:
        put_off = _put_off(candidate, now)
        if put_off is None:
            ready.append(candidate)
        else:
            decisions.append(put_off)
    in_flight = Counter(room.in_flight)
    places = room.slots * PLACES_PER_SLOT - in_flight.total()
    while ready:
        chosen = min(ready, key=lambda c: (in_flight[c.tenant_id], c.due_at, c.sync_id))
        ready.remove(chosen)
        # Where even the tenant with the fewest has its share, every other has, too.
        if places <= 0 or in_flight[chosen.tenant_id] >= room.places_per_tenant:
            decisions.append(Decision(chosen, Verdict.NO_ROOM, None))
            continue
        due = next_due(chosen.schedule, started=now, now=now, idle_runs=chosen.idle_runs)
        decisions.append(Decision(chosen, Verdict.BEGINS, due, in_flight[chosen.tenant_id]))
        in_flight[chosen.tenant_id] += 1
        places -= 1
    return decisions


def _put_off(candidate: Candidate, now: datetime) -> Decision | None:
    schedule = candidate.schedule
    if candidate.busy:
        due = next_due(schedule, started=now, now=now, idle_runs=candidate.idle_runs)
        return Decision(candidate, Verdict.BUSY, due)
    free = quiet_until(schedule, now)
    if free is None or free > now:
        due = next_due(schedule, started=now, now=free or now, idle_runs=0)
        return Decision(candidate, Verdict.QUIET, Due(due.at, DueReason.QUIET_HOURS))
    pauses = [paused_until(calls, now) for calls in (candidate.source, candidate.target)]
    until = max((pause for pause in pauses if pause is not None), default=None)
    if until is None:
        return None
    due = next_due(schedule, started=now, now=until, idle_runs=0)
    return Decision(candidate, Verdict.BUDGET, Due(due.at, DueReason.BUDGET))
