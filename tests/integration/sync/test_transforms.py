"""Expressions between two real orgs, through the locked-down mover: natural keys, zones, failures; the same by both paths."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.copying import Pair, two_orgs
from tests.support.orgsim import Orgsim

SMALL, LARGE = 100_000, 1
TEXT = """
version: 1
name: transforms
steps:
  - object: Contact
    fields:
      LastName: {expr: 'proper(LastName)'}
      Title: {expr: 'case(LeadSource, "Web", "Internet", "Other") & " since " & format(CreatedDate, "DD.MM.YYYY HH:mm", "Australia/Sydney")'}
      Birthdate: {expr: 'date(Department, "DD.MM.YYYY")'}
      AccountId: {expr: 'Account.Code__c', by: Code__c}
      Department: {expr: 'if(reportsto.code__C = "boss", ReportsTo.Code__c)'}
      ReportsToId: {expr: 'ReportsTo.Code__c', by: Code__c}
      Description: {expr: 'Email', find: {object: user, by: email, take: username}}
  - object: Account
    match: Code__c
    fields: {Code__c: Code__c, Name: Name}
"""
CODE = {"type": "Text", "length": 40, "externalId": True, "unique": True, "label": "Code"}


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_orgs(tmp_path) as orgs:
        for org in (orgs.source, orgs.target):
            for name in ("Account", "Contact"):
                org.control("POST", "/fields", {"FullName": f"{name}.Code__c", "Metadata": CODE})
        yield orgs


def user(org: Orgsim, email: str, name: str) -> None:
    org.add_rows("User", [{"Username": name, "Email": email, "LastName": "x", "Alias": name[:8], "IsActive": True}])


async def test_keys_zones_and_failures_are_the_same_by_both_paths(pair: Pair) -> None:
    source, target = pair.source, pair.target
    user(target, "Ada@example.com", "ada@target.example")
    for name in ("one", "two"):
        user(target, "twice@example.com", f"{name}@target.example")
    accounts = source.add_rows("Account", [{"Name": f"A{n}", "Code__c": f"code,{n}"} for n in range(3)])
    rows = [
        {
            "LastName": f"o'neil {n}",
            "LeadSource": ["Web", "Phone", None][n % 3],
            "Department": "29.02.2024" if n != 4 else "30.02.2024",
            "AccountId": accounts[n % 3] if n % 2 else None,
            "Email": {1: "ada@EXAMPLE.com", 5: "twice@example.com", 7: "nobody@example.com"}.get(n),
            "CreatedDate": "2026-04-04T15:30:00.000Z",
        }
        for n in range(9)
    ]
    people = source.add_rows("Contact", rows)
    # Contacts of the target that are there already, told by their own code: bosses of the new ones.
    source.control("PATCH", f"/rows/Contact/{people[0]}", {"Code__c": "boss"})
    source.control("PATCH", f"/rows/Contact/{people[1]}", {"ReportsToId": people[0]})
    boss = target.add_rows("Contact", [{"LastName": "Boss", "Code__c": "boss"}])[0]
    seen = []
    for rows_min in (SMALL, LARGE):
        result = await pair.copy(TEXT, bulk_rows_min=rows_min)
        assert result.message is None
        failures = {(f.step.partition(":")[0], f.code, f.field) for f in result.failures}
        assert failures == {("Contact", "TRANSFORM_FAILED", "Birthdate"), ("Contact", "UNMAPPED", "Description")}
        assert sum(f.rows for f in result.failures if f.step == "Contact") == 3
        held = pair.target_by_source("Contact")
        seen.append(
            {
                row: tuple(held[row][name] for name in ("LastName", "Title", "Birthdate", "Description", "ReportsToId"))
                for row in people
                if row in held
            }
        )
    codes = {row["Id"]: row["Code__c"] for row in target.rows("Account")}
    assert sorted(codes.values()) == ["code,0", "code,1", "code,2"]
    assert [codes.get(held[row]["AccountId"]) for row in people[:4]] == [None, "code,1", None, "code,0"]
    assert [held[row]["Department"] for row in people[:2]] == [None, "boss"]  # read by a path in another spelling
    assert seen[0] == seen[1]
    assert set(people) - seen[0].keys() == {people[4], people[5], people[7]}
    since = "since 05.04.2026 02:30"
    assert seen[0][people[0]] == ("O'neil 0", f"Internet {since}", "2024-02-29", None, None)
    assert seen[0][people[1]] == ("O'neil 1", f"Other {since}", "2024-02-29", "ada@target.example", boss)
