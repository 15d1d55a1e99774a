"""`adopt_on`, one-way: the first run takes what the target has already, and guesses nothing."""

from __future__ import annotations

import asyncio

from isthmus.sync.model import Path
from tests.integration.sync.test_two_way import Story, codes, written
from tests.support.two_orgs import KEY, SkippingLoop, TwoOrgs

TEXT = """
version: 1
name: x
steps:
  - object: Account
    fields: {Name: Name, Phone: Phone, Site: Site}
    adopt_on: Site
"""


def tell(story: Story) -> None:
    async def told() -> None:
        await story(await TwoOrgs.make(TEXT))

    with asyncio.Runner(loop_factory=SkippingLoop) as runner:
        runner.run(told())


def test_the_first_run_takes_existing_records_and_makes_no_duplicates() -> None:
    async def story(world: TwoOrgs) -> None:
        mine = world.left.insert("Account", {"Name": "Acme", "Site": "acme.example", "Phone": "1"})
        new = world.left.insert("Account", {"Name": "New", "Site": "new.example"})
        without = world.left.insert("Account", {"Name": "Without"})
        theirs = world.right.insert("Account", {"Name": "ACME Inc", "Site": " Acme.Example"})
        untouched = world.right.insert("Account", {"Name": "Without"})
        run = await world.cycle()
        assert codes(run) == {"ADOPTED": 1}
        rows = world.right.live("Account")
        assert (rows[theirs][KEY], rows[theirs]["Name"], rows[theirs]["Phone"]) == (mine, "Acme", "1")
        assert rows[untouched].get(KEY) is None
        assert {row.get(KEY) for row in rows.values()} == {mine, new, without, None}
        world.pass_time(3600)
        world.left.update("Account", mine, {"Phone": "2"})
        again = await world.cycle()
        assert world.right.live("Account")[theirs]["Phone"] == "2"
        assert (written(again), again.steps[0].path) == (1, Path.COLLECTIONS)

    tell(story)


def test_what_matches_several_times_on_either_side_is_counted_and_left_alone_until_it_is_clear() -> None:
    async def story(world: TwoOrgs) -> None:
        for name in ("One", "Two"):
            world.left.insert("Account", {"Name": name, "Site": "twice-here.example"})
            world.right.insert("Account", {"Name": name, "Site": "twice-there.example"})
        single = world.left.insert("Account", {"Name": "Single", "Site": "twice-there.example"})
        world.right.insert("Account", {"Name": "There", "Site": "twice-here.example"})
        run = await world.cycle()
        assert codes(run) == {"AMBIGUOUS_MATCH": 3}
        rows = world.right.live("Account")
        assert len(rows) == 3
        assert all(row.get(KEY) is None for row in rows.values())
        world.right.delete("Account", next(row_id for row_id, row in rows.items() if row["Name"] == "Two"))
        run = await world.cycle()  # the window with failed rows is read again
        assert codes(run) == {"ADOPTED": 1, "AMBIGUOUS_MATCH": 2}
        assert single in {row.get(KEY) for row in world.right.live("Account").values()}

    tell(story)


def test_a_first_run_that_was_cut_off_adopts_the_rest_and_nothing_twice() -> None:
    async def story(world: TwoOrgs) -> None:
        for n in range(5):
            world.left.insert("Account", {"Name": f"l{n}", "Site": f"{n}.example"})
            world.right.insert("Account", {"Name": f"r{n}", "Site": f"{n}.example"})
        for kill_at in range(4, 24, 3):
            await world.cycle(kill_at=kill_at)
        await world.cycle()
        rows = world.right.live("Account").values()
        assert sorted(str(row["Name"]) for row in rows) == [f"l{n}" for n in range(5)]
        assert len({row[KEY] for row in rows}) == 5

    tell(story)
