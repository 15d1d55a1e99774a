"""What findings are worth. Pure, Decimal throughout; rounding happens once, when a figure is printed.

Three figures, never one, and never added up, for they overlap:
*reclaim now*: assigned seats that can be used again before buying more; no cash flows.
*cash at renewal*: how many fewer seats need to be renewed, after headroom and contract minimum; never seats that 95 %
of the past weeks needed.
*at risk*: seats of grade C; ask first.
Each seat is valued once, by the first rule in priority that found it; the sum of a pool is capped by the pool.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Final

from isthmus.audit.finding import Finding, Grade, Saving
from isthmus.audit.given.prices import Price
from isthmus.audit.rules.registry import PSL_PRIORITY, SEAT_PRIORITY

CENT: Final = Decimal("0.01")
MONTHS: Final = 12
PERCENT: Final = 100
ZERO: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Pool:
    """One pool of seats. `contracted` and `minimum` come from the contract file, if there is one.

    `needed_before`: seats that 95 % of the past weeks needed, where there are enough of them.
    `count_surplus`: seats that nobody holds count at renewal too (not for permission set licences: most come bundled).
    """

    id: str
    total: int
    used: int
    price: Price
    contracted: int | None = None
    minimum: int = 0
    needed_before: int = 0
    count_surplus: bool = True


@dataclass(frozen=True, slots=True)
class Split:
    """A number of seats by grade."""

    a: int = 0
    b: int = 0
    c: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.a + self.b + self.c


@dataclass(frozen=True, slots=True)
class Less:
    """Money per month, by grade, that seats are worth less than the pool's price: another seat is needed instead."""

    a: Decimal = ZERO
    b: Decimal = ZERO
    c: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class PoolMoney:
    """What a pool's findings amount to, in seats; `price` says what one is worth."""

    pool: Pool
    reclaim: Split
    renewal: Split
    risk: Split
    less: Less = Less()

    def by_grade(self, seats: Split) -> tuple[Decimal, Decimal, Decimal]:
        """Return what so many seats save per month, by grade; zeros without a price. Never more than their cost."""
        amount = self.pool.price.amount
        if amount is None:
            return ZERO, ZERO, ZERO
        return (
            max(ZERO, amount * seats.a - self.less.a),
            max(ZERO, amount * seats.b - self.less.b),
            max(ZERO, amount * seats.c - self.less.c),
        )

    def saving(self, seats: Split) -> Decimal | None:
        """Return what so many seats save per month, or None if the pool has no price."""
        return sum(self.by_grade(seats), ZERO) if self.pool.price.amount is not None else None

    def monthly(self, seats: int) -> Decimal | None:
        """Return what so many seats cost per month, or None if the pool has no price."""
        amount = self.pool.price.amount
        return amount * seats if amount is not None else None


NOTHING_LESS: Final = Less()


def valued_findings(findings: Sequence[Finding]) -> frozenset[int]:
    """Return the positions of the findings that carry their seat's or grant's value; every seat and grant has one."""
    best: dict[tuple[Saving, str, str], tuple[int, int]] = {}
    for position, finding in enumerate(findings):
        if finding.saving is Saving.NONE or finding.grade is Grade.D:
            continue
        order = PSL_PRIORITY if finding.saving is Saving.PSL else SEAT_PRIORITY
        rank = order.index(finding.rule) if finding.rule in order else len(order)
        key = (finding.saving, finding.pool, finding.subject_id)
        if key not in best or rank < best[key][0]:
            best[key] = (rank, position)
    return frozenset(position for _, position in best.values())


def pool_money(pool: Pool, findings: Iterable[Finding], headroom: Decimal, less: Less = NOTHING_LESS) -> PoolMoney:
    """Return a pool's three figures from its valued findings."""
    seats = {Grade.A: 0, Grade.B: 0, Grade.C: 0, Grade.D: 0}
    for finding in findings:
        if finding.saving in {Saving.SEAT, Saving.PSL}:
            seats[finding.grade] += finding.quantity
    return money_of_seats(pool, Split(seats[Grade.A], seats[Grade.B], seats[Grade.C]), headroom, less)


def money_of_seats(pool: Pool, found: Split, headroom: Decimal, less: Less = NOTHING_LESS) -> PoolMoney:
    """Return a pool's three figures from how many of its seats were found."""
    certain = min(found.a + found.b, pool.used)
    room = max(0, pool.total - (pool.used - certain))
    reclaim = _take(min(certain, room), found.a)
    used = max(pool.used - certain, pool.needed_before)
    needed = int((used * (1 + headroom)).to_integral_value(ROUND_CEILING))
    bought = pool.total if pool.contracted is None else min(pool.total, pool.contracted)
    fewer = max(0, bought - max(needed, pool.minimum))
    surplus = max(0, bought - pool.used) if pool.count_surplus else 0
    if not pool.count_surplus:
        fewer = min(fewer, certain)
    return PoolMoney(pool, reclaim, _take(fewer, surplus + found.a), Split(c=found.c), less)


def _take(seats: int, of_grade_a: int) -> Split:
    a = min(seats, of_grade_a)
    return Split(a=a, b=seats - a)


def annual(price: Decimal, seats: int) -> Decimal:
    """Return a year's money, to the cent, half up."""
    return (price * seats * MONTHS).quantize(CENT, ROUND_HALF_UP)


def to_cent(amount: Decimal | None) -> Decimal | None:
    """Round as a figure is printed."""
    return None if amount is None else amount.quantize(CENT, ROUND_HALF_UP)


def break_even_percent(saved: Decimal, cost_before: Decimal) -> Decimal | None:
    """Return the rise of the unit price, in percent, that would cancel the saving: f/(1-f) for a cut of f."""
    if saved <= 0 or cost_before <= saved:
        return None
    return (saved / (cost_before - saved) * PERCENT).quantize(Decimal("0.1"), ROUND_HALF_UP)
