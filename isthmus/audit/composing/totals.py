"""The totals of a report: three figures for each currency. Pure."""

from __future__ import annotations

from collections.abc import Callable

from isthmus.audit import money
from isthmus.audit.analysis import Analysis
from isthmus.audit.figures import GradeSplit, MoneyTotal
from isthmus.audit.given.prices import AT_LIST
from isthmus.audit.money import PoolMoney, Split


def totals(analysis: Analysis) -> tuple[MoneyTotal, ...]:
    """Return the three figures of each currency, first that in which most assigned seats are paid."""
    priced = [p.pool.price for p in analysis.money.values() if p.pool.price.amount is not None]
    currencies = sorted({price.currency for price in priced if price.currency is not None})
    lines = [_total(analysis, currency) for currency in currencies]
    seats = {currency: _seats_paid(analysis, currency) for currency in currencies}
    return tuple(sorted(lines, key=lambda line: (-seats[line.currency], -line.cash_at_renewal, line.currency)))


def _seats_paid(analysis: Analysis, currency: str) -> int:
    """Count the assigned seats of user licences with a price in this currency: amounts of several do not compare."""
    pools = (analysis.money[row.id] for row in analysis.view.snapshot.licenses if row.id in analysis.money)
    return sum(p.pool.used for p in pools if p.pool.price.currency == currency and p.pool.price.amount)


def _total(analysis: Analysis, currency: str) -> MoneyTotal:
    pools = [p for p in analysis.money.values() if p.pool.price.currency == currency]
    priced = [(p, p.pool.price.amount) for p in pools if p.pool.price.amount is not None]

    def split(which: Callable[[PoolMoney], Split]) -> GradeSplit:
        amounts = [p.by_grade(which(p)) for p, _ in priced]
        return GradeSplit(*(money.annual(sum((part[i] for part in amounts), money.ZERO), 1) for i in range(3)))

    reclaim, renewal, risk = split(_reclaim), split(_renewal), split(_risk)
    cash = renewal.a + renewal.b + renewal.c
    found = {p.pool.price.basis for p, _ in priced if p.reclaim.total + p.renewal.total + p.risk.total}
    bases = found or {p.pool.price.basis for p, _ in priced}
    billed = ((p.pool.total if p.pool.contracted is None else p.pool.contracted, price) for p, price in priced)
    cost = money.annual(sum((price * seats for seats, price in billed), money.ZERO), 1)
    return MoneyTotal(
        currency=currency,
        basis="list" if bases == {AT_LIST} else "yours" if AT_LIST not in bases else "list and yours",
        reclaim_now=reclaim.a + reclaim.b + reclaim.c,
        reclaim_seats=sum(p.reclaim.total for p, _ in priced),
        reclaim_split=reclaim,
        cash_at_renewal=cash,
        renewal_seats=sum(p.renewal.total for p, _ in priced),
        renewal_split=renewal,
        at_risk=risk.c,
        risk_seats=sum(p.risk.total for p, _ in priced),
        break_even_uplift_percent=money.break_even_percent(cash, cost),
        annual_cost=cost,
    )


def unpriced(analysis: Analysis) -> int | None:
    """Return how many seats and grants were found whose price is not known; None where money is withheld."""
    if analysis.money_withheld:
        return None
    pools = sum(p.reclaim.total + p.risk.total for p in analysis.money.values() if p.pool.price.amount is None)
    findings = sum(
        analysis.findings[position].quantity
        for position, worth in analysis.worth.items()
        if worth is None
        and (pool := analysis.money.get(analysis.findings[position].pool)) is not None
        and pool.pool.price.amount is not None
    )
    return pools + findings


def _reclaim(pool: PoolMoney) -> Split:
    return pool.reclaim


def _renewal(pool: PoolMoney) -> Split:
    return pool.renewal


def _risk(pool: PoolMoney) -> Split:
    return pool.risk
