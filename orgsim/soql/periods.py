"""Date literals: names for spans of days such as LAST_N_DAYS:30, as half-open spans of local days."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

_UNITS: Final = r"(DAY|WEEK|MONTH|QUARTER|YEAR|FISCAL_QUARTER|FISCAL_YEAR)"
_SINGLE: Final = re.compile(rf"(LAST|THIS|NEXT)_{_UNITS}$")
_COUNTED: Final = re.compile(rf"(LAST|NEXT)_N_{_UNITS}S:(\d+)$")
_AGO: Final = re.compile(rf"N_{_UNITS}S_AGO:(\d+)$")
_DAYS: Final = {"YESTERDAY": -1, "TODAY": 0, "TOMORROW": 1}
_NINETY: Final = 90
COUNT_MAX: Final = 100_000


@dataclass(frozen=True, slots=True)
class Span:
    """Days from `start` up to, but without, `end`; `until_now` ends at the current second instead."""

    start: date
    end: date
    until_now: bool = False


def is_period(text: str) -> bool:
    """Say whether this upper-case text is a date literal."""
    if text in _DAYS or text in {"LAST_90_DAYS", "NEXT_90_DAYS"}:
        return True
    single = _SINGLE.match(text)
    if single:
        return single[2] != "DAY"
    counted = _COUNTED.match(text) or _AGO.match(text)
    return counted is not None and int(counted.groups()[-1]) <= COUNT_MAX


def span_of(text: str, now: datetime, *, fiscal_start: int = 1) -> Span:
    """Return the span that a date literal means for a user whose local time is `now`; weeks start on Sunday."""
    today = now.date()
    if text in _DAYS:
        return _days(today, _DAYS[text], 1)
    if text == "LAST_90_DAYS":
        return Span(today - timedelta(days=_NINETY), today + timedelta(days=1), until_now=True)
    if text == "NEXT_90_DAYS":
        return _days(today, 1, _NINETY)
    if single := _SINGLE.match(text):
        step = {"LAST": -1, "THIS": 0, "NEXT": 1}[single[1]]
        return _span(today, single[2], step, step + 1, fiscal_start)
    if ago := _AGO.match(text):
        number = int(ago[2])
        return _span(today, ago[1], -number, -number + 1, fiscal_start)
    counted = _COUNTED.match(text)
    if counted is None:
        raise ValueError(text)
    number = int(counted[3])
    if counted[1] == "NEXT":
        return _span(today, counted[2], 1, number + 1, fiscal_start)
    if counted[2] == "DAY":
        return Span(_shift(today, -number), today + timedelta(days=1), until_now=True)
    return _span(today, counted[2], -number, 0, fiscal_start)


def _shift(day: date, days: int) -> date:
    return date.fromordinal(min(max(day.toordinal() + days, 1), date.max.toordinal() - 1))


def _days(today: date, first: int, count: int) -> Span:
    return Span(_shift(today, first), _shift(today, first + count))


def _span(today: date, unit: str, first: int, last: int, fiscal_start: int) -> Span:
    return Span(_unit_start(today, unit, first, fiscal_start), _unit_start(today, unit, last, fiscal_start))


def _unit_start(today: date, unit: str, steps: int, fiscal_start: int) -> date:
    match unit:
        case "DAY":
            return _shift(today, steps)
        case "WEEK":
            return _shift(today, -((today.weekday() + 1) % 7) + 7 * steps)
        case "MONTH":
            return _month(today.year, today.month + steps)
        case "QUARTER":
            return _month(today.year, (today.month - 1) // 3 * 3 + 1 + 3 * steps)
        case "YEAR":
            return _month(today.year + steps, 1)
        case "FISCAL_QUARTER":
            behind = (today.month - fiscal_start) % 3
            return _month(today.year, today.month - behind + 3 * steps)
        case _:
            year = today.year if today.month >= fiscal_start else today.year - 1
            return _month(year + steps, fiscal_start)


def _month(year: int, month: int) -> date:
    years, place = divmod(month - 1, 12)
    return date(min(max(year + years, 1), 9999), place + 1, 1)
