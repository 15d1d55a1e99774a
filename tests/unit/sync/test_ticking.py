"""Which due syncs begin: fair between tenants, one run of a sync at a time, never in quiet hours or over a budget."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.sync.timing.budget import OrgCalls
from isthmus.sync.timing.schedule import DueReason, ScheduleSpec, next_due, read_schedule
from isthmus.sync.timing.ticking import PLACES_PER_SLOT, Candidate, Room, Verdict, decide

NOON = NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
PLAIN = read_schedule(None)
QUIET = read_schedule(ScheduleSpec(quiet_hours=("11:00-13:00",)))
SPENT = OrgCalls(15_000, 15_000, NOW)
FREE = OrgCalls(100, 15_000, NOW)
A, B, C = UUID(int=1), UUID(int=2), UUID(int=3)


def due(tenant: UUID, number: int, **differs: object) -> Candidate:
    given: dict[str, object] = {
        "tenant_id": tenant,
        "sync_id": UUID(int=tenant.int * 1000 + number),
        "due_at": NOW - timedelta(minutes=5),
        "schedule": PLAIN,
        "idle_runs": 0,
        "busy": False,
        "source": FREE,
        "target": FREE,
        **differs,
    }
    return Candidate(**given)  # pyright: ignore[reportArgumentType] - names and types as above


def begun(candidates: list[Candidate], slots: int, **in_flight: int) -> list[UUID]:
    known = {"a": A, "b": B, "c": C}
    room = Room(slots, Counter({known[name]: runs for name, runs in in_flight.items()}))
    return [d.candidate.tenant_id for d in decide(candidates, room, NOW) if d.verdict is Verdict.BEGINS]


def test_a_tenant_with_a_hundred_due_syncs_does_not_starve_another() -> None:
    # All of A's have been due for longer, and stand first.
    crowd = [due(A, n, due_at=NOW - timedelta(hours=5)) for n in range(100)]
    order = begun([*crowd, due(B, 0, due_at=NOW)], slots=4)
    assert order[:2] == [A, B]
    assert order.count(A) == 3


def test_whoever_has_less_in_flight_comes_first() -> None:
    assert begun([due(A, 0, due_at=NOW - timedelta(hours=1)), due(B, 0)], slots=4, a=2) == [B, A]


def test_one_slot_is_left_to_others() -> None:
    assert begun([due(A, n) for n in range(10)], slots=4, a=1) == [A, A]


def test_full_workers_begin_nothing_and_forget_nothing() -> None:
    decisions = decide([due(A, 0)], Room(2, Counter({B: 2, C: 2})), NOW)
    assert [(d.verdict, d.due) for d in decisions] == [(Verdict.NO_ROOM, None)]


def test_a_sync_whose_run_is_under_way_gets_no_second_one() -> None:
    (decision,) = decide([due(A, 0, busy=True)], Room(4, Counter()), NOW)
    assert decision.verdict is Verdict.BUSY
    assert decision.due is not None
    assert decision.due.at == NOW + timedelta(minutes=2)


def test_a_sync_that_was_due_before_its_quiet_hours_waits_for_their_end() -> None:
    (decision,) = decide([due(A, 0, schedule=QUIET)], Room(4, Counter()), NOW)
    assert decision.due is not None
    assert (decision.verdict, decision.due.at) == (Verdict.QUIET, NOW + timedelta(hours=1))


def test_a_used_up_budget_of_either_org_pauses_and_says_so() -> None:
    for side in ("source", "target"):
        (decision,) = decide([due(A, 0, **{side: SPENT})], Room(4, Counter()), NOW)
        assert decision.due is not None
        assert decision.verdict is Verdict.BUDGET
        assert (decision.due.at, decision.due.reason) == (NOW + timedelta(hours=1), DueReason.BUDGET)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from((A, B, C)), st.integers(0, 600), st.booleans()), max_size=40),
    st.integers(1, 9),
    st.lists(st.sampled_from((A, B, C)), max_size=9),
)
def test_whatever_is_due_nobody_gets_more_than_a_fair_part(
    wishes: list[tuple[UUID, int, bool]], slots: int, flying: list[UUID]
) -> None:
    candidates = [due(t, n, due_at=NOW - timedelta(seconds=s), busy=b) for n, (t, s, b) in enumerate(wishes)]
    room = Room(slots, Counter(flying))
    decisions = decide(candidates, room, NOW)
    assert Counter(d.candidate.sync_id for d in decisions) == Counter(c.sync_id for c in candidates)
    starts = [d.candidate for d in decisions if d.verdict is Verdict.BEGINS]
    assert not any(c.busy for c in starts)
    after = room.in_flight + Counter(c.tenant_id for c in starts)
    assert all(after[c.tenant_id] <= room.places_per_tenant for c in starts)
    assert after.total() <= max(slots * PLACES_PER_SLOT, room.in_flight.total())
    waiting = {d.candidate.tenant_id for d in decisions if d.verdict is Verdict.NO_ROOM}
    # Who waits while another begins had as many under way already, or the other is behind it in nothing.
    for tenant in waiting:
        assert all(after[tenant] >= after[c.tenant_id] - 1 for c in starts)
    assert all(d.due is None or d.due.at > NOW for d in decisions)


@settings(max_examples=6, deadline=None)
@given(st.integers(1, 4), st.lists(st.sampled_from((A, A, A, B, C)), min_size=1, max_size=25), st.randoms())
def test_over_an_hour_no_sync_runs_twice_at_once_and_every_one_runs(
    workers: int, tenants: list[UUID], chance: Random
) -> None:
    syncs = {UUID(int=n): tenant for n, tenant in enumerate(tenants)}
    due_at = dict.fromkeys(syncs, NOON)
    last = dict.fromkeys(syncs, NOON - timedelta(hours=1))
    ends: dict[UUID, tuple[datetime, datetime]] = {}
    began = Counter[UUID]()
    now = NOON
    while now < NOON + timedelta(hours=1):
        for sync in [sync for sync, (_, end) in ends.items() if end <= now]:
            started, _ = ends.pop(sync)
            due_at[sync] = next_due(PLAIN, started=started, now=now, idle_runs=0).at
        waiting = [
            due(syncs[s], 0, sync_id=s, due_at=at, busy=s in ends) for s, at in sorted(due_at.items()) if at <= now
        ]
        flying = Counter(syncs[sync] for sync in ends)
        for decision in decide(waiting, Room(4 * workers, flying), now):
            sync = decision.candidate.sync_id
            if decision.verdict is Verdict.BEGINS:
                assert sync not in ends, "two runs of one sync"
                assert now >= last[sync] + timedelta(seconds=PLAIN.interval_s), "from start to start"
                last[sync] = now
                ends[sync] = (now, now + timedelta(seconds=chance.choice((2, 30, 200))))
                began[sync] += 1
            if decision.due is not None:
                assert decision.due.at > now
                due_at[sync] = decision.due.at
        now += timedelta(seconds=5)
    assert all(began[sync] >= 3 for sync in syncs), began
