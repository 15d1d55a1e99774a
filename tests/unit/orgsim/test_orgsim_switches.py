"""Every assumption about queries and writes can be turned; the defaults are in the fact files."""

from __future__ import annotations

from datetime import timedelta

import pytest

from orgsim.facts import load_facts
from orgsim.store.results import WriteContext
from tests.unit.orgsim.conftest import Api


@pytest.fixture
def three(api: Api) -> Api:
    for name, city in (("A", "Ulm"), ("B", None), ("C", "Bonn")):
        api.org.insert("Account", {"Name": name, "BillingCity": city}, WriteContext(api.admin))
    return api


@pytest.mark.fact("query-desc-nulls")
def test_nulls_may_come_first_in_descending_order(three: Api):
    soql = "SELECT Name FROM Account ORDER BY BillingCity DESC"
    assert three.values(soql) == ["A", "C", "B"]
    three.org.settings.descending_nulls_last = False
    assert three.values(soql) == ["B", "A", "C"]


@pytest.mark.fact("query-not-equal-null")
@pytest.mark.parametrize("condition", ["BillingCity != 'Ulm'", "BillingCity NOT IN ('Ulm')"])
def test_unequal_may_leave_out_nulls(three: Api, condition: str):
    soql = f"SELECT Name FROM Account WHERE {condition} ORDER BY Name"
    assert three.values(soql) == ["B", "C"]
    three.org.settings.not_equal_finds_null = False
    assert three.values(soql) == ["C"]


@pytest.mark.fact("query-name-attributes")
def test_a_polymorphic_parent_may_show_its_own_type(three: Api):
    soql = "SELECT Owner.Name FROM Lead"
    three.org.insert("Lead", {"LastName": "L", "Company": "C"}, WriteContext(three.admin))
    assert three.query(soql)["records"][0]["Owner"]["attributes"]["type"] == "Name"
    three.org.settings.polymorphic_attributes_type = "actual"
    assert three.query(soql)["records"][0]["Owner"]["attributes"]["type"] == "User"


def _upsert(api: Api, records: list[dict[str, object]]) -> list[dict]:
    body = {"records": [{"attributes": {"type": "User"}} | record for record in records]}
    return api.call("PATCH", "/composite/sobjects/User/Username", body).payload


@pytest.mark.fact("upsert-repeated-key")
def test_only_the_second_of_two_equal_keys_may_fail(api: Api):
    twice = [{"Username": "admin@test", "Title": "One"}, {"Username": "admin@test", "Title": "Two"}]
    assert [row["success"] for row in _upsert(api, twice)] == [False, False]
    api.org.settings.repeated_external_id_fails = "second"
    assert [row["success"] for row in _upsert(api, twice)] == [True, False]


@pytest.mark.fact("write-missing-key")
def test_an_upsert_without_key_may_answer_another_code(api: Api):
    assert _upsert(api, [{"Username": None}])[0]["errors"][0]["statusCode"] == "MISSING_ARGUMENT"
    api.org.settings.missing_key_code = "INVALID_FIELD"
    assert _upsert(api, [{"Username": None}])[0]["errors"][0]["statusCode"] == "INVALID_FIELD"


def _code(api: Api, body: dict[str, object]) -> str:
    return api.call("POST", "/sobjects/Contact", body).payload[0]["errorCode"]


@pytest.mark.fact("write-missing-parent-key")
def test_an_unknown_key_of_a_parent_may_answer_another_code(api: Api):
    body = {"LastName": "X", "Owner": {"Username": "nobody@test"}}
    assert _code(api, body) == "INVALID_FIELD"
    api.org.settings.missing_parent_key_code = "FIELD_INTEGRITY_EXCEPTION"
    assert _code(api, body) == "FIELD_INTEGRITY_EXCEPTION"


@pytest.mark.fact("write-unknown-parent")
def test_an_unknown_id_of_a_parent_may_answer_another_code(api: Api):
    body = {"LastName": "X", "AccountId": api.org.new_id("001")}
    assert _code(api, body) == "INVALID_CROSS_REFERENCE_KEY"
    api.org.settings.unknown_parent_code = "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"
    assert _code(api, body) == "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY"


@pytest.mark.fact("write-deleted-parent")
def test_a_parent_in_the_recycle_bin_may_be_accepted(three: Api):
    parent = three.values("SELECT Id FROM Account LIMIT 1")[0]
    three.call("DELETE", f"/sobjects/Account/{parent}")
    body = {"LastName": "X", "AccountId": parent}
    assert _code(three, body) == "ENTITY_IS_DELETED"
    three.org.settings.lookup_of_deleted_row = "accept"
    assert three.call("POST", "/sobjects/Contact", body).status == 201


@pytest.mark.fact("delete-clears-lookups")
@pytest.mark.parametrize("clears", [True, False])
def test_lookups_to_a_deleted_row_may_stay(three: Api, clears: bool):
    three.org.settings.deleting_clears_lookups = clears
    child, parent = three.values("SELECT Id FROM Account ORDER BY Name LIMIT 2")
    three.call("PATCH", f"/sobjects/Account/{child}", {"ParentId": parent})
    three.call("DELETE", f"/sobjects/Account/{parent}")
    row = three.org.row("Account", child)
    assert row is not None
    assert row.get("ParentId") == (None if clears else parent)


@pytest.mark.fact("write-mixed-dml")
def test_setup_and_other_objects_may_be_written_together(api: Api):
    records = [
        {"attributes": {"type": "Account"}, "Name": "A"},
        {"attributes": {"type": "PermissionSet"}, "Name": "P", "Label": "P"},
    ]
    assert api.call("POST", "/composite/sobjects", {"records": records}).payload[0]["errorCode"] == (
        "MIXED_DML_OPERATION"
    )
    api.org.settings.mixed_dml_refused = False
    answer = api.call("POST", "/composite/sobjects", {"records": records})
    assert [row["success"] for row in answer.payload] == [True, True]


@pytest.mark.fact("describe-global-other-objects")
def test_objects_that_cannot_be_used_may_be_listed(api: Api):
    few = {entry["name"] for entry in api.call("GET", "/sobjects").payload["sobjects"]}
    api.org.settings.extra["list_undescribed"] = "yes"
    many = {entry["name"] for entry in api.call("GET", "/sobjects").payload["sobjects"]}
    assert few < many


@pytest.mark.fact("undelete-moves-stamp")
@pytest.mark.parametrize("moves", [True, False])
def test_undelete_may_leave_the_stamp(three: Api, moves: bool):
    three.org.settings.undelete_moves_stamp = moves
    row_id = three.values("SELECT Id FROM Account LIMIT 1")[0]
    three.call("DELETE", f"/sobjects/Account/{row_id}")
    gone_at = dict(three.org.row("Account", row_id) or {})["SystemModstamp"]
    three.org.clock.advance(timedelta(minutes=1))
    assert three.org.undelete("Account", row_id, WriteContext(three.admin)).success
    assert (dict(three.org.row("Account", row_id) or {})["SystemModstamp"] > gone_at) == moves


def test_each_assumption_has_a_test_that_turns_it(pytestconfig: pytest.Config):
    """The marks are read from the sources, so that a run of one file sees those of the others too."""
    marked = "".join(
        path.read_text("utf-8") for path in sorted((pytestconfig.rootpath / "tests/unit").glob("orgsim*/*switches*.py"))
    )
    missing = [fact.id for fact in load_facts() if fact.source == "assumed" and f'"{fact.id}"' not in marked]
    assert missing == []
