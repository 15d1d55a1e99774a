"""A forecast is shown only where it has earned it, with a span that the past supports; never a number otherwise."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest
from msgspec.structs import replace

from isthmus.audit.forecast import ORIGINS_MIN, TRAIN_WEEKS_MIN, Forecast, NotSaid, forecast, weeks_needed
from isthmus.audit.given.history import History, PoolPoint, by_week
from tests.unit.audit.test_renewal import CONTRACT, company, ready, report, weeks
from tests.unit.audit.world import CRM, NOW, Org


def growing(count: int, *, rise: int = 2, noise: int = 0, seed: int = 1) -> list[int]:
    random_ = random.Random(seed)
    return [100 + rise * week + random_.randint(-noise, noise) for week in range(count)]


def test_a_straight_line_is_continued_and_its_span_is_itself() -> None:
    told = forecast(growing(30), 8)
    assert isinstance(told, Forecast)
    assert (told.expected, told.low, told.high) == (100 + 2 * 37,) * 3
    assert (told.error, told.error_as_today, told.covered_percent) == (0, 16, 100)


def test_below_the_weeks_that_the_back_test_needs_nothing_is_said() -> None:
    needed = weeks_needed(8)
    assert needed == TRAIN_WEEKS_MIN + 8 + ORIGINS_MIN - 1
    said = forecast(growing(needed - 1), 8)
    assert isinstance(said, NotSaid)
    assert f"{needed - 1} of {needed} weeks" in said.why
    assert isinstance(forecast(growing(needed), 8), Forecast)


@pytest.mark.parametrize("weeks_ahead", [0, -1, 27])
def test_further_than_half_a_year_nothing_is_said(weeks_ahead: int) -> None:
    assert isinstance(forecast(growing(52), weeks_ahead), NotSaid)


@pytest.mark.parametrize("seed", range(20))
def test_a_walk_without_a_trend_seldom_gets_a_forecast_and_a_level_one_never(seed: int) -> None:
    random_ = random.Random(seed)
    level = [100 + random_.randint(-3, 3) for _ in range(52)]
    told = forecast(level, 8)
    if isinstance(told, Forecast):
        assert told.error < told.error_as_today
    assert isinstance(forecast([100] * 52, 8), NotSaid)


def test_the_span_holds_about_as_often_as_it_says() -> None:
    held = shown = 0
    for seed in range(300):
        series = growing(52, noise=4, seed=seed)
        told = forecast(series[:44], 8)
        if isinstance(told, Forecast):
            shown += 1
            held += told.low <= series[51] <= told.high
    assert shown > 250
    assert held / shown > 0.75, (held, shown)


def test_seats_are_never_below_none() -> None:
    told = forecast([max(0, 60 - 2 * week) for week in range(30)] + [0] * 6, 8)
    assert isinstance(told, NotSaid) or told.low >= 0


def test_a_week_without_an_audit_has_the_seats_of_the_week_before() -> None:
    monday = date(2026, 6, 1)
    points = [PoolPoint(monday + timedelta(days=d), CRM, 1, n) for d, n in ((2, 10), (23, 40), (28, 50))]
    assert [point.assigned for point in by_week(points)] == [10, 10, 10, 40, 50]


def test_the_upper_end_raises_the_base_and_the_conservative_case() -> None:
    grown = weeks(*growing(40, rise=1, noise=0), a=0, b=0)
    org = company(total=200)
    line = ready(report(org, history=grown))
    assert line.forecast is None  # today's 52 seats break the line
    assert "breaks with" in line.forecast_note
    org.regulars(92)  # the line goes on
    line = ready(report(org, history=grown))
    assert line.forecast is not None
    assert line.forecast.weeks_ahead == 8
    assert line.base is not None
    assert line.base >= line.forecast.high > max(point.assigned for point in grown.points)


@pytest.mark.parametrize("years", [0, 2])
def test_the_horizon_is_the_term_s_end_and_half_a_year_at_most(years: int) -> None:
    item = replace(CONTRACT, end=CONTRACT.end.replace(year=CONTRACT.end.year + years))
    line = ready(report(company(), history=weeks(*growing(20)), contract=(item,)))
    weeks_left = -(-(CONTRACT.end - NOW.date()).days // 7)
    assert weeks_left < 26
    assert f"21 of {weeks_needed(26 if years else weeks_left)} weeks" in line.forecast_note


def test_a_pool_that_will_be_full_in_eight_weeks_is_named_before_it_is() -> None:
    org = Org()
    org.license(total=100)
    org.regulars(80)
    steady = History(tuple(PoolPoint(NOW.date() - timedelta(weeks=n), CRM, 100, 80) for n in range(40, 0, -1)))
    rising = History(tuple(PoolPoint(NOW.date() - timedelta(weeks=n), CRM, 100, 80 - 3 * n) for n in range(26, 0, -1)))
    assert not [f for f in org.analyse(history=steady).findings if f.rule == "R17"]
    found = [f for f in org.analyse(history=rising).findings if f.rule == "R17"]
    assert len(found) == 1
    assert "within eight weeks" in found[0].why
