"""The part of a report about other licences: who could move, what is best, and what each limit costs. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from isthmus.audit import money
from isthmus.audit.analysis import Analysis
from isthmus.audit.composing.moves import ALLOWANCE, Group, How, Limit, Source, Target, best, limits
from isthmus.audit.figures import MoveLimitLine, MoveLine
from isthmus.audit.finding import Finding, Grade, Saving, Withhold
from isthmus.audit.given.prices import Price, named_price
from isthmus.audit.rules import r09_integration, r19_right_size


@dataclass(frozen=True, slots=True)
class _Problem:
    groups: tuple[Group, ...]
    sources: dict[str, Source]
    targets: dict[str, Target]
    held_back: dict[str, int]
    currency: str


def move_lines(analysis: Analysis) -> tuple[tuple[MoveLine, ...], tuple[MoveLimitLine, ...]]:
    """Return the best moves and the limits that cost something, by currency; nothing where money is withheld."""
    if analysis.withheld(Withhold.MONEY) or analysis.withheld(Withhold.ACTIVITY):
        return (), ()
    currencies = sorted({price.currency for price in analysis.prices.values() if price.currency and price.amount})
    moves: list[MoveLine] = []
    found: list[MoveLimitLine] = []
    taken: Counter[str] = Counter()
    for currency in currencies:
        problem = _problem(analysis, currency, taken)
        choice = best(problem.groups, problem.sources, problem.targets)
        for (_, target), people in choice.moved.items():
            taken[target] += people
        for group in problem.groups:
            moved = choice.moved[group.source, group.target]
            moves.append(_line(analysis, problem, group, moved))
        found += [
            _limit_line(analysis, limit, currency)
            for limit in limits(problem.groups, problem.sources, problem.targets, problem.held_back)
        ]
    return tuple(moves), tuple(found)


def _problem(analysis: Analysis, currency: str, taken: Mapping[str, int]) -> _Problem:
    """Return what can be moved in one currency; `taken`: people moved in others, who have free seats already."""
    view = analysis.view
    integration, free = r09_integration.free_seats(view)
    light = r19_right_size.target(view)
    found: Counter[tuple[str, str]] = Counter()
    for position in sorted(analysis.valued):
        finding = analysis.findings[position]
        if finding.rule == "R09":
            found[finding.pool, integration] += 1
        elif finding.rule == "R19" and light is not None:
            found[finding.pool, light.id] += 1
    groups: list[Group] = []
    sources: dict[str, Source] = {}
    targets: dict[str, Target] = {}
    held_back: dict[str, int] = {}
    for (pool, target), people in sorted(found.items()):
        price = analysis.prices.get(pool)  # none for a seat whose licence the connected user does not see
        instead = analysis.prices.get(target) or named_price(target, analysis.basis.prices.own)
        if price is None or price.amount is None or price.currency != currency:
            continue
        how = How.NEW_USER if target == integration else How.IN_PLACE
        groups.append(Group(pool, target, people, how))
        needed, minimum = _needed(analysis, pool), _minimum(analysis, pool)
        sources[pool] = Source(price.amount, max(0, needed - minimum))
        held_back[pool] = min(minimum, needed)
        targets[target] = Target(
            max(0, free - taken[target]) if target == integration else 0, _amount(instead, currency)
        )
    return _Problem(tuple(groups), sources, targets, held_back, currency)


def _amount(price: Price | None, currency: str) -> Decimal | None:
    return price.amount if price is not None and price.currency == currency else None


def _needed(analysis: Analysis, pool: str) -> int:
    """Return the seats in use that no finding of grade A or B says can be given back without a move."""
    released = sum(
        finding.quantity
        for position in analysis.valued
        if _is_release(finding := analysis.findings[position]) and finding.pool == pool
    )
    return max(0, analysis.view.licenses[pool].used - released)


def _is_release(finding: Finding) -> bool:
    certain = finding.grade in {Grade.A, Grade.B}
    return finding.saving is Saving.SEAT and certain and finding.rule not in {"R09", "R19"}


def _minimum(analysis: Analysis, pool: str) -> int:
    return analysis.view.terms.minimum(pool)


def _name(analysis: Analysis, pool: str) -> str:
    row = analysis.view.licenses.get(pool)
    return row.label if row is not None else pool


def _line(analysis: Analysis, problem: _Problem, group: Group, moved: int) -> MoveLine:
    target = problem.targets[group.target]
    price = problem.sources[group.source].price
    return MoveLine(
        source=group.source,
        source_name=_name(analysis, group.source),
        target=group.target,
        target_name=_name(analysis, group.target),
        how=group.how.value,
        people=group.people,
        moved=moved,
        free=target.free,
        saves_monthly=None if target.price is None else money.to_cent(price - target.price),
        currency=problem.currency,
    )


def _limit_line(analysis: Analysis, limit: Limit, currency: str) -> MoveLimitLine:
    name = _name(analysis, limit.pool)
    what = (
        f"One more free seat of {name} (there are {limit.bound})"
        if limit.kind == ALLOWANCE
        else f"The contract's minimum of {name} (without it up to {limit.bound} more seats could move)"
    )
    return MoveLimitLine(
        pool=limit.pool, kind=limit.kind, what=what, annual=money.annual(limit.monthly, 1), currency=currency
    )
