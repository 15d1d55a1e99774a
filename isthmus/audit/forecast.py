"""How many seats there will be in so many weeks, with the span that the past supports; or why that is not said. Pure.

The estimate continues the straight line through the last quarter (least squares, in whole numbers, so that every
machine gives the same). It has to earn its place: from every week of the past with enough history before it, what it
would have said is compared with what came (a back-test by rolling origin), and it is shown only if it was nearer than
"as today" on average. The span comes from the same errors: of ten of them one may lie below and one above (split
conformal, so without any assumption about their shape). How often the span would have held is said with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from math import ceil, floor
from typing import Final

FIT_WEEKS: Final = 13
TRAIN_WEEKS_MIN: Final = 8
ORIGINS_MIN: Final = 10
WEEKS_AHEAD_MAX: Final = 26
SOON_WEEKS: Final = 8
LEVEL_PERCENT: Final = 80
BREAK_TIMES: Final = 3
"""An error of the latest week so many times outside the span of the others: the past is no guide any more."""
_LOW, _HIGH = Decimal("0.1"), Decimal("0.9")
_TENTH: Final = Decimal("0.1")


@dataclass(frozen=True, slots=True)
class Forecast:
    """`expected` seats in `weeks_ahead` weeks, between `low` and `high` in `LEVEL_PERCENT` of cases.

    `error` and `error_as_today` are the mean distances in seats over the `origins` weeks of the back-test;
    `covered_percent` of these lay within the span that the other weeks gave.
    """

    weeks_ahead: int
    expected: int
    low: int
    high: int
    origins: int
    error: Decimal
    error_as_today: Decimal
    covered_percent: int


@dataclass(frozen=True, slots=True)
class NotSaid:
    """Why there is no forecast."""

    why: str


def forecast(weeks: Sequence[int], weeks_ahead: int) -> Forecast | NotSaid:
    """Return the seats `weeks_ahead` weeks after the last of `weeks` (one value a week, oldest first)."""
    if not 0 < weeks_ahead <= WEEKS_AHEAD_MAX:
        return NotSaid(f"no forecast: {weeks_ahead} weeks ahead are more than {WEEKS_AHEAD_MAX}")
    needed = weeks_needed(weeks_ahead)
    if len(weeks) < needed:
        return NotSaid(f"no forecast: {len(weeks)} of {needed} weeks of history")
    origins = range(TRAIN_WEEKS_MIN, len(weeks) - weeks_ahead + 1)
    came = [weeks[origin - 1 + weeks_ahead] for origin in origins]
    errors = [there - _line(weeks[:origin], weeks_ahead) for origin, there in zip(origins, came, strict=True)]
    as_today = [there - weeks[origin - 1] for origin, there in zip(origins, came, strict=True)]
    if sum(map(abs, errors)) >= sum(map(abs, as_today)):
        return NotSaid("no forecast: over the past weeks none was nearer than today's value")
    low, high = _span(errors[:-1])
    if not BREAK_TIMES * min(low, -1) <= errors[-1] <= BREAK_TIMES * max(high, 1):
        return NotSaid("no forecast: the latest week breaks with what the weeks before it say")
    expected = _line(weeks, weeks_ahead)
    low, high = _span(errors)
    held = sum(_within(error, [*errors[:n], *errors[n + 1 :]]) for n, error in enumerate(errors))
    return Forecast(
        weeks_ahead=weeks_ahead,
        expected=expected,
        low=max(0, expected + low),
        high=max(0, expected + high),
        origins=len(errors),
        error=_mean(errors),
        error_as_today=_mean(as_today),
        covered_percent=held * 100 // len(errors),
    )


def weeks_needed(weeks_ahead: int) -> int:
    """Return how many weeks of history a forecast so far ahead needs."""
    return TRAIN_WEEKS_MIN + weeks_ahead + ORIGINS_MIN - 1


def _line(weeks: Sequence[int], ahead: int) -> int:
    """Return the last value, moved along the least-squares slope of the last quarter; halves upwards, never below 0."""
    last = weeks[-FIT_WEEKS:]
    count = len(last)
    steps = count * (count - 1) // 2
    squares = (count - 1) * count * (2 * count - 1) // 6
    over = count * sum(step * value for step, value in enumerate(last)) - steps * sum(last)
    under = count * squares - steps * steps
    return max(0, last[-1] + (2 * ahead * over + under) // (2 * under))


def _span(errors: Sequence[int]) -> tuple[int, int]:
    ranked = sorted(errors)
    count = len(ranked)
    return ranked[max(floor((count + 1) * _LOW), 1) - 1], ranked[min(ceil((count + 1) * _HIGH), count) - 1]


def _within(error: int, others: Sequence[int]) -> bool:
    low, high = _span(others)
    return low <= error <= high


def _mean(errors: Sequence[int]) -> Decimal:
    return (Decimal(sum(map(abs, errors))) / len(errors)).quantize(_TENTH, ROUND_HALF_UP)
