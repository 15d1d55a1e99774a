"""Masks: what is sent in the place of a value that must not leave.

A pseudonym is made of HMAC-SHA256 under a key that belongs to one installation and tenant: the same value gives the
same pseudonym in every field, object and run, so that records still go together; nobody without the key can make or
try out pseudonyms. The key reaches the mover over its lease channel and is kept nowhere else (see `sync.flow.job`).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Final, final

from isthmus.sync.flow.expressions.values import EXACT, Failed, Type, Value, bounded, number_text
from isthmus.sync.model import MaskKind
from isthmus.values import Secret

EMAIL_DOMAIN: Final = "example.com"
"""Reserved by RFC 2606: no mail sent there arrives anywhere."""
EMAIL_CHARS: Final = 13 + 1 + len(EMAIL_DOMAIN)
REDACTED: Final = "REDACTED"
REDACTED_EMAIL: Final = f"redacted@{EMAIL_DOMAIN}"
_BASE32: Final = "abcdefghijkmnpqrstuvwxyz23456789"
_UPPER: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_LOWER: Final = _UPPER.lower()
_DIGITS: Final = "0123456789"
_CONSONANTS: Final = "bdfgklmnprstvz"
_VOWELS: Final = "aeiou"
_SYLLABLES: Final = 4
_WORDS_MAX: Final = 4
_YEAR_DAYS: Final = 365


@final
class Masks:
    """The masks of one mover. Shows nothing of its key."""

    __slots__ = ("_key",)

    def __init__(self, key: Secret | None) -> None:
        """Take the key; None if no mask of the job needs one."""
        self._key = key

    def masked(self, kind: MaskKind, value: Value, length: int) -> Value:
        """Return what is sent instead of `value`; `length` is that of the target's field, 0 if it has none.

        Null stays null. Raises `Failed` for a value that the mask is not made for.
        """
        if value is None:
            return None
        found = _MASKS[kind](self, value)
        return found[:length] if isinstance(found, str) and length else found

    def stream(self, kind: MaskKind, value: str) -> Iterator[int]:
        """Yield bytes that depend on the key, on the kind and on `value`, and on nothing else."""
        if self._key is None:
            raise Failed
        seed = hmac.digest(self._key.reveal(), kind.value.encode() + b"\0" + value.encode(), "sha256")
        yield from seed
        number = 0
        while True:
            number += 1
            yield from hashlib.blake2b(number.to_bytes(8, "big"), key=seed).digest()

    def __repr__(self) -> str:
        """Show that there are masks, nothing more."""
        return "<Masks>"


def _picked(stream: Iterator[int], letters: str) -> str:
    """Return one of `letters`, each as likely as the others."""
    fair = 256 - 256 % len(letters)
    return letters[next(byte for byte in stream if byte < fair) % len(letters)]


def _text_of(value: Value) -> str:
    if not isinstance(value, str):
        raise Failed
    return value


def _email(masks: Masks, value: Value) -> Value:
    stream = masks.stream(MaskKind.EMAIL, _text_of(value).strip().casefold())
    return "".join(_picked(stream, _BASE32) for _ in range(13)) + "@" + EMAIL_DOMAIN


def _phone(masks: Masks, value: Value) -> Value:
    """Other digits in the same places, so that the number keeps its form; the first one stays no zero."""
    text = _text_of(value)
    stream = masks.stream(MaskKind.PHONE, "".join(letter for letter in text if letter in _DIGITS))
    return "".join(_like(letter, stream) for letter in text)


def _name(masks: Masks, value: Value) -> Value:
    """As many words as the name has (four at most), which can be spoken and mean nothing."""
    text = _text_of(value)
    stream = masks.stream(MaskKind.NAME, " ".join(text.split()).casefold())
    words = min(max(len(text.split()), 1), _WORDS_MAX)
    return " ".join(
        "".join(_picked(stream, _CONSONANTS) + _picked(stream, _VOWELS) for _ in range(_SYLLABLES)).capitalize()
        for _ in range(words)
    )


def _shape(masks: Masks, value: Value) -> Value:
    """Letters for letters, digits for digits; everything else stays."""
    text = _text_of(value)
    stream = masks.stream(MaskKind.TEXT, text)
    return "".join(_like(letter, stream) for letter in text)


def _like(letter: str, stream: Iterator[int]) -> str:
    if letter.isdigit():
        return _picked(stream, _DIGITS)
    if not letter.isalpha():
        return letter
    return _picked(stream, _UPPER if letter.isupper() else _LOWER)


def _number(masks: Masks, value: Value) -> Value:
    """Another number with the same sign, as many digits before the point and as many decimals."""
    if not isinstance(value, Decimal):
        raise Failed
    text = number_text(value)
    stream = masks.stream(MaskKind.NUMBER, text)
    digits = [_picked(stream, _DIGITS) if letter in _DIGITS else letter for letter in text]
    first = next((n for n, letter in enumerate(text) if letter in _DIGITS), 0)
    if text[first] != "0":
        digits[first] = _picked(stream, _DIGITS[1:])
    return bounded(EXACT.create_decimal("".join(digits)))


def _date(masks: Masks, value: Value) -> Value:
    """Another day of the same year; of an instant, at midnight UTC."""
    if not isinstance(value, date):
        raise Failed
    day = value.astimezone(UTC).date() if isinstance(value, datetime) else value
    stream = masks.stream(MaskKind.DATE, day.isoformat())
    number = (next(stream) << 16 | next(stream) << 8 | next(stream)) % _YEAR_DAYS
    other = date(day.year, 1, 1) + timedelta(days=number)
    return datetime(other.year, other.month, other.day, tzinfo=UTC) if isinstance(value, datetime) else other


def _redact(_masks: Masks, value: Value) -> Value:
    _text_of(value)
    return REDACTED


def _redact_email(_masks: Masks, value: Value) -> Value:
    _text_of(value)
    return REDACTED_EMAIL


def _null(_masks: Masks, _value: Value) -> Value:
    return None


_MASKS: Final[Mapping[MaskKind, Callable[[Masks, Value], Value]]] = {
    MaskKind.EMAIL: _email,
    MaskKind.PHONE: _phone,
    MaskKind.NAME: _name,
    MaskKind.TEXT: _shape,
    MaskKind.NUMBER: _number,
    MaskKind.DATE: _date,
    MaskKind.REDACT: _redact,
    MaskKind.REDACT_EMAIL: _redact_email,
    MaskKind.NULL: _null,
}
KEYLESS: Final = frozenset({MaskKind.REDACT, MaskKind.REDACT_EMAIL, MaskKind.NULL})
"""Masks that need no key."""
TAKES: Final[Mapping[MaskKind, frozenset[Type]]] = {
    **dict.fromkeys(
        (MaskKind.EMAIL, MaskKind.PHONE, MaskKind.NAME, MaskKind.TEXT, MaskKind.REDACT, MaskKind.REDACT_EMAIL),
        frozenset({Type.TEXT}),
    ),
    MaskKind.NUMBER: frozenset({Type.NUMBER}),
    MaskKind.DATE: frozenset({Type.DATE, Type.DATETIME}),
    MaskKind.NULL: frozenset(Type),
}
"""Which types of value a mask is made for."""
