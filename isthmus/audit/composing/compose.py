"""From an analysis to the report: every figure once, in one frozen value that all documents show. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType
from typing import Final

import msgspec

from isthmus.audit import money
from isthmus.audit.analysis import Analysis
from isthmus.audit.composing import renewal, texts
from isthmus.audit.composing.cohorts import cohort_lines, cohort_months
from isthmus.audit.composing.meters import meter_lines
from isthmus.audit.composing.other_licenses import move_lines
from isthmus.audit.composing.pools import license_line, psl_line
from isthmus.audit.composing.totals import totals, unpriced
from isthmus.audit.composing.weeks import week_lines
from isthmus.audit.figures import (
    FORMAT,
    ContractLine,
    FactLine,
    FindingLine,
    GateLine,
    LicenseLine,
    PriceLine,
    Report,
    RuleLine,
    SensitivityPoint,
)
from isthmus.audit.finding import Fact, Finding, Grade, Withhold
from isthmus.audit.given.days import UTC_NAME
from isthmus.audit.given.prices import UNPRICED
from isthmus.audit.model import LicenseRow, PslRow, UserRow
from isthmus.audit.rules.registry import GATES, RULES, SEAT_RULES
from isthmus.audit.view import View

ACTIVE_DAYS: Final = 90
"""Within how many days a login makes a holder one of the active in the summary."""
SENSITIVITY_DAYS: Final = (30, 60, 90, 120, 180)
_RULE_BY_ID: Final = MappingProxyType({entry.rule.id: entry.rule for entry in RULES})
PRODUCT: Final = "isthmus 0.1.0"


def compose(analysis: Analysis, org: str) -> Report:
    """Return the report of an analysis. `org` is what the operator calls the org."""
    view = analysis.view
    zone = view.thresholds.time_zone or UTC_NAME
    return msgspec.structs.replace(_composed(analysis, org), today=view.today, time_zone=zone)


def _composed(analysis: Analysis, org: str) -> Report:
    view, reading = analysis.view, analysis.view.snapshot.reading
    licenses = tuple(license_line(analysis, row) for row in sorted(view.snapshot.licenses, key=_by_size))
    paid = [line for line in licenses if view.categories[line.id].seat_costs]
    sums, without_price = totals(analysis), unpriced(analysis)
    contract, ready = _contract_lines(analysis), renewal.readiness(analysis, licenses)
    (license_weeks, weeks), (moves, move_limits) = week_lines(analysis), move_lines(analysis)
    return Report(
        format=FORMAT,
        product=PRODUCT,
        org=org,
        host=reading.host,
        taken_at=reading.taken_at,
        threshold_days=view.thresholds.inactive_days,
        effective_threshold_days=view.inactive_days,
        history_start=reading.history_start,
        history_days=view.history_days,
        pseudonymous=reading.pseudonymous,
        seats_purchased=sum(view.seats_there(view.licenses[line.id]) for line in paid),
        seats_assigned=sum(line.assigned for line in paid),
        seats_active=_sum(analysis, [line.active_90 for line in paid]),
        seats_unused=_sum(analysis, [line.unused for line in paid]),
        users=len(view.users),
        users_active=sum(1 for user in view.users.values() if user.active),
        withheld=texts.withheld(analysis),
        assumptions=texts.assumptions(analysis, without_price),
        blind_spots=texts.BLIND_SPOTS,
        money=sums,
        money_withheld=analysis.money_withheld,
        unpriced_seats=without_price,
        deadline=_deadline(contract, view.today),
        licenses=licenses,
        psls=tuple(psl_line(analysis, row) for row in sorted(view.snapshot.psls, key=_by_size)),
        findings=tuple(_finding_line(analysis, i, finding) for i, finding in enumerate(analysis.findings)),
        gates=_gate_lines(analysis),
        rules=_rule_lines(analysis),
        sensitivity=sensitivity(analysis, sums[0].currency if sums else None),
        weeks=weeks,
        prices=_price_lines(analysis),
        contract=contract,
        requests=tuple(sorted(reading.requests, key=lambda line: (line.name, line.text))),
        api_calls=reading.api_calls,
        login_rows=reading.login_rows,
        calls_estimated=reading.calls_estimated,
        interruptions=reading.interruptions,
        readiness=ready,
        scenarios=() if analysis.withheld(Withhold.MONEY) else renewal.scenarios(analysis, ready),
        plan=renewal.plan(analysis),
        moves=moves,
        move_limits=move_limits,
        seats_unused_a=_sum(analysis, [line.unused_a for line in paid]),
        seats_unused_b=_sum(analysis, [line.unused_b for line in paid]),
        seats_unused_c=_sum(analysis, [line.unused_c for line in paid]),
        seats_other=_other_seats(analysis, paid),
        license_weeks=license_weeks,
        meters=meter_lines(analysis),
        cohorts=cohort_lines(analysis),
        cohort_months=cohort_months(analysis),
    )


def _by_size(row: LicenseRow | PslRow) -> tuple[int, str]:
    return -row.used, row.id


def _sum(analysis: Analysis, counts: Sequence[int | None]) -> int | None:
    """Return the sum, or None if one of the counts is withheld: a partial sum would look like a whole one.

    With all activity withheld there is none either, be there anything to count or not.
    """
    known = [count for count in counts if count is not None]
    whole = len(known) == len(counts) and not analysis.withheld(Withhold.ACTIVITY)
    return sum(known) if whole else None


def _other_seats(analysis: Analysis, paid: Sequence[LicenseLine]) -> int | None:
    """Return how many assigned seats are neither active nor unused; None if either is withheld."""
    active = _sum(analysis, [line.active_90 for line in paid])
    unused = _sum(analysis, [line.unused for line in paid])
    if active is None or unused is None:
        return None
    return max(0, sum(line.assigned for line in paid) - active - unused + unused_and_active(analysis))


def unused_and_active(analysis: Analysis) -> int:
    """Count the unused seats whose holders count as active too: with a threshold below 90 days one can be both."""
    view = analysis.view
    return sum(
        1
        for finding in analysis.findings
        if finding.rule in SEAT_RULES
        and finding.grade is not Grade.D
        and finding.pool in view.licenses
        and view.within(view.activity(finding.subject_id).human_last, ACTIVE_DAYS)
    )


def _deadline(contract: Iterable[ContractLine], today: date) -> date | None:
    """Return the next day by which notice has to be given; the last one if all have passed."""
    days = sorted(line.notice_deadline for line in contract if not line.followed)
    return next((day for day in days if day >= today), days[-1] if days else None)


def _finding_line(analysis: Analysis, position: int, finding: Finding) -> FindingLine:
    view = analysis.view
    rule = _RULE_BY_ID[finding.rule]
    pool = view.licenses.get(finding.pool) or view.psls.get(finding.pool)
    pool_name = pool.label if pool is not None else ""
    user_id = view.grant_holders.get(finding.subject_id, finding.subject_id)
    user = view.users.get(user_id)
    valued = position in analysis.valued and finding.pool in analysis.money
    price = analysis.prices.get(finding.pool)
    worth = analysis.worth.get(position) if valued else None
    saving = worth * finding.quantity if worth is not None else None
    granted_at = view.grant_instants.get(finding.subject_id)
    return FindingLine(
        ordinal=position + 1,
        rule=finding.rule,
        title=rule.title,
        subject_kind=finding.subject.value,
        subject_id=finding.subject_id,
        subject=user.name if user is not None else pool_name,
        detail=user.username if user is not None else getattr(pool, "key", ""),
        email=user.email if user is not None else "",
        department=user.department if user is not None else "",
        pool=finding.pool,
        pool_name=pool_name,
        severity=finding.severity.value,
        grade=finding.grade.value,
        why=finding.why,
        remedy=rule.remedy,
        traps=finding.traps,
        facts=tuple(fact_line(fact) for fact in finding.facts),
        quantity=finding.quantity,
        valued=valued,
        saving_monthly=money.to_cent(saving),
        currency=price.currency if price is not None and saving is not None else None,
        created_at=user.created_at if user is not None else None,
        last_login_at=view.last_seen(user) if user is not None else None,
        granted_at=granted_at,
        exempt=finding.exempt,
        snoozed_until=finding.snoozed_until,
        snooze_reason=finding.snooze_reason,
        manager=_manager(view, user),
    )


def _manager(view: View, user: UserRow | None) -> str:
    """Return whom to ask about a person; who cannot be asked any more is said to be deactivated."""
    found = view.users.get(user.manager) if user is not None and user.manager else None
    if found is None:
        return ""
    return found.name if found.active else f"{found.name} (deactivated)"


def fact_line(fact: Fact) -> FactLine:
    """Return a fact as it is shown: instants in UTC to the second, dates in ISO."""
    value = fact.value
    if isinstance(value, datetime):
        return FactLine(fact.label, value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    return FactLine(fact.label, value.isoformat() if isinstance(value, date) else value)


def _gate_lines(analysis: Analysis) -> tuple[GateLine, ...]:
    titles = {gate.rule.id: gate.rule.title for gate in GATES}
    return tuple(
        GateLine(
            rule=result.rule,
            title=titles[result.rule],
            verdict=result.verdict.value,
            says=result.says,
            remedy=result.remedy,
            withholds=tuple(sorted(what.value for what in result.withholds)),
            facts=tuple(fact_line(fact) for fact in result.facts),
        )
        for result in analysis.gates
    )


def _rule_lines(analysis: Analysis) -> tuple[RuleLine, ...]:
    gates = [RuleLine(g.rule.id, g.rule.title, g.rule.saves, g.rule.doc, None) for g in GATES]
    checks = [
        RuleLine(
            check.rule.id,
            check.rule.title,
            check.rule.saves,
            check.rule.doc,
            None
            if check.rule.id in analysis.skipped_rules
            else sum(1 for finding in analysis.findings if finding.rule == check.rule.id),
        )
        for check in RULES
    ]
    return (*gates, *checks)


def sensitivity(analysis: Analysis, currency: str | None) -> tuple[SensitivityPoint, ...]:
    """Return how many seats other thresholds would find, and what they cost a year in `currency`."""
    view = analysis.view
    quiet, shown = analysis.withheld(Withhold.ACTIVITY), currency is not None and not analysis.withheld(Withhold.MONEY)
    points: list[SensitivityPoint] = []
    last_of_pool = {license_: [last for _, last in lasts_of(view, users)] for license_, users in view.seat_pools()}
    for days in SENSITIVITY_DAYS:
        if quiet or view.history_days < days:
            points.append(SensitivityPoint(days, None, None, None))
            continue
        seats = 0
        value = money.ZERO
        since = view.now - timedelta(days=days)
        for license_, lasts in last_of_pool.items():
            gone = sum(1 for last in lasts if last <= since)
            seats += gone
            price = analysis.prices.get(license_)
            if price is not None and price.amount is not None and price.currency == currency:
                value += money.annual(price.amount, gone)
        points.append(SensitivityPoint(days, seats, value if shown else None, currency if shown else None))
    return tuple(points)


def lasts_of(view: View, users: Iterable[UserRow]) -> Iterator[tuple[str, datetime]]:
    """Yield each user who is not exempt with their last login, or what stands for it."""
    for user in users:
        if view.exemption_of(user.id, "R08") is None:
            yield user.id, view.last_seen(user) or _instead(view, user)


def _instead(view: View, user: UserRow) -> datetime:
    """Return what stands for the last login of a user who never came, counted after the grace period, as in R06."""
    new = view.within(user.created_at, view.thresholds_of(user.license).grace_days)
    return view.now if new else datetime.min.replace(tzinfo=UTC)


def _price_lines(analysis: Analysis) -> tuple[PriceLine, ...]:
    view = analysis.view
    wanted = [row.id for row in view.snapshot.licenses if view.categories[row.id].seat_costs]
    wanted += [row.id for row in view.snapshot.psls]
    return tuple(
        PriceLine(
            pool=price.pool,
            product=price.product,
            price=price.amount,
            currency=price.currency if price.basis != UNPRICED else None,
            basis=price.basis,
            source=price.source,
            confidence=price.confidence,
            effective_from=price.effective_from,
            note=price.note,
        )
        for price in (analysis.prices[pool] for pool in wanted)
    )


def _contract_lines(analysis: Analysis) -> tuple[ContractLine, ...]:
    view = analysis.view
    lines: list[ContractLine] = []
    for row in (*view.snapshot.licenses, *view.snapshot.psls):
        items, now = view.terms.of(row.id), view.terms.now(row.id)
        contracted = sum(item.quantity for item in now)
        lines.extend(
            ContractLine(
                pool=row.id,
                product=item.sku or row.label,
                contracted=item.quantity,
                provisioned=row.total,
                drift=row.total - contracted,
                unit_price=item.unit_price,
                currency=item.currency,
                start=item.start,
                end=item.end,
                notice_deadline=item.notice_deadline,
                days_left=(item.notice_deadline - view.today).days,
                minimum=item.minimum_quantity,
                source=item.source,
                notice_days=item.notice_days,
                auto_renew=item.auto_renew,
                uplift_cap=item.uplift_cap,
                in_force=item in now,
                followed=bool(view.terms.followers(row.id, item)),
                renews=item in view.terms.renewing(row.id),
            )
            for item in items
        )
    return tuple(lines)
