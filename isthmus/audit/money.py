"""What findings are worth. Pure, Decimal throughout; rounding happens once, when a figure is printed.

Three figures, never one, and never added up, for they overlap:
*reclaim now*: assigned seats that can be used again before buying more; no cash flows.
*cash at renewal*: how many fewer seats need to be renewed, after headroom and contract minimum; never seats that 95 %
of the past weeks needed.
*at risk*: seats of grade C; ask first.
Each seat is valued once, by the surest finding about it, and among equally sure ones by the first rule in priority:
a hint never makes a certain saving doubtful. No pool gives more than it has: where more seats are used than there are,
seats that come back are nobody's saving until used seats and seats are level, for grade C as for A and B.
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

    `needed_before`: seats that the weekly history asks for at the renewal (see `needed`), where there is enough of it.
    `hires`: seats promised to people who are still to come: they are needed at the renewal on top of all else.
    `count_surplus`: seats that nobody holds count at renewal too (not for permission set licences: most come bundled).
    `renewable`: so many of the contracted seats the last of its terms still has; only these can be given back.
    `paid_max`: no more of its seats are worth money than these, whatever is found.
    """

    id: str
    total: int
    used: int
    price: Price
    contracted: int | None = None
    minimum: int = 0
    needed_before: int = 0
    count_surplus: bool = True
    hires: int = 0
    paid_max: int | None = None
    renewable: int | None = None


@dataclass(frozen=True, slots=True)
class Split:
    """A number of seats by grade. `less`: what they are worth less per month, by grade, than the pool's price."""

    a: int = 0
    b: int = 0
    c: int = 0
    less: tuple[Decimal, Decimal, Decimal] = (ZERO, ZERO, ZERO)

    @property
    def total(self) -> int:
        """All of them."""
        return self.a + self.b + self.c


@dataclass(frozen=True, slots=True)
class Less:
    """Seats by grade that are worth less than the pool's price: so much a month less, and how many of them.

    For some of them another seat is needed instead, others are second seats of which the cheaper one counts.
    """

    a: tuple[tuple[Decimal, int], ...] = ()
    b: tuple[tuple[Decimal, int], ...] = ()
    c: tuple[tuple[Decimal, int], ...] = ()


@dataclass(frozen=True, slots=True)
class PoolMoney:
    """What a pool's findings amount to, in seats; `price` says what one is worth.

    `in_use` are the seats used that no finding of grade A or B says can be given back.
    """

    pool: Pool
    reclaim: Split
    renewal: Split
    risk: Split
    in_use: int = 0

    def by_grade(self, seats: Split) -> tuple[Decimal, Decimal, Decimal]:
        """Return what so many seats save per month, by grade; zeros without a price. Never more than their cost."""
        amount = self.pool.price.amount
        if amount is None:
            return ZERO, ZERO, ZERO
        less_a, less_b, less_c = seats.less
        return amount * seats.a - less_a, amount * seats.b - less_b, amount * seats.c - less_c

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
    grades = tuple(Grade)
    best: dict[tuple[Saving, str, str], tuple[int, int, int]] = {}
    for position, finding in enumerate(findings):
        if finding.saving is Saving.NONE or finding.grade is Grade.D:
            continue
        order = PSL_PRIORITY if finding.saving is Saving.PSL else SEAT_PRIORITY
        rank = order.index(finding.rule) if finding.rule in order else len(order)
        key = (finding.saving, finding.pool, finding.subject_id)
        sure = (grades.index(finding.grade), rank, position)
        if key not in best or sure < best[key]:
            best[key] = sure
    return frozenset(position for _, _, position in best.values())


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
    in_use = pool.used - certain
    needed = int((max(in_use, pool.needed_before) * (1 + headroom)).to_integral_value(ROUND_CEILING)) + pool.hires
    bought = pool.total if pool.contracted is None else min(pool.total, pool.contracted)
    ends = bought if pool.renewable is None else min(bought, pool.renewable)
    fewer = max(0, ends - max(needed, pool.minimum))
    surplus = max(0, bought - pool.used) if pool.count_surplus else 0
    if not pool.count_surplus:
        fewer = min(fewer, certain)
    again = min(certain, room)
    # Seats used beyond what there is come back first, whatever the grade of those that free them.
    asked = min(found.c, pool.used - certain)
    risk = max(0, min(asked, pool.total - pool.used + certain + asked - again))
    if pool.paid_max is not None:
        again = min(again, pool.paid_max)
        risk = min(risk, pool.paid_max - again)
    reclaim = _take(again, found, less)
    renewal = _take(fewer, Split(surplus + found.a, found.b, found.c), less)
    return PoolMoney(pool, reclaim, renewal, _worth_less(Split(c=risk), found, less), in_use)


def _take(seats: int, of: Split, less: Less) -> Split:
    a = min(seats, of.a)
    return _worth_less(Split(a=a, b=seats - a), of, less)


def _worth_less(taken: Split, of: Split, less: Less) -> Split:
    """Return the seats taken with what they are worth less: those that are worth most are given back first."""
    return Split(
        taken.a,
        taken.b,
        taken.c,
        (_off(taken.a, of.a, less.a), _off(taken.b, of.b, less.b), _off(taken.c, of.c, less.c)),
    )


def _off(taken: int, of: int, less: Sequence[tuple[Decimal, int]]) -> Decimal:
    """Return what `taken` of so many seats are worth less."""
    left, off = taken - (of - sum(seats for _, seats in less)), ZERO
    for amount, seats in sorted(less):
        count = max(0, min(left, seats))
        off += amount * count
        left -= count
    return off


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
