"""Bulk API 1.0 as its clients speak it: XML jobs with CSV, JSON from end to end, XML rows."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from orgsim.xmltree import Element, parse_xml
from tests.support.orgsim import Orgsim

XML = "application/xml; charset=utf-8"
NAMESPACE = "http://www.force.com/2009/06/asyncapi/dataload"


class Async:
    """Speaks to /services/async the way foreign clients do."""

    def __init__(self, org: Orgsim) -> None:
        self._org = org

    def call(
        self, method: str, path: str, body: Any = None, kind: str = XML, token: str | None = None, **headers: str
    ) -> tuple[int, str, bytes]:
        data = body.encode() if isinstance(body, str) else body
        request = urllib.request.Request(f"{self._org.instance_url}/services/async/62.0{path}", data, method=method)
        request.add_header("X-SFDC-Session", self._org.access_token if token is None else token)
        request.add_header("Content-Type", kind)
        for name, value in headers.items():
            request.add_header(name.replace("_", "-"), value)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.headers["Content-Type"], refused.read()

    def xml(self, method: str, path: str, body: str | None = None) -> Element:
        status, kind, answer = self.call(method, path, body)
        assert status in {200, 201}, answer
        assert kind == "application/xml"
        assert NAMESPACE.encode() in answer
        return parse_xml(answer)

    def job(self, operation: str, content: str = "CSV", more: str = "", object_name: str = "Account") -> str:
        body = (
            f'<jobInfo xmlns="{NAMESPACE}"><operation>{operation}</operation><object>{object_name}</object>{more}'
            f"<contentType>{content}</contentType></jobInfo>"
        )
        return self.xml("POST", "/job", body).value("id")

    def batch(self, job: str, body: str, kind: str = "text/csv") -> str:
        status, _, answer = self.call("POST", f"/job/{job}/batch", body, kind)
        assert status == 201, answer
        return parse_xml(answer).value("id") if not answer.startswith(b"{") else json.loads(answer)["id"]

    def finished(self, job: str, batch: str) -> Element:
        return _until(
            lambda: self.xml("GET", f"/job/{job}/batch/{batch}"),
            lambda e: e.value("state") in {"Completed", "Failed", "NotProcessed"},
        )

    def json(self, path: str) -> Any:
        status, kind, answer = self.call("GET", path)
        assert (status, kind) == (200, "application/json")
        return json.loads(answer)

    def records(self, soql: str) -> list[dict[str, Any]]:
        """What a query job in JSON finds; the calls about its batch say nothing of JSON, as CumulusCI's do not."""
        path = f"/job/{self.job('query', 'JSON', object_name=soql.rpartition(' FROM ')[2].split()[0])}/batch"
        batch = json.loads(self.call("POST", path, soql, "text/csv")[2])["id"]
        info = _until(lambda: self.json(f"{path}/{batch}"), lambda e: e["state"] in {"Completed", "Failed"})
        assert info["state"] == "Completed", info
        [result] = self.json(f"{path}/{batch}/result")
        assert len(result) == 15
        return self.json(f"{path}/{batch}/result/{result}")


def _until(read: Callable[[], Any], done: Callable[[Any], bool]) -> Any:
    found = read()
    for _ in range(200):
        if done(found):
            return found
        time.sleep(0.02)
        found = read()
    raise AssertionError(found)


@pytest.fixture
def bulk(org: Orgsim) -> Async:
    return Async(org)


@pytest.mark.fact("bulk-one-job-order", "bulk-one-empty-batch-list")
def test_a_job_is_described_in_the_order_of_the_schema(bulk: Async):
    job = bulk.job("insert")
    shown = bulk.xml("GET", f"/job/{job}")
    names = [child.name for child in shown.children]
    assert names[:7] == ["id", "operation", "object", "createdById", "createdDate", "systemModstamp", "state"]
    assert names[7:9] == ["concurrencyMode", "contentType"]
    assert names[-3:] == ["totalProcessingTime", "apiActiveProcessingTime", "apexProcessingTime"]
    assert shown.value("createdDate").endswith("Z")
    assert bulk.xml("GET", f"/job/{job}/batch").children == ()
    assert bulk.xml("POST", f"/job/{job}", "<jobInfo><state>Closed</state></jobInfo>").value("state") == "Closed"
    assert b"InvalidJobState" in bulk.call("POST", f"/job/{job}/batch", "Name\nx\n", "text/csv")[2]


@pytest.mark.fact("bulk-one-results-in-order", "bulk-one-error-text")
def test_rows_are_loaded_and_answered_in_order(bulk: Async, org: Orgsim):
    job = bulk.job("insert")
    batch = bulk.batch(job, 'Name,Phone\r\n"one, with comma",1\r\n,2\r\nthree,#N/A\r\n')
    info = bulk.finished(job, batch)
    assert (info.value("numberRecordsProcessed"), info.value("numberRecordsFailed")) == ("3", "1")
    _, kind, body = bulk.call("GET", f"/job/{job}/batch/{batch}/result")
    assert kind == "text/csv"
    lines = body.decode().splitlines()
    assert lines[0] == '"Id","Success","Created","Error"'
    assert lines[2] == '"","false","false","REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --"'
    assert {row["Name"]: row["Phone"] for row in org.rows("Account")} == {"one, with comma": "1", "three": None}
    assert bulk.call("GET", f"/job/{job}/batch/{batch}/request")[2].startswith(b"Name,Phone\r\n")


@pytest.mark.fact("bulk-one-query-without-rows", "bulk-one-json-dates", "bulk-one-json-content-type")
def test_queries_answer_csv_and_json(bulk: Async, org: Orgsim):
    job = bulk.job("query")
    batch = bulk.batch(job, "SELECT Id, Name FROM Account")
    bulk.finished(job, batch)
    found = bulk.xml("GET", f"/job/{job}/batch/{batch}/result")
    assert found.name == "result-list"
    rows = bulk.call("GET", f"/job/{job}/batch/{batch}/result/{found.value('result')}")[2]
    assert rows.decode().strip() == '"Records not found for this query"'
    org.add_rows("Account", [{"Name": "seen"}])
    [row] = bulk.records("SELECT Id, Name, Parent.Name, CreatedDate FROM Account")
    assert row["attributes"]["url"].endswith(row["Id"])
    assert (row["Name"], row["Parent"]) == ("seen", None)
    assert isinstance(row["CreatedDate"], int)


@pytest.mark.fact("bulk-one-json-records")
def test_json_results_nest_parents_and_choose_fields_by_the_kind_of_parent(bulk: Async, org: Orgsim):
    [contact] = org.add_rows("Contact", [{"LastName": "Doe"}])
    org.add_rows("Event", [{"Subject": "Call", "WhoId": contact, "DurationInMinutes": 60}])
    typed = "TYPEOF Who WHEN Contact THEN LastName, Email WHEN Lead THEN Company END, TYPEOF What WHEN Account THEN Name END"
    [row] = bulk.records(f"SELECT Id, {typed}, Subject, DurationInMinutes FROM Event")
    assert row["Who"]["attributes"]["type"] == "Contact"
    assert (row["Who"]["LastName"], row["Who"]["Email"], row["What"]) == ("Doe", None, None)
    assert row["DurationInMinutes"] == 60


@pytest.mark.fact("bulk-one-job-order", "bulk-one-json-batches")
def test_a_job_in_json_asked_for_in_xml_answers_xml_and_its_batches_json(bulk: Async):
    job = bulk.job("query", "JSON")
    assert bulk.xml("GET", f"/job/{job}").value("createdDate").endswith(".000Z")
    assert bulk.json(f"/job/{job}/batch") == {"batchInfo": []}


def test_a_job_in_csv_made_in_json_answers_xml_about_its_batches(bulk: Async, org: Orgsim):
    wanted = {"operation": "query", "object": "Account", "contentType": "CSV"}
    job = json.loads(bulk.call("POST", "/job", json.dumps(wanted), "application/json")[2])["id"]
    batch = bulk.batch(job, "SELECT Id FROM Account")
    status, kind, body = bulk.call("GET", f"/job/{job}/batch/{batch}", kind="application/json")
    assert (status, kind) == (200, "application/xml")
    assert parse_xml(body).value("jobId") == job


@pytest.mark.fact("bulk-one-xml-records")
def test_xml_results_show_type_and_id_first_and_nest_parents(bulk: Async, org: Orgsim):
    [account] = org.add_rows("Account", [{"Name": "A & B"}])
    org.add_rows("Contact", [{"LastName": "Doe", "AccountId": account}, {"LastName": "Roe"}])
    job = bulk.job("query", "XML", object_name="Contact")
    batch = bulk.batch(job, "SELECT Id, LastName, Account.Name, CreatedDate FROM Contact", "application/xml")
    assert bulk.finished(job, batch).value("numberRecordsProcessed") == "2"
    result = bulk.xml("GET", f"/job/{job}/batch/{batch}/result").value("result")
    answer = bulk.xml("GET", f"/job/{job}/batch/{batch}/result/{result}")
    assert answer.name == "queryResult"
    first, second = answer.all("records")
    assert [child.name for child in first.children] == ["type", "Id", "Id", "LastName", "Account", "CreatedDate"]
    assert first.value("CreatedDate").endswith(".000Z")
    parent, none = first.find("Account"), second.find("Account")
    assert parent is not None
    assert none is not None
    assert [(child.name, child.text, child.is_nil) for child in parent.children] == [
        ("type", "Account", False),
        ("Id", "", True),
        ("Name", "A & B", False),
    ]
    assert none.is_nil


@pytest.mark.fact("bulk-one-pk-chunking")
def test_a_query_is_cut_by_ranges_of_ids(bulk: Async, org: Orgsim):
    org.add_rows("Account", [{"Name": f"N{number}", "Phone": str(number % 2)} for number in range(5)])
    body = f'<jobInfo xmlns="{NAMESPACE}"><operation>query</operation><object>Account</object><contentType>CSV</contentType></jobInfo>'
    _, _, answer = bulk.call("POST", "/job", body, Sforce_Enable_PKChunking="chunkSize=2")
    job = parse_xml(answer).value("id")
    whole = bulk.batch(job, "SELECT Name FROM Account WHERE Phone = '0' OR Phone = 'x'")
    assert bulk.finished(job, whole).value("state") == "NotProcessed"
    chunks = [entry.value("id") for entry in bulk.xml("GET", f"/job/{job}/batch").all("batchInfo")]
    names: list[list[str]] = []
    for chunk in chunks[1:]:
        assert bulk.finished(job, chunk).value("state") == "Completed"
        result = bulk.xml("GET", f"/job/{job}/batch/{chunk}/result").value("result")
        text = bulk.call("GET", f"/job/{job}/batch/{chunk}/result/{result}")[2].decode()
        names.append(text.replace('"', "").split()[1:])
    assert names == [["N0"], ["N2"], ["N4"]]
    assert b" AND Id >= '" in bulk.call("GET", f"/job/{job}/batch/{chunks[2]}/request")[2]


@pytest.mark.parametrize(
    ("header", "status"), [("FALSE", 201), ("TRUE", 201), ("chunkSize=250001", 400), ("parent=X", 501)]
)
def test_the_header_of_chunks_is_read_or_refused(bulk: Async, header: str, status: int):
    body = '{"operation": "query", "object": "Account", "contentType": "CSV"}'
    assert bulk.call("POST", "/job", body, "application/json", Sforce_Enable_PKChunking=header)[0] == status


def test_what_is_not_emulated_is_said_in_the_form_of_this_api(bulk: Async, org: Orgsim):
    body = f'<jobInfo xmlns="{NAMESPACE}"><operation>insert</operation><object>Account</object><contentType>ZIP_CSV</contentType></jobInfo>'
    status, kind, answer = bulk.call("POST", "/job", body)
    assert (status, kind, parse_xml(answer).value("exceptionCode")) == (501, "application/xml", "NOT_EMULATED")
    assert "ZIP" in org.transcript()[-1]["note"]


def test_rows_may_be_xml(bulk: Async, org: Orgsim):
    job = bulk.job("insert", "XML")
    body = (
        f'<sObjects xmlns="{NAMESPACE}" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        '<sObject><Name>by XML</Name><Phone xsi:nil="true"/></sObject><sObject><Phone>1</Phone></sObject></sObjects>'
    )
    batch = bulk.batch(job, body, XML)
    bulk.finished(job, batch)
    results = bulk.xml("GET", f"/job/{job}/batch/{batch}/result")
    assert [entry.value("success") for entry in results.all("result")] == ["true", "false"]
    [errors] = results.all("result")[1].all("errors")
    assert (errors.value("fields"), errors.value("statusCode")) == ("Name", "REQUIRED_FIELD_MISSING")
    assert [row["Name"] for row in org.rows("Account")] == ["by XML"]


@pytest.mark.fact("bulk-one-session-header", "bulk-one-limits")
def test_refusals_have_the_form_of_this_api(bulk: Async):
    status, _, body = bulk.call("POST", "/job", "<jobInfo/>", token="00Dxx!no")
    assert status == 400
    assert b"<exceptionCode>InvalidSessionId</exceptionCode>" in body
    status, kind, body = bulk.call("POST", "/job", "{}", "application/json", token="00Dxx!no")
    assert (status, kind) == (400, "application/json")
    assert json.loads(body)["exceptionCode"] == "InvalidSessionId"
    assert b"InvalidJob" in bulk.call("GET", "/job/750000000000000AAA")[2]
    assert b"InvalidXML" in bulk.call("POST", "/job", "<jobInfo")[2]
    job = bulk.job("insert")
    unknown = bulk.finished(job, bulk.batch(job, "Nope__c\nx\n"))
    assert unknown.value("stateMessage") == "InvalidBatch : Field name not found : Nope__c"
    many = bulk.finished(job, bulk.batch(job, "Name\n" + "x\n" * 10_001))
    assert many.value("state") == "Failed"
    query = bulk.job("query")
    broken = bulk.finished(query, bulk.batch(query, "SELECT Nope FROM Account"))
    assert "INVALID_FIELD" in broken.value("stateMessage")
    assert bulk.call("POST", "/job", '{"operation":"insert","object":"Account","contentType":"ZIP_CSV"}')[0] == 501


def test_an_aborted_job_leaves_waiting_batches_unprocessed(bulk: Async, org: Orgsim):
    org.control("POST", "/whims", {"job_delay_s": [1.0, 1.0]})
    job = bulk.job("insert")
    batch = bulk.batch(job, "Name\nx\n")
    bulk.xml("POST", f"/job/{job}", "<jobInfo><state>Aborted</state></jobInfo>")
    assert bulk.xml("GET", f"/job/{job}/batch/{batch}").value("state") == "NotProcessed"
    assert org.rows("Account") == []
