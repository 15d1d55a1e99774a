"""R08b: a paid seat whose holder never opens Salesforce, and whose software or mail program does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from isthmus.audit.finding import Fact, Finding, Grade, Rule, Severity, Subject
from isthmus.audit.model import LoginKind, UserRow
from isthmus.audit.rules import r09_integration
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R08b",
    title="Seen through software only",
    saves="nothing: ask",
    doc=(
        "Active user on a paid licence without a login in person within the threshold, but with logins by developer "
        "tools, mail or chat clients, or software, and not an integration account (R09). Grade C: some people work "
        "wholly in Outlook, Slack or a command line. Not judged if LastLoginDate is later than every login that is "
        "visible."
    ),
    remedy="Ask how the person works with Salesforce; perhaps a lighter licence would do.",
)
CLOCK_TOLERANCE: Final = timedelta(minutes=2)


def check(view: View) -> Iterator[Finding]:
    """Yield one finding for each holder who is there by software alone."""
    for user in view.seat_holders():
        if not applies(view, user) or r09_integration.evidence_of(view, user) is not None:
            continue
        days = view.inactive_days_of(user.license)
        recent = sorted(row.kind.value for row in view.successes(user.id) if view.within(row.last, days))
        yield Finding(
            rule="R08b",
            subject=Subject.USER,
            subject_id=user.id,
            pool=user.license or "",
            severity=Severity.INFO,
            grade=Grade.C,
            why=f"No login in person for {days} days, but software or a mail client logs in.",
            facts=(
                Fact("last login in person", last_in_person(view, user)),
                Fact("last login of any kind", view.activity(user.id).last),
                Fact("kinds of login within the threshold", ", ".join(recent)),
            ),
        )


def applies(view: View, user: UserRow) -> bool:
    """Whether software or a mail client came within the threshold, and the person did not."""
    days = view.inactive_days_of(user.license)
    rows = view.successes(user.id)
    if any(row.kind.in_person and view.within(row.last, days) for row in rows):
        return False
    latest = max((row.last for row in rows), default=None)
    if latest is None or (user.last_login_at is not None and user.last_login_at > latest + CLOCK_TOLERANCE):
        return False
    return any((row.kind.machine or row.kind is LoginKind.MAIL) and view.within(row.last, days) for row in rows)


def last_in_person(view: View, user: UserRow) -> datetime | None:
    """Return the last visible login in person, or None."""
    return max((row.last for row in view.successes(user.id) if row.kind.in_person), default=None)
