"""One pair of orgs for all hard cases; each test finds them as at the start."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.copying import Pair, sync_settings
from tests.support.engine import Engine
from tests.support.orgsim import Orgsim, start_orgsim


def field(name: str, kind: str, **more: Any) -> dict[str, Any]:
    """One field of a describe; a custom one that can be written unless `more` says otherwise."""
    writable = {"createable": True, "updateable": True, "nillable": True, "filterable": True, "custom": True}
    return {"name": name, "label": name, "type": kind, **writable, **more}


READ_ONLY = {"createable": False, "updateable": False, "custom": False}
STAMPS = [field(name, "datetime", **READ_ONLY) for name in ("CreatedDate", "LastModifiedDate", "SystemModstamp")]
NAME = field("Name", "string", length=80, custom=False, nameField=True)
TEXT = {"length": 100}
ODD = {
    "name": "Odd__c",
    "label": "Odd",
    "keyPrefix": "a0X",
    "custom": True,
    "fields": [
        field("Id", "id", length=18, **READ_ONLY),
        NAME,
        field("Number__c", "string", length=30, autoNumber=True, createable=False, updateable=False),
        field("Sum__c", "double", precision=18, scale=2, calculated=True, createable=False, updateable=False),
        field("Shown__c", "string", **TEXT),
        field("Once__c", "string", updateable=False, **TEXT),
        field("Never__c", "string", createable=False, **TEXT),
        field("Secret__c", "encryptedstring", length=80),
        field("Shield__c", "string", filterable=False, encrypted=True, **TEXT),
        field("File__c", "base64"),
        field("Rich__c", "textarea", length=32768, htmlFormatted=True, filterable=False),
        *STAMPS,
    ],
}
BOSS = field("Boss__c", "reference", length=18, referenceTo=["Account"], relationshipName="Boss__r", nillable=False)
PART = {**ODD, "name": "Part__c", "label": "Part", "keyPrefix": "a1X"}
PART["fields"] = [ODD["fields"][0], NAME, {**BOSS, "updateable": False, "cascadeDelete": True}, *STAMPS]
OLD = {**ODD, "name": "Old__c", "label": "Old", "keyPrefix": "a2X", "fields": [ODD["fields"][0], NAME, *STAMPS[:2]]}
LOST = {**ODD, "name": "Lost__c", "label": "Lost", "keyPrefix": "a3X", "fields": [ODD["fields"][0], NAME]}
DELETED = field("IsDeleted", "boolean", nillable=False, **READ_ONLY)
BIN = {**ODD, "name": "Bin__c", "label": "Bin", "keyPrefix": "a4X", "replicateable": False}
BIN["fields"] = [ODD["fields"][0], NAME, DELETED, *STAMPS]
FLAGS = dict.fromkeys(
    ("createable", "updateable", "deletable", "queryable", "replicateable", "retrieveable", "undeletable"), True
)


@pytest.fixture(scope="session")
def orgs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    home: Path = tmp_path_factory.mktemp("home")
    described = tmp_path_factory.mktemp("describes")
    for each in (ODD, PART, OLD, LOST, BIN):
        (described / f"{each['name']}.describe.json").write_text(json.dumps({**FLAGS, **each}))
    more = ("--load", str(described))
    with start_orgsim(name="source", more=more) as source, start_orgsim(name="target", seed=2, more=more) as target:
        yield Pair(source, target, sync_settings(home))


@pytest.fixture
def engine(orgs: Pair) -> Engine:
    return Engine(replace(orgs, source=_anew(orgs.source), target=_anew(orgs.target)))


def _anew(org: Orgsim) -> Orgsim:
    """Return the org as at the start, with a token that no earlier test has spoilt."""
    org.control("POST", "/clock", {"thaw": True})
    org.control("POST", "/reset")
    org.control("DELETE", "/transcript")
    return replace(org, access_token=org.control("POST", f"/users/{org.username}/token")["access_token"])
