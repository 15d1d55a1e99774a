"""Every figure of a report, as one frozen value: what PDF, XLSX, CSV, JSON and portal show, and what `verify` compares.

Keys of `report.json` are the field names here and stay stable within `FORMAT`. Money is a decimal string, instants are
UTC with `Z`, dates are ISO. A figure that a gate withheld is null, never zero; so is the value of an unpriced seat.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Final

import msgspec

from isthmus.audit.figures_more import CohortLine, CohortMonth, MeterLine
from isthmus.audit.figures_renewal import PlanLine, ReadinessLine, ScenarioLine
from isthmus.audit.model import RequestLine

FORMAT: Final = 1


class FactLine(msgspec.Struct, frozen=True):
    """One piece of evidence, rendered."""

    label: str
    value: int | str | bool | None


class LicenseLine(msgspec.Struct, frozen=True):
    """One pool of user licences. `purchased` is what the org has, free seats included.

    `active_*` are people with a login of their own in so many days: an estimate from logins, not a proof of use.
    """

    id: str
    key: str
    name: str
    category: str
    status: str
    purchased: int
    assigned: int
    active_30: int | None
    active_60: int | None
    active_90: int | None
    machines_90: int | None
    unused: int | None
    unused_a: int | None
    unused_b: int | None
    unused_c: int | None
    unit_price: Decimal | None
    currency: str | None
    price_basis: str
    reclaim_monthly: Decimal | None
    renewal_seats: int | None
    renewal_monthly: Decimal | None
    risk_monthly: Decimal | None


class PslLine(msgspec.Struct, frozen=True):
    """One pool of permission set licences, with how its `used` is counted as far as the data tell."""

    id: str
    key: str
    name: str
    status: str
    purchased: int
    used: int
    assignments: int
    assignments_active: int
    convention: str
    expires_on: date | None
    held_by_deactivated: int
    never_used: int | None
    unit_price: Decimal | None
    currency: str | None
    price_basis: str
    reclaim_monthly: Decimal | None
    risk_monthly: Decimal | None
    renewal_seats: int | None = None
    renewal_monthly: Decimal | None = None


class GradeSplit(msgspec.Struct, frozen=True):
    """A year's money by grade."""

    a: Decimal
    b: Decimal
    c: Decimal


class MoneyTotal(msgspec.Struct, frozen=True):
    """The three figures of one currency, per year. They overlap: never add them up.

    `annual_cost` is what all pools with a price in this currency cost today.
    """

    currency: str
    basis: str
    reclaim_now: Decimal
    reclaim_seats: int
    reclaim_split: GradeSplit
    cash_at_renewal: Decimal
    renewal_seats: int
    renewal_split: GradeSplit
    at_risk: Decimal
    risk_seats: int
    break_even_uplift_percent: Decimal | None
    annual_cost: Decimal | None = None


class FindingLine(msgspec.Struct, frozen=True):
    """One finding. `subject` is a name, `detail` a user name or a key.

    `created_at` and `last_login_at` (the later of LastLoginDate and the history) are the user's, `granted_at` is that
    of the permission set licence. `exempt`: the person is excused; `snoozed_until`: put off up to this day. Neither
    counts as money. `manager`: the name of whom to ask.
    """

    ordinal: int
    rule: str
    title: str
    subject_kind: str
    subject_id: str
    subject: str
    detail: str
    email: str
    department: str
    pool: str
    pool_name: str
    severity: str
    grade: str
    why: str
    remedy: str
    traps: tuple[str, ...]
    facts: tuple[FactLine, ...]
    quantity: int
    valued: bool
    saving_monthly: Decimal | None
    currency: str | None
    created_at: datetime | None = None
    last_login_at: datetime | None = None
    granted_at: datetime | None = None
    exempt: bool = False
    snoozed_until: date | None = None
    snooze_reason: str = ""
    manager: str = ""


class GateLine(msgspec.Struct, frozen=True):
    """One data-quality gate and what it says."""

    rule: str
    title: str
    verdict: str
    says: str
    remedy: str
    withholds: tuple[str, ...]
    facts: tuple[FactLine, ...]


class RuleLine(msgspec.Struct, frozen=True):
    """One rule of the method, and how many findings it has (None where a gate kept it from running)."""

    id: str
    title: str
    saves: str
    doc: str
    findings: int | None


class SensitivityPoint(msgspec.Struct, frozen=True):
    """What another threshold would say. None where the history does not reach that far."""

    days: int
    seats: int | None
    annual: Decimal | None
    currency: str | None


class WeekPoint(msgspec.Struct, frozen=True):
    """One week (Monday `start`, UTC) of all paid licences together: the sums of its `LicenseWeek`s.

    None: not known. Logins reach back six months, assigned and purchased seats to the first audit that was kept.
    """

    start: date
    people: int | None
    machines: int | None = None
    assigned: int | None = None
    purchased: int | None = None


class LicenseWeek(msgspec.Struct, frozen=True):
    """One week of one paid licence. `people`: holders, now active or not, with a login of their own in that week.

    `machines`: holders who were there by software alone. Seats are those of the last audit in that week.
    """

    start: date
    pool: str
    product: str
    people: int | None
    machines: int | None
    assigned: int | None
    purchased: int | None


class PriceLine(msgspec.Struct, frozen=True):
    """One price that the report used or could have used. `price` None: no price is known."""

    pool: str
    product: str
    price: Decimal | None
    currency: str | None
    basis: str
    source: str
    confidence: str
    effective_from: date | None
    note: str


class ContractLine(msgspec.Struct, frozen=True):
    """One line of the customer's contract against what the org has.

    `in_force`: the line counts on the day of the audit. Lines of other terms are listed, and count for nothing.
    `followed`: another line begins when it ends, so no notice is due; `renews`: its end decides what can be given back.
    """

    pool: str
    product: str
    contracted: int
    provisioned: int
    drift: int
    unit_price: Decimal | None
    currency: str
    start: date | None
    end: date
    notice_deadline: date
    days_left: int
    minimum: int
    source: str
    notice_days: int = 30
    auto_renew: bool = True
    uplift_cap: Decimal | None = None
    in_force: bool = True
    followed: bool = False
    renews: bool = True


class MoveLine(msgspec.Struct, frozen=True):
    """People of one licence who could do with another, and how many of them to move for the least cost.

    `free` seats of the other licence cost nothing; `saves_monthly` is what a seat beyond them saves, None if its price
    is not known.
    """

    source: str
    source_name: str
    target: str
    target_name: str
    how: str
    people: int
    moved: int
    free: int
    saves_monthly: Decimal | None
    currency: str


class MoveLimitLine(msgspec.Struct, frozen=True):
    """What a limit of the moves costs a year: `allowance` one more seat of it, `minimum` all of it."""

    pool: str
    kind: str
    what: str
    annual: Decimal
    currency: str


class Report(msgspec.Struct, frozen=True):
    """The whole report. `org` is what the operator calls it; `withheld` says in words what is not printed and why.

    `seats_other` are assigned seats that are neither active nor unused: new starters, software, people just below the
    threshold. `today` is the day of the audit in `time_zone`, which days to deadlines are counted from.
    """

    format: int
    product: str
    org: str
    host: str
    taken_at: datetime
    threshold_days: int
    effective_threshold_days: int
    history_start: datetime | None
    history_days: int
    pseudonymous: bool
    seats_purchased: int
    seats_assigned: int
    seats_active: int | None
    seats_unused: int | None
    users: int
    users_active: int
    withheld: tuple[str, ...]
    assumptions: tuple[str, ...]
    blind_spots: tuple[str, ...]
    money: tuple[MoneyTotal, ...]
    money_withheld: bool
    unpriced_seats: int | None
    deadline: date | None
    licenses: tuple[LicenseLine, ...]
    psls: tuple[PslLine, ...]
    findings: tuple[FindingLine, ...]
    gates: tuple[GateLine, ...]
    rules: tuple[RuleLine, ...]
    sensitivity: tuple[SensitivityPoint, ...]
    weeks: tuple[WeekPoint, ...]
    prices: tuple[PriceLine, ...]
    contract: tuple[ContractLine, ...]
    requests: tuple[RequestLine, ...]
    api_calls: int
    login_rows: int
    calls_estimated: int = 0
    interruptions: int = 0
    readiness: tuple[ReadinessLine, ...] = ()
    scenarios: tuple[ScenarioLine, ...] = ()
    plan: tuple[PlanLine, ...] = ()
    moves: tuple[MoveLine, ...] = ()
    move_limits: tuple[MoveLimitLine, ...] = ()
    seats_unused_a: int | None = None
    seats_unused_b: int | None = None
    seats_unused_c: int | None = None
    seats_other: int | None = None
    license_weeks: tuple[LicenseWeek, ...] = ()
    meters: tuple[MeterLine, ...] = ()
    cohorts: tuple[CohortLine, ...] = ()
    cohort_months: tuple[CohortMonth, ...] = ()
    today: date | None = None
    time_zone: str = "UTC"

    @property
    def day(self) -> date:
        """The day of the audit where the operator is. Reports that do not say it go by UTC."""
        return self.today or self.taken_at.date()
