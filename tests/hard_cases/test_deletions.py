"""Deletions in full: ceilings, marks, vanished records, restorations, dry runs, and orgs that answer otherwise."""

from __future__ import annotations

import time
from contextlib import suppress
from urllib.error import HTTPError

import pytest

from isthmus.sync.flow.job import SOURCE, TARGET
from isthmus.sync.model import EndReason
from tests.support.engine import Engine, Standing

KEY = "SwiftPort_Source_Id__c"
DELETE = "{action: delete}"
FLAG = "{action: flag, field: Gone__c}"
LAST_SECOND = 59.1


def text(rule: str, name: str = "Account") -> str:
    return f"version: 1\nname: d\nsteps: [{{object: {name}, fields: {{Name: Name}}, deletes: {rule}}}]\n"


async def begun(engine: Engine, rule: str, count: int = 4, name: str = "Account") -> tuple[Standing, list[str]]:
    """Copy some records once, so that deletions count from here on."""
    if "flag" in rule:
        with suppress(HTTPError):  # it may be there already
            engine.field(engine.target, f"{name}.Gone__c", "Checkbox")
    ids = engine.source.add_rows(name, [{"Name": f"N {n}"} for n in range(count)])
    standing = await engine.standing(text(rule, name))
    assert (await engine.again(standing)).ok
    return standing, ids


def alone(engine: Engine) -> None:
    """Let the source refuse questions that are asked together, so that each is asked by itself."""
    body = [{"errorCode": "INVALID_OPERATION", "message": "no"}]
    engine.fault(engine.source, path="/composite$", status=400, body=body)


def drop(engine: Engine, ids: list[str], name: str = "Account") -> None:
    for row_id in ids:
        engine.source.control("DELETE", f"/rows/{name}/{row_id}")


def left(engine: Engine) -> set[str]:
    return {row[KEY] for row in engine.target.rows("Account")}


@pytest.mark.parametrize("rule", ["{action: delete, ceiling: 2}", "{action: flag, field: Gone__c, ceiling: 2}"])
async def test_above_the_ceiling_no_record_is_touched_and_the_run_says_so(engine: Engine, rule: str) -> None:
    standing, ids = await begun(engine, rule)
    drop(engine, ids[:2])
    assert (await engine.again(standing)).ok
    drop(engine, ids[2:])
    engine.later(120)
    fine = await engine.again(standing)
    assert (fine.ok, fine.run.end) == (True, EndReason.FINISHED), "two more are below it"
    standing, ids = await begun(engine, rule, 5)
    before = engine.target.rows("Account")
    drop(engine, ids[:3])
    ran = await engine.again(standing)
    assert ran.run.end is EndReason.DELETES_ABOVE_CEILING
    assert engine.target.rows("Account") == before
    assert not [sent for sent in engine.sent[TARGET] if sent.route == "ingest_create" and b"hardDelete" in sent.body]


async def test_what_is_deleted_in_the_last_second_of_the_first_runs_minute_is_carried(engine: Engine) -> None:
    """Lists are asked for by whole minutes, and a run at :59 reads up to the next one: its mark must not lie there."""
    engine.later(LAST_SECOND - time.time() % 60 + 120)
    standing, ids = await begun(engine, DELETE)
    drop(engine, ids[:1])
    engine.later(120)
    assert (await engine.again(standing)).steps[1].rows_written == 1


async def test_a_marked_record_is_not_marked_again(engine: Engine) -> None:
    standing, ids = await begun(engine, FLAG)
    drop(engine, ids[:1])
    assert (await engine.again(standing)).steps[1].rows_written == 1
    engine.sent[TARGET].clear()
    assert (await engine.again(standing)).steps[1].rows_written == 0, "the list of the running minute has it once more"
    assert not [sent for sent in engine.sent[TARGET] if sent.route == "update"]


@pytest.mark.parametrize("rule", [DELETE, FLAG], ids=["delete", "flag"])
async def test_a_record_that_vanishes_before_the_write_is_not_made_anew(engine: Engine, rule: str) -> None:
    standing, ids = await begun(engine, rule)
    engine.later(180)
    assert (await engine.again(standing)).ok
    engine.later(180)
    drop(engine, ids[:1])
    engine.sent[TARGET].clear()
    gone = {"code": "ENTITY_IS_DELETED", "message": "entity is deleted"}
    engine.fault(engine.target, object="Account", row_error=gone)
    ran = await engine.again(standing)
    assert ran.ok, (ran.run.end, ran.failures)
    assert ran.steps[1].rows_written == 1, "what was wanted is so"
    assert len(engine.target.rows("Account")) == 4
    bodies = b"".join(sent.body for sent in engine.sent[TARGET] if sent.method in {"PATCH", "POST", "PUT"})
    assert KEY.encode() not in bodies, "it is named by its id in the target"


@pytest.mark.parametrize("rule", [DELETE, FLAG], ids=["delete", "flag"])
async def test_a_dry_run_counts_deletions_and_touches_nothing(engine: Engine, rule: str) -> None:
    standing, ids = await begun(engine, rule)
    drop(engine, ids[:3])
    before, marks = engine.target.rows("Account"), dict(standing.marks)
    engine.target.control("DELETE", "/transcript")
    ran = await engine.again(standing, dry_run=True)
    assert (ran.run.end, ran.steps[1].rows_expected, ran.steps[1].rows_written) == (EndReason.FINISHED, 3, 0)
    assert (engine.target.rows("Account"), standing.marks) == (before, marks)
    assert {call["method"] for call in engine.target.transcript()} <= {"GET"}
    assert (await engine.again(standing)).steps[1].rows_written == 3


@pytest.mark.parametrize("code", ["INVALID_REPLICATION_DATE", "INVALID_ARGUMENT_TYPE"])
async def test_an_org_that_takes_no_future_end_is_asked_up_to_now(engine: Engine, code: str) -> None:
    standing, ids = await begun(engine, DELETE)
    engine.later(180)
    drop(engine, ids[:1])
    engine.later(180)
    alone(engine)
    engine.fault(engine.source, path="/deleted", status=400, times=1, body=[{"errorCode": code, "message": "end"}])
    assert (await engine.again(standing)).ok
    engine.later(60)
    assert (await engine.again(standing)).ok
    assert left(engine) == set(ids[1:])


async def test_more_deletions_than_an_org_lists_are_above_any_ceiling(engine: Engine) -> None:
    standing, ids = await begun(engine, DELETE)
    drop(engine, ids[:1])
    alone(engine)
    body = [{"errorCode": "EXCEEDED_ID_LIMIT", "message": "too many"}]
    engine.fault(engine.source, path="/deleted", status=400, body=body)
    ran = await engine.again(standing)
    assert ran.run.end is EndReason.DELETES_ABOVE_CEILING
    assert left(engine) == set(ids)


async def test_an_object_without_a_list_of_deletions_is_looked_up_in_the_recycle_bin(engine: Engine) -> None:
    assert (await engine.codes(text(DELETE, "Bin__c")))["deletes_by_bin"] == "warning"
    standing, ids = await begun(engine, DELETE, name="Bin__c")
    drop(engine, ids[:1], "Bin__c")
    engine.later(120)
    assert (await engine.again(standing)).ok
    assert {row[KEY] for row in engine.target.rows("Bin__c")} == set(ids[1:])
    assert [sent for sent in engine.sent[SOURCE] if sent.route == "query_all"]
    engine.later(16 * 24 * 3600)
    assert (await engine.again(standing)).run.end is EndReason.DELETES_UNPROVEN
