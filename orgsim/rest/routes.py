"""The table of REST data resources."""

from __future__ import annotations

from typing import Final

from orgsim.rest import collections, composite, queries, rows, searches, service, tree
from orgsim.rest.guard import guarded, missing
from orgsim.router import Handler, Route

BASE: Final = "/services/data/{version}"
_TABLE: Final[tuple[tuple[str, str, Handler], ...]] = (
    ("GET", "", service.version_root),
    ("GET", "/limits", service.limits),
    ("GET", "/limits/recordCount", service.record_count),
    ("GET", "/recent", service.recent),
    ("GET", "/query", queries.query),
    ("GET", "/queryAll", queries.query_all),
    ("GET", "/query/{locator}", queries.query_more),
    ("GET", "/queryAll/{locator}", queries.query_more),
    ("GET", "/search", searches.search),
    ("GET", "/parameterizedSearch", searches.by_parameters),
    ("POST", "/parameterizedSearch", searches.by_body),
    ("GET", "/sobjects", rows.sobjects),
    ("GET", "/sobjects/{object}", rows.sobject),
    ("POST", "/sobjects/{object}", rows.create),
    ("GET", "/sobjects/{object}/describe", rows.describe),
    ("GET", "/sobjects/{object}/updated", queries.updated),
    ("GET", "/sobjects/{object}/deleted", queries.deleted),
    ("GET", "/sobjects/{object}/{id}", rows.read),
    ("PATCH", "/sobjects/{object}/{id}", rows.change),
    ("DELETE", "/sobjects/{object}/{id}", rows.delete),
    ("POST", "/sobjects/{object}/{id}", rows.create_by_id),
    ("GET", "/sobjects/{object}/{field}/{value}", rows.two_parts),
    ("PATCH", "/sobjects/{object}/{field}/{value}", rows.upsert_by_key),
    ("DELETE", "/sobjects/{object}/{field}/{value}", rows.delete_by_key),
    ("GET", "/sobjects/{object}/describe/{part}", missing),
    ("GET", "/sobjects/{object}/describe/{part}/{record_type}", missing),
    ("GET", "/sobjects/{object}/defaultValues", missing),
    ("GET", "/sobjects/{object}/listviews", missing),
    ("GET", "/sobjects/{object}/listviews/{view}", missing),
    ("GET", "/sobjects/{object}/quickActions", missing),
    ("GET", "/sobjects/{object}/quickActions/{action}", missing),
    ("GET", "/sobjects/{object}/{row}/fromThisEventOnwards", missing),
    ("GET", "/sobjects/{object}/{row}/password", missing),
    ("POST", "/sobjects/{object}/{row}/password", missing),
    ("DELETE", "/sobjects/{object}/{row}/password", missing),
    ("GET", "/sobjects/{object}/{row}/richTextImageFields", missing),
    ("POST", "/composite", composite.composite),
    ("POST", "/composite/batch", composite.batch),
    ("POST", "/composite/graph", composite.graph),
    ("POST", "/composite/tree/{object}", tree.create_tree),
    ("POST", "/composite/sobjects", collections.create_many),
    ("PATCH", "/composite/sobjects", collections.update_many),
    ("DELETE", "/composite/sobjects", collections.delete_many),
    ("GET", "/composite/sobjects/{object}", collections.retrieve_many),
    ("POST", "/composite/sobjects/{object}", collections.retrieve_many),
    ("PATCH", "/composite/sobjects/{object}/{field}", collections.upsert_many),
)


def rest_routes() -> tuple[Route, ...]:
    """Return the routes of REST data access."""
    first = Route("GET", "/services/data", service.versions, signed_in=False, counted=False)
    by_id = rows.create_by_id
    table = (Route(verb, BASE + path, guarded(done), unlisted=done is by_id) for verb, path, done in _TABLE)
    return (first, *table)
