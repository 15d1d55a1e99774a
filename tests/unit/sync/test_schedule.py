"""When a sync is due: intervals, cron, quiet hours, DST days, idle back-off."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.sync.timing.schedule import (
    Due,
    DueReason,
    Schedule,
    ScheduleRefused,
    ScheduleSpec,
    in_words,
    is_quiet,
    next_due,
    pause_after,
    quiet_until,
    read_schedule,
)

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 6, 10, 12, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")
CRONS = ("*/15 * * * *", "30 2 * * *", "0 6 * * mon-fri", "15 1-3 * * *", "0 0 1 * *", "5 4 * * sun", "* 8-18 * * *")
QUIET = ("22:00-06:00", "01:30-02:30", "sat-sun 00:00-24:00", "fri-mon 23:00-03:15", "12:00-12:01")
# The days on which clocks change, and their surroundings, are drawn far more often than chance would.
CHANGES = tuple(
    datetime(2026, month, day, tzinfo=UTC) for month, day in ((3, 8), (3, 28), (4, 4), (10, 3), (10, 24), (10, 31))
)
INSTANTS = st.one_of(
    st.tuples(st.sampled_from(CHANGES), st.integers(0, 3 * 86400)).map(lambda at: at[0] + timedelta(seconds=at[1])),
    st.integers(1_704_067_200, 2_082_758_400).map(lambda at: datetime.fromtimestamp(at, UTC)),
)


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    cron = draw(st.none() | st.sampled_from(CRONS))
    interval_s = draw(st.none() | st.integers(60, 90_000))
    quiet = tuple(draw(st.lists(st.sampled_from(QUIET), max_size=2, unique=True)))
    idle = None if cron else draw(st.none() | st.integers(interval_s or 120, 604_800))
    zone = draw(st.sampled_from(ZONES))
    spec = ScheduleSpec(cron=cron, interval_s=interval_s, zone=zone, quiet_hours=quiet, idle_max_s=idle)
    try:
        return read_schedule(spec)
    except ScheduleRefused:
        # Two spans, or a weekday and a weekend, may leave no time at all.
        return read_schedule(ScheduleSpec(interval_s=interval_s, zone=zone))


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def due(spec: ScheduleSpec, started: datetime, *, took_s: int = 1, idle_runs: int = 0) -> Due:
    return next_due(read_schedule(spec), started=started, now=started + timedelta(seconds=took_s), idle_runs=idle_runs)


def test_without_a_schedule_a_sync_runs_every_two_minutes() -> None:
    assert due(ScheduleSpec(), NOON) == Due(NOON + timedelta(minutes=2), DueReason.INTERVAL)


def test_a_run_longer_than_the_interval_is_followed_at_once() -> None:
    assert due(ScheduleSpec(), NOON, took_s=500) == Due(NOON + timedelta(seconds=500), DueReason.AT_ONCE)


def test_a_cron_expression_runs_at_each_match_in_its_zone() -> None:
    spec = ScheduleSpec(cron="0 6 * * mon-fri", zone="Europe/Berlin")
    friday = at("2026-06-12T06:00:03")
    assert due(spec, friday) == Due(at("2026-06-15T06:00"), DueReason.CRON)


def test_matches_that_pass_during_a_run_are_not_made_up_for() -> None:
    spec = ScheduleSpec(cron="*/10 * * * *")
    assert due(spec, NOON, took_s=1500).at == NOON + timedelta(minutes=30)


def test_cron_with_an_interval_keeps_both() -> None:
    spec = ScheduleSpec(cron="* 8-18 * * *", interval_s=600)
    assert due(spec, NOON).at == NOON + timedelta(minutes=10)
    assert due(spec, NOON + timedelta(hours=6, minutes=55)).at == NOON + timedelta(hours=20)


def test_a_time_of_day_that_a_clock_skips_comes_at_the_end_of_the_gap() -> None:
    spec = ScheduleSpec(cron="30 2 * * *", zone="Europe/Berlin")
    assert due(spec, at("2026-03-28T12:00")).at == at("2026-03-29T03:00")
    assert due(spec, at("2026-03-29T03:00")).at == at("2026-03-30T02:30")


def test_a_time_of_day_that_a_clock_repeats_comes_once() -> None:
    spec = ScheduleSpec(cron="30 2 * * *", zone="Europe/Berlin")
    first = due(spec, at("2026-10-24T12:00")).at
    assert first == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert due(spec, first).at == at("2026-10-26T02:30")


def test_every_quarter_of_an_hour_goes_on_through_the_repeated_hour() -> None:
    spec = ScheduleSpec(cron="*/15 * * * *", zone="Europe/Berlin")
    now, runs = datetime(2026, 10, 24, 23, tzinfo=UTC), 0
    while now < datetime(2026, 10, 25, 3, tzinfo=UTC):
        now, runs = due(spec, now).at, runs + 1
    assert runs == 16


def test_quiet_hours_put_a_run_off_until_they_end() -> None:
    spec = ScheduleSpec(quiet_hours=("22:00-06:00",), zone="Europe/Berlin")
    assert due(spec, at("2026-06-10T21:59")) == Due(at("2026-06-11T06:00"), DueReason.QUIET_HOURS)
    assert due(spec, at("2026-06-10T21:57")).reason is DueReason.INTERVAL


def test_quiet_hours_over_a_weekend_end_on_monday() -> None:
    spec = ScheduleSpec(quiet_hours=("sat-sun 00:00-24:00",), zone="America/New_York")
    new_york = ZoneInfo("America/New_York")
    assert due(spec, at("2026-06-12T23:59", new_york)).at == at("2026-06-15T00:00", new_york)


def test_quiet_hours_that_end_in_a_skipped_hour_end_with_the_jump() -> None:
    schedule = read_schedule(ScheduleSpec(quiet_hours=("22:00-02:30",), zone="Europe/Berlin"))
    assert quiet_until(schedule, at("2026-03-29T01:00")) == datetime(2026, 3, 29, 1, 0, tzinfo=UTC)


def test_an_idle_sync_is_asked_less_often_and_a_change_ends_that() -> None:
    schedule = read_schedule(ScheduleSpec(interval_s=120, idle_max_s=900))
    assert [pause_after(schedule, n) for n in (0, 4, 5, 6, 7, 8, 500)] == [120, 120, 240, 480, 900, 900, 900]
    assert due(ScheduleSpec(idle_max_s=900), NOON, idle_runs=9).reason is DueReason.IDLE
    assert due(ScheduleSpec(idle_max_s=900), NOON, idle_runs=0).at == NOON + timedelta(minutes=2)


def test_without_an_idle_maximum_the_pause_never_changes() -> None:
    schedule = read_schedule(None, 300)
    assert {pause_after(schedule, n) for n in range(100)} == {300}


@pytest.mark.parametrize(
    ("spec", "key"),
    [
        (ScheduleSpec(cron="0 6 * *", zone="UTC"), "cron"),
        (ScheduleSpec(cron="61 6 * * *"), "cron"),
        (ScheduleSpec(cron="@daily 1 2 3"), "cron"),
        (ScheduleSpec(cron="H 6 * * *"), "cron"),
        (ScheduleSpec(cron="0 0 6 * * mon"), "cron"),
        (ScheduleSpec(cron="0 6 30 2 *"), "cron"),
        (ScheduleSpec(zone="Mars/Olympus"), "zone"),
        (ScheduleSpec(zone="../../etc/passwd"), "zone"),
        (ScheduleSpec(zone="Europe"), "zone"),
        (ScheduleSpec(quiet_hours=("25:00-06:00",)), "quiet_hours"),
        (ScheduleSpec(quiet_hours=("06:00-06:00",)), "quiet_hours"),
        (ScheduleSpec(quiet_hours=("xyz 06:00-07:00",)), "quiet_hours"),
        (ScheduleSpec(quiet_hours=("06:00-24:30",)), "quiet_hours"),
        (ScheduleSpec(quiet_hours=("00:00-24:00",)), "quiet_hours"),
        (ScheduleSpec(cron="0 3 * * *", quiet_hours=("02:00-04:00",)), "quiet_hours"),
        (ScheduleSpec(interval_s=600, idle_max_s=300), "idle_max_s"),
        (ScheduleSpec(cron="0 6 * * *", idle_max_s=300), "idle_max_s"),
    ],
)
def test_a_schedule_that_cannot_be_kept_is_refused_by_its_key(spec: ScheduleSpec, key: str) -> None:
    with pytest.raises(ScheduleRefused) as refused:
        read_schedule(spec)
    assert refused.value.key == key


def test_two_intervals_are_one_too_many() -> None:
    with pytest.raises(ScheduleRefused, match="interval_s"):
        read_schedule(ScheduleSpec(interval_s=300), 300)


def test_a_schedule_reads_as_a_sentence() -> None:
    assert in_words(read_schedule(None)) == "every 2 minutes"
    assert in_words(read_schedule(ScheduleSpec(cron="0  6 * * mon", zone="Europe/Berlin"))) == (
        "cron 0 6 * * mon (Europe/Berlin)"
    )
    spec = ScheduleSpec(interval_s=3600, idle_max_s=86400, quiet_hours=("22:00-06:00",))
    assert in_words(read_schedule(spec)) == "every 1 hour, when idle up to 1 day, not in its quiet hours"


@settings(max_examples=100, deadline=None)
@given(schedules(), INSTANTS, st.integers(0, 20_000), st.integers(0, 12))
def test_due_times_move_forward_and_never_lie_in_quiet_hours(
    schedule: Schedule, started: datetime, took_s: int, idle_runs: int
) -> None:
    now = started + timedelta(seconds=took_s)
    found = next_due(schedule, started=started, now=now, idle_runs=idle_runs)
    assert found.at >= now
    assert found.at > started or took_s == 0
    assert not is_quiet(schedule, found.at)
    later = next_due(schedule, started=found.at, now=found.at, idle_runs=idle_runs)
    assert later.at > found.at
    assert (later.at - found.at).total_seconds() >= schedule.interval_s


@settings(max_examples=60, deadline=None)
@given(schedules(), INSTANTS)
def test_quiet_hours_end_at_the_first_minute_that_is_not_quiet(schedule: Schedule, moment: datetime) -> None:
    end = quiet_until(schedule, moment)
    assert end is not None
    assert not is_quiet(schedule, end)
    assert end == moment or is_quiet(schedule, end - timedelta(minutes=1)) or end - moment <= timedelta(minutes=1)
