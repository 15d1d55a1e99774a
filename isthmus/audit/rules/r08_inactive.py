"""R08: a paid seat whose holder has stopped coming."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from isthmus.audit.benign import reactivated
from isthmus.audit.finding import Fact, Finding, Grade, Rule, Saving, Severity, Subject
from isthmus.audit.model import UserRow
from isthmus.audit.rules import r07_dormant
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R08",
    title="Inactive",
    saves="the seat",
    doc=(
        "Active user on a paid licence, without a login in person or by software within the threshold (90 days), whose "
        "LastLoginDate is older too. Grade B; A from 120 days. Traps: the same person came back after a gap of 60 days "
        "or more before (quarter-end work); with four fifths of their department's seats, five or more, went silent "
        "within two weeks of each other (seasonal work); deactivated at an earlier audit and active again. Long leave, "
        "work once a year and approving by e-mail cannot be seen in logins: the exemptions file is for them."
    ),
    remedy="Ask whether the person is on leave or works with Salesforce only at times; if not, deactivate the user.",
)
SURE_DAYS: Final = 120
GAP_DAYS: Final = 60
SEASON_USERS_MIN: Final = 5
SEASON_SHARE_PERCENT: Final = 80
SEASON_SPAN: Final = timedelta(days=14)


def check(view: View) -> Iterator[Finding]:
    """Yield one finding for each holder who stopped coming."""
    absent = [(user, last) for user in view.seat_holders() if (last := absent_since(view, user)) is not None]
    seasonal = _seasonal(view, absent)
    for user, last in absent:
        days = view.age_days(last)
        traps = list(own_traps(view, user))
        if user.id in seasonal:
            traps.append(f"{seasonal[user.id]} of the same department went silent together: seasonal work?")
        grade = Grade.A if not view.within(last, SURE_DAYS) else Grade.B
        yield Finding(
            rule="R08",
            subject=Subject.USER,
            subject_id=user.id,
            pool=user.license or "",
            severity=Severity.CRITICAL,
            grade=grade.lowered(len(traps)),
            why=f"No login for {days} days.",
            facts=(
                Fact("last login", last),
                Fact("days since", days),
                Fact("logins in the visible history", view.activity(user.id).logins),
            ),
            traps=tuple(traps),
            saving=Saving.SEAT if grade.lowered(len(traps)) is not Grade.D else Saving.NONE,
        )


def own_traps(view: View, user: UserRow) -> Iterator[str]:
    """Yield the traps that follow from the user alone, whoever else is absent."""
    gap = longest_gap_days(view.activity(user.id).human_days)
    if gap >= GAP_DAYS:
        yield f"came back before, after a gap of {gap} days"
    yield from reactivated(view, user)


def absent_since(view: View, user: UserRow) -> datetime | None:
    """Return the last login of a user whom this rule concerns, else None (never came, dormant, or still coming)."""
    last = view.last_seen(user)
    if last is None or view.within(last, view.inactive_days_of(user.license)) or r07_dormant.applies(view, user):
        return None
    return last


def longest_gap_days(day_bits: int) -> int:
    """Return the most days between two neighbouring days with a login (0 if there are fewer than two such days)."""
    days = [index for index in range(day_bits.bit_length()) if day_bits >> index & 1]
    return max((b - a for a, b in pairwise(days)), default=0)


def _seasonal(view: View, absent: list[tuple[UserRow, datetime]]) -> Mapping[str, int]:
    """Return the users who went silent together with most of their department, and with how many."""
    holders: dict[str, int] = defaultdict(int)
    for user in view.seat_holders():
        holders[user.department] += 1
    gone: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for user, last in absent:
        if user.department:
            gone[user.department].append(((last - view.now) // timedelta(microseconds=1), user.id))
    found: dict[str, int] = {}
    for department, of in gone.items():
        of.sort()
        together = went_together([at for at, _ in of], holders[department])
        found.update((user, count) for (_, user), count in zip(of, together, strict=True) if count)
    return found


def went_together(lasts: Sequence[int], holders: int) -> list[int]:
    """Return for each of these instants, which rise, of how many it is one that lie within the span and are enough.

    Instants are in microseconds, `holders` is how many seats the department has. Somebody who left long before the
    others does not hide that these went together.
    """
    counts, span, end = [0] * len(lasts), SEASON_SPAN // timedelta(microseconds=1), 0
    for first, at in enumerate(lasts):
        while end < len(lasts) and lasts[end] - at <= span:
            end += 1
        number = end - first
        if number >= SEASON_USERS_MIN and number * 100 >= SEASON_SHARE_PERCENT * holders:
            counts[first:end] = [max(number, count) for count in counts[first:end]]
    return counts
