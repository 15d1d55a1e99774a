"""The schema asked as rows: EntityDefinition and FieldDefinition, in the data API and in Tooling."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.support.orgsim import Orgsim

V = "/services/data/v62.0"


def _ask(org: Orgsim, soql: str, path: str = "/query") -> tuple[int, Any]:
    status, _, answer = org.call("GET", f"{V}{path}?q={quote(soql)}")
    return status, answer


@pytest.mark.fact("entity-definitions")
def test_objects_are_listed_as_rows(org: Orgsim):
    soql = "SELECT QualifiedApiName, Label FROM EntityDefinition WHERE IsDeprecatedAndHidden = false ORDER BY QualifiedApiName"
    status, answer = _ask(org, soql)
    assert status == 200
    assert answer["done"] is True
    names = [row["QualifiedApiName"] for row in answer["records"]]
    assert names == sorted(names)
    assert {"Account", "Pricebook2", "User"} <= set(names)
    soql = "SELECT KeyPrefix, IsCustomizable FROM EntityDefinition WHERE QualifiedApiName = 'Account'"
    (row,) = _ask(org, soql)[1]["records"]
    assert (row["KeyPrefix"], row["IsCustomizable"]) == ("001", True)
    assert row["attributes"]["url"] == f"{V}/sobjects/EntityDefinition/Account"
    columns = org.call("GET", f"{V}/query?columns=true&q={quote(soql)}")[2]["columnMetadata"]
    assert [column["columnName"] for column in columns] == ["KeyPrefix", "IsCustomizable"]
    page = _ask(org, soql, "/tooling/query")[1]
    assert (page["size"], page["entityTypeName"]) == (1, "EntityDefinition")
    assert page["records"][0]["attributes"]["url"] == f"{V}/tooling/sobjects/EntityDefinition/Account"


@pytest.mark.fact("field-definitions-need-a-filter")
def test_fields_are_rows_of_one_object_at_a_time(org: Orgsim):
    soql = "SELECT QualifiedApiName, Label, IsNillable FROM FieldDefinition"
    status, answer = _ask(org, soql)
    assert (status, answer[0]["errorCode"]) == (400, "MALFORMED_QUERY")
    for condition in ("EntityDefinition.QualifiedApiName = 'Account'", "EntityDefinitionId = 'Account'"):
        rows = _ask(org, f"{soql} WHERE {condition}")[1]["records"]
        fields = org.call("GET", f"{V}/sobjects/Account/describe")[2]["fields"]
        assert {row["QualifiedApiName"]: row["IsNillable"] for row in rows} == {
            field["name"]: field["nillable"] for field in fields
        }


@pytest.mark.parametrize(
    "soql",
    [
        "SELECT COUNT() FROM EntityDefinition",
        "SELECT Label, COUNT(DurableId) FROM EntityDefinition GROUP BY Label",
        "SELECT QualifiedApiName FROM EntityDefinition LIMIT 2 OFFSET 1",
        "SELECT Id FROM EntityDefinition",
        "SELECT DeploymentStatus FROM EntityDefinition",
        "SELECT DataType FROM FieldDefinition WHERE EntityDefinitionId = 'Account'",
    ],
)
def test_what_is_not_known_of_definitions_is_loud(org: Orgsim, soql: str):
    assert _ask(org, soql)[0] == 501
