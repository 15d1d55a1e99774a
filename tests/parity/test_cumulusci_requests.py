"""The requests of CumulusCI's start-up and data load, as its code and recordings show them, answered as it reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.orgsim import Orgsim, start_orgsim

BASE = "/services/data/v62.0"
KEY = {"label": "Ext", "type": "Text", "length": 18, "externalId": True, "unique": True, "caseSensitive": True}


@pytest.fixture(scope="module")
def org() -> Iterator[Orgsim]:
    with start_orgsim() as running:
        running.control("POST", "/fields", {"FullName": "Contact.Ext__c", "Metadata": KEY})
        yield running


def answer(org: Orgsim, method: str, path: str, body: Any = None) -> Any:
    status, _, value = org.call(method, path, body)
    assert status == 200, value
    return value


def test_the_last_version_is_the_newest(org: Orgsim):
    versions = answer(org, "GET", "//services/data")
    assert [float(entry["version"]) for entry in versions] == sorted(float(entry["version"]) for entry in versions)


def test_the_organization_row_says_what_kind_of_org_it_is(org: Orgsim):
    row = answer(org, "GET", f"{BASE}/sobjects/Organization/{org.ready['org_id']}")
    assert {"OrganizationType", "IsSandbox", "InstanceName", "NamespacePrefix", "TrialExpirationDate"} <= set(row)


def test_describes_inside_composite_heed_if_modified_since(org: Orgsim):
    def read(since: str) -> list[dict[str, Any]]:
        calls = [
            {
                "method": "GET",
                "url": f"{BASE}/sobjects/{name}/describe",
                "referenceId": f"{name}_describe",
                "httpHeaders": {"If-Modified-Since": since},
            }
            for name in ("Account", "Contact")
        ]
        return answer(org, "POST", f"{BASE}/composite", {"compositeRequest": calls})["compositeResponse"]

    fresh = read("Thu, 03 Sep 2020 21:35:07 GMT")
    assert [entry["httpStatusCode"] for entry in fresh] == [200, 200]
    assert fresh[1]["body"]["name"] == "Contact"
    stale = read(fresh[0]["httpHeaders"]["Last-Modified"])
    assert [(entry["httpStatusCode"], entry["body"]) for entry in stale] == [(304, None), (304, None)]


def test_an_org_with_one_currency_has_no_currency_types(org: Orgsim):
    assert org.call("GET", f"{BASE}/sobjects/CurrencyType/describe")[0] == 404


def test_counts_leave_out_what_is_empty(org: Orgsim):
    org.add_rows("Opportunity", [{"Name": "x", "StageName": "Prospecting", "CloseDate": "2026-01-01"}])
    counted = answer(org, "GET", f"{BASE}/limits/recordCount?sObjects=Opportunity,Lead")
    assert counted == {"sObjects": [{"count": 1, "name": "Opportunity"}]}
    assert answer(org, "GET", f"{BASE}/limits/recordCount?sObjects=Lead") == {"sObjects": []}


@pytest.mark.parametrize("blank", [{"Id": None}, {"Id": ""}, {}])
def test_an_upsert_on_id_inserts_rows_without_one(org: Orgsim, blank: dict[str, object]):
    record = {"attributes": {"type": "Contact"}, "LastName": "made", **blank}
    body = {"allOrNone": False, "records": [record]}
    [made] = answer(org, "PATCH", f"{BASE}/composite/sobjects/Contact/Id", body)
    assert (made["success"], made["created"], made["errors"]) == (True, True, [])
    body["records"] = [{"attributes": {"type": "Contact"}, "LastName": "changed", "Id": made["id"]}]
    [changed] = answer(org, "PATCH", f"{BASE}/composite/sobjects/Contact/Id", body)
    assert (changed["id"], changed["created"]) == (made["id"], False)


def test_a_blank_id_beside_the_external_id_is_no_obstacle(org: Orgsim):
    records = [{"attributes": {"type": "Contact"}, "Id": "", "Ext__c": key, "LastName": key} for key in ("a", "b")]
    made = answer(org, "PATCH", f"{BASE}/composite/sobjects/Contact/Ext__c", {"records": records})
    assert [entry["created"] for entry in made] == [True, True]


def test_failures_carry_code_message_and_fields(org: Orgsim):
    records = [{"attributes": {"type": "Contact"}, "FirstName": "x"}]
    [failed] = answer(org, "POST", f"{BASE}/composite/sobjects", {"records": records})
    assert set(failed["errors"][0]) == {"statusCode", "message", "fields"}


@pytest.mark.parametrize("url", ["v62.0/limits", "/v62.0/limits", "services/data/v62.0/limits", f"{BASE}/limits"])
def test_batches_take_addresses_with_and_without_the_root(org: Orgsim, url: str):
    sub = answer(org, "POST", f"{BASE}/composite/batch", {"batchRequests": [{"method": "GET", "url": url}]})
    assert (sub["hasErrors"], sub["results"][0]["statusCode"]) == (False, 200)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/sobjects/",
        "/sobjects/Contact/",
        "/sobjects/Contact/describe/",
        "/limits/",
        "/query/?q=SELECT+Id+FROM+User",
    ],
)
def test_trailing_slashes_change_nothing(org: Orgsim, path: str):
    assert org.call("GET", BASE + path)[0] == 200
