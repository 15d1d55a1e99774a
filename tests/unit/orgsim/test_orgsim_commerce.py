"""Products with prices, order lines and campaign members: what is checked and carried over to the parent."""

from __future__ import annotations

from typing import Any

import pytest

from orgsim.schema.load import load_objects
from tests.unit.orgsim.conftest import Api


@pytest.fixture
def shop(api: Api) -> Api:
    """The standard price book, as every org has it."""
    api.org.load("Pricebook2", [{"Name": "Standard Price Book", "IsActive": True, "IsStandard": True}])
    return api


def _make(api: Api, name: str, **values: object) -> Any:
    answer = api.call("POST", f"/sobjects/{name}", values).payload
    return answer["id"] if isinstance(answer, dict) else (answer[0]["errorCode"], answer[0]["message"])


def _one(api: Api, soql: str) -> dict[str, Any]:
    return api.query(soql)["records"][0]


@pytest.mark.fact("standard-price-first")
def test_a_custom_price_needs_the_standard_price_first(shop: Api):
    standard = shop.values("SELECT Id FROM Pricebook2 WHERE IsStandard = true")[0]
    product, book = _make(shop, "Product2", Name="Scale", ProductCode="S-1"), _make(shop, "Pricebook2", Name="Partners")
    wanted = {"Product2Id": product, "UnitPrice": 90, "IsActive": True}
    text = "Before creating a custom price, create a standard price."
    assert _make(shop, "PricebookEntry", Pricebook2Id=book, **wanted) == ("STANDARD_PRICE_NOT_DEFINED", text)
    _make(shop, "PricebookEntry", Pricebook2Id=standard, **{**wanted, "UnitPrice": 100})
    entry = _make(shop, "PricebookEntry", Pricebook2Id=book, **wanted)
    row = _one(shop, f"SELECT Name, ProductCode, UnitPrice FROM PricebookEntry WHERE Id = '{entry}'")
    assert (row["Name"], row["ProductCode"], row["UnitPrice"]) == ("Scale", "S-1", 90)
    again = _make(shop, "PricebookEntry", Pricebook2Id=book, **wanted)
    assert again == ("FIELD_INTEGRITY_EXCEPTION", "This price definition already exists in this price book")


@pytest.mark.fact("lines-make-the-amount")
def test_the_lines_of_an_opportunity_make_its_amount(shop: Api):
    standard = shop.values("SELECT Id FROM Pricebook2 WHERE IsStandard = true")[0]
    product = _make(shop, "Product2", Name="Scale")
    entry = _make(shop, "PricebookEntry", Pricebook2Id=standard, Product2Id=product, UnitPrice=100)
    deal = _make(shop, "Opportunity", Name="Deal", StageName="Prospecting", CloseDate="2026-05-01", Amount=7)
    line = _make(shop, "OpportunityLineItem", OpportunityId=deal, PricebookEntryId=entry, Quantity=3, UnitPrice=50)
    fields = "Amount, HasOpportunityLineItem, Pricebook2Id"
    row = _one(shop, f"SELECT {fields} FROM Opportunity")
    assert (row["Amount"], row["HasOpportunityLineItem"], row["Pricebook2Id"]) == (150, True, standard)
    shown = _one(shop, "SELECT Name, TotalPrice, ListPrice, Product2Id FROM OpportunityLineItem")
    assert [shown[key] for key in ("Name", "TotalPrice", "ListPrice", "Product2Id")] == [
        "Deal Scale",
        150,
        100,
        product,
    ]
    assert shop.call("DELETE", f"/sobjects/OpportunityLineItem/{line}").status == 204
    assert _one(shop, f"SELECT {fields} FROM Opportunity")["HasOpportunityLineItem"] is False
    assert _make(shop, "OpportunityLineItem", OpportunityId=deal, Quantity=1)[0] == "FIELD_INTEGRITY_EXCEPTION"


@pytest.mark.fact("campaign-members")
def test_a_campaign_takes_each_person_once(shop: Api):
    campaign = _make(shop, "Campaign", Name="Fair")
    assert shop.values("SELECT Label FROM CampaignMemberStatus ORDER BY SortOrder") == ["Sent", "Responded"]
    lead = _make(shop, "Lead", LastName="Li", Company="Acme")
    member = _make(shop, "CampaignMember", CampaignId=campaign, LeadId=lead, Status="Responded")
    row = _one(shop, f"SELECT Name, Type, HasResponded, CompanyOrAccount FROM CampaignMember WHERE Id = '{member}'")
    assert [row[key] for key in ("Type", "HasResponded", "CompanyOrAccount")] == ["Lead", True, "Acme"]
    again = _make(shop, "CampaignMember", CampaignId=campaign, LeadId=lead)
    assert again == ("DUPLICATE_VALUE", "Already a campaign member.")
    assert _make(shop, "CampaignMember", CampaignId=campaign)[0] == "REQUIRED_FIELD_MISSING"


def test_no_describe_points_to_an_object_that_is_not_there(api: Api):
    for name in load_objects():
        for field in api.call("GET", f"/sobjects/{name}/describe").payload["fields"]:
            assert all(target.lower() in api.org.objects for target in field["referenceTo"]), (name, field["name"])


def test_the_lookups_that_data_clients_follow_lead_somewhere(api: Api):
    for name in ("Account", "Contact", "Opportunity", "Lead", "Case", "Order", "OrderItem", "Asset", "CampaignMember"):
        for field in api.call("GET", f"/sobjects/{name}/describe").payload["fields"]:
            assert field["type"] != "reference" or field["referenceTo"], (name, field["name"])
