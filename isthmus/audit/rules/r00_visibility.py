"""R00: whether the connected user can see other people's logins at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from isthmus.audit.finding import Fact, GateResult, Rule, Verdict, Withhold
from isthmus.audit.view import View

RULE: Final = Rule(
    id="R00",
    title="Visibility of logins",
    saves="nothing: a gate",
    doc=(
        "Without Manage Users or Monitor Login History a user is shown only their own logins, without any error, so a "
        "whole company looks inactive; deleted login rows look alike. Fails if one person at most has logins while "
        "three or more have a LastLoginDate of the last 30 days, or if more than 5 % of those with a LastLoginDate "
        "inside the history have no login in it."
    ),
    remedy=(
        "Give the connected user the permission Monitor Login History (not Manage Users, which would let a reader "
        "create users) and View All Users where user sharing is private, then run the audit again."
    ),
)
RECENT_DAYS: Final = 30
RECENT_USERS_MIN: Final = 3
SHARE_MISSING_MAX_PERCENT: Final = 5
_WITHHELD: Final = frozenset({Withhold.ACTIVITY, Withhold.ESTIMATE})


def examine(view: View) -> Iterator[GateResult]:
    """Compare LastLoginDate of the users with the logins that are visible."""
    recent = sum(1 for user in view.users.values() if view.within(user.last_login_at, RECENT_DAYS))
    start = view.history_start
    inside = [
        user
        for user in view.users.values()
        if start is not None and user.last_login_at is not None and start <= user.last_login_at < view.now
    ]
    missing = sum(1 for user in inside if view.activity(user.id).last is None)
    facts = (
        Fact("users with a login of their own in the history", view.people_seen),
        Fact("users whose LastLoginDate is within 30 days", recent),
        Fact("users whose LastLoginDate lies inside the history", len(inside)),
        Fact("of these, users without any login in it", missing),
    )
    own_only = view.people_seen <= 1 and recent >= RECENT_USERS_MIN
    if own_only or missing * 100 > SHARE_MISSING_MAX_PERCENT * len(inside):
        what = (
            "The connected user cannot see other people's logins"
            if own_only
            else "Many people whose LastLoginDate lies in the login history have no login in it: the connected user "
            "cannot see theirs, or rows were deleted"
        )
        says = f"{what}. So nobody is called inactive and no active seats are counted in this report."
        yield GateResult("R00", Verdict.FAIL, says, RULE.remedy, _WITHHELD, facts=facts)
        return
    yield GateResult("R00", Verdict.PASS, "Logins of other people are visible.", facts=facts)
