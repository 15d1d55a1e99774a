"""The pools of a report: what is bought, held, used and found in each. Pure."""

from __future__ import annotations

from typing import Final

from isthmus.audit.analysis import Analysis
from isthmus.audit.figures import LicenseLine, PslLine
from isthmus.audit.finding import Grade, Withhold
from isthmus.audit.model import LicenseRow, PslRow
from isthmus.audit.rules.r02_psl_convention import convention_of
from isthmus.audit.rules.registry import SEAT_RULES

MACHINE_DAYS: Final = 90


def license_line(analysis: Analysis, row: LicenseRow) -> LicenseLine:
    """Return one pool of user licences as the report has it."""
    view = analysis.view
    price, pool = analysis.prices[row.id], analysis.money.get(row.id)
    quiet = analysis.withheld(Withhold.ACTIVITY)
    blind = quiet or analysis.withheld(Withhold.ESTIMATE, row.id)
    holders = view.holders.get(row.id, [])

    def active(days: int) -> int | None:
        if blind or view.history_days < days:
            return None
        return view.active_people(row.id, days)

    machines = [user for user in holders if view.within(view.activity(user.id).machine_last, MACHINE_DAYS)]
    unused = [f for f in analysis.findings if f.rule in SEAT_RULES and f.pool == row.id and f.grade is not Grade.D]

    def graded(grade: Grade) -> int | None:
        return None if quiet else sum(1 for finding in unused if finding.grade is grade)

    return LicenseLine(
        id=row.id,
        key=row.key,
        name=row.label,
        category=view.categories[row.id].value,
        status=row.status,
        purchased=row.total,
        assigned=row.used,
        active_30=active(30),
        active_60=active(60),
        active_90=active(90),
        machines_90=None
        if blind or view.history_days < MACHINE_DAYS
        else sum(1 for user in machines if not view.within(view.activity(user.id).human_last, MACHINE_DAYS)),
        unused=None if quiet else len(unused),
        unused_a=graded(Grade.A),
        unused_b=graded(Grade.B),
        unused_c=graded(Grade.C),
        unit_price=price.amount,
        currency=price.currency,
        price_basis=price.basis,
        reclaim_monthly=pool.saving(pool.reclaim) if pool and not quiet else None,
        renewal_seats=pool.renewal.total if pool else None,
        renewal_monthly=pool.saving(pool.renewal) if pool else None,
        risk_monthly=pool.saving(pool.risk) if pool and not quiet else None,
    )


def psl_line(analysis: Analysis, row: PslRow) -> PslLine:
    """Return one pool of permission set licences as the report has it."""
    view = analysis.view
    price, pool = analysis.prices[row.id], analysis.money.get(row.id)
    grants = view.grants.get(row.id, [])
    mine = [finding for finding in analysis.findings if finding.pool == row.id]
    return PslLine(
        id=row.id,
        key=row.key,
        name=row.label,
        status=row.status,
        purchased=row.total,
        used=row.used,
        assignments=len(grants),
        assignments_active=sum(1 for g in grants if (user := view.users.get(g.user)) is not None and user.active),
        convention=convention_of(view, row.id).value,
        expires_on=row.expires_on,
        held_by_deactivated=sum(1 for finding in mine if finding.rule == "R10"),
        never_used=None
        if analysis.withheld(Withhold.ACTIVITY)
        else sum(1 for finding in mine if finding.rule == "R11"),
        unit_price=price.amount,
        currency=price.currency,
        price_basis=price.basis,
        reclaim_monthly=pool.saving(pool.reclaim) if pool else None,
        risk_monthly=pool.saving(pool.risk) if pool else None,
        renewal_seats=pool.renewal.total if pool else None,
        renewal_monthly=pool.saving(pool.renewal) if pool else None,
    )
