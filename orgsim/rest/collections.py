"""sObject collections: up to 200 rows in one call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, cast

from orgsim.errors import ApiError, not_found
from orgsim.ids import normalize_id
from orgsim.rest.guard import find_object, flag, writer
from orgsim.rest.rows import own, record_of
from orgsim.router import Call
from orgsim.schema.absent import refuse_absent
from orgsim.store.results import Operation, RowError, SaveResult
from orgsim.wire import Response, json_response

CHUNKS_MAX: Final = 10
ROLLED_BACK: Final = RowError(
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "Record rolled back because not all records were valid and the request was using AllOrNone header",
)
Record = dict[str, object]


def create_many(call: Call) -> Response:
    """Answer POST /composite/sobjects."""
    body = call.request.json_object()
    return _write(call, "insert", None, _records(call, body), all_or_none=flag(body.get("allOrNone")))


def update_many(call: Call) -> Response:
    """Answer PATCH /composite/sobjects."""
    body = call.request.json_object()
    return _write(call, "update", None, _records(call, body), all_or_none=flag(body.get("allOrNone")))


def upsert_many(call: Call) -> Response:
    """Answer PATCH /composite/sobjects/T/ExtField."""
    body = call.request.json_object()
    definition = find_object(call)
    records = _records(call, body)
    if any(type_of(record).lower() != definition.name.lower() for record in records):
        raise ApiError(400, "INVALID_INPUT", "All records of an upsert must be of the type in the URL")
    field = call.org.access(definition.name, call.user_id).readable.get(call.params["field"].lower())
    if field is None or not (field.external_id or field.id_lookup or field.name == "Id"):
        raise not_found()
    return _write(call, "upsert", field.name, records, all_or_none=flag(body.get("allOrNone")))


def delete_many(call: Call) -> Response:
    """Answer DELETE /composite/sobjects?ids=."""
    ids = [part.strip() for part in (call.request.param("ids") or "").split(",") if part.strip()]
    if not ids:
        raise ApiError(400, "REQUIRED_FIELD_MISSING", "ids is required")
    _check_size(call, len(ids))
    records: list[Record] = []
    for row_id in ids:
        long = normalize_id(row_id)
        definition = None if long is None else call.org.object_of_id(long)
        name = "" if definition is None else definition.name
        records.append({"attributes": {"type": name}, "Id": row_id})
    return _write(call, "delete", None, records, all_or_none=flag(call.request.param("allOrNone")))


def _check_size(call: Call, count: int) -> None:
    most = call.org.settings.collection_rows_max
    if count > most:
        message = f"record limit reached. cannot submit more than {most} records into this call"
        raise ApiError(400, "EXCEEDED_MAX_SIZE_REQUEST", message)


def _records(call: Call, body: Mapping[str, object]) -> list[Record]:
    raw = body.get("records")
    if not isinstance(raw, list):
        raise ApiError(400, "REQUIRED_FIELD_MISSING", "records is required")
    records = cast("list[object]", raw)
    _check_size(call, len(records))
    checked: list[Record] = []
    for record in records:
        if not isinstance(record, dict):
            token = "null" if record is None else str(record)
            message = (
                f"Json Deserialization failed on token '{token}' and has left off in the middle of parsing a row."
                " Will go to end of row to begin parsing the next row"
            )
            raise ApiError(400, "INVALID_FIELD", message)
        checked.append(cast("Record", record))
        if not type_of(checked[-1]):
            raise ApiError(400, "INVALID_INPUT", "Every record needs attributes with a type")
    return checked


def type_of(record: Mapping[str, object]) -> str:
    """Return attributes.type of a record, or an empty string."""
    attributes = record.get("attributes")
    if not isinstance(attributes, dict):
        return ""
    return str(cast("Record", attributes).get("type") or "")


def _chunks(records: list[Record]) -> Iterator[tuple[str, list[Record]]]:
    chunk: list[Record] = []
    current = ""
    for record in records:
        name = type_of(record).lower()
        if chunk and name != current:
            yield current, chunk
            chunk = []
        current = name
        chunk.append(record)
    if chunk:
        yield current, chunk


def _write(
    call: Call, operation: Operation, key_field: str | None, records: list[Record], *, all_or_none: bool
) -> Response:
    all_or_none = all_or_none or call.request.header("x-orgsim-all-or-none") == "true"
    chunks = list(_chunks(records))
    if len(chunks) > CHUNKS_MAX:
        message = "Cannot have more than 10 chunks in a single operation. Please rearrange the data to reduce chunking."
        raise ApiError(400, "LIMIT_EXCEEDED", message)
    _refuse_mixed(call, [name for name, _ in chunks])
    with call.org.savepoint() as roll_back:
        results = [result for name, chunk in chunks for result in _chunk(call, operation, name, key_field, chunk)]
        if all_or_none and not all(result.success for result in results):
            roll_back()
            results = [_undone(result) if result.success else result for result in results]
    rolled_back = all_or_none and not all(result.success for result in results)
    return json_response([_entry(result, operation, rolled_back=rolled_back) for result in results])


def _refuse_mixed(call: Call, names: list[str]) -> None:
    kinds = {call.org.objects[name].setup for name in names if name in call.org.objects}
    if len(kinds) > 1 and call.org.settings.mixed_dml_refused:
        message = "DML operation on setup object is not permitted after you have updated a non-setup object"
        raise ApiError(400, "MIXED_DML_OPERATION", message)


def _chunk(
    call: Call, operation: Operation, name: str, key_field: str | None, records: list[Record]
) -> list[SaveResult]:
    if call.org.visible_object(name, call.user_id) is None:
        refuse_absent(type_of(records[0]))
        if operation == "delete":
            return [SaveResult.refused(RowError("MALFORMED_ID", f"malformed id {record['Id']}")) for record in records]
        message = f"sObject type '{type_of(records[0])}' is not supported."
        return [SaveResult.refused(RowError("INVALID_TYPE", message)) for _ in records]
    return call.org.dml_many(operation, name, key_field, records, writer(call))


def _undone(result: SaveResult) -> SaveResult:
    return SaveResult("", success=False, created=result.created, errors=(ROLLED_BACK,))


def _entry(result: SaveResult, operation: Operation, *, rolled_back: bool) -> dict[str, object]:
    entry: dict[str, object] = {"id": result.id} if result.success else {}
    entry["success"] = result.success
    entry["errors"] = [error.collection_entry() for error in result.errors]
    if operation == "upsert":
        entry["created"] = result.created or rolled_back
    return entry


def retrieve_many(call: Call) -> Response:
    """Answer GET /composite/sobjects/T?ids=&fields= and POST with the same in the body."""
    definition = find_object(call)
    if call.request.method == "POST":
        body = call.request.json_object()
        ids = _texts(body.get("ids"))
        fields = _texts(body.get("fields"))
    else:
        ids = [part.strip() for part in (call.request.param("ids") or "").split(",") if part.strip()]
        fields = [part.strip() for part in (call.request.param("fields") or "").split(",") if part.strip()]
    if not ids or not fields:
        raise ApiError(400, "REQUIRED_FIELD_MISSING", "ids and fields are required")
    if len(ids) > call.org.settings.retrieve_rows_max:
        raise ApiError(400, "EXCEEDED_MAX_SIZE_REQUEST", "too many ids")
    table = call.org.tables[definition.name.lower()]
    record_of(
        call, definition, {"Id": ""}, ",".join(fields)
    )  # an unknown field is refused, whether or not a row is there
    records: list[object] = []
    for row_id in ids:
        long = normalize_id(row_id)
        row = None if long is None else table.get(long)
        gone = row is None or row.get("IsDeleted") or not own(call, definition, row)
        records.append(None if gone or row is None else record_of(call, definition, row, ",".join(fields)))
    return json_response(records)


def _texts(value: object) -> list[str]:
    return [str(entry) for entry in cast("list[object]", value)] if isinstance(value, list) else []
