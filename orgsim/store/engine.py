"""Writing rows: the checks of the platform in its order, and what a write drags along."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from orgsim.ids import ID_SHORT
from orgsim.schema.model import ObjectDef
from orgsim.store.commerce import follow_commerce
from orgsim.store.derive import derive
from orgsim.store.features import follow_person, name_person
from orgsim.store.limits import check_storage
from orgsim.store.plan import typed_changes
from orgsim.store.removal import remove_row, row_for_write, undelete_row
from orgsim.store.results import BadValue, Operation, Row, RowError, SaveResult, Value, WriteContext
from orgsim.store.rules import apply_before, check_row, note_after
from orgsim.store.shape import Shape
from orgsim.store.sharing import check_change, check_parents, check_right

if TYPE_CHECKING:
    from orgsim.org import Org

CHUNK_ROWS: Final = 200
_POD: Final = slice(3, 5)
"""Which characters of an id say whose it is."""
_USERNAME_TAKEN: Final = (
    "Duplicate Username.<br>The username already exists in this or another Salesforce organization. Usernames must be"
    " unique across all Salesforce organizations. To resolve, use a different username (it doesn't need to match the"
    " user's email address)."
)


def write_rows(
    org: Org,
    operation: Operation,
    object_name: str,
    key_field: str | None,
    rows: Iterable[Mapping[str, object]],
    *,
    ctx: WriteContext,
) -> list[SaveResult]:
    """Write rows one by one, in chunks of 200 within which the same external id may not come twice."""
    results: list[SaveResult] = []
    chunk: list[Mapping[str, object]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == CHUNK_ROWS:
            results += _write_chunk(org, operation, object_name, key_field, chunk, ctx=ctx)
            chunk = []
    return results + _write_chunk(org, operation, object_name, key_field, chunk, ctx=ctx)


def _write_chunk(
    org: Org,
    operation: Operation,
    object_name: str,
    key_field: str | None,
    rows: Sequence[Mapping[str, object]],
    *,
    ctx: WriteContext,
) -> list[SaveResult]:
    if operation == "upsert" and key_field is not None:
        return _upsert_chunk(org, object_name, key_field, rows, ctx)
    fresh: set[str] = set()
    results: list[SaveResult] = []
    for row in rows:
        if operation == "insert":
            result = insert_row(org, object_name, row, ctx, fresh=fresh)
            if result.success:
                fresh.add(result.id)
        elif operation == "update":
            result = update_row(org, object_name, _row_id(row), row, ctx)
        elif operation == "undelete":
            result = undelete_row(org, object_name, _row_id(row), ctx)
        else:
            result = remove_row(org, object_name, _row_id(row), ctx, hard=operation == "hardDelete")
        results.append(result)
    return results


def _upsert_chunk(
    org: Org, object_name: str, key_field: str, rows: Sequence[Mapping[str, object]], ctx: WriteContext
) -> list[SaveResult]:
    keys = [_raw_key(row, key_field) for row in rows]
    folded = [None if key is None or key == "" else str(key).strip().casefold() for key in keys]
    fresh: set[str] = set()
    repeated = _repeated(folded) if len(set(folded)) < len(folded) else frozenset[str]()
    first_seen: set[str] = set()
    results: list[SaveResult] = []
    for row, key, name in zip(rows, keys, folded, strict=True):
        if name is not None and name in repeated:
            spared = org.settings.repeated_external_id_fails == "second" and name not in first_seen
            first_seen.add(name)
            if not spared:
                message = f"Duplicate external id specified: {key}"
                results.append(SaveResult.refused(RowError("DUPLICATE_EXTERNAL_ID", message, (key_field,))))
                continue
        result = upsert_row(org, object_name, key_field, key, row, ctx=ctx, fresh=fresh)
        if result.success and result.created:
            fresh.add(result.id)
        results.append(result)
    return results


def _repeated(keys: Iterable[str | None]) -> frozenset[str]:
    seen: set[str] = set()
    again: set[str] = set()
    for key in keys:
        if key is not None:
            (again if key in seen else seen).add(key)
    return frozenset(again)


def _raw_key(row: Mapping[str, object], key_field: str) -> object:
    if key_field in row:
        return row[key_field]
    return next((value for key, value in row.items() if key.lower() == key_field.lower()), None)


def _row_id(row: Mapping[str, object]) -> str:
    return str(_raw_key(row, "Id") or "")


def insert_row(
    org: Org,
    object_name: str,
    raw: Mapping[str, object],
    ctx: WriteContext,
    *,
    fresh: Container[str] = (),
    key_field: str | None = None,
) -> SaveResult:
    """Create one row. `fresh` are ids made by the same chunk, which error texts do not name."""
    shape = org.shape(object_name)
    try:
        if not shape.definition.createable:
            raise _not_supported(shape.definition.name)
        check_right(org, shape.definition, "Create", ctx)
        if raw.get("Id") or raw.get("id"):
            raise BadValue(
                code="INVALID_FIELD_FOR_INSERT_UPDATE", message="cannot specify Id in an insert call", fields=("Id",)
            )
        plan = org.write_plan(object_name, ctx, "insert", tuple(raw), key_field)
        changes = typed_changes(org, plan, raw, ctx.user_id, text=ctx.text)
        row: Row = {**shape.template, **{name: value for name, value in changes.items() if value is not None}}
        stamp = org.clock.stamp()
        _stamp_created(shape, row, stamp, ctx)
        derive(org, shape.definition, row, before=None, changes=changes, now=stamp)
        name_person(org, shape.definition, row, changes)
        apply_before(org, shape.definition, row, "insert")
        _check_required(shape, row, shape.names)
        _check_references(org, shape, changes)
        check_parents(org, shape.definition, changes, ctx)
        _check_unique(org, shape, row, changes, own_id="", fresh=fresh)
        check_row(org, shape.definition, row, "insert", ctx)
        check_storage(org)
    except BadValue as bad:
        return SaveResult.refused(*bad.errors)
    row["Id"] = row_id = org.new_id(shape.definition.key_prefix or "000")
    for field in shape.autonumbers:
        row[field.name] = org.next_autonumber(shape.definition.name, field.name)
    org.store(object_name, row)
    follow_person(org, shape.definition, row, ctx)
    follow_commerce(org, shape.definition, row, ctx, created=True)
    note_after(org, shape.definition, row, "insert", ctx)
    return SaveResult(row_id, success=True, created=True)


def update_row(
    org: Org,
    object_name: str,
    row_id: str,
    raw: Mapping[str, object],
    ctx: WriteContext,
    *,
    key_field: str | None = None,
) -> SaveResult:
    """Change one row; a value of null clears the field."""
    shape = org.shape(object_name)
    try:
        if not shape.definition.updateable:
            raise _not_supported(shape.definition.name)
        check_right(org, shape.definition, "Edit", ctx)
        before = row_for_write(org, shape.definition, row_id)
        check_change(org, shape.definition, before, ctx)
        if before.get("IsConverted") and shape.definition.name == "Lead":
            raise BadValue(code="CANNOT_UPDATE_CONVERTED_LEAD", message="cannot reference converted lead")
        plan = org.write_plan(object_name, ctx, "update", tuple(raw), key_field)
        changes = typed_changes(org, plan, raw, ctx.user_id, text=ctx.text)
        if ctx.text:
            changes = _without_blanks(plan.columns, raw, changes)
        row: Row = {**before, **changes}
        row = {name: value for name, value in row.items() if value is not None}
        stamp = org.clock.stamp()
        _stamp_modified(shape, row, stamp, ctx)
        derive(org, shape.definition, row, before=before, changes=changes, now=stamp)
        name_person(org, shape.definition, row, changes)
        apply_before(org, shape.definition, row, "update")
        _check_required(shape, row, changes)
        _check_references(org, shape, changes)
        check_parents(org, shape.definition, changes, ctx)
        _check_unique(org, shape, row, changes, own_id=str(before["Id"]), fresh=())
        check_row(org, shape.definition, row, "update", ctx)
    except BadValue as bad:
        return SaveResult.refused(*bad.errors)
    org.rewrites.note(shape.definition.name, before, changes)
    org.store(object_name, row)
    follow_person(org, shape.definition, row, ctx)
    follow_commerce(org, shape.definition, row, ctx)
    note_after(org, shape.definition, row, "update", ctx)
    return SaveResult(str(row["Id"]), success=True, created=False)


def _without_blanks(columns: Sequence[tuple[str, str, object]], raw: Mapping[str, object], changes: Row) -> Row:
    """Leave out empty CSV cells: they change nothing, only `#N/A` clears a field."""
    blank = {name for key, name, _ in columns if raw[key] in (None, "")}
    return {name: value for name, value in changes.items() if name not in blank}


def upsert_row(
    org: Org,
    object_name: str,
    key_field: str,
    key: object,
    raw: Mapping[str, object],
    *,
    ctx: WriteContext,
    fresh: Container[str] = (),
) -> SaveResult:
    """Create or change the row whose external id (or Id) has this value."""
    try:
        found, typed_key, field_name = find_by_key(org, object_name, key_field, key, ctx)
    except BadValue as bad:
        return SaveResult.refused(*bad.errors)
    if field_name == "Id":
        if typed_key is None:
            return insert_row(org, object_name, raw, ctx, fresh=fresh)
        return update_row(org, object_name, str(typed_key), raw, ctx)
    if len(found) > 1:
        ids = ", ".join(str(row["Id"]) for row in found)
        message = f"{field_name}: more than one record found for external id field: [{ids}]"
        return SaveResult.refused(RowError("DUPLICATE_EXTERNAL_ID", message, (field_name,)))
    if found:
        return update_row(org, object_name, str(found[0]["Id"]), raw, ctx, key_field=field_name)
    if not any(name.lower() == field_name.lower() for name in raw):
        raw = {**raw, field_name: key}
    return insert_row(org, object_name, raw, ctx, fresh=fresh, key_field=field_name)


def find_by_key(
    org: Org, object_name: str, key_field: str, key: object, ctx: WriteContext
) -> tuple[list[Row], Value, str]:
    """Return the live rows with this key, the typed key and the field's canonical name; BadValue if unusable."""
    table = org.tables[object_name.lower()]
    field = org.access(object_name, ctx.user_id).readable.get(key_field.lower())
    if field is None or not (field.external_id or field.id_lookup or field.name == "Id"):
        message = f"Field name provided, {key_field} does not match an External ID, Salesforce Id, or indexed field"
        raise BadValue(code="INVALID_FIELD", message=f"{message} for {table.definition.name}")
    value = None if key is None else org.key_converter(field)(key if isinstance(key, str) else str(key))
    if field.name == "Id":
        return [], value, "Id"
    if value is None:
        raise BadValue(code=org.settings.missing_key_code, message=f"{field.name} not specified")
    return [row for row in table.equal(field, value) or () if not row.get("IsDeleted")], value, field.name


def _not_supported(object_name: str) -> BadValue:
    message = f"entity type {object_name} does not support this operation"
    return BadValue(code="CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", message=message)


def _stamp_created(shape: Shape, row: Row, stamp: datetime, ctx: WriteContext) -> None:
    names = shape.names
    for name in ("CreatedDate", "LastModifiedDate", "SystemModstamp"):
        if name in names:
            row[name] = stamp
    for name in ("CreatedById", "LastModifiedById"):
        if name in names:
            row[name] = ctx.user_id
    if "OwnerId" in names and row.get("OwnerId") is None:
        row["OwnerId"] = ctx.user_id


def _stamp_modified(shape: Shape, row: Row, stamp: datetime, ctx: WriteContext) -> None:
    names = shape.names
    if "LastModifiedDate" in names:
        row["LastModifiedDate"] = stamp
    if "SystemModstamp" in names:
        row["SystemModstamp"] = stamp
    if "LastModifiedById" in names:
        row["LastModifiedById"] = ctx.user_id


def _check_required(shape: Shape, row: Row, written: Container[str]) -> None:
    missing = [field.name for field in shape.required if field.name in written and row.get(field.name) is None]
    if missing:
        message = f"Required fields are missing: [{', '.join(missing)}]"
        raise BadValue(code="REQUIRED_FIELD_MISSING", message=message, fields=tuple(missing))


def _check_references(org: Org, shape: Shape, changes: Row) -> None:
    for name, value in changes.items():
        targets = shape.references.get(name)
        if targets is None or not isinstance(value, str):
            continue
        parent_object = org.object_of_id(value)
        if parent_object is None or parent_object.name not in targets:
            if parent_object is None and not any(target.lower() in org.objects for target in targets):
                continue
            raise _wrong_type(shape.definition, name, value)
        parent = org.tables[parent_object.name.lower()].get(value)
        if parent is None and value[_POD] != org.ids.pod:
            raise BadValue(
                code="INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
                message=f"insufficient access rights on cross-reference id: {value[:ID_SHORT]}",
            )
        if parent is None:
            raise BadValue(code=org.settings.unknown_parent_code, message="invalid cross reference id", fields=(name,))
        if parent.get("IsDeleted") and org.settings.lookup_of_deleted_row == "refuse":
            raise BadValue(code="ENTITY_IS_DELETED", message="entity is deleted", fields=(name,))
        if name == "OwnerId" and parent_object.name == "User" and parent.get("IsActive") is False:
            message = f"operation performed with inactive user [{value[:ID_SHORT]}] as owner of"
            raise BadValue(code="INACTIVE_OWNER_OR_USER", message=f"{message} {shape.definition.name.lower()}")


def _wrong_type(definition: ObjectDef, name: str, value: str) -> BadValue:
    field = definition.field(name)
    label = name if field is None else field.label or name
    return BadValue(code="MALFORMED_ID", message=f"{label}: id value of incorrect type: {value}", fields=(name,))


def _check_unique(org: Org, shape: Shape, row: Row, changes: Row, *, own_id: str, fresh: Container[str]) -> None:
    for field in shape.unique:
        if field.name not in changes or row.get(field.name) is None:
            continue
        table = org.tables[shape.definition.name.lower()]
        for other in table.equal(field, row[field.name]) or ():
            if other["Id"] == own_id or other.get("IsDeleted"):
                continue
            if field.name == "Username":
                raise BadValue(code="DUPLICATE_USERNAME", message=_USERNAME_TAKEN, fields=("Username",))
            shown = str(other["Id"])[:ID_SHORT]
            what = field.name
            if str(other["Id"]) in fresh:
                shown = what = "<unknown>"
            message = f"duplicate value found: {what} duplicates value on record with id: {shown}"
            raise BadValue(code="DUPLICATE_VALUE", message=message, fields=())
