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
        "purge or a sandbox has less) and ends with the newest. The inactivity threshold is never longer than the "
        "history. Fails below 30 days, and where the newest login is more than seven days older than the audit (rows "
        "were purged, or the audit judges as of a day that has not been); warns below 150 days and where a working day "
        "without any login lies between busy ones."
    ),
    remedy="Run the audit again when the history is longer; our snapshots keep what Salesforce drops.",
)
SHORT_DAYS: Final = 150
END_DAYS_MAX: Final = 7
"""Connecting is itself a login, so a history that ends earlier is not whole."""
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
    ended = days_since_newest(view)
    if ended > END_DAYS_MAX:
        says = (
            f"The newest visible login is {ended} days old, so the login history does not reach up to this audit: "
            "nobody is called inactive and no active seats are counted in this report."
        )
        yield GateResult("R03", Verdict.FAIL, says, "Ask whether login history was deleted.", _WITHHELD, facts=facts)
        return
    silent = silent_days(view)
    if days < SHORT_DAYS:
        says = f"The visible login history has {days} days, less than five months: long absences cannot be told apart."
        yield GateResult("R03", Verdict.WARN, says, RULE.remedy, facts=facts)
    if silent:
        told = "1 working day has" if silent == 1 else f"{silent} working days have"
        says = f"{told} no login at all, between busy ones: the history has holes, or these were holidays."
        yield GateResult("R03", Verdict.WARN, says, "Ask whether login history was deleted.", facts=facts)
    if days >= SHORT_DAYS and not silent:
        yield GateResult("R03", Verdict.PASS, f"{days} days of login history without holes.", facts=facts)


def days_since_newest(view: View) -> int:
    """Return whole days (UTC) from the newest login, of any kind and outcome, to the audit."""
    return min(((view.now.date() - row.last.date()).days for row in view.snapshot.logins), default=view.history_days)


def silent_days(view: View) -> int:
    """Count working days (UTC) without any login, in runs of any length, between two on which five users logged in."""
    # at_least[n] has the bit of each day on which n + 1 users or more logged in: whole histories in a few operations.
    at_least = [0] * BUSY_LOGINS_MIN
    for row in view.snapshot.logins:
        bits = row.day_bits
        for n in range(BUSY_LOGINS_MIN - 1, 0, -1):
            at_least[n] |= at_least[n - 1] & bits
        at_least[0] |= bits
    today = view.now.date()
    working = [i for i in range(view.history_days) if (today - timedelta(days=i)).weekday() < SATURDAY]
    busy, seen = at_least[-1], at_least[0]
    found = run = 0
    bounded = False
    for day in working:  # from today backwards
        if busy >> day & 1:
            found, run, bounded = found + run, 0, True
        elif seen >> day & 1:
            run, bounded = 0, False
        elif bounded:
            run += 1
    return found
