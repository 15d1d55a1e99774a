"""R20: licences that are paid by the login: too few bought, or too many."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from typing import Final

from isthmus.audit.finding import Fact, Finding, Grade, Rule, Severity, Subject
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R20",
    title="Login-based licence against its entitlement",
    saves="nothing yet: one month says little",
    doc=(
        "MonthlyLoginsUsed, projected to the end of the month by the share of it that has passed (seven days at "
        "least), above MonthlyLoginsEntitlement, or below half of it. Grade B. No money: unused logins do not roll "
        "over, sources disagree on how overage is charged, and a price needs months of history. Cheaper than members "
        "as long as a person logs in fewer times a month than the price of a member divided by that of a login."
    ),
    remedy="Watch it for three months, then change the number of logins at the renewal.",
)
DAYS_MIN: Final = 7
LOW_PERCENT: Final = 50


def check(view: View) -> Iterator[Finding]:
    """Yield one finding for each login-based pool that does not fit its entitlement."""
    now = view.now
    passed = now.day - 1 + now.hour / 24
    month = monthrange(now.year, now.month)[1]
    for row in view.snapshot.licenses:
        if not row.logins_entitled or row.logins_used is None:
            continue
        over = row.logins_used > row.logins_entitled
        if passed < DAYS_MIN and not over:
            continue
        projected = row.logins_used if over and passed < DAYS_MIN else round(row.logins_used * month / passed)
        low = projected * 100 < LOW_PERCENT * row.logins_entitled
        if not low and projected <= row.logins_entitled:
            continue
        yield Finding(
            rule="R20",
            subject=Subject.LICENSE,
            subject_id=row.id,
            pool=row.id,
            severity=Severity.INFO if low else Severity.WARNING,
            grade=Grade.B,
            why=f"About {projected} logins of {row.label} this month, {row.logins_entitled} are bought.",
            facts=(
                Fact("logins so far this month", row.logins_used),
                Fact("logins bought a month", row.logins_entitled),
                Fact("projected for the month", projected),
            ),
            quantity=0 if low else projected - row.logins_entitled,
        )
