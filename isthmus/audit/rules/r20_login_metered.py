"""R20: licences that are paid by the login: too few bought, or too many."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from math import ceil, sqrt
from typing import Final

from isthmus.audit.finding import Fact, Finding, Grade, Rule, Severity, Subject
from isthmus.audit.model import WEEKS_KEPT, LicenseRow
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R20",
    title="Login-based licence against its entitlement",
    saves="logins bought and not needed, at renewal only, at your own price of a login",
    doc=(
        "MonthlyLoginsUsed, projected to the end of the month by the share of it that has passed (seven days at "
        "least), above MonthlyLoginsEntitlement, or below half of it. Grade B: by third parties unused logins do not "
        "roll over, and they disagree on how overage is charged and what counts as a login. What could be given back "
        "is the entitlement less the most that a month like those visible needs: the 95 % end of this month's "
        "projection (logins coming at random), or the 95th percentile of the holders' visible logins in 30 days where "
        "that is more. Busier months before the visible ones are not known. Valued only at your price of a login. "
        "Cheaper than members as long as a person logs in fewer times a month than the price of a member divided by "
        "that of a login."
    ),
    remedy="Watch it for three months, then change the number of logins at the renewal.",
)
DAYS_MIN: Final = 7
LOW_PERCENT: Final = 50
Z_95: Final = 1.645
"""95 % of a normal distribution lie below its mean and so many standard deviations."""
BUSY_WEEKS: Final = 4
BUSY_WEEKS_MIN: Final = 8
BUSY_DAYS: Final = 30


@dataclass(frozen=True, slots=True)
class Month:
    """One login-based pool in the month of the audit (UTC). `needed`: what a month like those visible needs, at most.

    The last two are None in the first days of a month.
    """

    row: LicenseRow
    entitled: int
    used: int
    passed_percent: int
    projected: int | None
    needed: int | None

    @property
    def unneeded(self) -> int | None:
        """Logins that are bought each month and not needed."""
        return None if self.needed is None else max(0, self.entitled - self.needed)


def check(view: View) -> Iterator[Finding]:
    """Yield one finding for each login-based pool that does not fit its entitlement."""
    for month in months(view):
        over = month.used > month.entitled
        projected = month.used if month.projected is None else month.projected
        low = month.projected is not None and projected * 100 < LOW_PERCENT * month.entitled
        if not low and not (projected > month.entitled if month.projected is not None else over):
            continue
        row = month.row
        yield Finding(
            rule="R20",
            subject=Subject.LICENSE,
            subject_id=row.id,
            pool=row.id,
            severity=Severity.INFO if low else Severity.WARNING,
            grade=Grade.B,
            why=f"About {projected} logins of {row.label} this month, {month.entitled} are bought.",
            facts=(
                Fact("logins so far this month", month.used),
                Fact("logins bought a month", month.entitled),
                Fact("share of the month that has passed, percent", month.passed_percent),
                Fact("projected for the month", projected),
                Fact("needed in a month like those visible, at most (95 %)", month.needed),
            ),
            quantity=0 if low else projected - month.entitled,
        )


def months(view: View) -> Iterator[Month]:
    """Yield the login-based pools that have an entitlement."""
    now = view.now
    passed, days = now.day - 1 + now.hour / 24, monthrange(now.year, now.month)[1]
    for row in view.snapshot.licenses:
        if not row.logins_entitled or row.logins_used is None:
            continue
        share = int(passed / days * 100)
        if passed < DAYS_MIN:
            yield Month(row, row.logins_entitled, row.logins_used, share, None, None)
            continue
        projected = round(row.logins_used * days / passed)
        needed = max(_at_most(row.logins_used, passed / days), busiest(view, row))
        yield Month(row, row.logins_entitled, row.logins_used, share, projected, needed)


def _at_most(used: int, share: float) -> int:
    """Return the 95 % end of a month's logins, of which `used` came in this share of it; they come at random."""
    rest = used / share * (1 - share)
    return used + ceil(rest + Z_95 * sqrt(rest / share))


def busiest(view: View, row: LicenseRow) -> int:
    """Return the 95th percentile of the holders' visible logins in 30 days; 0 with less than eight weeks to see."""
    whole = min(view.history_days // 7, WEEKS_KEPT)
    if whole < BUSY_WEEKS_MIN:
        return 0
    weekly = [0] * whole
    for user in view.users.values():
        if user.license == row.id:
            for login in view.successes(user.id):
                for week in range(whole):
                    weekly[week] += login.weeks[week]
    spans = sorted(sum(weekly[at : at + BUSY_WEEKS]) for at in range(whole - BUSY_WEEKS + 1))
    return ceil(spans[ceil(0.95 * len(spans)) - 1] * BUSY_DAYS / (BUSY_WEEKS * 7))


def break_even(member: Decimal, login: Decimal) -> Decimal | None:
    """Return how many logins a month cost as much as a member, or None where a login costs nothing."""
    return (member / login).quantize(Decimal("0.1")) if login > 0 else None
