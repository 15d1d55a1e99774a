"""Rows and objects that a user may not see or change."""

from __future__ import annotations

import pytest

from orgsim.store.results import WriteContext
from tests.unit.orgsim.conftest import Api


@pytest.fixture
def private(api: Api) -> Api:
    """Accounts are private; one belongs to the clerk, one to the administrator."""
    api.org.settings.sharing = {"Account": "Private", "Contact": "ControlledByParent"}
    for name, owner in (("Mine", api.clerk), ("Theirs", api.admin)):
        made = api.org.insert("Account", {"Name": name, "OwnerId": owner}, WriteContext(api.admin))
        api.org.insert("Contact", {"LastName": f"{name} C", "AccountId": made.id}, WriteContext(api.admin))
    return api


def _id(api: Api, name: str) -> str:
    return api.values(f"SELECT Id FROM Account WHERE Name = '{name}'")[0]


@pytest.mark.fact("sharing-hides-rows")
def test_a_private_row_is_in_no_result_of_others(private: Api):
    assert private.values("SELECT Name FROM Account ORDER BY Name") == ["Mine", "Theirs"]
    assert private.values("SELECT Name FROM Account", user=private.clerk) == ["Mine"]
    assert private.query("SELECT COUNT() FROM Account", user=private.clerk)["totalSize"] == 1
    assert private.values("SELECT LastName FROM Contact", user=private.clerk) == ["Mine C"]
    theirs = _id(private, "Theirs")
    assert private.call("GET", f"/sobjects/Account/{theirs}", user=private.clerk).status == 404
    path = f"/composite/sobjects/Account?ids={theirs}&fields=Id"
    assert private.call("GET", path, user=private.clerk).payload == [None]


@pytest.mark.fact("sharing-hidden-row-code")
def test_a_private_row_cannot_be_changed_by_others_and_the_code_can_be_turned(private: Api):
    path = f"/sobjects/Account/{_id(private, 'Theirs')}"
    refused = private.call("PATCH", path, {"Name": "x"}, user=private.clerk)
    assert (refused.status, refused.payload[0]["errorCode"]) == (403, "INSUFFICIENT_ACCESS_OR_READONLY")
    assert private.call("DELETE", path, user=private.clerk).status == 403
    private.org.settings.hidden_row_code = "ENTITY_IS_LOCKED"
    assert private.call("PATCH", path, {"Name": "x"}, user=private.clerk).payload[0]["errorCode"] == "ENTITY_IS_LOCKED"
    mine = f"/sobjects/Account/{_id(private, 'Mine')}"
    assert private.call("PATCH", mine, {"Name": "x"}, user=private.clerk).status == 204


@pytest.mark.fact("sharing-hidden-parent")
def test_a_private_row_cannot_become_a_parent(private: Api):
    body = {"LastName": "x", "AccountId": _id(private, "Theirs")}
    refused = private.call("POST", "/sobjects/Contact", body, user=private.clerk)
    assert refused.payload[0]["errorCode"] == "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"


def test_read_only_rows_are_seen_by_all_and_changed_by_few(private: Api):
    private.org.settings.sharing = {"account": "Read"}
    assert len(private.values("SELECT Id FROM Account", user=private.clerk)) == 2
    path = f"/sobjects/Account/{_id(private, 'Theirs')}"
    assert private.call("PATCH", path, {"Name": "x"}, user=private.clerk).status == 403


def test_who_stands_above_in_the_role_hierarchy_sees_the_rows(private: Api):
    org = private.org
    [top] = org.load("UserRole", [{"Name": "Top", "DeveloperName": "Top"}])
    [low] = org.load("UserRole", [{"Name": "Low", "DeveloperName": "Low", "ParentRoleId": top}])
    for user, role in ((private.clerk, top), (private.admin, low)):
        org.store("User", {**dict(org.row("User", user) or {}), "UserRoleId": role})
    assert len(private.values("SELECT Id FROM Account", user=private.clerk)) == 2


def _grant(api: Api, **rights: bool) -> None:
    [own] = api.values("SELECT Id FROM PermissionSet WHERE Profile.Name = 'Clerk'")
    api.org.load("ObjectPermissions", [{"ParentId": own, "SobjectType": "Account", **rights}])


@pytest.mark.fact("object-permission-missing")
def test_an_object_without_read_permission_does_not_exist(api: Api):
    api.org.settings.object_permissions_enforced = True
    api.org.metadata_changed()
    assert api.query("SELECT Id FROM Account", user=api.clerk)[0]["errorCode"] == "INVALID_TYPE"
    assert api.call("GET", "/sobjects/Account/describe", user=api.clerk).status == 404
    assert api.call("GET", "/sobjects/Account/describe").payload["createable"] is True
    _grant(api, PermissionsRead=True)
    described = api.call("GET", "/sobjects/Account/describe", user=api.clerk).payload
    assert (described["createable"], described["updateable"], described["deletable"]) == (False, False, False)


@pytest.mark.fact("object-permission-code")
def test_a_write_without_permission_is_refused_and_the_code_can_be_turned(api: Api):
    api.org.settings.object_permissions_enforced = True
    _grant(api, PermissionsRead=True)
    refused = api.call("POST", "/sobjects/Account", {"Name": "x"}, user=api.clerk)
    assert refused.payload[0]["errorCode"] == "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY"
    api.org.settings.no_object_permission_code = "INSUFFICIENT_ACCESS_OR_READONLY"
    assert api.call("POST", "/sobjects/Account", {"Name": "x"}, user=api.clerk).status == 403
    _grant(api, PermissionsRead=True, PermissionsCreate=True)
    assert api.call("POST", "/sobjects/Account", {"Name": "x"}, user=api.clerk).status == 201


@pytest.mark.fact("sharing-queue-members")
def test_rows_of_a_queue_are_seen_by_its_members_and_show_the_queue_as_owner(private: Api):
    private.org.settings.sharing = {"Lead": "Private"}
    ctx = WriteContext(private.admin)
    queue = private.org.insert("Group", {"Name": "Inbound", "Type": "Queue"}, ctx).id
    made = private.org.insert("Lead", {"LastName": "L", "Company": "C", "OwnerId": queue}, ctx)
    assert made.success, made
    assert private.values("SELECT Id FROM Lead", user=private.clerk) == []
    private.org.insert("GroupMember", {"GroupId": queue, "UserOrGroupId": private.clerk}, ctx)
    [row] = private.query("SELECT Owner.Name, Owner.Type FROM Lead", user=private.clerk)["records"]
    assert (row["Owner"]["Name"], row["Owner"]["Type"]) == ("Inbound", "Group")
    assert private.call("PATCH", f"/sobjects/Lead/{made.id}", {"Title": "x"}, user=private.clerk).status == 204
