"""Single rows: create, read, change, delete, and the same by external id."""

from __future__ import annotations

import zlib
from datetime import datetime
from typing import Final

from orgsim.describe import describe_briefly, describe_global, describe_object
from orgsim.errors import ApiError, NotEmulated, method_not_allowed, not_found
from orgsim.ids import normalize_id
from orgsim.rest.guard import (
    entity_tag,
    find_object,
    http_date,
    not_modified,
    record_refusal,
    tag_condition,
    writer,
)
from orgsim.rest.service import recent_items
from orgsim.router import Call
from orgsim.schema.model import FieldDef, ObjectDef
from orgsim.soql.ast import FieldPath, Query, SelectExpression
from orgsim.soql.bind import Scope
from orgsim.soql.record import draw_shape
from orgsim.soql.run import child_entry
from orgsim.store.results import BadValue, Row
from orgsim.store.sharing import read_test
from orgsim.store.values import converter
from orgsim.wire import Response, empty_response, json_response

_CREATED_KEY_SINCE: Final = 46


def sobjects(call: Call) -> Response:
    """Answer GET /sobjects."""
    changed_at = call.org.metadata_changed_at
    tag = ("ETag", _describe_tag(changed_at))
    unchanged = not_modified(call, changed_at)
    if unchanged is not None:
        return unchanged.with_headers([tag])
    stamp = ("Last-Modified", http_date(changed_at))
    return json_response(describe_global(call.org, call.user_id, call.version), headers=(tag, stamp))


def _describe_tag(changed_at: datetime) -> str:
    return f'"{zlib.crc32(http_date(changed_at).encode()):08x}"'


def sobject(call: Call) -> Response:
    """Answer GET /sobjects/T."""
    definition = find_object(call)
    brief = describe_briefly(definition, call.version_number)
    return json_response({"objectDescribe": brief, "recentItems": recent_items(call, definition.name)})


def describe(call: Call) -> Response:
    """Answer GET /sobjects/T/describe."""
    definition = find_object(call)
    changed_at = call.org.metadata_changed_at
    tag = ("ETag", _describe_tag(changed_at))
    unchanged = not_modified(call, changed_at)
    if unchanged is not None:
        return unchanged.with_headers([tag])
    stamp = ("Last-Modified", http_date(changed_at))
    return json_response(describe_object(call.org, definition.name, call.user_id, call.version), headers=(tag, stamp))


def create(call: Call) -> Response:
    """Answer POST /sobjects/T."""
    definition = find_object(call)
    if not definition.createable:
        raise method_not_allowed(call.request.method, ("GET",))
    result = call.org.insert(definition.name, _one_record(call), writer(call))
    if not result.success:
        raise record_refusal(*result.errors)
    return _created(call, definition, result.id, {"id": result.id, "success": True, "errors": []})


def _one_record(call: Call) -> dict[str, object]:
    if isinstance(call.request.json(), list):
        message = "Json Deserialization failed on token 'null' and has left off in the middle of parsing a row."
        raise ApiError(400, "INVALID_FIELD", f"{message} Will go to end of row to begin parsing the next row")
    return call.request.json_object()


def _created(call: Call, definition: ObjectDef, row_id: str, body: object) -> Response:
    location = ("Location", f"/services/data/v{call.version}/sobjects/{definition.name}/{row_id}")
    return json_response(body, 201, (location,))


def read(call: Call) -> Response:
    """Answer GET /sobjects/T/id."""
    definition = find_object(call)
    row = _live_row(call, definition, call.params["id"])
    stamp = row.get("SystemModstamp") or row.get("LastModifiedDate")
    if isinstance(stamp, datetime):
        unchanged = not_modified(call, stamp)
        if unchanged is not None:
            return unchanged
    tag = entity_tag(call, definition, row)
    unchanged = tag_condition(call, tag)
    if unchanged is not None:
        return unchanged
    headers = [] if tag is None else [("ETag", tag)]
    if tag is not None and isinstance(stamp, datetime):
        headers.append(("Last-Modified", http_date(stamp)))
    return json_response(record_of(call, definition, row, call.request.param("fields")), headers=headers)


def record_of(call: Call, definition: ObjectDef, row: Row, fields: str | None) -> dict[str, object]:
    """Return a row as a record; `fields` is a comma-separated list, or None for all the caller may see."""
    if fields:
        names = [name.strip() for name in fields.split(",") if name.strip()]
    else:
        names = [field.name for field in call.org.visible_fields(definition.name, call.user_id)]
    paths = [tuple(name.split(".")) for name in dict.fromkeys(names)]
    query = Query("", tuple(SelectExpression(FieldPath(path, 0), None) for path in paths), definition.name, 0)
    scope = Scope(call.org, call.user_id, definition, "", {}, call.version_number, all_rows=True)
    try:
        shape = draw_shape(scope, query, child_entry)
    except ApiError as refused:
        if refused.code != "INVALID_FIELD":
            raise
        unknown = next((name for name in names if not _known(call, definition, name)), names[0])
        message = f"No such column '{unknown}' on sobject of type {definition.name}"
        raise ApiError(400, "INVALID_FIELD", message) from None
    return shape.render(row, call.version)


def _known(call: Call, definition: ObjectDef, name: str) -> bool:
    return "." in name or name.lower() in call.org.access(definition.name, call.user_id).readable


def _live_row(call: Call, definition: ObjectDef, row_id: str) -> Row:
    long = normalize_id(row_id)
    row = None if long is None else call.org.tables[definition.name.lower()].get(long)
    if row is None or not own(call, definition, row):
        raise _no_such_row(row_id)
    if row.get("IsDeleted"):
        raise ApiError(404, "ENTITY_IS_DELETED", "entity is deleted")
    return row


def _no_such_row(row_id: str) -> ApiError:
    return not_found(message=f"Provided external ID field does not exist or is not accessible: {row_id}")


def own(call: Call, definition: ObjectDef, row: Row) -> bool:
    """Say whether the caller may see this row."""
    shared = read_test(call.org, definition, call.user_id)
    if shared is not None and not shared(row):
        return False
    if definition.name != "LoginHistory" or call.org.privileges(call.user_id).manage_users:
        return True
    return row.get("UserId") == call.user_id


def change(call: Call) -> Response:
    """Answer PATCH /sobjects/T/id."""
    definition = find_object(call)
    body = _one_record(call)
    if any(key.lower() == "id" for key in body):
        message = "The Id field should not be specified in the sobject data."
        raise ApiError(400, "INVALID_FIELD", message)
    if normalize_id(call.params["id"]) is None:
        raise _no_such_row(call.params["id"])
    _check_condition(call, definition)
    result = call.org.update(definition.name, call.params["id"], body, writer(call))
    if not result.success:
        raise record_refusal(*result.errors)
    return empty_response()


def _check_condition(call: Call, definition: ObjectDef) -> None:
    row = call.org.row(definition.name, normalize_id(call.params["id"]) or "")
    if row is None:
        return
    stamp = row.get("LastModifiedDate") or row.get("SystemModstamp")
    if call.request.method == "PATCH" and isinstance(stamp, datetime):
        not_modified(call, stamp)
    tag_condition(call, entity_tag(call, definition, row))


def delete(call: Call) -> Response:
    """Answer DELETE /sobjects/T/id."""
    definition = find_object(call)
    if normalize_id(call.params["id"]) is None:
        raise _no_such_row(call.params["id"])
    _check_condition(call, definition)
    result = call.org.delete(definition.name, call.params["id"], writer(call))
    if not result.success:
        raise record_refusal(*result.errors)
    return empty_response()


def relationship(call: Call) -> Response:
    """Answer GET /sobjects/T/id/Relationship: the parent row, or the children as a query result."""
    definition = find_object(call)
    row = _live_row(call, definition, call.params["id"])
    name = call.params["name"]
    own = definition.field(name)
    if own is not None and own.type == "base64":
        what = "the content of a binary field"
        raise NotEmulated(what)
    for field in call.org.visible_fields(definition.name, call.user_id):
        if (field.relationship_name or "").lower() == name.lower():
            parent_id = row.get(field.name)
            parent = call.org.object_of_id(parent_id) if isinstance(parent_id, str) else None
            if parent is None or not isinstance(parent_id, str):
                raise not_found(message=f"The requested resource does not exist: {name}")
            target = _live_row(call, parent, parent_id)
            return json_response(record_of(call, parent, target, call.request.param("fields")))
    for entry in definition.child_relationships:
        if (entry.relationship_name or "").lower() == name.lower():
            child = find_object(call, entry.child_sobject)
            fields = call.request.param("fields") or ",".join(
                field.name for field in call.org.visible_fields(child.name, call.user_id)
            )
            condition = f"{entry.field} = '{row['Id']}'"
            soql = f"SELECT {fields} FROM {child.name} WHERE {condition}"  # noqa: S608  # SOQL against this emulator
            result = call.org.query(soql, ctx=writer(call), version=call.version_number)
            return json_response(result.payload(call.version))
    raise not_found()


def _key_field(call: Call, definition: ObjectDef) -> FieldDef:
    field = call.org.access(definition.name, call.user_id).readable.get(call.params["field"].lower())
    if field is None or not (field.external_id or field.id_lookup):
        name = call.params["field"]
        raise not_found(message=f"Provided external ID field does not exist or is not accessible: {name}")
    return field


def _by_key(call: Call, definition: ObjectDef, field: FieldDef) -> list[Row]:
    try:
        value = converter(field, text=True)(call.params["value"])
    except BadValue as bad:
        raise record_refusal(bad.error) from None
    table = call.org.tables[definition.name.lower()]
    return [row for row in table.equal(field, value) or () if not row.get("IsDeleted")]


def _choices(call: Call, definition: ObjectDef, rows: list[Row]) -> Response:
    return json_response(
        [f"/services/data/v{call.version}/sobjects/{definition.name}/{row['Id']}" for row in rows], 300
    )


def _single(call: Call) -> tuple[ObjectDef, list[Row]]:
    definition = find_object(call)
    rows = _by_key(call, definition, _key_field(call, definition))
    if not rows:
        raise not_found()
    return definition, rows


def two_parts(call: Call) -> Response:
    """Answer GET /sobjects/T/x/y: x is a record id (y a relationship) or an external id field (y its value)."""
    first = call.params["field"]
    if normalize_id(first) is not None and call.org.object_of_id(first) is not None:
        params = {"object": call.params["object"], "id": first, "name": call.params["value"]}
        return relationship(Call(call.org, call.request, params, call.router))
    return read_by_key(call)


def read_by_key(call: Call) -> Response:
    """Answer GET /sobjects/T/ExtField/value."""
    definition, rows = _single(call)
    if len(rows) > 1:
        return _choices(call, definition, rows)
    return json_response(record_of(call, definition, rows[0], call.request.param("fields")))


def delete_by_key(call: Call) -> Response:
    """Answer DELETE /sobjects/T/ExtField/value."""
    definition, rows = _single(call)
    if len(rows) > 1:
        return _choices(call, definition, rows)
    result = call.org.delete(definition.name, str(rows[0]["Id"]), writer(call))
    if not result.success:
        raise record_refusal(*result.errors)
    return empty_response()


def upsert_by_key(call: Call) -> Response:
    """Answer PATCH /sobjects/T/ExtField/value: 201 created, 200 or 204 changed, 300 several."""
    definition = find_object(call)
    field = _key_field(call, definition)
    body = _one_record(call)
    if any(key.lower() == field.name.lower() for key in body):
        message = f"The {field.name} field should not be specified in the sobject data."
        raise ApiError(400, "INVALID_FIELD", message)
    if field.name == "Id":
        return change(_with_param(call, "id", call.params["value"]))
    rows = _by_key(call, definition, field)
    if len(rows) > 1:
        return _choices(call, definition, rows)
    if not rows and (call.request.param("updateOnly") or "").lower() == "true":
        raise not_found()
    return _upserted(call, definition, field, body)


def _upserted(call: Call, definition: ObjectDef, field: FieldDef, body: dict[str, object]) -> Response:
    result = call.org.upsert(definition.name, field.name, call.params["value"], body, writer(call))
    if not result.success:
        raise record_refusal(*result.errors)
    modern = call.version_number >= _CREATED_KEY_SINCE
    answer: dict[str, object] = {"id": result.id, "success": True, "errors": []}
    if modern:
        answer["created"] = result.created
    if result.created:
        return _created(call, definition, result.id, answer)
    return json_response(answer) if modern else empty_response()


def _with_param(call: Call, name: str, value: str) -> Call:
    return Call(call.org, call.request, {**call.params, name: value}, call.router)


def create_by_id(call: Call) -> Response:
    """Answer POST /sobjects/T/Id, which creates."""
    if call.params["id"].lower() != "id":
        raise method_not_allowed(call.request.method, ("GET", "PATCH", "DELETE"))
    return create(call)
