"""JSON in and out for the control port, and how its refusals look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler

from orgsim.faults import FaultRuleRefused
from orgsim.store.results import BadValue
from orgsim.wire import ApiError, NotEmulated

Wanted = TypeVar("Wanted")


@web.middleware
async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse web pages, and turn refusals into answers."""
    if "Origin" in request.headers:
        return json_answer({"error": "the control port does not talk to web pages"}, 403)
    try:
        return await handler(request)
    except FaultRuleRefused as refused:
        return json_answer({"error": refused.why}, 400)
    except NotEmulated as unknown:
        return json_answer({"error": unknown.what}, 501)
    except BadValue as refused:
        return json_answer({"error": f"{refused.error.code}: {refused.error.message}"}, 400)
    except ApiError as refused:
        return json_answer({"error": f"{refused.code}: {refused.message}"}, refused.status)


def json_answer(value: object, status: int = 200) -> web.Response:
    """Return an answer with this JSON value."""
    return web.Response(body=msgspec.json.encode(value), status=status, content_type="application/json")


def decoded(body: bytes, kind: type[Wanted]) -> Wanted:
    """Return the body as a value of this type; ApiError if it is none."""
    try:
        return msgspec.json.decode(body or b"{}", type=kind)
    except msgspec.DecodeError as broken:
        raise ApiError(400, "INVALID_OPERATION", str(broken)) from None


def converted(value: Mapping[str, object], kind: type[Wanted]) -> Wanted:
    """Return the mapping as a value of this type; ApiError if it is none."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as broken:
        raise ApiError(400, "INVALID_OPERATION", str(broken)) from None
