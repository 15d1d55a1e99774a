"""simple-salesforce, unmodified, over TLS with orgsim's own authority: what it was written for must work."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import (
    SalesforceAuthenticationFailed,
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceResourceNotFound,
)

from tests.support.orgsim import Orgsim, start_orgsim

TEXT_ID = {"label": "Ext", "type": "Text", "length": 18, "externalId": True, "unique": True, "caseSensitive": True}


class ToOrgsim(HTTPAdapter):
    """Maps login.salesforce.com to the emulator, inside this process only."""

    def __init__(self, target: str) -> None:
        self._target = target
        super().__init__()

    def send(self, request: requests.PreparedRequest, *args: Any, **more: Any) -> requests.Response:
        assert request.url is not None
        request.url = request.url.replace("https://login.salesforce.com", self._target)
        return super().send(request, *args, **more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def running(folder: Any) -> Iterator[Orgsim]:
    with start_orgsim(tls=folder) as process:
        for name in ("Account", "Contact"):
            process.control("POST", "/fields", {"FullName": f"{name}.Ext__c", "Metadata": TEXT_ID})
        yield process


@pytest.fixture(scope="module")
def session(folder: Any, running: Orgsim) -> requests.Session:
    made = requests.Session()
    made.trust_env = False  # neither a proxy nor another authority from the environment
    made.verify = str(folder / "ca.pem")
    made.mount("https://login.salesforce.com", ToOrgsim(running.instance_url))
    return made


@pytest.fixture
def client(running: Orgsim, session: requests.Session) -> Salesforce:
    for name in ("Contact", "Account"):
        for row in running.rows(name):
            running.control("DELETE", f"/rows/{name}/{row['Id']}?hard=true")
    return Salesforce(instance_url=running.instance_url, session_id=running.access_token, session=session)


def test_it_signs_in_with_a_password(running: Orgsim, session: requests.Session):
    client = Salesforce(username=running.username, password="orgsim", security_token="", session=session)
    assert client.sf_instance == urlsplit(running.instance_url).netloc
    assert client.query("SELECT Id FROM Organization")["totalSize"] == 1


def test_a_wrong_password_is_its_authentication_error(running: Orgsim, session: requests.Session):
    with pytest.raises(SalesforceAuthenticationFailed) as refused:
        Salesforce(username=running.username, password="wrong", security_token="", session=session)
    assert refused.value.code == "INVALID_LOGIN"


def test_it_describes(client: Salesforce):
    listed = client.describe()
    assert listed is not None
    assert {"Account", "Contact"} <= {entry["name"] for entry in listed["sobjects"]}
    assert "LastName" in {field["name"] for field in client.Contact.describe()["fields"]}
    assert client.Account.metadata()["objectDescribe"]["keyPrefix"] == "001"


def test_it_creates_reads_changes_and_deletes(client: Salesforce):
    made = client.Account.create({"Name": "Zoë's Café ☕"})
    assert made["success"] is True
    assert made["errors"] == []
    row_id = made["id"]
    assert client.Account.get(row_id)["Name"] == "Zoë's Café ☕"
    assert client.Account.update(row_id, {"Phone": "1"}) == 204
    assert client.query(f"SELECT Phone FROM Account WHERE Id = '{row_id}'")["records"][0]["Phone"] == "1"
    assert client.Account.delete(row_id) == 204
    with pytest.raises(SalesforceResourceNotFound):
        client.Account.get(row_id)


def test_it_upserts_by_external_id(client: Salesforce):
    assert client.Account.upsert("Ext__c/A1", {"Name": "first"}) == 201
    assert client.Account.upsert("Ext__c/A1", {"Name": "second"}) in {200, 204}
    assert client.Account.get_by_custom_id("Ext__c", "A1")["Name"] == "second"


def test_it_pages_through_queries(client: Salesforce, running: Orgsim):
    running.add_rows("Account", [{"Name": f"Account {number}"} for number in range(4500)])
    first = client.query("SELECT Id, Name FROM Account")
    assert (first["totalSize"], first["done"], len(first["records"])) == (4500, False, 2000)
    found = client.query_all("SELECT Id, Name FROM Account")
    assert len({row["Id"] for row in found["records"]}) == 4500
    assert sum(1 for _ in client.query_all_iter("SELECT Id FROM Account")) == 4500


def test_it_reads_the_limits_and_the_usage_header(client: Salesforce):
    assert client.limits()["DailyApiRequests"]["Max"] == 100_000
    assert client.api_usage["api-usage"].total == 100_000


def test_it_sees_what_changed_and_was_deleted(client: Salesforce):
    made = client.Account.create({"Name": "seen"})
    now = datetime.now(UTC)
    start, end = now - timedelta(hours=1), now + timedelta(minutes=5)
    assert made["id"] in client.Account.updated(start, end)["ids"]
    client.Account.delete(made["id"])
    assert made["id"] in {row["id"] for row in client.Account.deleted(start, end)["deletedRecords"]}


def test_its_errors_carry_salesforces_codes(client: Salesforce, running: Orgsim, session: requests.Session):
    with pytest.raises(SalesforceMalformedRequest) as refused:
        client.Contact.create({"FirstName": "no last name"})
    assert refused.value.content[0]["errorCode"] == "REQUIRED_FIELD_MISSING"
    with pytest.raises(SalesforceMalformedRequest) as refused:
        client.query("SELECT Nope FROM Account")
    assert refused.value.content[0]["errorCode"] == "INVALID_FIELD"
    stranger = Salesforce(instance_url=running.instance_url, session_id="00Dxx!no", session=session)
    with pytest.raises(SalesforceExpiredSession):
        stranger.query("SELECT Id FROM Account")


def test_it_inserts_and_upserts_in_bulk(client: Salesforce, running: Orgsim):
    records = [{"LastName": f'Person "{number}"\nof many', "Ext__c": str(number)} for number in range(300)]
    [outcome] = client.bulk2.Contact.insert(records=records)
    assert (outcome["numberRecordsProcessed"], outcome["numberRecordsFailed"]) == (300, 0)
    assert {row["LastName"] for row in running.rows("Contact")} == {record["LastName"] for record in records}
    changed = [
        {"Ext__c": "0", "LastName": "Changed"},
        {"Ext__c": "new", "LastName": "Made"},
        {"Ext__c": "x", "LastName": ""},
    ]
    [outcome] = client.bulk2.Contact.upsert(records=changed, external_id_field="Ext__c")
    assert (outcome["numberRecordsProcessed"], outcome["numberRecordsFailed"]) == (3, 1)
    failed = client.bulk2.Contact.get_failed_records(outcome["job_id"])
    assert "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --" in failed
    good = client.bulk2.Contact.get_successful_records(outcome["job_id"])
    assert good.count("\n") == 3
    header = client.bulk2.Contact.get_unprocessed_records(outcome["job_id"]).strip()
    assert set(header.split(",")) == {'"Ext__c"', '"LastName"'}  # the client orders its columns by chance


def test_it_deletes_in_bulk(client: Salesforce, running: Orgsim):
    ids = running.add_rows("Contact", [{"LastName": "x"}, {"LastName": "y"}])
    [outcome] = client.bulk2.Contact.delete(records=[{"Id": ids[0]}])
    assert outcome["numberRecordsFailed"] == 0
    assert [row["Id"] for row in running.rows("Contact")] == ids[1:]


def test_it_queries_in_bulk_page_by_page(client: Salesforce, running: Orgsim):
    running.add_rows("Contact", [{"LastName": f"Person {number}"} for number in range(120)])
    pages = list(client.bulk2.Contact.query("SELECT Id, LastName FROM Contact", max_records=50))
    assert len(pages) == 3
    assert all(page.startswith('"Id","LastName"') for page in pages)
    assert sum(page.count("Person") for page in pages) == 120


def test_it_loads_and_reads_by_the_old_bulk_api(client: Salesforce, running: Orgsim):
    rows = [{"LastName": f"Old {number}", "Ext__c": str(number)} for number in range(250)]
    made = client.bulk.Contact.insert(rows, batch_size=100)
    assert [row["success"] for row in made] == [True] * 250
    assert len(running.rows("Contact")) == 250
    changed = client.bulk.Contact.upsert(
        [{"Ext__c": "0", "LastName": "Changed"}, {"Ext__c": "new", "LastName": None}], "Ext__c", batch_size=100
    )
    assert [(row["success"], row["created"]) for row in changed] == [(True, False), (False, False)]
    assert changed[1]["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    found = client.bulk.Contact.query("SELECT Id, LastName FROM Contact WHERE Ext__c = '0'")
    assert [row["LastName"] for row in found] == ["Changed"]
    gone = client.bulk.Contact.delete([{"Id": row["id"]} for row in made], batch_size=200)
    assert all(row["success"] for row in gone)
    assert client.bulk.Contact.query_all("SELECT Id FROM Contact WHERE IsDeleted = true")
    assert running.rows("Contact") == []


def _restful(client: Salesforce, method: str, path: str, body: object = None, **params: str) -> Any:
    return client.restful(path, params=params or None, method=method, json=body)


def _typed(name: str, *rows: dict[str, object]) -> list[dict[str, object]]:
    return [{"attributes": {"type": name}, **row} for row in rows]


def test_it_writes_collections_by_its_plain_call(client: Salesforce, running: Orgsim):
    body = {
        "allOrNone": False,
        "records": _typed("Account", {"Name": "A", "Ext__c": "1"}, {"Name": "B"}, {"Phone": "1"}),
    }
    made = _restful(client, "POST", "composite/sobjects", body)
    assert [row["success"] for row in made] == [True, True, False]
    assert made[2]["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    first, second = made[0]["id"], made[1]["id"]
    changed = {"records": _typed("Account", {"id": first, "Phone": "7"}, {"id": second, "Name": "B2"})}
    assert all(row["success"] for row in _restful(client, "PATCH", "composite/sobjects", changed))
    merged = {"records": _typed("Account", {"Ext__c": "1", "Name": "A2"}, {"Ext__c": "2", "Name": "C"})}
    answer = _restful(client, "PATCH", "composite/sobjects/Account/Ext__c", merged)
    assert [(row["success"], row["created"]) for row in answer] == [(True, False), (True, True)]
    assert {(row["Name"], row["Phone"]) for row in running.rows("Account")} == {("A2", "7"), ("B2", None), ("C", None)}
    found = _restful(client, "POST", "composite/sobjects/Account", {"ids": [second, first], "fields": ["Name"]})
    assert [row["Name"] for row in found] == ["B2", "A2"]
    gone = _restful(client, "DELETE", "composite/sobjects", ids=f"{first},{second}")
    assert [row["success"] for row in gone] == [True, True]
    assert [row["Name"] for row in running.rows("Account")] == ["C"]


def test_all_or_none_rolls_its_collection_back(client: Salesforce, running: Orgsim):
    body = {"allOrNone": True, "records": _typed("Account", {"Name": "A"}, {"Phone": "1"})}
    codes = [row["errors"][0]["statusCode"] for row in _restful(client, "POST", "composite/sobjects", body)]
    assert codes == ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "REQUIRED_FIELD_MISSING"]
    assert running.rows("Account") == []
    [kept] = running.add_rows("Account", [{"Name": "kept"}])
    unknown = "001000000000001AAA"
    gone = _restful(client, "DELETE", "composite/sobjects", ids=f"{kept},{unknown}", allOrNone="true")
    assert [row["success"] for row in gone] == [False, False]
    assert [row["Name"] for row in running.rows("Account")] == ["kept"]


def test_too_large_and_unknown_collections_are_its_errors(client: Salesforce):
    with pytest.raises(SalesforceMalformedRequest):
        _restful(client, "POST", "composite/sobjects", {"records": _typed("Account", *[{"Name": "x"}] * 201)})
    with pytest.raises(SalesforceResourceNotFound):
        _restful(client, "PATCH", "composite/sobjects/Account/Nope__c", {"records": _typed("Account", {"Name": "x"})})


def test_it_composes_calls_that_refer_to_each_other(client: Salesforce, running: Orgsim):
    base = f"/services/data/v{client.sf_version}/sobjects"

    def compose(*, name: str) -> list[int]:
        calls = [
            {"method": "POST", "url": f"{base}/Account", "referenceId": "a", "body": {"Name": "Parent"}},
            {"method": "POST", "url": f"{base}/Contact", "referenceId": "c",
             "body": {"LastName": name, "AccountId": "@{a.id}"}},
        ]  # fmt: skip
        answer = _restful(client, "POST", "composite", {"allOrNone": True, "compositeRequest": calls})
        return [entry["httpStatusCode"] for entry in answer["compositeResponse"]]

    assert compose(name="") == [400, 400]
    assert running.rows("Account") == []
    assert compose(name="Child") == [201, 201]
    [account], [contact] = running.rows("Account"), running.rows("Contact")
    assert contact["AccountId"] == account["Id"]


def test_it_searches(client: Salesforce, running: Orgsim):
    running.add_rows("Account", [{"Name": "Anvil Works"}, {"Name": "Other"}])
    found = client.search("FIND {anvil*} RETURNING Account(Id, Name)")
    assert [row["Name"] for row in found["searchRecords"]] == ["Anvil Works"]
    assert len(client.quick_search("works")["searchRecords"]) == 1
    with pytest.raises(SalesforceMalformedRequest) as refused:
        client.search("FIND anvil")
    assert refused.value.content[0]["errorCode"] == "MALFORMED_SEARCH"
