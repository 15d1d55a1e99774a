from __future__ import annotations

import re
import unicodedata
from datetime import date, datetime

import pytest

from orgsim.generate.business import DEMO_ROWS, HIERARCHY_DEPTH_MAX
from orgsim.generate.profiles import UnknownProfile, populate
from orgsim.ids import normalize_id
from tests.unit.orgsim_data.support import NOW, fresh_org, rows_of

TYPES = {
    "boolean": bool, "date": date, "datetime": datetime, "int": int, "double": float, "currency": float, "percent": float,
}  # fmt: skip


def _texts(org, *objects):
    return [value for name in objects for row in rows_of(org, name) for value in row.values() if isinstance(value, str)]


def test_the_demo_org_has_the_announced_numbers_of_rows(demo):
    assert {name: demo.tables[name.lower()].count() for name in DEMO_ROWS} == dict(DEMO_ROWS)


def test_rows_gives_exactly_the_numbers_asked_for():
    org = fresh_org()
    populate(org, "empty", seed=1, rows={"account": 37, "Contact": 11})
    assert (org.tables["account"].count(), org.tables["contact"].count(), org.tables["opportunity"].count()) == (
        37,
        11,
        0,
    )


def test_an_empty_org_has_users_and_licences_but_no_business_rows():
    org = fresh_org()
    populate(org, "empty", seed=1)
    assert org.tables["userlicense"].count() == 9
    assert org.tables["user"].count() >= 3
    assert org.tables["loginhistory"].count() == 0
    assert all(org.tables[name.lower()].count() == 0 for name in DEMO_ROWS)


@pytest.mark.parametrize("rows", [{"Nonsense": 1}, {"Account": -1}])
def test_unknown_objects_and_negative_numbers_are_refused(rows):
    with pytest.raises(UnknownProfile):
        populate(fresh_org(), "empty", seed=1, rows=rows)


def test_bench_refuses_numbers_for_objects_it_cannot_make_up():
    with pytest.raises(UnknownProfile, match="Account, Contact, Opportunity"):
        populate(fresh_org(), "bench", seed=1, rows={"Lead": 5})


def test_an_unknown_profile_is_refused_by_the_names_of_those_that_exist():
    with pytest.raises(UnknownProfile, match="demo, empty, bench"):
        populate(fresh_org(), "full", seed=1)


def _check(name, field, value):
    assert field is not None, name
    where = (name, field.name, value)
    assert isinstance(value, TYPES.get(field.type, str)), where
    if not isinstance(value, str):
        return
    assert value == value.strip() != "", where
    assert not field.length or len(value) <= field.length, where
    if field.type in {"id", "reference"}:
        assert normalize_id(value) == value
    if field.restricted_picklist and field.picklist_values and name != "loginhistory":
        assert value in {entry.value for entry in field.picklist_values}, where


def test_every_generated_value_fits_its_field(demo):
    for name, definition in demo.objects.items():
        for row in rows_of(demo, name):
            for key, value in row.items():
                _check(name, definition.field(key), value)


def test_every_required_field_has_a_value(demo):
    for name, definition in demo.objects.items():
        required = [f.name for f in definition.fields if f.createable and not f.nillable and not f.defaulted_on_create]
        for row in rows_of(demo, name):
            missing = [key for key in required if row.get(key) is None]
            assert not missing or row.get("UserType") in {"AutomatedProcess", "Guest"}, (name, missing)


def test_every_reference_leads_to_a_row_of_the_right_object(demo):
    ids = {row["Id"]: entry.name for key, entry in demo.objects.items() for row in rows_of(demo, key)}
    for name, definition in demo.objects.items():
        references = [field for field in definition.fields if field.type == "reference"]
        for row in rows_of(demo, name):
            for field in references:
                if row.get(field.name) is not None:
                    assert ids.get(row[field.name]) in field.reference_to, (name, field.name)


def test_account_hierarchies_have_no_circle_and_bounded_depth(demo):
    parent = {row["Id"]: row.get("ParentId") for row in rows_of(demo, "Account")}
    depths = []
    for first in parent.values():
        depth, current = 0, first
        while current is not None:
            depth, current = depth + 1, parent[current]
            assert depth <= HIERARCHY_DEPTH_MAX
        depths.append(depth)
    assert sum(depth > 0 for depth in depths) > 300
    assert max(depths) >= 3


def test_opportunities_mostly_hang_under_an_account(demo):
    rows = rows_of(demo, "Opportunity")
    without = sum(row.get("AccountId") is None for row in rows)
    assert 0 < without < len(rows) * 0.1


def test_audit_dates_are_in_order_and_in_the_past(demo):
    for name in DEMO_ROWS:
        for row in rows_of(demo, name):
            assert row["CreatedDate"] <= row["LastModifiedDate"] == row["SystemModstamp"] < NOW


def test_texts_hold_what_breaks_careless_tools(demo):
    texts = _texts(demo, "Account", "Contact", "Opportunity")
    joined = "".join(set(texts))
    for label, pattern in {
        "Chinese or Japanese": "[一-鿿]", "Arabic": "[؀-ۿ]", "emoji": "[🀀-🫿]", "a plane-1 letter": "\U0001d4b3",
        "a quote": '"', "a comma": ",", "CRLF": "\r\n", "a lone LF": "[^\r]\n", "a tab": "\t", "a combining accent": "e\u0301",
        "a non-breaking space": "\u00a0", "a zero-width joiner": "\u200d", "a backslash": r"\\",
    }.items():  # fmt: skip
        assert re.search(pattern, joined), label
    assert any(unicodedata.normalize("NFC", text) != text for text in texts)
    assert {"#n/a", "null", "true", "007"} <= set(texts)
    assert any("#N/A" in text and text != "#N/A" for text in texts)
    assert max(map(len, texts)) > 15_000


def test_one_contact_holds_exactly_the_text_that_bulk_takes_for_null(demo):
    assert sum(row.get("AssistantName") == "#N/A" for row in rows_of(demo, "Contact")) == 1


def test_every_kind_of_field_has_rows_with_and_without_a_value(demo):
    accounts = rows_of(demo, "Account")
    for key in ("Phone", "Website", "AnnualRevenue", "NumberOfEmployees", "Industry", "BillingCity", "Description"):
        filled = sum(key in row for row in accounts)
        assert 0 < filled < len(accounts), key
