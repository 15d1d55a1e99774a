"""Queries over REST, and what changed or was deleted in a window of time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from orgsim.errors import ApiError, NotEmulated
from orgsim.rest.columns import column_metadata
from orgsim.rest.guard import find_object, flag, page_rows
from orgsim.rest.rows import own
from orgsim.router import Call
from orgsim.schema.model import ObjectDef
from orgsim.soql.steps import Steps
from orgsim.store.results import WriteContext
from orgsim.store.values import json_value, parse_datetime
from orgsim.wire import Response, json_response

IDS_MAX: Final = 600_000


def query(call: Call) -> Steps[Response]:
    """Answer GET /query?q=."""
    return _run(call, all_rows=False)


def query_all(call: Call) -> Steps[Response]:
    """Answer GET /queryAll?q=: deleted rows too."""
    return _run(call, all_rows=True)


def _run(call: Call, *, all_rows: bool) -> Steps[Response]:
    if call.request.param("explain") is not None:
        what = "query plans (explain)"
        raise NotEmulated(what)
    soql = call.request.param("q")
    if soql is None:
        raise ApiError(400, "MALFORMED_QUERY", "A query string has to be specified")
    if not soql.strip():
        raise ApiError(400, "MALFORMED_QUERY", "SOQL statements cannot be empty or null")
    if flag(call.request.param("columns")):
        return json_response(column_metadata(call.org, soql, call.user_id, call.version_number))
    ctx = WriteContext(call.user_id, "rest", call.request.headers)
    steps = call.org.query_steps(
        soql, all_rows=all_rows, ctx=ctx, page_rows=page_rows(call), version=call.version_number
    )
    result = yield from steps
    return json_response(result.payload(call.version))


def query_more(call: Call) -> Response:
    """Answer GET /query/<locator> and /queryAll/<locator>."""
    return json_response(call.org.cursors.page(call.user_id, call.params["locator"]).payload(call.version))


def _window(call: Call, days: int, definition: ObjectDef) -> tuple[datetime, datetime]:
    moments: list[datetime] = []
    for name in ("start", "end"):
        text = call.request.param(name)
        if text is None:
            raise ApiError(400, "MISSING_ARGUMENT", f"{name} is required")
        try:
            moments.append(parse_datetime(text.replace(" ", "+")).replace(second=0, microsecond=0))
        except ValueError:
            raise ApiError(400, "INVALID_REPLICATION_DATE", f"{name} is not a dateTime") from None
    start, end = moments
    now = call.org.clock.now()
    if not definition.replicateable:
        raise ApiError(400, "INVALID_TYPE_FOR_OPERATION", f"entity type {definition.name} is not replicateable")
    if start >= end:
        raise ApiError(400, "INVALID_REPLICATION_DATE", "startDate before endDate is required")
    if start < now - timedelta(days=days) - timedelta(minutes=1):
        raise ApiError(400, "INVALID_REPLICATION_DATE", f"startDate cannot be more than {days} days ago")
    return start, end


def _covered(call: Call, end: datetime) -> datetime:
    limit = call.org.covered_until()
    return min(end, limit.replace(second=0, microsecond=0))


def updated(call: Call) -> Response:
    """Answer GET /sobjects/T/updated."""
    definition = find_object(call)
    start, end = _window(call, call.org.settings.updated_window_days, definition)
    name = "SystemModstamp" if definition.field("SystemModstamp") else "LastModifiedDate"
    table = call.org.tables[definition.name.lower()]
    rows = table.between(name, start, end)
    ids = [
        str(row["Id"])
        for row in (table.scan() if rows is None else rows)
        if isinstance(stamp := row.get(name), datetime) and start <= stamp < end
        if not row.get("IsDeleted") and own(call, definition, row)
    ]
    if len(ids) > IDS_MAX:
        raise ApiError(400, "EXCEEDED_ID_LIMIT", "too many ids in the result")
    return json_response({"ids": ids, "latestDateCovered": json_value(_covered(call, end))})


def deleted(call: Call) -> Response:
    """Answer GET /sobjects/T/deleted."""
    definition = find_object(call)
    days = call.org.settings.deleted_window_days
    start, end = _window(call, days, definition)
    log = call.org.deletions.get(definition.name.lower(), [])
    records = [
        {"id": row_id, "deletedDate": json_value(at)}
        for at, row_id in log
        if start <= at < end and _still_deleted(call, definition, row_id)
    ]
    earliest = (call.org.clock.now() - timedelta(days=days)).replace(second=0, microsecond=0)
    return json_response(
        {
            "deletedRecords": records,
            "earliestDateAvailable": json_value(earliest),
            "latestDateCovered": json_value(_covered(call, end)),
        }
    )


def _still_deleted(call: Call, definition: ObjectDef, row_id: str) -> bool:
    row = call.org.tables[definition.name.lower()].get(row_id)
    return row is None or bool(row.get("IsDeleted"))
