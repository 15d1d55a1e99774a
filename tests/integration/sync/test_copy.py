"""One-shot copies between two real orgsim processes, through the real, locked-down mover."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from isthmus.sync.copy import StepCount
from tests.support.copying import THREE_OBJECTS, Pair, two_orgs
from tests.support.trouble import movers

SMALL, LARGE = 100_000, 1


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_orgs(tmp_path) as orgs:
        yield orgs


@pytest.mark.parametrize("bulk_rows_min", [SMALL, LARGE], ids=["REST", "Bulk"])
async def test_every_value_and_every_parent_arrives_on_either_path(pair: Pair, bulk_rows_min: int) -> None:
    pair.fill()
    result = await pair.copy(bulk_rows_min=bulk_rows_min)
    assert (result.message, result.exit_status, result.failures) == (None, 0, ())
    assert [step.path for step in result.steps[:3]] == ["REST" if bulk_rows_min == SMALL else "Bulk"] * 3
    assert result.sandbox is not None
    assert result.sandbox.confined
    pair.assert_equal()


async def test_a_second_copy_changes_no_value_and_adds_no_row(pair: Pair) -> None:
    pair.fill()
    await pair.copy(bulk_rows_min=SMALL)
    first = {name: sorted(row["Id"] for row in pair.target.rows(name)) for name in ("Account", "Contact")}
    second = await pair.copy(bulk_rows_min=LARGE)
    assert second.exit_status == 0
    pair.assert_equal()
    assert {name: sorted(row["Id"] for row in pair.target.rows(name)) for name in first} == first


@pytest.mark.parametrize("bulk_rows_min", [SMALL, LARGE], ids=["REST", "Bulk"])
async def test_rows_that_the_target_refuses_are_counted_by_code_and_field(pair: Pair, bulk_rows_min: int) -> None:
    pair.fill()
    error = {"code": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "secret 4711", "fields": ["LastName"]}
    pair.target.control("POST", "/faults", {"object": "Contact", "where": {"LastName": "Person 3"}, "row_error": error})
    result = await pair.copy(bulk_rows_min=bulk_rows_min)
    assert result.exit_status == 1
    refused = next(failure for failure in result.failures if failure.step == "Contact")
    assert (refused.code, refused.field, refused.rows) == ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "LastName", 1)
    assert "validation rule" in refused.cause
    assert "4711" not in repr(result)
    assert len(pair.target.rows("Contact")) == 23


async def test_a_dry_run_counts_and_writes_nothing(pair: Pair) -> None:
    pair.fill()
    before = pair.target.control("GET", "/counts")
    result = await pair.copy(dry_run=True)
    assert result.exit_status == 0
    assert [step.rows_expected for step in result.steps[:3]] == [12, 24, 12]
    assert sum(step.rows_written for step in result.steps) == 0
    assert pair.target.control("GET", "/counts") == before
    assert {call["method"] for call in pair.target.transcript()} <= {"GET", "HEAD"}


async def test_filters_constants_and_renamed_fields_are_carried_out(pair: Pair) -> None:
    pair.fill()
    text = """
version: 1
name: mapped
steps:
  - object: Account
    where: Name LIKE 'Account 1%'
    fields: {Name: Name, Description: Site, Industry: "=Energy", NumberOfEmployees: "=12"}
"""
    for row in pair.source.rows("Account"):
        pair.source.control("PATCH", f"/rows/Account/{row['Id']}", {"Site": row["Name"][:10]})
    assert (await pair.copy(text, bulk_rows_min=SMALL)).exit_status == 0
    source = {row["Id"]: row for row in pair.source.rows("Account")}
    for path in (SMALL, LARGE):
        assert (await pair.copy(text, bulk_rows_min=path)).exit_status == 0
        copied = pair.target_by_source("Account")
        assert sorted(copied) == sorted(key for key, row in source.items() if row["Name"].startswith("Account 1"))
        for key, row in copied.items():
            assert (row["Name"], row["Description"]) == (source[key]["Name"], source[key]["Site"])
            assert (row["Industry"], row["NumberOfEmployees"]) == ("Energy", 12)


@pytest.mark.parametrize(
    ("fields", "code", "says"),
    [
        ("{Name: Name, Nowhere__c: Site}", "target_field_missing", "Account has no field Nowhere__c in the target org"),
        ("{Name: Nowhere__c}", "source_field_missing", "Account has no field Nowhere__c in the source org"),
        ("{Site: Site}", "required_field_missing", "Name is required in the target and nothing fills it"),
    ],
)
async def test_a_field_that_is_missing_is_named_with_a_remedy(pair: Pair, fields: str, code: str, says: str) -> None:
    result = await pair.copy(f"version: 1\nname: x\nsteps: [{{object: Account, fields: {fields}}}]\n")
    assert result.exit_status == 2
    issue = next(issue for issue in result.issues if issue.code == code)
    assert says in issue.text
    assert issue.remedy
    assert not [call for call in pair.target.transcript() if call["method"] not in {"GET", "HEAD"}]


async def test_a_token_that_expires_in_mid_run_ends_the_copy_with_a_remedy(pair: Pair) -> None:
    pair.fill()
    pair.target.control("POST", "/faults", {"path": "/composite/sobjects", "nth": 2, "expire_token": True})
    result = await pair.copy(bulk_rows_min=SMALL)
    assert result.exit_status == 2
    assert result.message == "Stopped: the target no longer accepts our grant. Connect the target org again."


async def test_a_wrong_token_is_said_before_anything_is_read(pair: Pair) -> None:
    result = await pair.copy(source_token="00D000000000001!wrong")
    assert result.exit_status == 2
    assert "does not accept our token" in (result.message or "")


@pytest.mark.parametrize("bulk_rows_min", [SMALL, LARGE], ids=["REST", "Bulk"])
async def test_a_mover_killed_in_mid_run_leaves_what_the_next_copy_completes(pair: Pair, bulk_rows_min: int) -> None:
    pair.fill(60)
    slow = {"path": "/composite/sobjects|/jobs/ingest", "method": "PATCH", "delay_s": 0.2}
    pair.target.control("POST", "/faults", slow)
    killed = asyncio.Event()

    def kill_in_step_two(steps: tuple[StepCount, ...]) -> None:
        if steps[0].settled and not killed.is_set():
            for mover in movers():
                os.kill(mover.pid, signal.SIGKILL)
            killed.set()

    result = await pair.copy(THREE_OBJECTS, bulk_rows_min=bulk_rows_min, on_progress=kill_in_step_two)
    assert killed.is_set()
    assert (
        result.message == "Stopped: the process that moves the records was ended. Nothing to do: the next run goes on."
    )
    pair.target.control("DELETE", "/faults")
    assert (await pair.copy(bulk_rows_min=bulk_rows_min)).exit_status == 0
    pair.assert_equal()


@pytest.mark.parametrize("bulk_rows_min", [SMALL, LARGE], ids=["REST", "Bulk"])
async def test_every_api_call_that_an_org_counts_is_told(pair: Pair, bulk_rows_min: int) -> None:
    """Reading the schemas and making the tracking fields included."""
    pair.fill()
    before = [org.control("POST", "/usage", {})["used"] for org in (pair.source, pair.target)]
    result = await pair.copy(bulk_rows_min=bulk_rows_min)
    assert result.exit_status == 0
    after = [org.control("POST", "/usage", {})["used"] for org in (pair.source, pair.target)]
    told = [result.calls_source, result.calls_target]
    assert told == [late - early for early, late in zip(before, after, strict=True)]


@pytest.mark.parametrize(("used", "text"), [(81_000, ""), (0, "budget: {run_percent: 1}\n")], ids=["day", "run"])
async def test_a_copy_stops_for_now_when_its_share_of_the_api_calls_is_used(pair: Pair, used: int, text: str) -> None:
    """Hard case 37: the org's own count decides, before the allowance is gone."""
    pair.fill()
    assert (await pair.copy(bulk_rows_min=SMALL)).exit_status == 0
    per_day = 100_000 if used else 300
    pair.target.control("POST", "/usage", {"used": used, "per_day": per_day})
    result = await pair.copy(THREE_OBJECTS + text, bulk_rows_min=SMALL)
    assert result.exit_status == 2
    assert "the share of the target org's API calls" in (result.message or "")
    assert "by itself in an hour" in (result.message or "")
