"""Merges, conversions, locks, limits and entity tags, over the wire."""

from __future__ import annotations

import asyncio
import urllib.error
from typing import Any
from urllib.parse import quote

import pytest

from orgsim.bulk.jobs import State
from orgsim.emulator import Emulator
from orgsim.wire import Request
from tests.support.orgsim import Orgsim
from tests.unit.orgsim_wire.signing_in import send, text_of

V = "/services/data/v62.0"


def _query(org: Orgsim, soql: str, *, deleted: bool = False) -> list[dict]:
    return org.call("GET", f"{V}/{'queryAll' if deleted else 'query'}?q={quote(soql)}")[2]["records"]


@pytest.mark.fact("merge-leaves-master-id", "merge-touches-children")
def test_a_merge_moves_the_children_and_leaves_a_trace_in_the_recycle_bin(org: Orgsim):
    master, loser = org.add_rows("Account", [{"Name": "M"}, {"Name": "L"}])
    [child] = org.add_rows("Contact", [{"LastName": "C", "AccountId": loser}])
    answer = org.control("POST", f"/rows/Account/{master}/merge", {"losers": [loser], "values": {"Site": "S"}})
    assert answer == {"id": master, "merged": [loser], "moved": [child]}
    assert [(row["Name"], row["Site"]) for row in _query(org, "SELECT Name, Site FROM Account")] == [("M", "S")]
    [gone] = _query(org, "SELECT Id, MasterRecordId FROM Account WHERE IsDeleted = true", deleted=True)
    assert (gone["Id"], gone["MasterRecordId"]) == (loser, master)
    assert org.rows("Contact")[0]["AccountId"] == master


def test_a_merge_into_itself_changes_nothing(org: Orgsim):
    [only] = org.add_rows("Account", [{"Name": "M"}])
    with pytest.raises(urllib.error.HTTPError, match="400"):
        org.control("POST", f"/rows/Account/{only}/merge", {"losers": [only], "values": {"Site": "S"}})
    assert org.rows("Account")[0]["Site"] is None


@pytest.mark.fact("lead-converted")
def test_a_converted_lead_points_to_what_it_became_and_cannot_be_changed(org: Orgsim):
    [lead] = org.add_rows("Lead", [{"LastName": "Lee", "Company": "Acme", "Email": "l@x.example"}])
    made = org.control("POST", f"/rows/Lead/{lead}/convert", {})
    [row] = _query(org, "SELECT IsConverted, ConvertedAccountId, ConvertedContactId, ConvertedOpportunityId FROM Lead")
    assert (row["IsConverted"], row["ConvertedAccountId"]) == (True, made["account"])
    assert (row["ConvertedContactId"], row["ConvertedOpportunityId"]) == (made["contact"], made["opportunity"])
    [contact] = _query(org, "SELECT LastName, Email, Account.Name FROM Contact")
    assert (contact["LastName"], contact["Email"], contact["Account"]["Name"]) == ("Lee", "l@x.example", "Acme")
    status, _, refused = org.call("PATCH", f"{V}/sobjects/Lead/{lead}", {"Title": "x"})
    assert (status, refused[0]["errorCode"]) == (400, "CANNOT_UPDATE_CONVERTED_LEAD")


def test_a_row_comes_back_from_the_recycle_bin_with_its_children(org: Orgsim):
    [account] = org.add_rows("Account", [{"Name": "A"}])
    org.add_rows("Contact", [{"LastName": "C", "AccountId": account}])
    org.call("DELETE", f"{V}/sobjects/Account/{account}")
    assert _query(org, "SELECT Id FROM Account") == []
    org.control("POST", f"/rows/Account/{account}/undelete")
    assert [row["Id"] for row in _query(org, "SELECT Id FROM Account")] == [account]
    assert org.control("GET", "/counts")["Contact"] == 1


async def _two_jobs(emulator: Emulator) -> list[int]:
    """Run two Bulk jobs side by side that write children of one parent; returns how many rows of each failed."""
    [parent] = emulator.org.load("Account", [{"Name": "P"}])
    token = {"Authorization": f"Bearer {emulator.new_access_token()}", "Content-Type": "application/json"}

    def call(method: str, path: str, body: bytes, **more: str) -> None:
        answer = emulator.answer(Request.build(method, V + path, headers={**token, **more}, body=body))
        assert answer.status in {200, 201}

    rows = "".join(f"C{number},{parent}\n" for number in range(600))
    for _ in range(2):
        call("POST", "/jobs/ingest", b'{"object": "Contact", "operation": "insert", "lineEnding": "LF"}')
    jobs = list(emulator.ingest_jobs._jobs.values())
    for job in jobs:
        csv = f"LastName,AccountId\n{rows}".encode()
        call("PUT", f"/jobs/ingest/{job.id}/batches", csv, **{"Content-Type": "text/csv"})
        call("PATCH", f"/jobs/ingest/{job.id}", b'{"state": "UploadComplete"}')
    while any(job.state not in {State.JOB_COMPLETE, State.FAILED} for job in jobs):
        await asyncio.sleep(0.01)
    assert all(b"UNABLE_TO_LOCK_ROW" in block for job in jobs for block in job.failures)
    return [job.failed for job in jobs]


@pytest.mark.fact("write-parent-locks")
async def test_parallel_jobs_on_one_parent_lock_each_other_out_where_that_is_switched_on(emulator: Emulator):
    emulator.settings.parent_locks = "on"
    first, second = await _two_jobs(emulator)
    assert first == 0
    assert second > 0
    assert emulator.org.tables["contact"].count() == 1200 - second


async def test_parallel_jobs_do_not_meet_by_default(emulator: Emulator):
    assert await _two_jobs(emulator) == [0, 0]


@pytest.mark.fact("write-storage-limit")
def test_a_full_org_takes_no_more_rows(org: Orgsim):
    total = sum(org.control("GET", "/counts").values())
    org.control("POST", "/settings", {"storage_rows_max": total + 1})
    assert org.call("POST", f"{V}/sobjects/Account", {"Name": "fits"})[0] == 201
    status, _, answer = org.call("POST", f"{V}/sobjects/Account", {"Name": "too much"})
    assert (status, answer[0]["errorCode"]) == (400, "STORAGE_LIMIT_EXCEEDED")


@pytest.mark.fact("write-username-taken")
def test_a_user_name_is_taken_once(org: Orgsim):
    [user] = _query(org, "SELECT Username, ProfileId FROM User LIMIT 1")
    body = {
        "Username": user["Username"].upper(), "LastName": "X", "Email": "x@x.example", "Alias": "x",
        "ProfileId": user["ProfileId"], "TimeZoneSidKey": "GMT", "LocaleSidKey": "en_US",
        "EmailEncodingKey": "UTF-8", "LanguageLocaleKey": "en_US", "CommunityNickname": "x",
    }  # fmt: skip
    status, _, answer = org.call("POST", f"{V}/sobjects/User", body)
    assert (status, answer[0]["errorCode"]) == (400, "DUPLICATE_USERNAME"), answer


@pytest.mark.fact("rest-limit-info-per-app")
def test_an_app_with_an_allowance_of_its_own_reads_it_in_the_header(org: Orgsim):
    _, headers, _ = org.call("GET", f"{V}/limits")
    assert "per-app" not in headers["sforce-limit-info"]
    name = org.control("GET", "/apps")[0]["name"]
    org.control("POST", "/usage", {"app": name, "per_day": 3})
    headers = org.call("GET", f"{V}/limits")[1]
    assert headers["sforce-limit-info"].endswith(f"/3(appName={name})")
    assert "; per-app-api-usage=" in headers["sforce-limit-info"]
    statuses = [org.call("GET", f"{V}/limits")[0] for _ in range(3)]
    assert statuses[-1] == 403


@pytest.mark.fact("row-entity-tags")
def test_rows_of_account_have_entity_tags(org: Orgsim):
    [row] = org.add_rows("Account", [{"Name": "A"}])
    path = f"{V}/sobjects/Account/{row}"
    tag = org.call("GET", path)[1]["etag"]
    assert org.call("GET", path, **{"If-None-Match": tag})[0] == 304
    assert org.call("GET", path, **{"If-Match": '"other"'})[0] == 412
    org.control("POST", "/clock", {"advance_s": 5})
    assert org.call("PATCH", path, {"Site": "S"}, **{"If-Match": tag})[0] == 204
    status, _, refused = org.call("PATCH", path, {"Site": "T"}, **{"If-Match": tag})
    assert (status, refused[0]["errorCode"]) == (412, "PRECONDITION_FAILED")
    assert org.call("GET", path, **{"If-None-Match": tag})[0] == 200


@pytest.mark.fact("row-unmodified-since")
def test_a_row_is_not_changed_if_it_was_changed_after_the_time_that_the_client_knows(org: Orgsim):
    [row] = org.add_rows("Contact", [{"LastName": "A"}])
    path = f"{V}/sobjects/Contact/{row}"
    org.control("POST", "/clock", {"freeze": True})  # the row is read and changed in one second
    known = org.call("GET", path)[1]["date"]
    assert org.call("PATCH", path, {"Title": "S"}, **{"If-Unmodified-Since": known})[0] == 204
    org.control("POST", "/clock", {"thaw": True})
    org.control("POST", "/clock", {"advance_s": 5})
    assert org.call("PATCH", path, {"Title": "T"}, **{"If-Unmodified-Since": known})[0] == 204
    status, _, refused = org.call("PATCH", path, {"Title": "U"}, **{"If-Unmodified-Since": known})
    assert (status, refused[0]["errorCode"]) == (412, "PRECONDITION_FAILED")
    assert org.call("GET", path)[2]["Title"] == "T"


@pytest.mark.fact("composite-sub-headers")
def test_each_row_of_a_composite_has_a_condition_of_its_own(org: Orgsim):
    changed, unchanged = org.add_rows("Contact", [{"LastName": "A"}, {"LastName": "B"}])
    known = org.call("GET", f"{V}/sobjects/Contact/{changed}")[1]["date"]
    org.control("POST", "/clock", {"advance_s": 5})
    assert org.call("PATCH", f"{V}/sobjects/Contact/{changed}", {"Title": "S"})[0] == 204
    calls = [
        {
            "method": "PATCH",
            "url": f"{V}/sobjects/Contact/{row}",
            "referenceId": f"r{number}",
            "httpHeaders": {"If-Unmodified-Since": known},
            "body": {"Title": "T"},
        }
        for number, row in enumerate((changed, unchanged))
    ]
    _, _, answer = org.call("POST", f"{V}/composite", {"allOrNone": False, "compositeRequest": calls})
    assert [each["httpStatusCode"] for each in answer["compositeResponse"]] == [412, 204]
    titles = [org.call("GET", f"{V}/sobjects/Contact/{row}")[2]["Title"] for row in (changed, unchanged)]
    assert titles == ["S", "T"]


@pytest.mark.fact("query-for-update")
def test_for_update_locks_nothing_that_outlives_the_call(emulator: Emulator):
    emulator.org.load("Account", [{"Name": "A"}])
    token = f"Bearer {emulator.new_access_token()}"
    target = f"{V}/query?q={quote('SELECT Name FROM Account LIMIT 1 FOR UPDATE')}"
    assert '"totalSize":1' in text_of(send(emulator, "GET", target, Authorization=token))


@pytest.mark.fact("rest-uri-limit")
def test_a_query_may_be_long_but_not_too_long(org: Orgsim):
    def asked(names: int) -> tuple[int, Any]:
        soql = f"SELECT Id FROM Account WHERE Name IN ({','.join(['%27abcdefgh%27'] * names)})".replace(" ", "+")
        status, _, answer = org.call("GET", f"{V}/query?q={soql}")
        return status, answer

    assert asked(1000)[0] == 200
    status, answer = asked(1200)
    assert (status, answer[0]["errorCode"]) == (414, "URI_TOO_LONG")


def test_a_version_is_written_with_its_letter(org: Orgsim):
    assert [org.call("GET", f"/services/data/{name}/limits")[0] for name in ("v62.0", "62.0", "v62")] == [200, 404, 404]


@pytest.mark.fact("bulk-times-whole-seconds")
def test_the_times_of_bulk_jobs_are_whole_seconds(org: Orgsim):
    body = {"operation": "insert", "object": "Account", "contentType": "CSV"}
    job = org.call("POST", f"{V}/jobs/ingest", body)[2]
    assert job["createdDate"].endswith(".000+0000")
    assert job["systemModstamp"].endswith(".000+0000")


@pytest.mark.fact("delete-malformed-id")
def test_what_is_no_id_is_no_row_to_be_deleted(org: Orgsim):
    status, _, answer = org.call("DELETE", f"{V}/sobjects/Account/rid")
    assert (status, answer[0]["errorCode"]) == (404, "NOT_FOUND")
    assert answer[0]["message"] == "Provided external ID field does not exist or is not accessible: rid"


@pytest.mark.fact("bulk-daily-allowance")
def test_the_days_allowance_of_bulk_work_runs_down_and_out(org: Orgsim):
    def remaining(name: str) -> int:
        return org.call("GET", f"{V}/limits")[2][name]["Remaining"]

    before = remaining("DailyBulkV2QueryJobs")
    query = {"operation": "query", "query": "SELECT Id FROM Account"}
    assert org.call("POST", f"{V}/jobs/query", query)[0] == 200
    assert remaining("DailyBulkV2QueryJobs") == before - 1
    used = {"DailyBulkApiBatches": 15_000, "DailyBulkV2QueryJobs": 10_000}
    org.control("POST", "/usage", {"bulk": used})
    assert remaining("DailyBulkApiBatches") == 0
    for path, body in ((f"{V}/jobs/query", query), (f"{V}/jobs/ingest", {"operation": "insert", "object": "Account"})):
        status, _, answer = org.call("POST", path, body)
        assert (status, answer[0]["errorCode"]) == (400, "EXCEEDEDQUOTA")
    with pytest.raises(urllib.error.HTTPError, match="400"):
        org.control("POST", "/usage", {"bulk": {"Nope": 1}})
