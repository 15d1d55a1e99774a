from __future__ import annotations

import http.client
import random
import urllib.error
from urllib.parse import quote, urlsplit

import pytest

from orgsim.faults import FaultRule, Faults
from orgsim.whims import LEVELS, Whims
from orgsim.wire import Request
from tests.support.orgsim import Orgsim

DATA = "/services/data/v62.0"
ACCOUNT = Request.build("GET", f"{DATA}/query?q=SELECT+Id+FROM+Account")


def test_a_rule_with_nth_strikes_once():
    faults = Faults(random.Random(1))
    faults.add([FaultRule(path="/query", nth=2, status=503)])
    hits = [faults.for_request(ACCOUNT, "/query?q=x") for _ in range(4)]
    assert [hit is not None for hit in hits] == [False, True, False, False]


def test_a_rule_with_every_strikes_again_and_times_ends_it():
    faults = Faults(random.Random(1))
    faults.add([FaultRule(every=2, times=2, reset=True)])
    hits = [faults.for_request(ACCOUNT, "/x") is not None for _ in range(8)]
    assert hits == [False, True, False, True, False, False, False, False]


def test_an_object_is_found_in_path_query_and_body():
    for request in (
        ACCOUNT,
        Request.build("POST", f"{DATA}/sobjects/account"),
        Request.build("POST", f"{DATA}/jobs/ingest", body=b'{"object":"Account"}'),
    ):
        faults = Faults(random.Random(1))
        faults.add([FaultRule(object="Account", status=500)])
        assert faults.for_request(request, "") is not None
    faults = Faults(random.Random(1))
    faults.add([FaultRule(object="Account", status=500)])
    assert faults.for_request(Request.build("GET", f"{DATA}/sobjects/AccountShare"), "") is None


def test_whims_are_the_same_for_the_same_seed():
    def notes(seed: int) -> list[str]:
        whims = Whims("hostile", seed)
        return [trouble.note if (trouble := whims.for_request(ACCOUNT)) else "" for _ in range(2000)]

    assert notes(7) == notes(7)
    assert notes(7) != notes(8)
    assert len(set(notes(7))) == 5


def test_whims_leave_signing_in_alone():
    whims = Whims("hostile", 1)
    request = Request.build("POST", "/services/oauth2/token")
    assert all(whims.for_request(request) is None for _ in range(2000))


def test_off_means_off():
    whims = Whims("off", 1)
    assert all(whims.for_request(ACCOUNT) is None and whims.for_row() is None for _ in range(100))
    assert (whims.query_page_rows(2000), whims.job_delay_s()) == (2000, 0.0)
    assert set(LEVELS) == {"off", "mild", "hostile"}


def test_a_planted_answer_replaces_the_work(org: Orgsim):
    org.control(
        "POST", "/faults", {"method": "POST", "path": "/sobjects/Account", "status": 503, "body": "down", "times": 1}
    )
    assert org.call("POST", f"{DATA}/sobjects/Account", {"Name": "x"})[::2] == (503, "down")
    assert org.rows("Account") == []
    assert org.call("POST", f"{DATA}/sobjects/Account", {"Name": "x"})[0] == 201
    assert org.transcript()[0]["note"] == "fault rule"


def test_a_reset_connection_has_done_nothing(org: Orgsim):
    org.control("POST", "/faults", {"path": "/sobjects/Account", "reset": True, "times": 1})
    with pytest.raises((urllib.error.URLError, ConnectionError, http.client.HTTPException)):
        org.call("POST", f"{DATA}/sobjects/Account", {"Name": "x"})
    assert org.rows("Account") == []
    assert org.transcript()[-1]["status"] == 0


def test_half_an_answer_means_the_work_was_done(org: Orgsim):
    org.control("POST", "/faults", {"path": "/sobjects/Account", "half_after_bytes": 10, "times": 1})
    with pytest.raises((urllib.error.URLError, ConnectionError, http.client.HTTPException)):
        org.call("POST", f"{DATA}/sobjects/Account", {"Name": "x"})
    assert [row["Name"] for row in org.rows("Account")] == ["x"]


def test_an_expired_token_stays_dead(org: Orgsim):
    token = org.control("POST", f"/users/{org.username}/token")["access_token"]
    org.control("POST", "/faults", {"path": "/limits", "expire_token": True, "nth": 2})
    assert [org.call("GET", f"{DATA}/limits", token=token)[0] for _ in range(3)] == [200, 401, 401]


def test_a_row_error_hits_one_row_of_a_collection(org: Orgsim):
    org.control("POST", "/faults", {"object": "Account", "nth": 2, "row_error": {"code": "UNABLE_TO_LOCK_ROW"}})
    records = [{"attributes": {"type": "Account"}, "Name": str(number)} for number in range(3)]
    _, _, body = org.call("POST", f"{DATA}/composite/sobjects", {"records": records})
    assert [entry["success"] for entry in body] == [True, False, True]
    assert body[1]["errors"][0]["statusCode"] == "UNABLE_TO_LOCK_ROW"


def test_rules_show_their_hits_and_can_be_cleared(org: Orgsim):
    org.control("POST", "/faults", [{"path": "/limits", "delay_s": 0.001}])
    org.call("GET", f"{DATA}/limits")
    [shown] = org.control("GET", "/faults")
    assert (shown["matches"], shown["hits"]) == (1, 1)
    org.control("DELETE", "/faults")
    assert org.control("GET", "/faults") == []


def test_whims_can_shorten_query_pages(org: Orgsim):
    org.add_rows("Account", [{"Name": str(number)} for number in range(500)])
    org.control("POST", "/whims", {"query_page_rows": [200, 200]})
    _, _, page = org.call("GET", f"{DATA}/query?q=SELECT+Id+FROM+Account")
    org.control("POST", "/whims", {"level": "off"})
    assert (len(page["records"]), page["done"]) == (200, False)


def test_a_body_that_is_not_what_it_says_is_refused(org: Orgsim):
    status, _, body = org.call("POST", f"{DATA}/sobjects/Account", b"no gzip", Content_Encoding="gzip")
    assert (status, body[0]["errorCode"]) == (400, "INVALID_CONTENT_ENCODING")


def test_chunked_uploads_and_double_slashes_are_understood(org: Orgsim):
    host = urlsplit(org.instance_url).netloc
    connection = http.client.HTTPConnection(host)
    headers = {"Authorization": f"Bearer {org.access_token}", "Content-Type": "application/json"}
    pieces = iter([b'{"Name":', b'"chunked"}'])
    connection.request("POST", f"/{DATA}/sobjects/Account/", pieces, headers, encode_chunked=True)
    assert connection.getresponse().status == 201
    connection.close()


def test_rows_that_nothing_puts_in_order_come_in_any_order_and_the_same_for_the_same_seed(org: Orgsim):
    ids = org.add_rows("Account", [{"Name": f"{number:03d}"} for number in range(60)])

    def found(soql: str) -> list[str]:
        return [row["Id"] for row in org.call("GET", f"{DATA}/query?q={quote(soql)}")[2]["records"]]

    def mixed(seed: int) -> list[str]:
        org.control("POST", "/whims", {"row_order": True, "seed": seed})
        return found("SELECT Id FROM Account")

    assert found("SELECT Id FROM Account") == ids
    first, second = mixed(5), mixed(6)
    assert first not in (ids, second)
    assert sorted(first) == sorted(second) == sorted(ids)
    assert mixed(5) == first
    assert found("SELECT Id FROM Account ORDER BY Name") == ids


def test_long_locators_lead_to_the_same_pages(org: Orgsim):
    org.add_rows("Account", [{"Name": f"{number:03d}"} for number in range(30)])
    org.control("POST", "/whims", {"long_locators": True})
    base = f"{DATA}/jobs/query"
    job = org.call("POST", base, {"operation": "query", "query": "SELECT Name FROM Account ORDER BY Name"})[2]["id"]
    while org.call("GET", f"{base}/{job}")[2]["state"] != "JobComplete":
        pass
    names: list[str] = []
    locator = ""
    while locator != "null":
        address = f"{base}/{job}/results?maxRecords=10" + (f"&locator={quote(locator)}" if locator else "")
        _, headers, text = org.call("GET", address)
        locator = headers["sforce-locator"]
        assert locator == "null" or len(locator) > 80
        names += str(text).replace('"', "").split()[1:]
    assert names == [f"{number:03d}" for number in range(30)]
