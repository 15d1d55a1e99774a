from __future__ import annotations

import csv
import gzip
import io
import time
from collections.abc import Mapping
from typing import Any

import pytest

from tests.support.orgsim import Orgsim, start_orgsim

JOBS = "/services/data/v62.0/jobs"
TEXT_ID = {"label": "Ext", "type": "Text", "length": 18, "externalId": True, "unique": True, "caseSensitive": True}


def finished(org: Orgsim, kind: str, job_id: str) -> dict[str, Any]:
    """Poll like a client until the job has ended."""
    while True:
        status, _, job = org.call("GET", f"{JOBS}/{kind}/{job_id}")
        assert status == 200
        if job["state"] in {"JobComplete", "Failed", "Aborted"}:
            return job
        time.sleep(0.02)


def query_job(org: Orgsim, soql: str, **more: str) -> dict[str, Any]:
    status, _, job = org.call("POST", f"{JOBS}/query", {"operation": "query", "query": soql} | more)
    assert status == 200, job
    assert job["state"] == "UploadComplete"
    return finished(org, "query", job["id"])


def ingest(
    org: Orgsim, data: str, object_name: str = "Contact", operation: str = "insert", **more: str
) -> dict[str, Any]:
    wanted = {"object": object_name, "operation": operation, "contentType": "CSV", "lineEnding": "LF"} | more
    status, _, job = org.call("POST", f"{JOBS}/ingest", wanted)
    assert (status, job["state"]) == (200, "Open"), job
    status, _, body = org.call("PUT", "/" + job["contentUrl"], data.encode(), Content_Type="text/csv")
    assert (status, body) == (201, "") or (status, body) == (201, b"")
    status, _, job = org.call("PATCH", f"{JOBS}/ingest/{job['id']}", {"state": "UploadComplete"})
    assert "contentUrl" not in job
    return finished(org, "ingest", job["id"])


def result(org: Orgsim, job: Mapping[str, Any], name: str) -> str:
    status, headers, text = org.call("GET", f"{JOBS}/ingest/{job['id']}/{name}")
    assert (status, headers["content-type"]) == (200, "text/csv;charset=UTF-8")
    return text


def parsed(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def with_external_id(org: Orgsim, object_name: str) -> None:
    org.control("POST", "/fields", {"FullName": f"{object_name}.Ext__c", "Metadata": TEXT_ID})


# queries


def test_every_page_has_the_header_its_count_and_a_locator_until_null(org: Orgsim):
    ids = org.add_rows("Account", [{"Name": f"Account {number}"} for number in range(25)])
    job = query_job(org, "SELECT Id, Name FROM Account")
    assert job["numberRecordsProcessed"] == 25
    assert job["jobType"] == "V2Query"
    found: list[str] = []
    locator = ""
    counts: list[int] = []
    while locator != "null":
        more = f"&locator={locator}" if locator else ""
        _, headers, text = org.call("GET", f"{JOBS}/query/{job['id']}/results?maxRecords=10{more}")
        assert text.startswith('"Id","Name"\n')
        rows = parsed(text)
        assert int(headers["sforce-numberofrecords"]) == len(rows)
        counts.append(len(rows))
        found += [row["Id"] for row in rows]
        locator = headers["sforce-locator"]
    assert counts == [10, 10, 5]
    assert found == ids


def test_a_locator_can_be_read_again(org: Orgsim):
    org.add_rows("Account", [{"Name": f"Account {number}"} for number in range(5)])
    job = query_job(org, "SELECT Name FROM Account")
    _, headers, _ = org.call("GET", f"{JOBS}/query/{job['id']}/results?maxRecords=2")
    again = [
        org.call("GET", f"{JOBS}/query/{job['id']}/results?maxRecords=2&locator={headers['sforce-locator']}")[2]
        for _ in range(2)
    ]
    assert again[0] == again[1]


def test_a_result_is_the_state_at_the_time_of_the_job(org: Orgsim):
    [row_id] = org.add_rows("Account", [{"Name": "before"}])
    job = query_job(org, "SELECT Name FROM Account")
    org.control("PATCH", f"/rows/Account/{row_id}", {"Name": "after"})
    assert parsed(org.call("GET", f"{JOBS}/query/{job['id']}/results")[2]) == [{"Name": "before"}]


def test_values_keep_newlines_quotes_and_unicode_and_null_is_empty(org: Orgsim):
    name = 'Zoë "Z"\nÑandú, 株式会社 🥐'
    org.add_rows("Account", [{"Name": name, "AnnualRevenue": 100, "NumberOfEmployees": 7}])
    job = query_job(org, "SELECT Name, Phone, AnnualRevenue, NumberOfEmployees, IsDeleted FROM Account")
    [row] = parsed(org.call("GET", f"{JOBS}/query/{job['id']}/results")[2])
    assert row == {
        "Name": name,
        "Phone": "",
        "AnnualRevenue": "100.0",
        "NumberOfEmployees": "7",
        "IsDeleted": "false",
    }


def test_parent_fields_are_columns_with_dots(org: Orgsim):
    [parent] = org.add_rows("Account", [{"Name": "Parent"}])
    org.add_rows("Contact", [{"LastName": "Child", "AccountId": parent}, {"LastName": "Orphan"}])
    job = query_job(org, "SELECT LastName, Account.Name FROM Contact")
    rows = parsed(org.call("GET", f"{JOBS}/query/{job['id']}/results")[2])
    assert [row["Account.Name"] for row in rows] == ["Parent", ""]


def test_results_through_another_api_version_are_a_conflict(org: Orgsim):
    job = query_job(org, "SELECT Id FROM Account")
    assert org.call("GET", f"/services/data/v61.0/jobs/query/{job['id']}/results")[0] == 409


def test_results_of_an_unfinished_job_are_refused(org: Orgsim):
    org.control("POST", "/whims", {"job_delay_s": [5, 5]})
    _, _, job = org.call("POST", f"{JOBS}/query", {"operation": "query", "query": "SELECT Id FROM Account"})
    status, _, body = org.call("GET", f"{JOBS}/query/{job['id']}/results")
    assert (status, body[0]["errorCode"]) == (400, "JOB_NOT_COMPLETE")
    assert org.call("DELETE", f"{JOBS}/query/{job['id']}")[0] == 400
    status, _, job = org.call("PATCH", f"{JOBS}/query/{job['id']}", {"state": "Aborted"})
    assert (status, job["state"]) == (200, "Aborted")
    org.control("POST", "/whims", {"level": "off"})
    assert org.call("DELETE", f"{JOBS}/query/{job['id']}")[0] == 204
    assert org.call("GET", f"{JOBS}/query/{job['id']}")[0] == 404


def test_a_finished_job_cannot_be_aborted(org: Orgsim):
    job = query_job(org, "SELECT Id FROM Account")
    status, _, body = org.call("PATCH", f"{JOBS}/query/{job['id']}", {"state": "Aborted"})
    assert (status, body[0]["errorCode"]) == (400, "INVALIDJOBSTATE")


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT FROM Account", "MALFORMED_QUERY"),
        ("SELECT Nope FROM Account", "INVALID_FIELD"),
        ("SELECT Id FROM Nope", "INVALID_TYPE"),
        ("SELECT COUNT(Id) FROM Account", "API_ERROR"),
        ("SELECT Id, (SELECT Id FROM Contacts) FROM Account", "API_ERROR"),
    ],
)
def test_bad_queries_are_refused_at_once(org: Orgsim, soql: str, code: str):
    status, _, body = org.call("POST", f"{JOBS}/query", {"operation": "query", "query": soql})
    assert (status, body[0]["errorCode"]) == (400, code)


def test_result_pages_list_at_most_five_addresses(org: Orgsim):
    org.add_rows("Account", [{"Name": str(number)} for number in range(13)])
    org.control("POST", "/settings", {"bulk_query_page_rows": 2})
    job = query_job(org, "SELECT Name FROM Account")
    names: list[str] = []
    path = f"{JOBS}/query/{job['id']}/resultPages"
    while path:
        _, _, pages = org.call("GET", path)
        assert len(pages["resultPages"]) <= 5
        assert pages["nextRecordsUrl"] == pages["nextRecordUrl"]
        for page in pages["resultPages"]:
            names += [row["Name"] for row in parsed(org.call("GET", page["resultUrl"])[2])]
        assert pages["done"] == (pages["nextRecordsUrl"] is None)
        path = pages["nextRecordsUrl"]
    org.control("POST", "/settings", {"bulk_query_page_rows": 50000})
    assert names == [str(number) for number in range(13)]


def test_columns_are_alphabetical_before_version_50(org: Orgsim):
    org.add_rows("Account", [{"Name": "x"}])
    base = "/services/data/v49.0/jobs/query"
    _, _, job = org.call("POST", base, {"operation": "query", "query": "SELECT Name, Id FROM Account"})
    finished(org, "query", job["id"])
    assert org.call("GET", f"{base}/{job['id']}/results")[2].startswith('"Id","Name"\n')


def test_deleted_rows_come_with_query_all_only(org: Orgsim):
    [row_id] = org.add_rows("Account", [{"Name": "gone"}])
    org.control("DELETE", f"/rows/Account/{row_id}")
    assert query_job(org, "SELECT Id FROM Account")["numberRecordsProcessed"] == 0
    assert query_job(org, "SELECT Id FROM Account", operation="queryAll")["numberRecordsProcessed"] == 1


def test_other_delimiters_and_line_endings(org: Orgsim):
    org.add_rows("Account", [{"Name": "a|b"}])
    job = query_job(org, "SELECT Name, Phone FROM Account", columnDelimiter="PIPE", lineEnding="CRLF")
    assert org.call("GET", f"{JOBS}/query/{job['id']}/results")[2] == '"Name"|"Phone"\r\n"a|b"|""\r\n'


def test_results_come_compressed_where_the_client_asks(org: Orgsim):
    org.add_rows("Account", [{"Name": "same" * 10}] * 100)
    job = query_job(org, "SELECT Name FROM Account")
    plain = org.call("GET", f"{JOBS}/query/{job['id']}/results")[2]
    _, headers, text = org.call("GET", f"{JOBS}/query/{job['id']}/results", Accept_Encoding="gzip")
    assert headers["content-encoding"] == "gzip"
    assert text == plain
    assert org.transcript()[-1]["bytes_out"] < len(plain) / 2


# ingest


def test_good_and_bad_rows_are_told_apart_and_echoed_to_the_letter(org: Orgsim):
    data = 'LastName,Email,Description\n"Ng, ""Al""",AL@EXAMPLE.COM," spaced\nlines "\n,nobody@example.com,\n'
    job = ingest(org, data)
    assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (2, 1)
    [good] = parsed(result(org, job, "successfulResults"))
    assert (good["sf__Created"], good["LastName"], good["Email"]) == ("true", 'Ng, "Al"', "AL@EXAMPLE.COM")
    assert good["Description"] == " spaced\nlines "
    [bad] = parsed(result(org, job, "failedResults"))
    assert bad == {
        "sf__Id": "",
        "sf__Error": "REQUIRED_FIELD_MISSING:Required fields are missing: [LastName]:LastName --",
        "LastName": "",
        "Email": "nobody@example.com",
        "Description": "",
    }
    assert parsed(result(org, job, "unprocessedRecords")) == []
    [row] = org.rows("Contact")
    assert row["Id"] == good["sf__Id"]


def test_upsert_creates_then_changes_and_resolves_parents_by_external_id(org: Orgsim):
    for name in ("Account", "Contact"):
        with_external_id(org, name)
    [parent] = org.add_rows("Account", [{"Name": "Parent", "Ext__c": "P1"}])
    data = "Ext__c,LastName,Account.Ext__c\nC1,One,P1\nC2,Two,P9\n"
    first = ingest(org, data, operation="upsert", externalIdFieldName="Ext__c")
    assert first["numberRecordsFailed"] == 1
    [bad] = parsed(result(org, first, "failedResults"))
    assert bad["sf__Error"].startswith("INVALID_FIELD:Foreign key external ID: P9 not found for field Ext__c")
    second = ingest(org, "Ext__c,LastName\nC1,Uno\n", operation="upsert", externalIdFieldName="Ext__c")
    assert [row["sf__Created"] for row in parsed(result(org, second, "successfulResults"))] == ["false"]
    [row] = org.rows("Contact")
    assert (row["LastName"], row["AccountId"]) == ("Uno", parent)


def test_an_empty_cell_changes_nothing_and_n_a_clears(org: Orgsim):
    [row_id] = org.add_rows("Account", [{"Name": "x", "Phone": "1", "Fax": "2"}])
    ingest(org, f"Id,Phone,Fax\n{row_id},,#N/A\n", "Account", "update")
    [row] = org.rows("Account")
    assert (row["Phone"], row["Fax"]) == ("1", None)


def test_rows_are_deleted_by_id(org: Orgsim):
    ids = org.add_rows("Account", [{"Name": "a"}, {"Name": "b"}])
    job = ingest(org, f"Id\n{ids[0]}\n001000000000000AAA\n", "Account", "delete")
    assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (2, 1)
    assert [row["Name"] for row in org.rows("Account")] == ["b"]


def test_an_unknown_column_fails_the_job(org: Orgsim):
    job = ingest(org, "LastName,Foo__c\nx,y\n")
    assert (job["state"], job["errorMessage"]) == ("Failed", "InvalidBatch : Field name not found : Foo__c")
    assert len(parsed(result(org, job, "unprocessedrecords"))) == 1
    assert org.rows("Contact") == []


def test_a_wrong_line_ending_fails_the_job(org: Orgsim):
    job = ingest(org, "LastName\r\nx\r\n")
    assert job["state"] == "Failed"
    assert job["errorMessage"].startswith("ClientInputError : LineEnding is invalid on user data.")


def test_an_empty_upload_completes_with_empty_results(org: Orgsim):
    job = ingest(org, "")
    assert (job["state"], job["numberRecordsProcessed"]) == ("JobComplete", 0)
    assert parsed(result(org, job, "successfulResults")) == []


def test_a_row_of_the_wrong_width_fails_alone(org: Orgsim):
    job = ingest(org, "LastName,Email\nok,\ntoo,few,cells\n")
    assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (2, 1)


def test_data_can_be_uploaded_once_only_and_compressed(org: Orgsim):
    _, _, job = org.call("POST", f"{JOBS}/ingest", {"object": "Contact", "operation": "insert"})
    data = gzip.compress(b"LastName\nZip\n")
    path = f"{JOBS}/ingest/{job['id']}/batches/"
    assert org.call("PUT", path, data, Content_Type="text/csv", Content_Encoding="gzip")[0] == 201
    assert org.call("PUT", path, data, Content_Type="text/csv")[0] == 400
    org.call("PATCH", f"{JOBS}/ingest/{job['id']}", {"state": "UploadComplete"})
    assert finished(org, "ingest", job["id"])["numberRecordsProcessed"] == 1


def test_a_multipart_job_starts_at_once(org: Orgsim):
    body = (
        b'--XX\r\nContent-Type: application/json\r\nContent-Disposition: form-data; name="job"\r\n\r\n'
        b'{"object":"Contact","operation":"insert","lineEnding":"LF"}\r\n--XX\r\n'
        b'Content-Type: text/csv\r\nContent-Disposition: form-data; name="content"; filename="content"\r\n\r\n'
        b"LastName\nMulti\n\r\n--XX--\r\n"
    )
    status, _, job = org.call("POST", f"{JOBS}/ingest", body, Content_Type="multipart/form-data; boundary=XX")
    assert (status, job["state"]) == (200, "UploadComplete")
    assert finished(org, "ingest", job["id"])["numberRecordsProcessed"] == 1
    assert [row["LastName"] for row in org.rows("Contact")] == ["Multi"]


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"object": "Nope", "operation": "insert"}, "INVALIDENTITY"),
        ({"object": "Account", "operation": "dance"}, "INVALIDOPERATION"),
        ({"object": "Account", "operation": "upsert"}, "INVALIDJOB"),
        ({"object": "Account", "operation": "upsert", "externalIdFieldName": "Phone"}, "INVALIDJOB"),
        ({"object": "Account", "operation": "insert", "columnDelimiter": "SMILEY"}, "INVALIDJOB"),
    ],
)
def test_senseless_jobs_are_refused(org: Orgsim, wanted: dict[str, str], code: str):
    status, _, body = org.call("POST", f"{JOBS}/ingest", wanted)
    assert (status, body[0]["errorCode"]) == (400, code)


def test_jobs_are_listed(org: Orgsim):
    job = ingest(org, "LastName\nx\n")
    _, _, listed = org.call("GET", f"{JOBS}/ingest?jobType=V2Ingest")
    assert (listed["done"], listed["nextRecordsUrl"]) == (True, None)
    assert job["id"] in {entry["id"] for entry in listed["records"]}


def test_a_wrong_token_is_refused_in_rest_style(org: Orgsim):
    status, _, body = org.call("POST", f"{JOBS}/query", {}, token="00Dxx!nothing")
    assert (status, body[0]["errorCode"]) == (401, "INVALID_SESSION_ID")


def test_planted_row_errors_strike_the_row_and_no_other(org: Orgsim):
    rule = {
        "object": "Contact",
        "where": {"LastName": "Bad"},
        "row_error": {"code": "UNABLE_TO_LOCK_ROW", "message": "m"},
    }
    org.control("POST", "/faults", rule)
    job = ingest(org, "LastName\nGood\nBad\nFine\n")
    assert [row["sf__Error"] for row in parsed(result(org, job, "failedResults"))] == ["UNABLE_TO_LOCK_ROW:m:--"]
    assert [row["LastName"] for row in org.rows("Contact")] == ["Good", "Fine"]


def test_the_server_answers_while_a_large_job_runs(org: Orgsim):
    _, _, job = org.call("POST", f"{JOBS}/ingest", {"object": "Contact", "operation": "insert"})
    data = "LastName\n" + "".join(f"Person {number}\n" for number in range(20_000))
    org.call("PUT", "/" + job["contentUrl"], data.encode(), Content_Type="text/csv")
    org.call("PATCH", f"{JOBS}/ingest/{job['id']}", {"state": "UploadComplete"})
    states = [org.call("GET", f"{JOBS}/ingest/{job['id']}")[2] for _ in range(5)]
    assert any(0 < state["numberRecordsProcessed"] < 20_000 for state in states)
    assert finished(org, "ingest", job["id"])["numberRecordsProcessed"] == 20_000


def test_bench_tables_serve_windows_and_absorb_uploads():
    with start_orgsim(profile="bench", rows={"Account": 3000}) as bench:
        job = query_job(bench, "SELECT Id, Name, SystemModstamp FROM Account")
        everything = parsed(bench.call("GET", f"{JOBS}/query/{job['id']}/results")[2])
        assert len(everything) == 3000
        border = everything[1500]["SystemModstamp"]
        parts: list[dict[str, str]] = []
        for window in (f"SystemModstamp < {border}", f"SystemModstamp >= {border}"):
            job = query_job(bench, f"SELECT Id, Name, SystemModstamp FROM Account WHERE {window}")
            parts += parsed(bench.call("GET", f"{JOBS}/query/{job['id']}/results")[2])
        assert parts == everything
        taken = ingest(bench, "LastName\na\nb\n", "Contact")
        assert taken["numberRecordsProcessed"] == 2
        assert bench.call("GET", f"{JOBS}/ingest/{taken['id']}/successfulResults")[0] == 501
