"""The third guard against loops: how many runs in a row both orgs undid what we wrote, and when that is enough.

The first two guards cut every echo of our own writes. What gets past them is automation: a trigger or flow that changes
what we have just written, under our own user. One such change is carried like any other. Where both orgs' automation
wants another value the two would answer each other for ever, so after some runs in a row the sync stops and says why.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from isthmus.db.database import TenantTx
from isthmus.salesforce.status_code import StatusCode
from isthmus.sync.model import EndReason
from isthmus.sync.run import Run

ECHO_RUNS_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class _Runs:
    echo_runs: int


def echoed(run: Run) -> bool | None:
    """Whether both records of a pair were last written by us and differed; None if the run tells nothing.

    That is one that did not come to its end, or found nothing to do.
    """
    if run.end is not EndReason.FINISHED or not any(step.rows_read for step in run.steps):
        return None
    return any(code == StatusCode.ECHO_CHANGED for _, code, _ in run.outcomes)


async def is_looping(tx: TenantTx, sync: UUID, run: Run) -> bool:
    """Count the run, and return whether it is one too many in a row; the count then begins anew."""
    found = echoed(run)
    if found is None:
        return False
    row = await tx.fetch_one(
        """
        update sync.state
        set echo_runs = case when %(echoed)s and echo_runs + 1 < %(most)s then echo_runs + 1 else 0 end
        where sync_id = %(sync)s returning echo_runs
        """,
        row=_Runs,
        sync=sync,
        echoed=found,
        most=ECHO_RUNS_MAX,
    )
    return found and row is not None and row.echo_runs == 0
