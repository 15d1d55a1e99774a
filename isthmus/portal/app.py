"""Builds the portal: routes, security headers, error pages, templates."""

from __future__ import annotations

from litestar import Litestar

from isthmus.portal.services import PortalServices


def create_app(services: PortalServices) -> Litestar:
    """Return the web application over `services`. Makes nothing itself and reads no environment."""
    raise NotImplementedError
