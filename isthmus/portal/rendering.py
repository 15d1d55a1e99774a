"""Turns templates into pages. Every value is escaped; a name that a template misses is an error, not a blank."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import jinja2
from litestar import Request, Response
from litestar.datastructures import Cookie

from isthmus.portal import formats, notices
from isthmus.portal.headers import page_nonce
from isthmus.portal.statics import Assets
from isthmus.portal.visitors import Visitor

FOLDER: Final = Path(__file__).parent / "templates"


class Pages:
    """Renders the portal's templates."""

    def __init__(self, assets: Assets, random_bytes: Callable[[int], bytes]) -> None:
        self._random_bytes = random_bytes
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(FOLDER),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        names = cast("dict[str, object]", self._templates.globals)  # its stub knows only the built-in names
        names["asset"] = assets.url
        for name, filter_ in formats.FILTERS.items():
            self._templates.filters[name] = filter_

    def page(
        self,
        request: Request[Any, Any, Any],
        template: str,
        visitor: Visitor | None = None,
        *,
        status: int = 200,
        cookies: list[Cookie] | None = None,
        **values: object,
    ) -> Response[str]:
        """Return a whole page. `visitor` None renders it without navigation, for those who are not signed in."""
        text = self.fragment(
            template,
            nonce=page_nonce(request.scope, self._random_bytes),
            visitor=visitor,
            csrf=visitor.csrf if visitor else "",
            path=request.url.path,
            notice=notices.NOTICES.get(request.query_params.get("done", "")),
            **values,
        )
        return Response(text, status_code=status, media_type="text/html; charset=utf-8", cookies=cookies)

    def fragment(self, template: str, **values: object) -> str:
        """Return a part of a page as text."""
        return self._templates.get_template(template).render(**values)
