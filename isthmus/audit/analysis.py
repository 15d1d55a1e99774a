"""From a snapshot to judgements: gates first, then the rules that they let run, then money. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

import msgspec

from isthmus.audit.finding import Finding, GateResult, Grade, Saving, Severity, Subject, Verdict, Withhold
from isthmus.audit.given.contract import ContractItem
from isthmus.audit.given.exemptions import Exempt
from isthmus.audit.given.history import History, PoolPoint
from isthmus.audit.given.options import Thresholds
from isthmus.audit.given.pricebook import PriceBook
from isthmus.audit.given.prices import GIVEN, NEGOTIATED, UNPRICED, Price, named_price, price_of_license, price_of_psl
from isthmus.audit.given.snooze import Snoozes, put_off
from isthmus.audit.model import LicenseRow, PslRow
from isthmus.audit.money import ZERO, Less, Pool, PoolMoney, pool_money, valued_findings
from isthmus.audit.needed import base_need, known_weeks
from isthmus.audit.rules.r09_integration import allot
from isthmus.audit.rules.registry import CHECKS, DERIVED, GATES, RULES, SEAT_RULES
from isthmus.audit.snapshot import Snapshot
from isthmus.audit.terms import Terms
from isthmus.audit.view import DISABLED, View

AVERAGE_STEP: Final = Decimal("0.000001")
"""To what the average price of several contract lines is rounded."""


class Basis(msgspec.Struct, frozen=True):
    """Everything that decides figures besides the snapshot: kept in the bundle, so that figures can be recomputed.

    `today`: the day of the audit in the zone of `thresholds`, as it was when the audit was judged.
    """

    thresholds: Thresholds
    prices: PriceBook
    contract: tuple[ContractItem, ...]
    exempt: Exempt = Exempt()
    history: History = History()
    snoozes: Snoozes = Snoozes()
    today: date | None = None

    def day(self, snapshot: Snapshot) -> date:
        """Return the day of the audit where the operator is; that of UTC unless it was given."""
        return self.today or snapshot.reading.taken_at.date()


@dataclass(frozen=True, slots=True)
class Analysis:
    """What the gates and rules say about a snapshot, and what it is worth.

    `worth` has, for each valued finding by position, what one of its seats is worth a month; None: no price is known.
    """

    view: View
    basis: Basis
    gates: tuple[GateResult, ...]
    findings: tuple[Finding, ...]
    valued: frozenset[int]
    skipped_rules: frozenset[str]
    prices: Mapping[str, Price]
    worth: Mapping[int, Decimal | None]
    money: Mapping[str, PoolMoney] = field(default_factory=dict[str, PoolMoney])

    @property
    def money_withheld(self) -> bool:
        """Whether no money is printed: seats that cost nothing (a sandbox), or nothing known of who is there."""
        return self.withheld(Withhold.MONEY) or self.withheld(Withhold.ACTIVITY)

    def withheld(self, what: Withhold, pool: str | None = None) -> bool:
        """Whether a failed gate keeps `what` back, for the whole audit or for this pool."""
        return any(
            gate.verdict is Verdict.FAIL and what in gate.withholds and (not gate.pools or pool in gate.pools)
            for gate in self.gates
        )


def analyse(snapshot: Snapshot, basis: Basis) -> Analysis:
    """Judge the snapshot. The same snapshot and basis give the same analysis, on any machine and in any time zone."""
    today = basis.day(snapshot)
    terms = terms_of(snapshot, basis)
    prices = prices_of(snapshot, basis, terms)
    view = View(
        snapshot,
        basis.thresholds,
        prices=prices,
        exempt=basis.exempt,
        history=basis.history,
        terms=terms,
        today=today,
    )
    gates = tuple(result for gate in GATES for result in gate.examine(view))
    found: list[Finding] = []
    skipped = skipped_rules(snapshot, gates)
    for check in CHECKS:
        if check.rule.id not in skipped:
            found.extend(excused(view, finding) for finding in check.check(view))
    direct = tuple(found)
    for derived in DERIVED:
        if derived.rule.id not in skipped:
            found.extend(excused(view, finding) for finding in derived.check(view, direct))
    found = put_off(found, basis.snoozes, today)
    findings = tuple(sorted(found, key=lambda finding: _order(view, finding)))
    valued = valued_findings(findings)
    findings = allot(view, findings, valued)
    worth = {position: _worth(findings[position], prices, basis) for position in sorted(valued)}
    analysis = Analysis(view, basis, gates, findings, valued, skipped, prices, worth)
    if analysis.money_withheld:
        return analysis
    return replace(analysis, money=_money(analysis))


def skipped_rules(snapshot: Snapshot, gates: Sequence[GateResult]) -> frozenset[str]:
    """Return the rules that say nothing, because a gate keeps back what they need or they could not be read for."""
    kept_back = {w for result in gates if result.verdict is Verdict.FAIL and not result.pools for w in result.withholds}
    unreadable = frozenset(snapshot.reading.unavailable)
    return frozenset(rule.rule.id for rule in RULES if rule.needs & kept_back or rule.reads & unreadable)


def excused(view: View, finding: Finding) -> Finding:
    """Return the finding; as mere information, saying why, if its person is exempt today."""
    if finding.subject not in {Subject.USER, Subject.PSL_ASSIGNMENT}:
        return finding
    exemption = view.exemption_of(view.grant_holders.get(finding.subject_id, finding.subject_id), finding.rule)
    if exemption is None:
        return finding
    until = f" until {exemption.until.isoformat()}" if exemption.until is not None else ""
    return replace(
        finding,
        grade=Grade.D,
        severity=Severity.INFO,
        traps=(*finding.traps, f"exempt{until}: {exemption.reason}"),
        saving=Saving.NONE,
        exempt=True,
    )


def terms_of(snapshot: Snapshot, basis: Basis) -> Terms:
    """Return the contract's lines by pool, as they count on the day of the audit."""
    return Terms(snapshot.licenses, snapshot.psls, basis.contract, basis.day(snapshot))


def prices_of(snapshot: Snapshot, basis: Basis, terms: Terms) -> dict[str, Price]:
    """Return what a seat of each pool costs: your price, else the contract's, else a list price, else none."""
    book, on = basis.prices, basis.day(snapshot)
    prices = {row.id: price_of_license(row, on, book.shipped, book.own) for row in snapshot.licenses}
    prices |= {row.id: price_of_psl(row, on, book.shipped, book.own) for row in snapshot.psls}
    for row in (*snapshot.licenses, *snapshot.psls):
        by_contract = _contract_price(row, terms.now(row.id))
        if by_contract is not None and prices[row.id].confidence != GIVEN:
            prices[row.id] = by_contract
    return prices


def _contract_price(row: LicenseRow | PslRow, items: Sequence[ContractItem]) -> Price | None:
    """Return the contract's price of a seat; of several lines their average by quantity, so that sums stay right."""
    priced = [(item, item.unit_price) for item in items if item.unit_price is not None]
    if not priced:
        return None
    first, amount = priced[0]
    product, source, note = first.sku or row.label, first.source, ""
    if len({price for _, price in priced}) > 1 or len({item.currency for item, _ in priced}) > 1:
        product, source = row.label, "; ".join(dict.fromkeys(item.source for item, _ in priced))
        told = ", ".join(f"{item.quantity} x {price} {item.currency}" for item, price in priced)
        if len({item.currency for item, _ in priced}) > 1:
            note = f"The contract has {told}: one price for both cannot be said. Give it with --prices."
            return Price(row.id, product, None, None, UNPRICED, source, GIVEN, None, note)
        seats = sum(item.quantity for item, _ in priced)
        whole = sum((price * item.quantity for item, price in priced), ZERO)
        amount = (whole / seats).quantize(AVERAGE_STEP, ROUND_HALF_UP).normalize() if seats else amount
        note = f"Average of the contract's lines, {told}: seats given back at the renewal may be the cheaper ones."
    return Price(row.id, product, amount, first.currency, NEGOTIATED, source, GIVEN, None, note)


def _worth(finding: Finding, prices: Mapping[str, Price], basis: Basis) -> Decimal | None:
    return seat_worth((finding.pool, *finding.worth_of), finding.replacement, prices, basis)


def seat_worth(pools: Sequence[str], replacement: str, prices: Mapping[str, Price], basis: Basis) -> Decimal | None:
    """Return what one seat is worth a month: the least of the pools' prices, less that of what is needed instead.

    None if a price is missing or of another currency.
    """
    of = [prices.get(pool) for pool in pools]
    amounts = [price.amount for price in of if price is not None and price.amount is not None]
    currencies = {price.currency for price in of if price is not None}
    if len(amounts) < len(of) or len(currencies) > 1:
        return None
    least = min(amounts)
    if not replacement:
        return least
    instead = prices.get(replacement) or named_price(replacement, basis.prices.own)
    if instead is None or instead.amount is None or instead.currency not in currencies:
        return None
    return max(ZERO, least - instead.amount)


def _money(analysis: Analysis) -> dict[str, PoolMoney]:
    view, basis, prices = analysis.view, analysis.basis, analysis.prices
    by_pool: dict[str, list[Finding]] = defaultdict(list)
    less: dict[str, dict[Grade, list[tuple[Decimal, int]]]] = defaultdict(lambda: defaultdict(list))
    for position, worth in analysis.worth.items():
        finding = analysis.findings[position]
        price = prices.get(finding.pool)
        full = price.amount if price is not None else None
        if worth is None and full is not None:
            continue  # listed, and counted among those without a price
        by_pool[finding.pool].append(finding)
        if worth is not None and full is not None and worth < full:
            less[finding.pool][finding.grade].append((full - worth, finding.quantity))
    return {
        pool.id: pool_money(
            pool,
            by_pool[pool.id],
            view.thresholds_of(pool.id).headroom,
            Less(*(tuple(less[pool.id][grade]) for grade in (Grade.A, Grade.B, Grade.C))),
        )
        for pool in pools_of(view, basis, prices, _unused(analysis.findings))
    }


def _unused(findings: Sequence[Finding]) -> dict[str, list[int]]:
    """Count the unused seats of each licence by grade, A to D."""
    grades = tuple(Grade)
    found: dict[str, list[int]] = defaultdict(lambda: [0] * len(grades))
    for finding in findings:
        if finding.rule in SEAT_RULES:
            found[finding.pool][grades.index(finding.grade)] += 1
    return found


def pools_of(view: View, basis: Basis, prices: Mapping[str, Price], unused: Mapping[str, Sequence[int]]) -> list[Pool]:
    """Return the pools whose seats are money, with what the contract and the weekly history say of them.

    Licences that are disabled are left out: they are not paid for, and their seats are no seats to use again.
    `unused` counts the unused seats of each licence today by grade, A first.
    """
    pools: list[Pool] = []
    utc_day = view.now.date()
    for row in view.snapshot.licenses:
        if view.categories[row.id].seat_costs and row.status != DISABLED:
            a, b, c, *_ = unused.get(row.id, (0, 0, 0))
            points = [*basis.history.points, PoolPoint(utc_day, row.id, row.total, row.used, a, b, c)]
            items = view.terms.renewing(row.id)
            before = base_need(known_weeks(points, row.id, utc_day), items, view.today)
            own = _pool(view, row, prices)
            pools.append(replace(own, needed_before=before, count_surplus=row.status == "Active"))
    pools += [_add_on(view, row, prices) for row in view.snapshot.psls if row.status != DISABLED]
    return pools


def _pool(view: View, row: LicenseRow | PslRow, prices: Mapping[str, Price]) -> Pool:
    terms, hires = view.terms, view.thresholds_of(row.id).hires
    contracted, minimum = terms.contracted(row.id), terms.minimum(row.id)
    if contracted is None and row.total < 0:
        contracted = 0  # a negative total is no count: nobody knows what is bought, so nothing is saved at the renewal
    own = Pool(row.id, _total(row), row.used, prices[row.id], contracted, minimum, hires=hires)
    return replace(own, renewable=terms.renewable(row.id))


def _add_on(view: View, row: PslRow, prices: Mapping[str, Price]) -> Pool:
    """Return the pool of a permission set licence: most come bundled, so what nobody holds counts only if it is bought.

    Where the contract has it, no more seats are worth money than it has: others came with something else, or free.
    """
    own = _pool(view, row, prices)
    bought = own.contracted is not None or own.price.basis == NEGOTIATED
    return replace(own, count_surplus=bought and row.status == "Active", paid_max=view.terms.contracted(row.id))


def _total(row: LicenseRow | PslRow) -> int:
    """Return the seats that there are; a negative total is no count, so those in use are all that is known."""
    return row.used if row.total < 0 else row.total


def _order(view: View, finding: Finding) -> tuple[int, int, str, str, str]:
    """Sort by severity, grade, rule, then by name: the same order in every document."""
    severity = ("critical", "warning", "info").index(finding.severity.value)
    user = view.users.get(finding.subject_id)
    name = user.name.casefold() if user is not None else ""
    return severity, tuple(Grade).index(finding.grade), finding.rule, name, finding.subject_id
