"""API calls of one org over all its syncs: what is left, whether a run may begin, and when the budget will be used up.

The org's own count (`Sforce-Limit-Info`) has everybody's calls of the last 24 hours; ours are counted beside it. A run
that meets the budget pauses between two windows and loses nothing; the schedule looks again after `PAUSE`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

DAY_PERCENT_DEFAULT: Final = 80
OWN_PERCENT_DEFAULT: Final = 100
PERCENT: Final = 100
DAY: Final = timedelta(days=1)
PAUSE: Final = timedelta(hours=1)
"""How long after a look at a used-up budget the next is taken: one call an hour tells whether it is free again."""
PACE_SPAN: Final = timedelta(hours=1)
PACE_SPAN_MIN: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class OrgCalls:
    """What is known about the API calls of an org. `used`, `allowed`: its own word at `seen_at`; None before the first.

    `own`: calls that all our syncs have made there in the last 24 hours. `day_percent`: up to which share of the day's
    allowance, used by whomever, we go on; `own_percent`: which share we use ourselves.
    """

    used: int | None = None
    allowed: int | None = None
    seen_at: datetime | None = None
    own: int = 0
    day_percent: int = DAY_PERCENT_DEFAULT
    own_percent: int = OWN_PERCENT_DEFAULT


@dataclass(frozen=True, slots=True)
class UsageSample:
    """The org's own count at one instant."""

    at: datetime
    used: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """How far the budget of an org goes. `per_hour` None: not known yet; `used_up_at` None: not at this pace."""

    allowed: int
    budget: int
    used: int
    own: int
    left: int
    per_hour: int | None
    used_up_at: datetime | None


def calls_left(calls: OrgCalls) -> int | None:
    """Return how many calls our syncs may still make, as far as known; None before the org has told its allowance."""
    if calls.used is None or calls.allowed is None:
        return None
    by_day = calls.allowed * calls.day_percent // PERCENT - calls.used
    return max(0, min(by_day, own_left(calls) or 0))


def own_left(calls: OrgCalls) -> int | None:
    """Return what is left of our own share; None before the org has told its allowance."""
    return None if calls.allowed is None else max(0, calls.allowed * calls.own_percent // PERCENT - calls.own)


def paused_until(calls: OrgCalls, now: datetime) -> datetime | None:
    """Return until when no run may begin because the budget is used up; None if one may begin.

    The org's word grows old while nobody asks: `PAUSE` after it a run may begin, and asks anew with its first call.
    """
    if calls_left(calls) != 0 or calls.seen_at is None:
        return None
    if own_left(calls) == 0:
        return now + PAUSE
    again = calls.seen_at + PAUSE
    return again if again > now else None


def forecast(samples: Sequence[UsageSample], calls: OrgCalls, now: datetime) -> Forecast | None:
    """Return how far the budget goes at the pace of the last hour; None before the org has told its allowance."""
    left = calls_left(calls)
    if left is None or calls.used is None or calls.allowed is None:
        return None
    per_hour = pace_per_hour(samples, now)
    hours = left / per_hour if per_hour else None
    # Calls of the day before fall out of the org's count again: what takes longer than a day never comes.
    used_up_at = now + timedelta(hours=hours) if hours is not None and hours <= DAY / PACE_SPAN else None
    budget = min(calls.allowed * calls.day_percent, calls.allowed * calls.own_percent) // PERCENT
    return Forecast(calls.allowed, budget, calls.used, calls.own, left, per_hour, used_up_at)


def pace_per_hour(samples: Sequence[UsageSample], now: datetime) -> int | None:
    """Return by how much the org's count grows in an hour, net of what falls out of it; None if too little is known."""
    recent = sorted((s for s in samples if now - s.at <= PACE_SPAN + PACE_SPAN_MIN), key=lambda s: s.at)
    if len(recent) < 2 or recent[-1].at - recent[0].at < PACE_SPAN_MIN:  # noqa: PLR2004 - a pace has two ends
        return None
    grown = recent[-1].used - recent[0].used
    return max(0, round(grown * (PACE_SPAN / (recent[-1].at - recent[0].at))))
