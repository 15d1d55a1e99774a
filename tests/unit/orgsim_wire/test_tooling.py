from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.support.orgsim import Orgsim

DATA = "/services/data/v62.0"
TOOLING = f"{DATA}/tooling/sobjects/CustomField"
METADATA: dict[str, Any] = {
    "label": "Source Id",
    "type": "Text",
    "length": 18,
    "externalId": True,
    "unique": True,
    "caseSensitive": True,
    "description": "made by a test",
}
FULL_NAME = "Account.SwiftPort_Source_Id__c"


def create(org: Orgsim, full_name: str = FULL_NAME, **changes: object) -> tuple[int, dict[str, str], Any]:
    return org.call("POST", TOOLING, {"FullName": full_name, "Metadata": METADATA | changes})


def described(org: Orgsim) -> dict[str, Any]:
    return {field["name"]: field for field in org.call("GET", f"{DATA}/sobjects/Account/describe")[2]["fields"]}


def grant(org: Orgsim) -> tuple[int, dict[str, str], Any]:
    soql = "SELECT Id FROM PermissionSet WHERE IsOwnedByProfile = true AND Profile.Name = 'System Administrator'"
    [row] = org.call("GET", f"{DATA}/query?q={quote(soql)}")[2]["records"]
    values = {"ParentId": row["Id"], "SobjectType": "Account", "Field": FULL_NAME}
    return org.call(
        "POST", f"{DATA}/sobjects/FieldPermissions", values | {"PermissionsRead": True, "PermissionsEdit": True}
    )


def test_a_new_field_is_invisible_until_it_is_granted(org: Orgsim):
    status, _, made = create(org)
    assert (status, made["success"], made["id"][:3]) == (201, True, "00N")
    assert "SwiftPort_Source_Id__c" not in described(org)
    assert org.call("POST", f"{DATA}/sobjects/Account", {"Name": "x", "SwiftPort_Source_Id__c": "1"})[0] == 400
    assert grant(org)[0] == 201
    field = described(org)["SwiftPort_Source_Id__c"]
    assert {
        "custom": True, "externalId": True, "idLookup": True, "unique": True, "caseSensitive": True, "length": 18,
        "byteLength": 54, "type": "string", "soapType": "xsd:string", "nillable": True, "createable": True,
        "updateable": True, "permissionable": True, "label": "Source Id", "filterable": True, "sortable": True,
    }.items() <= field.items()  # fmt: skip
    assert org.call("PATCH", f"{DATA}/sobjects/Account/SwiftPort_Source_Id__c/A1", {"Name": "x"})[0] == 201
    assert org.call("GET", f"{DATA}/sobjects/Account/SwiftPort_Source_Id__c/A1")[2]["Name"] == "x"


@pytest.mark.fact("tooling-activity-fields")
def test_tasks_and_events_share_their_custom_fields(org: Orgsim):
    status, _, body = create(org, "Task.SwiftPort_Source_Id__c")
    assert (status, body[0]["errorCode"]) == (400, "FIELD_INTEGRITY_EXCEPTION")
    org.control("POST", "/fields", {"FullName": "Activity.SwiftPort_Source_Id__c", "Metadata": METADATA})
    for name in ("Task", "Event"):
        fields = org.call("GET", f"{DATA}/sobjects/{name}/describe")[2]["fields"]
        assert "SwiftPort_Source_Id__c" in {field["name"] for field in fields}


def test_a_field_cannot_be_made_twice(org: Orgsim):
    create(org)
    status, _, body = create(org)
    assert (status, body[0]["errorCode"]) == (400, "DUPLICATE_DEVELOPER_NAME")


@pytest.mark.parametrize(
    ("full_name", "changes"),
    [
        (FULL_NAME, {"length": 300}),
        (FULL_NAME, {"type": "Checkbox"}),
        ("Nope.X__c", {}),
        ("Account.Bad__Name__c", {}),
        ("Account.NoSuffix", {}),
    ],
)
def test_impossible_fields_are_refused(org: Orgsim, full_name: str, changes: dict[str, object]):
    status, _, body = create(org, full_name, **changes)
    assert (status, body[0]["errorCode"]) == (400, "FIELD_INTEGRITY_EXCEPTION")


def test_an_unknown_field_type_is_not_guessed(org: Orgsim):
    assert create(org, type="Hologram")[0] == 501


def test_a_user_without_customize_application_may_not_make_fields(org: Orgsim):
    reader = org.control("GET", "/users")["reader_username"]
    token = org.control("POST", f"/users/{reader}/token")["access_token"]
    status, _, body = org.call("POST", TOOLING, {"FullName": FULL_NAME, "Metadata": METADATA}, token=token)
    assert (status, body[0]["errorCode"]) == (403, "INSUFFICIENT_ACCESS_OR_READONLY")


def test_fields_are_found_by_tooling_query(org: Orgsim):
    _, _, made = create(org)
    soql = "SELECT Id, DeveloperName FROM CustomField WHERE TableEnumOrId = 'Account'"
    _, _, page = org.call("GET", f"{DATA}/tooling/query?q={quote(soql)}")
    assert page["entityTypeName"] == "CustomField"
    assert {(row["Id"], row["DeveloperName"]) for row in page["records"]} == {(made["id"], "SwiftPort_Source_Id")}
    whole = "SELECT Id, FullName, Metadata FROM CustomField WHERE DeveloperName = 'SwiftPort_Source_Id'"
    [row] = org.call("GET", f"{DATA}/tooling/query?q={quote(whole)}")[2]["records"]
    assert (row["FullName"], row["Metadata"]["description"]) == (FULL_NAME, "made by a test")


def test_full_names_are_shown_for_one_row_only(org: Orgsim):
    create(org)
    create(org, "Account.Another__c")
    soql = "SELECT FullName, Id FROM CustomField"
    status, _, body = org.call("GET", f"{DATA}/tooling/query?q={quote(soql)}")
    assert (status, body[0]["errorCode"]) == (400, "MALFORMED_QUERY")


def test_a_field_is_read_changed_and_deleted_by_its_tooling_id(org: Orgsim):
    _, _, made = create(org)
    grant(org)
    one = f"{TOOLING}/{made['id']}"
    assert org.call("GET", one)[2]["FullName"] == FULL_NAME
    assert org.call("PATCH", one, {"Metadata": METADATA | {"label": "Renamed"}})[0] == 204
    assert described(org)["SwiftPort_Source_Id__c"]["label"] == "Renamed"
    assert org.call("DELETE", one)[0] == 204
    assert "SwiftPort_Source_Id__c" not in described(org)
    assert org.call("GET", one)[0] == 404
