"""When an org is audited by itself: daily, weekly or monthly at a time of day in a zone. Pure functions.

| given | due |
|---|---|
| `daily` | every day at that time |
| `weekly` | on that weekday |
| `monthly` | on that day of the month, on the last day of months that are shorter |
| `off` | never |

A time of day comes once a day: the first time where a clock is put back, at the end of the gap where it is put forward.
Times that passed unnoticed are made up for by one audit, not by one for each.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final, NoReturn
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from isthmus.audit.failures import Failure

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MINUTE_DEFAULT: Final = 6 * 60
DAY_MINUTES: Final = 24 * 60
MONTH_DAY_MAX: Final = 31
KEEP_DAYS_DEFAULT: Final = 400
"""How long documents, findings and names are kept unless the operator says otherwise: a year and a quarter's talk."""
KEEP_DAYS_MAX: Final = 3650
TRIES: Final = 3
"""A scheduled audit that stops for a cause which time may mend is tried so often before anybody is told."""
RETRY_AFTER: Final = timedelta(hours=1)
RETRY_LIMITED_AFTER: Final = timedelta(hours=6)
TIME_MAY_MEND: Final = frozenset(
    {
        Failure.LIMITED,
        Failure.UNREACHABLE,
        Failure.MOVER_STOPPED,
        Failure.WORKER_STOPPED,
        Failure.ROWS_DIFFER,
        Failure.LOGIN_COUNT_DIFFERS,
        Failure.SIGHT_CHANGED,
    }
)
_ZONE: Final = re.compile(r"[A-Za-z]+(?:/[A-Za-z0-9_+-]+){0,2}")
_ZONE_LENGTH_MAX: Final = 64
_DAYS_AHEAD: Final = 64
"""A monthly day comes at least every 31 days."""


class Rhythm(StrEnum):
    """How often."""

    OFF = "off"
    DAILY = "daily"
    WEEKLY = "weekly"
    MONTHLY = "monthly"


@dataclass(frozen=True, slots=True)
class Cadence:
    """When audits begin by themselves. `weekday`: 0 is Monday; `minute`: of the day, in `zone`."""

    rhythm: Rhythm = Rhythm.WEEKLY
    weekday: int = 0
    month_day: int = 1
    minute: int = MINUTE_DEFAULT
    zone: str = "UTC"


class ScheduleRefused(Exception):
    """A schedule that cannot be kept: what is wrong, and what to do."""

    def __init__(self, what: str, remedy: str) -> None:
        """Keep the parts."""
        super().__init__(f"{what} {remedy}")
        self.what = what
        self.remedy = remedy


def refuse(what: str, remedy: str) -> NoReturn:
    """Raise `ScheduleRefused`."""
    raise ScheduleRefused(what, remedy)


def read_zone(name: str) -> ZoneInfo:
    """Return the zone. Raises `ScheduleRefused`."""
    try:
        if len(name) <= _ZONE_LENGTH_MAX and _ZONE.fullmatch(name) is not None:
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    refuse("The zone is not one of the IANA list.", "For example Europe/Berlin, or UTC.")


def next_due(cadence: Cadence, after: datetime) -> datetime | None:
    """Return the first instant after `after` at which an audit is due, in UTC; None if none ever is."""
    if cadence.rhythm is Rhythm.OFF:
        return None
    zone = read_zone(cadence.zone)
    day = after.astimezone(zone).date() - timedelta(days=1)
    for _ in range(_DAYS_AHEAD):
        if _falls_on(cadence, day):
            at = instant_of(day, cadence.minute, zone)
            if at > after:
                return at
        day += timedelta(days=1)
    message = "a cadence has no next day"
    raise AssertionError(message)


def instant_of(day: date, minute: int, zone: ZoneInfo) -> datetime:
    """Return the instant, in UTC, at which the zone's clocks first show that minute of the day, or have passed it."""
    wall = datetime.combine(day, time(minute // 60, minute % 60))
    at = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) == wall:
        return at
    # In a gap: between what the offset after it says and what the one before it says lies the jump itself.
    before = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    while at - before > timedelta(minutes=1):
        middle = before + (at - before) / 2
        if middle.astimezone(zone).replace(tzinfo=None) < wall:
            before = middle
        else:
            at = middle
    return at.replace(second=0, microsecond=0)


def _falls_on(cadence: Cadence, day: date) -> bool:
    match cadence.rhythm:
        case Rhythm.WEEKLY:
            return day.weekday() == cadence.weekday
        case Rhythm.MONTHLY:
            return day.day == min(cadence.month_day, monthrange(day.year, day.month)[1])
        case _:
            return True


def in_words(cadence: Cadence) -> str:
    """Return the cadence for a person: `weekly on Monday at 06:00 (Europe/Berlin)`."""
    at = f"at {clock_text(cadence.minute)} ({cadence.zone})"
    match cadence.rhythm:
        case Rhythm.OFF:
            return "only when somebody asks"
        case Rhythm.DAILY:
            return f"daily {at}"
        case Rhythm.WEEKLY:
            return f"weekly on {WEEKDAYS[cadence.weekday].capitalize()} {at}"
        case Rhythm.MONTHLY:
            return f"monthly on day {cadence.month_day} {at}"


def clock_text(minute: int) -> str:
    """Return a minute of the day as `06:00`."""
    return f"{minute // 60:02}:{minute % 60:02}"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A connection whose next audit is due, or not yet set down (`due_at` None). No audit of it is under way."""

    tenant_id: UUID
    connection_id: UUID
    cadence: Cadence
    due_at: datetime | None


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a candidate: whether an audit begins, and when the next one is due. `waits`: there is no room."""

    candidate: Candidate
    begins: bool
    next_at: datetime | None
    waits: bool = False


def decide(
    candidates: Sequence[Candidate], in_flight: Mapping[UUID, int], room: int, now: datetime
) -> tuple[Decision, ...]:
    """Decide on every candidate. `in_flight`: scheduled audits under way by tenant, `room`: how many more may begin.

    The tenant with the fewest under way comes first, then whoever has waited longest.
    """
    decisions: list[Decision] = []
    busy = Counter(in_flight)
    waiting = sorted((c for c in candidates if c.due_at is not None), key=lambda c: (c.due_at, c.connection_id))
    decisions += [Decision(c, begins=False, next_at=next_due(c.cadence, now)) for c in candidates if c.due_at is None]
    while waiting:
        chosen = min(waiting, key=lambda c: busy[c.tenant_id])  # the first of equals, which has waited longest
        waiting.remove(chosen)
        if room <= 0:
            decisions.append(Decision(chosen, begins=False, next_at=chosen.due_at, waits=True))
            continue
        room -= 1
        busy[chosen.tenant_id] += 1
        decisions.append(Decision(chosen, begins=True, next_at=next_due(chosen.cadence, now)))
    return tuple(decisions)


@dataclass(frozen=True, slots=True)
class AfterFailure:
    """What follows a scheduled audit that failed: whether it is told, or when it is tried again before that."""

    tells: bool
    retry_at: datetime | None


def after_failure(failure: Failure, failed_before: int, now: datetime) -> AfterFailure:
    """Decide what follows a failure, the one after `failed_before` others in a row.

    What a person has to mend is told at once. What time may mend is tried again, and told with every third failure.
    """
    if failure not in TIME_MAY_MEND or (failed_before + 1) % TRIES == 0:
        return AfterFailure(tells=True, retry_at=None)
    pause = RETRY_LIMITED_AFTER if failure is Failure.LIMITED else RETRY_AFTER
    return AfterFailure(tells=False, retry_at=now + pause)
