"""R18: more seats in use than there are, or use of a licence that has ended."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from isthmus.audit.finding import Fact, Finding, Grade, Rule, Severity, Subject
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R18",
    title="Over-allocation",
    saves="nothing: an exposure",
    doc=(
        "UsedLicenses above TotalLicenses (a negative total is no count, so nothing is said), or a disabled licence "
        "that is still in use. Grade A. Trap: the org's own counter is more than a day old."
    ),
    remedy="Release seats, or ask Salesforce what those beyond the total cost, and about the licence's status.",
)


def check(view: View) -> Iterator[Finding]:
    """Yield one finding for each licence that is used beyond what the org has."""
    for row in view.snapshot.licenses:
        ended = row.status == "Disabled" and row.used > 0
        if (row.used <= row.total or row.total < 0) and not ended:
            continue
        lags = view.counter_lags(row)
        over = row.used if ended else row.used - row.total
        yield Finding(
            rule="R18",
            subject=Subject.LICENSE,
            subject_id=row.id,
            pool=row.id,
            severity=Severity.WARNING,
            grade=Grade.A.lowered(1 if lags else 0),
            why=f"{row.label} is disabled, and {row.used} users still hold it."
            if ended
            else f"{row.used} seats of {row.label} are used, {over} more than the org has.",
            facts=(
                Fact("seats", row.total),
                Fact("used", row.used),
                Fact("status", row.status),
                Fact("counter last updated", row.used_updated_at),
            ),
            traps=("the org's counter of used seats is more than a day old",) if lags else (),
            quantity=over,
        )
