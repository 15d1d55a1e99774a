"""Functions on texts. Places count from 1; what lies outside of a text is empty, and an empty text is null."""

from __future__ import annotations

from decimal import Decimal
from typing import Final
from unicodedata import category

from isthmus.sync.flow.expressions.functions import Function
from isthmus.sync.flow.expressions.values import TEXT_CHARS_MAX, Failed, Type, number_of

_T, _N, _B = Type.TEXT, Type.NUMBER, Type.BOOLEAN
PICKLIST_JOINT: Final = ";"
_APOSTROPHES: Final = "'\u2019"


def whole(number: Decimal) -> int:
    """Return a number as an int. Raises `Failed` if it has a fraction."""
    if number != number.to_integral_value():
        raise Failed
    return int(number)


def _count(number: Decimal) -> int:
    return min(max(whole(number), 0), TEXT_CHARS_MAX)


def _left(text: str, count: Decimal) -> str:
    return text[: _count(count)]


def _right(text: str, count: Decimal) -> str:
    chars = _count(count)
    return text[-chars:] if chars else ""


def _substring(text: str, start: Decimal, count: Decimal | None = None) -> str:
    begin = _count(start - 1)
    return text[begin:] if count is None else text[begin : begin + _count(count)]


def _proper(text: str) -> str:
    """Capitalise each word: letters, digits, their marks, and apostrophes between them."""
    letters: list[str] = []
    inside = False
    for letter in text:
        letters.append(letter.lower() if inside else letter.title())
        inside = letter.isalnum() or (inside and (letter in _APOSTROPHES or category(letter).startswith("M")))
    return "".join(letters)


def _replace(text: str, old: str, new: str | None) -> str:
    new = new or ""
    if len(text) + text.count(old) * (len(new) - len(old)) > TEXT_CHARS_MAX:
        raise Failed
    return text.replace(old, new)


def _padded(text: str, width: Decimal, fill: str = "0") -> str:
    if len(fill) != 1:
        raise Failed
    return text.rjust(_count(width), fill)


def _part(text: str, separator: str, number: Decimal) -> str:
    """Return the n-th part of a text; negative numbers count from the end."""
    parts, place = text.split(separator), whole(number)
    if place == 0:
        raise Failed
    index = place - 1 if place > 0 else len(parts) + place
    return parts[index] if 0 <= index < len(parts) else ""


def _length(text: str | None) -> Decimal:
    return Decimal(len(text or ""))


def _find(text: str, wanted: str) -> Decimal:
    return Decimal(text.find(wanted) + 1)


def _only_digits(text: str) -> str:
    return "".join(letter for letter in text if letter in "0123456789")


def _contains(text: str, wanted: str) -> bool:
    return wanted in text


def _includes(text: str, value: str) -> bool:
    return value in text.split(PICKLIST_JOINT)


def _number(text: str) -> Decimal:
    return number_of(text.strip())


FUNCTIONS: Final[dict[str, tuple[Function, ...]]] = {
    "upper": (Function((_T,), _T, str.upper),),
    "lower": (Function((_T,), _T, str.lower),),
    "proper": (Function((_T,), _T, _proper),),
    "trim": (Function((_T,), _T, str.strip),),
    "left": (Function((_T, _N), _T, _left),),
    "right": (Function((_T, _N), _T, _right),),
    "substring": (Function((_T, _N, _N), _T, _substring, needs=2),),
    "replace": (Function((_T, _T, _T), _T, _replace, nulls=frozenset({2})),),
    "pad": (Function((_T, _N, _T), _T, _padded, needs=2),),
    "part": (Function((_T, _T, _N), _T, _part),),
    "digits": (Function((_T,), _T, _only_digits),),
    "length": (Function((_T,), _N, _length, nulls=frozenset({0})),),
    "find": (Function((_T, _T), _N, _find),),
    "contains": (Function((_T, _T), _B, _contains),),
    "starts_with": (Function((_T, _T), _B, str.startswith),),
    "ends_with": (Function((_T, _T), _B, str.endswith),),
    "includes": (Function((_T, _T), _B, _includes),),
    "number": (Function((_T,), _N, _number),),
}
