"""Several rows or calls in one: collections, composite calls, batches, graphs and trees."""

from __future__ import annotations

import pytest


def rows(*values, kind="Account"):
    return [{"attributes": {"type": kind}, **value} for value in values]


def test_collections_answer_row_by_row_in_order(ext):
    made = ext.call("POST", "/composite/sobjects", {"records": rows({"Name": "A"}, {}, {"Name": "C"})})
    assert [entry["success"] for entry in made.payload] == [True, False, True]
    assert made.payload[1] == {
        "success": False,
        "errors": [
            {
                "statusCode": "REQUIRED_FIELD_MISSING",
                "message": "Required fields are missing: [Name]",
                "fields": ["Name"],
            }
        ],
    }
    ids = [entry["id"] for entry in made.payload if entry["success"]]
    changed = ext.call(
        "PATCH",
        "/composite/sobjects",
        {"records": rows({"id": ids[0], "Name": "x"}, {"Id": ids[1], "Name": "y"}, {"Name": "z"})},
    )
    assert [entry["success"] for entry in changed.payload] == [True, True, False]
    assert changed.payload[2]["errors"][0]["statusCode"] == "MISSING_ARGUMENT"
    upserted = ext.call(
        "PATCH",
        "/composite/sobjects/Account/Id",
        {"records": rows({"Id": None, "Name": "n"}, {"Id": ids[0], "Name": "m"})},
    )
    assert [(entry["success"], entry["created"]) for entry in upserted.payload] == [(True, True), (True, False)]
    read = ext.call("POST", "/composite/sobjects/Account", {"ids": [ids[0], "001000000000001"], "fields": ["Name"]})
    assert [row and row["Name"] for row in read.payload] == ["m", None]
    read = ext.call("GET", f"/composite/sobjects/Account?ids={ids[1]}&fields=Id,Name")
    assert read.payload[0]["Name"] == "y"
    gone = ext.call("DELETE", f"/composite/sobjects?ids={ids[0]},nonsense,{ids[1]}")
    assert [entry["success"] for entry in gone.payload] == [True, False, True]
    assert gone.payload[1]["errors"] == [
        {"statusCode": "MALFORMED_ID", "message": "malformed id nonsense", "fields": []}
    ]


def test_all_or_none_takes_everything_back(ext):
    body = {
        "allOrNone": True,
        "records": rows({"Ext__c": "1", "Name": "A"}, {"Ext__c": "2", "Name": "B", "OwnerId": "x"}),
    }
    answer = ext.call("PATCH", "/composite/sobjects/Account/Ext__c", body).payload
    assert [(entry["success"], entry["created"]) for entry in answer] == [(False, True), (False, True)]
    assert [entry["errors"][0]["statusCode"] for entry in answer] == [
        "ALL_OR_NONE_OPERATION_ROLLED_BACK",
        "MALFORMED_ID",
    ]
    assert ext.org.tables["account"].count() == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"records": [{"attributes": {"type": "Account"}, "Name": "A"}] * 201}, "EXCEEDED_MAX_SIZE_REQUEST"),
        ({"records": [None]}, "INVALID_FIELD"),
        ({"records": [{"Name": "A"}]}, "INVALID_INPUT"),
        ({}, "REQUIRED_FIELD_MISSING"),
        (
            {"records": rows({"Name": "A"}) + rows({"Name": "P", "Label": "P"}, kind="PermissionSet")},
            "MIXED_DML_OPERATION",
        ),
    ],
)
def test_malformed_collections_are_refused_whole(api, body, code):
    answer = api.call("POST", "/composite/sobjects", body)
    assert (answer.status, answer.payload[0]["errorCode"]) == (400, code)


def test_a_value_of_the_wrong_json_kind_refuses_the_whole_collection(api):
    body = {"records": rows({"Name": "A"}, {"Name": ["not", "text"]})}
    answer = api.call("POST", "/composite/sobjects", body)
    assert (answer.status, answer.payload[0]["errorCode"]) == (400, "JSON_PARSER_ERROR")
    assert api.org.tables["account"].count() == 0


def sub(reference, method, url, body=None):
    return {
        "referenceId": reference,
        "method": method,
        "url": "/services/data/v62.0" + url,
        **({} if body is None else {"body": body}),
    }


def test_composite_passes_answers_on(api):
    body = {
        "compositeRequest": [
            sub("a", "POST", "/sobjects/Account", {"Name": "A"}),
            sub("c", "POST", "/sobjects/Contact", {"LastName": "C", "AccountId": "@{a.id}"}),
            sub("q", "GET", "/query?q=SELECT+Id,Name+FROM+Contact+WHERE+AccountId='@{a.id}'"),
            sub("r", "GET", "/sobjects/Contact/@{q.records[0].Id}?fields=AccountId"),
            sub(
                "s",
                "PATCH",
                "/composite/sobjects",
                {"records": rows({"id": "@{a.id}", "Name": "@{q.records[0].Name} & Co"})},
            ),
        ]
    }
    used = api.org.usage.used
    answers = api.call("POST", "/composite", body).payload["compositeResponse"]
    assert [answer["httpStatusCode"] for answer in answers] == [201, 201, 200, 200, 200]
    assert answers[0]["httpHeaders"]["Location"].endswith(answers[0]["body"]["id"])
    assert answers[3]["body"]["AccountId"] == answers[0]["body"]["id"]
    assert api.org.row("Account", answers[0]["body"]["id"])["Name"] == "C & Co"
    assert api.org.usage.used == used + 1, "one call for all"


def test_composite_stops_dependents_and_rolls_back_when_told(api):
    calls = [
        sub("good", "POST", "/sobjects/Account", {"Name": "A"}),
        sub("bad", "POST", "/sobjects/Account", {}),
        sub("dependent", "GET", "/sobjects/Account/@{bad.id}"),
    ]
    answers = api.call("POST", "/composite", {"compositeRequest": calls}).payload["compositeResponse"]
    assert [answer["httpStatusCode"] for answer in answers] == [201, 400, 400]
    assert answers[2]["body"][0]["errorCode"] == "PROCESSING_HALTED"
    assert api.org.tables["account"].count() == 1
    answers = api.call("POST", "/composite", {"allOrNone": True, "compositeRequest": calls}).payload[
        "compositeResponse"
    ]
    assert [answer["body"][0]["errorCode"] for answer in answers] == [
        "PROCESSING_HALTED",
        "REQUIRED_FIELD_MISSING",
        "PROCESSING_HALTED",
    ]
    assert api.org.tables["account"].count() == 1


def test_composite_with_all_or_none_overrides_the_collection_inside(api):
    calls = [sub("many", "POST", "/composite/sobjects", {"allOrNone": False, "records": rows({"Name": "A"}, {})})]
    api.call("POST", "/composite", {"allOrNone": True, "compositeRequest": calls})
    assert api.org.tables["account"].count() == 0


@pytest.mark.parametrize(
    "entry",
    [
        sub("no spaces", "GET", "/limits"),
        sub("", "GET", "/limits"),
        {"referenceId": "x", "method": "GET", "url": "/services/apexrest/x"},
        {**sub("x", "GET", "/limits"), "httpHeaders": {"Authorization": "x"}},
    ],
)
def test_malformed_composites_are_refused_whole(api, entry):
    assert api.call("POST", "/composite", {"compositeRequest": [entry]}).status == 400
    assert (
        api.call("POST", "/composite", {"compositeRequest": [sub(f"r{n}", "GET", "/limits") for n in range(26)]}).status
        == 400
    )


def test_batch_counts_every_call_and_halts_when_told(api):
    calls = [
        {"method": "GET", "url": "v62.0/limits"},
        {"method": "GET", "url": "/services/data/v62.0/sobjects/Nope"},
        {"method": "GET", "url": "v62.0/limits"},
    ]
    used = api.org.usage.used
    answer = api.call("POST", "/composite/batch", {"batchRequests": calls, "haltOnError": True}).payload
    assert answer["hasErrors"]
    assert [entry["statusCode"] for entry in answer["results"]] == [200, 404, 412]
    assert answer["results"][2]["result"][0]["errorCode"] == "BATCH_PROCESSING_HALTED"
    assert api.org.usage.used == used + 3


def test_graphs_fail_alone(api):
    good = {"graphId": "1", "compositeRequest": [sub("a", "POST", "/sobjects/Account", {"Name": "A"})]}
    bad = {
        "graphId": "2",
        "compositeRequest": [
            sub("a", "POST", "/sobjects/Account", {"Name": "B"}),
            sub("b", "POST", "/sobjects/Account", {}),
        ],
    }
    graphs = api.call("POST", "/composite/graph", {"graphs": [good, bad]}).payload["graphs"]
    assert [graph["isSuccessful"] for graph in graphs] == [True, False]
    assert api.values("SELECT Name FROM Account") == ["A"]


def test_a_tree_is_planted_whole_or_not_at_all(api):
    def tree(last_name):
        contact = {
            "attributes": {"type": "Contact", "referenceId": "c"},
            **({"LastName": last_name} if last_name else {}),
        }
        return {
            "records": [
                {"attributes": {"type": "Account", "referenceId": "a"}, "Name": "A", "Contacts": {"records": [contact]}}
            ]
        }

    answer = api.call("POST", "/composite/tree/Account/", tree("L"))
    assert (answer.status, answer.payload["hasErrors"]) == (201, False)
    assert api.values("SELECT Account.Name FROM Contact")[0]["Name"] == "A"
    answer = api.call("POST", "/composite/tree/Account", tree(None))
    assert (answer.status, answer.payload["results"][0]["referenceId"]) == (400, "c")
    assert answer.payload["results"][0]["errors"][0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    assert api.org.tables["account"].count() == 1
