"""The routes that are not REST data: signing in, bulk jobs and Tooling."""

from __future__ import annotations

from orgsim.bulk.ingest import IngestJobs
from orgsim.bulk.query import QueryJobs
from orgsim.bulk1.service import BulkOne
from orgsim.oauth.authority import Authority
from orgsim.oauth.authorize import PAGE_PATH, AuthorizePages
from orgsim.oauth.identity import IdentityService
from orgsim.oauth.tokens import TokenEndpoint
from orgsim.router import Route
from orgsim.soap.deploying import Deployments
from orgsim.soap.metadata import MetadataService
from orgsim.soap.partner import PartnerService
from orgsim.tooling import Tooling

_OAUTH = "/services/oauth2"
_JOBS = "/services/data/{version}/jobs"


def wire_routes(
    authority: Authority, queries: QueryJobs, ingests: IngestJobs, bulk_one: BulkOne, tooling: Tooling
) -> tuple[Route, ...]:
    """Return the routes of sign-in, bulk and tooling."""
    deployments = Deployments(tooling)
    rest = (*_bulk(queries, ingests), *bulk_one.routes(), *tooling.routes(), *deployments.routes())
    return (*_sign_in(authority, tooling, deployments), *rest)


def _sign_in(authority: Authority, tooling: Tooling, deployments: Deployments) -> tuple[Route, ...]:
    pages = AuthorizePages(authority)
    tokens = TokenEndpoint(authority)
    who = IdentityService(authority)
    partner = PartnerService(authority)
    metadata = MetadataService(authority, tooling, deployments)
    table = (
        ("GET", f"{_OAUTH}/authorize", pages.authorize),
        ("POST", f"{_OAUTH}/authorize", pages.authorize),
        ("POST", PAGE_PATH, pages.submit),
        ("POST", f"{_OAUTH}/token", tokens.token),
        ("GET", f"{_OAUTH}/revoke", tokens.revoke),
        ("POST", f"{_OAUTH}/revoke", tokens.revoke),
        ("POST", f"{_OAUTH}/introspect", tokens.introspect),
        ("GET", f"{_OAUTH}/userinfo", who.userinfo),
        ("POST", f"{_OAUTH}/userinfo", who.userinfo),
        ("GET", "/id/keys", who.jwks),
        ("GET", "/id/{org}/{user}", who.identity),
        ("GET", "/.well-known/openid-configuration", who.discovery),
        ("POST", "/services/Soap/u/{soapversion}", partner.handle),
        ("POST", "/services/Soap/u/{soapversion}/{org}", partner.handle),
        ("POST", "/services/Soap/c/{soapversion}", partner.handle_enterprise),
        ("POST", "/services/Soap/c/{soapversion}/{org}", partner.handle_enterprise),
        ("POST", "/services/Soap/m/{soapversion}", metadata.handle),
        ("POST", "/services/Soap/m/{soapversion}/{org}", metadata.handle),
    )
    return tuple(Route(method, pattern, handler, signed_in=False, counted=False) for method, pattern, handler in table)


def _bulk(queries: QueryJobs, ingests: IngestJobs) -> tuple[Route, ...]:
    table = (
        ("POST", f"{_JOBS}/query", queries.create),
        ("GET", f"{_JOBS}/query", queries.all_jobs),
        ("GET", f"{_JOBS}/query/{{job}}", queries.info),
        ("PATCH", f"{_JOBS}/query/{{job}}", queries.change),
        ("DELETE", f"{_JOBS}/query/{{job}}", queries.delete),
        ("GET", f"{_JOBS}/query/{{job}}/results", queries.results),
        ("GET", f"{_JOBS}/query/{{job}}/resultPages", queries.result_pages),
        ("POST", f"{_JOBS}/ingest", ingests.create),
        ("GET", f"{_JOBS}/ingest", ingests.all_jobs),
        ("GET", f"{_JOBS}/ingest/{{job}}", ingests.info),
        ("PATCH", f"{_JOBS}/ingest/{{job}}", ingests.change),
        ("DELETE", f"{_JOBS}/ingest/{{job}}", ingests.delete),
        ("PUT", f"{_JOBS}/ingest/{{job}}/batches", ingests.upload),
        ("GET", f"{_JOBS}/ingest/{{job}}/{{file}}", ingests.results),
    )
    return tuple(Route(method, pattern, handler) for method, pattern, handler in table)
