"""When an audit is due: weekdays, months, clock changes; who comes first; what follows a failure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.audit.cadence.cadence import (
    Cadence,
    Candidate,
    Rhythm,
    ScheduleRefused,
    after_failure,
    decide,
    in_words,
    instant_of,
    next_due,
)
from isthmus.audit.cadence.scheduling import ScheduleChange, changed
from isthmus.audit.failures import Failure

BERLIN = ZoneInfo("Europe/Berlin")
NOON = datetime(2026, 6, 10, 12, tzinfo=UTC)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia")
# The days on which clocks change, and their surroundings, are drawn far more often than chance would.
CHANGES = tuple(
    datetime(year, month, day, tzinfo=UTC)
    for year, month, day in ((2026, 3, 7), (2026, 3, 28), (2026, 4, 4), (2026, 10, 3), (2026, 10, 24), (2011, 12, 28))
)
INSTANTS = st.one_of(
    st.tuples(st.sampled_from(CHANGES), st.integers(0, 4 * 86400)).map(lambda at: at[0] + timedelta(seconds=at[1])),
    st.integers(1_704_067_200, 2_082_758_400).map(lambda at: datetime.fromtimestamp(at, UTC)),
)
CADENCES = st.builds(
    Cadence,
    rhythm=st.sampled_from([Rhythm.DAILY, Rhythm.WEEKLY, Rhythm.MONTHLY]),
    weekday=st.integers(0, 6),
    month_day=st.integers(1, 31),
    minute=st.one_of(st.integers(0, 1439), st.sampled_from([0, 90, 120, 150, 180])),
    zone=st.sampled_from(ZONES),
)
SPANS = {Rhythm.DAILY: timedelta(days=2), Rhythm.WEEKLY: timedelta(days=8), Rhythm.MONTHLY: timedelta(days=32)}


def at(text: str, zone: ZoneInfo = BERLIN) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


def due(cadence: Cadence, after: datetime) -> datetime:
    found = next_due(cadence, after)
    assert found is not None
    return found


@settings(max_examples=400, deadline=None)
@given(CADENCES, INSTANTS)
def test_the_next_instant_lies_ahead_and_not_far_and_shows_the_wanted_time(cadence: Cadence, after: datetime) -> None:
    found = due(cadence, after)
    assert after < found <= after + SPANS[cadence.rhythm]
    local = found.astimezone(ZoneInfo(cadence.zone))
    shown = local.hour * 60 + local.minute
    if shown == cadence.minute:
        assert local.fold == 0, "where a clock is put back the first time counts"
    else:
        # The wanted time is skipped: the audit comes with the jump, so a minute before it the clock showed less.
        before = (found - timedelta(minutes=1)).astimezone(ZoneInfo(cadence.zone)).replace(tzinfo=None)
        assert local.replace(tzinfo=None) - before > timedelta(minutes=1)
    if cadence.rhythm is Rhythm.WEEKLY and shown == cadence.minute:
        assert local.weekday() == cadence.weekday


@settings(max_examples=150, deadline=None)
@given(CADENCES, INSTANTS, st.integers(0, 40 * 86400))
def test_between_an_instant_and_the_next_one_nothing_is_due(cadence: Cadence, after: datetime, later_s: int) -> None:
    found, later = due(cadence, after), after + timedelta(seconds=later_s)
    if later < found:
        assert due(cadence, later) == found
    else:
        assert due(cadence, later) > later >= found


@settings(max_examples=60, deadline=None)
@given(CADENCES, INSTANTS)
def test_a_year_has_as_many_audits_as_days_weeks_or_months(cadence: Cadence, after: datetime) -> None:
    count, moment, end = 0, after, after + timedelta(days=364)
    while (moment := due(cadence, moment)) <= end:
        count += 1
    expected = {Rhythm.DAILY: 364, Rhythm.WEEKLY: 52, Rhythm.MONTHLY: 12}[cadence.rhythm]
    assert abs(count - expected) <= 1


@pytest.mark.parametrize(
    ("minute", "after", "expected"),
    [
        (360, "2026-03-28T12:00", "2026-03-29T06:00"),
        (150, "2026-03-28T12:00", "2026-03-29T03:00"),  # 02:30 does not exist: at the end of the gap
        (150, "2026-10-24T12:00", "2026-10-25T02:30"),  # 02:30 comes twice: the first time
    ],
)
def test_clock_changes_neither_lose_nor_double_a_day(minute: int, after: str, expected: str) -> None:
    cadence = Cadence(Rhythm.DAILY, minute=minute, zone="Europe/Berlin")
    found = due(cadence, at(after))
    assert found == at(expected)
    assert due(cadence, found) - found > timedelta(hours=20)


def test_a_day_that_a_zone_left_out_is_made_up_for_at_once() -> None:
    apia = ZoneInfo("Pacific/Apia")
    midnight = datetime(2011, 12, 31, tzinfo=apia).astimezone(UTC)
    assert instant_of(datetime(2011, 12, 30).date(), 360, apia) == midnight  # noqa: DTZ001 - a day of the zone


def test_the_last_day_stands_for_days_that_a_month_has_not() -> None:
    cadence = Cadence(Rhythm.MONTHLY, month_day=31)
    days = [NOON.replace(year=2027, month=1, day=1)]
    for _ in range(4):
        days.append(due(cadence, days[-1]))
    assert [f"{day:%m-%d}" for day in days[1:]] == ["01-31", "02-28", "03-31", "04-30"]


def test_off_is_never_due() -> None:
    assert next_due(Cadence(Rhythm.OFF), NOON) is None


def test_a_schedule_is_said_in_words_and_changed_by_parts() -> None:
    weekly = changed(Cadence(), ScheduleChange(weekday="tue", at="18:30", zone="Europe/Berlin"))
    assert in_words(weekly) == "weekly on Tuesday at 18:30 (Europe/Berlin)"
    assert in_words(changed(weekly, ScheduleChange(cadence=Rhythm.MONTHLY, day=3))) == (
        "monthly on day 3 at 18:30 (Europe/Berlin)"
    )
    assert in_words(changed(weekly, ScheduleChange(cadence=Rhythm.DAILY))) == "daily at 18:30 (Europe/Berlin)"
    assert in_words(Cadence(Rhythm.OFF)) == "only when somebody asks"


@pytest.mark.parametrize(
    "change",
    [
        ScheduleChange(weekday="t"),
        ScheduleChange(weekday=""),
        ScheduleChange(weekday="someday"),
        ScheduleChange(at="24:00"),
        ScheduleChange(at="6:00"),
        ScheduleChange(zone="Europe/Atlantis"),
        ScheduleChange(zone="../../etc/passwd"),
    ],
)
def test_what_no_schedule_can_have_is_refused_with_a_remedy(change: ScheduleChange) -> None:
    with pytest.raises(ScheduleRefused) as refused:
        changed(Cadence(), change)
    assert refused.value.remedy.startswith("For example")


def candidate(tenant: int, connection: int, hours_ago: float | None) -> Candidate:
    due_at = None if hours_ago is None else NOON - timedelta(hours=hours_ago)
    return Candidate(UUID(int=tenant), UUID(int=connection), Cadence(Rhythm.DAILY), due_at)


def test_a_tenant_with_many_orgs_does_not_come_before_one_with_few() -> None:
    many = [candidate(1, number, 10 - number) for number in range(1, 6)]
    decisions = decide([*many, candidate(2, 9, 0.5)], {}, room=3, now=NOON)
    assert [d.candidate.connection_id.int for d in decisions if d.begins] == [1, 9, 2]
    assert [d.candidate.connection_id.int for d in decisions if d.waits] == [3, 4, 5]
    busy = decide([*many, candidate(2, 9, 0.5)], {UUID(int=1): 1}, room=1, now=NOON)
    assert [d.candidate.connection_id.int for d in busy if d.begins] == [9]


def test_missed_times_are_made_up_for_by_one_audit() -> None:
    (decision,) = decide([candidate(1, 1, 24 * 30)], {}, room=2, now=NOON)
    assert decision.begins
    assert decision.next_at is not None
    assert NOON < decision.next_at <= NOON + timedelta(days=1)


def test_a_new_schedule_gets_its_next_instant_and_begins_nothing() -> None:
    (decision,) = decide([candidate(1, 1, None)], {}, room=2, now=NOON)
    assert (decision.begins, decision.waits) == (False, False)
    assert decision.next_at == next_due(Cadence(Rhythm.DAILY), NOON)


def test_what_a_person_has_to_mend_is_told_at_once_and_what_time_may_mend_is_tried_again() -> None:
    assert after_failure(Failure.LEASE_LOST, 0, NOON).tells
    assert after_failure(Failure.NOT_READABLE, 1, NOON).retry_at is None
    first, second, third = (after_failure(Failure.UNREACHABLE, before, NOON) for before in range(3))
    assert [each.tells for each in (first, second, third)] == [False, False, True]
    assert first.retry_at == second.retry_at == NOON + timedelta(hours=1)
    assert third.retry_at is None
    assert after_failure(Failure.LIMITED, 0, NOON).retry_at == NOON + timedelta(hours=6)
    assert replace(first, tells=True) != first
