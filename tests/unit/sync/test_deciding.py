"""Whose values stay: the table of `flow.deciding`, line by line, and that both directions come to one answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from isthmus.sync.flow.deciding import TIE, Decision, Trace, decide, outlives
from isthmus.sync.pairing import Pairing, Winner

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NAMES = ("Name", "Phone")


def somebody(seconds: int = 0, *, uncarried: bool = True, unsure: bool = False) -> Trace:
    return Trace(False, NOW + timedelta(seconds=seconds), uncarried and not unsure, unsure)


def us(seconds: int = 0, *, uncarried: bool = True) -> Trace:
    return Trace(ours=True, modified=NOW + timedelta(seconds=seconds), uncarried=uncarried)


def test_what_is_equal_is_not_written() -> None:
    assert decide(Pairing(), somebody(), us(), ()) == Decision()


def test_a_change_goes_over_what_we_wrote_and_over_what_was_carried_already() -> None:
    assert decide(Pairing(), somebody(), us(99), NAMES) == Decision(NAMES)
    assert decide(Pairing(), somebody(), somebody(99, uncarried=False), NAMES) == Decision(NAMES)


def test_an_echo_of_ours_does_not_overwrite_a_change_that_nobody_has_carried_yet() -> None:
    assert decide(Pairing(), us(99), somebody(), NAMES) == Decision()


def test_what_automation_makes_of_our_write_is_carried_and_counted_where_both_are_ours() -> None:
    assert decide(Pairing(), us(), somebody(uncarried=False), NAMES) == Decision(NAMES)
    assert decide(Pairing(), us(), us(), NAMES) == Decision(NAMES, echo=True)


def test_a_row_that_is_read_twice_is_no_second_change() -> None:
    assert decide(Pairing(conflicts=Winner.SOURCE), somebody(uncarried=False), somebody(60), NAMES) == Decision()
    assert decide(Pairing(), somebody(uncarried=False), us(60), NAMES) == Decision()
    assert decide(Pairing(), somebody(60, uncarried=False), us(), NAMES) == Decision(NAMES)  # it came to light late


def test_what_may_have_been_committed_late_is_not_lost_to_our_own_write() -> None:
    assert decide(Pairing(), somebody(unsure=True), us(60), NAMES) == Decision(NAMES)
    assert decide(Pairing(), us(60), somebody(unsure=True), NAMES) == Decision()


def test_a_late_change_that_is_the_newer_one_is_in_conflict_and_an_older_one_loses_counted() -> None:
    late = somebody(60, unsure=True)
    for rule, written in ((Winner.SOURCE, NAMES), (Winner.TARGET, ()), (Winner.NEWEST, NAMES)):
        assert decide(Pairing(conflicts=rule), late, somebody(), NAMES).write == written
    assert decide(Pairing(conflicts=Winner.HOLD), late, somebody(), NAMES).held
    for rule in (Winner.SOURCE, Winner.TARGET, Winner.HOLD):
        assert decide(Pairing(conflicts=rule), somebody(unsure=True), somebody(60), NAMES) == Decision(unsure=True)
    assert decide(Pairing(conflicts=Winner.NEWEST), somebody(unsure=True), somebody(60), NAMES) == Decision()


def test_a_conflict_follows_the_rule() -> None:
    def by(rule: Winner, **more: object) -> Decision:
        return decide(Pairing(conflicts=rule, **more), somebody(10), somebody(0), NAMES)  # type: ignore[arg-type]

    assert by(Winner.SOURCE) == Decision(NAMES, decided=True)
    assert by(Winner.TARGET) == Decision()
    assert by(Winner.NEWEST) == Decision(NAMES, decided=True)
    assert by(Winner.HOLD) == Decision(held=True)
    assert by(Winner.TARGET, fields={"Phone": Winner.SOURCE}) == Decision(("Phone",), decided=True)
    assert by(Winner.SOURCE, fields={"Phone": Winner.HOLD}) == Decision(held=True)


def test_times_that_nobody_can_tell_apart_go_to_the_side_of_the_rule() -> None:
    for ties, written in ((Winner.SOURCE, NAMES), (Winner.TARGET, ())):
        pairing = Pairing(conflicts=Winner.NEWEST, ties=ties)
        assert decide(pairing, somebody(1), somebody(2), NAMES).write == written


def test_half_of_a_joined_record_waits_for_the_other_direction() -> None:
    pairing = Pairing(conflicts=Winner.TARGET, fields={"Phone": Winner.SOURCE})
    assert decide(pairing, somebody(0), us(60), ("Name",)).write == ()
    assert decide(pairing, us(60), somebody(0), ("Phone",)).write == ("Phone",)


traces = st.builds(
    Trace,
    ours=st.booleans(),
    modified=st.integers(-20, 20).map(lambda seconds: NOW + timedelta(seconds=seconds)),
    uncarried=st.just(value=True),
    unsure=st.just(value=False),
)
rules = st.sampled_from(Winner)


@given(left=traces, right=traces, rule=rules, fields=st.dictionaries(st.sampled_from(NAMES), rules))
def test_both_directions_never_write_the_same_field_and_never_leave_one_that_somebody_changed(
    left: Trace, right: Trace, rule: Winner, fields: dict[str, Winner]
) -> None:
    there = Pairing(conflicts=rule, fields=fields, ties=Winner.SOURCE)
    back = Pairing(
        conflicts=rule.seen_from_the_other_side,
        fields={name: each.seen_from_the_other_side for name, each in fields.items()},
        ties=Winner.TARGET,
    )
    one, other = decide(there, left, right, NAMES), decide(back, right, left, NAMES)
    assert one.held is other.held
    if one.held or (left.ours and right.ours):
        return
    assert not set(one.write) & set(other.write)
    assert set(one.write) | set(other.write) == set(NAMES)


@given(seconds=st.integers(-10, 10), ours=st.booleans())
def test_of_a_deletion_and_a_later_change_exactly_one_is_carried(seconds: int, ours: bool) -> None:
    record = Trace(ours=ours, modified=NOW + timedelta(seconds=seconds))
    assert outlives(record, NOW) is (not ours and timedelta(seconds=seconds) > TIE)
