"""Planted bugs in who ends a job, and in what becomes of a run without one; see `bugs.py`."""

from __future__ import annotations

from uuid import UUID

from tests.simulation.queue import SimQueue
from tests.simulation.world import Plant


class _NoSweep(SimQueue):
    def sweep(self) -> list[UUID]:
        return []


class NeverSweeps(Plant):
    """Nobody closes a run that has no job any more, and the runs after it wait for ever."""

    queue = _NoSweep


class _AnybodysJobs(SimQueue):
    def try_again(self, run: UUID, held: int, *, overtaken: bool = False) -> None:
        now = self.take(run) if overtaken else None
        if now is None:
            super().try_again(run, held, overtaken=overtaken)
        elif now != held:
            self.finish(run, now)


class EndsJobsOfOthers(Plant):
    """A worker that wakes up ends the job that was handed on to another."""

    queue = _AnybodysJobs


class _GivesUp(SimQueue):
    def try_again(self, run: UUID, held: int, *, overtaken: bool = False) -> None:
        if overtaken:
            self.finish(run, held)
        else:
            super().try_again(run, held)


class GivesUpWhenOvertaken(Plant):
    """Whoever is overtaken ends the job, though it may be the only one."""

    queue = _GivesUp
