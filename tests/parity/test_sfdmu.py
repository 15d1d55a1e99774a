"""SFDMU, unmodified, as a plugin of the Salesforce command line: a whole org-to-org run, judged by orgsim.compare."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from orgsim.compare import compare
from tests.support.npm import Clients
from tests.support.orgsim import Orgsim, start_orgsim

pytestmark = pytest.mark.npm

KEY_NAME = "SwiftPort_Source_Id__c"
KEY = {"label": "Key", "type": "Text", "length": 18, "externalId": True, "unique": True, "caseSensitive": True}
LOOKUPS = {
    "Account": {"ParentId": "Account"},
    "Contact": {"AccountId": "Account"},
    "Opportunity": {"AccountId": "Account"},
}
FIELDS = {
    "Account": "Name Phone Website Industry NumberOfEmployees AnnualRevenue BillingStreet BillingCity ParentId".split(),
    "Contact": "FirstName LastName Email Phone Title Birthdate Description MailingCity AccountId".split(),
    "Opportunity": "Name StageName CloseDate Amount Probability Description AccountId".split(),
}
FEW_ROWS, MANY_ROWS = (
    {"Account": 60, "Contact": 150, "Opportunity": 40},
    {"Account": 300, "Contact": 900, "Opportunity": 250},
)


@pytest.fixture(params=[FEW_ROWS, MANY_ROWS], ids=["by collections", "in bulk"])
def orgs(request: pytest.FixtureRequest) -> Iterator[tuple[Orgsim, Orgsim]]:
    with start_orgsim(name="alpha", rows=request.param) as source, start_orgsim(name="beta", seed=2) as target:
        for name in FIELDS:
            for org in (source, target):
                org.control("POST", "/fields", {"FullName": f"{name}.{KEY_NAME}", "Metadata": KEY})
            for row in source.rows(name):
                source.control("PATCH", f"/rows/{name}/{row['Id']}", {KEY_NAME: row["Id"]})
        yield source, target


def write_export(folder: Path, orgs: tuple[Orgsim, Orgsim]) -> None:
    steps = [
        {"query": f"SELECT {KEY_NAME}, {', '.join(fields)} FROM {name}", "operation": "Upsert", "externalId": KEY_NAME}
        for name, fields in FIELDS.items()
    ]
    named = [
        {"name": name, "instanceUrl": org.instance_url, "accessToken": org.access_token}
        for name, org in zip(("alpha", "beta"), orgs, strict=True)
    ]
    (folder / "export.json").write_text(json.dumps({"orgs": named, "objects": steps}))


def assert_equal(source: Orgsim, target: Orgsim) -> None:
    for name, lookups in LOOKUPS.items():
        others = frozenset(source.rows(name)[0]) - set(FIELDS[name])
        found = compare(source.control_url, target.control_url, name, lookups, others)
        assert found.source_rows == found.target_rows
        assert found.fields_compared == found.source_rows * len(FIELDS[name])
        assert found.equal, (name, found.missing, found.surplus, dict(found.differing))


def test_a_whole_run_makes_the_target_equal_and_a_second_carries_changes(orgs: tuple[Orgsim, Orgsim], clients: Clients):
    source, target = orgs
    write_export(clients.home, orgs)
    linked = clients.sf("plugins", "link", str(clients.modules / "node_modules/sfdmu"), "--no-install")
    assert linked.status == 0, linked.err
    command = ("sfdmu", "run", "--sourceusername", "alpha", "--targetusername", "beta", "--noprompt", "-p", ".")
    first = clients.sf(*command)
    assert first.status == 0, first.out + first.err
    assert_equal(source, target)
    changed = source.rows("Account")[:7]
    for row in changed:
        source.control("PATCH", f"/rows/Account/{row['Id']}", {"Phone": "1-555-0199", "Name": f"{row['Name']} II"})
    second = clients.sf(*command)
    assert second.status == 0, second.out + second.err
    assert_equal(source, target)
    for org in orgs:
        assert [call for call in org.transcript() if call["status"] == 501] == []


def test_all_fields_are_selected_and_their_parents_found(clients: Clients):
    with start_orgsim(name="alpha", rows=FEW_ROWS) as source, start_orgsim(name="beta", seed=2) as target:
        for org in (source, target):
            for name in FIELDS:
                org.control("POST", "/fields", {"FullName": f"{name}.{KEY_NAME}", "Metadata": KEY})
        for name in FIELDS:
            for row in source.rows(name):
                source.control("PATCH", f"/rows/{name}/{row['Id']}", {KEY_NAME: row["Id"]})
        named = [
            {"name": name, "instanceUrl": org.instance_url, "accessToken": org.access_token}
            for name, org in (("alpha", source), ("beta", target))
        ]
        steps = [
            {"query": f"SELECT all FROM {name}", "operation": "Upsert", "externalId": KEY_NAME,
             "excludedFields": ["ContactId"] if name == "Opportunity" else []}
            for name in FIELDS
        ]  # fmt: skip
        (clients.home / "export.json").write_text(json.dumps({"orgs": named, "objects": steps}))
        clients.sf("plugins", "link", str(clients.modules / "node_modules/sfdmu"), "--no-install")
        run = clients.sf(
            "sfdmu", "run", "--sourceusername", "alpha", "--targetusername", "beta", "--noprompt", "-p", "."
        )
        assert run.status == 0, run.out + run.err
        for name in FIELDS:
            assert len(target.rows(name)) == len(source.rows(name)) > 0
