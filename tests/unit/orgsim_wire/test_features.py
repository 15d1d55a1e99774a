"""Features that change an org's schema, switched through the control port."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.support.orgsim import Orgsim

V = "/services/data/v62.0"


def _query(org: Orgsim, soql: str) -> Any:
    return org.call("GET", f"{V}/query?q={quote(soql)}")[2]


def _fields(org: Orgsim, name: str) -> set[str]:
    return {field["name"] for field in org.call("GET", f"{V}/sobjects/{name}/describe")[2]["fields"]}


@pytest.mark.fact("one-currency")
def test_an_org_with_one_currency_has_no_currency_fields(org: Orgsim):
    assert org.call("GET", f"{V}/sobjects/CurrencyType/describe")[0] == 404
    assert "CurrencyIsoCode" not in _fields(org, "Account")
    assert _query(org, "SELECT convertCurrency(AnnualRevenue) FROM Account")[0]["errorCode"] == "INVALID_FIELD"


@pytest.mark.fact("many-currencies")
def test_several_currencies_bring_their_field_and_their_table(org: Orgsim):
    org.add_rows("Account", [{"Name": "old", "AnnualRevenue": 100}])
    org.control("POST", "/settings", {"multi_currency": True})
    assert {row["IsoCode"] for row in _query(org, "SELECT IsoCode FROM CurrencyType")["records"]} >= {"USD", "EUR"}
    assert "CurrencyIsoCode" in _fields(org, "Opportunity")
    status, _, made = org.call(
        "POST", f"{V}/sobjects/Account", {"Name": "new", "AnnualRevenue": 92, "CurrencyIsoCode": "EUR"}
    )
    assert status == 201, made
    rows = _query(org, "SELECT CurrencyIsoCode, convertCurrency(AnnualRevenue) FROM Account ORDER BY Name")["records"]
    assert [(row["CurrencyIsoCode"], row["AnnualRevenue"]) for row in rows] == [("EUR", 100.0), ("USD", 100.0)]
    assert org.call("POST", f"{V}/sobjects/Account", {"Name": "x", "CurrencyIsoCode": "XYZ"})[0] == 400
    org.control("POST", "/settings", {"multi_currency": False})
    assert "CurrencyIsoCode" not in _fields(org, "Account")


@pytest.mark.fact("person-accounts-off")
def test_without_person_accounts_their_flag_does_not_exist(org: Orgsim):
    assert _query(org, "SELECT IsPersonAccount FROM Account LIMIT 1")[0]["errorCode"] == "INVALID_FIELD"


@pytest.mark.fact("person-accounts-on")
def test_a_person_account_is_an_account_and_a_contact(org: Orgsim):
    org.control("POST", "/settings", {"person_accounts": True})
    body = {"FirstName": "Ada", "LastName": "King", "PersonEmail": "ada@x.example"}
    status, _, made = org.call("POST", f"{V}/sobjects/Account", body)
    assert status == 201, made
    [account] = _query(org, "SELECT Name, IsPersonAccount, PersonContactId, RecordType.DeveloperName FROM Account")[
        "records"
    ]
    assert (account["Name"], account["IsPersonAccount"]) == ("Ada King", True)
    assert account["RecordType"]["DeveloperName"] == "PersonAccount"
    [contact] = _query(org, "SELECT Id, Email, AccountId, IsPersonAccount FROM Contact")["records"]
    assert (contact["Id"], contact["AccountId"]) == (account["PersonContactId"], made["id"])
    assert (contact["Email"], contact["IsPersonAccount"]) == ("ada@x.example", True)
    assert org.call("PATCH", f"{V}/sobjects/Account/{made['id']}", {"LastName": "Lovelace"})[0] == 204
    assert _query(org, "SELECT LastName FROM Contact")["records"][0]["LastName"] == "Lovelace"
    assert org.call("PATCH", f"{V}/sobjects/Account/{made['id']}", {"Name": "x"})[0] == 400
    assert org.call("POST", f"{V}/sobjects/Account", {"Name": "A company"})[0] == 201
    org.control("POST", "/settings", {"person_accounts": False})
    assert "IsPersonAccount" not in _fields(org, "Account")
