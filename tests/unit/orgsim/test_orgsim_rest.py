from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

import pytest

from orgsim.wire import Request
from tests.unit.orgsim.samples import external_id


def create(api, **values) -> str:
    answer = api.call("POST", "/sobjects/Account", {"Name": "A", **values})
    assert answer.status == 201, answer.payload
    return answer.payload["id"]


def test_versions_are_ascending_public_and_uncounted(api):
    answer = api.router.dispatch(api.org, Request.build("GET", "/services/data/"))
    assert answer.status == 200
    assert answer.header("Sforce-Limit-Info") is None
    assert [entry["version"] for entry in answer.payload] == [f"{n}.0" for n in range(31, 68)]
    labels = {entry["version"]: entry["label"] for entry in answer.payload}
    assert (labels["62.0"], labels["63.0"], labels["64.0"], labels["67.0"], labels["31.0"]) == (
        "Winter '25",
        "Spring '25",
        "Summer '25",
        "Summer '26",
        "Summer '14",
    )


def test_the_version_root_names_the_identity(api):
    answer = api.call("GET", "/services/data/v50.0/")
    assert answer.payload["identity"].endswith(f"/id/{api.org.id18}/{api.admin}")
    assert answer.payload["sobjects"] == "/services/data/v50.0/sobjects"
    assert answer.header("Sforce-Limit-Info") == "api-usage=1/100000"


@pytest.mark.parametrize(
    ("method", "target", "status", "code"),
    [
        ("GET", "/services/data/v30.0/sobjects", 410, "GONE"),
        ("GET", "/services/data/v99.0/sobjects", 404, "NOT_FOUND"),
        ("GET", "/sobjects/Nope", 404, "NOT_FOUND"),
        ("GET", "/sobjects/Nope/describe", 404, "NOT_FOUND"),
        ("GET", "/sobjects/CurrencyType/describe", 404, "NOT_FOUND"),
        ("GET", "/sobjects/Account/001000000000001", 404, "NOT_FOUND"),
        ("PUT", "/sobjects/Account", 405, "METHOD_NOT_ALLOWED"),
        ("DELETE", "/query", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/query", 400, "MALFORMED_QUERY"),
        ("GET", "/query/01g000000000000-2000", 400, "INVALID_QUERY_LOCATOR"),
        ("GET", "/query?explain=SELECT+Id+FROM+Account", 501, "NOT_EMULATED"),
        ("GET", "/chatter/feeds", 501, "NOT_EMULATED"),
        ("GET", "/theme", 501, "NOT_EMULATED"),
        ("GET", "/sobjects/Account/listviews/x/y/z", 501, "NOT_EMULATED"),
        ("GET", "/nowhere", 501, "NOT_EMULATED"),
    ],
)
def test_what_is_not_there_is_refused_in_its_own_way(api, method, target, status, code):
    answer = api.call(method, target)
    assert (answer.status, answer.payload[0]["errorCode"]) == (status, code)


@pytest.mark.parametrize(
    "headers",
    [
        {"If-Match": '"x"'},
        {"Sforce-Auto-Assign": "01Q000000000001"},
        {"Sforce-Duplicate-Rule-Header": "includeRecordDetails=true"},
        {"Accept": "application/xml"},
    ],
)
def test_headers_that_change_meaning_are_not_guessed(api, headers):
    answer = api.call("POST", "/sobjects/Account", {"Name": "A"}, headers=headers)
    assert answer.status == 501


def test_without_a_session_there_is_only_401(api):
    answer = api.router.dispatch(api.org, Request.build("GET", "/services/data/v62.0/sobjects"))
    assert (answer.status, answer.payload) == (
        401,
        [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}],
    )


def test_the_daily_allowance_ends_in_403(api):
    api.org.usage.requests_per_day = 1
    assert api.call("GET", "/limits").payload["DailyApiRequests"] == {"Max": 1, "Remaining": 0}
    answer = api.call("GET", "/limits")
    assert (answer.status, answer.payload[0]["errorCode"]) == (403, "REQUEST_LIMIT_EXCEEDED")


def test_a_row_lives_from_post_to_delete(api):
    made = api.call("POST", "//services/data/v62.0/sobjects/account/", {"Name": "A"})
    row_id = made.payload["id"]
    assert made.payload == {"id": row_id, "success": True, "errors": []}
    assert made.header("Location") == f"/services/data/v62.0/sobjects/Account/{row_id}"
    assert api.call("PATCH", f"/sobjects/Account/{row_id[:15]}", {"Phone": "1"}).status == 204
    record = api.call("GET", f"/sobjects/Account/{row_id}?fields=Name,Phone,Owner.Name").payload
    assert list(record) == ["attributes", "Name", "Phone", "Owner"]
    assert (record["Phone"], record["Owner"]["Name"]) == ("1", "Ada Admin")
    whole = api.call("GET", f"/sobjects/Account/{row_id}").payload
    assert whole["Id"] == row_id
    assert whole["BillingAddress"] is None
    bad = api.call("GET", f"/sobjects/Account/{row_id}?fields=Name,Nope")
    assert bad.payload == [
        {"message": "No such column 'Nope' on sobject of type Account", "errorCode": "INVALID_FIELD"}
    ]
    assert api.call("POST", f"/sobjects/Account/{row_id}?_HttpMethod=PATCH", {"Phone": None}).status == 204
    assert api.call("DELETE", f"/sobjects/Account/{row_id}").status == 204
    gone = api.call("GET", f"/sobjects/Account/{row_id}")
    assert (gone.status, gone.payload[0]["errorCode"]) == (404, "ENTITY_IS_DELETED")
    assert api.call("DELETE", f"/sobjects/Account/{row_id}").status == 404


def test_bodies_that_are_not_json_are_refused(api):
    answer = api.call("POST", "/sobjects/Account", b"{nope")
    assert (answer.status, answer.payload[0]["errorCode"]) == (400, "JSON_PARSER_ERROR")
    answer = api.call("POST", "/sobjects/Account", {"Name": "A", "NumberOfEmployees": "many"})
    assert answer.payload[0]["errorCode"] == "JSON_PARSER_ERROR"


def test_upsert_by_external_id_answers_201_200_204_300_and_404(ext):
    path = "/sobjects/Account/Ext__c/a%2Fb"
    made = ext.call("PATCH", path, {"Name": "A"})
    assert (made.status, made.payload["created"]) == (201, True)
    again = ext.call("PATCH", path, {"Name": "B"})
    assert (again.status, again.payload["created"], again.payload["id"]) == (200, False, made.payload["id"])
    old = ext.call("PATCH", "/services/data/v45.0" + path, {"Name": "C"})
    assert (old.status, old.body) == (204, b"")
    old = ext.call("PATCH", "/services/data/v45.0/sobjects/Account/Ext__c/new", {"Name": "C"})
    assert (old.status, "created" in old.payload) == (201, False)
    assert ext.call("GET", path).payload["Ext__c"] == "a/b"
    assert ext.call("PATCH", "/sobjects/Account/Ext__c/zz?updateOnly=true", {"Name": "C"}).status == 404
    assert ext.call("PATCH", "/sobjects/Account/Phone/1", {"Name": "C"}).status == 404
    assert ext.call("PATCH", path, {"Ext__c": "a/b"}).status == 400
    assert ext.call("DELETE", path).status == 204
    assert ext.call("GET", path).status == 404


def test_several_matches_are_300_with_their_addresses(api):
    api.org.add_field("Account", external_id(unique=False), granted=True)
    ids = [create(api, Ext__c="x") for _ in range(2)]
    answer = api.call("PATCH", "/sobjects/Account/Ext__c/x", {"Name": "B"})
    assert answer.status == 300
    assert answer.payload == [f"/services/data/v62.0/sobjects/Account/{row_id}" for row_id in ids]
    many = api.call(
        "PATCH", "/composite/sobjects/Account/Ext__c", {"records": [{"attributes": {"type": "Account"}, "Ext__c": "x"}]}
    )
    assert (
        many.payload[0]["errors"][0]["message"]
        == f"Ext__c: more than one record found for external id field: [{', '.join(ids)}]"
    )


def test_pages_follow_each_other_on_both_paths_and_keep_deleted_rows(api):
    ids = api.org.load("Account", [{"Name": f"A{n}"} for n in range(450)])
    api.call("DELETE", f"/sobjects/Account/{ids[0]}")
    first = api.call(
        "GET", "/queryAll/?q=SELECT+Id,IsDeleted+FROM+Account", headers={"Sforce-Query-Options": "batchSize=200"}
    ).payload
    assert (first["totalSize"], first["done"], len(first["records"])) == (450, False, 200)
    assert "/query/01g" in first["nextRecordsUrl"]
    assert first["nextRecordsUrl"].endswith("-200")
    second = api.call("GET", first["nextRecordsUrl"]).payload
    third = api.call("GET", second["nextRecordsUrl"].replace("/query/", "/queryAll/")).payload
    assert (len(third["records"]), third["done"], "nextRecordsUrl" in third) == (50, True, False)
    seen = [row["Id"] for page in (first, second, third) for row in page["records"]]
    assert sorted(seen) == sorted(ids)
    assert first["records"][0]["IsDeleted"]
    assert api.call("GET", first["nextRecordsUrl"], user=api.clerk).status == 400


def test_later_changes_do_not_disturb_open_results(api):
    ids = api.org.load("Account", [{"Name": "old"} for _ in range(250)])
    first = api.call(
        "GET", "/query?q=SELECT+Name+FROM+Account", headers={"Sforce-Query-Options": "batchSize=200"}
    ).payload
    api.call("PATCH", f"/sobjects/Account/{ids[-1]}", {"Name": "new"})
    rest = api.call("GET", first["nextRecordsUrl"]).payload["records"]
    assert {row["Name"] for row in rest} == {"old"}


def window(api, minutes_back=10, minutes_on=10):
    now = api.org.clock.now()
    return "&".join(
        f"{name}={quote((now + timedelta(minutes=step)).isoformat())}"
        for name, step in (("start", -minutes_back), ("end", minutes_on))
    )


def test_updated_and_deleted_windows(api):
    first, second = create(api), create(api)
    api.call("DELETE", f"/sobjects/Account/{second}")
    answer = api.call("GET", f"/sobjects/Account/updated/?{window(api)}").payload
    assert answer == {"ids": [first], "latestDateCovered": "2026-03-18T10:30:00.000+0000"}
    api.org.open_transactions.append(api.org.clock.now() - timedelta(minutes=5))
    assert (
        api.call("GET", f"/sobjects/Account/updated/?{window(api)}").payload["latestDateCovered"]
        == "2026-03-18T10:25:00.000+0000"
    )
    answer = api.call("GET", f"/sobjects/Account/deleted/?{window(api)}").payload
    assert answer["deletedRecords"] == [{"id": second, "deletedDate": "2026-03-18T10:30:15.000+0000"}]
    assert answer["earliestDateAvailable"] == "2026-03-03T10:30:00.000+0000"
    bad = api.call("GET", f"/sobjects/Account/updated/?{window(api, -5, -10)}")
    assert bad.payload[0]["errorCode"] == "INVALID_REPLICATION_DATE"
    bad = api.call("GET", f"/sobjects/Account/updated/?{window(api, 60 * 24 * 31)}")
    assert bad.payload[0]["errorCode"] == "INVALID_REPLICATION_DATE"


def test_describes_are_conditional_and_permissions_count_as_change(api):
    first = api.call("GET", "/sobjects/Account/describe")
    assert first.payload["name"] == "Account"
    stamp = {"If-Modified-Since": first.header("Last-Modified")}
    assert api.call("GET", "/sobjects/Account/describe", headers=stamp).status == 304
    api.org.clock.advance(timedelta(seconds=5))
    api.org.add_field("Account", external_id())
    second = api.call("GET", "/sobjects/Account/describe", headers=stamp)
    assert second.status == 200
    assert "Ext__c" not in {field["name"] for field in second.payload["fields"]}
    own_set = api.values("SELECT Id FROM PermissionSet WHERE IsOwnedByProfile = true")[0]
    api.call(
        "POST",
        "/sobjects/FieldPermissions",
        {
            "ParentId": own_set,
            "SobjectType": "Account",
            "Field": "Account.Ext__c",
            "PermissionsRead": True,
            "PermissionsEdit": True,
        },
    )
    third = api.call("GET", "/sobjects/Account/describe")
    assert "Ext__c" in {field["name"] for field in third.payload["fields"]}
    assert api.call("PATCH", "/sobjects/Account/Ext__c/1", {"Name": "A"}).status == 201


def test_counts_recent_rows_and_columns(api):
    create(api)
    assert api.call("GET", "/limits/recordCount?sObjects=Account,Contact").payload == {
        "sObjects": [{"count": 1, "name": "Account"}]
    }
    api.query("SELECT Id FROM Account FOR VIEW")
    assert api.call("GET", "/recent?limit=5").payload[0]["Name"] == "A"
    assert api.call("GET", "/sobjects/Account").payload["recentItems"][0]["Name"] == "A"
    columns = api.call(
        "GET", "/query?columns=true&q=" + quote("SELECT Id, Owner.Name, AVG(AnnualRevenue) FROM Account")
    ).payload["columnMetadata"]
    assert [column["columnName"] for column in columns] == ["Id", "Owner", "expr0"]
    assert (columns[1]["foreignKeyName"], columns[1]["joinColumns"][0]["columnName"]) == ("OwnerId", "Name")
    assert (columns[2]["aggregate"], columns[2]["displayName"]) == (True, "avg(AnnualRevenue)")


def test_relationships_have_addresses_of_their_own(api):
    account = create(api)
    contact = api.call("POST", "/sobjects/Contact", {"LastName": "L", "AccountId": account}).payload["id"]
    assert api.call("GET", f"/sobjects/Contact/{contact}/Account").payload["Id"] == account
    children = api.call("GET", f"/sobjects/Account/{account}/Contacts?fields=Id,LastName").payload
    assert [row["Id"] for row in children["records"]] == [contact]
    assert api.call("GET", f"/sobjects/Account/{account}/Nothing").status == 404


def test_pretty_print_is_only_another_spelling(api):
    plain = api.call("GET", "/limits")
    pretty = api.call("GET", "/limits", headers={"X-PrettyPrint": "1"})
    assert b'"Max" : ' in pretty.body
    assert pretty.body.count(b"\n") > 10
    assert set(plain.payload) == set(pretty.payload)
