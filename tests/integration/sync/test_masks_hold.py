"""A masked value never leaves: no request to the target carries it, whatever way a row takes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from isthmus.clock import SystemClock
from isthmus.sync.copy import NO_MASK_KEY, CopyResult, copy_once
from isthmus.sync.spec import parse_spec
from isthmus.values import Secret
from tests.support.copying import Pair, copy_org, two_orgs
from tests.support.recording_relay import RecordingRelay, recording_relay

SMALL, LARGE = 100_000, 1
EXAMPLES = Path(__file__).parents[3] / "examples"
KEY = Secret(b"a key of forty characters, no less of it")
FIELDS = """
version: 1
name: masked
steps:
  - object: Account
    fields: {Name: Name, ParentId: ParentId, Description: Description}
  - object: Contact
    fields:
      LastName: LastName
      FirstName: {expr: 'upper(FirstName) & "!"'}
      Email: Email
      Phone: Phone
      MobilePhone: MobilePhone
      Department: Department
      Birthdate: Birthdate
      Description: Description
      AccountId: AccountId
      ReportsToId: ReportsToId
"""
MASKS = """
    mask:
      LastName: name
      FirstName: name
      Email: email
      Phone: phone
      MobilePhone: 'null'
      Department: redact
      Birthdate: date
"""


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_orgs(tmp_path) as orgs:
        yield orgs


def plant(pair: Pair, canary: str, rows: int = 24) -> list[str]:
    """Give masked fields a canary, and rows every reason to leave the common way."""
    source = pair.source
    accounts = source.add_rows("Account", [{"Name": f"Account {n}"} for n in range(3)])
    odd = {2: "#N/A", 5: "é" * 16_100, 7: 'quoted "twice", and\nbroken'}
    contacts = [
        {
            "LastName": f"{canary} person {n}",
            "FirstName": f"{canary.lower()}first",
            "Email": f"{canary}{n}@secret.example",
            "Phone": "+49 777 314159265",
            "MobilePhone": canary,
            "Department": canary,
            "Birthdate": "1977-07-07",
            "Description": odd.get(n, "plain"),
            "AccountId": accounts[n % 3] if n % 2 else None,
        }
        for n in range(rows)
    ]
    ids = source.add_rows("Contact", contacts)
    for n in range(1, rows, 4):
        source.control("PATCH", f"/rows/Contact/{ids[n]}", {"ReportsToId": ids[n - 1]})
    return ids


async def copied(pair: Pair, relay: RecordingRelay, text: str, rows_min: int) -> CopyResult:
    target = copy_org(replace(pair.target, instance_url=relay.url))
    return await copy_once(
        parse_spec(text),
        copy_org(pair.source),
        target,
        settings=pair.settings,
        clock=SystemClock(),
        bulk_rows_min=rows_min,
        mask_key=KEY,
    )


def carrying(relay: RecordingRelay, needles: list[str]) -> set[str]:
    requests = b"\n".join(relay.requests()).lower()
    return {needle for needle in needles if needle.lower().encode() in requests}


async def test_no_request_to_the_target_carries_a_masked_value(pair: Pair) -> None:
    canary = "Q" + secrets.token_hex(8)
    needles = [canary, "314159265", "1977-07-07"]
    ids = plant(pair, canary)
    # Rows that meet a lock are written again, by REST, from what the target gave back.
    lock = {"code": "UNABLE_TO_LOCK_ROW", "message": "locked"}
    for rows_min, path in ((SMALL, "REST"), (LARGE, "Bulk")):
        pair.target.control("POST", "/faults", {"object": "Contact", "every": 5, "times": 4, "row_error": lock})
        async with recording_relay(pair.target.instance_url) as relay:
            result = await copied(pair, relay, FIELDS + MASKS, rows_min)
            assert (result.message, result.failures) == (None, ())
            assert {step.path for step in result.steps} == {path, "-"}
            assert carrying(relay, needles) == set()
            assert len(relay.requests()) > 5
    # The search finds each of them where there is no mask, by both paths.
    for rows_min in (SMALL, LARGE):
        async with recording_relay(pair.target.instance_url) as relay:
            await copied(pair, relay, FIELDS, rows_min)
            assert carrying(relay, needles) == set(needles)
    assert set(pair.target_by_source("Contact")) == set(ids)


async def test_the_same_values_get_the_same_pseudonyms_and_without_a_key_none(pair: Pair) -> None:
    pair.source.add_rows("Contact", [{"LastName": "Ng", "Email": "Same@Example.org"}, {"LastName": "Ng"}])
    pair.source.add_rows("Lead", [{"LastName": "NG", "Company": "x", "Email": "same@example.org"}])
    head = "version: 1\nname: x\nsteps:\n"
    contacts = "  - object: Contact\n    fields: {LastName: LastName, Email: Email}\n"
    leads = "  - object: Lead\n    fields: {LastName: LastName, Email: Email, Company: Company}\n"
    masks = "    mask: {LastName: name, Email: email}\n"
    text = head + contacts + masks + leads + masks
    refused = await pair.copy(text)
    assert refused.message == NO_MASK_KEY
    assert (await pair.copy(text, dry_run=True)).message is None
    assert pair.target.rows("Contact") == []
    seen: list[set[tuple[str, str | None]]] = []
    for rows_min in (SMALL, LARGE):
        result = await pair.copy(text, bulk_rows_min=rows_min, mask_key=KEY)
        assert (result.message, result.failures) == (None, ())
        rows = [*pair.target.rows("Contact"), *pair.target.rows("Lead")]
        seen.append({(row["LastName"], row["Email"]) for row in rows})
    assert seen[0] == seen[1]
    assert len({name for name, _ in seen[0]}) == 1
    assert len({email for _, email in seen[0] if email}) == 1
    other = await pair.copy(text, mask_key=Secret(b"another key, and long enough"))
    assert other.failures == ()
    assert seen[0].isdisjoint({(row["LastName"], row["Email"]) for row in pair.target.rows("Contact")})
    fixed = await pair.copy(head + contacts + "    mask: {LastName: redact, Email: redact}\n")
    assert (fixed.message, fixed.failures) == (None, ())
    held = {(row["LastName"], row["Email"]) for row in pair.target.rows("Contact")}
    assert held == {("REDACTED", "redacted@example.com"), ("REDACTED", None)}


async def test_the_example_seeds_a_sandbox_in_which_nobody_can_be_recognised(pair: Pair) -> None:
    canary = "Q" + secrets.token_hex(8)
    plant(pair, canary)
    account = {"Name": canary, "Phone": "+49 777 314159265", "Website": canary, "BillingStreet": canary}
    ids = pair.source.add_rows("Account", [{**account, "NumberOfEmployees": n} for n in (5, 500, 5000, None)])
    pair.source.add_rows("Lead", [{"LastName": canary, "Company": canary, "Email": f"{canary}0@secret.example"}])
    result = await pair.copy((EXAMPLES / "masked-sandbox.yaml").read_text(), mask_key=KEY)
    assert (result.message, result.failures) == (None, ()), result.issues
    held = {name: pair.target.rows(name) for name in ("Account", "Contact", "Lead")}
    assert [len(rows) for rows in held.values()] == [7, 24, 1]
    assert canary.lower() not in repr(held).lower()
    assert "314159265" not in repr(held)
    sizes = {row["SwiftPort_Source_Id__c"]: (row["Name"], row["Description"]) for row in held["Account"]}
    assert [sizes[row] for row in ids] == [
        (f"Account {row[-6:]}", size) for row, size in zip(ids, ("small", "medium", "large", "small"), strict=True)
    ]
    assert held["Lead"][0]["Email"] in {row["Email"] for row in held["Contact"]}
