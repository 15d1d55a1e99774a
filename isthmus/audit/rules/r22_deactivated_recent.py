"""R22: somebody logged in after they had been deactivated."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from isthmus.audit.finding import Fact, Finding, Grade, Rule, Severity, Subject
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R22",
    title="Login after deactivation",
    saves="nothing: a security note",
    doc=(
        "A user who is deactivated now and was seen deactivated by an earlier audit has a successful login more than "
        "five minutes after that audit. Grade D: the user may have been activated and deactivated again in between. "
        "Needs an earlier audit of the same org."
    ),
    remedy="Ask who activated the account in between, and why.",
)
CLOCK_TOLERANCE: Final = timedelta(minutes=5)


def check(view: View) -> Iterator[Finding]:
    """Yield one finding for each such user."""
    for seen in sorted(view.history.deactivated, key=lambda item: (item.user, item.at)):
        user = view.users.get(seen.user)
        last = view.activity(seen.user).last
        if user is None or user.active or last is None or last <= seen.at + CLOCK_TOLERANCE:
            continue
        yield Finding(
            rule="R22",
            subject=Subject.USER,
            subject_id=user.id,
            pool=user.license or "",
            severity=Severity.WARNING,
            grade=Grade.D,
            why="Deactivated, was so at an earlier audit too, and logged in after it.",
            facts=(Fact("seen deactivated", seen.at), Fact("last login", last)),
        )
