"""Held conflicts with both sides shown, and decided by whoever looks: the mover's code between two emulated orgs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import pytest

from isthmus.sync.flow.shown import Decision, Decisions, Outcome, ShownPair, Side
from tests.support.pair_looks import Viewing, look
from tests.support.two_orgs import KEY, SkippingLoop, TwoOrgs

HEAD = "version: 1\nname: x\ndirection: two-way\nconflicts: hold\nsteps:\n"
ACCOUNT = "  - object: Account\n    fields: {Name: Name, Phone: Phone, Site: Site, ParentId: ParentId}\n"
Story = Callable[[TwoOrgs, str, str], Awaitable[None]]


def between(story: Story, *, ahead: int = 0, more: str = "") -> None:
    """Tell `story` between two orgs with one pair that a person has changed on both sides."""

    async def tell() -> None:
        world = await TwoOrgs.make(HEAD + ACCOUNT + more, ahead=timedelta(seconds=ahead))
        left = world.left.insert("Account", {"Name": "Acme", "Phone": "0", "Site": "same"})
        await world.cycle()
        right = next(row_id for row_id, row in world.right.live("Account").items() if row.get(KEY) == left)
        world.pass_time(60)
        world.left.update("Account", left, {"Phone": "left", "Name": "Acme left"})
        world.pass_time(30)
        world.right.update("Account", right, {"Phone": "right", "Name": "Acme right"})
        await world.cycle()
        assert len(world.waiting) == 2
        world.pass_time(10)
        await story(world, left, right)

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        runner.run(tell())


def saying(winner: Side, **fields: Side) -> Callable[[Sequence[ShownPair]], Decisions]:
    return lambda pairs: Decisions(tuple(Decision(pair.number, winner, fields) for pair in pairs), done=True)


def values(world: TwoOrgs, left: str, right: str) -> list[tuple[object, object]]:
    rows = (world.left.live("Account")[left], world.right.live("Account")[right])
    return [(row.get("Name"), row.get("Phone")) for row in rows]


LEFT, RIGHT = ("Acme left", "left"), ("Acme right", "right")


@pytest.mark.parametrize("window", [0, 1])
def test_both_records_are_shown_field_by_field_in_the_words_of_the_sync(window: int) -> None:
    async def story(world: TwoOrgs, left: str, right: str) -> None:
        written = [side.requests for side in world.sides]
        seen = await look(world, window=window)
        (pair,) = seen.pairs
        fields = {field.source: (field.source_value, field.target_value, field.differs) for field in pair.fields}
        assert fields["Phone"] == ("left", "right", True)
        assert fields["Name"] == ("Acme left", "Acme right", True)
        assert fields["Site"] == ("same", "same", False)
        assert [field.differs for field in pair.fields][:2] == [True, True]
        assert (pair.source_change.ours, pair.target_change.ours) == (False, False)
        apart = pair.target_change.at - pair.source_change.at
        assert apart == timedelta(seconds=30 + 300)  # each by its own org's clock
        assert (seen.rows, seen.end and seen.end.rows_failed) == ([], 1)
        assert values(world, left, right) == [LEFT, RIGHT]
        assert all(b"Acme" not in message and left.encode() not in message for message in seen.raw)
        assert [side.requests > before for side, before in zip(world.sides, written, strict=True)] == [True, True]

    between(story, ahead=300)


@pytest.mark.parametrize("window", [0, 1])
@pytest.mark.parametrize(("winner", "stays"), [(Side.SOURCE, LEFT), (Side.TARGET, RIGHT)])
def test_a_decision_is_written_at_once_and_settles_the_conflict(winner: Side, stays: object, window: int) -> None:
    async def story(world: TwoOrgs, left: str, right: str) -> None:
        seen = await look(world, saying(winner), window=window)
        assert [each.outcome for each in seen.results] == [Outcome.WRITTEN]
        assert values(world, left, right) == [stays, stays]
        await world.cycle()
        assert world.waiting == []
        assert {len(side.live("Account")) for side in world.sides} == {1}

    between(story)


@pytest.mark.parametrize("window", [0, 1])
def test_a_decision_may_be_made_field_by_field(window: int) -> None:
    async def story(world: TwoOrgs, left: str, right: str) -> None:
        seen = await look(world, saying(Side.SOURCE, Phone=Side.TARGET), window=window)
        assert [each.outcome for each in seen.results] == [Outcome.WRITTEN]
        for _ in range(2):
            assert values(world, left, right) == [("Acme left", "right")] * 2
            await world.cycle()
        assert world.waiting == []

    between(story)


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("winner", list(Side))
def test_what_was_changed_since_it_was_shown_is_not_overwritten(winner: Side, side: int) -> None:
    async def story(world: TwoOrgs, left: str, right: str) -> None:
        def meanwhile(pairs: Sequence[ShownPair]) -> Decisions:
            world.sides[side].update("Account", (left, right)[side], {"Site": "changed meanwhile"})
            return saying(winner)(pairs)

        seen = await look(world, meanwhile)
        assert [each.outcome for each in seen.results] == [Outcome.CHANGED]
        assert values(world, left, right) == [LEFT, RIGHT]
        await world.cycle()
        assert world.waiting  # held again

    between(story)


@pytest.mark.parametrize("honoured", [True, False])
@pytest.mark.parametrize("winner", list(Side))
def test_an_edit_between_reading_and_writing_is_kept_by_the_condition(winner: Side, *, honoured: bool) -> None:
    """The loser is edited when both have been read again: only its org can notice. One that does not loses the edit."""

    async def story(world: TwoOrgs, left: str, right: str) -> None:
        side, row = (world.right, right) if winner is Side.SOURCE else (world.left, left)

        def late(headers: dict[str, str]) -> None:
            if "if-unmodified-since" in headers:
                world.pass_time(5)
                side.update("Account", row, {"Phone": "edited in between"})
                if not honoured:
                    del headers["if-unmodified-since"]

        world.before = late
        seen = await look(world, saying(winner))
        assert [each.outcome for each in seen.results] == [Outcome.CHANGED if honoured else Outcome.WRITTEN]
        assert (side.live("Account")[row]["Phone"] == "edited in between") is honoured

    between(story)


def test_a_record_deleted_since_is_not_made_again_and_a_pair_that_was_not_shown_cannot_be_decided() -> None:
    async def story(world: TwoOrgs, left: str, right: str) -> None:
        def meanwhile(pairs: Sequence[ShownPair]) -> Decisions:
            world.right.delete("Account", right)
            decisions = [Decision(number, Side.SOURCE) for number in (pairs[0].number, 0, 2, -1)]
            return Decisions(tuple(decisions), done=True)

        seen = await look(world, meanwhile)
        assert [each.outcome for each in seen.results] == [Outcome.CHANGED, *[Outcome.UNDECIDABLE] * 3]
        assert world.right.live("Account") == {}

    between(story)


def test_a_lookup_in_conflict_is_shown_and_decided_by_the_parents_keys() -> None:
    async def story(world: TwoOrgs, left: str, right: str) -> None:
        native = world.left.insert("Account", {"Name": "Parent of the left"})
        foreign = world.right.insert("Account", {"Name": "Parent of the right"})
        await world.cycle()
        world.left.update("Account", left, {"ParentId": native})
        world.right.update("Account", right, {"ParentId": foreign})
        await world.cycle()
        held = next(n for n, (_, window, _, _) in enumerate(world.waiting) if window is world.waiting[-1][1])
        seen = await look(world, saying(Side.TARGET), window=held)
        assert [each.outcome for each in seen.results] == [Outcome.WRITTEN]
        row = world.left.live("Account")[left]
        assert world.left.live("Account")[str(row["ParentId"])]["Name"] == "Parent of the right"

    between(story)


def test_other_failing_rows_of_a_pair_are_tried_and_shown_with_the_org_s_words() -> None:
    async def story(world: TwoOrgs, left: str, right: str) -> None:
        seen: Viewing = await look(world, reads_only=False)
        assert len(seen.pairs) == 1
        assert seen.rows == []

    between(story)
