"""How counts, money and days are written in the PDF. Pure."""

from __future__ import annotations

from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

NOT_PRINTED: Final = "\N{EN DASH}"
WITHHELD: Final = "withheld"
PRICE_FROM: Final = {"yours": "you", "list": "list price", "unpriced": "no price"}
"""Where a price is from, by its basis."""
_TURNS: Final = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F))
_ELLIPSIS: Final = "\N{HORIZONTAL ELLIPSIS}"


def number(value: int | None) -> str:
    """Return a count with thousands apart, or a dash if it is withheld."""
    return NOT_PRINTED if value is None else f"{value:,}"


def counted(value: int, one: str, many: str) -> str:
    """Return a count with its noun: `1 seat`, `2 seats`."""
    return f"{value:,} {one if value == 1 else many}"


def money_text(amount: Decimal | None, currency: str | None, *, cents: bool = False) -> str:
    """Return an amount as it is printed, to the whole unit unless `cents`; a dash if there is none."""
    if amount is None:
        return NOT_PRINTED
    rounded = amount.quantize(Decimal("0.01") if cents else Decimal(1), ROUND_HALF_UP)
    return f"{currency or ''} {rounded:,}".strip()


def breakable(text: str) -> str:
    """Return a user name that may be broken at its sign and dots, by zero-width spaces."""
    return text.replace("@", "@\u200b").replace(".", ".\u200b")


def one_line(text: str) -> str:
    """Return a name on one line, without characters that turn the direction of writing: they can fake another name."""
    return " ".join(text.translate(_TURNS).split())


def shortened(text: str, length_max: int) -> str:
    """Return the text on one line, cut with an ellipsis if it is longer."""
    line = one_line(text)
    return line if len(line) <= length_max else line[: length_max - 1].rstrip() + _ELLIPSIS


def long_day(day: datetime | date) -> str:
    """Return a day like 22 November 2026."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def month(day: date) -> str:
    """Return a month like Nov."""
    return _MONTHS[day.month - 1][:3]


_MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
"""Not `strftime`, which asks the machine's locale."""
