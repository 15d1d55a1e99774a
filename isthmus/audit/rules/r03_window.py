"""R03: whether the login history reaches far enough, without holes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from isthmus.audit.finding import HISTORY_DAYS_MIN, Fact, GateResult, Rule, Verdict, Withhold
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R03",
    title="Length of the login history",
    saves="nothing: a gate",
    doc=(
        "The history begins with the oldest login that is visible (Salesforce keeps about six months; a new org, a "
        "purge or a sandbox has less). The inactivity threshold is never longer than the history. Fails below 30 days, "
        "warns below 150 days and where a working day without any login lies between busy ones."
    ),
    remedy="Run the audit again when the history is longer; our snapshots keep what Salesforce drops.",
)
SHORT_DAYS: Final = 150
BUSY_LOGINS_MIN: Final = 5
SATURDAY: Final = 5
_WITHHELD: Final = frozenset({Withhold.ACTIVITY, Withhold.ESTIMATE})


def examine(view: View) -> Iterator[GateResult]:
    """Look at the history's beginning and at days without any login."""
    days = view.history_days
    facts = (Fact("history begins", view.history_start), Fact("days of history", days))
    if view.history_start is None or days < HISTORY_DAYS_MIN:
        says = (
            f"The visible login history has {days} days, fewer than {HISTORY_DAYS_MIN}: nobody is called inactive and "
            "no active seats are counted in this report."
        )
        yield GateResult("R03", Verdict.FAIL, says, RULE.remedy, _WITHHELD, facts=facts)
        return
    silent = silent_days(view)
    if days < SHORT_DAYS:
        says = f"The visible login history has {days} days, less than five months: long absences cannot be told apart."
        yield GateResult("R03", Verdict.WARN, says, RULE.remedy, facts=facts)
    if silent:
        says = f"{silent} working days between busy ones have no login at all: the history has holes, or was a holiday."
        yield GateResult("R03", Verdict.WARN, says, "Ask whether login history was deleted.", facts=facts)
    if days >= SHORT_DAYS and not silent:
        yield GateResult("R03", Verdict.PASS, f"{days} days of login history without holes.", facts=facts)


def silent_days(view: View) -> int:
    """Count working days (UTC) without any login whose neighbouring working days have users logging in."""
    users_a_day = [0] * max(view.history_days, 0)
    for row in view.snapshot.logins:
        bits = row.day_bits
        for index in range(len(users_a_day)):
            if bits >> index & 1:
                users_a_day[index] += 1
    working = [i for i in range(len(users_a_day)) if (view.now.date() - timedelta(days=i)).weekday() < SATURDAY]
    found = 0
    for before, here, after in zip(working, working[1:], working[2:], strict=False):
        busy = users_a_day[before] >= BUSY_LOGINS_MIN and users_a_day[after] >= BUSY_LOGINS_MIN
        found += users_a_day[here] == 0 and busy
    return found
