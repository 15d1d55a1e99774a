"""R11: a permission set licence whose holder has not logged in since receiving it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from isthmus.audit.finding import Fact, Finding, Grade, Rule, Saving, Severity, Subject
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R11",
    title="Permission set licence never used since granted",
    saves="the permission set licence",
    doc=(
        "A grant of at least 30 days to an active user whose last login is older than the grant (or who never logged "
        "in). Grants are never updated, so their CreatedDate is the day of the grant; use is impossible except through "
        "an open session or token. Grade A. Trap: software logged in in the user's name after the grant. An account "
        "that software alone has logged in to since, and nobody in person ever, is left out: its software may well be "
        "what uses the grant. Nothing is said where LastLoginDate is later than the grant and the grant is older than "
        "the login history: that login may have been in person."
    ),
    remedy="Remove the permission set licence assignment, or ask the holder to start using it.",
)
GRANT_DAYS_MIN: Final = 30


def check(view: View) -> Iterator[Finding]:
    """Yield one finding for each grant that cannot have been used."""
    for psl in view.snapshot.psls:
        for grant in view.grants.get(psl.id, ()):
            user = view.users.get(grant.user)
            if user is None or not user.active or view.within(grant.created_at, GRANT_DAYS_MIN):
                continue
            activity = view.activity(user.id)
            in_person = activity.human_last
            if user.last_login_at is not None and user.last_login_at >= grant.created_at:
                if activity.machine_last is None or user.last_login_at > activity.machine_last:
                    continue
                if view.history_start is None or grant.created_at < view.history_start:
                    continue  # the logins before the history may have been in person
            if in_person is not None and in_person >= grant.created_at:
                continue
            by_software = activity.machine_last is not None and activity.machine_last >= grant.created_at
            if by_software and in_person is None:
                continue
            trap = ("software logged in in the holder's name after the grant",)
            yield Finding(
                rule="R11",
                subject=Subject.PSL_ASSIGNMENT,
                subject_id=grant.id,
                pool=psl.id,
                severity=Severity.CRITICAL,
                grade=Grade.A.lowered(1 if by_software else 0),
                why=f"{psl.label} was granted {view.age_days(grant.created_at)} days ago; no login "
                + ("in person since." if by_software else "since."),
                facts=(
                    Fact("granted", grant.created_at),
                    Fact("holder's last login", user.last_login_at),
                    Fact("last login by software", activity.machine_last),
                ),
                traps=trap if by_software else (),
                saving=Saving.PSL,
            )
