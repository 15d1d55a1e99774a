"""What to renew: seats required, what they would cost at several prices, and when to do what. Pure.

Required seats come from the weekly history of seats, in three cases: conservative (the maximum week, less what is
certainly unused), base (the 95th percentile, less grades A and B) and aggressive (the median, less A, B and C), each
with headroom and the seats promised to new people, and never below the contract's minimum. With fewer than eight weeks
of history they are withheld, and only today's value is given: assigned seats of the past cannot be rebuilt. Where the
past carries a forecast (see `forecast`) to the term's end, its upper end raises the conservative and the base case. The
base case is never below what today needs, and the cash at renewal rests on the same number (see `needed`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from typing import Final

from isthmus.audit import money, needed
from isthmus.audit.analysis import Analysis
from isthmus.audit.figures import LicenseLine
from isthmus.audit.figures_renewal import ForecastLine, PlanLine, ReadinessLine, ScenarioLine
from isthmus.audit.finding import Grade, Saving, Withhold
from isthmus.audit.forecast import LEVEL_PERCENT, Forecast
from isthmus.audit.given.contract import ContractItem
from isthmus.audit.given.history import WEEKS_MIN, PoolPoint
from isthmus.audit.given.prices import AT_LIST, price_of_license, price_of_psl
from isthmus.audit.model import LicenseRow, PslRow

UPLIFTS: Final = (3, 6, 7, 10)
TERMS_YEARS: Final = (1, 3)
BASELINE_DAYS: Final = 365
CLEAN_UP_DAYS: Final = 274
TARGET_DAYS: Final = 182
QUOTE_DAYS: Final = 90
DECISION_DAYS: Final = 14
INSUFFICIENT: Final = "insufficient history"
LIST: Final = "list"
ABOVE_CAP: Final = ", above your cap"
FOLLOWED: Final = "The term ends, and the next one in your contract file begins: no notice is due"
NO_PAST: Final = "weekly seats of permission set licences are not kept, so peaks are not known; today's value only"


def readiness(analysis: Analysis, licenses: Sequence[LicenseLine]) -> tuple[ReadinessLine, ...]:
    """Return the required seats of what is paid by the seat; nothing where activity is withheld.

    Permission set licences follow, those under contract: by what is assigned today, for their past is not kept.
    """
    if analysis.withheld(Withhold.ACTIVITY):
        return ()
    view = analysis.view
    today = view.now.date()
    points = [*analysis.basis.history.points, *(_point(line, today) for line in licenses)]
    seats = [
        _readiness(analysis, view.licenses[line.id], needed.known_weeks(points, line.id, today))
        for line in licenses
        if view.categories[line.id].seat_costs and line.status == "Active" and line.purchased > 0
    ]
    bought = [row for row in view.snapshot.psls if row.status == "Active" and row.total > 0 and view.terms.now(row.id)]
    return (*seats, *(_add_on(analysis, row) for row in sorted(bought, key=lambda row: (-row.used, row.id))))


def known_weeks(analysis: Analysis, pool: str, licenses: Sequence[LicenseLine]) -> tuple[PoolPoint, ...]:
    """Return the weeks of one licence whose seats and findings are known, the last one that of this audit."""
    today = analysis.view.now.date()
    points = [*analysis.basis.history.points, *(_point(line, today) for line in licenses)]
    return needed.known_weeks(points, pool, today)


def _point(line: LicenseLine, day: date) -> PoolPoint:
    return PoolPoint(day, line.id, line.purchased, line.assigned, line.unused_a, line.unused_b, line.unused_c)


def _readiness(analysis: Analysis, row: LicenseRow, known: Sequence[PoolPoint]) -> ReadinessLine:
    terms = analysis.view.terms
    contracted, minimum = terms.contracted(row.id), terms.minimum(row.id)
    bought = row.total if contracted is None else contracted
    own = analysis.view.thresholds_of(row.id)

    def with_reserve(seats: int) -> int:
        return int((seats * (1 + own.headroom)).to_integral_value(ROUND_CEILING)) + own.hires

    def required(seats: int) -> int:
        return max(minimum, with_reserve(seats))

    told = needed.forecast_of(known, terms.renewing(row.id), analysis.view.today)
    highest = told.high if isinstance(told, Forecast) else 0
    now = _needed_now(analysis, row, known)
    values, least = needed.case_values(known), (highest, max(highest, now or 0), 0)
    enough = values is not None
    cases = [required(max(*both)) for both in zip(values, least, strict=True)] if enough else [None] * len(least)
    spot = required(now) if now is not None else None
    base = cases[1] if enough else spot
    ends = min(bought, row.total, bought if contracted is None else terms.renewable(row.id) or 0)
    fewer = None if base is None else max(0, ends - base)
    before = None if values is None else max(values[1], least[1])
    return ReadinessLine(
        pool=row.id,
        product=row.label,
        weeks=len(known),
        bought=bought,
        assigned=row.used,
        minimum=minimum,
        spot=spot,
        conservative=cases[0],
        base=cases[1],
        aggressive=cases[2],
        fewer_base=fewer,
        break_even_percent=None if fewer is None else break_even(bought, bought - fewer),
        note="" if enough else f"{INSUFFICIENT}: {len(known)} of {WEEKS_MIN} weeks; today's value only",
        forecast=_forecast_line(told) if isinstance(told, Forecast) else None,
        forecast_note="" if isinstance(told, Forecast) else told.why,
        hires=own.hires,
        base_before=before,
        base_by=""
        if before is None or values is None
        else "minimum"
        if with_reserve(before) < minimum
        else "today"
        if before == now
        else "weeks"
        if before == values[1]
        else "forecast",
    )


def _add_on(analysis: Analysis, row: PslRow) -> ReadinessLine:
    """Return what is required of a permission set licence: its assigned seats, less those of absent holders."""
    terms, own = analysis.view.terms, analysis.view.thresholds_of(row.id)
    released = sum(
        finding.quantity
        for position in analysis.valued
        if (finding := analysis.findings[position]).pool == row.id
        and finding.saving is Saving.PSL
        and finding.grade in {Grade.A, Grade.B}
    )
    in_use = row.used - min(released, row.used)
    kept = int((in_use * (1 + own.headroom)).to_integral_value(ROUND_CEILING)) + own.hires
    bought, minimum = terms.contracted(row.id) or 0, terms.minimum(row.id)
    spot = max(minimum, kept)
    fewer = max(0, min(bought, row.total, terms.renewable(row.id) or 0) - spot)
    return ReadinessLine(
        pool=row.id,
        product=row.label,
        weeks=0,
        bought=bought,
        assigned=row.used,
        minimum=minimum,
        spot=spot,
        conservative=None,
        base=None,
        aggressive=None,
        fewer_base=fewer,
        break_even_percent=break_even(bought, bought - fewer),
        note=NO_PAST,
        forecast_note=f"no forecast: {NO_PAST}",
        hires=own.hires,
    )


def _needed_now(analysis: Analysis, row: LicenseRow, known: Sequence[PoolPoint]) -> int | None:
    """Return the seats in use today, as the cash at renewal has them; None if nothing is known of today."""
    pool = analysis.money.get(row.id)
    if pool is not None:
        return pool.in_use
    return needed.in_use(known[-1]) if known else None


def _forecast_line(told: Forecast) -> ForecastLine:
    return ForecastLine(
        weeks_ahead=told.weeks_ahead,
        expected=told.expected,
        low=told.low,
        high=told.high,
        level_percent=LEVEL_PERCENT,
        origins=told.origins,
        error=told.error,
        error_as_today=told.error_as_today,
        covered_percent=told.covered_percent,
    )


def break_even(before: int, after: int) -> Decimal | None:
    """Return the rise of the unit price, in percent, that would cancel renewing `after` seats instead of `before`."""
    return money.break_even_percent(Decimal(before - after), Decimal(before))


def scenarios(analysis: Analysis, lines: Sequence[ReadinessLine]) -> tuple[ScenarioLine, ...]:
    """Return quantity x price x term for each contract line's licence that has a price."""
    found: list[ScenarioLine] = []
    for line in lines:
        items = analysis.view.terms.renewing(line.pool)
        price = analysis.prices[line.pool]
        if not items or not price.amount or price.currency is None:  # nothing rises from a price of zero
            continue
        quantities = [("as is", sum(item.quantity for item in items))]
        if line.base is not None and line.aggressive is not None:
            quantities += [("base", line.base), ("aggressive", line.aggressive)]
        elif line.spot is not None:
            quantities.append(("today", line.spot))
        today = money.annual(price.amount, line.bought)
        for case, quantity in quantities:
            for label, unit in _prices(analysis, line.pool, items, price.amount, price.currency):
                yearly = money.annual(unit, quantity)
                found.extend(
                    ScenarioLine(
                        pool=line.pool,
                        product=line.product,
                        case=case,
                        quantity=quantity,
                        price_case=label,
                        unit_price=unit,
                        currency=price.currency,
                        years=years,
                        annual=yearly,
                        term=yearly * years,
                        difference=yearly - today,
                        break_even_percent=break_even(line.bought, quantity),
                    )
                    for years in TERMS_YEARS
                )
    return tuple(found)


def _prices(
    analysis: Analysis, pool: str, items: Sequence[ContractItem], amount: Decimal, currency: str
) -> list[tuple[str, Decimal]]:
    """Return today's price with each uplift, and the list price at the renewal where one is known.

    A rise that the contract does not allow is reckoned too, for the day on which it is negotiated anew, and says so.
    """
    cap = min((item.uplift_cap for item in items if item.uplift_cap is not None), default=None)
    found = [("flat", amount)]
    for rise in UPLIFTS:
        beyond = ABOVE_CAP if cap is not None and rise > cap else ""
        found.append((f"+{rise} %{beyond}", (amount * (100 + rise) / 100).quantize(money.CENT, ROUND_HALF_UP)))
    on = max(min(item.end for item in items), analysis.view.today)
    book, row = analysis.basis.prices.shipped, analysis.view.licenses.get(pool)
    listed = (
        price_of_psl(analysis.view.psls[pool], on, book, ()) if row is None else price_of_license(row, on, book, ())
    )
    if listed.amount is not None and listed.currency == currency and listed.basis == AT_LIST:
        beyond = ABOVE_CAP if cap is not None and listed.amount > amount * (100 + cap) / 100 else ""
        found.append((f"{LIST}{beyond}", listed.amount))
    return found


def plan(analysis: Analysis) -> tuple[PlanLine, ...]:
    """Return what to do when, for each contract line whose licence the org has, in order of days.

    Lines of terms that are over are left out, but for one that renewed itself and has no successor.
    """
    today = analysis.view.today
    found: set[tuple[date, str, str]] = set()
    view = analysis.view
    for row in (*view.snapshot.licenses, *view.snapshot.psls):
        for item in view.terms.of(row.id):
            if item.end < today and item not in view.terms.now(row.id):
                continue
            product = item.sku or row.label
            followed = bool(view.terms.followers(row.id, item))
            steps = [(item.end, FOLLOWED)] if followed else _steps(item)
            found.update((day, what, product) for day, what in steps)
    return tuple(PlanLine(day, what, product, (day - today).days) for day, what, product in sorted(found))


def _steps(item: ContractItem) -> tuple[tuple[date, str], ...]:
    def before(days: int) -> date:
        return item.end - timedelta(days=days)

    notice = "The last day to give notice in writing" if item.auto_renew else "The last day to ask for a renewal"
    return (
        (before(BASELINE_DAYS), "Baseline: run the first audit, keep its bundle, then audit weekly"),
        (before(CLEAN_UP_DAYS), "Clean up: release what is unused with grade A, ask about B and C"),
        (before(TARGET_DAYS), "Target: agree the seats to renew with the departments"),
        (before(QUOTE_DAYS), "Quote: ask for prices for base and aggressive quantities"),
        (before(item.notice_days + DECISION_DAYS), "Decide: quantity, term and the unit price you will accept"),
        (item.notice_deadline, notice),
        (item.end, "The term ends" + (" and renews by itself unless notice was given" if item.auto_renew else "")),
    )
