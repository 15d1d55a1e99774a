"""Arithmetic on exact decimals: fifty digits, halves are rounded away from zero, no infinities."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal
from typing import Final

from isthmus.sync.flow.expressions.functions import Function
from isthmus.sync.flow.expressions.texts import whole
from isthmus.sync.flow.expressions.values import EXACT, Failed, Type, bounded

_N: Final = Type.NUMBER
PLACES_MAX: Final = 18


def _add(left: Decimal, right: Decimal) -> Decimal:
    return bounded(EXACT.add(left, right))


def _subtract(left: Decimal, right: Decimal) -> Decimal:
    return bounded(EXACT.subtract(left, right))


def _multiply(left: Decimal, right: Decimal) -> Decimal:
    return bounded(EXACT.multiply(left, right))


def _divide(left: Decimal, right: Decimal) -> Decimal:
    if not right:
        raise Failed
    return bounded(EXACT.divide(left, right))


def _negate(number: Decimal) -> Decimal:
    return bounded(EXACT.minus(number))


def _absolute(number: Decimal) -> Decimal:
    return bounded(EXACT.abs(number))


def _remainder(left: Decimal, right: Decimal) -> Decimal:
    """Return what is left of a division, with the sign of the divisor."""
    if not right:
        raise Failed
    found = bounded(EXACT.remainder(left, right))
    return bounded(EXACT.add(found, right)) if found and (found < 0) != (right < 0) else found


def _to_places(number: Decimal, places: Decimal | None, rounding: str) -> Decimal:
    digits = 0 if places is None else whole(places)
    if not -PLACES_MAX <= digits <= PLACES_MAX:
        raise Failed
    return bounded(number.quantize(Decimal(1).scaleb(-digits), rounding=rounding, context=EXACT))


def _round(number: Decimal, places: Decimal | None = None) -> Decimal:
    return _to_places(number, places, ROUND_HALF_UP)


def _floor(number: Decimal, places: Decimal | None = None) -> Decimal:
    return _to_places(number, places, ROUND_FLOOR)


def _ceiling(number: Decimal, places: Decimal | None = None) -> Decimal:
    return _to_places(number, places, ROUND_CEILING)


FUNCTIONS: Final[dict[str, tuple[Function, ...]]] = {
    "+": (Function((_N, _N), _N, _add),),
    "-": (Function((_N, _N), _N, _subtract),),
    "*": (Function((_N, _N), _N, _multiply),),
    "/": (Function((_N, _N), _N, _divide),),
    "negate": (Function((_N,), _N, _negate),),
    "mod": (Function((_N, _N), _N, _remainder),),
    "abs": (Function((_N,), _N, _absolute),),
    "round": (Function((_N, _N), _N, _round, needs=1),),
    "floor": (Function((_N, _N), _N, _floor, needs=1),),
    "ceiling": (Function((_N, _N), _N, _ceiling, needs=1),),
    "min": (Function((_N, _N), _N, min, more=_N),),
    "max": (Function((_N, _N), _N, max, more=_N),),
}
