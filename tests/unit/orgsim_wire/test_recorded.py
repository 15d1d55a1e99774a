"""Answers as strangers' recordings and tests have them: headers, excerpts, lists of methods, refusals word for word."""

from __future__ import annotations

import http.client
import json
import re
import socket
import struct
import time
from urllib.parse import quote, urlencode, urlsplit

import pytest

from tests.support.orgsim import Orgsim, start_orgsim

DATA = "/services/data/v62.0"
ROW = f"{DATA}/sobjects/Account"


def refusal(org: Orgsim, soql: str) -> tuple[str, str]:
    status, _, answer = org.call("GET", f"{DATA}/query?q={quote(soql)}")
    assert status == 400, answer
    return answer[0]["errorCode"], answer[0]["message"]


@pytest.mark.fact("answer-headers")
def test_every_answer_has_the_headers_of_the_real_edge(org: Orgsim):
    for path in (f"{DATA}/limits", f"{DATA}/sobjects/Nope"):
        _, headers, _ = org.call("GET", path)
        assert headers["cache-control"] == "no-cache,must-revalidate,max-age=0,no-store,private"
        assert (headers["x-content-type-options"], headers["x-robots-tag"]) == ("nosniff", "none")
        assert re.fullmatch(r"[0-9a-f]{32}", headers["x-request-id"])
        assert headers["x-sfdc-request-id"] == headers["x-request-id"]
        assert ("vary" in headers) == (path == f"{DATA}/limits")


@pytest.mark.fact("oauth-token-headers")
def test_the_password_flow_says_no_scope(org: Orgsim):
    form = {"grant_type": "password", "client_id": org.client_id, "username": org.username, "password": org.password}
    status, headers, answer = org.call(
        "POST", "/services/oauth2/token", urlencode(form).encode(), Content_Type="application/x-www-form-urlencoded"
    )
    assert status == 200
    assert set(answer) == {"access_token", "instance_url", "id", "token_type", "issued_at", "signature"}
    assert (headers["expires"], headers["x-readonlymode"]) == ("Thu, 01 Jan 1970 00:00:00 GMT", "false")
    assert org.rows("LoginHistory")[-1]["LoginSubType"] == "OauthUsernamePassword"


@pytest.mark.fact("oauth-flows-absent")
@pytest.mark.parametrize("form", [{"grant_type": "device"}, {"response_type": "device_code", "client_id": "x"}])
def test_a_flow_that_is_not_here_is_not_called_unknown(org: Orgsim, form: dict[str, str]):
    kind = "application/x-www-form-urlencoded"
    status, _, _ = org.call("POST", "/services/oauth2/token", urlencode(form).encode(), Content_Type=kind)
    assert status == 501
    assert "OAuth flow" in org.transcript()[-1]["note"]


@pytest.mark.fact("soql-excerpt-whole-words")
@pytest.mark.parametrize(
    ("soql", "excerpt", "column"),
    [
        (
            "SELECT Id, Name, Phone, Website, Industry, AnnualRevenue, Description FROM Account WHERE (Id = 'wonky')",
            "AnnualRevenue, Description FROM Account WHERE (Id = 'wonky')",
            91,
        ),
        ("SELECT Id FROM Account WHERE Id = 'wonky'", "SELECT Id FROM Account WHERE Id = 'wonky'", 30),
        (
            "SELECT Id, Nope__c, Name, Phone, Fax, Website, Industry, AnnualRevenue FROM Account",
            "SELECT Id, Nope__c, Name, Phone, Fax, Website, Industry",
            12,
        ),
    ],
)
def test_an_excerpt_begins_and_ends_with_whole_words(org: Orgsim, soql: str, excerpt: str, column: int):
    _, message = refusal(org, soql)
    empty, shown, caret, where, _ = message.split("\n")
    assert (empty, shown, where) == ("", excerpt, f"ERROR at Row:1:Column:{column}")
    assert shown[len(caret) - 1 :].startswith(soql[column - 1 :][:2])


@pytest.mark.fact("semi-join-same-object", "soql-bind-variable", "query-missing")
def test_refused_queries_say_what_real_ones_say(org: Orgsim):
    code, message = refusal(org, "SELECT Id FROM Contact WHERE AccountId IN (SELECT Id FROM Contact)")
    assert code == "MALFORMED_QUERY"
    assert message.endswith(
        "\nThe selected field 'Id' in the subquery and the left operand field in the where expression in the outer query"
        " 'AccountId' should point to the same object type"
    )
    assert (
        org.call("GET", f"{DATA}/query?q={quote('SELECT Id FROM Account WHERE OwnerId IN (SELECT Id FROM User)')}")[0]
        == 200
    )
    for soql in ("SELECT Id FROM Account WHERE Name = :x", "SELECT Id FROM Account WHERE Name IN :names"):
        assert refusal(org, soql)[1].endswith("\nBind variables only allowed in Apex code")
    assert refusal(org, "") == ("MALFORMED_QUERY", "SOQL statements cannot be empty or null")
    assert org.call("GET", f"{DATA}/query")[2][0]["message"] == "A query string has to be specified"


@pytest.mark.fact("auth-header-scheme")
def test_another_way_to_sign_in_is_an_invalid_header(org: Orgsim):
    status, _, answer = org.call("GET", f"{DATA}/limits", Authorization="Basic eDp5")
    assert (status, answer) == (401, [{"message": "INVALID_HEADER_TYPE", "errorCode": "INVALID_AUTH_HEADER"}])


@pytest.mark.fact("method-list-order", "rest-method-not-allowed")
@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", ROW, "HEAD,GET,POST"),
        ("POST", f"{ROW}/001000000000000AAA", "HEAD,GET,PATCH,DELETE"),
        ("PUT", f"{ROW}/001000000000000AAA", "HEAD,GET,PATCH,DELETE"),
        ("POST", f"{DATA}/limits", "HEAD,GET"),
    ],
)
def test_the_methods_that_would_be_allowed_are_listed_in_order(org: Orgsim, method: str, path: str, allowed: str):
    status, headers, answer = org.call(method, path, {})
    assert (status, headers["allow"]) == (405, allowed)
    assert list(answer[0].items()) == [
        ("errorCode", "METHOD_NOT_ALLOWED"),
        ("message", f"HTTP Method '{method}' not allowed. Allowed are {allowed}"),
    ]


@pytest.mark.fact("write-no-id", "write-array-to-object", "body-of-another-type", "write-foreign-id")
def test_refused_writes_say_what_real_ones_say(org: Orgsim):
    for method in ("PATCH", "DELETE"):
        status, _, answer = org.call(method, f"{ROW}/wonky", {} if method == "PATCH" else None)
        assert (status, answer[0]["errorCode"]) == (404, "NOT_FOUND")
        assert answer[0]["message"] == "Provided external ID field does not exist or is not accessible: wonky"
    status, _, answer = org.call("POST", ROW, [{"Name": "x"}])
    assert (status, answer[0]["errorCode"]) == (400, "INVALID_FIELD")
    assert answer[0]["message"].startswith("Json Deserialization failed on token 'null' and has left off")
    status, _, answer = org.call("POST", ROW, b'{"Name":"x"}', Content_Type="text/plain")
    assert (status, answer[0]["errorCode"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    _, _, answer = org.call("POST", f"{DATA}/sobjects/Contact", {"LastName": "x", "AccountId": "0017h00000doU3RAAU"})
    assert answer == [
        {
            "message": "insufficient access rights on cross-reference id: 0017h00000doU3R",
            "errorCode": "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
            "fields": [],
        }
    ]


@pytest.mark.fact("validation-all-at-once")
def test_all_validation_rules_are_told_at_once(org: Orgsim):
    rules = [
        {"kind": "validation", "object": "Account", "when": "Phone = null", "message": "Phone?", "field": "Phone"},
        {"kind": "validation", "object": "Account", "when": "Website = null", "message": "Website?"},
    ]
    org.control("POST", "/rules", rules)
    try:
        _, _, single = org.call("POST", ROW, {"Name": "x"})
        record = {"attributes": {"type": "Account"}, "Name": "x"}
        _, _, many = org.call("POST", f"{DATA}/composite/sobjects", {"records": [record]})
    finally:
        org.control("DELETE", "/rules")
    assert [(e["message"], e["fields"]) for e in single] == [("Phone?", ["Phone"]), ("Website?", [])]
    assert [e["message"] for e in many[0]["errors"]] == ["Phone?", "Website?"]


@pytest.mark.fact("bulk-two-compound")
@pytest.mark.parametrize(
    ("soql", "message"),
    [
        ("SELECT BillingAddress FROM Account", "Selecting compound data not supported in Bulk Query"),
        ("SELECT Body FROM Attachment", "Blob field not supported in Bulk V2 Query with CSV content type"),
    ],
)
def test_bulk_queries_refuse_what_a_file_cannot_hold(org: Orgsim, soql: str, message: str):
    status, _, answer = org.call("POST", f"{DATA}/jobs/query", {"operation": "query", "query": soql})
    assert (status, answer) == (400, [{"message": message, "errorCode": "API_ERROR"}])


@pytest.mark.fact("identity-urls-and-times", "limits-names")
def test_an_identity_and_the_limits_are_spelt_as_recorded(org: Orgsim):
    identity = org.call("GET", f"{DATA}")[2]["identity"]
    document = org.call("GET", urlsplit(identity).path)[2]
    org15 = org.ready["org_id"][:15]
    for name, letter in (("enterprise", "c"), ("metadata", "m"), ("partner", "u"), ("tooling_soap", "T")):
        assert document["urls"][name].endswith(f"/services/Soap/{letter}/{{version}}/{org15}")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", document["last_modified_date"])
    limits = org.call("GET", f"{DATA}/limits")[2]
    assert {"HourlyODataCallout", "MonthlyPlatformEventsUsageEntitlement", "DailyApiRequests"} <= set(limits)
    assert set(limits["PermissionSets"]) == {"Max", "Remaining", "CreateCustom"}


@pytest.mark.fact("row-last-modified")
def test_accounts_and_describes_carry_etag_and_time_and_users_do_not(org: Orgsim):
    [row_id] = org.add_rows("Account", [{"Name": "x"}])
    user_id = org.call("GET", f"{DATA}")[2]["identity"].rpartition("/")[2]
    for path, tagged in (
        (f"{ROW}/{row_id}", True),
        (f"{ROW}/describe", True),
        (f"{DATA}/sobjects/User/{user_id}", False),
    ):
        _, headers, _ = org.call("GET", path)
        assert ("etag" in headers, "last-modified" in headers) == (tagged, tagged)
    assert re.fullmatch(r'"[0-9a-f]{8}"', org.call("GET", f"{ROW}/describe")[1]["etag"])


@pytest.mark.fact("pretty-print")
def test_a_pretty_answer_is_laid_out_as_recorded(org: Orgsim):
    [row_id] = org.add_rows("Account", [{"Name": "x"}])
    connection = http.client.HTTPConnection(urlsplit(org.instance_url).netloc, timeout=30)
    headers = {"Authorization": f"Bearer {org.access_token}", "X-PrettyPrint": "1"}
    connection.request("GET", f"{DATA}/query?q={quote('SELECT Name FROM Account')}", headers=headers)
    shown = connection.getresponse().read().decode()
    connection.request("GET", f"{DATA}/recent", headers=headers)
    nothing = connection.getresponse().read().decode()
    connection.close()
    url = f"{ROW}/{row_id}"
    assert shown == (
        '{\n  "totalSize" : 1,\n  "done" : true,\n  "records" : [ {\n    "attributes" : {\n      "type" : "Account",\n'
        f'      "url" : "{url}"\n    }},\n    "Name" : "x"\n  }} ]\n}}'
    )
    assert nothing == "[ ]"


@pytest.mark.fact("path-suffix")
def test_paths_of_older_versions_may_end_in_their_format(org: Orgsim):
    assert org.call("GET", "/services/data/v57.0/sobjects/Account/describe.json")[2]["name"] == "Account"
    assert org.call("GET", "/services/data/v57.0/limits.xml")[0] == 501
    assert org.call("GET", "/services/data/v58.0/limits.json")[0] == 501


def test_unknown_fields_are_refused_whether_or_not_the_rows_are_there(org: Orgsim):
    path = f"{DATA}/composite/sobjects/Account?ids=001000000000000AAA&fields=Nope"
    assert org.call("GET", path)[2][0]["errorCode"] == "INVALID_FIELD"


def _break_off(org: Orgsim, sent: bytes) -> None:
    where = urlsplit(org.instance_url)
    client = socket.create_connection((str(where.hostname), int(where.port or 0)))
    token = f"Authorization: Bearer {org.access_token}\r\n".encode()
    client.sendall(f"POST {ROW} HTTP/1.1\r\nHost: x\r\n".encode() + token + sent)
    time.sleep(0.1)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def test_a_client_that_breaks_off_leaves_a_line_and_no_traceback(capfd: pytest.CaptureFixture[str]):
    with start_orgsim() as org:
        _break_off(org, b'Content-Length: 1000\r\n\r\n{"Name":')
        _break_off(org, b"Transfer-Encoding: chunked\r\n\r\nnot a size\r\n")
        until = time.monotonic() + 60
        while not (seen := [entry for entry in org.transcript() if entry["path"] == ROW]) and time.monotonic() < until:
            time.sleep(0.05)
        assert [(entry["status"], entry["bytes_in"]) for entry in seen] == [(0, 8)]
        assert "broke" in seen[0]["note"]
        connection = http.client.HTTPConnection(urlsplit(org.instance_url).netloc, timeout=30)
        connection.request("GET", "/services/data")
        assert json.loads(connection.getresponse().read())
        connection.close()
    assert "Traceback" not in "".join(capfd.readouterr())
