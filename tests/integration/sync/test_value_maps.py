"""Owners, record types and picklist values between two different orgs, through the real mover, on both paths."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.copying import Pair, two_orgs
from tests.support.orgsim import Orgsim

SMALL, LARGE = 100_000, 1
PATHS = pytest.mark.parametrize("bulk_rows_min", [SMALL, LARGE], ids=["REST", "Bulk"])


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_orgs(tmp_path) as orgs:
        yield orgs


def user(org: Orgsim, name: str, *, active: bool = True) -> str:
    row = {
        "Username": f"{name}@{org.ready['name']}.example",
        "Email": f"{name}@example.com",
        "LastName": name,
        "Alias": name[:8],
        "IsActive": active,
    }
    return org.add_rows("User", [row])[0]


def record_type(org: Orgsim, name: str) -> str:
    row = {"SobjectType": "Account", "DeveloperName": name, "Name": name, "IsActive": True}
    return org.add_rows("RecordType", [row])[0]


@PATHS
async def test_owners_are_found_by_email_and_the_fallback_takes_the_rest(pair: Pair, bulk_rows_min: int) -> None:
    """Hard case 27: no id of one org means anything in the other."""
    here = [user(pair.source, name) for name in ("ada", "bob", "eve")]
    there = {"ada": user(pair.target, "ADA"), "bob": user(pair.target, "bob", active=False)}
    admin = user(pair.target, "fallback")
    rows = [{"Name": f"Account {n}", "OwnerId": here[n % 3]} for n in range(9)]
    ids = pair.source.add_rows("Account", rows)
    name = f"fallback@{pair.target.ready['name']}.example"
    text = f"""
version: 1
name: owners
steps:
  - object: Account
    fields: {{Name: Name}}
    owner: {{match: email, fallback: {name}}}
"""
    result = await pair.copy(text, bulk_rows_min=bulk_rows_min)
    assert (result.message, result.failures) == (None, ())
    copied = pair.target_by_source("Account")
    # Bob is inactive in the target, Eve unknown there.
    assert [copied[row]["OwnerId"] for row in ids] == [there["ada"] if n % 3 == 0 else admin for n in range(9)]


@PATHS
async def test_rows_whose_owner_leads_nowhere_fail_by_name_and_the_others_go(pair: Pair, bulk_rows_min: int) -> None:
    ada, eve = user(pair.source, "ada"), user(pair.source, "eve")
    user(pair.target, "ada")
    rows = [{"Name": f"Account {n}", "OwnerId": eve if n == 3 else ada} for n in range(6)]
    pair.source.add_rows("Account", rows)
    text = "version: 1\nname: x\nsteps: [{object: Account, fields: {Name: Name}, owner: {match: email}}]\n"
    result = await pair.copy(text, bulk_rows_min=bulk_rows_min)
    assert [(f.code, f.field, f.rows) for f in result.failures] == [("UNMAPPED", "OwnerId", 1)]
    assert result.steps[0].rows_written == 5


@PATHS
async def test_record_types_and_picklist_values_are_translated(pair: Pair, bulk_rows_min: int) -> None:
    """Hard cases 13 and 27."""
    here = {name: record_type(pair.source, name) for name in ("Big", "Small")}
    there = {name: record_type(pair.target, name) for name in ("Big", "Tiny")}
    rows = [
        {"Name": "a", "RecordTypeId": here["Big"], "Industry": "Energy"},
        {"Name": "b", "RecordTypeId": here["Small"], "Industry": "Banking"},
        {"Name": "c", "RecordTypeId": here["Small"], "Industry": None},
    ]
    pair.source.add_rows("Account", rows)
    text = """
version: 1
name: maps
steps:
  - object: Account
    fields: {Name: Name, Industry: Industry}
    record_types: {Small: Tiny}
    picklists: {Industry: {Energy: Utilities, "*": Other}}
"""
    result = await pair.copy(text, bulk_rows_min=bulk_rows_min)
    assert (result.message, result.failures) == (None, ())
    copied = {row["Name"]: (row["RecordTypeId"], row["Industry"]) for row in pair.target.rows("Account")}
    assert copied == {"a": (there["Big"], "Utilities"), "b": (there["Tiny"], "Other"), "c": (there["Tiny"], None)}
