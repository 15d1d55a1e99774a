"""Builds the portal: routes, security headers, error pages, templates."""

from __future__ import annotations

from typing import Any, Final

from litestar import Litestar, Request, Response, get
from litestar.di import Provide
from litestar.middleware import DefineMiddleware

from isthmus.portal import statics
from isthmus.portal.api import audit_schedule as api_audit_schedule
from isthmus.portal.api import audits as api_audits
from isthmus.portal.api import findings as api_findings
from isthmus.portal.api import orgs as api_orgs
from isthmus.portal.api import planning as api_planning
from isthmus.portal.api import session as api_session
from isthmus.portal.api import syncs as api_syncs
from isthmus.portal.api import trust as api_trust
from isthmus.portal.api import what_if as api_what_if
from isthmus.portal.headers import SecurityHeaders
from isthmus.portal.hosts import OwnHosts, own_hosts
from isthmus.portal.pages import audits, home, oauth, orgs, problems, runs, sign_in, syncs, trust
from isthmus.portal.rendering import Pages
from isthmus.portal.services import PortalServices
from isthmus.portal.statics import Assets
from isthmus.portal.visitors import Actor, ApiActor, Doorman, Visitor

BODY_BYTES_MAX: Final = 512 * 1024
PAGES: Final = (home, sign_in, orgs, oauth, audits, syncs, runs, trust)
API: Final = (
    api_session,
    api_orgs,
    api_audits,
    api_findings,
    api_what_if,
    api_audit_schedule,
    api_syncs,
    api_planning,
    api_trust,
)


@get("/healthz", sync_to_thread=False)
def healthz() -> Response[str]:
    """Say that the portal answers; nothing about the installation."""
    return Response("ok", media_type="text/plain")


def create_app(services: PortalServices) -> Litestar:
    """Return the web application over `services`. Makes nothing itself and reads no environment.

    Raises `AssetsMissing` if the browser assets were not brought yet.
    """
    assets = Assets(statics.FOLDER)
    pages = Pages(assets, services.random_bytes)
    doorman = Doorman(services.keeper, services.settings)

    async def visitor(request: Request[Any, Any, Any]) -> Visitor:
        return await doorman.visitor(request)

    async def actor(request: Request[Any, Any, Any]) -> Actor:
        return await doorman.actor(request)

    async def api_actor(request: Request[Any, Any, Any]) -> ApiActor:
        return await doorman.api_actor(request)

    def always(value: object) -> Provide:
        return Provide(lambda: value, sync_to_thread=False)

    return Litestar(
        route_handlers=[healthz, statics.static_file, *(h for module in (*PAGES, *API) for h in module.HANDLERS)],
        dependencies={
            "world": always(services),
            "pages": always(pages),
            "door": always(doorman),
            "assets": always(assets),
            "visitor": Provide(visitor),
            "actor": Provide(actor),
            "api_actor": Provide(api_actor),
        },
        exception_handlers=problems.handlers(pages, services.journal),
        before_send=[SecurityHeaders(https=services.settings.public_url.startswith("https://"))],
        middleware=[
            DefineMiddleware(OwnHosts, hosts=own_hosts(services.settings), public_url=services.settings.public_url)
        ],
        openapi_config=None,
        logging_config=None,
        request_max_body_size=BODY_BYTES_MAX,
        debug=False,
    )
