"""R23: permission set licences that are nearly used up, or priced and not held."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from isthmus.audit.finding import Fact, Finding, Grade, Rule, Saving, Severity, Subject
from isthmus.audit.given.prices import NEGOTIATED
from isthmus.audit.model import PslRow
from isthmus.audit.rules.r16_pool_surplus import kept_free
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R23",
    title="Permission set licence pool",
    saves="unassigned seats at renewal, only where you pay for it by itself",
    doc=(
        "Used up to 90 % or more (at least five seats), or more used than there are; or, for a permission set licence "
        "that is bought by itself, seats that nobody holds beyond the headroom, planned hires and the contract's "
        "minimum. It is bought by itself where you gave its price or your contract has it: most come bundled with an "
        "edition, and a surplus of those is not listed. Seats beyond your contract are not counted. Grade A: a count; "
        "D for a pool that is nearly used up."
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
        bought, surplus = _surplus(view, row)
        if row.used > row.total:
            over = row.used - row.total
            why = f"{row.used} of {row.label} are used, {over} more than the org has."
            yield _finding(view, row, Severity.WARNING, Grade.A, why, quantity=over)
        elif row.total >= SEATS_MIN and row.used * 100 >= USED_MIN_PERCENT * row.total:
            why = f"{row.used} of {row.total} of {row.label} are used."
            yield _finding(view, row, Severity.INFO, Grade.D, why, quantity=row.total - row.used)
        elif surplus > 0 and _is_paid(view, row):
            why = f"{bought} of {row.label}, {row.used} used: {surplus} more than needed with headroom."
            yield _finding(view, row, Severity.WARNING, Grade.A, why, quantity=surplus, saving=Saving.SURPLUS)


def _surplus(view: View, row: PslRow) -> tuple[int, int]:
    """Return the seats that are bought, and how many of them are beyond those used, headroom, hires and minimum."""
    contracted, own = view.terms.contracted(row.id), view.thresholds_of(row.id)
    bought = row.total if contracted is None else min(row.total, contracted)
    needed = row.used + kept_free(row.used, own.headroom) + own.hires
    return bought, bought - max(needed, view.terms.minimum(row.id))


def _is_paid(view: View, row: PslRow) -> bool:
    """Whether seats of it that nobody holds cost money by what you say; a price of nothing says that none do."""
    price = view.prices.get(row.id)
    if price is not None and price.basis == NEGOTIATED:
        return price.amount != 0
    return view.terms.contracted(row.id) is not None


def _finding(
    view: View, row: PslRow, severity: Severity, grade: Grade, why: str, *, quantity: int, saving: Saving = Saving.NONE
) -> Finding:
    contracted = view.terms.contracted(row.id)
    return Finding(
        rule="R23",
        subject=Subject.PSL,
        subject_id=row.id,
        pool=row.id,
        severity=severity,
        grade=grade,
        why=why,
        facts=(
            Fact("seats", row.total),
            *((Fact("seats under your contract", contracted),) if contracted is not None else ()),
            Fact("used", row.used),
        ),
        saving=saving,
        quantity=quantity,
    )
