"""What a handler may ask for by name: the world, the renderer, and who is asking. Litestar passes them in."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias
from uuid import UUID

from litestar import Request
from litestar.params import Dependency

from isthmus.portal.problems import Problem, WayOut, missing
from isthmus.portal.rendering import Pages
from isthmus.portal.services import PortalServices
from isthmus.portal.visitors import Actor, ApiActor, Doorman, Visitor

WebRequest: TypeAlias = Request[Any, Any, Any]
World: TypeAlias = Annotated[PortalServices, Dependency(skip_validation=True)]
Renderer: TypeAlias = Annotated[Pages, Dependency(skip_validation=True)]
Door: TypeAlias = Annotated[Doorman, Dependency(skip_validation=True)]
SignedIn: TypeAlias = Annotated[Visitor, Dependency(skip_validation=True)]
Acting: TypeAlias = Annotated[Actor, Dependency(skip_validation=True)]
ApiActing: TypeAlias = Annotated[ApiActor, Dependency(skip_validation=True)]


def id_of(unverified_text: str, what: str, way_out: WayOut) -> UUID:
    """Return the id in an address or a form, or raise the `Problem` of a thing that does not exist."""
    try:
        return UUID(unverified_text)
    except ValueError:
        missing(what, way_out)


def query(request: WebRequest) -> dict[str, str]:
    """Return the query parameters of a page; of a repeated one the last."""
    return dict(request.query_params.items())


__all__ = [
    "Acting",
    "ApiActing",
    "Door",
    "Problem",
    "Renderer",
    "SignedIn",
    "WayOut",
    "WebRequest",
    "World",
    "id_of",
    "missing",
    "query",
]
