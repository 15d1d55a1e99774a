"""Deployments of custom fields and objects by SOAP and REST, and what they refuse."""

from __future__ import annotations

import io
import json
import zipfile
from base64 import b64encode
from typing import Any

import pytest

from tests.support.orgsim import Orgsim, call
from tests.unit.orgsim_wire.test_soap import results, soap

V = "/services/data/v62.0"
TEXT = "<fields><fullName>{}</fullName><label>Key</label><type>Text</type><length>18</length>{}</fields>"
CUSTOM = (
    "<label>Thing</label><pluralLabel>Things</pluralLabel><nameField><label>Thing Name</label><type>Text</type>"
    "</nameField><deploymentStatus>Deployed</deploymentStatus><sharingModel>ReadWrite</sharingModel>"
)


def package(objects: dict[str, str], members: dict[str, list[str]], extra: dict[str, str] | None = None) -> bytes:
    """A zip as the Metadata API takes it."""
    types = "".join(
        f"<types>{''.join(f'<members>{name}</members>' for name in names)}<name>{kind}</name></types>"
        for kind, names in members.items()
    )
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("package.xml", f'<Package xmlns="x">{types}<version>62.0</version></Package>')
        for name, inner in objects.items():
            archive.writestr(f"objects/{name}.object", f'<CustomObject xmlns="x">{inner}</CustomObject>')
        for name, text in (extra or {}).items():
            archive.writestr(name, text)
    return held.getvalue()


def by_soap(org: Orgsim, archive: bytes, **options: bool) -> tuple[str, Any]:
    """Deploy and return status and result."""
    chosen = "".join(f"<{name}>{str(value).lower()}</{name}>" for name, value in options.items())
    body = f"<deploy><ZipFile>{b64encode(archive).decode()}</ZipFile><DeployOptions>{chosen}</DeployOptions></deploy>"
    [begun] = results(org, body, "m")
    assert begun.value("done") == "false"
    check = f"<checkDeployStatus><asyncProcessId>{begun.value('id')}</asyncProcessId>"
    [ended] = results(org, f"{check}<includeDetails>true</includeDetails></checkDeployStatus>", "m")
    return ended.value("status"), ended


def by_rest(org: Orgsim, archive: bytes, **options: bool) -> Any:
    """Deploy and return the DeployResult."""
    chosen = json.dumps({"deployOptions": options}).encode()
    form = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="package.xml"\r\n\r\n' + archive
        + b'\r\n--b\r\nContent-Disposition: form-data; name="entity_content"\r\n\r\n' + chosen + b"\r\n--b--\r\n"
    )  # fmt: skip
    head = {"Authorization": f"Bearer {org.access_token}", "Content_Type": "multipart/form-data; boundary=b"}
    status, _, begun = call(org.instance_url, "POST", f"{V}/metadata/deployRequest", form, **head)
    assert (status, begun["deployResult"]["status"]) == (201, "Pending"), begun
    path = f"{V}/metadata/deployRequest/{begun['id']}?includeDetails=true"
    return org.call("GET", path)[2]["deployResult"]


def _fields(org: Orgsim, name: str) -> set[str]:
    asked = "SELECT+DeveloperName+FROM+CustomField+WHERE+TableEnumOrId=" + f"'{name}'"
    return {row["DeveloperName"] for row in org.call("GET", f"{V}/tooling/query?q={asked}")[2]["records"]}


@pytest.mark.fact("deployments")
def test_a_field_is_deployed_by_soap_and_by_rest_and_updated_again(org: Orgsim):
    first = package({"Account": TEXT.format("Soap__c", "")}, {"CustomField": ["Account.Soap__c"]})
    status, result = by_soap(org, first, rollbackOnError=True, singlePackage=True)
    assert (status, result.value("numberComponentsDeployed"), result.value("success")) == ("Succeeded", "1", "true")
    second = package({"Account": TEXT.format("Rest__c", "")}, {"CustomField": ["Account.Rest__c"]})
    done = by_rest(org, second, rollbackOnError=True)
    assert (done["status"], done["numberComponentErrors"]) == ("Succeeded", 0)
    made = next(each for each in done["details"]["componentSuccesses"] if each["componentType"] == "CustomField")
    assert (made["fullName"], made["fileName"], made["created"]) == ("Account.Rest__c", "objects/Account.object", True)
    again = by_rest(org, second)["details"]["componentSuccesses"][0]
    assert (again["created"], again["changed"]) == (False, True)
    assert _fields(org, "Account") >= {"Soap", "Rest"}


@pytest.mark.fact("deployments")
def test_a_custom_object_is_deployed_with_its_fields_and_takes_rows(org: Orgsim):
    lookup = (
        "<fields><fullName>Account__c</fullName><label>A</label><type>Lookup</type><referenceTo>Account</referenceTo>"
        "</fields>"
    )
    done = by_rest(org, package({"Thing__c": CUSTOM + lookup}, {"CustomObject": ["Thing__c"]}), rollbackOnError=True)
    assert (done["status"], done["numberComponentsTotal"]) == ("Succeeded", 2)
    status, _, row = org.call("POST", f"{V}/sobjects/Thing__c", {"Name": "x"})
    assert (status, row["id"][:3]) == (201, "a00")
    query = "<listMetadata><queries><type>CustomObject</type></queries></listMetadata>"
    assert {"Account", "Thing__c"} <= {entry.value("fullName") for entry in results(org, query, "m")}


@pytest.mark.fact("deployments")
def test_a_failed_or_checked_deployment_leaves_nothing_behind(org: Orgsim):
    both = TEXT.format("Good__c", "") + "<fields><fullName>Bad__c</fullName><type>Text</type></fields>"
    broken = package({"Account": both}, {"CustomField": ["Account.Good__c", "Account.Bad__c"]})
    status, result = by_soap(org, broken, rollbackOnError=True)
    assert status == "Failed"
    failure = result.find("details").find("componentFailures")
    assert (failure.value("fullName"), failure.value("problemType")) == ("Account.Bad__c", "Error")
    checked = package({"Account": TEXT.format("Good__c", "")}, {"CustomField": ["Account.Good__c"]})
    assert by_rest(org, checked, checkOnly=True)["status"] == "Succeeded"
    assert "Good" not in _fields(org, "Account")
    assert by_rest(org, broken)["status"] == "SucceededPartial"
    assert "Good" in _fields(org, "Account")


def test_what_the_manifest_names_must_be_there_and_what_is_to_go_goes(org: Orgsim):
    named = package({}, {"CustomField": ["Account.Nowhere__c"]})
    assert by_rest(org, named, rollbackOnError=True)["details"]["componentFailures"][0]["fileName"] == "package.xml"
    by_rest(org, package({"Account": TEXT.format("Gone__c", "")}, {"CustomField": ["Account.Gone__c"]}))
    gone = "<Package><types><members>Account.Gone__c</members><name>CustomField</name></types></Package>"
    assert by_rest(org, package({}, {}, {"destructiveChanges.xml": gone}))["status"] == "Succeeded"
    assert "Gone" not in _fields(org, "Account")


@pytest.mark.parametrize(
    "archive",
    [
        package({}, {"ApexClass": ["X"]}),
        package({}, {}, {"classes/X.cls": "class X {}"}),
        package({"Account": TEXT.format("F__c", "") + "<fields><fullName>G__c</fullName><type>Summary</type></fields>"},
                {"CustomField": ["Account.F__c", "Account.G__c"]}),
        package({"Thing__c": CUSTOM + "<validationRules/>"}, {"CustomObject": ["Thing__c"]}),
        package({"Account": "<validationRules/>"}, {"CustomObject": ["Account"]}),
    ],
)  # fmt: skip
def test_what_cannot_be_deployed_is_loud_and_changes_nothing(org: Orgsim, archive: bytes):
    before = _fields(org, "Account")
    body = f"<deploy><ZipFile>{b64encode(archive).decode()}</ZipFile></deploy>"
    assert soap(org, body, service="m")[0] == 501
    assert _fields(org, "Account") == before
