"""Hard cases 16 to 30: which record is meant, and by which name a record of the other org is called."""

from __future__ import annotations

from typing import Any

import pytest

from isthmus.sync.flow.mapping import StepMapping
from isthmus.sync.model import Drawn, EndReason
from tests.support.engine import BULK, REST, Engine

BOTH = pytest.mark.parametrize("rows_min", [REST, BULK], ids=["REST", "Bulk"])
KEY = "SwiftPort_Source_Id__c"
ACCOUNTS = "version: 1\nname: a\nsteps: [{object: Account, fields: {Name: Name}}]\n"
FAMILY = """
version: 1
name: f
steps:
  - {object: Contact, fields: {LastName: LastName, AccountId: AccountId, ReportsToId: ReportsToId}}
  - {object: Account, fields: {Name: Name, ParentId: ParentId}}
"""
BY_CODE = "version: 1\nname: k\nsteps: [{object: Account, match: Code__c, fields: {Name: Name, Code__c: Code__c}}]\n"


def steps(*lines: str) -> str:
    return "version: 1\nname: s\nsteps:\n" + "".join(f"  - {{{line}}}\n" for line in lines)


@BOTH
async def test_case_16_the_whole_id_of_18_characters_is_kept(engine: Engine, rows_min: int) -> None:
    """Two ids of 15 characters may differ by capitals alone, which an external id does not tell apart."""
    low, high = "001000000000aBC", "001000000000AbC"
    ids = engine.source.add_rows("Account", [{"Id": low, "Name": "low"}, {"Id": high, "Name": "high"}])
    assert (len(set(ids)), {len(row_id) for row_id in ids}, {row_id[:15].upper() for row_id in ids}) == (
        2, {18}, {low.upper()},
    )  # fmt: skip
    assert (await engine.copy(ACCOUNTS, rows_min)).ok
    assert {row[KEY]: row["Name"] for row in engine.target.rows("Account")} == dict(
        zip(ids, ("low", "high"), strict=True)
    )
    field = {"label": "Short", "type": "Text", "length": 15, "externalId": True, "unique": True}
    engine.target.control("POST", "/fields", {"FullName": "Contact.Short__c", "Metadata": field, "granted": True})
    assert (await engine.codes(steps("object: Contact, match: Short__c")))["match_field_too_short"] == "error"


@BOTH
async def test_case_17_our_field_is_unique_and_a_key_that_stands_twice_in_the_target_is_counted(
    engine: Engine, rows_min: int
) -> None:
    await engine.standing(ACCOUNTS)
    async with engine.sessions() as (_, target):
        made = (await target.describe("Account")).field(KEY)  # pyright: ignore[reportArgumentType]
    assert made is not None
    assert (made.external_id, made.unique, made.length) == (True, True, 18)
    engine.field(engine.source, "Account.Code__c", "Text", length=20)
    engine.field(engine.target, "Account.Code__c", "Text", length=20, externalId=True)
    assert (await engine.codes(BY_CODE))["match_field_not_unique"] == "warning"
    engine.target.add_rows("Account", [{"Name": "first", "Code__c": "A"}, {"Name": "second", "Code__c": "A"}])
    engine.source.add_rows("Account", [{"Name": "new", "Code__c": "A"}, {"Name": "other", "Code__c": "B"}])
    ran = await engine.copy(BY_CODE, rows_min)
    assert ran.failures == {"DUPLICATE_EXTERNAL_ID": 1}
    assert "several records" in ran.told[0].cause
    assert sorted(row["Name"] for row in engine.target.rows("Account")) == ["first", "other", "second"]


@BOTH
async def test_case_18_a_row_without_a_key_is_counted_and_never_sent(engine: Engine, rows_min: int) -> None:
    for org in (engine.source, engine.target):
        engine.field(org, "Account.Code__c", "Text", length=20, externalId=True, unique=True)
    engine.source.add_rows("Account", [{"Name": "keyless", "Code__c": None}, {"Name": "keyed", "Code__c": "A"}])
    for _ in range(2):
        ran = await engine.copy(BY_CODE, rows_min)
        assert ran.failures == {"MISSING_ARGUMENT": 1}
    assert [row["Name"] for row in engine.target.rows("Account")] == ["keyed"]


@BOTH
@pytest.mark.parametrize("fails", ["both", "second"])
async def test_case_19_a_key_that_stands_twice_in_the_source_makes_one_record_and_no_failure(
    engine: Engine, rows_min: int, fails: str
) -> None:
    engine.target.control("POST", "/settings", {"repeated_external_id_fails": fails})
    engine.field(engine.source, "Account.Code__c", "Text", length=20)
    engine.field(engine.target, "Account.Code__c", "Text", length=20, externalId=True, unique=True)
    rows = [{"Name": f"N {n}", "Code__c": "same" if n % 2 else f"SAME {n}"} for n in range(6)]
    engine.source.add_rows("Account", [*rows, {"Name": "N 6", "Code__c": "Same"}])
    ran = await engine.copy(BY_CODE, rows_min)
    assert ran.ok, ran.failures
    assert ran.steps[0].rows_written == 7
    found = [row for row in engine.target.rows("Account") if row["Code__c"].casefold() == "same"]
    assert len(found) == 1
    if rows_min == REST:
        assert found[0]["Name"] == "N 6", "in order of change the last one stays"


@BOTH
async def test_case_20_a_child_waits_for_its_parent_and_the_reference_is_never_cut_off(
    engine: Engine, rows_min: int
) -> None:
    ids = engine.pair.fill()
    name = next(row["Name"] for row in engine.source.rows("Account") if row["Id"] == ids["Account"][1])
    error = {"code": "FIELD_CUSTOM_VALIDATION_EXCEPTION"}
    engine.fault(engine.target, object="Account", where={"Name": name}, row_error=error)
    text = steps("object: Account", "object: Contact", "object: Opportunity")
    standing = await engine.standing(text)
    first = await engine.again(standing, rows_min)
    codes = {(failure.step, failure.code) for failure in first.told}
    assert {("Account", "FIELD_CUSTOM_VALIDATION_EXCEPTION"), ("Contact", "MISSING_PARENT")} <= codes
    orphans = [row for row in engine.source.rows("Contact") if row["AccountId"] == ids["Account"][1]]
    there = {row[KEY] for row in engine.target.rows("Contact")}
    assert orphans
    assert not there & {row["Id"] for row in orphans}
    engine.target.control("DELETE", "/faults")
    second = await engine.again(standing, rows_min)
    assert (second.ok, standing.failed) == (True, [])
    engine.pair.assert_equal()


@BOTH
async def test_case_21_references_that_form_a_circle_are_set_in_a_second_pass(engine: Engine, rows_min: int) -> None:
    first, second = engine.source.add_rows("Account", [{"Name": "one"}, {"Name": "two"}])
    for mine, other in ((first, second), (second, first)):
        engine.source.control("PATCH", f"/rows/Account/{mine}", {"ParentId": other})
    itself = engine.source.add_rows("Contact", [{"LastName": "own boss", "AccountId": first}])[0]
    engine.source.control("PATCH", f"/rows/Contact/{itself}", {"ReportsToId": itself})
    ran = await engine.copy(FAMILY, rows_min)
    assert ran.ok, ran.failures
    engine.pair.assert_equal("Account", "Contact")
    kinds = [(step.kind.value, step.target) for step in ran.plan.steps]
    assert kinds == [("load", "Account"), ("load", "Contact"), ("link", "Account"), ("link", "Contact")]


@BOTH
async def test_case_21_a_row_whose_load_is_refused_is_not_made_by_the_second_pass(
    engine: Engine, rows_min: int
) -> None:
    # Case has no required field, so an upsert of its parent alone would make an empty record.
    first = engine.source.add_rows("Case", [{"Subject": "Parent"}])[0]
    engine.source.add_rows("Case", [{"Subject": "Refused child", "ParentId": first}])
    error = {"code": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "No.", "fields": ["Subject"]}
    engine.fault(engine.target, object="Case", where={"Subject": "Refused child"}, row_error=error)
    assert (await engine.copy(steps("object: Case"), rows_min)).failures
    assert [row["Subject"] for row in engine.target.rows("Case")] == ["Parent"]


@BOTH
async def test_case_22_two_lookups_to_the_same_object_keep_their_own_parents(engine: Engine, rows_min: int) -> None:
    engine.fields("Contact.Second__c", "Lookup", referenceTo="Account")
    one, two = engine.source.add_rows("Account", [{"Name": "one"}, {"Name": "two"}])
    pairs = [(one, two), (two, one), (one, one), (one, None), (None, two), (None, None)]
    rows = [{"LastName": f"P {n}", "AccountId": a, "Second__c": b} for n, (a, b) in enumerate(pairs)]
    engine.source.add_rows("Contact", rows)
    ran = await engine.copy(steps("object: Account", "object: Contact"), rows_min)
    assert ran.ok, ran.failures
    back = {row["Id"]: row[KEY] for row in engine.target.rows("Account")} | {None: None}
    found = sorted(
        (row["LastName"], back[row["AccountId"]], back[row["Second__c"]]) for row in engine.target.rows("Contact")
    )
    assert found == [(f"P {n}", a, b) for n, (a, b) in enumerate(pairs)]


TASKS = steps(
    "object: Account, fields: {Name: Name}",
    "object: Contact, fields: {LastName: LastName}",
    "object: Lead, fields: {LastName: LastName, Company: Company}",
    "object: Task, fields: {Subject: Subject, WhatId: WhatId, WhoId: WhoId, Status: Status, Priority: Priority}",
)


@BOTH
async def test_case_23_a_reference_of_several_kinds_finds_the_parent_of_its_kind(engine: Engine, rows_min: int) -> None:
    account = engine.source.add_rows("Account", [{"Name": "A"}])[0]
    contact = engine.source.add_rows("Contact", [{"LastName": "C"}])[0]
    lead = engine.source.add_rows("Lead", [{"LastName": "L", "Company": "L"}])[0]
    wanted = [(account, contact), (None, lead), (account, None), (None, None), (account, lead)]
    rows: list[dict[str, Any]] = [{"Subject": f"T {n}", "WhatId": a, "WhoId": b} for n, (a, b) in enumerate(wanted)]
    status = {"Status": "Not Started", "Priority": "Normal"}
    engine.source.add_rows("Task", [{**row, **status} for row in rows])
    ran = await engine.copy(TASKS, rows_min)
    assert ran.ok, (ran.run.end, ran.failures)
    back = {row["Id"]: row[KEY] for name in ("Account", "Contact", "Lead") for row in engine.target.rows(name)}
    back |= {None: None}
    found = sorted((row["Subject"], back[row["WhatId"]], back[row["WhoId"]]) for row in engine.target.rows("Task"))
    assert found == [(f"T {n}", a, b) for n, (a, b) in enumerate(wanted)]


@BOTH
async def test_case_24_a_lookup_that_was_cleared_is_cleared_beside_others_that_were_not(
    engine: Engine, rows_min: int
) -> None:
    ids = engine.pair.fill()
    text = steps("object: Account", "object: Contact", "object: Opportunity")
    assert (await engine.copy(text, rows_min)).ok
    cleared = {"AccountId": None, "Email": None, "Birthdate": None, "ReportsToId": None}
    engine.source.control("PATCH", f"/rows/Contact/{ids['Contact'][1]}", cleared)
    engine.source.control("PATCH", f"/rows/Account/{ids['Account'][1]}", {"ParentId": None, "Description": None})
    ran = await engine.copy(text, rows_min)
    assert ran.ok, ran.failures
    engine.pair.assert_equal()
    assert engine.pair.target_by_source("Contact")[ids["Contact"][1]]["AccountId"] is None


async def test_case_24_in_a_file_the_cleared_lookup_and_the_parents_key_never_stand_together(engine: Engine) -> None:
    drawn = await engine.drawn(
        steps("object: Account", "object: Contact, fields: {LastName: LastName, AccountId: AccountId}")
    )
    assert isinstance(drawn, Drawn)
    contact = next(step for step in drawn.plan.steps if step.target == "Contact")
    headers = [StepMapping(contact).codec.header(nulls).decode().strip().split(",") for nulls in (0, 1)]
    assert headers == [[KEY, "LastName", f"Account.{KEY}"], [KEY, "LastName", "AccountId"]]


async def test_case_25_a_header_names_a_parent_by_its_key_and_never_a_grandparent(engine: Engine) -> None:
    drawn = await engine.drawn(TASKS)
    assert isinstance(drawn, Drawn)
    for step in drawn.plan.steps:
        target_parents = [header for column in step.columns for header in column.headers if "." in header]
        assert all(header.count(".") == 1 and header.endswith(f".{KEY}") for header in target_parents), target_parents
    # A step that is matched by a path has no field to be matched by.
    engine.field(engine.target, "Account.Code__c", "Text", length=20)
    assert (await engine.codes(BY_CODE))["match_field_unusable"] == "error", "a key is an indexed external id"


@BOTH
async def test_case_26_names_are_sent_as_the_org_spells_them(engine: Engine, rows_min: int) -> None:
    text = steps("object: account, fields: {NAME: name, sITE: siTE}")
    drawn = await engine.drawn(text)
    assert isinstance(drawn, Drawn)
    assert [(column.target, column.source) for column in drawn.plan.steps[0].columns] == [
        ("Name", "Name"),
        ("Site", "Site"),
    ]
    engine.source.add_rows("Account", [{"Name": "A", "Site": "x"}])
    refusal = {"code": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "fields": ["Site"]}
    engine.fault(engine.target, object="Account", times=1, row_error=refusal)
    ran = await engine.copy(text, rows_min)
    assert [(failure.step, failure.field) for failure in ran.told] == [("Account", "Site")]
    assert (await engine.copy(text, rows_min)).ok


@BOTH
async def test_case_27_users_and_record_types_are_found_by_name_and_never_written(
    engine: Engine, rows_min: int
) -> None:
    there = {user["Id"]: user for user in engine.source.rows("User")}
    users = {user["Username"]: user for user in engine.target.rows("User")}
    mine = engine.target.ready["username"]
    owner = next(user for user in there.values() if user["IsActive"] and user["Email"] not in {None, ""})
    twin = next(user for user in users.values() if user["IsActive"] and user["Username"] != mine)
    engine.target.control("PATCH", f"/rows/User/{twin['Id']}", {"Email": owner["Email"].upper()})
    for user in users.values():
        if user["Id"] != twin["Id"] and user["Email"] == owner["Email"]:
            engine.target.control("PATCH", f"/rows/User/{user['Id']}", {"Email": f"x{user['Email']}"})
    engine.source.add_rows("Account", [{"Name": "A", "OwnerId": owner["Id"]}])
    before = engine.target.control("GET", "/counts")["User"]
    ran = await engine.copy(steps("object: Account, fields: {Name: Name}, owner: {match: email}"), rows_min)
    assert ran.ok, ran.failures
    assert engine.target.rows("Account")[0]["OwnerId"] == twin["Id"]
    assert engine.target.control("GET", "/counts")["User"] == before
    for name in ("User", "RecordType", "Profile", "Group", "UserRole"):
        assert (await engine.codes(steps(f"object: {name}")))["setup_object"] == "error"


@BOTH
async def test_case_28_a_child_gets_its_parent_once_and_is_changed_without_it_afterwards(
    engine: Engine, rows_min: int
) -> None:
    """Such a step looks first what is there, because an upsert cannot tell creation from change."""
    account = engine.source.add_rows("Account", [{"Name": "A"}])[0]
    part = engine.source.add_rows("Part__c", [{"Name": "old", "Boss__c": account}])[0]
    text = steps("object: Account", "object: Part__c, fields: {Name: Name, Boss__c: Boss__c}")
    assert (await engine.copy(text, rows_min)).ok
    engine.source.control("PATCH", f"/rows/Part__c/{part}", {"Name": "new"})
    ran = await engine.copy(text, rows_min)
    assert ran.ok, ran.failures
    boss = next(row["Id"] for row in engine.target.rows("Account"))
    assert [(row["Name"], row["Boss__c"]) for row in engine.target.rows("Part__c")] == [("new", boss)]
    engine.source.control("DELETE", f"/rows/Part__c/{part}")
    # Where the platform itself refuses, the row is counted by field.
    engine.source.add_rows("Contact", [{"LastName": "C", "AccountId": account}])
    refusal = {"code": "CANNOT_REPARENT_RECORD", "fields": ["AccountId"]}
    engine.fault(engine.target, object="Contact", row_error=refusal)
    ran = await engine.copy(steps("object: Account", "object: Contact"), rows_min)
    assert [(failure.code, failure.field, failure.rows) for failure in ran.told] == [
        ("CANNOT_REPARENT_RECORD", "AccountId", 1)
    ]


async def test_case_29_the_loser_of_a_merge_goes_and_its_children_follow_the_winner(engine: Engine) -> None:
    winner, loser = engine.source.add_rows("Account", [{"Name": "winner"}, {"Name": "loser"}])
    engine.source.add_rows("Contact", [{"LastName": "child", "AccountId": loser}])
    standing = await engine.standing(steps("object: Account, deletes: {action: delete}", "object: Contact"))
    assert (await engine.again(standing)).ok
    engine.source.control("POST", f"/rows/Account/{winner}/merge", {"losers": [loser], "values": {}})
    engine.later(120)
    ran = await engine.again(standing)
    assert ran.ok, (ran.run.end, ran.failures)
    assert {row[KEY] for row in engine.target.rows("Account")} == {winner}
    engine.pair.assert_equal("Account", "Contact")


async def test_case_29_a_converted_lead_keeps_its_copy_and_what_it_became_arrives(engine: Engine) -> None:
    lead = engine.source.add_rows("Lead", [{"LastName": "L", "Company": "Acme"}])[0]
    text = steps("object: Lead, fields: {LastName: LastName, Company: Company}", "object: Account", "object: Contact")
    standing = await engine.standing(text)
    assert (await engine.again(standing)).ok
    engine.source.control("POST", f"/rows/Lead/{lead}/convert", {"opportunity": False})
    ran = await engine.again(standing)
    assert ran.ok, (ran.run.end, ran.failures)
    assert [row["Name"] for row in engine.target.rows("Account")] == ["Acme"]
    assert [row["IsConverted"] for row in engine.target.rows("Lead")] == [False]
    # A copy that somebody converted in the target is not touched by an upsert any more: counted, and said.
    copy = engine.target.rows("Lead")[0]["Id"]
    engine.target.control("POST", f"/rows/Lead/{copy}/convert", {"opportunity": False})
    engine.source.control("PATCH", f"/rows/Lead/{lead}", {"Company": "Acme 2"})
    ran = await engine.again(standing)
    assert list(ran.failures) == ["CANNOT_UPDATE_CONVERTED_LEAD"], (ran.run.end, ran.failures)


@pytest.mark.parametrize("rule", ["{action: flag, field: Gone__c}", "{action: delete}"], ids=["flag", "delete"])
async def test_case_29_what_is_deleted_and_restored_lives_in_the_target_again(engine: Engine, rule: str) -> None:
    engine.field(engine.target, "Account.Gone__c", "Checkbox")
    row_id = engine.source.add_rows("Account", [{"Name": "A"}])[0]
    standing = await engine.standing(steps(f"object: Account, fields: {{Name: Name}}, deletes: {rule}"))
    assert (await engine.again(standing)).ok
    engine.source.control("DELETE", f"/rows/Account/{row_id}")
    assert (await engine.again(standing)).ok
    gone = [row["Gone__c"] for row in engine.target.rows("Account")]
    assert gone == ([True] if "flag" in rule else [])
    engine.source.control("POST", f"/rows/Account/{row_id}/undelete")
    ran = await engine.again(standing)
    assert ran.ok, (ran.run.end, ran.failures)
    assert [(row[KEY], row["Gone__c"]) for row in engine.target.rows("Account")] == [(row_id, False)]


async def test_case_30_data_and_set_up_never_stand_in_one_sync(engine: Engine) -> None:
    codes = await engine.codes(steps("object: Account", "object: User"))
    assert codes["setup_object"] == "error"
    engine.source.add_rows("Account", [{"Name": "A"}])
    engine.fault(engine.target, object="Account", row_error={"code": "MIXED_DML_OPERATION"})
    ran = await engine.copy(ACCOUNTS)
    assert (ran.run.end, ran.failures) == (EndReason.FINISHED, {"MIXED_DML_OPERATION": 1})
    assert "separate syncs" in ran.told[0].remedy
