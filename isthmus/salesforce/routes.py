# ruff: noqa: E501 one route, one line: the table is read as a table
"""Everything that may leave, on one screen. A request that is not in this table cannot be sent.

`reaches`: which connections may use a route. An audit connection reads describes, limits and the constant queries of
`audit_queries.py`; it cannot write, cannot export, and cannot ask a query of anybody's making.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from isthmus.egress.policy import LOGIN, BodyKind, Hole, Method, Reach, Route, RouteName
from isthmus.salesforce.audit_queries import AUDIT_QUERIES
from isthmus.values import Purpose

BOTH: Final[frozenset[Reach]] = frozenset({Purpose.AUDIT, Purpose.SYNC})
SYNC: Final[frozenset[Reach]] = frozenset({Purpose.SYNC})
AUDIT: Final[frozenset[Reach]] = frozenset({Purpose.AUDIT})
KEEPER: Final[frozenset[Reach]] = frozenset({LOGIN})
ANYBODY: Final[frozenset[Reach]] = frozenset({*BOTH, LOGIN})

GET, POST, PUT, PATCH, DELETE = Method.GET, Method.POST, Method.PUT, Method.PATCH, Method.DELETE
JSON, CSV, FORM = BodyKind.JSON, BodyKind.CSV, BodyKind.FORM
KB: Final = 1024
MB: Final = 1024 * 1024
EXPORT_BYTES_MAX: Final = 4 * 1024 * MB
LOGIN_S: Final = 25.0
"""A person, or a mover that waits 30 seconds for its token, stands behind each of these."""
TOGETHER_MAX: Final = 25
"""Requests that one composite request carries, and that count as one call (salesforce-api.md 2.10)."""
TOGETHER_QUERIES_MAX: Final = 5

VERSIONS: Final = RouteName("versions")
TOKEN: Final = RouteName("token")
REVOKE: Final = RouteName("revoke")
USERINFO: Final = RouteName("userinfo")
LIMITS: Final = RouteName("limits")
OBJECTS: Final = RouteName("objects")
DESCRIBE: Final = RouteName("describe")
UPDATED: Final = RouteName("updated")
DELETED: Final = RouteName("deleted")
QUERY: Final = RouteName("query")
QUERY_ALL: Final = RouteName("query_all")
QUERY_MORE: Final = RouteName("query_more")
TOGETHER: Final = RouteName("together")
UPSERT: Final = RouteName("upsert")
UPSERT_DUPLICATES: Final = RouteName("upsert_duplicates")
UPDATE: Final = RouteName("update")
UPDATE_ONCE: Final = RouteName("update_once")
UPDATE_UNCHANGED: Final = RouteName("update_unchanged")
DELETE_ROWS: Final = RouteName("delete_rows")
EXPORT_CREATE: Final = RouteName("export_create")
EXPORT_STATE: Final = RouteName("export_state")
EXPORT_PAGE: Final = RouteName("export_page")
EXPORT_ABORT: Final = RouteName("export_abort")
EXPORT_DELETE: Final = RouteName("export_delete")
INGEST_CREATE: Final = RouteName("ingest_create")
INGEST_UPLOAD: Final = RouteName("ingest_upload")
INGEST_LIST: Final = RouteName("ingest_list")
INGEST_CLOSE: Final = RouteName("ingest_close")
INGEST_STATE: Final = RouteName("ingest_state")
INGEST_FAILED: Final = RouteName("ingest_failed")
INGEST_UNPROCESSED: Final = RouteName("ingest_unprocessed")
INGEST_DELETE: Final = RouteName("ingest_delete")
FIELD_CREATE: Final = RouteName("field_create")
PERMISSION_CREATE: Final = RouteName("permission_create")

_V: Final = {"version": Hole.VERSION}
_OBJECT: Final = {**_V, "object": Hole.API_NAME}
_JOB: Final = {**_V, "job": Hole.ID}
_SOQL: Final = {**_V, "soql": Hole.SOQL}
_DATA: Final = "/services/data/v{version}"
_QUIET: Final = (("Sforce-Auto-Assign", "FALSE"),)
_SAVE_DUPLICATES: Final = (*_QUIET, ("Sforce-Duplicate-Rule-Header", "allowSave=true"))


def _table() -> Mapping[RouteName, Route]:
    routes = (
        # Signing in: the keeper's, on the login host.
        Route(TOKEN, POST, "/services/oauth2/token", KEEPER, body=FORM, request_bytes_max=16 * KB, idempotent=False, counted=False, reply_bytes_max=256 * KB, seconds_max=LOGIN_S),
        Route(REVOKE, POST, "/services/oauth2/revoke", KEEPER, body=FORM, request_bytes_max=16 * KB, counted=False, reply_bytes_max=256 * KB, seconds_max=LOGIN_S),
        Route(USERINFO, GET, "/services/oauth2/userinfo", frozenset({LOGIN, Purpose.SYNC}), counted=False, reply_bytes_max=256 * KB, seconds_max=LOGIN_S),
        # What an org is.
        Route(VERSIONS, GET, "/services/data", ANYBODY, counted=False, reply_bytes_max=256 * KB),
        Route(LIMITS, GET, f"{_DATA}/limits", BOTH, _V, reply_bytes_max=MB),
        Route(OBJECTS, GET, f"{_DATA}/sobjects", SYNC, _V, reply_bytes_max=64 * MB),
        Route(DESCRIBE, GET, f"{_DATA}/sobjects/{{object}}/describe", BOTH, _OBJECT, reply_bytes_max=64 * MB),
        # Reading.
        Route(UPDATED, GET, f"{_DATA}/sobjects/{{object}}/updated", SYNC, {**_OBJECT, "start": Hole.INSTANT, "end": Hole.INSTANT}, query=(("start", "{start}"), ("end", "{end}")), reply_bytes_max=32 * MB),
        Route(DELETED, GET, f"{_DATA}/sobjects/{{object}}/deleted", SYNC, {**_OBJECT, "start": Hole.INSTANT, "end": Hole.INSTANT}, query=(("start", "{start}"), ("end", "{end}")), reply_bytes_max=32 * MB),
        Route(QUERY, GET, f"{_DATA}/query", SYNC, _SOQL, query=(("q", "{soql}"),), reply_bytes_max=256 * MB),
        Route(QUERY_ALL, GET, f"{_DATA}/queryAll", SYNC, _SOQL, query=(("q", "{soql}"),), reply_bytes_max=256 * MB),
        Route(QUERY_MORE, GET, f"{_DATA}/query/{{locator}}", BOTH, {**_V, "locator": Hole.QUERY_LOCATOR}, reply_bytes_max=256 * MB),
        Route(TOGETHER, POST, f"{_DATA}/composite", SYNC, _V, body=JSON, request_bytes_max=512 * KB, reply_bytes_max=64 * MB, carries=frozenset({QUERY, DELETED}), carries_max=TOGETHER_MAX, carries_queries_max=TOGETHER_QUERIES_MAX),
        Route(EXPORT_CREATE, POST, f"{_DATA}/jobs/query", SYNC, _V, body=JSON, request_bytes_max=256 * KB, idempotent=False),
        Route(EXPORT_STATE, GET, f"{_DATA}/jobs/query/{{job}}", SYNC, _JOB),
        Route(EXPORT_PAGE, GET, f"{_DATA}/jobs/query/{{job}}/results", SYNC, {**_JOB, "locator": Hole.LOCATOR, "rows": Hole.COUNT}, optional_query=(("locator", "{locator}"), ("maxRecords", "{rows}")), accept="text/csv", reply_bytes_max=EXPORT_BYTES_MAX),
        Route(EXPORT_ABORT, PATCH, f"{_DATA}/jobs/query/{{job}}", SYNC, _JOB, body=JSON, request_bytes_max=KB),
        Route(EXPORT_DELETE, DELETE, f"{_DATA}/jobs/query/{{job}}", SYNC, _JOB),
        # Writing.
        Route(UPSERT, PATCH, f"{_DATA}/composite/sobjects/{{object}}/{{key}}", SYNC, {**_OBJECT, "key": Hole.API_NAME}, body=JSON, headers=_QUIET, compress=True, request_bytes_max=32 * MB),
        Route(UPDATE, PATCH, f"{_DATA}/composite/sobjects", SYNC, _V, body=JSON, headers=_QUIET, compress=True, request_bytes_max=32 * MB),
        Route(UPDATE_ONCE, PATCH, f"{_DATA}/composite/sobjects", SYNC, _V, body=JSON, headers=_QUIET, compress=True, idempotent=False, request_bytes_max=32 * MB),
        Route(UPDATE_UNCHANGED, PATCH, f"{_DATA}/sobjects/{{object}}/{{row}}", SYNC, {**_OBJECT, "row": Hole.ID, "unless_after": Hole.HTTP_DATE}, body=JSON, headers=(*_QUIET, ("If-Unmodified-Since", "{unless_after}")), idempotent=False, request_bytes_max=MB),
        Route(DELETE_ROWS, DELETE, f"{_DATA}/composite/sobjects", SYNC, {**_V, "ids": Hole.IDS}, query=(("ids", "{ids}"), ("allOrNone", "false")), idempotent=False, reply_bytes_max=MB),
        Route(UPSERT_DUPLICATES, PATCH, f"{_DATA}/composite/sobjects/{{object}}/{{key}}", SYNC, {**_OBJECT, "key": Hole.API_NAME}, body=JSON, headers=_SAVE_DUPLICATES, compress=True, request_bytes_max=32 * MB),
        Route(INGEST_CREATE, POST, f"{_DATA}/jobs/ingest", SYNC, _V, body=JSON, request_bytes_max=4 * KB, idempotent=False),
        Route(INGEST_UPLOAD, PUT, f"{_DATA}/jobs/ingest/{{job}}/batches", SYNC, _JOB, body=CSV, compress=True, idempotent=False, request_bytes_max=100_000_000),
        Route(INGEST_CLOSE, PATCH, f"{_DATA}/jobs/ingest/{{job}}", SYNC, _JOB, body=JSON, request_bytes_max=KB),
        Route(INGEST_LIST, GET, f"{_DATA}/jobs/ingest", SYNC, {**_V, "locator": Hole.LOCATOR}, query=(("jobType", "V2Ingest"),), optional_query=(("queryLocator", "{locator}"),)),
        Route(INGEST_STATE, GET, f"{_DATA}/jobs/ingest/{{job}}", SYNC, _JOB),
        Route(INGEST_FAILED, GET, f"{_DATA}/jobs/ingest/{{job}}/failedResults", SYNC, _JOB, accept="text/csv", reply_bytes_max=EXPORT_BYTES_MAX),
        Route(INGEST_UNPROCESSED, GET, f"{_DATA}/jobs/ingest/{{job}}/unprocessedrecords", SYNC, _JOB, accept="text/csv", reply_bytes_max=EXPORT_BYTES_MAX),
        Route(INGEST_DELETE, DELETE, f"{_DATA}/jobs/ingest/{{job}}", SYNC, _JOB),
        # Making the tracking field.
        Route(FIELD_CREATE, POST, f"{_DATA}/tooling/sobjects/CustomField", SYNC, _V, body=JSON, idempotent=False, request_bytes_max=4 * KB),
        Route(PERMISSION_CREATE, POST, f"{_DATA}/sobjects/FieldPermissions", SYNC, _V, body=JSON, idempotent=False, request_bytes_max=4 * KB),
    )  # fmt: skip
    audit = (
        Route(audit_route(query.name), GET, f"{_DATA}/query", AUDIT, {**_V, **query.holes}, query=(("q", query.text),), reply_bytes_max=256 * MB)
        for query in AUDIT_QUERIES.values()
    )  # fmt: skip
    return MappingProxyType({route.name: route for route in (*routes, *audit)})


def audit_route(query_name: str) -> RouteName:
    """Return the name of the route that asks the constant query of that name."""
    return RouteName(f"audit.{query_name}")


ROUTES: Final = _table()
