"""Every guard of two-way syncs can fail: with its fault planted, a story or a scene breaks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.integration.sync import test_two_way as scenes
from tests.integration.sync import test_two_way_deletions as deletions
from tests.support.two_orgs import SkippingLoop
from tests.support.two_way_model import tell
from tests.support.two_way_plants import PLANTS


def story(seed: int) -> Callable[[], None]:
    def told() -> None:
        with asyncio.Runner(loop_factory=SkippingLoop) as runner:
            runner.run(tell(seed))

    return told


def conflict() -> None:
    scenes.test_a_conflict_goes_by_the_rule_and_is_counted_once("newest_wins", left_first=False, stays="left")


NOTICED_BY: dict[str, Callable[[], None]] = {
    "nobody_is_us": story(3),
    "everything_differs": story(0),
    "watermark_too_far": story(0),
    "nothing_is_uncarried": story(3),
    "ours_is_carried_back": deletions.test_what_is_restored_without_a_trace_is_made_again_and_not_deleted_once_more,
    "bereft_are_forgotten": deletions.test_an_edit_of_a_child_after_its_parent_was_deleted_keeps_both,
    "children_are_not_looked_at": deletions.test_a_merge_takes_no_child_along_in_the_other_org,
    "bin_is_not_looked_at": lambda: scenes.test_what_was_deleted_in_one_org_is_never_made_again_by_the_other("ignore"),
    "copies_are_natives": scenes.test_a_record_of_either_org_is_kept_by_its_own_id_and_changes_go_to_the_other_side,
    "parents_by_key_only": scenes.test_a_record_of_either_org_is_kept_by_its_own_id_and_changes_go_to_the_other_side,
    "clocks_are_one": conflict,
    "deletion_always_wins": scenes.test_what_is_changed_after_its_counterpart_was_deleted_lives_in_both_orgs_again,
    "newest_is_oldest": conflict,
}


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_fault_is_noticed(name: str) -> None:
    with PLANTS[name](), pytest.raises(Exception):  # noqa: B017 - whichever demand it breaks
        NOTICED_BY[name]()
