"""How figures, times and states read on a page: pure functions from values to text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

from markupsafe import Markup

NOTHING: Final = "\N{EN DASH}"
MINUTE_S: Final = 60
HOUR_S: Final = 3600
_SIGNS: Final[Mapping[str, str]] = MappingProxyType({"USD": "$", "EUR": "€", "GBP": "£"})


class Tone(StrEnum):
    """How a state is coloured; the word itself is always shown too."""

    SUCCESS = "isthmus-tone_success"
    WARNING = "isthmus-tone_warning"
    ERROR = "isthmus-tone_error"
    BUSY = "isthmus-tone_busy"
    QUIET = "isthmus-tone_quiet"


_TONES: Final[Mapping[str, Tone]] = MappingProxyType(
    {
        "active": Tone.SUCCESS,
        "done": Tone.SUCCESS,
        "kept": Tone.SUCCESS,
        "pass": Tone.SUCCESS,
        "A": Tone.SUCCESS,
        "partial": Tone.WARNING,
        "paused": Tone.WARNING,
        "warn": Tone.WARNING,
        "warning": Tone.WARNING,
        "needs_reauth": Tone.WARNING,
        "not yet known": Tone.WARNING,
        "failed": Tone.ERROR,
        "fail": Tone.ERROR,
        "error": Tone.ERROR,
        "critical": Tone.ERROR,
        "revoked": Tone.ERROR,
        "withdrawn": Tone.ERROR,
        "queued": Tone.BUSY,
        "running": Tone.BUSY,
        "reading": Tone.BUSY,
        "reporting": Tone.BUSY,
        "activating": Tone.BUSY,
        "B": Tone.BUSY,
    }
)

_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "needs_reauth": "needs a new login",
        "by_hand": "paused by a member",
        "source_revoked": "the source org was revoked",
        "target_revoked": "the target org was revoked",
        "activation_refused": "an org refused the tracking field",
        "looping": "automation in both orgs keeps changing what the sync writes",
        "warn": "caution",
        "fail": "withheld",
    }
)


def number(value: int | None) -> str:
    """Return a count with separators, or a dash where there is none."""
    return NOTHING if value is None else f"{value:,}"


def money(value: Decimal | None, currency: str | None) -> str:
    """Return an amount without cents, or a dash: an unpriced amount is never shown as zero."""
    if value is None:
        return NOTHING
    whole = value.quantize(Decimal(1), rounding=ROUND_HALF_UP)
    code = currency or ""
    return f"{_SIGNS[code]}{whole:,}" if code in _SIGNS else f"{whole:,} {code}".strip()


def unit_price(value: Decimal | None, currency: str | None) -> str:
    """Return a price per seat with cents."""
    if value is None:
        return "no price"
    code = currency or ""
    return f"{_SIGNS[code]}{value:,.2f}" if code in _SIGNS else f"{value:,.2f} {code}".strip()


def when(value: datetime | None) -> Markup | str:
    """Return a time element in UTC; the browser rewrites it in the member's own zone."""
    if value is None:
        return NOTHING
    stamp = value.strftime("%Y-%m-%dT%H:%M:%SZ")
    return Markup('<time datetime="{}">{} UTC</time>').format(stamp, value.strftime("%Y-%m-%d %H:%M"))


def day(value: date | None) -> str:
    """Return a date as it is written everywhere."""
    return NOTHING if value is None else value.isoformat()


def duration(seconds: float | None) -> str:
    """Return how long something took, in the two largest units."""
    if seconds is None:
        return NOTHING
    whole = int(seconds)
    if whole < MINUTE_S:
        return f"{seconds:.1f} s" if seconds < MINUTE_S / 6 else f"{whole} s"
    if whole < HOUR_S:
        rest = f" {whole % MINUTE_S} s" if whole % MINUTE_S else ""
        return f"{whole // MINUTE_S} min{rest}"
    rest = f" {whole % HOUR_S // MINUTE_S} min" if whole % HOUR_S >= MINUTE_S else ""
    return f"{whole // HOUR_S} h{rest}"


def tone(state: StrEnum | str) -> str:
    """Return the style of a state's badge."""
    return _TONES.get(str(state), Tone.QUIET).value


def word(state: StrEnum | str | None) -> str:
    """Return a state as people say it."""
    if state is None:
        return NOTHING
    text = str(state)
    return _WORDS.get(text, text.replace("_", " "))


def plural(count: int, one: str, many: str) -> str:
    """Return `3 seats` or `1 seat`."""
    return f"{count:,} {one if count == 1 else many}"


def fact(value: FactShown) -> Markup | str:
    """Return a piece of evidence as text."""
    if isinstance(value, datetime):
        return when(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return number(value)
    return NOTHING if value is None else str(value)


FactShown: TypeAlias = datetime | date | bool | int | str | None
FILTERS: Final[Mapping[str, Callable[..., object]]] = MappingProxyType(
    {
        "number": number,
        "money": money,
        "unit_price": unit_price,
        "when": when,
        "day": day,
        "duration": duration,
        "tone": tone,
        "word": word,
        "plural": plural,
        "fact": fact,
    }
)
