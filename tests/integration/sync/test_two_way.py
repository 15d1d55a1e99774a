"""Two-way syncs one rule at a time: the real pump and client between two emulated orgs in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import pytest

from isthmus.sync.looping import ECHO_RUNS_MAX, echoed
from isthmus.sync.model import Path
from isthmus.sync.run import Run
from orgsim.store.rules import Trigger
from tests.support.two_orgs import KEY, Side, SkippingLoop, TwoOrgs

HEAD = "version: 1\nname: x\ndirection: two-way\nconflicts: {rule}\nsteps:\n"
ACCOUNT = "  - object: Account\n    fields: {Name: Name, Phone: Phone, Site: Site, ParentId: ParentId}\n"
Story = Callable[[TwoOrgs], Awaitable[None]]


def between(story: Story, *, rule: str = "newest_wins", more: str = "", ahead: int = 0) -> None:
    """Tell `story` between two orgs, the right one's clock `ahead` seconds ahead."""

    async def tell() -> None:
        text = HEAD.replace("{rule}", rule) + ACCOUNT + more
        await story(await TwoOrgs.make(text, ahead=timedelta(seconds=ahead)))

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        runner.run(tell())


def codes(run: Run) -> dict[str, int]:
    found: dict[str, int] = {}
    for (_, code, _), rows in run.outcomes.items():
        found[code.name] = found.get(code.name, 0) + rows
    return found


def written(run: Run) -> int:
    return sum(step.rows_written for step in run.steps)


def phones(world: TwoOrgs) -> list[list[object]]:
    return [[row.get("Phone") for row in side.live("Account").values()] for side in world.sides]


async def pair(world: TwoOrgs, values: Mapping[str, object] | None = None) -> tuple[str, str]:
    """Let a person make an account on the left, carry it, and return both ids."""
    left = world.left.insert("Account", {"Name": "Acme", "Phone": "0", **(values or {})})
    await world.cycle()
    right = next(row_id for row_id, row in world.right.live("Account").items() if row.get(KEY) == left)
    world.pass_time(60)
    return left, right


def test_a_record_of_either_org_is_kept_by_its_own_id_and_changes_go_to_the_other_side() -> None:
    async def story(world: TwoOrgs) -> None:
        left, right = await pair(world)
        native = world.right.insert("Account", {"Name": "Native", "ParentId": right})
        await world.cycle()
        copy = next(row for row in world.left.live("Account").values() if row.get(KEY) == native)
        assert copy["ParentId"] == left
        world.right.update("Account", right, {"Phone": "from the right"})
        world.left.update("Account", str(copy["Id"]), {"Phone": "from the left"})
        await world.cycle()
        assert world.left.live("Account")[left]["Phone"] == "from the right"
        assert world.right.live("Account")[native]["Phone"] == "from the left"
        assert [written(await world.cycle()) for _ in range(3)] == [0, 0, 0]
        assert world.left.org.row("Account", left) is not None
        assert {len(side.live("Account")) for side in world.sides} == {2}

    between(story)


@pytest.mark.parametrize(
    ("rule", "left_first", "stays"),
    [
        ("newest_wins", True, "right"),
        ("newest_wins", False, "left"),
        ("source_wins", True, "left"),
        ("target_wins", False, "right"),
    ],
)
def test_a_conflict_goes_by_the_rule_and_is_counted_once(rule: str, *, left_first: bool, stays: str) -> None:
    async def story(world: TwoOrgs) -> None:
        left, right = await pair(world)
        acts = [(world.left, left, "left"), (world.right, right, "right")]
        for side, row_id, value in acts if left_first else reversed(acts):
            side.update("Account", row_id, {"Phone": value})
            world.pass_time(10)
        run = await world.cycle()
        assert codes(run) == {"CONFLICT_DECIDED": 1}
        assert phones(world) == [[stays], [stays]]
        assert [written(await world.cycle()) for _ in range(2)] == [0, 0]

    for ahead in (0, 300):  # a clock that is ahead does not make its org the newer one
        between(story, rule=rule, ahead=ahead)


def test_fields_may_have_rules_of_their_own() -> None:
    async def story(world: TwoOrgs) -> None:
        left, right = await pair(world)
        world.left.update("Account", left, {"Phone": "left", "Site": "left", "Name": "left"})
        world.right.update("Account", right, {"Phone": "right", "Site": "right", "Name": "right"})
        for _ in range(2):
            await world.cycle()
        for side in world.sides:
            (row,) = side.live("Account").values()
            assert (row["Phone"], row["Site"], row["Name"]) == ("left", "right", "right")

    between(story, rule="target_wins", more="    conflicts: {Phone: source_wins}\n")


def test_a_killed_run_does_not_undo_half_of_a_joined_record() -> None:
    """The first write joins the left's part into the right; whenever the mover dies, the right's part is kept."""

    async def story(world: TwoOrgs) -> None:
        left, right = await pair(world)
        world.left.update("Account", left, {"Phone": "left", "Site": "left"})
        world.right.update("Account", right, {"Phone": "right", "Site": "right"})
        for kill_at in range(8, 60, 2):
            await world.cycle(kill_at=kill_at)
        for _ in range(3):
            await world.cycle()
        for side in world.sides:
            (row,) = side.live("Account").values()
            assert (row["Phone"], row["Site"]) == ("left", "right")

    between(story, rule="target_wins", more="    conflicts: {Phone: source_wins}\n")


def test_a_held_conflict_overwrites_nobody_until_a_person_decides_or_makes_them_alike() -> None:
    async def story(world: TwoOrgs) -> None:
        left, right = await pair(world)
        other, _ = await pair(world, {"Name": "Other"})
        world.left.update("Account", left, {"Phone": "left"})
        world.right.update("Account", right, {"Phone": "right"})
        for _ in range(3):
            run = await world.cycle()
            assert codes(run) == {"CONFLICT_HELD": 2}  # each direction holds it
            assert {row_id: row["Phone"] for row_id, row in world.left.live("Account").items()}[left] == "left"
            assert world.right.live("Account")[right]["Phone"] == "right"
        world.left.update("Account", other, {"Phone": "goes on"})
        await world.cycle()
        assert "goes on" in phones(world)[1]
        world.right.update("Account", right, {"Phone": "left"})
        await world.cycle()
        assert codes(await world.cycle()) == {}
        assert not world.waiting

    between(story, rule="hold")


@pytest.mark.parametrize(("winner", "stays"), [(0, "left"), (1, "right")])
def test_a_person_decides_what_is_held_for_one_side(winner: int, stays: str) -> None:
    async def story(world: TwoOrgs) -> None:
        left, right = await pair(world)
        world.left.update("Account", left, {"Phone": "left"})
        world.right.update("Account", right, {"Phone": "right"})
        await world.cycle()
        await world.cycle(winner=winner)
        assert phones(world) == [[stays], [stays]]
        assert codes(await world.cycle()) == {}

    between(story, rule="hold")


def test_what_somebody_edits_while_earlier_rows_of_a_page_are_written_is_seen() -> None:
    """One call writes 200 records: none of them is looked at before the call before it has come back."""

    async def story(world: TwoOrgs) -> None:
        for number in range(201):
            world.left.insert("Account", {"Name": f"Acme {number}"})
        await world.cycle()
        copies = {str(row[KEY]): row_id for row_id, row in world.right.live("Account").items()}
        lefts = sorted(copies)
        for row_id in lefts:
            world.left.update("Account", row_id, {"Phone": "left"})
        edited: list[str] = []

        def edit(_headers: dict[str, str]) -> None:
            first = world.right.live("Account")[copies[lefts[0]]]
            if not edited and first.get("Phone") == "left":
                edited.append(copies[lefts[-1]])
                world.pass_time(10)
                world.right.update("Account", edited[0], {"Phone": "right"})

        world.before = edit
        await world.cycle()
        assert edited
        await world.cycle()
        for side, row_id in zip(world.sides, (lefts[-1], copies[lefts[-1]]), strict=True):
            assert side.live("Account")[row_id]["Phone"] == "right"

    between(story)


def test_a_change_by_our_own_user_is_a_change_all_the_same() -> None:
    async def story(world: TwoOrgs) -> None:
        left, _ = await pair(world)
        world.left.update("Account", left, {"Phone": "by us"}, by=world.left.ours)
        await world.cycle()
        assert phones(world) == [["by us"], ["by us"]]
        assert [written(await world.cycle()) for _ in range(2)] == [0, 0]

    between(story)


def test_a_value_that_automation_makes_of_ours_comes_back_and_stays() -> None:
    async def story(world: TwoOrgs) -> None:
        _rule(world.right, {"Site": "by automation"})
        await pair(world)
        for _ in range(2):
            await world.cycle()
        assert [row["Site"] for side in world.sides for row in side.live("Account").values()] == ["by automation"] * 2
        assert [written(await world.cycle()) for _ in range(2)] == [0, 0]

    between(story)


def test_two_orgs_whose_automation_answers_each_other_are_stopped_after_some_runs() -> None:
    async def story(world: TwoOrgs) -> None:
        _rule(world.left, {"Site": "left"})
        _rule(world.right, {"Site": "right"})
        await pair(world)
        in_a_row = 0
        for _ in range(ECHO_RUNS_MAX + 2):
            found = echoed(await world.cycle())
            in_a_row = in_a_row if found is None else in_a_row + 1 if found else 0
        assert in_a_row >= ECHO_RUNS_MAX  # the worker pauses the sync at that count: see test_two_way_worker

    between(story)


def _rule(side: Side, values: dict[str, str | int | float | bool | None]) -> None:
    """Let automation of an org set fields of every account, as the user who wrote it."""
    side.org.rules.add(side.org, [Trigger(object="Account", set=values, timing="after")])


@pytest.mark.parametrize("deletes", ["ignore", "flag", "delete"])
def test_what_was_deleted_in_one_org_is_never_made_again_by_the_other(deletes: str) -> None:
    rule = {"ignore": "ignore", "flag": "{action: flag, field: IsGone__c}", "delete": "{action: delete}"}[deletes]
    more = "" if deletes == "ignore" else f"    deletes: {rule}\n"

    async def story(world: TwoOrgs) -> None:
        left, right = await pair(world)
        native = world.right.insert("Account", {"Name": "Native"})
        await world.cycle()
        copy = next(str(row["Id"]) for row in world.left.live("Account").values() if row.get(KEY) == native)
        world.pass_time(60)
        world.left.delete("Account", left)
        world.left.delete("Account", copy)
        for _ in range(3):
            await world.cycle()
        assert not world.left.live("Account")
        gone = {"ignore": 2, "flag": 2, "delete": 0}[deletes]
        assert len(world.right.live("Account")) == gone
        if deletes == "flag":
            assert all(row["IsGone__c"] for row in world.right.live("Account").values())
        if deletes != "delete":
            world.right.update("Account", right, {"Phone": "still edited"})
            run = await world.cycle()
            assert codes(run) == {"COUNTERPART_DELETED": 1}
            assert not world.left.live("Account")

    between(story, more=more)


def test_more_deletions_than_the_ceiling_touch_nothing_in_either_direction() -> None:
    async def story(world: TwoOrgs) -> None:
        made = [await pair(world, {"Name": f"n{n}"}) for n in range(3)]
        for _, right in made:
            world.right.delete("Account", right)
        run = await world.cycle()
        assert run.end is not None
        assert run.end.name == "DELETES_ABOVE_CEILING"
        assert len(world.left.live("Account")) == 3

    between(story, more="    deletes: {action: delete, ceiling: 2}\n")


def test_what_is_changed_after_its_counterpart_was_deleted_lives_in_both_orgs_again() -> None:
    async def story(world: TwoOrgs) -> None:
        left, right = await pair(world)
        world.right.delete("Account", right)
        world.pass_time(30)
        world.left.update("Account", left, {"Phone": "still needed"})
        await world.cycle()
        assert phones(world) == [["still needed"], ["still needed"]]
        assert [written(await world.cycle()) for _ in range(2)] == [0, 0]

    between(story, more="    deletes: {action: delete}\n")


def test_the_first_run_adopts_what_both_orgs_have_already() -> None:
    async def story(world: TwoOrgs) -> None:
        same = world.left.insert("Account", {"Name": "Left", "Site": "acme.example", "Phone": "1"})
        there = world.right.insert("Account", {"Name": "Right", "Site": "ACME.example"})
        twice = [world.left.insert("Account", {"Name": f"Twice {n}", "Site": "twice.example"}) for n in range(2)]
        world.right.insert("Account", {"Name": "Twice", "Site": "twice.example"})
        world.right.insert("Account", {"Name": "Alone"})
        world.pass_time(30)
        world.left.update("Account", same, {"Name": "Newest"})
        run = await world.cycle()
        assert codes(run) == {"ADOPTED": 1, "CONFLICT_DECIDED": 1, "AMBIGUOUS_MATCH": 3}
        adopted = world.right.live("Account")[there]
        assert (adopted[KEY], adopted["Name"], adopted["Phone"]) == (same, "Newest", "1")
        assert not any(row.get(KEY) in twice for row in world.right.live("Account").values())
        assert {row["Name"] for row in world.left.live("Account").values()} >= {"Alone", "Twice 0", "Twice 1"}
        assert len(world.left.live("Account")) == 4
        assert len(world.right.live("Account")) == 3

    between(story, more="    adopt_on: Site\n")


def test_a_first_load_of_many_rows_goes_by_bulk_and_later_runs_find_its_pairs() -> None:
    async def story(world: TwoOrgs) -> None:
        world.bulk_rows_min = 10
        left = [world.left.insert("Account", {"Name": f"l{n}"}) for n in range(60)]
        for n in range(60):
            world.right.insert("Account", {"Name": f"r{n}"})
        world.pass_time(5)
        run = await world.cycle()
        loads = [step.path for step in run.steps if step.rows_expected >= 60]
        # These clocks stand still, so the way back sees the copies that were just made, and looks at its pairs.
        assert loads == [Path.BULK, Path.COLLECTIONS]
        assert [len(side.live("Account")) for side in world.sides] == [120, 120]
        world.left.update("Account", left[0], {"Phone": "changed"})
        await world.cycle()
        assert phones(world)[1].count("changed") == 1
        assert [written(await world.cycle()) for _ in range(2)] == [0, 0]

    between(story)
