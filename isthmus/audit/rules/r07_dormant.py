"""R07: a paid seat whose holder was last there before all visible history."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from isthmus.audit.benign import reactivated
from isthmus.audit.finding import Fact, Finding, Grade, Rule, Saving, Severity, Subject
from isthmus.audit.model import UserRow
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R07",
    title="Dormant beyond the login history",
    saves="the seat",
    doc=(
        "Active user on a paid licence whose LastLoginDate is older than the whole visible login history and than the "
        "threshold, without a successful login in it. Grade A: LastLoginDate is Salesforce's own. Trap: deactivated at "
        "an earlier audit and active again. Leave of more than six months and legal hold cannot be seen in the data: "
        "name such people in the exemptions file, and ask before deactivating."
    ),
    remedy="Deactivate the user, unless they are on long leave or under legal hold.",
)


def check(view: View) -> Iterator[Finding]:
    """Yield one finding for each dormant holder."""
    for user in view.seat_holders():
        if not applies(view, user) or user.last_login_at is None:
            continue
        days = view.age_days(user.last_login_at)
        traps = tuple(reactivated(view, user))
        yield Finding(
            rule="R07",
            subject=Subject.USER,
            subject_id=user.id,
            pool=user.license or "",
            severity=Severity.CRITICAL,
            grade=Grade.A.lowered(len(traps)),
            why=f"Last logged in {days} days ago, before all visible login history.",
            facts=(
                Fact("last login (User.LastLoginDate)", user.last_login_at),
                Fact("days since", days),
                Fact("history begins", view.history_start),
            ),
            traps=traps,
            saving=Saving.SEAT,
        )


def applies(view: View, user: UserRow) -> bool:
    """Whether the user was last there before the history, and longer ago than the threshold."""
    start, last = view.history_start, user.last_login_at
    if start is None or last is None or view.activity(user.id).logins:
        return False
    return last < start and not view.within(last, view.thresholds_of(user.license).inactive_days)
