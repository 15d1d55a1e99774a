"""Every file in examples/ is carried out between two orgs, and the target compared with a mapping of the test's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from isthmus.sync.model import RunState
from tests.support.copying import Pair, sync_settings, two_orgs
from tests.support.orgsim import Orgsim
from tests.support.postgres import FreshDatabase
from tests.support.two_schemas import ADMIN, actual, expected, person, populate, record_types, two_schemas
from tests.support.working import installation

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
PATHS = pytest.mark.parametrize("bulk_rows_min", [100_000, 1], ids=["REST", "Bulk"])
RUN_HERE = {
    "accounts-contacts-opportunities.yaml",
    "crm-between-different-orgs.yaml",
    "owners-record-types-deletes.yaml",
    "two-way.yaml",
}


def example(name: str) -> str:
    assert name in RUN_HERE
    return (EXAMPLES / name).read_text()


@PATHS
async def test_a_crm_moves_between_two_different_schemas_by_the_yaml_alone(tmp_path: Path, bulk_rows_min: int) -> None:
    """Bar 6; hard cases 8, 13, 20-24, 27."""
    text = example("crm-between-different-orgs.yaml")
    with two_schemas(tmp_path) as (source, target):
        populate(source, target, rows=24)
        pair, wanted = Pair(source, target, sync_settings(tmp_path)), expected(source)
        for _ in range(2 if bulk_rows_min > 1 else 1):  # the second time changes nothing
            result = await pair.copy(text, bulk_rows_min=bulk_rows_min)
            assert (result.message, result.failures) == (None, ()), result.issues
            held = actual(target)
            for name, rows in wanted.items():
                assert held[name] == rows, name
        # The comparison sees a single link that leads elsewhere.
        task = next(row for row in target.rows("Task") if row["WhatId"])
        other = next(row["Id"] for row in target.rows("Account") if row["Id"] != task["WhatId"])
        target.control("PATCH", f"/rows/Task/{task['Id']}", {"WhatId": other})
        assert actual(target)["Task"] != wanted["Task"]


async def test_accounts_contacts_and_opportunities_arrive_field_by_field(tmp_path: Path) -> None:
    with two_orgs(tmp_path) as pair:
        pair.fill()
        result = await pair.copy(example("accounts-contacts-opportunities.yaml"))
        assert (result.message, result.failures) == (None, ())
        pair.assert_equal()


async def test_owners_types_values_and_marks_of_deletion_follow_the_file(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    with two_orgs(tmp_path) as pair:
        source, target = pair.source, pair.target
        record_types(source, Account=("Key_Account", "Small"))
        record_types(target, Account=("Enterprise", "Standard"))
        metadata = {"label": "Gone", "type": "Checkbox", "defaultValue": False}
        target.control("POST", "/fields", {"FullName": "Account.Gone__c", "Metadata": metadata, "granted": True})
        types = {row["DeveloperName"]: row["Id"] for row in source.rows("RecordType")}
        here = person(source, "ada"), person(source, "eve")
        there, admin = person(target, "ada"), person(target, "boss", username=ADMIN)
        ids = source.add_rows("Account", [
            {"Name": f"Account {n}", "OwnerId": here[n % 2], "Industry": ("Energy", "Banking", None)[n % 3],
             "RecordTypeId": types["Key_Account" if n % 2 else "Small"]}
            for n in range(6)])  # fmt: skip
        async with installation(fresh_database, pair) as product, product.worker():
            sync = await product.save(example("owners-record-types-deletes.yaml"))
            await product.activate(sync)
            assert (await product.run(sync)).run.state is RunState.DONE
            source.call("DELETE", f"/services/data/v62.0/sobjects/Account/{ids[0]}")
            assert (await product.run(sync)).run.state is RunState.DONE
        names = {row["Id"]: row["DeveloperName"] for row in target.rows("RecordType")}
        held = pair.target_by_source("Account")
        for n, row_id in enumerate(ids):
            row = held[row_id]
            assert row["OwnerId"] == (admin if n % 2 else there)
            assert names[row["RecordTypeId"]] == ("Enterprise" if n % 2 else "Standard")
            assert row["Industry"] == ("Utilities", "Other", None)[n % 3]
            assert row["Gone__c"] is (n == 0)


async def test_two_orgs_agree_after_each_run_whichever_side_was_edited(
    fresh_database: FreshDatabase, tmp_path: Path
) -> None:
    with two_orgs(tmp_path) as pair:
        source, target = pair.source, pair.target
        for org in (source, target):
            admin = next(row["Id"] for row in org.rows("User") if row["Username"] == org.username)
            org.control("PATCH", f"/rows/User/{admin}", {"FederationIdentifier": "everybody"})
        ours = source.add_rows("Account", [{"Name": "Same", "Website": "a.example"}, {"Name": "Only here"}])
        theirs = target.add_rows("Account", [{"Name": "Same", "Website": "a.example"}, {"Name": "Only there"}])
        source.add_rows("Contact", [{"LastName": "Ada", "AccountId": ours[1], "Email": "ada@example.com"}])
        target.add_rows("Contact", [{"LastName": "Bob", "AccountId": theirs[1], "Email": "bob@example.com"}])
        async with installation(fresh_database, pair) as product, product.worker():
            sync = await product.save(example("two-way.yaml"))
            await product.activate(sync)
            assert (await product.run(sync)).run.state is RunState.DONE
            assert (await product.run(sync)).run.state is RunState.DONE
            assert crm(source) == crm(target)
            assert {name for name, _ in crm(source)[0]} == {"Same", "Only here", "Only there"}
            assert {last for last, _ in crm(source)[1]} == {"Ada", "Bob"}
            # What the connected user itself writes counts as an echo, so these are somebody else's edits.
            for org, row, phone in ((source, ours[1], "1"), (target, theirs[0], "2")):
                somebody = next(user["Id"] for user in org.rows("User") if user["Username"] != org.username)
                org.control("PATCH", f"/rows/Account/{row}", {"Phone": phone, "LastModifiedById": somebody})
            assert (await product.run(sync)).run.state is RunState.DONE
            assert crm(source) == crm(target)
            assert {phone for _, phone in crm(target)[0]} == {"1", "2", None}


def crm(org: Orgsim) -> tuple[set[tuple[str, str | None]], set[tuple[str, str]]]:
    """Accounts by name and phone, contacts by name and their account's name."""
    accounts = {row["Id"]: row for row in org.rows("Account")}
    contacts = {(row["LastName"], accounts[row["AccountId"]]["Name"]) for row in org.rows("Contact")}
    return {(row["Name"], row["Phone"]) for row in accounts.values()}, contacts


def test_no_example_is_left_out() -> None:
    """Each file is run here, or named by another test that runs it."""
    tests = [file for file in (ROOT / "tests").rglob("test_*.py") if file != Path(__file__)]
    elsewhere = "".join(file.read_text() for file in tests)
    left_out = [file.name for file in EXAMPLES.iterdir() if file.name not in RUN_HERE and file.name not in elsewhere]
    assert left_out == []
