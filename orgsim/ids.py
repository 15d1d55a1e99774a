"""Record ids: 15 case-sensitive characters, or 18 with the check characters that make them safe to fold."""

from __future__ import annotations

from typing import Final

DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHECK: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_ALLOWED: Final = frozenset(DIGITS)
_COUNTER_DIGITS: Final = 9
ID_SHORT: Final = 15
ID_LONG: Final = 18


def _check_character(group: str) -> str:
    return _CHECK[sum(1 << place for place, letter in enumerate(group) if "A" <= letter <= "Z")]


def to_long(short: str) -> str:
    """Return the 18-character form of a 15-character id."""
    return short + _check_character(short[:5]) + _check_character(short[5:10]) + _check_character(short[10:])


def normalize_id(text: str) -> str | None:
    """Return the 18-character form of a well-formed id of 15 or 18 characters, else None.

    An 18-character id must carry the right check characters; they repair a wrong capitalisation of the first 15,
    as the real service does.
    """
    if not text.isascii() or not _ALLOWED.issuperset(text):
        return None
    if len(text) == ID_SHORT:
        return to_long(text)
    if len(text) != ID_LONG:
        return None
    if to_long(text[:ID_SHORT]) == text:
        return text
    repaired = _repair(text)
    return to_long(repaired) if repaired is not None and to_long(repaired).upper() == text.upper() else None


def _repair(text: str) -> str | None:
    letters: list[str] = []
    for group in range(3):
        mask = _CHECK.find(text[ID_SHORT + group].upper())
        if mask < 0:
            return None
        for place in range(5):
            letter = text[group * 5 + place]
            letters.append(letter.upper() if mask >> place & 1 else letter.lower())
    return "".join(letters)


def encode_base62(number: int, width: int) -> str:
    """Return a number in base 62 with leading zeros."""
    digits: list[str] = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(DIGITS[digit])
    return "".join(reversed(digits))


class IdFactory:
    """Hands out ids: prefix, two characters for the pod, a reserved 0, and a counter per prefix."""

    def __init__(self, pod: str) -> None:
        self._pod = pod
        self._next: dict[str, int] = {}

    @property
    def pod(self) -> str:
        """The two characters that tell one simulated org's ids from another's."""
        return self._pod

    def new(self, prefix: str) -> str:
        """Return a fresh 18-character id."""
        number = self._next.get(prefix, 1)
        self._next[prefix] = number + 1
        return self.at(prefix, number)

    def at(self, prefix: str, number: int) -> str:
        """Return the id for a counter value; generators of virtual rows use it."""
        return to_long(f"{prefix}{self._pod}0{encode_base62(number, _COUNTER_DIGITS)}")

    def reserve(self, prefix: str, count: int) -> int:
        """Set a block of counter values aside and return its first number."""
        first = self._next.get(prefix, 1)
        self._next[prefix] = first + count
        return first
