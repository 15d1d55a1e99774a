"""Days on which many seats were created of which many were never used. Pure.

A count, not a survival curve: when people first logged in is visible for the last six months only, and since when a
deactivated user is so is not visible at all, so curves by month of provisioning would be wrong at both ends.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from typing import Final

from isthmus.audit.analysis import Analysis
from isthmus.audit.figures_more import CohortLine
from isthmus.audit.finding import Withhold
from isthmus.audit.model import UserRow

SEATS_MIN: Final = 10
NEVER_MIN: Final = 5
NEVER_PERCENT: Final = 25


def cohort_lines(analysis: Analysis) -> tuple[CohortLine, ...]:
    """Return the days (UTC) on which ten seats or more of a licence were created and a quarter was never used since.

    Days within the grace period are left out, and people who are exempt. Nothing where activity is withheld.
    """
    view = analysis.view
    if analysis.withheld(Withhold.ACTIVITY):
        return ()
    found: list[CohortLine] = []
    for license_, users in view.seat_pools():
        days: dict[date, list[UserRow]] = defaultdict(list)
        for user in users:
            if not view.within(user.created_at, view.thresholds_of(license_).grace_days):
                days[user.created_at.date()].append(user)
        for day, created in days.items():
            never = sum(
                1 for user in created if view.last_seen(user) is None and view.exemption_of(user.id, "R06") is None
            )
            if len(created) < SEATS_MIN or never < NEVER_MIN or never * 100 < NEVER_PERCENT * len(created):
                continue
            row = view.licenses.get(license_)
            found.append(CohortLine(day, license_, row.label if row else license_, len(created), never))
    return tuple(sorted(found, key=lambda line: (-line.never_used, line.day, line.pool)))
