"""aiosalesforce, unmodified. It insists on My Domain names, so the name is mapped inside this process."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpcore
import httpx
import pytest
from aiosalesforce import Salesforce, SoapLogin
from aiosalesforce.auth import ClientCredentialsFlow
from aiosalesforce.exceptions import AuthenticationError, SalesforceError
from httpcore._backends.auto import AutoBackend

from tests.support.orgsim import Orgsim, start_orgsim

DOMAIN = "https://acme.my.salesforce.com"
TEXT_ID = {"label": "Ext", "type": "Text", "length": 18, "externalId": True, "unique": True, "caseSensitive": True}


class ToOrgsim(AutoBackend):
    """Connects every name to the emulator; TLS still checks the name that the client meant."""

    def __init__(self, port: int) -> None:
        self._to = port

    async def connect_tcp(self, host: str, port: int, *args: Any, **more: Any) -> httpcore.AsyncNetworkStream:
        return await super().connect_tcp("127.0.0.1", self._to, *args, **more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Orgsim]:
    with start_orgsim(tls=folder, more=["--instance-url", DOMAIN]) as process:
        process.control("POST", "/fields", {"FullName": "Contact.Ext__c", "Metadata": TEXT_ID})
        app = {"client_id": "machine", "name": "machine", "client_secret": "s3cret", "run_as": process.username}
        process.control("POST", "/apps", app)
        yield process


@pytest.fixture
async def network(running: Orgsim, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    for row in running.rows("Contact"):
        running.control("DELETE", f"/rows/Contact/{row['Id']}?hard=true")
    port = urlsplit(str(running.ready["listening"])).port
    assert port is not None
    transport = httpx.AsyncHTTPTransport()
    transport._pool = httpcore.AsyncConnectionPool(
        ssl_context=ssl.create_default_context(cafile=str(folder / "ca.pem")), network_backend=ToOrgsim(port)
    )
    async with httpx.AsyncClient(transport=transport, timeout=60) as client:
        yield client


@pytest.fixture
def client(network: httpx.AsyncClient) -> Salesforce:
    return Salesforce(network, DOMAIN, ClientCredentialsFlow("machine", "s3cret"))


async def test_it_signs_in_by_soap_and_by_client_credentials(
    running: Orgsim, network: httpx.AsyncClient, client: Salesforce
):
    by_soap = Salesforce(network, DOMAIN, SoapLogin(running.username, "orgsim", ""))
    for each in (client, by_soap):
        assert (await each.get_limits())["DailyApiRequests"]["Max"] == 100_000


async def test_wrong_secrets_are_its_authentication_error(running: Orgsim, network: httpx.AsyncClient):
    with pytest.raises(AuthenticationError, match="invalid_client"):
        await Salesforce(network, DOMAIN, ClientCredentialsFlow("machine", "wrong")).get_limits()
    with pytest.raises(AuthenticationError, match="INVALID_LOGIN"):
        await Salesforce(network, DOMAIN, SoapLogin(running.username, "wrong", "")).get_limits()


async def test_it_describes_by_the_plain_request(client: Salesforce):
    answer = await client.request("GET", f"{DOMAIN}/services/data/v{client.version}/sobjects/Contact/describe")
    assert "LastName" in {field["name"] for field in answer.json()["fields"]}


async def test_it_creates_reads_changes_upserts_and_deletes(client: Salesforce):
    row_id = await client.sobject.create("Contact", {"LastName": "Ñandú", "Ext__c": "E1"})
    assert (await client.sobject.get("Contact", row_id, fields=["LastName"]))["LastName"] == "Ñandú"
    await client.sobject.update("Contact", row_id, {"FirstName": "Al"})
    answer = await client.sobject.upsert("Contact", "E1", "Ext__c", {"LastName": "Changed"})
    assert (answer.id, answer.created) == (row_id, False)
    answer = await client.sobject.upsert("Contact", "E2", "Ext__c", {"LastName": "Made"})
    assert answer.created is True
    assert (await client.sobject.get("Contact", "E1", "Ext__c"))["FirstName"] == "Al"
    await client.sobject.delete("Contact", row_id)
    with pytest.raises(SalesforceError):
        await client.sobject.get("Contact", row_id)


async def test_it_pages_through_queries(client: Salesforce, running: Orgsim):
    running.add_rows("Contact", [{"LastName": f"Person {number}"} for number in range(4100)])
    found = {row["Id"] async for row in client.query("SELECT Id FROM Contact")}
    assert len(found) == 4100


async def test_it_batches_calls(client: Salesforce):
    async with client.composite.batch() as batch:
        made = batch.sobject.create("Contact", {"LastName": "In a batch"})
        found = batch.query("SELECT Id, LastName FROM Contact")
    assert made.done
    assert made.is_success
    assert [row["LastName"] for row in found.records] == ["In a batch"]


async def test_it_writes_in_bulk_and_gets_its_rows_back(client: Salesforce, running: Orgsim):
    data = [{"LastName": f'Person "{number}", Ñ\nx', "Ext__c": str(number)} for number in range(250)]
    outcome = await client.bulk_v2.insert("Contact", [*data, {"LastName": "", "Ext__c": "bad"}])
    assert (len(outcome.successful_results), len(outcome.failed_results)) == (250, 1)
    assert outcome.failed_results[0]["sf__Error"].startswith("REQUIRED_FIELD_MISSING:")
    assert {row["LastName"] for row in running.rows("Contact")} == {record["LastName"] for record in data}
    changed = await client.bulk_v2.upsert("Contact", [{"Ext__c": "0", "LastName": "Changed"}], "Ext__c")
    assert [row["sf__Created"] for row in changed.successful_results] == ["false"]


async def test_it_updates_and_deletes_in_bulk(client: Salesforce, running: Orgsim):
    ids = running.add_rows("Contact", [{"LastName": "x"}, {"LastName": "y"}])
    unknown = "003000000000001AAA"
    outcome = await client.bulk_v2.update("Contact", [{"Id": row_id, "FirstName": "Al"} for row_id in [*ids, unknown]])
    assert (len(outcome.successful_results), len(outcome.failed_results)) == (2, 1)
    assert {row["FirstName"] for row in running.rows("Contact")} == {"Al"}
    outcome = await client.bulk_v2.delete("Contact", [{"Id": ids[0]}])
    assert len(outcome.successful_results) == 1
    assert [row["Id"] for row in running.rows("Contact")] == ids[1:]


async def test_it_writes_collections_by_the_plain_request(client: Salesforce, running: Orgsim):
    target = f"{DOMAIN}/services/data/v{client.version}/composite/sobjects"
    rows = [
        {"attributes": {"type": "Contact"}, **row} for row in ({"LastName": "x", "Ext__c": "1"}, {"FirstName": "y"})
    ]
    answer = await client.request("POST", target, json={"allOrNone": True, "records": rows})
    assert [row["success"] for row in answer.json()] == [False, False]
    assert running.rows("Contact") == []
    answer = await client.request("PATCH", f"{target}/Contact/Ext__c", json={"records": rows[:1]})
    assert [row["created"] for row in answer.json()] == [True]


async def test_a_failing_call_of_a_batch_leaves_the_others(client: Salesforce, running: Orgsim):
    async with client.composite.batch() as batch:
        bad = batch.sobject.create("Contact", {"FirstName": "x"})
        good = batch.sobject.create("Contact", {"LastName": "y"})
    assert (bad.is_success, good.is_success) == (False, True)
    assert [row["LastName"] for row in running.rows("Contact")] == ["y"]


async def test_its_errors_carry_salesforces_codes(client: Salesforce):
    with pytest.raises(SalesforceError) as refused:
        await client.sobject.create("Contact", {"FirstName": "x"})
    assert refused.value.error_code == "REQUIRED_FIELD_MISSING"
