"""Merging rows and converting leads, as clients that read data notice it."""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec

from orgsim.ids import normalize_id
from orgsim.schema.model import ObjectDef
from orgsim.store.removal import row_for_write
from orgsim.store.results import BadValue, Row, SaveResult, WriteContext

if TYPE_CHECKING:
    from orgsim.org import Org

LOSERS_MAX: Final = 2
_MERGEABLE: Final = frozenset({"Account", "Contact", "Lead", "Case"})
_COPIED_TO_CONTACT: Final = ("FirstName", "Salutation", "Title", "Phone", "MobilePhone", "Email", "LeadSource")
_COPIED_TO_ACCOUNT: Final = ("Industry", "Phone", "Website", "AnnualRevenue", "NumberOfEmployees")
_CONVERTED_STATUS: Final = "Closed - Converted"
_FIRST_STAGE: Final = "Prospecting"


@dataclass(frozen=True, slots=True)
class Merged:
    """The outcome of a merge: the surviving row, the rows that went into it, the children that moved."""

    id: str
    merged: list[str]
    moved: list[str]


def merge_rows(
    org: Org,
    object_name: str,
    master_id: str,
    loser_ids: Sequence[str],
    *,
    values: Mapping[str, object],
    ctx: WriteContext,
) -> Merged:
    """Merge up to two rows into a master: children move, losers go into the recycle bin with MasterRecordId.

    BadValue with the platform's code if that is impossible; then nothing has changed.
    """
    definition = org.objects.get(object_name.lower())
    if definition is None or definition.name not in _MERGEABLE:
        raise BadValue(code="INVALID_TYPE_FOR_OPERATION", message="entity type cannot be merged")
    if not 1 <= len(loser_ids) <= LOSERS_MAX:
        raise BadValue(code="INVALID_ARGUMENT_TYPE", message="a merge takes one or two records to merge")
    with org.savepoint():
        master = row_for_write(org, definition, master_id)
        losers = [row_for_write(org, definition, row_id) for row_id in loser_ids]
        if any(loser["Id"] == master["Id"] for loser in losers):
            raise BadValue(code="INVALID_ID_FIELD", message="the master cannot be merged into itself")
        if values:
            _raise_failed(org.update(definition.name, str(master["Id"]), values, ctx))
        moved = [child for loser in losers for child in _move_children(org, definition, loser, str(master["Id"]))]
        for loser in losers:
            _retire(org, definition, loser, str(master["Id"]), ctx)
        _touch(org, definition, str(master["Id"]), ctx)
    return Merged(str(master["Id"]), [str(loser["Id"]) for loser in losers], moved)


def _raise_failed(result: SaveResult) -> str:
    if not result.success:
        error = result.errors[0]
        raise BadValue(code=error.code, message=error.message, fields=error.fields)
    return result.id


def _move_children(org: Org, definition: ObjectDef, loser: Row, master_id: str) -> list[str]:
    """Point children at the master; automation does that, so only SystemModstamp moves."""
    moved: list[str] = []
    stamp = org.clock.stamp()
    for link in org.shape(definition.name).children:
        if link.child == definition.name and link.field.name == "MasterRecordId":
            continue
        child_definition = org.objects[link.child.lower()]
        for child in list(org.tables[link.child.lower()].equal(link.field, str(loser["Id"])) or ()):
            if child.get("IsDeleted"):
                continue
            row: Row = {**child, link.field.name: master_id}
            if child_definition.field("SystemModstamp") is not None:
                row["SystemModstamp"] = stamp
            org.store(link.child, row)
            moved.append(str(child["Id"]))
    return moved


def _retire(org: Org, definition: ObjectDef, loser: Row, master_id: str, ctx: WriteContext) -> None:
    _raise_failed(org.delete(definition.name, str(loser["Id"]), ctx))
    gone = org.row(definition.name, str(loser["Id"]))
    if gone is not None and definition.field("MasterRecordId") is not None:
        org.store(definition.name, {**gone, "MasterRecordId": master_id})


def _touch(org: Org, definition: ObjectDef, row_id: str, ctx: WriteContext) -> None:
    row = org.row(definition.name, row_id)
    if row is not None:
        stamp = org.clock.stamp()
        org.store(
            definition.name,
            {**row, "SystemModstamp": stamp, "LastModifiedDate": stamp, "LastModifiedById": ctx.user_id},
        )


class Conversion(msgspec.Struct, forbid_unknown_fields=True):
    """How to convert a lead: into existing rows, or into new ones; `status` must be a converted status.

    `owner` of the new rows is the lead's own unless given; without `opportunity` none is made or named.
    """

    account: str | None = None
    contact: str | None = None
    opportunity: bool = True
    opportunity_id: str | None = None
    opportunity_name: str | None = None
    owner: str | None = None
    status: str = _CONVERTED_STATUS


class Converted(msgspec.Struct):
    """The rows that a lead became; `opportunity` is None where none was wanted."""

    lead: str
    account: str
    contact: str
    opportunity: str | None


def convert_lead(org: Org, lead_id: str, wanted: Conversion, ctx: WriteContext) -> Converted:
    """Turn a lead into account, contact and opportunity. BadValue if it cannot be; then nothing has changed."""
    definition = org.objects["lead"]
    with org.savepoint():
        lead = row_for_write(org, definition, lead_id)
        if lead.get("IsConverted"):
            raise BadValue(code="CANNOT_UPDATE_CONVERTED_LEAD", message="cannot reference converted lead")
        if wanted.status != _CONVERTED_STATUS:
            raise BadValue(code="INVALID_STATUS", message=f"invalid convertedStatus: {wanted.status}")
        account = _account(org, lead, wanted, ctx)
        contact = _contact(org, lead, account, wanted, ctx)
        opportunity = _opportunity(org, lead, account, wanted, ctx) if wanted.opportunity else None
        stamp = org.clock.stamp()
        row: Row = {
            **lead, "IsConverted": True, "Status": wanted.status, "ConvertedDate": stamp.date(),
            "ConvertedAccountId": account, "ConvertedContactId": contact, "SystemModstamp": stamp,
            "LastModifiedDate": stamp, "LastModifiedById": ctx.user_id, "IsUnreadByOwner": False,
        }  # fmt: skip
        if opportunity is not None:
            row["ConvertedOpportunityId"] = opportunity
        org.store("Lead", row)
        _move_activities(org, str(lead["Id"]), contact)
    return Converted(str(lead["Id"]), account, contact, opportunity)


def _account(org: Org, lead: Row, wanted: Conversion, ctx: WriteContext) -> str:
    if wanted.account is not None:
        return str(row_for_write(org, org.objects["account"], wanted.account)["Id"])
    values: dict[str, object] = {"Name": lead.get("Company"), "OwnerId": wanted.owner or lead.get("OwnerId")}
    values |= {name: lead[name] for name in _COPIED_TO_ACCOUNT if lead.get(name) is not None}
    for part in ("Street", "City", "State", "PostalCode", "Country"):
        if lead.get(part) is not None:
            values[f"Billing{part}"] = lead[part]
    return _raise_failed(org.insert("Account", values, ctx))


def _contact(org: Org, lead: Row, account: str, wanted: Conversion, ctx: WriteContext) -> str:
    if wanted.contact is not None:
        return str(row_for_write(org, org.objects["contact"], wanted.contact)["Id"])
    values: dict[str, object] = {
        "LastName": lead.get("LastName"), "AccountId": account,
        "OwnerId": wanted.owner or lead.get("OwnerId"),
    }  # fmt: skip
    values |= {name: lead[name] for name in _COPIED_TO_CONTACT if lead.get(name) is not None}
    return _raise_failed(org.insert("Contact", values, ctx))


def _opportunity(org: Org, lead: Row, account: str, wanted: Conversion, ctx: WriteContext) -> str:
    if wanted.opportunity_id is not None:
        return str(row_for_write(org, org.objects["opportunity"], wanted.opportunity_id)["Id"])
    today = org.clock.now().date()
    month = (today.month + 2) // 3 * 3  # it closes with the quarter
    closing = today.replace(month=month, day=calendar.monthrange(today.year, month)[1])
    values: dict[str, object] = {
        "Name": wanted.opportunity_name or f"{lead.get('Company')}-",
        "AccountId": account,
        "StageName": _FIRST_STAGE,
        "CloseDate": closing.isoformat(),
        "OwnerId": wanted.owner or lead.get("OwnerId"),
    }
    return _raise_failed(org.insert("Opportunity", values, ctx))


def _move_activities(org: Org, lead_id: str, contact: str) -> None:
    long = normalize_id(lead_id)
    for name in ("Task", "Event"):
        field = org.objects[name.lower()].field("WhoId")
        if field is None:
            continue
        for row in list(org.tables[name.lower()].equal(field, long) or ()):
            org.store(name, {**row, "WhoId": contact, "SystemModstamp": org.clock.stamp()})
