"""Deleting, purging and bringing back rows, with their children."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orgsim.ids import normalize_id
from orgsim.schema.model import ObjectDef
from orgsim.store.commerce import follow_commerce
from orgsim.store.results import BadValue, Row, RowError, SaveResult, WriteContext
from orgsim.store.shape import ChildLink
from orgsim.store.sharing import check_change, check_right

if TYPE_CHECKING:
    from orgsim.org import Org


def row_for_write(org: Org, definition: ObjectDef, row_id: str) -> Row:
    """Return the live row that a write means; BadValue if the id is empty, malformed, unknown or deleted."""
    if not row_id:
        raise BadValue(code="MISSING_ARGUMENT", message="Id not specified in an update call")
    long = normalize_id(row_id)
    if long is None or (definition.key_prefix and not long.startswith(definition.key_prefix)):
        message = f"{definition.label or definition.name} ID: id value of incorrect type: {row_id}"
        raise BadValue(code="MALFORMED_ID", message=message, fields=("Id",))
    row = org.tables[definition.name.lower()].get(long)
    if row is None:
        raise BadValue(code="INVALID_CROSS_REFERENCE_KEY", message="invalid cross reference id")
    if row.get("IsDeleted"):
        raise BadValue(code="ENTITY_IS_DELETED", message="entity is deleted")
    return row


def remove_row(org: Org, object_name: str, row_id: str, ctx: WriteContext, *, hard: bool = False) -> SaveResult:
    """Put a row and its dependent children into the recycle bin; `hard` forgets them for good."""
    definition = org.objects[object_name.lower()]
    try:
        if not definition.deletable:
            message = f"entity type {definition.name} does not support delete"
            raise BadValue(code="CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message=message)
        if normalize_id(row_id) is None:
            raise BadValue(code="MALFORMED_ID", message=f"malformed id {row_id}")
        check_right(org, definition, "Delete", ctx)
        row = _found(org, definition, row_id, hard=hard)
        check_change(org, definition, row, ctx)
        _refuse_restricted(org, definition, row)
    except BadValue as bad:
        return SaveResult.refused(bad.error)
    _remove(org, definition, row, ctx, hard=hard)
    return SaveResult(str(row["Id"]), success=True, created=False)


def _found(org: Org, definition: ObjectDef, row_id: str, *, hard: bool) -> Row:
    long = normalize_id(row_id)
    row = org.tables[definition.name.lower()].get(long or "")
    if hard and row is not None and row.get("IsDeleted"):
        return row
    return row_for_write(org, definition, row_id)


def _children(org: Org, link: ChildLink, parent_id: str) -> list[Row]:
    table = org.tables[link.child.lower()]
    rows = table.equal(link.field, parent_id)
    return [row for row in rows or () if not row.get("IsDeleted")]


def _refuse_restricted(org: Org, definition: ObjectDef, row: Row) -> None:
    for link in org.shape(definition.name).children:
        if link.restricted and _children(org, link, str(row["Id"])):
            message = (
                "Your attempt to delete the record could not be completed because it is associated with the following"
                f" {link.child} records"
            )
            raise BadValue(code="DELETE_FAILED", message=message)


def _remove(org: Org, definition: ObjectDef, row: Row, ctx: WriteContext, *, hard: bool) -> None:
    row_id = str(row["Id"])
    stamp = org.clock.stamp()
    if not row.get("IsDeleted"):
        org.log_deletion(definition.name, row_id, stamp)
    if hard or definition.field("IsDeleted") is None:
        org.forget(definition.name, row_id)
    else:
        org.store(definition.name, _touched(definition, {**row, "IsDeleted": True}, stamp, ctx))
    follow_commerce(org, definition, row, ctx)
    for link in org.shape(definition.name).children:
        child_definition = org.objects[link.child.lower()]
        for child in _children(org, link, row_id):
            if link.cascade and child_definition.deletable:
                _remove(org, child_definition, child, ctx, hard=hard)
            elif link.field.nillable and org.settings.deleting_clears_lookups and link.child != "User":
                kept = {name: value for name, value in child.items() if name != link.field.name}
                org.store(link.child, _touched(child_definition, kept, stamp, ctx, automatic=True))


def _touched(definition: ObjectDef, row: Row, stamp: object, ctx: WriteContext, *, automatic: bool = False) -> Row:
    names = ("SystemModstamp",) if automatic else ("SystemModstamp", "LastModifiedDate")
    for name in names:
        if definition.field(name) is not None:
            row[name] = stamp  # pyright: ignore[reportArgumentType]  # always a datetime
    if not automatic and definition.field("LastModifiedById") is not None:
        row["LastModifiedById"] = ctx.user_id
    return row


def undelete_row(org: Org, object_name: str, row_id: str, ctx: WriteContext) -> SaveResult:
    """Take a row out of the recycle bin."""
    definition = org.objects[object_name.lower()]
    long = normalize_id(row_id)
    row = org.tables[object_name.lower()].get(long or "")
    if row is None or not row.get("IsDeleted"):
        return SaveResult.refused(RowError("UNDELETE_FAILED", "Entity is not in the recycle bin"))
    _bring_back(org, definition, row, ctx)
    return SaveResult(str(row["Id"]), success=True, created=False)


def _bring_back(org: Org, definition: ObjectDef, row: Row, ctx: WriteContext) -> None:
    """Undelete a row and the children that went with it; a merged row loses its master."""
    gone_at = row.get("SystemModstamp")
    kept: Row = {name: value for name, value in row.items() if name != "MasterRecordId"}
    kept["IsDeleted"] = False
    moves = org.settings.undelete_moves_stamp
    org.store(definition.name, _touched(definition, kept, org.clock.stamp(), ctx) if moves else kept)
    for link in org.shape(definition.name).children:
        if not link.cascade:
            continue
        for child in list(org.tables[link.child.lower()].equal(link.field, str(row["Id"])) or ()):
            if child.get("IsDeleted") and child.get("SystemModstamp") == gone_at:
                _bring_back(org, org.objects[link.child.lower()], child, ctx)
