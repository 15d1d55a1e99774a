"""R19: a full seat for somebody who hardly comes, or comes to a site only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from isthmus.audit.finding import Fact, Finding, Grade, Rule, Saving, Severity, Subject
from isthmus.audit.model import LicenseRow, LoginKind, UserRow
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R19",
    title="Perhaps a lighter licence would do",
    saves="at most the difference to Salesforce Platform",
    doc=(
        "Internal user on a full Salesforce licence who came in person within the threshold, but only to a site "
        "(Employee Login to Community), or on at most two days in each of the last six months of 30 days. Nobody in "
        "whose name software logs in as well. Needs 150 days of history and a user as old. Grade C, and an upper "
        "bound: these data cannot show which objects a person needs. Valued only where the org has Salesforce "
        "Platform licences (a move that is legal) with a price."
    ),
    remedy="Ask what the person works with before you plan another licence.",
)
FULL_KEY: Final = "SFDC"
LIGHT_KEY: Final = "AUL"
MONTH_DAYS: Final = 30
MONTHS: Final = 6
DAYS_A_MONTH_MAX: Final = 2
HISTORY_DAYS_MIN: Final = 150


def check(view: View) -> Iterator[Finding]:
    """Yield one finding for each full seat that is hardly used."""
    if view.history_days < HISTORY_DAYS_MIN:
        return
    light = target(view)
    for user in view.seat_holders():
        license_ = view.licenses.get(user.license or "")
        if license_ is None or license_.key != FULL_KEY or user.external or user.user_type not in {"Standard", ""}:
            continue
        why = _why(view, user)
        if why is None:
            continue
        yield Finding(
            rule="R19",
            subject=Subject.USER,
            subject_id=user.id,
            pool=license_.id,
            severity=Severity.INFO,
            grade=Grade.C,
            why=why,
            facts=(
                Fact("days with a login in person in six months", human_days(view, user)),
                Fact("last login in person", view.activity(user.id).human_last),
                Fact("lighter licence of this org", light.label if light is not None else None),
            ),
            saving=Saving.SEAT if light is not None else Saving.NONE,
            replacement=light.id if light is not None else "",
        )


def target(view: View) -> LicenseRow | None:
    """Return the org's Salesforce Platform pool, the one move that is legal and lighter; None if it has none."""
    return next((row for row in view.snapshot.licenses if row.key == LIGHT_KEY and row.status == "Active"), None)


def human_days(view: View, user: UserRow) -> int:
    """Return the days with a login in person in the last six months."""
    return (view.activity(user.id).human_days & ((1 << MONTHS * MONTH_DAYS) - 1)).bit_count()


def _why(view: View, user: UserRow) -> str | None:
    activity = view.activity(user.id)
    if not view.within(activity.human_last, view.inactive_days_of(user.license)):
        return None
    if view.within(user.created_at, HISTORY_DAYS_MIN):
        return None
    rows = view.successes(user.id)
    if rows and all(row.kind is LoginKind.COMMUNITY for row in rows):
        return "Logs in to a site only, not to Salesforce itself, as far as the login history shows."
    # Beyond so many days some month has more than its share; and where software works in this user's name, days in
    # person say little about the need.
    if human_days(view, user) > MONTHS * DAYS_A_MONTH_MAX or not all(row.kind.human for row in rows):
        return None
    mask = (1 << MONTH_DAYS) - 1
    for month in range(MONTHS):
        if (activity.human_days >> month * MONTH_DAYS & mask).bit_count() > DAYS_A_MONTH_MAX:
            return None
    return f"Came on {human_days(view, user)} days in six months, never more than {DAYS_A_MONTH_MAX} a month."
