"""Masks: what is sent in the place of a value that must not leave.

A pseudonym is made of HMAC-SHA256 under a key that belongs to one installation and tenant: the same value gives the
same pseudonym in every field, object and run, so that records still go together; nobody without the key can make or
try out pseudonyms. The key reaches the mover over its lease channel and is kept nowhere else (see `sync.flow.job`).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
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
_LOCAL_CHARS: Final = 13
_BASE32: Final = b"abcdefghijkmnpqrstuvwxyz23456789" * 8
_UPPER: Final = ("ABCDEFGHIJKLMNOPQRSTUVWXYZ" * 10)[:256]
_LOWER: Final = _UPPER.lower()
_DIGIT: Final = ("0123456789" * 26)[:256]
_SPOKEN: Final = ([first + second for first in "bdfgklmnprstvz" for second in "aeiou"] * 4)[:256]
"""What each byte draws. Some come up a hundredth more often than others, which tells nothing about a value."""
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

    def bytes_for(self, kind: MaskKind, value: str, count: int) -> bytes:
        """Return `count` bytes that depend on the key, on the kind and on `value`, and on nothing else."""
        if self._key is None:
            raise Failed
        seed = hmac.digest(self._key.reveal(), kind.value.encode() + b"\0" + value.encode(), "sha256")
        return seed[:count] if count <= len(seed) else hashlib.shake_256(seed).digest(count)

    def __repr__(self) -> str:
        """Show that there are masks, nothing more."""
        return "<Masks>"


def _text_of(value: Value) -> str:
    if not isinstance(value, str):
        raise Failed
    return value


def _email(masks: Masks, value: Value) -> Value:
    drawn = masks.bytes_for(MaskKind.EMAIL, _text_of(value).strip().casefold(), _LOCAL_CHARS)
    return drawn.translate(_BASE32).decode() + "@" + EMAIL_DOMAIN


def _phone(masks: Masks, value: Value) -> Value:
    """Other digits in the same places, so that the number keeps its form."""
    text = _text_of(value)
    return _like(text, masks.bytes_for(MaskKind.PHONE, "".join(filter(str.isdigit, text)), len(text)))


def _name(masks: Masks, value: Value) -> Value:
    """As many words as the name has (four at most), which can be spoken and mean nothing."""
    words = _text_of(value).split()
    count = min(max(len(words), 1), _WORDS_MAX)
    drawn = masks.bytes_for(MaskKind.NAME, " ".join(words).casefold(), count * _SYLLABLES)
    spoken = [_SPOKEN[byte] for byte in drawn]
    return " ".join("".join(spoken[n : n + _SYLLABLES]).capitalize() for n in range(0, len(spoken), _SYLLABLES))


def _shape(masks: Masks, value: Value) -> Value:
    """Letters for letters, digits for digits; everything else stays."""
    text = _text_of(value)
    return _like(text, masks.bytes_for(MaskKind.TEXT, text, len(text)))


def _like(text: str, drawn: bytes) -> str:
    """Return another text of the same shape; `drawn` has a byte for each character."""
    letters: list[str] = []
    for letter, byte in zip(text, drawn, strict=True):
        if letter.isdigit():
            letters.append(_DIGIT[byte])
        elif letter.isalpha():
            letters.append(_UPPER[byte] if letter.isupper() else _LOWER[byte])
        else:
            letters.append(letter)
    return "".join(letters)


def _number(masks: Masks, value: Value) -> Value:
    """Another number with the same sign, as many digits before the point and as many decimals."""
    if not isinstance(value, Decimal):
        raise Failed
    text = number_text(value)
    drawn = masks.bytes_for(MaskKind.NUMBER, text, len(text))
    first = text.startswith("-")
    changed = list(_like(text, drawn))
    if text[first] != "0":
        changed[first] = "123456789"[drawn[first] % 9]
    return bounded(EXACT.create_decimal("".join(changed)))


def _date(masks: Masks, value: Value) -> Value:
    """Another day of the same year; of an instant, at midnight UTC."""
    if not isinstance(value, date):
        raise Failed
    day = value.astimezone(UTC).date() if isinstance(value, datetime) else value
    number = int.from_bytes(masks.bytes_for(MaskKind.DATE, day.isoformat(), 4)) % _YEAR_DAYS
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
