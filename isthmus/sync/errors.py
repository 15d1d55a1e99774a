"""Causes and remedies in plain language: for row failures by status code, and for runs by how they ended.

Made of codes alone, so it works without any outside service and never repeats what an org wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from isthmus.salesforce.status_code import StatusCode
from isthmus.sync.catalogue import catalogue
from isthmus.sync.model import EndReason


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why, and what to do."""

    cause: str
    remedy: str


TRANSIENT_CODES: Final = frozenset(StatusCode.parse(entry.code) for entry in catalogue().values() if entry.again)
"""Codes that may pass by themselves: windows with such rows are read again without being asked."""

NOTE_CODES: Final = frozenset(
    {
        StatusCode.CONFLICT_DECIDED,
        StatusCode.CONFLICT_UNSURE,
        StatusCode.ADOPTED,
        StatusCode.COUNTERPART_DELETED,
        StatusCode.ECHO_CHANGED,
        StatusCode.KEPT_FOR_CHILD,
    }
)
"""Codes of rows that did not fail and are worth a note."""

_ENDS: Final[dict[EndReason, tuple[str, str]]] = {
    EndReason.FINISHED: ("", ""),
    EndReason.SOURCE_LEASE_LOST: ("the source no longer accepts our grant", "Connect the source org again."),
    EndReason.TARGET_LEASE_LOST: ("the target no longer accepts our grant", "Connect the target org again."),
    EndReason.SOURCE_UNAVAILABLE: ("the source org did not answer", "Nothing to do: the next run goes on from there."),
    EndReason.TARGET_UNAVAILABLE: ("the target org did not answer", "Nothing to do: the next run goes on from there."),
    EndReason.SOURCE_LIMITED: ("the source org's API allowance is used up", "Wait, or raise the allowance."),
    EndReason.TARGET_LIMITED: ("the target org's API allowance is used up", "Wait, or raise the allowance."),
    EndReason.SOURCE_REFUSED: (
        "the source org refused to read",
        "Refresh the schema, check the filter and the fields.",
    ),
    EndReason.TARGET_REFUSED: ("the target org refused to write", "Check the connected user's rights in the target."),
    EndReason.UNEXPECTED_ANSWER: ("an org gave an answer that is not documented", "Try again; else report it."),
    EndReason.INCOMPLETE_READ: ("the source gave fewer or more rows than it announced", "Nothing to do: read again."),
    EndReason.MALFORMED_CSV: ("the source's export is not valid CSV", "Try again; if it stays, report it."),
    EndReason.BUG: ("Isthmus made a mistake", "Please report it, with the code of the run."),
    EndReason.LEASES_ENDED: (
        "the keeper, which lends access to the orgs, went away or no longer knew the run",
        "Nothing to do: the next run goes on from there.",
    ),
    EndReason.MOVER_DIED: ("the process that moves the records was ended", "Nothing to do: the next run goes on."),
    EndReason.MOVER_REFUSED: (
        "this machine cannot lock down the process that moves records",
        "Run `isthmus doctor`; it says what the kernel lacks.",
    ),
    EndReason.DELETES_ABOVE_CEILING: (
        "more records were deleted in the source than the step's ceiling admits, so none was touched",
        "Check the deletions in the source; raise `ceiling` if they are meant, then activate the sync again.",
    ),
    EndReason.DELETES_UNPROVEN: (
        "the source no longer knows every deletion since the last run, because it keeps them for 15 days",
        "Compare the two orgs, then activate the sync again: deletions count from then on.",
    ),
    EndReason.SOURCE_BUDGET: (
        "the share of the source org's API calls that the sync may use is used up",
        "Nothing to do: it goes on by itself in an hour. `budget` in the sync sets the share.",
    ),
    EndReason.TARGET_BUDGET: (
        "the share of the target org's API calls that the sync may use is used up",
        "Nothing to do: it goes on by itself in an hour. `budget` in the sync sets the share.",
    ),
    EndReason.CRITICAL_STEP: (
        "rows of a critical step failed, so the steps after it were not begun",
        "`isthmus sync inspect` shows the rows. Mend the cause, then run again: it goes on at this step.",
    ),
    EndReason.SOURCE_REVOKED: ("the source org was revoked, so the sync is paused", "Connect it again, then resume."),
    EndReason.TARGET_REVOKED: ("the target org was revoked, so the sync is paused", "Connect it again, then resume."),
}


def explain(code: StatusCode) -> Explanation:
    """Return cause and remedy of a row's failure."""
    entry = catalogue()[code.name]
    return Explanation(entry.cause, entry.remedy)


def explain_end(reason: EndReason, code: StatusCode | None = None) -> Explanation:
    """Return why a run ended; both texts are empty if it ran to its end."""
    cause, remedy = _ENDS[reason]
    if code is not None and code is not StatusCode.OTHER and cause:
        cause = f"{cause} ({code.name})"
    return Explanation(cause, remedy)
