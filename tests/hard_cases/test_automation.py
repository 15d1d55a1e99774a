"""Hard cases 31 to 34: what the target's own automation makes of our writes."""

from __future__ import annotations

import json

import pytest

from isthmus.salesforce.status_code import StatusCode
from isthmus.sync.errors import TRANSIENT_CODES
from isthmus.sync.flow.job import TARGET
from tests.support.engine import BULK, REST, Engine

BOTH = pytest.mark.parametrize("rows_min", [REST, BULK], ids=["REST", "Bulk"])
KEY = "SwiftPort_Source_Id__c"
ACCOUNTS = "version: 1\nname: a\nsteps: [{object: Account, fields: {Name: Name, Site: Site}%s}]\n"
TWINS = {"kind": "duplicate", "object": "Account", "fields": ["Name"]}


@BOTH
async def test_case_31_assignment_rules_do_not_run(engine: Engine, rows_min: int) -> None:
    engine.source.add_rows("Lead", [{"LastName": f"L {n}", "Company": "C"} for n in range(3)])
    ran = await engine.copy("version: 1\nname: l\nsteps: [{object: Lead}]\n", rows_min)
    assert ran.ok, ran.failures
    by_rest = [sent for sent in engine.sent[TARGET] if sent.route.startswith(("upsert", "update"))]
    by_bulk = [json.loads(sent.body) for sent in engine.sent[TARGET] if sent.route == "ingest_create"]
    assert bool(by_rest) is (rows_min == REST)
    assert bool(by_bulk) is (rows_min == BULK)
    assert {sent.headers["Sforce-Auto-Assign"] for sent in by_rest} <= {"FALSE"}
    assert not [job for job in by_bulk if "assignmentRuleId" in job], "Bulk runs a rule only if the job names it"


@BOTH
async def test_case_32_a_duplicate_rule_stops_the_rows_unless_the_step_lets_them_pass(
    engine: Engine, rows_min: int
) -> None:
    engine.target.add_rows("Account", [{"Name": f"N {n}"} for n in range(4)])
    engine.target.control("POST", "/rules", {**TWINS, "action": "alert"})
    engine.source.add_rows("Account", [{"Name": f"N {n}"} for n in range(10)])
    blocked = await engine.copy(ACCOUNTS % "", rows_min)
    assert blocked.failures == {"DUPLICATES_DETECTED": 4}
    assert "duplicate rule" in blocked.told[0].cause
    allowed = await engine.copy(ACCOUNTS % ", duplicates: allow", rows_min)
    assert (allowed.ok, allowed.steps[0].rows_written) == (True, 10), allowed.failures
    assert len([row for row in engine.target.rows("Account") if row[KEY]]) == 10


@BOTH
async def test_case_32_a_rule_that_blocks_is_not_overruled(engine: Engine, rows_min: int) -> None:
    engine.target.add_rows("Account", [{"Name": "N 1"}])
    engine.target.control("POST", "/rules", {**TWINS, "action": "block"})
    engine.source.add_rows("Account", [{"Name": "N 1"}, {"Name": "N 2"}])
    ran = await engine.copy(ACCOUNTS % ", duplicates: allow", rows_min)
    assert ran.failures == {"DUPLICATES_DETECTED": 1}
    assert ran.steps[0].rows_written == 1


async def test_case_33_what_automation_changes_after_our_write_starts_no_loop(engine: Engine) -> None:
    """Nothing of the target is read back; a two-way sync cuts the echo by author and value (tests of two-way)."""
    late = {"kind": "trigger", "object": "Account", "timing": "after", "set": {"Site": "by automation"}}
    engine.target.control("POST", "/rules", late)
    row_id = engine.source.add_rows("Account", [{"Name": "A", "Site": "ours"}])[0]
    standing = await engine.standing(ACCOUNTS % "")
    assert (await engine.again(standing)).steps[0].rows_written == 1
    assert engine.target.rows("Account")[0]["Site"] == "by automation"
    read = 0
    for _ in range(4):  # the overlap of two windows may bring the row once more
        engine.later(1800)
        read = (await engine.again(standing)).steps[0].rows_read
    assert read == 0
    engine.source.control("PATCH", f"/rows/Account/{row_id}", {"Name": "B"})
    assert (await engine.again(standing)).steps[0].rows_written == 1


@BOTH
async def test_case_34_rows_that_a_rule_refuses_are_counted_by_code_and_field_and_not_tried_for_ever(
    engine: Engine, rows_min: int
) -> None:
    rule = {
        "kind": "validation",
        "object": "Account",
        "when": "Site = 'bad'",
        "message": "secret 4711",
        "field": "Site",
    }
    engine.target.control("POST", "/rules", rule)
    engine.source.add_rows("Account", [{"Name": f"N {n}", "Site": "bad" if n % 2 else "good"} for n in range(6)])
    ran = await engine.copy(ACCOUNTS % "", rows_min)
    failure = ran.told[0]
    assert (failure.code, failure.field, failure.rows) == ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "Site", 3)
    assert "4711" not in repr(ran)
    assert len(engine.target.rows("Account")) == 3
    assert StatusCode.parse(failure.code) not in TRANSIENT_CODES, "such a window waits for a person"
