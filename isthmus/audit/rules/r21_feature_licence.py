"""R21: feature licences on a user who is not there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from isthmus.audit.finding import Fact, Finding, Grade, Rule, Severity, Subject
from isthmus.audit.rules.r12_psl_inactive import PARENTS
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R21",
    title="Feature licence on an inactive user",
    saves="nothing: their totals and prices are not visible",
    doc=(
        "A user whom R06, R07 or R08 found has a feature licence switched on (Marketing, Offline, Content, Knowledge, "
        "Flow or Service Cloud User). Grade D: totals cannot be read, and many feature licences are free. Nothing is "
        "found where the connected user does not see all six fields."
    ),
    remedy="Switch the feature off together with the user's access.",
)


def check(view: View, found: Sequence[Finding]) -> Iterator[Finding]:
    """Yield one finding for each absent user with features."""
    for parent in found:
        user = view.users.get(parent.subject_id)
        if parent.rule not in PARENTS or parent.grade is Grade.D or user is None or not user.features:
            continue
        yield Finding(
            rule="R21",
            subject=Subject.USER,
            subject_id=user.id,
            pool=user.license or "",
            severity=Severity.INFO,
            grade=Grade.D,
            why=f"Has {', '.join(user.features)}. {parent.why}",
            facts=(Fact("features", ", ".join(user.features)), Fact("because of", parent.rule)),
        )
