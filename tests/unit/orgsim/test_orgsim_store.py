from __future__ import annotations

from datetime import timedelta

import pytest

from orgsim.describe import describe_object
from orgsim.org import WriteContext
from orgsim.schema.model import FieldDef, PicklistValue
from orgsim.store.results import SaveResult
from tests.unit.orgsim.samples import external_id


def code(result: SaveResult) -> str:
    assert not result.success
    return result.errors[0].code


def test_text_is_trimmed_and_emptiness_is_null(org, ctx):
    row_id = org.insert("Account", {"Name": "  Acme ", "Phone": "   ", "Description": "a\nb "}, ctx).id
    row = org.row("Account", row_id)
    assert (row["Name"], row.get("Phone"), row["Description"]) == ("Acme", None, "a\nb")


def test_audit_fields_have_second_precision_and_never_go_back(org, ctx):
    row_id = org.insert("Account", {"Name": "A"}, ctx).id
    created = org.row("Account", row_id)
    assert created["CreatedDate"] == created["SystemModstamp"] == org.clock.now().replace(microsecond=0)
    assert created["CreatedById"] == created["OwnerId"] == ctx.user_id
    org.clock.advance(timedelta(seconds=2))
    org.update("Account", row_id, {"Name": "B"}, ctx)
    changed = org.row("Account", row_id)
    assert changed["SystemModstamp"] - created["SystemModstamp"] == timedelta(seconds=2)
    assert changed["CreatedDate"] == created["CreatedDate"]


def test_a_parent_that_this_org_has_not_is_an_invalid_reference(org, ctx):
    result = org.insert("Account", {"Name": "x", "ParentId": org.new_id("001")}, ctx)
    assert (code(result), result.errors[0].message) == ("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")


@pytest.mark.parametrize(
    ("values", "wanted", "message"),
    [
        ({}, "REQUIRED_FIELD_MISSING", "Required fields are missing: [Name]"),
        ({"Name": "x" * 256}, "STRING_TOO_LONG", f"Account Name: data value too large: {'x' * 256} (max length=255)"),
        (
            {"Name": "x", "ParentId": "nonsense"},
            "MALFORMED_ID",
            "Parent Account ID: id value of incorrect type: nonsense",
        ),
        (
            {"Name": "x", "ParentId": "001000000000001"},
            "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
            "insufficient access rights on cross-reference id: 001000000000001",
        ),
        (
            {"Name": "x", "ParentId": "003000000000001"},
            "MALFORMED_ID",
            "Parent Account ID: id value of incorrect type: 003000000000001AAA",
        ),
        ({"Name": "x", "Nope": 1}, "INVALID_FIELD", "No such column 'Nope' on sobject of type Account"),
        ({"Name": "x", "CreatedDate": "2020-01-01T00:00:00Z"}, "INVALID_FIELD_FOR_INSERT_UPDATE", None),
        ({"Name": "x", "NumberOfEmployees": 10**9}, "NUMBER_OUTSIDE_VALID_RANGE", None),
        ({"Name": "x", "BillingGeocodeAccuracy": "Nowhere"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", None),
    ],
)
def test_bad_accounts_are_refused(org, ctx, values, wanted, message):
    result = org.insert("Account", values, ctx)
    assert code(result) == wanted
    assert message is None or result.errors[0].message == message
    assert org.tables["account"].count() == 0


def test_email_is_checked_and_lowered(org, ctx):
    good = org.insert("Contact", {"LastName": "M", "Email": "Chloe.Myers@Example.COM"}, ctx)
    assert org.row("Contact", good.id)["Email"] == "chloe.myers@example.com"
    bad = org.insert("Contact", {"LastName": "M", "Email": "chloe"}, ctx)
    assert code(bad) == "INVALID_EMAIL_ADDRESS"
    assert bad.errors[0].message == "Email: invalid email address: chloe"
    assert bad.errors[0].fields == ("Email",)


def test_stage_decides_probability_and_forecast(org, ctx):
    row_id = org.insert(
        "Opportunity", {"Name": "O", "StageName": "Prospecting", "CloseDate": "2026-05-01", "Amount": "1000"}, ctx
    ).id
    row = org.row("Opportunity", row_id)
    assert (row["Probability"], row["ExpectedRevenue"], row["IsClosed"], row["ForecastCategory"]) == (
        10.0,
        100.0,
        False,
        "Pipeline",
    )
    assert (row["FiscalYear"], row["FiscalQuarter"]) == (2026, 2)
    org.update("Opportunity", row_id, {"StageName": "Closed Won"}, ctx)
    row = org.row("Opportunity", row_id)
    assert (row["Probability"], row["IsClosed"], row["IsWon"], row["ForecastCategory"]) == (100.0, True, True, "Closed")


def test_a_field_made_through_the_api_does_not_exist_until_granted(org, ctx):
    org.add_field("Account", external_id())
    assert code(org.insert("Account", {"Name": "A", "Ext__c": "1"}, ctx)) == "INVALID_FIELD"
    own_set = next(row["Id"] for row in org.tables["permissionset"].scan())
    granted = org.insert(
        "FieldPermissions",
        {
            "ParentId": own_set,
            "SobjectType": "Account",
            "Field": "Account.Ext__c",
            "PermissionsRead": True,
            "PermissionsEdit": False,
        },
        ctx,
    )
    assert granted.success
    assert code(org.insert("Account", {"Name": "A", "Ext__c": "1"}, ctx)) == "INVALID_FIELD_FOR_INSERT_UPDATE"
    org.update("FieldPermissions", granted.id, {"PermissionsEdit": True}, ctx)
    assert org.insert("Account", {"Name": "A", "Ext__c": "1"}, ctx).success
    again = org.insert(
        "FieldPermissions",
        {"ParentId": own_set, "SobjectType": "Account", "Field": "Account.Ext__c", "PermissionsRead": True},
        ctx,
    )
    assert code(again) == "DUPLICATE_VALUE"


def test_an_assigned_permission_set_grants_too(org, api, ctx):
    org.add_field("Account", external_id())
    extra = org.insert("PermissionSet", {"Name": "Extra", "Label": "Extra"}, ctx).id
    org.insert(
        "FieldPermissions",
        {
            "ParentId": extra,
            "SobjectType": "Account",
            "Field": "Account.Ext__c",
            "PermissionsRead": True,
            "PermissionsEdit": True,
        },
        ctx,
    )
    clerk = WriteContext(api.clerk)
    assert not org.insert("Account", {"Name": "A", "Ext__c": "1"}, clerk).success
    org.insert("PermissionSetAssignment", {"AssigneeId": api.clerk, "PermissionSetId": extra}, ctx)
    assert org.insert("Account", {"Name": "A", "Ext__c": "1"}, clerk).success


def test_upsert_creates_once_and_changes_afterwards(org, ctx):
    org.add_field("Account", external_id(), granted=True)
    first = org.upsert("Account", "Ext__c", "k1", {"Name": "A"}, ctx)
    second = org.upsert("account", "ext__C", "k1", {"Name": "B"}, ctx)
    assert (first.created, second.created, first.id) == (True, False, second.id)
    assert org.row("Account", first.id)["Name"] == "B"
    assert org.row("Account", first.id)["Ext__c"] == "k1"
    third = org.upsert("Account", "Ext__c", "K1", {"Name": "C"}, ctx)
    assert third.created, "case-sensitive keys differ"


def test_case_insensitive_keys_meet(org, ctx):
    org.add_field("Account", external_id(case_sensitive=False), granted=True)
    first = org.upsert("Account", "Ext__c", "k1", {"Name": "A"}, ctx)
    assert org.upsert("Account", "Ext__c", "K1", {"Name": "B"}, ctx).id == first.id


def test_a_unique_value_cannot_come_twice(org, ctx):
    org.add_field("Account", external_id(), granted=True)
    first = org.insert("Account", {"Name": "A", "Ext__c": "1"}, ctx)
    second = org.insert("Account", {"Name": "B", "Ext__c": "1"}, ctx)
    assert code(second) == "DUPLICATE_VALUE"
    assert (
        second.errors[0].message == f"duplicate value found: Ext__c duplicates value on record with id: {first.id[:15]}"
    )
    org.delete("Account", first.id, ctx)
    assert org.insert("Account", {"Name": "B", "Ext__c": "1"}, ctx).success, "a row in the bin does not block"


def test_the_same_key_twice_in_one_request_fails_both(org, ctx):
    org.add_field("Account", external_id(), granted=True)
    rows = [{"Ext__c": "1", "Name": "A"}, {"Ext__c": "2", "Name": "B"}, {"Ext__c": "1", "Name": "C"}]
    results = org.dml_many("upsert", "Account", "Ext__c", rows, ctx)
    assert [result.success for result in results] == [False, True, False]
    assert results[0].errors[0].code == "DUPLICATE_EXTERNAL_ID"
    org.settings.repeated_external_id_fails = "second"
    results = org.dml_many("upsert", "Account", "Ext__c", rows, ctx)
    assert [result.success for result in results] == [True, True, False]


def test_parents_are_found_by_external_id(org, ctx):
    org.add_field("Account", external_id(), granted=True)
    account = org.upsert("Account", "Ext__c", "k", {"Name": "A"}, ctx).id
    child = org.insert("Contact", {"LastName": "L", "Account": {"Ext__c": "k"}}, ctx)
    assert org.row("Contact", child.id)["AccountId"] == account
    text = WriteContext(ctx.user_id, "bulk", text=True)
    other = org.insert("Contact", {"LastName": "L", "Account.Ext__c": "k"}, text)
    assert org.row("Contact", other.id)["AccountId"] == account
    lost = org.insert("Contact", {"LastName": "L", "Account": {"Ext__c": "gone"}}, ctx)
    assert lost.errors[0].message == "Foreign key external ID: gone not found for field Ext__c in entity Account"
    assert code(lost) == "INVALID_FIELD"


def test_polymorphic_parents_need_their_type(org, api, ctx):
    named = {"Owner": {"attributes": {"type": "User"}, "Username": "clerk@test"}}
    case = org.insert("Case", {"Subject": "S", **named}, ctx)
    assert case.success, case
    assert org.row("Case", case.id)["OwnerId"] == api.clerk
    assert code(org.insert("Case", {"Owner": {"Username": "clerk@test"}}, ctx)) == "INVALID_FIELD"


def test_csv_cells_are_typed_and_blank_ones_change_nothing(org, ctx):
    text = WriteContext(ctx.user_id, "bulk", text=True)
    row_id = org.insert(
        "Opportunity",
        {"Name": "O", "StageName": "Prospecting", "CloseDate": "2026-05-01", "Amount": "12.345", "IsPrivate": "TRUE"},
        text,
    ).id
    row = org.row("Opportunity", row_id)
    assert (row["Amount"], row["IsPrivate"]) == (12.35, True)
    org.update("Opportunity", row_id, {"Amount": "", "NextStep": "n"}, text)
    assert org.row("Opportunity", row_id)["Amount"] == 12.35
    org.update("Opportunity", row_id, {"Amount": "#N/A"}, text)
    assert org.row("Opportunity", row_id).get("Amount") is None
    bad = org.insert("Opportunity", {"Name": "O", "StageName": "P", "CloseDate": "tomorrow"}, text)
    assert code(bad) == "INVALID_TYPE_ON_FIELD_IN_RECORD"
    missing = org.insert("Account", {"Name": ""}, text)
    assert missing.errors[0].bulk_text() == "REQUIRED_FIELD_MISSING:Required fields are missing: [Name]:Name --"


def test_deleting_a_parent_takes_its_children_along_and_undelete_brings_it_back(org, ctx):
    account = org.insert("Account", {"Name": "A"}, ctx).id
    contact = org.insert("Contact", {"LastName": "L", "AccountId": account}, ctx).id
    assert org.delete("Account", account, ctx).success
    assert org.row("Account", account)["IsDeleted"]
    assert org.row("Contact", contact)["IsDeleted"]
    assert org.tables["account"].count() == 0
    again = org.delete("Account", account, ctx)
    assert code(again) == "ENTITY_IS_DELETED"
    assert org.undelete("Account", account, ctx).success
    assert org.tables["account"].count() == 1
    assert org.delete("Account", account, ctx, hard=True).success
    assert org.row("Account", account) is None


def test_a_savepoint_takes_everything_back(org, ctx):
    org.add_field("Account", external_id(), granted=True)
    kept = org.insert("Account", {"Name": "kept", "Ext__c": "k"}, ctx).id
    with org.savepoint() as roll_back:
        org.insert("Account", {"Name": "new", "Ext__c": "n"}, ctx)
        org.update("Account", kept, {"Name": "changed", "Ext__c": "c"}, ctx)
        org.delete("Account", kept, ctx)
        roll_back()
    assert org.row("Account", kept)["Name"] == "kept"
    assert org.tables["account"].count() == 1
    assert org.upsert("Account", "Ext__c", "k", {}, ctx).id == kept
    assert org.insert("Account", {"Name": "x", "Ext__c": "n"}, ctx).success


def test_inactive_users_own_nothing(org, api, ctx):
    org.update("User", api.clerk, {"IsActive": False}, ctx)
    refused = org.insert("Account", {"Name": "A", "OwnerId": api.clerk}, ctx)
    assert code(refused) == "INACTIVE_OWNER_OR_USER"


def test_case_numbers_count_up(org, ctx):
    first, second = (org.row("Case", org.insert("Case", {"Subject": "S"}, ctx).id)["CaseNumber"] for _ in "ab")
    assert len(first) == 8
    assert int(second) == int(first) + 1


def test_loaded_rows_are_indexed_like_written_ones(org, ctx):
    org.add_field("Account", external_id(), granted=True)
    ids = org.load("Account", [{"Name": f"A{n}", "Ext__c": f"k{n}"} for n in range(100)])
    assert org.upsert("Account", "Ext__c", "k7", {"Name": "B"}, ctx).id == ids[7]


@pytest.mark.fact("dependent-picklists-not-enforced")
def test_a_dependent_picklist_is_described_and_takes_any_of_its_values(org, ctx):
    regions = [PicklistValue("EU", "EU"), PicklistValue("US", "US")]
    cities = [PicklistValue("Bern", "Bern", valid_for="gAAA"), PicklistValue("Boston", "Boston", valid_for="QAAA")]
    org.add_field("Account", FieldDef("Region__c", "picklist", custom=True, picklist_values=regions), granted=True)
    dependent = {"dependent_picklist": True, "controller_name": "Region__c", "picklist_values": cities}
    org.add_field("Account", FieldDef("City__c", "picklist", custom=True, **dependent), granted=True)
    fields = {entry["name"]: entry for entry in describe_object(org, "Account", ctx.user_id, "62.0")["fields"]}
    assert fields["City__c"]["controllerName"] == "Region__c"
    assert [value["validFor"] for value in fields["City__c"]["picklistValues"]] == ["gAAA", "QAAA"]
    assert org.insert("Account", {"Name": "A", "Region__c": "EU", "City__c": "Boston"}, ctx).success
