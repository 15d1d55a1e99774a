"""The Salesforce command line, unmodified, from npm, signed in with an access token."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.support.npm import Clients, Ran
from tests.support.orgsim import Orgsim, start_orgsim

pytestmark = pytest.mark.npm

KEY = {"label": "Ext", "type": "Text", "length": 18, "externalId": True, "unique": True, "caseSensitive": True}


@pytest.fixture(scope="module")
def org() -> Iterator[Orgsim]:
    with start_orgsim(rows={"Account": 6, "Contact": 12}) as running:
        running.control("POST", "/fields", {"FullName": "Account.Ext__c", "Metadata": KEY})
        yield running


@pytest.fixture(scope="module")
def sf(org: Orgsim, npm_packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Clients:
    signed_in = Clients(npm_packages, tmp_path_factory.mktemp("home"))
    ran = signed_in.sf(
        *("org", "login", "access-token", "--instance-url", org.instance_url, "--no-prompt", "--set-default"),
        more={"SF_ACCESS_TOKEN": org.access_token},
    )
    assert ran.status == 0, ran.err
    return signed_in


def good(ran: Ran) -> Ran:
    assert ran.status == 0, ran.out + ran.err
    return ran


def test_it_signs_in_and_displays_the_org(sf: Clients, org: Orgsim):
    shown = good(sf.sf("org", "display", "--json")).result["result"]
    assert (shown["id"], shown["username"]) == (org.ready["org_id"], org.username)
    assert shown["connectedStatus"] == "Connected"


def test_it_queries_for_people_and_for_programs(sf: Clients):
    table = good(sf.sf("data", "query", "-q", "SELECT Name, Owner.Name, (SELECT LastName FROM Contacts) FROM Account"))
    assert "OWNER.NAME" in table.out
    assert "Total number of records retrieved: 6." in table.out
    grouped = good(sf.sf("data", "query", "-r", "csv", "-q", "SELECT COUNT(Id) many FROM Account"))
    assert grouped.out.split() == ["many", "6"]
    refused = sf.sf("data", "query", "--json", "-q", "SELECT Nope FROM Account")
    assert refused.status == 1
    assert refused.result["name"] == "INVALID_FIELD"


def test_it_creates_changes_finds_and_deletes_a_record(sf: Clients, org: Orgsim):
    made = good(sf.sf("data", "create", "record", "-s", "Account", "-v", "Name='From sf' Phone=1", "--json")).result
    row_id = made["result"]["id"]
    good(sf.sf("data", "update", "record", "-s", "Account", "-i", row_id, "-v", "Name='Changed'"))
    found = good(sf.sf("data", "get", "record", "-s", "Account", "-w", "Name='Changed'", "--json")).result["result"]
    assert (found["Id"], found["Phone"]) == (row_id, "1")
    good(sf.sf("data", "delete", "record", "-s", "Account", "-i", row_id))
    assert row_id not in {row["Id"] for row in org.rows("Account")}


def test_it_carries_a_tree_out_and_in_again(sf: Clients, org: Orgsim):
    soql = "SELECT Name, Phone, (SELECT FirstName, LastName FROM Contacts) FROM Account"
    before = {name: len(org.rows(name)) for name in ("Account", "Contact")}
    good(sf.sf("data", "export", "tree", "-q", soql, "-d", "tree", "--plan"))
    good(sf.sf("data", "import", "tree", "-p", "tree/Account-Contact-plan.json"))
    after = {name: len(org.rows(name)) for name in ("Account", "Contact")}
    assert after == {name: count * 2 for name, count in before.items()}


def test_it_loads_and_reads_in_bulk(sf: Clients, org: Orgsim):
    (sf.home / "in.csv").write_text("Ext__c,Name\nB1,one\nB2,two\n")
    loaded = good(sf.sf(*"data import bulk -s Account -f in.csv -w 5 --json".split())).result["result"]
    assert (loaded["processedRecords"], loaded["successfulRecords"], loaded["failedRecords"]) == (2, 2, 0)
    (sf.home / "in.csv").write_text("Ext__c,Name\nB1,one again\nB3,three\n")
    good(sf.sf(*"data upsert bulk -s Account -i Ext__c -f in.csv -w 5 --json".split()))
    names = {row["Ext__c"]: row["Name"] for row in org.rows("Account") if row["Ext__c"]}
    assert names == {"B1": "one again", "B2": "two", "B3": "three"}
    good(
        sf.sf(
            *"data export bulk --output-file out.csv -w 5 -q".split(), "SELECT Name FROM Account WHERE Ext__c != null"
        )
    )
    assert (sf.home / "out.csv").read_text().split("\n")[:2] == ['"Name"', '"one again"']
    (sf.home / "bad.csv").write_text("Ext__c,Name\nB9,\n")
    failed = sf.sf(*"data import bulk -s Account -f bad.csv -w 5 --json".split())
    assert (failed.status, failed.result["name"]) == (1, "FailedRecordDetailsError")


def test_it_describes_and_reads_limits(sf: Clients):
    assert "Contact" in good(sf.sf("sobject", "list", "--json")).result["result"]
    described = good(sf.sf("sobject", "describe", "-s", "Contact", "--json")).result["result"]
    assert described["keyPrefix"] == "003"
    limits = good(sf.sf("org", "list", "limits", "--json")).result["result"]
    assert {"DailyApiRequests"} <= {entry["name"] for entry in limits}
    path = "/services/data/v62.0/limits/recordCount?sObjects=Contact"
    counted = json.loads(good(sf.sf("api", "request", "rest", path)).out)
    assert counted["sObjects"][0]["name"] == "Contact"


def test_it_changes_and_deletes_in_bulk_and_searches(sf: Clients, org: Orgsim):
    kept, gone = org.add_rows("Account", [{"Name": "Kept by sf"}, {"Name": "Gone by sf"}])
    (sf.home / "in.csv").write_text(f"Id,Name\n{kept},Changed in bulk\n")
    good(sf.sf(*"data update bulk -s Account -f in.csv -w 5 --json".split()))
    (sf.home / "in.csv").write_text(f"Id\n{gone}\n")
    good(sf.sf(*"data delete bulk -s Account -f in.csv -w 5 --json".split()))
    names = {row["Id"]: row["Name"] for row in org.rows("Account")}
    assert (names[kept], gone in names) == ("Changed in bulk", False)
    found = good(sf.sf("data", "search", "-q", "FIND {Changed in bulk} RETURNING Account(Id)", "--json")).result
    assert [row["Id"] for row in found["result"]["searchRecords"]] == [kept]


def test_it_assigns_a_permission_set_and_names_one_that_is_not_there(sf: Clients, org: Orgsim):
    org.add_rows("PermissionSet", [{"Name": "Sales_Extra", "Label": "Sales Extra"}])
    good(sf.sf("org", "assign", "permset", "-n", "Sales_Extra"))
    assert len(org.rows("PermissionSetAssignment")) == 1
    refused = sf.sf("org", "assign", "permset", "-n", "Nope", "--json")
    assert refused.status == 1
    assert "not found" in refused.out


@pytest.mark.parametrize("by_rest", ["false", "true"])
def test_it_deploys_a_custom_field_and_finds_it(sf: Clients, org: Orgsim, by_rest: str):
    name = f"Deployed_{by_rest}__c"
    folder = sf.home / "force-app/main/default/objects/Account/fields"
    folder.mkdir(parents=True, exist_ok=True)
    project = {"packageDirectories": [{"path": "force-app", "default": True}], "sourceApiVersion": "62.0"}
    (sf.home / "sfdx-project.json").write_text(json.dumps(project))
    (folder / f"{name}.field-meta.xml").write_text(
        '<CustomField xmlns="http://soap.sforce.com/2006/04/metadata">'
        f"<fullName>{name}</fullName><label>Deployed</label><type>Text</type><length>18</length></CustomField>"
    )
    good(sf.sf("config", "set", f"org-metadata-rest-deploy={by_rest}"))
    done = good(sf.sf("project", "deploy", "start", "-d", "force-app", "--json")).result["result"]
    assert (done["status"], done["numberComponentErrors"]) == ("Succeeded", 0)
    listed = good(sf.sf("org", "list", "metadata", "-m", "CustomField", "--json")).result["result"]
    assert f"Account.{name}" in {entry["fullName"] for entry in listed}


def test_it_is_told_in_its_own_words_what_is_not_emulated(sf: Clients):
    refused = sf.sf("org", "open", "--url-only", "--json")
    assert refused.status == 1
    assert "orgsim does not emulate this" in refused.out


def test_it_signs_in_with_a_key(org: Orgsim, clients: Clients):
    key = rsa.generate_private_key(65537, 2048)
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    app = {"client_id": "orgsim-jwt", "name": "jwt", "jwt_certificate": public, "preapproved": True}
    org.control("POST", "/apps", app)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (clients.home / "server.key").write_bytes(private)
    named = ("--username", org.username, "--client-id", "orgsim-jwt", "--instance-url", org.instance_url)
    good(clients.sf("org", "login", "jwt", *named, "--jwt-key-file", "server.key"))
    shown = good(clients.sf("data", "query", "-o", org.username, "-q", "SELECT Id FROM Organization", "--json"))
    assert shown.result["result"]["totalSize"] == 1
