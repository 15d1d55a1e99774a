"""Rules that administrators add, through the control port, as API clients meet them."""

from __future__ import annotations

import urllib.error

import pytest

from tests.support.orgsim import Orgsim
from tests.unit.orgsim_wire.test_bulk import ingest, parsed, result

V = "/services/data/v62.0"


def _create(org: Orgsim, name: str, body: dict[str, object], **headers: str) -> tuple[int, object]:
    status, _, answer = org.call("POST", f"{V}/sobjects/{name}", body, **headers)
    return status, answer if status == 201 else (answer[0]["errorCode"], answer[0]["message"], answer[0]["fields"])


@pytest.mark.fact("write-validation-rule")
def test_a_validation_rule_refuses_with_its_own_text(org: Orgsim):
    org.control(
        "POST",
        "/rules",
        {"kind": "validation", "object": "Account", "when": "Website = null", "message": "No site", "field": "website"},
    )
    expected = ("FIELD_CUSTOM_VALIDATION_EXCEPTION", "No site", ["Website"])
    assert _create(org, "Account", {"Name": "A"}) == (400, expected)
    status, made = _create(org, "Account", {"Name": "A", "Website": "x.example"})
    assert status == 201
    assert org.call("PATCH", f"{V}/sobjects/Account/{made['id']}", {"Website": None})[0] == 400
    job = ingest(org, "Name,Website\nB,\nC,c.example\n", "Account")
    assert [row["sf__Error"] for row in parsed(result(org, job, "failedResults"))] == [
        "FIELD_CUSTOM_VALIDATION_EXCEPTION:No site:Website --"
    ]


@pytest.mark.fact("write-lookup-filter")
def test_a_lookup_filter_judges_the_parent(org: Orgsim):
    small, large = org.add_rows("Account", [{"Name": "S"}, {"Name": "L", "NumberOfEmployees": 500}])
    rule = {"kind": "lookup-filter", "object": "Contact", "field": "AccountId", "when": "NumberOfEmployees > 100"}
    org.control("POST", "/rules", rule)
    status, (code, _, fields) = _create(org, "Contact", {"LastName": "X", "AccountId": small})
    assert (status, code, fields) == (400, "FIELD_FILTER_VALIDATION_EXCEPTION", ["AccountId"])
    assert _create(org, "Contact", {"LastName": "X", "AccountId": large})[0] == 201
    assert _create(org, "Contact", {"LastName": "X"})[0] == 201


@pytest.mark.fact("write-duplicates-detected")
def test_a_duplicate_rule_alerts_and_the_header_lets_the_row_through(org: Orgsim):
    org.control("POST", "/rules", {"kind": "duplicate", "object": "Contact", "fields": ["LastName", "Email"]})
    row = {"LastName": "Twin", "Email": "t@x.example"}
    assert _create(org, "Contact", row)[0] == 201
    assert _create(org, "Contact", row) == (400, ("DUPLICATES_DETECTED", "Use one of these records?", []))
    assert _create(org, "Contact", {**row, "Email": "u@x.example"})[0] == 201
    assert _create(org, "Contact", row, **{"Sforce-Duplicate-Rule-Header": "allowSave=true"})[0] == 201


def test_a_blocking_duplicate_rule_lets_nothing_through(org: Orgsim):
    rule = {"kind": "duplicate", "object": "Contact", "fields": ["LastName"], "action": "block"}
    org.control("POST", "/rules", rule)
    assert _create(org, "Contact", {"LastName": "Twin"})[0] == 201
    assert _create(org, "Contact", {"LastName": "twin"}, **{"Sforce-Duplicate-Rule-Header": "allowSave=true"})[0] == 400


def test_a_picklist_may_be_narrowed_for_one_record_type(org: Orgsim):
    [kind] = org.add_rows(
        "RecordType", [{"Name": "Shop", "DeveloperName": "Shop", "SobjectType": "Account", "IsActive": True}]
    )
    rule = {"kind": "picklist", "object": "Account", "field": "Industry", "values": ["Retail"], "record_type": "Shop"}
    org.control("POST", "/rules", rule)
    status, (code, _, fields) = _create(org, "Account", {"Name": "A", "Industry": "Banking", "RecordTypeId": kind})
    assert (status, code, fields) == (400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", ["Industry"])
    assert _create(org, "Account", {"Name": "A", "Industry": "Retail", "RecordTypeId": kind})[0] == 201
    assert _create(org, "Account", {"Name": "A", "Industry": "Banking"})[0] == 201


def test_a_trigger_changes_what_is_saved(org: Orgsim):
    org.control(
        "POST", "/rules", {"kind": "trigger", "object": "Lead", "set": {"Rating": "Hot"}, "when": "Title = 'CEO'"}
    )
    _create(org, "Lead", {"LastName": "A", "Company": "B", "Title": "CEO"})
    _create(org, "Lead", {"LastName": "C", "Company": "D", "Title": "Clerk"})
    assert {row["LastName"]: row["Rating"] for row in org.rows("Lead")} == {"A": "Hot", "C": None}


def test_a_trigger_changes_a_row_after_the_write_as_the_writer(org: Orgsim):
    rule = {"kind": "trigger", "object": "Account", "timing": "after", "delay_s": 30, "copy": {"Site": "Name"}}
    org.control("POST", "/rules", rule)
    _, made = _create(org, "Account", {"Name": "Acme"})
    [first] = org.rows("Account")
    assert first["Site"] is None
    org.control("POST", "/clock", {"advance_s": 31})
    second = org.call("GET", f"{V}/sobjects/Account/{made['id']}")[2]
    assert second["Site"] == "Acme"
    assert second["SystemModstamp"] > first["SystemModstamp"]
    assert second["LastModifiedById"] == first["CreatedById"]


@pytest.mark.fact("write-trigger-error")
def test_a_trigger_may_refuse_a_row(org: Orgsim):
    org.control(
        "POST", "/rules", {"kind": "trigger", "object": "Account", "error": "AccountTrigger: no", "on": ["insert"]}
    )
    expected = ("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "AccountTrigger: no", [])
    assert _create(org, "Account", {"Name": "A"}) == (400, expected)


@pytest.mark.parametrize(
    "rule",
    [
        {"kind": "validation", "object": "Nothing", "when": "Name = 'x'", "message": "m"},
        {"kind": "validation", "object": "Account", "when": "Nothing = 'x'", "message": "m"},
        {"kind": "validation", "object": "Account", "when": "Name ==", "message": "m"},
        {"kind": "trigger", "object": "Account", "set": {"Nothing": 1}},
        {"kind": "unheard", "object": "Account"},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(org: Orgsim, rule: dict[str, object]):
    with pytest.raises(urllib.error.HTTPError, match="400"):
        org.control("POST", "/rules", rule)
    assert org.control("GET", "/rules") == []


def test_rules_can_be_listed_and_forgotten(org: Orgsim):
    rule = {"kind": "picklist", "object": "Account", "field": "Industry", "values": ["Retail"]}
    assert org.control("POST", "/rules", [rule])[0]["values"] == ["Retail"]
    org.control("DELETE", "/rules")
    assert _create(org, "Account", {"Name": "A", "Industry": "Banking"})[0] == 201
