"""Where the totals of money come from, and what other thresholds would say. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from isthmus.audit.composing.compose import lasts_of
from isthmus.audit.explain.model import How, Source, Step
from isthmus.audit.explain.rows import LOGINS, PRICES, USERS
from isthmus.audit.explain.trace_pools import grade_steps, money_findings, seats_of
from isthmus.audit.explain.tracer import Ground, Trace, words
from isthmus.audit.finding import Withhold
from isthmus.audit.money import MONTHS, PoolMoney

_GRADE_AT: Final = MappingProxyType({"a": 0, "b": 1, "c": 2})
_TOTALS: Final = MappingProxyType({"reclaim_now": "reclaim_split", "cash_at_renewal": "renewal_split"})
_SEATS: Final = MappingProxyType({"reclaim_seats": "reclaim", "renewal_seats": "renewal", "risk_seats": "risk"})


def money_trace(ground: Ground, field: str, at: tuple[int, ...]) -> Source:
    """Return where a figure of the totals comes from."""
    total = f"money[{at[0]}]"
    if field in _TOTALS:
        parts = tuple(f"{total}.{_TOTALS[field]}.{grade}" for grade in "abc")
        return Source(How.SUM, "All grades together.", parts=parts, files=(PRICES,))
    if field.startswith(("reclaim_split", "renewal_split")):
        return _split(ground, at, field.partition("_")[0], field[-1])
    if field in _SEATS:
        return _seats(ground, at, _SEATS[field])
    return _OTHERS[field](ground, field, at)


def _pools(ground: Ground, at: tuple[int, ...]) -> list[tuple[str, PoolMoney]]:
    """Return the priced pools of a currency with their labels."""
    currency = ground.report.money[at[0]].currency
    labels = {row.id: row.label for row in (*ground.view.snapshot.licenses, *ground.view.snapshot.psls)}
    return [
        (labels[id_], pool)
        for id_, pool in ground.analysis.money.items()
        if pool.pool.price.currency == currency and pool.pool.price.amount is not None
    ]


def _split(ground: Ground, at: tuple[int, ...], which: str, grade: str) -> Source:
    pools = _pools(ground, at)
    steps = tuple(grade_steps(label, pool, seats_of(pool, which))[_GRADE_AT[grade]] for label, pool in pools)
    found = _findings(ground, pools, which)
    return Source(
        How.STEPS,
        "Each pool by month, times twelve.",
        steps=tuple(step for step in steps if step.value),
        factor=MONTHS,
        parts=(*_monthlies(ground, pools, which), *(f"findings[{p}].saving_monthly" for p in found)),
        rules=tuple(sorted({ground.analysis.findings[p].rule for p in found})),
        files=(PRICES, USERS),
        settings=ground.thresholds(),
    )


def _findings(ground: Ground, pools: list[tuple[str, PoolMoney]], which: str) -> list[int]:
    return [p for _, pool in pools for p in money_findings(ground, pool.pool.id, which)]


def _monthlies(ground: Ground, pools: list[tuple[str, PoolMoney]], which: str) -> tuple[str, ...]:
    """Return the pools' own figures."""
    return tuple(ground.license_path(p.pool.id, f"{which}_monthly") for _, p in pools)


def _seats(ground: Ground, at: tuple[int, ...], which: str) -> Source:
    pools = _pools(ground, at)
    steps = tuple(
        Step(f"{label}: {seats_of(p, which).total} seats", Decimal(seats_of(p, which).total)) for label, p in pools
    )
    found = _findings(ground, pools, which)
    parts = tuple(f"findings[{p}].quantity" for p in found)
    said = "Pools of this currency together; each seat counts once, and no pool gives more than it has."
    return Source(How.STEPS, said, steps=tuple(s for s in steps if s.value), parts=parts, files=(USERS, PRICES))


def _at_risk(ground: Ground, _field: str, at: tuple[int, ...]) -> Source:
    return _split(ground, at, "risk", "c")


def _currency(ground: Ground, _field: str, at: tuple[int, ...]) -> Source:
    parts = tuple(part for _, pool in _pools(ground, at) for part in ground.price_parts(pool.pool.id))
    return Source(How.RECKONED, "A currency in which some pool has a price.", files=(PRICES,), parts=parts)


def _annual_cost(ground: Ground, _field: str, at: tuple[int, ...]) -> Source:
    steps: list[Step] = []
    parts: list[str] = []
    for label, pool in _pools(ground, at):
        own, price = pool.pool, pool.pool.price.amount
        seats = own.total if own.contracted is None else own.contracted
        if price is not None and seats:
            steps.append(Step(f"{label}: {seats} x {price}, by month", price * seats))
        parts += [*ground.price_parts(own.id), *ground.contract_parts(own.id, "contracted")]
    said = "By month, times twelve: the contract's quantity, else what the org has."
    return Source(How.STEPS, said, steps=tuple(steps), factor=MONTHS, parts=tuple(parts), files=(PRICES,))


def _break_even(ground: Ground, _field: str, at: tuple[int, ...]) -> Source:
    total, path = ground.report.money[at[0]], f"money[{at[0]}]"
    saved, cost = total.cash_at_renewal, total.annual_cost
    said = (
        f"{saved} / ({cost} - {saved}) x 100, where {cost} is a year at today's quantities; none if nothing is saved."
    )
    return Source(How.RECKONED, said, parts=(f"{path}.cash_at_renewal", f"{path}.annual_cost"), files=(PRICES,))


def unpriced_trace(ground: Ground, _field: str, _at: tuple[int, ...]) -> Source:
    """Return where the number of unpriced seats comes from."""
    analysis = ground.analysis
    if ground.report.unpriced_seats is None:
        return ground.withheld(Withhold.ACTIVITY, Withhold.MONEY)
    labels = {row.id: row.label for row in (*ground.view.snapshot.licenses, *ground.view.snapshot.psls)}
    steps = [
        Step(
            f"{labels[id_]}, which has no price: {pool.reclaim.total + pool.risk.total}",
            Decimal(pool.reclaim.total + pool.risk.total),
        )
        for id_, pool in analysis.money.items()
        if pool.pool.price.amount is None
    ]
    parts: list[str] = []
    for position, worth in analysis.worth.items():
        finding = analysis.findings[position]
        pool = analysis.money.get(finding.pool)
        if worth is not None or pool is None:
            continue
        parts.append(f"findings[{position}].quantity")
        if pool.pool.price.amount is not None:
            steps.append(
                Step(
                    f"finding {position + 1}, whose other price is not known: {finding.quantity}",
                    Decimal(finding.quantity),
                )
            )
    said = "Seats and grants of pools without a price, and findings that need another pool's price."
    return Source(How.STEPS, said, steps=tuple(s for s in steps if s.value), parts=tuple(parts), files=(PRICES, USERS))


def sensitivity_trace(ground: Ground, field: str, at: tuple[int, ...]) -> Source:
    """Return where a figure of another threshold comes from."""
    point = ground.report.sensitivity[at[0]]
    if field == "days":
        return words("The same thresholds in every report.")
    if point.seats is None:
        return ground.withheld(Withhold.ACTIVITY)
    if field == "seats":
        return _sensitivity_seats(ground, point.days)
    if point.annual is None:
        return _sensitivity_unpriced(ground, at[0])
    if field == "currency":
        return Source(How.SAME, parts=("money[0].currency",))
    return _sensitivity_money(ground, at[0], point.days, point.currency)


def _sensitivity_seats(ground: Ground, days: int) -> Source:
    gone = [user for license_, _ in ground.view.seat_pools() for user in _gone(ground, license_, days)]
    said = f"Holders of paid seats who are not exempt, were not created just now, and did not log in for {days} days."
    return Source(How.ROWS, said, ground.users(gone), (USERS, LOGINS), settings=ground.thresholds())


def _sensitivity_unpriced(ground: Ground, index: int) -> Source:
    if ground.analysis.withheld(Withhold.MONEY):
        return ground.withheld(Withhold.MONEY)
    said = "No seat of this org has a known price."
    return Source(How.WITHHELD, said, files=(PRICES,), parts=(f"sensitivity[{index}].seats",))


def _gone(ground: Ground, license_: str, days: int) -> list[str]:
    """Return the holders of a licence without a login for so many days."""
    since = ground.view.now - timedelta(days=days)
    return [user for user, last in lasts_of(ground.view, ground.view.holders[license_]) if last <= since]


def _sensitivity_money(ground: Ground, index: int, days: int, currency: str | None) -> Source:
    steps: list[Step] = []
    for license_, _ in ground.view.seat_pools():
        price, gone = ground.analysis.prices.get(license_), len(_gone(ground, license_, days))
        if price is not None and price.amount is not None and price.currency == currency and gone:
            label = ground.view.licenses[license_].label
            steps.append(Step(f"{label}: {gone} x {price.amount}, by month", price.amount * gone))
    said = "By month, times twelve; seats of another currency or without a price are left out."
    parts = (f"sensitivity[{index}].seats",)
    return Source(How.STEPS, said, steps=tuple(steps), factor=MONTHS, parts=parts, files=(PRICES,))


_OTHERS: Final[Mapping[str, Trace]] = MappingProxyType(
    {
        "currency": _currency,
        "basis": _currency,
        "at_risk": _at_risk,
        "break_even_uplift_percent": _break_even,
        "annual_cost": _annual_cost,
    }
)
