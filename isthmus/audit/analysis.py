"""From a snapshot to judgements: gates first, then the rules that they let run, then money. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from isthmus.audit.contract import ContractItem
from isthmus.audit.finding import Finding, GateResult, Grade, Verdict, Withhold
from isthmus.audit.model import LicenseRow
from isthmus.audit.money import Pool, PoolMoney, pool_money, valued_findings
from isthmus.audit.options import Thresholds
from isthmus.audit.pricebook import PriceBook
from isthmus.audit.prices import NEGOTIATED, Price, price_of_license, price_of_psl
from isthmus.audit.rules.registry import CHECKS, GATES
from isthmus.audit.snapshot import Snapshot
from isthmus.audit.view import View


class Basis(msgspec.Struct, frozen=True):
    """Everything that decides figures besides the snapshot: kept in the bundle, so that figures can be recomputed."""

    thresholds: Thresholds
    prices: PriceBook
    contract: tuple[ContractItem, ...]


@dataclass(frozen=True, slots=True)
class Analysis:
    """What the gates and rules say about a snapshot, and what it is worth."""

    view: View
    basis: Basis
    gates: tuple[GateResult, ...]
    findings: tuple[Finding, ...]
    valued: frozenset[int]
    skipped_rules: frozenset[str]
    prices: Mapping[str, Price]
    money: Mapping[str, PoolMoney] = field(default_factory=dict[str, PoolMoney])

    def withheld(self, what: Withhold, pool: str | None = None) -> bool:
        """Whether a failed gate keeps `what` back, for the whole audit or for this pool."""
        return any(
            gate.verdict is Verdict.FAIL and what in gate.withholds and (not gate.pools or pool in gate.pools)
            for gate in self.gates
        )


def analyse(snapshot: Snapshot, basis: Basis) -> Analysis:
    """Judge the snapshot. The same snapshot and basis give the same analysis, on any machine and in any time zone."""
    view = View(snapshot, basis.thresholds)
    gates = tuple(result for gate in GATES for result in gate.examine(view))
    kept_back = {w for result in gates if result.verdict is Verdict.FAIL and not result.pools for w in result.withholds}
    found: list[Finding] = []
    skipped: set[str] = set()
    for check in CHECKS:
        if check.needs & kept_back:
            skipped.add(check.rule.id)
            continue
        found.extend(check.check(view))
    findings = tuple(sorted(found, key=lambda finding: _order(view, finding)))
    valued = valued_findings(findings)
    prices = _prices(view, basis)
    analysis = Analysis(view, basis, gates, findings, valued, frozenset(skipped), prices)
    if analysis.withheld(Withhold.MONEY):
        return analysis
    return Analysis(
        view, basis, gates, findings, valued, frozenset(skipped), prices, _money(view, basis, findings, valued, prices)
    )


def contract_of(row: LicenseRow, contract: Sequence[ContractItem]) -> tuple[ContractItem, ...]:
    """Return the contract's lines for this licence, by key or name."""
    names = {text.strip().casefold() for text in (row.key, row.name, row.label) if text}
    return tuple(item for item in contract if item.license.strip().casefold() in names)


def _prices(view: View, basis: Basis) -> dict[str, Price]:
    book, on = basis.prices, view.now.date()
    prices: dict[str, Price] = {}
    for row in view.snapshot.licenses:
        price = price_of_license(row, on, book.shipped, book.own)
        items = [i for i in contract_of(row, basis.contract) if i.unit_price is not None]
        if price.basis != NEGOTIATED and items:
            item = items[0]
            price = Price(
                row.id, item.sku or row.label, item.unit_price, item.currency, NEGOTIATED, item.source, "given by you"
            )
        prices[row.id] = price
    for psl in view.snapshot.psls:
        prices[psl.id] = price_of_psl(psl, on, book.shipped, book.own)
    return prices


def _money(
    view: View, basis: Basis, findings: Sequence[Finding], valued: frozenset[int], prices: Mapping[str, Price]
) -> dict[str, PoolMoney]:
    by_pool: dict[str, list[Finding]] = defaultdict(list)
    for position in sorted(valued):
        by_pool[findings[position].pool].append(findings[position])
    pools: list[Pool] = []
    for row in view.snapshot.licenses:
        items = contract_of(row, basis.contract)
        contracted = sum(item.quantity for item in items) if items else None
        minimum = sum(item.minimum_quantity for item in items)
        if view.categories[row.id].seat_costs:
            sold = row.status == "Active"
            pools.append(Pool(row.id, row.total, row.used, prices[row.id], contracted, minimum, count_surplus=sold))
    pools.extend(Pool(r.id, r.total, r.used, prices[r.id], count_surplus=False) for r in view.snapshot.psls)
    return {pool.id: pool_money(pool, by_pool[pool.id], basis.thresholds.headroom) for pool in pools}


def _order(view: View, finding: Finding) -> tuple[int, int, str, str, str]:
    """Sort by severity, grade, rule, then by name: the same order in every document."""
    severity = ("critical", "warning", "info").index(finding.severity.value)
    user = view.users.get(finding.subject_id)
    name = user.name.casefold() if user is not None else ""
    return severity, tuple(Grade).index(finding.grade), finding.rule, name, finding.subject_id
