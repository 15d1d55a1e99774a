"""When a sync is due: interval, cron, quiet hours and idle back-off as pure functions that give their reason.

| given | due |
|---|---|
| `interval_s` | that long after the start of the last run; at once if the run took longer |
| `cron` | at every minute that matches, in `zone` |
| both | at the first minute that matches, at least `interval_s` after the start of the last run |
| `quiet_hours` | what falls into them waits for their end |
| `manual` | never by itself: a migration |
| `idle_max_s` | after `IDLE_RUNS_BEFORE` runs without a change the pause doubles, up to this; one change ends it |

Times of day are those of `zone`. Where a clock is put back, a fixed time of day comes once; where it is put forward, a
time that does not exist comes at the end of the gap. A run by hand asks none of this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import IntEnum
from typing import Annotated, Any, Final, NoReturn, TypeAlias, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import croniter as cron_library
from msgspec import Meta, Struct
from msgspec.structs import replace

INTERVAL_DEFAULT_S: Final = 120
INTERVAL_MIN_S: Final = 60
INTERVAL_MAX_S: Final = 7 * 24 * 3600
IDLE_RUNS_BEFORE: Final = 5
QUIET_SPANS_MAX: Final = 14
YEARS_AHEAD: Final = 8
"""A cron expression that matches nothing for so long (29 February comes every 8 years at most) matches nothing."""
_ROUNDS_MAX: Final = 1000
_MINUTE: Final = timedelta(minutes=1)
_INSTANT: Final = timedelta(microseconds=1)
_DAY_MINUTES: Final = 24 * 60
_REFERENCE: Final = datetime(2024, 1, 1, tzinfo=UTC)
"""Where a schedule is tried out when it is read: it must have a next run from here on."""

IntervalS: TypeAlias = Annotated[int, Meta(ge=INTERVAL_MIN_S, le=INTERVAL_MAX_S)]


class ScheduleSpec(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """When a sync runs by itself: every `interval_s` seconds, or by `cron`, but not in `quiet_hours`; or never."""

    interval_s: IntervalS | None = None
    cron: Annotated[str, Meta(min_length=1, max_length=120, description="minute hour day month weekday")] | None = None
    zone: Annotated[str, Meta(min_length=1, max_length=64, description="an IANA zone, such as Europe/Berlin")] = "UTC"
    quiet_hours: Annotated[
        tuple[Annotated[str, Meta(max_length=40, description="22:00-06:00, or sat-sun 00:00-24:00")], ...],
        Meta(max_length=QUIET_SPANS_MAX),
    ] = ()
    idle_max_s: IntervalS | None = None
    manual: bool = False


class ScheduleRefused(Exception):
    """A schedule that cannot be kept: `key` of the schedule, what is wrong, and what to do."""

    def __init__(self, key: str, what: str, remedy: str) -> None:
        """Keep the parts."""
        super().__init__(f"schedule.{key}: {what}. {remedy}")
        self.key = key
        self.what = what
        self.remedy = remedy


def _refuse(key: str, what: str, remedy: str) -> NoReturn:
    raise ScheduleRefused(key, what, remedy)


@dataclass(frozen=True, slots=True)
class QuietSpan:
    """Minutes of the day in which nothing begins, on `weekdays` (0 is Monday); it may end on the next day."""

    weekdays: frozenset[int]
    first: int
    last: int
    """The first minute after the span; below `first` where it ends on the next day."""

    def holds(self, local: datetime) -> bool:
        """Whether the local time lies in the span."""
        minute = local.hour * 60 + local.minute
        if self.first < self.last:
            return local.weekday() in self.weekdays and self.first <= minute < self.last
        yesterday = (local.weekday() - 1) % 7
        return (local.weekday() in self.weekdays and minute >= self.first) or (
            yesterday in self.weekdays and minute < self.last
        )


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule that can be kept."""

    interval_s: int
    """0 with a `cron` that has no interval beside it."""
    cron: str | None
    zone: ZoneInfo
    quiet: tuple[QuietSpan, ...]
    idle_max_s: int
    manual: bool = False
    """It runs when somebody asks for it, and not otherwise."""


class DueReason(IntEnum):
    """Why a sync is due when it is. Ordinals are stored."""

    INTERVAL = 0
    AT_ONCE = 1
    CRON = 2
    QUIET_HOURS = 3
    IDLE = 4
    BUDGET = 5
    LIMITED = 6


REASON_TEXTS: Final = {
    DueReason.INTERVAL: "by its interval",
    DueReason.AT_ONCE: "at once, because the last run took longer than the interval",
    DueReason.CRON: "by its cron expression",
    DueReason.QUIET_HOURS: "after its quiet hours",
    DueReason.IDLE: "later than usual, because nothing has changed for a while",
    DueReason.BUDGET: "when it may be within the org's budget of API calls again",
    DueReason.LIMITED: "an hour after the org's API calls were used up",
}


@dataclass(frozen=True, slots=True)
class Due:
    """When a sync runs next, in UTC, and why then."""

    at: datetime
    reason: DueReason


def read_schedule(spec: ScheduleSpec | None, interval_s: int | None = None) -> Schedule:
    """Return the schedule of a definition, whose own `interval_s` counts where the schedule has none.

    Raises `ScheduleRefused`.
    """
    spec = spec or ScheduleSpec()
    if spec.manual and (interval_s is not None or replace(spec, manual=False) != ScheduleSpec()):
        _refuse("manual", "what runs by hand only has no other schedule", "Leave the rest of the schedule out.")
    if spec.interval_s is not None and interval_s is not None:
        _refuse("interval_s", "the sync has an `interval_s` beside its schedule", "Keep one of the two.")
    given = spec.interval_s or interval_s
    every_s = given or (0 if spec.cron else INTERVAL_DEFAULT_S)
    idle_max_s = spec.idle_max_s or every_s
    if idle_max_s < every_s:
        _refuse("idle_max_s", "it is shorter than the interval", "Make it longer, or leave it out.")
    if spec.cron and spec.idle_max_s:
        _refuse("idle_max_s", "a cron expression knows no idle pause", "Leave one of the two out.")
    quiet = tuple(map(_span, spec.quiet_hours))
    schedule = Schedule(every_s, _cron(spec.cron), _zone(spec.zone), quiet, idle_max_s, spec.manual)
    if _first_from(schedule, _REFERENCE) is None:
        key = "cron" if spec.cron and _cron_matches(schedule, _REFERENCE, None) is None else "quiet_hours"
        _refuse(key, "it leaves no time at which the sync could run", "Check the days and the times.")
    return schedule


def next_due(schedule: Schedule, *, started: datetime, now: datetime, idle_runs: int) -> Due:
    """Return when the sync runs next after a run that began at `started`; never before `now`.

    `idle_runs`: how many runs in a row, up to that one, found nothing to do.
    """
    pause_s = pause_after(schedule, idle_runs)
    earliest = started + timedelta(seconds=pause_s)
    reason = DueReason.IDLE if pause_s > schedule.interval_s else DueReason.INTERVAL
    if earliest <= now:
        earliest, reason = now, DueReason.AT_ONCE
    at = earliest
    if schedule.cron is not None:
        # Without an interval each match counts once; those that passed while the run took its time are not made up for.
        at, reason = _cron_matches(schedule, max(started, earliest - _INSTANT), now) or at, DueReason.CRON
    free = _first_from(schedule, at)
    if free is None:
        return Due(now + timedelta(seconds=INTERVAL_MAX_S), DueReason.QUIET_HOURS)
    return Due(free, reason if free == at else DueReason.QUIET_HOURS)


def pause_after(schedule: Schedule, idle_runs: int) -> int:
    """Return the pause in seconds from start to start after so many idle runs in a row."""
    doublings = min(max(0, idle_runs - IDLE_RUNS_BEFORE + 1), 20)
    return max(schedule.interval_s, min(schedule.idle_max_s, schedule.interval_s << doublings))


def is_quiet(schedule: Schedule, at: datetime) -> bool:
    """Whether `at` lies in the quiet hours."""
    local = at.astimezone(schedule.zone)
    return any(span.holds(local) for span in schedule.quiet)


def quiet_until(schedule: Schedule, at: datetime) -> datetime | None:
    """Return the first instant from `at` on that is not quiet, or None if there is none."""
    if not is_quiet(schedule, at):
        return at
    for end in _ends_of_quiet(schedule, at):
        if not is_quiet(schedule, end):
            # Where clocks jump over the end of a span, it ended with the jump.
            while end - _MINUTE > at and not is_quiet(schedule, end - _MINUTE):
                end -= _MINUTE  # noqa: PLW2901 - looked for backwards, minute by minute
            return end
    return None


def in_words(schedule: Schedule) -> str:
    """Return the schedule for a person: `every 2 minutes`, `cron 0 6 * * * (Europe/Berlin)`."""
    if schedule.manual:
        return "by hand only"
    every = _span_words(schedule.interval_s)
    text = f"every {every}" if schedule.cron is None else f"cron {schedule.cron} ({schedule.zone.key})"
    if schedule.cron is not None and schedule.interval_s:
        text += f", at least {every} apart"
    if schedule.idle_max_s > schedule.interval_s:
        text += f", when idle up to {_span_words(schedule.idle_max_s)}"
    return text + (", not in its quiet hours" if schedule.quiet else "")


def _span_words(seconds: int) -> str:
    for size, word in ((86400, "day"), (3600, "hour"), (60, "minute")):
        if seconds % size == 0:
            return f"{seconds // size} {word}{'s' if seconds > size else ''}"
    return f"{seconds} seconds"


def _first_from(schedule: Schedule, at: datetime) -> datetime | None:
    """Return the first instant from `at` on (a match, if there is a cron expression) outside the quiet hours."""
    for _ in range(_ROUNDS_MAX):
        free = quiet_until(schedule, at)
        if free is None or schedule.cron is None:
            return free
        if free == at and _matches(schedule, at):
            return free
        found = _cron_matches(schedule, free - _MINUTE, None)
        if found is None:
            return None
        if found == at:
            return found
        at = found
    return None


def _matches(schedule: Schedule, at: datetime) -> bool:
    return _cron_matches(schedule, at - _MINUTE, None) == at


def _cron_matches(schedule: Schedule, after: datetime, not_before: datetime | None) -> datetime | None:
    """Return the first minute after `after`, not before `not_before`, that the expression matches."""
    cron = schedule.cron or ""
    iterator: Any = cron_library.croniter(
        cron, after.astimezone(schedule.zone), ret_type=datetime, max_years_between_matches=YEARS_AHEAD
    )
    minute, hour = cron.split()[:2]
    fixed = not minute.startswith("*") and not hour.startswith("*")
    for _ in range(_ROUNDS_MAX):
        try:
            local = cast("datetime", iterator.get_next())
        except cron_library.CroniterBadDateError:
            return None
        found = local.astimezone(UTC)
        twice = fixed and local.fold == 1
        if not twice and found > after and (not_before is None or found >= not_before):
            return found
    return None


def _ends_of_quiet(schedule: Schedule, at: datetime) -> Iterator[datetime]:
    """Yield the instants after `at` at which a span ends, in order, over the week to come."""
    today = at.astimezone(schedule.zone).date()
    ends: set[datetime] = set()
    for days in range(9):
        for span in schedule.quiet:
            ends.update(_instants(today + timedelta(days=days), span.last, schedule.zone))
    return iter(sorted(end for end in ends if end > at))


def _instants(day: date, minute: int, zone: ZoneInfo) -> Iterator[datetime]:
    day += timedelta(days=minute // _DAY_MINUTES)
    wall = datetime.combine(day, time(minute % _DAY_MINUTES // 60, minute % 60))
    for fold in (0, 1):
        yield wall.replace(tzinfo=zone, fold=fold).astimezone(UTC)


_DAYS: Final = {name: number for number, name in enumerate("mon tue wed thu fri sat sun".split())}
_DAY_NAMES: Final = "sun|mon|tue|wed|thu|fri|sat"
_MONTH_NAMES: Final = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
_ZONE: Final = re.compile(r"[A-Za-z]+(?:/[A-Za-z0-9_+-]+){0,2}")
_QUIET: Final = re.compile(
    r"(?:(?P<days>[a-z]{3}(?:[-,][a-z]{3})*) )?"
    r"(?P<h1>[01]\d|2[0-3]):(?P<m1>[0-5]\d)-(?P<h2>[01]\d|2[0-4]):(?P<m2>[0-5]\d)"
)


def _field(names: str) -> str:
    one = rf"(?:\d{{1,2}}|{names})" if names else r"\d{1,2}"
    part = rf"(?:\*|{one}(?:-{one})?)(?:/\d{{1,2}})?"
    return rf"{part}(?:,{part})*"


_CRON: Final = re.compile(
    rf"{_field('')} {_field('')} {_field('')} {_field(_MONTH_NAMES)} {_field(_DAY_NAMES)}", re.IGNORECASE
)


def _cron(text: str | None) -> str | None:
    """Return the expression with single blanks: five plain fields only, none of the library's extensions."""
    if text is None:
        return None
    plain = " ".join(text.split())
    if _CRON.fullmatch(plain) is None or not cron_library.croniter.is_valid(plain):
        what = "it is not a cron expression of five fields: minute, hour, day, month, weekday"
        _refuse("cron", what, "For example `0 6 * * mon-fri`: at six on working days.")
    return plain


def _zone(name: str) -> ZoneInfo:
    try:
        if _ZONE.fullmatch(name) is not None:
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    _refuse("zone", "it is not a zone of the IANA list", "For example `Europe/Berlin`, or `UTC`.")


def _span(text: str) -> QuietSpan:
    found = _QUIET.fullmatch(text.strip().lower())
    if found is not None:
        first = int(found["h1"]) * 60 + int(found["m1"])
        last = int(found["h2"]) * 60 + int(found["m2"])
        names = set(re.split("[-,]", found["days"] or "mon"))
        if first != last and last <= _DAY_MINUTES and names <= set(_DAYS):
            return QuietSpan(_days(found["days"]), first, last)
    _refuse("quiet_hours", f"`{text}` is not a span of hours", "For example `22:00-06:00`, or `sat-sun 00:00-24:00`.")


def _days(text: str | None) -> frozenset[int]:
    if text is None:
        return frozenset(range(7))
    days: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        start, end = _DAYS[first], _DAYS[last or first]
        days.update((start + n) % 7 for n in range((end - start) % 7 + 1))
    return frozenset(days)
