"""Deletions of parents both ways: no child goes along that lives on, and nobody's edit is lost by it."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from isthmus.sync.model import EndReason
from orgsim.store.merging import merge_rows
from orgsim.store.results import WriteContext
from orgsim.wire import Request, Response
from tests.integration.sync.test_two_way import between, codes, pair, written
from tests.support.two_orgs import KEY, Side, TwoOrgs

DELETES = "    deletes: {action: delete}\n"
CONTACT = "  - {object: Contact, fields: {LastName: LastName, AccountId: AccountId}, deletes: {action: delete}}\n"
BOTH = DELETES + CONTACT
Pair = tuple[str, str]


async def family(world: TwoOrgs) -> tuple[Pair, Pair]:
    """Let a person make an account with a contact on the left, carry both, and return the ids of each pair."""
    account = world.left.insert("Account", {"Name": "Acme"})
    contact = world.left.insert("Contact", {"LastName": "Ada", "AccountId": account})
    await settled(world)
    return (account, copy_of(world.right, "Account", account)), (contact, copy_of(world.right, "Contact", contact))


async def settled(world: TwoOrgs) -> None:
    """Run until what was done lies in no window any more."""
    for _ in range(3):
        await world.cycle()
        world.pass_time(600)


def copy_of(side: Side, name: str, origin: str) -> str:
    return next(row_id for row_id, row in side.live(name).items() if row.get(KEY) == origin)


def names(world: TwoOrgs, name: str, field: str) -> list[list[object]]:
    return [sorted(str(row[field]) for row in side.live(name).values()) for side in world.sides]


def test_an_edit_of_a_child_after_its_parent_was_deleted_keeps_both() -> None:
    async def story(world: TwoOrgs) -> None:
        (account, there), (_, child) = await family(world)
        world.left.delete("Account", account)
        world.pass_time(30)
        world.right.update("Contact", child, {"LastName": "Lovelace"})
        run = await world.cycle()
        assert codes(run)["KEPT_FOR_CHILD"] == 1
        assert world.right.live("Account").keys() == {there}
        assert world.right.live("Contact").keys() == {child}
        await settled(world)
        assert names(world, "Contact", "LastName") == [["Lovelace"]] * 2
        assert names(world, "Account", "Name") == [["Acme"]] * 2
        again = next(iter(world.left.live("Contact").values()))
        assert again["AccountId"] in world.left.live("Account")
        assert written(await world.cycle()) == 0

    between(story, more=BOTH)


def test_a_child_that_only_the_other_org_has_keeps_its_parent() -> None:
    async def story(world: TwoOrgs) -> None:
        (account, there), _ = await family(world)
        world.right.insert("Contact", {"LastName": "New", "AccountId": there})
        world.left.delete("Account", account)
        await settled(world)
        assert names(world, "Account", "Name") == [["Acme"]] * 2
        assert names(world, "Contact", "LastName") == [["New"]] * 2

    between(story, more=BOTH)


def test_children_that_nobody_touched_go_with_their_parent() -> None:
    async def story(world: TwoOrgs) -> None:
        (account, _), _ = await family(world)
        world.left.delete("Account", account)
        run = await world.cycle()
        assert codes(run) == {}
        assert [[len(side.live(name)) for side in world.sides] for name in ("Account", "Contact")] == [[0, 0]] * 2

    between(story, more=BOTH)


def test_a_merge_takes_no_child_along_in_the_other_org() -> None:
    async def story(world: TwoOrgs) -> None:
        (loser, _), (_, child) = await family(world)
        master = world.left.insert("Account", {"Name": "Acme Ltd"})
        await settled(world)
        world.right.update("Contact", child, {"Email": "kept@x.example"})  # no field of the sync
        await settled(world)
        person = WriteContext(world.left.person)
        merge_rows(world.left.org, "Account", master, [loser], values={}, ctx=person)
        run = await world.cycle()
        assert codes(run)["DELETION_WAITS"] == 1
        assert world.waiting
        await settled(world)
        assert names(world, "Account", "Name") == [["Acme Ltd"]] * 2
        assert world.right.live("Contact").keys() == {child}
        assert world.right.live("Contact")[child]["AccountId"] == copy_of(world.right, "Account", master)
        assert world.right.live("Contact")[child]["Email"] == "kept@x.example"
        assert not world.waiting

    between(story, more=BOTH)


def test_a_child_that_cannot_be_moved_keeps_its_parent() -> None:
    """The rule holds the pair, so the move of the child is not carried."""

    async def story(world: TwoOrgs) -> None:
        (loser, there), (here, child) = await family(world)
        master = world.left.insert("Account", {"Name": "Acme Ltd"})
        await settled(world)
        world.right.update("Contact", child, {"LastName": "Right"})
        world.left.update("Contact", here, {"LastName": "Left", "AccountId": master})
        world.left.delete("Account", loser)
        await world.cycle()
        assert there in world.right.live("Account")
        await settled(world)
        assert there in world.right.live("Account")
        assert world.right.live("Contact")[child]["LastName"] == "Right"
        assert world.left.live("Contact")[here]["LastName"] == "Left"

    between(story, rule="hold", more=BOTH)


def test_what_is_restored_without_a_trace_is_made_again_and_not_deleted_once_more() -> None:
    async def story(world: TwoOrgs) -> None:
        (account, _), _ = await family(world)
        world.left.org.settings.undelete_moves_stamp = False
        world.left.delete("Account", account)
        world.pass_time(60)
        await world.cycle()
        assert not world.right.live("Account")
        world.left.undelete("Account", account)
        await settled(world)
        assert names(world, "Account", "Name") == [["Acme"]] * 2

    between(story, more=BOTH)


@pytest.mark.parametrize("edited", [True, False])
def test_of_a_purged_record_the_list_of_deletions_still_tells_when(*, edited: bool) -> None:
    async def story(world: TwoOrgs) -> None:
        (account, there), _ = await family(world)
        world.left.delete("Account", account)
        world.left.org.forget("Account", account)
        world.pass_time(30)
        if edited:
            world.right.update("Account", there, {"Phone": "still needed"})
        await settled(world)
        assert names(world, "Account", "Name") == [["Acme"] if edited else []] * 2

    between(story, more=BOTH)


def test_an_edit_while_deletions_are_carried_is_seen_before_the_call_that_deletes() -> None:
    """What the first look has seen is looked at again; only the time of the last look and its call is left."""

    async def story(world: TwoOrgs) -> None:
        account = world.left.insert("Account", {"Name": "Acme"})
        await settled(world)
        there = copy_of(world.right, "Account", account)
        world.left.delete("Account", account)
        world.pass_time(30)
        answer, looks = world.right.emulator.answer, []

        def interfere(request: Request) -> Response:
            found = answer(request)
            if "/queryAll" in request.path and not looks:
                looks.append(request.path)
                world.right.update("Account", there, {"Phone": "still needed"})
            return found

        with patch.object(world.right.emulator, "answer", interfere):
            await world.cycle()
        assert looks
        assert world.right.live("Account")[there]["Phone"] == "still needed"
        await settled(world)
        assert [len(side.live("Account")) for side in world.sides] == [1, 1]

    between(story, more=DELETES)


def test_the_mark_comes_off_a_restored_record_whoever_wins() -> None:
    async def story(world: TwoOrgs) -> None:
        left, right = await pair(world)
        world.right.delete("Account", right)
        await settled(world)
        assert world.left.live("Account")[left]["IsGone__c"]
        world.left.update("Account", left, {"Phone": "1"})
        world.right.undelete("Account", right)
        await settled(world)
        rows = world.left.live("Account")[left], world.right.live("Account")[right]
        assert [row["IsGone__c"] for row in rows] == [False, False]
        assert [row["Phone"] for row in rows] == ["1", "1"]
        assert not world.waiting

    between(story, rule="source_wins", more="    deletes: {action: flag, field: IsGone__c}\n")


def test_a_list_of_deletions_that_does_not_go_back_far_enough_touches_nothing_in_either_org() -> None:
    async def story(world: TwoOrgs) -> None:
        (account, _), _ = await family(world)
        native = world.right.insert("Account", {"Name": "Native"})
        await settled(world)
        world.left.delete("Account", account)
        world.right.delete("Account", native)
        world.pass_time(16 * 24 * 3600)
        run = await world.cycle()
        assert run.end is EndReason.DELETES_UNPROVEN
        assert [len(side.live("Account")) for side in world.sides] == [1, 1]
        world.marks.clear()  # somebody activates the sync again
        world.seen.clear()
        await settled(world)
        assert names(world, "Account", "Name") == [["Native"], ["Acme"]]
        world.right.delete("Account", next(iter(world.right.live("Account"))))
        await settled(world)
        assert names(world, "Account", "Name") == [["Native"], []]

    between(story, more=BOTH)
