"""R16: more seats bought than anyone holds."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import ROUND_CEILING, Decimal
from typing import Final

from isthmus.audit.finding import Fact, Finding, Grade, Rule, Saving, Severity, Subject
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R16",
    title="Pool surplus",
    saves="unassigned seats, at renewal only",
    doc=(
        "Seats of a paid licence that nobody holds, less the headroom to keep free (5 % of the used seats). Grade A: "
        "a count. Quantities cannot fall before the renewal. Seats beyond your contract (free allowances, ramp deals) "
        "are not counted; without a contract file they cannot be told apart. Planned hires are kept free if "
        "you set them for the licence. Trap: the org's own counter is more than a day old."
    ),
    remedy="Renew fewer seats, unless hires or a ramp deal are planned; give notice in time.",
)


def check(view: View) -> Iterator[Finding]:
    """Yield one finding for each pool with a surplus."""
    for row in view.snapshot.licenses:
        contracted = view.terms.contracted(row.id)
        bought = row.total if contracted is None else min(row.total, contracted)
        kept = kept_free(row.used, view.thresholds_of(row.id).headroom)
        hires = view.thresholds_of(row.id).hires
        surplus = bought - row.used - kept - hires
        if surplus <= 0 or not view.categories[row.id].seat_costs or row.status != "Active":
            continue
        lags = view.counter_lags(row)
        yield Finding(
            rule="R16",
            subject=Subject.LICENSE,
            subject_id=row.id,
            pool=row.id,
            severity=Severity.WARNING,
            grade=Grade.A.lowered(1 if lags else 0),
            why=f"{bought} seats of {row.label}, {row.used} used: {surplus} more than needed with headroom.",
            facts=(
                Fact("seats", row.total),
                Fact("seats under your contract", contracted),
                Fact("used", row.used),
                Fact("kept free as headroom", kept),
                *((Fact("kept free for committed hires", hires),) if hires else ()),
                Fact("counter last updated", row.used_updated_at),
            ),
            traps=("the org's counter of used seats is more than a day old",) if lags else (),
            saving=Saving.SURPLUS,
            quantity=surplus,
        )


def kept_free(used: int, headroom: Decimal) -> int:
    """Return how many seats the headroom keeps free."""
    return int((used * headroom).to_integral_value(ROUND_CEILING))
