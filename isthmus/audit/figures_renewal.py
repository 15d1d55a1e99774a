"""Figures of a report about renewals: what will be needed, in which case, what to do when. Frozen, as `figures`."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import msgspec


class ForecastLine(msgspec.Struct, frozen=True):
    """Seats that will be needed in so many weeks: between `low` and `high` in `level_percent` of cases.

    `error` and `error_as_today` are mean distances in seats over the `origins` weeks of the back-test, of which
    `covered_percent` lay within the span that the other weeks gave.
    """

    weeks_ahead: int
    expected: int
    low: int
    high: int
    level_percent: int
    origins: int
    error: Decimal
    error_as_today: Decimal
    covered_percent: int


class ReadinessLine(msgspec.Struct, frozen=True):
    """Seats that a licence needs at its renewal, `hires` among them. Cases are None with fewer than eight weeks.

    Where there is a `forecast`, its upper end counts in the conservative and the base case; `forecast_note` says why
    there is none. `base_before`: the seats of the base case before headroom and hires; `base_by`: what asks for most of
    them (today, weeks, forecast), or `minimum` where the contract asks for more than all of these.
    """

    pool: str
    product: str
    weeks: int
    bought: int
    assigned: int
    minimum: int
    spot: int | None
    conservative: int | None
    base: int | None
    aggressive: int | None
    fewer_base: int | None
    break_even_percent: Decimal | None
    note: str
    forecast: ForecastLine | None = None
    forecast_note: str = ""
    hires: int = 0
    base_before: int | None = None
    base_by: str = ""


class ScenarioLine(msgspec.Struct, frozen=True):
    """What a quantity costs at a price over a term. `difference` is a year against today's cost."""

    pool: str
    product: str
    case: str
    quantity: int
    price_case: str
    unit_price: Decimal
    currency: str
    years: int
    annual: Decimal
    term: Decimal
    difference: Decimal
    break_even_percent: Decimal | None


class PlanLine(msgspec.Struct, frozen=True):
    """What to do on which day for the renewal of a product; `days_left` is negative for days that have passed."""

    day: date
    what: str
    product: str
    days_left: int
