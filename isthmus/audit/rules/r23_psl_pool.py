"""R23: permission set licences that are nearly used up, or priced and not held."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from isthmus.audit.finding import Fact, Finding, Grade, Rule, Saving, Severity, Subject
from isthmus.audit.given.prices import NEGOTIATED
from isthmus.audit.model import PslRow
from isthmus.audit.rules.r16_pool_surplus import surplus_of
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R23",
    title="Permission set licence pool",
    saves="unassigned seats at renewal, only at your own price",
    doc=(
        "Used up to 90 % or more (at least five seats), or more used than there are; or, for a permission set licence "
        "whose price you gave, seats that nobody holds beyond the headroom. Most come bundled with an edition, so a "
        "surplus without your price is not listed. Grade A: a count; D for a pool that is nearly used up."
    ),
    remedy="Buy fewer at the renewal, or release what R10, R11 and R12 list before buying more.",
)
USED_MIN_PERCENT: Final = 90
SEATS_MIN: Final = 5


def check(view: View) -> Iterator[Finding]:
    """Yield one finding for each pool that needs a look."""
    for row in view.snapshot.psls:
        if row.status != "Active" or row.total < 0:  # a negative total is no count
            continue
        price = view.prices.get(row.id)
        surplus = surplus_of(row, view.thresholds.of(row.key, row.name, row.label).headroom)
        if row.used > row.total:
            over = row.used - row.total
            why = f"{row.used} of {row.label} are used, {over} more than the org has."
            yield _finding(row, Severity.WARNING, Grade.A, why, quantity=over)
        elif row.total >= SEATS_MIN and row.used * 100 >= USED_MIN_PERCENT * row.total:
            why = f"{row.used} of {row.total} of {row.label} are used."
            yield _finding(row, Severity.INFO, Grade.D, why, quantity=row.total - row.used)
        elif surplus > 0 and price is not None and price.basis == NEGOTIATED:
            why = f"{row.total} of {row.label}, {row.used} used: {surplus} more than needed with headroom."
            yield _finding(row, Severity.WARNING, Grade.A, why, quantity=surplus, saving=Saving.SURPLUS)


def _finding(
    row: PslRow, severity: Severity, grade: Grade, why: str, *, quantity: int, saving: Saving = Saving.NONE
) -> Finding:
    return Finding(
        rule="R23",
        subject=Subject.PSL,
        subject_id=row.id,
        pool=row.id,
        severity=severity,
        grade=grade,
        why=why,
        facts=(Fact("seats", row.total), Fact("used", row.used)),
        saving=saving,
        quantity=quantity,
    )
