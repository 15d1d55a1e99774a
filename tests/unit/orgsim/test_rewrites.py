"""The witness of updates, and rows in bulk on the control port: what a long kill campaign judges by."""

from __future__ import annotations

from tests.support.orgsim import Orgsim

UPSERT = "/services/data/v62.0/composite/sobjects/Account/SwiftPort_Source_Id__c"
FIELD = {
    "FullName": "Account.SwiftPort_Source_Id__c",
    "Metadata": {"type": "Text", "label": "Source", "length": 18, "externalId": True, "unique": True},
    "granted": True,
}


def _upsert(org: Orgsim, **values: object) -> None:
    record = {"attributes": {"type": "Account"}, "SwiftPort_Source_Id__c": "001000000000001AAA", **values}
    status, _, answer = org.call("PATCH", UPSERT, {"allOrNone": False, "records": [record]})
    assert (status, answer[0]["success"]) == (200, True), answer


def test_only_a_value_that_takes_the_place_of_another_is_counted(orgsim: Orgsim) -> None:
    orgsim.control("POST", "/fields", FIELD)
    _upsert(orgsim, Name="One")
    _upsert(orgsim, Name="One", Site="first")
    assert orgsim.control("GET", "/rewrites") == {}
    _upsert(orgsim, Name="Two", Site="first")
    assert orgsim.control("GET", "/rewrites") == {"Account": {"Name": 1}}
    assert orgsim.control("DELETE", "/rewrites") == {}


def test_all_rows_of_an_object_vanish_and_named_fields_are_given(orgsim: Orgsim) -> None:
    orgsim.add_rows("Account", [{"Name": "One"}, {"Name": "Two"}])
    rows = orgsim.control("GET", "/rows/Account?fields=Id,Name")
    assert [sorted(row) for row in rows] == [["Id", "Name"], ["Id", "Name"]]
    assert orgsim.control("DELETE", "/rows/Account") == {"deleted": 2}
    assert orgsim.rows("Account") == []
