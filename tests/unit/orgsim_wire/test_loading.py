"""`orgsim serve --load DIR --set NAME=VALUE`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.support.orgsim import start_orgsim

V = "/services/data/v62.0"
WIDGET = {
    "name": "Widget__c", "label": "Widget", "labelPlural": "Widgets", "keyPrefix": "a01", "custom": True,
    "createable": True, "queryable": True, "childRelationships": [{"childSObject": "Task", "field": "WhatId"}],
    "fields": [
        {"name": "Id", "type": "id", "length": 18, "label": "Record ID", "createable": False, "updateable": False},
        {"name": "Name", "type": "string", "length": 80, "label": "Name", "nameField": True},
        {"name": "Account__c", "type": "reference", "length": 18, "referenceTo": ["Account"],
         "relationshipName": "Account__r", "label": "Account"},
        {"name": "Size__c", "type": "picklist", "length": 40, "label": "Size", "restrictedPicklist": True,
         "picklistValues": [{"value": "S", "label": "Small", "active": True, "defaultValue": False}]},
    ],
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    extra = {"name": "Account", "fields": [{"name": "Score__c", "type": "double", "scale": 2, "custom": True}]}
    (tmp_path / "Widget__c.describe.json").write_text(json.dumps(WIDGET))
    (tmp_path / "Account.describe.json").write_text(json.dumps(extra))
    (tmp_path / "Account.csv").write_text("Id,Name,Score__c,Website\n001AA0000000001,Acme,1.5,\n")
    record = {"attributes": {"type": "Widget__c"}, "Name": "W", "Account__c": "001AA0000000001", "Size__c": "S"}
    (tmp_path / "Widget__c.json").write_text(json.dumps({"records": [record]}))
    (tmp_path / "Contact.jsonl").write_text('{"LastName": "A"}\n\n{"LastName": "B"}\n')
    return tmp_path


def test_describes_and_records_are_loaded_and_come_back_after_a_reset(folder: Path):
    with start_orgsim(more=["--load", str(folder), "--set", "multi_currency=true"]) as org:
        for _ in range(2):
            soql = "SELECT Name, Size__c, Account__r.Name, Account__r.Score__c FROM Widget__c"
            [row] = org.call("GET", f"{V}/query?q={quote(soql)}")[2]["records"]
            assert (row["Name"], row["Size__c"], row["Account__r"]["Name"]) == ("W", "S", "Acme")
            assert row["Account__r"]["Score__c"] == 1.5
            assert {contact["LastName"] for contact in org.rows("Contact")} == {"A", "B"}
            assert org.rows("Account")[0]["Website"] is None
            assert org.control("GET", "/settings")["multi_currency"] is True
            fields = org.call("GET", f"{V}/sobjects/Task/describe")[2]["fields"]
            assert "Widget__c" in next(field for field in fields if field["name"] == "WhatId")["referenceTo"]
            assert org.call("POST", f"{V}/sobjects/Widget__c", {"Name": "X", "Size__c": "L"})[0] == 400
            assert org.call("POST", f"{V}/sobjects/Widget__c", {"Name": "X", "Size__c": "S"})[0] == 201
            org.control("POST", "/reset")


def _refusal(*more: str) -> str:
    command = [sys.executable, "-m", "orgsim.cli", "serve", "--port", "0", "--control-port", "0", "--profile", "empty"]
    done = subprocess.run([*command, *more], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("Nothing.json", "[]", "there is no object Nothing"),
        ("Account.json", '[{"Colour": "red"}]', "Account has no field Colour"),
        ("Account.json", "[", "cannot be read as json"),
        ("Account.csv", "Name,NumberOfEmployees\nA,many\n", "value not of required type"),
        ("X.describe.json", "{}", "cannot be read as json"),
    ],
)
def test_a_file_that_does_not_fit_is_named_with_the_reason(tmp_path: Path, name: str, content: str, why: str):
    (tmp_path / name).write_text(content)
    refusal = _refusal("--load", str(tmp_path))
    assert name in refusal
    assert why in refusal


def test_a_setting_that_does_not_exist_or_does_not_fit_is_refused():
    assert "no setting is called colour" in _refusal("--set", "colour=red")
    assert "query_page_rows" in _refusal("--set", "query_page_rows=many")
