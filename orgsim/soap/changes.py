"""Merging rows and converting leads, as far as clients of the data notice it."""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from orgsim.ids import normalize_id
from orgsim.store.results import BadValue, Row, SaveResult, WriteContext

if TYPE_CHECKING:
    from orgsim.org import Org

_MERGEABLE: Final = frozenset({"Account", "Contact", "Lead", "Case"})
_LOSERS_MAX: Final = 2
_CONVERTED_STATUS: Final = "Closed - Converted"
_FIRST_STAGE: Final = "Prospecting"


def merge(
    org: Org, object_name: str, values: Mapping[str, object], losers: Sequence[str], ctx: WriteContext
) -> tuple[SaveResult, list[str], list[str]]:
    """Fold rows into a master; returns the outcome, the ids that went and the ids of children that moved."""
    definition = org.objects.get(object_name.lower())
    if definition is None or definition.name not in _MERGEABLE:
        raise BadValue(code="INVALID_TYPE", message=f"merge is not supported for {object_name}")
    if not 1 <= len(losers) <= _LOSERS_MAX:
        raise BadValue(code="OPERATION_TOO_LARGE", message="merge takes one or two records to merge")
    master = org.writable_row(definition, str(values.get("Id") or ""))
    rows = [org.writable_row(definition, row_id) for row_id in losers]
    master_id = str(master["Id"])
    if any(row["Id"] == master_id for row in rows):
        raise BadValue(code="INVALID_ID_FIELD", message="The master record cannot be merged into itself")
    changes = {name: value for name, value in values.items() if name != "Id"}
    result = org.update(definition.name, master_id, changes, ctx)
    if not result.success:
        return result, [], []
    moved = [child for row in rows for child in _move_children(org, definition.name, str(row["Id"]), master_id)]
    for row in rows:
        org.delete(definition.name, str(row["Id"]), ctx)
        gone = org.row(definition.name, str(row["Id"]))
        if gone is not None and definition.field("MasterRecordId") is not None:
            org.store(definition.name, {**gone, "MasterRecordId": master_id})
    return result, [str(row["Id"]) for row in rows], moved


def _move_children(org: Org, object_name: str, old_id: str, new_id: str) -> list[str]:
    moved: list[str] = []
    stamp = org.clock.stamp()
    for link in org.shape(object_name).children:
        table = org.tables[link.child.lower()]
        for row in list(table.equal(link.field, old_id) or ()):
            if row.get("IsDeleted") or link.field.name == "MasterRecordId":
                continue
            org.store(link.child, {**row, link.field.name: new_id, "SystemModstamp": stamp})
            moved.append(str(row["Id"]))
    return moved


def convert_lead(org: Org, wanted: Mapping[str, str], ctx: WriteContext) -> dict[str, object]:
    """Make an account, a contact and (unless told not to) an opportunity of a lead; BadValue if that cannot be."""
    definition = org.objects["lead"]
    lead = org.writable_row(definition, wanted.get("leadId", ""))
    if lead.get("IsConverted"):
        raise BadValue(code="CANNOT_UPDATE_CONVERTED_LEAD", message="cannot reference converted lead")
    if wanted.get("convertedStatus") != _CONVERTED_STATUS:
        raise BadValue(code="INVALID_STATUS", message=f"invalid convertedStatus: {wanted.get('convertedStatus', '')}")
    owner = {"OwnerId": wanted.get("ownerId") or str(lead["OwnerId"])}
    account = wanted.get("accountId") or _made(org, "Account", {"Name": lead.get("Company"), **owner}, ctx)
    contact = wanted.get("contactId") or _made(org, "Contact", {**_person(lead), "AccountId": account, **owner}, ctx)
    opportunity: str | None = None
    if wanted.get("doNotCreateOpportunity", "false") != "true":
        opportunity = wanted.get("opportunityId") or _made(
            org, "Opportunity", {**_deal(org, lead, wanted), "AccountId": account, **owner}, ctx
        )
    stamp = org.clock.stamp()
    changes: Row = {
        "IsConverted": True,
        "ConvertedDate": stamp.date(),
        "ConvertedAccountId": normalize_id(account),
        "ConvertedContactId": normalize_id(contact),
        "ConvertedOpportunityId": normalize_id(opportunity or ""),
        "Status": _CONVERTED_STATUS,
        "SystemModstamp": stamp,
        "LastModifiedDate": stamp,
        "LastModifiedById": ctx.user_id,
    }
    org.store("Lead", {**lead, **changes})
    return {
        "accountId": account,
        "contactId": contact,
        "leadId": lead["Id"],
        "opportunityId": opportunity,
        "success": True,
    }


def _person(lead: Row) -> dict[str, object]:
    names = ("FirstName", "LastName", "Salutation", "Title", "Email", "Phone", "MobilePhone", "LeadSource")
    return {name: lead[name] for name in names if lead.get(name) is not None}


def _deal(org: Org, lead: Row, wanted: Mapping[str, str]) -> dict[str, object]:
    today = org.clock.now().date()
    month = (today.month + 2) // 3 * 3
    last = today.replace(month=month, day=calendar.monthrange(today.year, month)[1])
    name = wanted.get("opportunityName") or lead.get("Company")
    return {"Name": name, "StageName": _FIRST_STAGE, "CloseDate": last.isoformat()}


def _made(org: Org, object_name: str, values: Mapping[str, object], ctx: WriteContext) -> str:
    result = org.insert(object_name, values, ctx)
    if not result.success:
        error = result.errors[0]
        raise BadValue(error.code, error.message, error.fields)
    return result.id
