"""Which day it is where the operator is: contracts, exemptions and snoozes have days, an audit has an instant. Pure.

The day is found once, when an audit is judged, and kept in its bundle: whoever recomputes it needs neither the zone's
rules nor a clock. Logins are instants; their days and weeks are those of UTC everywhere.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from isthmus.audit.given.prices import PricesInvalid

UTC_NAME: Final = "UTC"
_ZONE: Final = re.compile(r"[A-Za-z]+(?:/[A-Za-z0-9_+-]+){0,2}")
_LENGTH_MAX: Final = 64
_WEST, _EAST = timedelta(hours=-12), timedelta(hours=14)
"""As far as zones are from UTC."""


def zone_of(name: str, where: str) -> ZoneInfo:
    """Return the zone of that name. Raises `PricesInvalid` naming `where`."""
    try:
        if len(name) <= _LENGTH_MAX and _ZONE.fullmatch(name) is not None:
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    message = f"{where}: time_zone is no zone of the IANA list. Write for example America/Chicago."
    raise PricesInvalid(message)


def day_of(at: datetime, zone: str) -> date:
    """Return the day of an instant in a zone (empty: UTC). Raises `PricesInvalid` for a zone that is none."""
    return at.astimezone(zone_of(zone or UTC_NAME, "the settings")).date()


def end_of(day: date, zone: str) -> datetime:
    """Return the last second of a day in a zone (empty: UTC), as an instant in UTC."""
    wall = datetime.combine(day, time(23, 59, 59), zone_of(zone or UTC_NAME, "the settings"))
    return wall.astimezone(UTC)


def somewhere(day: date, at: datetime) -> bool:
    """Whether it is that day somewhere on earth at that instant."""
    return (at + _WEST).date() <= day <= (at + _EAST).date()
