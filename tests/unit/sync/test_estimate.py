"""What a plan will cost, as a pure function of the plan and of the rows that each step finds."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from isthmus.sync.model import Budget, Plan, Step, StepKind
from isthmus.sync.planning.estimate import OrgUsage, estimate
from tests.unit.sync.test_plan import CRM

PLAN = CRM.plan("  - object: Account\n  - object: Contact\n").plan


def test_a_small_run_costs_a_call_for_each_page_and_lot() -> None:
    made = estimate(PLAN, [450, 10, 0])
    assert [(step.path, step.calls_source, step.calls_target) for step in made.steps] == [
        ("REST", 2, 3),
        ("REST", 2, 1),
        ("-", 1, 0),
    ]
    assert (made.rows, made.source.calls, made.target.calls) == (460, 5, 4)


def test_a_million_rows_by_bulk_stay_within_the_floor_of_the_reference() -> None:
    """sync.md 4.3: 60 to 150 calls over both orgs for a million rows."""
    plan = Plan(steps=(Step(kind=StepKind.LOAD, source="Account", target="Account", key="K"),))
    made = estimate(plan, [1_000_000])
    assert made.steps[0].path == "Bulk"
    assert 60 <= made.source.calls + made.target.calls <= 150
    assert 18 <= made.minutes <= 30


def test_the_share_of_the_day_counts_what_others_used_against_the_budget() -> None:
    usage = OrgUsage(used=7_990, allowed=10_000)
    made = estimate(PLAN, [450, 10, 0], (usage, usage))
    assert (made.source.percent_of_day, made.source.fits_budget) == (0.05, True)
    assert estimate(PLAN, [4_500, 10, 0], (usage, usage)).source.fits_budget is False
    tight = msgspec.structs.replace(PLAN, budget=Budget(run_percent=1))
    assert estimate(tight, [20_000, 10, 0], (OrgUsage(0, 100), None)).source.fits_budget is False
    assert made.target.used_today == 7_990
    assert estimate(PLAN, [1, 1, 1]).source.percent_of_day is None


def test_what_is_done_once_counts_too() -> None:
    plan = msgspec.structs.replace(PLAN, tracking=("Account", "Contact"))
    bare, whole = estimate(PLAN, [1, 1, 1]), estimate(plan, [1, 1, 1], describes=(2, 2))
    assert whole.source.calls - bare.source.calls == 2
    assert whole.target.calls - bare.target.calls == 12


def test_an_idle_schedule_asks_five_objects_in_one_call() -> None:
    assert estimate(PLAN, [0, 0, 0], interval_s=120).idle_calls_per_day == 720


def test_a_step_that_goes_backward_reads_the_target_and_writes_the_source() -> None:
    step = Step(kind=StepKind.LOAD, source="Account", target="Account", key="K")
    forth, back = (
        estimate(Plan(steps=(msgspec.structs.replace(step, backward=backward),)), [450]) for backward in (False, True)
    )
    assert (forth.source.calls, forth.target.calls) == (back.target.calls, back.source.calls) == (2, 3)


def test_each_kind_of_parent_is_an_upload_of_its_own_where_there_are_rows_enough() -> None:
    contact = PLAN.steps[1]
    assert contact.source == "Contact"
    one, two = (estimate(Plan(steps=(contact,)), [rows]).target.calls for rows in (2_000, 4_000))
    assert two > one + 4


@settings(deadline=None)
@given(st.lists(st.integers(0, 10**7), min_size=3, max_size=3))
def test_more_rows_never_cost_fewer_calls_on_the_same_path(rows: list[int]) -> None:
    made = estimate(PLAN, rows)
    assert made.rows == sum(rows)
    assert made.source.calls == sum(step.calls_source for step in made.steps)
    more = estimate(PLAN, [n + 1 if n else n for n in rows])
    same = [a.path == b.path for a, b in zip(made.steps, more.steps, strict=True)]
    assert not all(same) or more.source.calls >= made.source.calls
