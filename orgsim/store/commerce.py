"""Prices, order lines and campaign members: what the platform checks, fills in and carries over to the parent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

from orgsim.schema.model import ObjectDef
from orgsim.store.results import BadValue, Row, WriteContext

if TYPE_CHECKING:
    from orgsim.org import Org

_NO_STANDARD_PRICE: Final = "Before creating a custom price, create a standard price."
_SECOND_PRICE: Final = "This price definition already exists in this price book"
_NO_ENTRY: Final = (
    "field integrity exception: unknown (versions 3.0 and higher must specify pricebook entry id, others must specify"
    " product id)"
)
_OTHER_BOOK: Final = (
    "field integrity exception: PricebookEntryId (pricebook entry is in a different pricebook than the one assigned to"
    " the opportunity)"
)
_TOTAL_AND_UNIT: Final = "field integrity exception: TotalPrice (cannot specify both unit price and total price)"
_MEMBER_STATUSES: Final = (("Sent", 1, True, False), ("Responded", 2, False, True))
_FROM_PERSON: Final = (
    "Salutation", "Name", "FirstName", "LastName", "Title", "Email", "Phone", "Fax", "MobilePhone", "Description",
    "DoNotCall", "HasOptedOutOfEmail", "HasOptedOutOfFax", "LeadSource",
)  # fmt: skip
_ADDRESS: Final = ("Street", "City", "State", "PostalCode", "Country")


def price_entry(org: Org, row: Row, before: Row | None, changes: Row) -> None:
    """Fill a PricebookEntry; BadValue where its product has no standard price yet or this price exists."""
    book = org.row("Pricebook2", str(row.get("Pricebook2Id") or ""))
    product = org.row("Product2", str(row.get("Product2Id") or ""))
    if product is None:
        return
    row["Name"], row["ProductCode"] = product.get("Name"), product.get("ProductCode")
    others = list(_children(org, "PricebookEntry", "Product2Id", str(product["Id"])))
    if before is None and any(other.get("Pricebook2Id") == row.get("Pricebook2Id") for other in others):
        raise BadValue(code="FIELD_INTEGRITY_EXCEPTION", message=_SECOND_PRICE)
    standard = next((other for other in others if _is_standard(org, other)), None)
    if book is None or book.get("IsStandard"):
        return
    if standard is None:
        raise BadValue(code="STANDARD_PRICE_NOT_DEFINED", message=_NO_STANDARD_PRICE)
    if row.get("UseStandardPrice"):
        if before is not None and before.get("UseStandardPrice") and changes.get("UnitPrice") is not None:
            text = "field integrity exception: UnitPrice (cannot change the list price of a standard price)"
            raise BadValue(code="FIELD_INTEGRITY_EXCEPTION", message=text, fields=("UnitPrice",))
        row["UnitPrice"] = standard.get("UnitPrice")


def opportunity_line(org: Org, row: Row, before: Row | None, changes: Row) -> None:
    """Fill an OpportunityLineItem from its price and work out its total; BadValue where the price does not fit."""
    deal = org.row("Opportunity", str(row.get("OpportunityId") or ""))
    entry = org.row("PricebookEntry", str(row.get("PricebookEntryId") or ""))
    if deal is None:
        return
    if entry is None and row.get("Product2Id") is not None:
        priced = _children(org, "PricebookEntry", "Product2Id", str(row["Product2Id"]))
        book = deal.get("Pricebook2Id")
        entry = next(
            (each for each in priced if (each.get("Pricebook2Id") == book if book else _is_standard(org, each))), None
        )
    if entry is None:
        raise BadValue(code="FIELD_INTEGRITY_EXCEPTION", message=_NO_ENTRY, fields=("PricebookEntryId",))
    if deal.get("Pricebook2Id") not in (None, entry.get("Pricebook2Id")):
        raise BadValue(code="FIELD_INTEGRITY_EXCEPTION", message=_OTHER_BOOK, fields=("PricebookEntryId",))
    row["PricebookEntryId"], row["Product2Id"] = entry["Id"], entry.get("Product2Id")
    row["ProductCode"], row["ListPrice"] = entry.get("ProductCode"), entry.get("UnitPrice")
    row["Name"] = f"{deal.get('Name')} {entry.get('Name')}"
    _add_up(row, entry, before, changes)


def order_line(org: Org, row: Row, before: Row | None, changes: Row) -> None:
    """Fill an OrderItem from its price and work out its total."""
    entry = org.row("PricebookEntry", str(row.get("PricebookEntryId") or ""))
    if entry is not None:
        row["Product2Id"] = entry.get("Product2Id")
        row["ListPrice"] = entry.get("UnitPrice")
        _add_up(row, entry, before, changes)


def _add_up(row: Row, entry: Row, before: Row | None, changes: Row) -> None:
    total, unit = changes.get("TotalPrice"), changes.get("UnitPrice")
    if total is not None and unit is not None:
        raise BadValue(code="FIELD_INTEGRITY_EXCEPTION", message=_TOTAL_AND_UNIT, fields=("TotalPrice",))
    quantity = _number(row.get("Quantity"))
    if total is not None and quantity:
        row["UnitPrice"] = round(_number(total) / quantity, 2)
        return
    if before is None and unit is None:
        row["UnitPrice"] = entry.get("UnitPrice")
    row["TotalPrice"] = round(quantity * _number(row.get("UnitPrice")), 2)


def campaign_member(org: Org, row: Row, before: Row | None, changes: Row) -> None:
    """Fill a CampaignMember from its person; BadValue where it names nobody or somebody already in the campaign."""
    del changes
    kind = "Contact" if row.get("ContactId") is not None else "Lead"
    person = org.row(kind, str(row.get(f"{kind}Id") or ""))
    if row.get("LeadId") is None and row.get("ContactId") is None:
        fields = ("LeadId", "ContactId")
        raise BadValue(code="REQUIRED_FIELD_MISSING", message="Required fields are missing: [LeadId]", fields=fields)
    if person is None:
        return
    twins = _children(org, "CampaignMember", f"{kind}Id", str(person["Id"]))
    if before is None and any(twin.get("CampaignId") == row.get("CampaignId") for twin in twins):
        raise BadValue(code="DUPLICATE_VALUE", message="Already a campaign member.")
    source = {**person, **_company(org, kind, person)}
    row["Type"], row["LeadOrContactId"], row["LeadOrContactOwnerId"] = kind, person["Id"], person.get("OwnerId")
    for name in _FROM_PERSON:
        row[name] = source.get(name)
    for name in _ADDRESS:
        row[name] = source.get(name if kind == "Lead" else f"Mailing{name}")
    row["CompanyOrAccount"] = source.get("Company")
    statuses = _children(org, "CampaignMemberStatus", "CampaignId", str(row.get("CampaignId")))
    row["HasResponded"] = any(each.get("Label") == row.get("Status") and each.get("HasResponded") for each in statuses)
    if row["HasResponded"] and row.get("FirstRespondedDate") is None:
        row["FirstRespondedDate"] = org.clock.now().date()


def _company(org: Org, kind: str, person: Row) -> Row:
    if kind == "Lead":
        return {}
    account = org.row("Account", str(person.get("AccountId") or ""))
    return {"Company": None if account is None else account.get("Name")}


def follow_commerce(org: Org, definition: ObjectDef, row: Row, ctx: WriteContext, *, created: bool = False) -> None:
    """Carry a stored row over to what depends on it: an opportunity's sums, a campaign's statuses."""
    if definition.name == "OpportunityLineItem":
        _sum_up(org, str(row.get("OpportunityId")))
    elif definition.name == "Campaign" and created:
        for label, place, default, responded in _MEMBER_STATUSES:
            status: Row = {"CampaignId": row["Id"], "Label": label, "SortOrder": place, "IsDefault": default}
            people: Row = {"CreatedById": ctx.user_id, "LastModifiedById": ctx.user_id}
            org.load("CampaignMemberStatus", [{**status, **people, "HasResponded": responded}])


def _sum_up(org: Org, deal_id: str) -> None:
    deal = org.row("Opportunity", deal_id)
    if deal is None:
        return
    lines = list(_children(org, "OpportunityLineItem", "OpportunityId", deal_id))
    changed: Row = {**deal, "HasOpportunityLineItem": bool(lines), "SystemModstamp": org.clock.stamp()}
    if lines:
        entry = org.row("PricebookEntry", str(lines[0].get("PricebookEntryId")))
        changed["Pricebook2Id"] = None if entry is None else entry.get("Pricebook2Id")
        changed["Amount"] = round(sum(_number(line.get("TotalPrice")) for line in lines), 2)
        changed["ExpectedRevenue"] = round(_number(changed["Amount"]) * _number(deal.get("Probability")) / 100, 2)
    org.store("Opportunity", changed)


def _is_standard(org: Org, entry: Row) -> bool:
    book = org.row("Pricebook2", str(entry.get("Pricebook2Id")))
    return book is not None and bool(book.get("IsStandard"))


def _children(org: Org, object_name: str, field_name: str, parent_id: str) -> Iterable[Row]:
    table = org.tables.get(object_name.lower())
    field = None if table is None else table.definition.field(field_name)
    rows = None if table is None or field is None else table.equal(field, parent_id)
    return [row for row in rows or () if not row.get("IsDeleted")]


def _number(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) else 0.0


COMMERCE_RULES: Final[dict[str, Callable[[Org, Row, Row | None, Row], None]]] = {
    "PricebookEntry": price_entry,
    "OpportunityLineItem": opportunity_line,
    "OrderItem": order_line,
    "CampaignMember": campaign_member,
}
