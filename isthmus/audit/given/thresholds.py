"""The operator's settings file: days and shares that decide, for all licences and for single ones. TOML.

inactive_days = 90
grace_days = 30
headroom = 0.05
time_zone = "America/Chicago"

[[license]]
license = "AUL"
inactive_days = 180
hires = 12
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, cast

from isthmus.audit.given.days import zone_of
from isthmus.audit.given.options import LicenseThresholds, Thresholds
from isthmus.audit.given.prices import PricesInvalid

INACTIVE_DAYS_MIN: Final = 14
DAYS_MAX: Final = 730
HEADROOM_MAX: Final = Decimal(1)
LICENSES_MAX: Final = 500
HIRES_MAX: Final = 1_000_000
HIRES: Final = "hires"
_LINE: Final = re.compile(r"at line (\d+)")
TIME_ZONE: Final = "time_zone"
_NAMES: Final = ("inactive_days", "grace_days", "headroom")


def parse_settings(unverified_text: str, name: str) -> Thresholds:
    """Return the thresholds of a settings file. Raises `PricesInvalid` naming the key."""
    try:
        document = tomllib.loads(unverified_text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        line = _LINE.search(str(error))
        message = f"{name}{f', line {line[1]},' if line else ''} is no TOML. Write lines such as inactive_days = 90."
        raise PricesInvalid(message) from None
    _known(document, {*_NAMES, TIME_ZONE, "license"}, name)
    entries = document.get("license", [])
    if not isinstance(entries, list) or len(cast("list[object]", entries)) > LICENSES_MAX:
        message = f"{name}: license is no list of blocks. Write [[license]] before each one."
        raise PricesInvalid(message)
    licenses = tuple(_license(entry, f"{name}, license {n}") for n, entry in enumerate(cast("list[Any]", entries), 1))
    if len({item.license.casefold() for item in licenses}) < len(licenses):
        message = f"{name}: a licence has two blocks. Keep one for each licence."
        raise PricesInvalid(message)
    usual = Thresholds()
    days, grace, headroom = _numbers(document, name)
    return Thresholds(
        usual.inactive_days if days is None else days,
        usual.grace_days if grace is None else grace,
        usual.headroom if headroom is None else headroom,
        licenses,
        time_zone=_zone(document, name),
    )


def changed(own: Thresholds, unverified: Mapping[str, object], where: str) -> Thresholds:
    """Return the thresholds with single ones of all licences replaced. Raises `PricesInvalid` naming the one."""
    cells = dict(unverified)
    _known(cells, set(_NAMES), where)
    days, grace, headroom = _numbers(cells, where)
    return Thresholds(
        own.inactive_days if days is None else days,
        own.grace_days if grace is None else grace,
        own.headroom if headroom is None else headroom,
        own.licenses,
        time_zone=own.time_zone,
    )


def _zone(document: Mapping[str, object], where: str) -> str:
    given = document.get(TIME_ZONE, "")
    if given == "":
        return ""
    return zone_of(given if isinstance(given, str) else "?", where).key


def _license(entry: object, where: str) -> LicenseThresholds:
    if not isinstance(entry, dict):
        message = f"{where} is no block. Write [[license]] before it."
        raise PricesInvalid(message)
    cells = cast("dict[str, Any]", entry)
    _known(cells, {*_NAMES, HIRES, "license"}, where)
    license_ = cells.get("license")
    if not isinstance(license_, str) or not license_.strip():
        message = f"{where}: the licence is missing. Write its key, such as SFDC, or its name."
        raise PricesInvalid(message)
    return LicenseThresholds(license_.strip(), *_numbers(cells, where), _whole(cells, HIRES, 0, HIRES_MAX, where) or 0)


def _known(cells: dict[str, Any], known: set[str], where: str) -> None:
    strange = sorted(set(cells) - known)
    if strange:
        names = (*_NAMES, *(name for name in (HIRES, TIME_ZONE) if name in known))
        message = f"{where}: there is no setting of that name. The settings are: {', '.join(names)}."
        raise PricesInvalid(message)


def _numbers(cells: dict[str, Any], where: str) -> tuple[int | None, int | None, Decimal | None]:
    days = _whole(cells, "inactive_days", INACTIVE_DAYS_MIN, DAYS_MAX, where)
    grace = _whole(cells, "grace_days", 0, DAYS_MAX, where)
    share = cells.get("headroom")
    if share is None:
        return days, grace, None
    if isinstance(share, bool) or not isinstance(share, int | Decimal) or not 0 <= share <= HEADROOM_MAX:
        message = f"{where}: headroom is no share from 0 to 1. Write 0.05 for five percent."
        raise PricesInvalid(message)
    return days, grace, Decimal(share)


def _whole(cells: dict[str, Any], key: str, least: int, most: int, where: str) -> int | None:
    value = cells.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        message = f"{where}: {key} is no whole number from {least} to {most}."
        raise PricesInvalid(message)
    return value
