"""Where the figures of licences and permission set licences come from. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import ROUND_CEILING, Decimal
from types import MappingProxyType
from typing import Final

from isthmus.audit.composing.pools import SEAT_RULES
from isthmus.audit.explain.model import How, Source, Step
from isthmus.audit.explain.rows import ASSIGNS, HISTORY, LOGINS, PRICES, PSLS, USERS
from isthmus.audit.explain.tracer import Ground, Trace, money_said, of_row, setting
from isthmus.audit.figures import LicenseLine, PslLine
from isthmus.audit.finding import Grade, Withhold
from isthmus.audit.money import PoolMoney, Split

_LICENSE_COLUMNS: Final = MappingProxyType(
    {"id": "id", "key": "key", "name": "label", "status": "status", "purchased": "total", "assigned": "used"}
)
_PSL_COLUMNS: Final = MappingProxyType(
    {
        "id": "id",
        "key": "key",
        "name": "label",
        "status": "status",
        "purchased": "total",
        "used": "used",
        "expires_on": "expires_on",
    }
)
_PRICED: Final = MappingProxyType({"unit_price": "price", "currency": "currency", "price_basis": "basis"})
_ACTIVE: Final = MappingProxyType({"active_30": 30, "active_60": 60, "active_90": 90})
_GRADES: Final = MappingProxyType({"unused_a": Grade.A, "unused_b": Grade.B, "unused_c": Grade.C})
_MONEY: Final = ("reclaim_monthly", "renewal_monthly", "risk_monthly")
MACHINE_DAYS: Final = 90


def license_trace(ground: Ground, field: str, at: tuple[int, ...]) -> Source:
    """Return where a figure of a licence comes from."""
    line = ground.report.licenses[at[0]]
    if field in _LICENSE_COLUMNS:
        return of_row(ground.pool(line.id), _LICENSE_COLUMNS[field])
    if field in _PRICED:
        return _price(ground, line, field)
    if field in _MONEY:
        return _monthly(ground, line, field)
    if field in _ACTIVE:
        return _active(ground, line, _ACTIVE[field])
    if field == "unused" or field in _GRADES:
        return _unused(ground, line, field)
    return _LICENSE_OTHERS[field](ground, field, at)


def psl_trace(ground: Ground, field: str, at: tuple[int, ...]) -> Source:
    """Return where a figure of a permission set licence comes from."""
    line = ground.report.psls[at[0]]
    if field in _PSL_COLUMNS:
        return of_row(ground.pool(line.id), _PSL_COLUMNS[field])
    if field in _PRICED:
        return _price(ground, line, field)
    if field in _MONEY:
        return _monthly(ground, line, field)
    return _PSL_OTHERS[field](ground, field, at)


def _price(ground: Ground, line: LicenseLine | PslLine, field: str) -> Source:
    parts = tuple(part.rpartition(".")[0] + f".{_PRICED[field]}" for part in ground.price_parts(line.id))
    if parts:
        return Source(How.SAME, parts=parts[:1], files=(PRICES,))
    said = "Your own price, else the contract's, else a usable list price, else none: free and metered seats have none."
    return Source(How.RECKONED, said, rows=ground.pool(line.id), files=(PRICES,))


def _category(ground: Ground, _field: str, at: tuple[int, ...]) -> Source:
    line = ground.report.licenses[at[0]]
    said = "By its key, else by its name, in the product's table (audit/given/catalogue.py); others are unclassified."
    return Source(How.RECKONED, said, rows=ground.pool(line.id))


def _active(ground: Ground, line: LicenseLine, days: int) -> Source:
    view = ground.view
    if getattr(line, f"active_{days}") is None:
        return ground.withheld(Withhold.ACTIVITY, Withhold.ESTIMATE, pool=line.id)
    seen = [user.id for user in view.holders.get(line.id, ()) if view.within(view.activity(user.id).human_last, days)]
    said = (
        f"Active users of this licence with a successful login in person after {days} days before the audit. Logins "
        "by software, failed ones and weak kinds do not count."
    )
    return Source(How.ROWS, said, ground.users(seen), (USERS, LOGINS))


def _machines(ground: Ground, _field: str, at: tuple[int, ...]) -> Source:
    line, view = ground.report.licenses[at[0]], ground.view
    if line.machines_90 is None:
        return ground.withheld(Withhold.ACTIVITY, Withhold.ESTIMATE, pool=line.id)
    seen = [
        user.id
        for user in view.holders.get(line.id, ())
        if view.within(view.activity(user.id).machine_last, MACHINE_DAYS)
        and not view.within(view.activity(user.id).human_last, MACHINE_DAYS)
    ]
    said = "Active users of this licence with a login by software in 90 days, and none in person."
    return Source(How.ROWS, said, ground.users(seen), (USERS, LOGINS))


def _unused(ground: Ground, line: LicenseLine, field: str) -> Source:
    if getattr(line, field) is None:
        return ground.withheld(Withhold.ACTIVITY, pool=line.id)
    findings = ground.analysis.findings
    wanted = {_GRADES[field]} if field in _GRADES else {Grade.A, Grade.B, Grade.C}
    found = [p for p in ground.findings_of(SEAT_RULES, line.id) if findings[p].grade in wanted]
    return Source(
        How.ROWS,
        "The users of these findings; one user is found by one of the three rules at most.",
        ground.users(findings[p].subject_id for p in found),
        (USERS, LOGINS),
        parts=tuple(f"findings[{p}].grade" for p in found),
        rules=SEAT_RULES,
        settings=ground.thresholds(line.id),
    )


def seats_of(pool: PoolMoney, field: str) -> Split:
    """Return the seats of a pool behind a figure of money."""
    if field.startswith("reclaim"):
        return pool.reclaim
    return pool.renewal if field.startswith("renewal") else pool.risk


def grade_steps(label: str, pool: PoolMoney, seats: Split) -> tuple[Step, ...]:
    """Return a pool's month of money, one step for each grade; nothing without a price."""
    amount = pool.pool.price.amount
    if amount is None:
        return ()
    counts, less = (seats.a, seats.b, seats.c), seats.less
    return tuple(
        Step(
            f"{label}, grade {grade}: {count} x {money_said(amount)}"
            + (f" - {money_said(off)} for seats needed instead" if count and off else ""),
            value,
        )
        for grade, count, off, value in zip("ABC", counts, less, pool.by_grade(seats), strict=True)
    )


def _monthly(ground: Ground, line: LicenseLine | PslLine, field: str) -> Source:
    pool = ground.analysis.money.get(line.id)
    stated: Decimal | None = getattr(line, field)
    if pool is None or stated is None:
        return _no_money(ground, line)
    found = money_findings(ground, line.id, field)
    return Source(
        How.STEPS,
        "By month; each seat counts once, and no pool gives more than it has.",
        ground.pool(line.id),
        parts=(*ground.price_parts(line.id), *(f"findings[{p}].saving_monthly" for p in found)),
        steps=grade_steps(line.name, pool, seats_of(pool, field)),
        rules=tuple(sorted({ground.analysis.findings[p].rule for p in found})),
        settings=ground.thresholds(line.id),
        files=(PRICES,),
    )


def _no_money(ground: Ground, line: LicenseLine | PslLine) -> Source:
    if ground.analysis.withheld(Withhold.MONEY):
        return ground.withheld(Withhold.MONEY)
    if ground.analysis.prices[line.id].amount is None:
        return Source(
            How.WITHHELD, "It has no known price, or its seats cost nothing.", ground.pool(line.id), (PRICES,)
        )
    if ground.analysis.withheld(Withhold.ACTIVITY):
        return ground.withheld(Withhold.ACTIVITY)
    return Source(How.WITHHELD, "Its seats are not paid by the seat.", ground.pool(line.id), (PRICES,))


def money_findings(ground: Ground, pool: str, field: str) -> list[int]:
    """Return the positions of the findings that a pool's money rests on."""
    grades = {Grade.C} if field.startswith("risk") else {Grade.A, Grade.B}
    findings = ground.analysis.findings
    return [p for p in sorted(ground.analysis.valued) if findings[p].pool == pool and findings[p].grade in grades]


def _renewal_seats(ground: Ground, _field: str, at: tuple[int, ...]) -> Source:
    return _renewal(ground, ground.report.licenses[at[0]])


def _renewal_grants(ground: Ground, _field: str, at: tuple[int, ...]) -> Source:
    return _renewal(ground, ground.report.psls[at[0]])


def _renewal(ground: Ground, line: LicenseLine | PslLine) -> Source:
    pool = ground.analysis.money.get(line.id)
    if pool is None:
        return _no_money(ground, line)
    found = money_findings(ground, line.id, "renewal")
    headroom = ground.view.thresholds_of(line.id).headroom
    return Source(
        How.STEPS,
        "What is bought beyond what is needed need not be renewed.",
        ground.pool(line.id),
        (HISTORY,),
        parts=(*(f"findings[{p}].quantity" for p in found), *ground.contract_parts(line.id, "contracted")),
        steps=_renewal_steps(pool, headroom),
        settings=(setting("thresholds.headroom", headroom), setting("contract.minimum_quantity", pool.pool.minimum)),
        rules=tuple(sorted({ground.analysis.findings[p].rule for p in found})),
    )


def _renewal_steps(pool: PoolMoney, headroom: Decimal) -> tuple[Step, ...]:
    own, now = pool.pool, pool.in_use
    bought = own.total if own.contracted is None else min(own.total, own.contracted)
    needed = int((max(now, own.needed_before) * (1 + headroom)).to_integral_value(ROUND_CEILING)) + own.hires
    steps = [Step("Seats bought: by the contract, at most what the org has", Decimal(bought))]
    ends = bought if own.renewable is None else min(bought, own.renewable)
    if ends < bought:
        steps.append(
            Step("Seats that end by the contract itself: the last of its terms has fewer", Decimal(ends - bought))
        )
    past = f"; the weekly history asks for {own.needed_before} (the base case)" if own.needed_before else ""
    said = f"Needed: {own.used} used less those of grade A and B are {now}{past}; x (1 + {headroom}), rounded up"
    said += f", + {own.hires} committed hires" if own.hires else ""
    if needed < own.minimum:
        said, needed = f"The contract's minimum of {own.minimum}, which is more than the {needed} needed", own.minimum
    steps.append(Step(said, Decimal(-needed)))
    if needed > ends:
        steps.append(Step("Never below 0", Decimal(needed - ends)))
    fewer = max(0, ends - needed)
    if not own.count_surplus and fewer > (most := own.used - now):
        steps.append(Step(f"No more than the {most} found: what nobody holds may cost nothing", Decimal(most - fewer)))
    return tuple(steps)


def _grants(ground: Ground, field: str, at: tuple[int, ...]) -> Source:
    view = ground.view
    grants = view.grants.get(ground.report.psls[at[0]].id, [])
    if field == "assignments_active":
        grants = [grant for grant in grants if (user := view.users.get(grant.user)) is not None and user.active]
        said = "Its grants whose user is active."
    else:
        said = "All of its grants."
    return Source(How.ROWS, said, ground.rows.of(ASSIGNS, (grant.id for grant in grants)), (ASSIGNS, USERS))


def _convention(ground: Ground, _field: str, at: tuple[int, ...]) -> Source:
    line = ground.report.psls[at[0]]
    parts = tuple(f"psls[{at[0]}].{name}" for name in ("used", "assignments", "assignments_active"))
    said = f"{line.used} used, {line.assignments} grants, {line.assignments_active} of them to active users."
    return Source(How.RECKONED, said, ground.pool(line.id), (PSLS, ASSIGNS, USERS), parts, rules=("R02",))


def _grant_findings(ground: Ground, field: str, at: tuple[int, ...]) -> Source:
    line = ground.report.psls[at[0]]
    if getattr(line, field) is None:
        return ground.withheld(Withhold.ACTIVITY)
    rule = "R10" if field == "held_by_deactivated" else "R11"
    found = ground.findings_of((rule,), line.id)
    ids = (ground.analysis.findings[p].subject_id for p in found)
    parts = tuple(f"findings[{p}].why" for p in found)
    return Source(How.ROWS, "", ground.rows.of(ASSIGNS, ids), (ASSIGNS, USERS, LOGINS), parts, rules=(rule,))


_LICENSE_OTHERS: Final[Mapping[str, Trace]] = MappingProxyType(
    {"category": _category, "machines_90": _machines, "renewal_seats": _renewal_seats}
)
_PSL_OTHERS: Final[Mapping[str, Trace]] = MappingProxyType(
    {
        "assignments": _grants,
        "assignments_active": _grants,
        "convention": _convention,
        "held_by_deactivated": _grant_findings,
        "never_used": _grant_findings,
        "renewal_seats": _renewal_grants,
    }
)
