"""The job queue, and the ticker's sweep for runs that no job works on any more: the product's own statement closes them.

Jobs are rows, as the queue keeps them. Who takes one holds it under a number, which rises when it is handed on; who ends
a job, or puts it back, says under which number (`isthmus.worker.queue`).
"""

from __future__ import annotations

import random
import re
import sqlite3
from typing import Final
from uuid import UUID

from tests.simulation.database import SCHEMA, translated

SWEEP: Final = re.compile(r"create function sync\.end_forsaken\(\).*?as \$\$(.*?);?\s*\$\$", re.DOTALL)
TRIES: Final = (10, 10, 2)
"""After so many tries a job is given up. Ten take longer than the trouble lasts here, so some queues give up early."""
LATE: Final = (0.0, 0.0, 0.2)
"""How many workers stand still as soon as they have taken a job, before they have begun with it."""


class SimQueue:
    """Jobs of runs. Bugs override."""

    def __init__(self, connection: sqlite3.Connection, rng: random.Random) -> None:
        self.tries_max = rng.choice(TRIES)
        self._late = rng.choice(LATE)
        self._rng = rng
        self.given_up: set[UUID] = set()
        self._connection = connection
        connection.execute("attach ':memory:' as jobs")
        connection.execute("create table jobs.procrastinate_jobs (args text, status text, attempts integer)")
        found = SWEEP.search((SCHEMA / "080_forsaken.sql").read_text())
        assert found is not None
        self._sweep = translated(found[1])[0][0]

    def is_late(self) -> bool:
        """Whether the worker that takes a job now stands still at once."""
        return self._late > 0.0 and self._rng.random() < self._late

    def put(self, run: UUID) -> None:
        """Queue a run."""
        row = (f'{{"subject_id": "{run}"}}',)
        self._connection.execute("insert into jobs.procrastinate_jobs values (?, 'todo', 0)", row)

    def take(self, run: UUID) -> int | None:
        """Give the run's job to a worker; return the number under which it is held. None: there is none any more."""
        self._change("status = 'doing'", run, "status = 'todo'")
        return self._held(run)

    def finish(self, run: UUID, held: int) -> None:
        """End a job."""
        self._connection.execute(f"delete from jobs.procrastinate_jobs where {_OF} and {_under(held)}", (str(run),))

    def try_again(self, run: UUID, held: int, *, overtaken: bool = False) -> None:
        """Put a job back, or give it up."""
        del overtaken
        if held + 1 < self.tries_max:
            self.hand_on(run, held)
            return
        self.given_up.add(run)
        self.finish(run, held)

    def hand_on(self, run: UUID, held: int) -> None:
        """Put a job back for another worker: nothing was heard of the one that holds it."""
        self._change("status = 'todo', attempts = attempts + 1", run, _under(held))

    def sweep(self) -> list[UUID]:
        """Close the runs that have no job; return them."""
        return [UUID(run) for (run,) in self._connection.execute(self._sweep).fetchall()]

    def has(self, run: UUID) -> bool:
        """Whether a run has a job, or had one that was given up."""
        return run in self.given_up or self._held(run) is not None

    def _held(self, run: UUID) -> int | None:
        found = self._connection.execute(f"select attempts from jobs.procrastinate_jobs where {_OF}", (str(run),))
        row = found.fetchone()
        return None if row is None else row[0]

    def _change(self, change: str, run: UUID, where: str) -> None:
        self._connection.execute(f"update jobs.procrastinate_jobs set {change} where {_OF} and {where}", (str(run),))


_OF: Final = "args ->> 'subject_id' = ?"


def _under(held: int) -> str:
    return f"status = 'doing' and attempts = {held:d}"
