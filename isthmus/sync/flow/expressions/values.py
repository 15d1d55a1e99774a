"""The values of expressions: six types, how Salesforce writes them, and what may go wrong with them.

Numbers are exact decimals. Null is a value of every type; an empty text is null, because Salesforce has no empty text.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal, DecimalException, Inexact, InvalidOperation, Overflow
from enum import StrEnum
from typing import Final, TypeAlias

TEXT_CHARS_MAX: Final = 131_072
"""The longest text that Salesforce has (a long text area)."""
NUMBER_CHARS_MAX: Final = 80
DIGITS_MAX: Final = 50
EXPONENT_MAX: Final = 60

Value: TypeAlias = str | Decimal | bool | date | datetime | time | None


class Type(StrEnum):
    """What an expression gives. `NULL` is the type of `null` alone and fits everywhere."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    DATETIME = "datetime"
    TIME = "time"
    NULL = "null"


class Failed(Exception):
    """An expression has no value for this row. It says nothing of the row: only that it is so."""

    def __init__(self) -> None:
        """There is nothing to tell."""
        super().__init__("an expression has no value for a row")


EXACT: Final = Context(
    prec=DIGITS_MAX, rounding=ROUND_HALF_UP, Emin=-EXPONENT_MAX, Emax=EXPONENT_MAX, traps=[InvalidOperation, Overflow]
)
"""Fifty digits and a small exponent: no number can become large in memory or slow."""


def number_of(text: str) -> Decimal:
    """Return the number that `text` writes. Raises `Failed` for what is none, or is out of all bounds."""
    if len(text) > NUMBER_CHARS_MAX or not text.isascii() or "_" in text:
        raise Failed
    try:
        number = Decimal(text)
    except (DecimalException, ValueError):
        raise Failed from None
    return bounded(number)


def bounded(number: Decimal) -> Decimal:
    """Return `number` if it is finite and written out in at most `DIGITS_MAX` digits, exactly. Raises `Failed`."""
    if not number.is_finite() or (number and not -EXPONENT_MAX < number.adjusted() < EXPONENT_MAX):
        raise Failed
    context = EXACT.copy()
    context.traps[Inexact] = True
    try:
        return context.plus(number)
    except DecimalException:
        raise Failed from None


def number_text(number: Decimal) -> str:
    """Return `number` without an exponent and without zeros that say nothing: `1E+3` is `1000`, `1.50` is `1.5`."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def _in_utc(instant: datetime) -> datetime:
    try:
        return instant.astimezone(UTC)
    except OverflowError:  # at the ends of the calendar a zone leads out of it
        raise Failed from None


def text_of(value: Value) -> str | None:  # noqa: PLR0911 - one line per type
    """Return how Salesforce writes `value`, the same for JSON and CSV (null, empty: None). Raises `Failed`."""
    match value:
        case None:
            return None
        case str():
            return value or None
        case bool():
            return "true" if value else "false"
        case Decimal():
            return number_text(value)
        case datetime():
            return f"{_in_utc(value):%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z".rjust(24, "0")
        case date():
            return value.isoformat()
        case time():
            return f"{value:%H:%M:%S}.{value.microsecond // 1000:03d}Z"


def value_of(raw: object, kind: Type) -> Value:  # noqa: PLR0911 - one line per type
    """Return a value as an org gave it (JSON, or the text of a CSV cell) as one of type `kind`. Raises `Failed`."""
    if raw is None or raw == "":
        return None
    match kind:
        case Type.NUMBER:
            return _number(raw)
        case Type.BOOLEAN:
            if raw is True or raw == "true":
                return True
            if raw is False or raw == "false":
                return False
            raise Failed
        case Type.DATE | Type.DATETIME | Type.TIME:
            if not isinstance(raw, str):
                raise Failed
            return moment_of(raw, kind)
        case Type.TEXT:
            return _text(raw)
        case Type.NULL:
            return None


def moment_of(text: str, kind: Type) -> Value:
    """Return the date, the instant or the time of day that `text` writes as Salesforce does. Raises `Failed`."""
    try:
        if kind is Type.DATE:
            return date.fromisoformat(text) if len(text) == len("2000-01-01") else _refuse()
        if kind is Type.TIME:
            return time.fromisoformat(text.removesuffix("Z")).replace(tzinfo=None)
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo is not None else _refuse()
    except (ValueError, OverflowError):
        raise Failed from None


def shifted(moment: date, by: timedelta) -> date:
    """Return `moment` (a date or an instant) moved by `by`. Raises `Failed` outside of the years 1 to 9999."""
    try:
        return moment + by
    except OverflowError:
        raise Failed from None


def _refuse() -> Value:
    raise Failed


def _number(raw: object) -> Decimal:
    if isinstance(raw, bool):
        raise Failed
    if isinstance(raw, Decimal):
        return bounded(raw)
    if isinstance(raw, int):
        return number_of(str(raw)) if raw.bit_length() < DIGITS_MAX * 4 else bounded(Decimal("NaN"))
    if isinstance(raw, float):
        return number_of(repr(raw))
    return number_of(raw) if isinstance(raw, str) else bounded(Decimal("NaN"))


def _text(raw: object) -> str:
    if isinstance(raw, str):
        return raw
    if isinstance(raw, bool):
        return "true" if raw else "false"
    return number_text(_number(raw))
