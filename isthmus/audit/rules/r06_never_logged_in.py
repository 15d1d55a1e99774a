"""R06: a paid seat whose holder never came."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from isthmus.audit.benign import never_meant_to_come, reactivated
from isthmus.audit.finding import Fact, Finding, Grade, Rule, Saving, Severity, Subject
from isthmus.audit.model import UserRow
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R06",
    title="Never logged in",
    saves="the seat",
    doc=(
        "Active user on a paid licence without LastLoginDate or any successful login, created 30 days ago "
        "or earlier. Grade A from 90 days on, B before. Younger users are listed as information: onboarding. Traps: "
        "five or more who never came and were created on the same day may be waiting for a go-live; a placeholder that "
        "owns records, or an account made for software (by name or profile); deactivated at an earlier audit and "
        "active again. An e-mail address that was never verified and failed logins are shown as evidence; they raise "
        "no grade."
    ),
    remedy="Ask the manager whether the account is still needed; if not, deactivate the user.",
)
SURE_DAYS: Final = 90
COHORT_MIN: Final = 5


def check(view: View) -> Iterator[Finding]:
    """Yield one finding for each holder who never came."""
    absent = [u for u in view.seat_holders() if u.last_login_at is None and not view.activity(u.id).logins]
    cohorts = Counter(user.created_at.date() for user in absent)
    for user in absent:
        age = view.age_days(user.created_at)
        others = cohorts[user.created_at.date()] - 1
        facts = [Fact("created", user.created_at), Fact("days since creation", age)]
        if user.failed_logins:
            facts.append(Fact("failed logins", user.failed_logins))
        if user.email_verified is not None:
            facts.append(Fact("e-mail address verified", user.email_verified))
        recent = view.within(user.created_at, view.thresholds_of(user.license).grace_days)
        traps = () if recent else _traps(view, user, others)
        grade = Grade.D if recent else Grade.B if view.within(user.created_at, SURE_DAYS) else Grade.A
        yield Finding(
            rule="R06",
            subject=Subject.USER,
            subject_id=user.id,
            pool=user.license or "",
            severity=Severity.INFO if recent else Severity.CRITICAL,
            grade=grade.lowered(len(traps)),
            why=f"Created {age} days ago, holds a paid seat and never logged in."
            if not recent
            else f"Created {age} days ago and has not logged in yet: probably being onboarded.",
            facts=tuple(facts),
            traps=traps,
            saving=Saving.NONE if grade.lowered(len(traps)) is Grade.D else Saving.SEAT,
        )


def _traps(view: View, user: UserRow, others: int) -> tuple[str, ...]:
    cohort = f"created on one day with {others} others who never came: a go-live may be ahead"
    return (
        *((cohort,) if others + 1 >= COHORT_MIN else ()),
        *never_meant_to_come(user),
        *reactivated(view, user),
    )
