"""Dates, instants and times of day. An instant has no date of its own: whoever asks for one names an IANA zone.

Of an hour that happens twice at the end of summer time the first is meant; one that never happens, at its beginning,
is read by the clock that had not been put forward yet.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from isthmus.sync.flow.expressions.functions import Fixed, Function
from isthmus.sync.flow.expressions.texts import whole
from isthmus.sync.flow.expressions.values import EXACT, Failed, Type, Value, moment_of, shifted

_T, _N, _D, _I = Type.TEXT, Type.NUMBER, Type.DATE, Type.DATETIME
YEARS_MAX: Final = 9999
FORMAT_CHARS_MAX: Final = 60
_MONTHS: Final = "January February March April May June July August September October November December".split()
_DAYS: Final = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
_ZONE = re.compile(r"[A-Za-z0-9_+-]+(?:/[A-Za-z0-9_+-]+){0,3}")
_PIECE = re.compile(r"YYYY|YY|MMMM|MMM|MM|M|DDDD|DDD|DD|D|HH|H|hh|h|mm|ss|SSS|A|[^A-Za-z]")
_NOON: Final = 12

_WRITTEN: Final[Mapping[str, Callable[[datetime], str]]] = {
    "YYYY": lambda at: f"{at.year:04d}",
    "YY": lambda at: f"{at.year % 100:02d}",
    "MMMM": lambda at: _MONTHS[at.month - 1],
    "MMM": lambda at: _MONTHS[at.month - 1][:3],
    "MM": lambda at: f"{at.month:02d}",
    "M": lambda at: str(at.month),
    "DDDD": lambda at: _DAYS[at.weekday()],
    "DDD": lambda at: _DAYS[at.weekday()][:3],
    "DD": lambda at: f"{at.day:02d}",
    "D": lambda at: str(at.day),
    "HH": lambda at: f"{at.hour:02d}",
    "H": lambda at: str(at.hour),
    "hh": lambda at: f"{(at.hour % _NOON) or _NOON:02d}",
    "h": lambda at: str((at.hour % _NOON) or _NOON),
    "mm": lambda at: f"{at.minute:02d}",
    "ss": lambda at: f"{at.second:02d}",
    "SSS": lambda at: f"{at.microsecond // 1000:03d}",
    "A": lambda at: "AM" if at.hour < _NOON else "PM",
}
_READ: Final = {
    "YYYY": r"(?P<year>\d{4})",
    "MM": r"(?P<month>\d{2})",
    "M": r"(?P<month>\d{1,2})",
    "DD": r"(?P<day>\d{2})",
    "D": r"(?P<day>\d{1,2})",
    "HH": r"(?P<hour>\d{2})",
    "H": r"(?P<hour>\d{1,2})",
    "mm": r"(?P<minute>\d{2})",
    "ss": r"(?P<second>\d{2})",
}


class BadFormat(Exception):
    """A format that cannot be used; the message says why."""


class Format:
    """A checked pattern such as `DD.MM.YYYY HH:mm`."""

    def __init__(self, text: str, *, parsed: bool) -> None:
        """Check `text`; `parsed` if texts are to be read by it. Raises `BadFormat`."""
        self.pieces = _PIECE.findall(text)
        if "".join(self.pieces) != text or not text or len(text) > FORMAT_CHARS_MAX:
            message = "the pattern has letters that stand for nothing"
            raise BadFormat(message)
        self._pattern = _pattern(self.pieces) if parsed else None

    def write(self, at: datetime) -> str:
        """Return a moment in this form."""
        return "".join(_WRITTEN[piece](at) if piece in _WRITTEN else piece for piece in self.pieces)

    def read(self, text: str) -> datetime:
        """Return the moment, without a zone, that `text` writes in this form. Raises `Failed`."""
        found = self._pattern.fullmatch(text.strip()) if self._pattern is not None else None
        if found is None:
            raise Failed
        try:
            return datetime(**{name: int(digits) for name, digits in found.groupdict().items()})  # noqa: DTZ001 - its zone comes later  # pyright: ignore[reportArgumentType] - the groups are those of _READ
        except ValueError:
            raise Failed from None


def _pattern(pieces: list[str]) -> re.Pattern[str]:
    unread = [piece for piece in pieces if piece in _WRITTEN and piece not in _READ]
    if unread:
        message = f"`{unread[0]}` can be written, but not read"
        raise BadFormat(message)
    try:
        pattern = re.compile("".join(_READ.get(piece, re.escape(piece)) for piece in pieces), re.ASCII)
    except re.error:
        message = "a part stands there twice"
        raise BadFormat(message) from None
    missing = {"year", "month", "day"} - set(pattern.groupindex)
    if missing:
        message = "a date that is read needs YYYY, MM and DD"
        raise BadFormat(message)
    return pattern


def find_zone(name: str) -> tzinfo | None:
    """Return the IANA zone of that name, or None. Reads the system's zone files, so before lockdown only."""
    if name == "UTC":
        return UTC
    if _ZONE.fullmatch(name) is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _at_midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - a date has no zone


def _local(at: datetime, zone: tzinfo) -> datetime:
    try:
        return at.astimezone(zone)
    except (OverflowError, ValueError):
        raise Failed from None


def _instant(local: datetime, zone: tzinfo) -> datetime:
    try:
        return local.replace(tzinfo=zone).astimezone(UTC)
    except (OverflowError, ValueError):
        raise Failed from None


def _at(day: date, clock: str, zone: tzinfo) -> datetime:
    try:
        return _instant(datetime.combine(day, time.fromisoformat(clock).replace(tzinfo=None)), zone)
    except ValueError:
        raise Failed from None


def _after(moment: date, amount: Decimal, unit: timedelta) -> date:
    seconds = EXACT.multiply(amount, Decimal(unit // timedelta(seconds=1)))
    if abs(seconds) > YEARS_MAX * 366 * 86_400:
        raise Failed
    return shifted(moment, timedelta(microseconds=int(seconds * 1_000_000)))


def _months_after(day: date, months: Decimal, each: int = 1) -> date:
    """Return the same day some months later; the last of the month where there is no such day."""
    count = day.year * 12 + day.month - 1 + whole(months) * each
    year, month = divmod(count, 12)
    if not 1 <= year <= YEARS_MAX:
        raise Failed
    return day.replace(year=year, month=month + 1, day=min(day.day, monthrange(year, month + 1)[1]))


def _part(read: Callable[[datetime], int]) -> tuple[Function, ...]:
    def of_date(day: date) -> Decimal:
        return Decimal(read(_at_midnight(day)))

    return (Function((_D,), _N, of_date), _clock_part(read))


def _clock_part(read: Callable[[datetime], int]) -> Function:
    def of_instant(at: datetime, zone: tzinfo) -> Decimal:
        return Decimal(read(_local(at, zone)))

    return Function((_I, Fixed.ZONE), _N, of_instant)


def _moved(unit: timedelta) -> Function:
    def later(at: datetime, amount: Decimal) -> date:
        return _after(at, amount, unit)

    return Function((_I, _N), _I, later)


def _days_between(first: date, last: date) -> Decimal:
    return Decimal((last - first).days)


def _seconds_between(first: datetime, last: datetime) -> Decimal:
    return Decimal((last - first) // timedelta(milliseconds=1)).scaleb(-3)


def _days(days: Decimal) -> timedelta:
    if abs(days) > YEARS_MAX * 366:
        raise Failed
    return timedelta(days=whole(days))


def _days_after(day: date, days: Decimal) -> date:
    return shifted(day, _days(days))


def _years_after(day: date, years: Decimal) -> date:
    return _months_after(day, years, 12)


def _parsed_date(text: str) -> Value:
    return moment_of(text.strip(), Type.DATE)


def _read_date(text: str, form: Format) -> date:
    return form.read(text).date()


def _date_there(at: datetime, zone: tzinfo) -> date:
    return _local(at, zone).date()


def _parsed_instant(text: str) -> Value:
    return moment_of(text.strip(), Type.DATETIME)


def _read_instant(text: str, form: Format, zone: tzinfo) -> datetime:
    return _instant(form.read(text), zone)


def _written_date(day: date, form: Format) -> str:
    return form.write(_at_midnight(day))


def _written_instant(at: datetime, form: Format, zone: tzinfo) -> str:
    return form.write(_local(at, zone))


FUNCTIONS: Final[dict[str, tuple[Function, ...]]] = {
    "date": (
        Function((_T,), _D, _parsed_date),
        Function((_T, Fixed.PARSED_FORMAT), _D, _read_date),
        Function((_I, Fixed.ZONE), _D, _date_there),
    ),
    "datetime": (
        Function((_T,), _I, _parsed_instant),
        Function((_T, Fixed.PARSED_FORMAT, Fixed.ZONE), _I, _read_instant),
        Function((_D, _T, Fixed.ZONE), _I, _at),
    ),
    "format": (
        Function((_D, Fixed.FORMAT), _T, _written_date),
        Function((_I, Fixed.FORMAT, Fixed.ZONE), _T, _written_instant),
    ),
    "add_days": (Function((_D, _N), _D, _days_after), _moved(timedelta(days=1))),
    "add_months": (Function((_D, _N), _D, _months_after),),
    "add_years": (Function((_D, _N), _D, _years_after),),
    "add_hours": (_moved(timedelta(hours=1)),),
    "add_minutes": (_moved(timedelta(minutes=1)),),
    "days_between": (Function((_D, _D), _N, _days_between),),
    "seconds_between": (Function((_I, _I), _N, _seconds_between),),
    "year": _part(lambda at: at.year),
    "month": _part(lambda at: at.month),
    "day": _part(lambda at: at.day),
    "weekday": _part(lambda at: at.isoweekday()),
    "hour": (_clock_part(lambda at: at.hour),),
    "minute": (_clock_part(lambda at: at.minute),),
}
