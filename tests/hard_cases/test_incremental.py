"""Hard cases 46 to 53: no change is missed, whatever its stamp says, and none is made up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from isthmus.salesforce.routes import ROUTES
from isthmus.sync.flow.job import SOURCE
from isthmus.sync.model import Drawn
from tests.support.engine import BULK, REST, Engine, MovedClock

BOTH = pytest.mark.parametrize("rows_min", [REST, BULK], ids=["REST", "Bulk"])
KEY = "SwiftPort_Source_Id__c"
ACCOUNTS = "version: 1\nname: a\nsteps: [{object: Account, fields: {Name: Name, Site: Site}}]\n"


def one(name: str, more: str = "") -> str:
    return f"version: 1\nname: o\nsteps: [{{object: {name}{more}}}]\n"


def names(engine: Engine) -> list[str]:
    return sorted(row["Name"] for row in engine.target.rows("Account"))


async def test_case_46_changes_are_told_by_the_best_stamp_that_an_object_has(engine: Engine) -> None:
    for name, stamp in (("Odd__c", "SystemModstamp"), ("Old__c", "LastModifiedDate")):
        drawn = await engine.drawn(one(name))
        assert isinstance(drawn, Drawn)
        assert drawn.plan.steps[0].stamp == stamp
    assert (await engine.codes(one("Old__c")))["stamp_misses_changes"] == "warning"
    assert (await engine.codes(one("Lost__c")))["source_not_queryable"] == "error"
    row_id = engine.source.add_rows("Old__c", [{"Name": "A"}])[0]
    standing = await engine.standing(one("Old__c"))
    assert (await engine.again(standing)).ok
    engine.later(7200)
    await engine.again(standing)
    engine.later(120)
    assert (await engine.again(standing)).steps[0].rows_read == 0
    engine.source.control("PATCH", f"/rows/Old__c/{row_id}", {"Name": "B"})
    assert (await engine.again(standing)).steps[0].rows_read == 1
    assert [row["Name"] for row in engine.target.rows("Old__c")] == ["B"]


@BOTH
@pytest.mark.parametrize("busy", [True, False], ids=["others change", "idle"])
async def test_case_47_a_row_that_is_committed_after_its_stamp_was_read_past_arrives(
    engine: Engine, rows_min: int, busy: bool
) -> None:
    standing = await engine.standing(ACCOUNTS)
    assert (await engine.again(standing, rows_min)).ok
    engine.later(3600)
    transaction = engine.source.control("POST", "/transactions", {})["id"]
    engine.source.control("POST", f"/transactions/{transaction}/rows/Account", [{"Name": "late"}])
    engine.later(1500)
    if busy:
        engine.source.add_rows("Account", [{"Name": "early"}])
    for _ in range(2):
        assert (await engine.again(standing, rows_min)).ok
        engine.later(600)
    engine.source.control("POST", f"/transactions/{transaction}/commit")
    assert (await engine.again(standing, rows_min)).ok
    assert names(engine) == (["early", "late"] if busy else ["late"])


@BOTH
async def test_case_48_rows_of_one_stamp_are_all_read_across_pages_and_windows(engine: Engine, rows_min: int) -> None:
    sizes = {"query_page_rows": 200, "bulk_query_page_rows": 100}
    engine.source.control("POST", "/settings", sizes)
    standing = await engine.standing(ACCOUNTS)
    assert (await engine.again(standing, rows_min)).ok
    engine.later(120)
    engine.source.control("POST", "/clock", {"freeze": True})
    stamped: list[dict[str, Any]] = [{"Name": f"N {n}"} for n in range(450)]
    ids = engine.source.add_rows("Account", stamped[:420])
    assert len({row["SystemModstamp"] for row in engine.source.rows("Account")}) == 1
    assert (await engine.again(standing, rows_min)).steps[0].rows_read == 420
    ids += engine.source.add_rows("Account", stamped[420:])  # the same stamp, after the window was read
    assert (await engine.again(standing, rows_min)).ok
    assert {row[KEY] for row in engine.target.rows("Account")} == set(ids)


@pytest.mark.parametrize("skew_s", [-7200, -60, 60, 7200], ids=["2 h behind", "behind", "ahead", "2 h ahead"])
async def test_case_49_windows_follow_the_sources_clock_and_not_ours(engine: Engine, skew_s: int) -> None:
    assert isinstance(engine.clock, MovedClock)
    engine.clock.ahead_s = skew_s
    ids = engine.source.add_rows("Account", [{"Name": "first"}])
    standing = await engine.standing(ACCOUNTS)
    for n in range(4):
        ran = await engine.again(standing)
        assert ran.ok, ran.run.end
        assert {row[KEY] for row in engine.target.rows("Account")} == set(ids)
        engine.later(120)
        ids += engine.source.add_rows("Account", [{"Name": f"change {n}"}])
    bounds = [sent.target for sent in engine.sent[SOURCE] if sent.route == "updated"]
    assert bounds, "each window with rows is bounded by the org's own word"


async def test_case_49_bounds_of_the_list_of_changes_are_what_an_org_takes(engine: Engine) -> None:
    """getUpdated ignores seconds, wants start < end, and goes back 30 days: none of these ends a run."""
    ids = engine.source.add_rows("Account", [{"Name": "A"}])
    standing = await engine.standing(ACCOUNTS)
    for seconds in (0, 1, 59, 40 * 24 * 3600):
        engine.later(seconds)
        ids += engine.source.add_rows("Account", [{"Name": f"after {seconds}"}])
        ran = await engine.again(standing)
        assert ran.ok, ran.run.end
    assert {row[KEY] for row in engine.target.rows("Account")} == set(ids)
    engine.fault(engine.source, path="/updated", status=400, body=[{"errorCode": "EXCEEDED_ID_LIMIT", "message": "x"}])
    ids += engine.source.add_rows("Account", [{"Name": "last"}])
    before = standing.marks[0]
    assert (await engine.again(standing)).ok
    assert standing.marks[0] >= before
    assert {row[KEY] for row in engine.target.rows("Account")} == set(ids)


async def test_case_50_formulas_are_named_because_their_changes_move_no_stamp(engine: Engine) -> None:
    text = one("Odd__c", ", fields: {Name: Name, Shown__c: Sum__c}")
    assert (await engine.codes(text))["formula_source"] == "hint"
    row_id = engine.source.add_rows("Odd__c", [{"Name": "A", "Sum__c": 1}])[0]
    standing = await engine.standing(text)
    assert (await engine.again(standing)).ok
    stamp = engine.source.rows("Odd__c")[0]["SystemModstamp"]
    for _ in range(2):
        engine.later(7200)
        assert (await engine.again(standing)).ok
    engine.source.control("PATCH", f"/rows/Odd__c/{row_id}", {"Sum__c": 2, "SystemModstamp": stamp})
    assert (await engine.again(standing)).steps[0].rows_read == 0, "as the org says: nothing was changed"
    assert (await engine.copy(text)).ok
    assert [row["Shown__c"] for row in engine.target.rows("Odd__c")] == ["2"], "a new first load brings it"


async def test_case_51_a_record_that_leaves_the_filter_stays_in_the_target_as_it_was(engine: Engine) -> None:
    """By decision: the filter says what is carried, not what may exist. `deletes` speaks of deletions only."""
    row_id = engine.source.add_rows("Account", [{"Name": "A", "Site": "in"}])[0]
    standing = await engine.standing(one("Account", ", where: \"Site = 'in'\", deletes: {action: delete}"))
    assert (await engine.again(standing)).ok
    engine.source.control("PATCH", f"/rows/Account/{row_id}", {"Site": "out", "Name": "B"})
    engine.later(120)
    assert (await engine.again(standing)).ok
    assert [(row["Name"], row["Site"]) for row in engine.target.rows("Account")] == [("A", "in")]
    engine.source.control("PATCH", f"/rows/Account/{row_id}", {"Site": "in"})
    assert (await engine.again(standing)).ok
    assert names(engine) == ["B"]


async def test_case_52_change_events_are_not_used_so_a_burst_or_a_gap_of_them_loses_nothing(engine: Engine) -> None:
    """By design: no event is subscribed to; every change is found by its stamp, however many there are at once."""
    assert not [route for route in ROUTES.values() if "cometd" in route.path or "event" in route.path.lower()]
    standing = await engine.standing(ACCOUNTS)
    assert (await engine.again(standing)).ok
    ids = engine.source.add_rows("Account", [{"Name": f"N {n}"} for n in range(3000)])
    assert (await engine.again(standing, 2000)).ok
    assert {row[KEY] for row in engine.target.rows("Account")} == set(ids)


async def test_case_53_a_record_that_is_hidden_from_our_user_is_not_taken_for_deleted(engine: Engine) -> None:
    other = next(user["Id"] for user in engine.source.rows("User") if user["Username"] != engine.source.username)
    ids = engine.source.add_rows("Account", [{"Name": "seen"}, {"Name": "hidden"}])
    standing = await engine.standing(one("Account", ", fields: {Name: Name}, deletes: {action: delete}"))
    assert (await engine.again(standing)).ok
    reader = engine.source.ready["reader_username"]
    engine.source.control("PATCH", f"/rows/Account/{ids[1]}", {"OwnerId": other})
    engine.source.control("POST", "/settings", {"sharing": {"Account": "Private"}})
    engine.source.control("POST", f"/users/{reader}/token")
    engine.later(120)
    assert (await _as(engine, reader).again(standing)).ok
    assert names(engine) == ["hidden", "seen"]


def _as(engine: Engine, username: str) -> Engine:
    """The same engine, with another user of the source."""
    token = engine.source.control("POST", f"/users/{username}/token")["access_token"]
    pair = replace(engine.pair, source=replace(engine.source, access_token=token))
    leases = {side: each for side, each in engine.leases.items() if side != SOURCE}
    return Engine(pair, leases, engine.clock, engine.sent)
