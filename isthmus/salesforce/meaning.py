"""What a reply that is no success means: one error of ours, made of its status and its code and of nothing else."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

import msgspec

from isthmus.egress.errors import Interrupted, ReplyTooLarge
from isthmus.egress.policy import RouteName
from isthmus.egress.transport import StreamReply
from isthmus.salesforce import routes
from isthmus.salesforce.errors import (
    UNREADABLE_JSON,
    Expired,
    Limited,
    Refused,
    SalesforceError,
    Transient,
    Unexpected,
)
from isthmus.salesforce.status_code import StatusCode

ERROR_BODY_BYTES_MAX: Final = 64 * 1024

# sync.md, hard case 36: what passes by itself. 420 "Setting things up", 406 and 5xx come from the edge, not the org.
_PASSING_STATUS: Final = frozenset({406, 408, 420, 425, 429, 500, 502, 503, 504})
_PASSING_CODES: Final = frozenset(
    map(
        StatusCode.parse,
        "SERVER_UNAVAILABLE UNABLE_TO_LOCK_ROW REQUEST_RUNNING_TOO_LONG FUNCTIONALITY_TEMPORARILY_UNAVAILABLE "
        "ORG_IN_MAINTENANCE INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE TIMEOUT".split(),
    )
)
_LIMIT_CODES: Final = frozenset(
    map(StatusCode.parse, ("REQUEST_LIMIT_EXCEEDED", "EXCEEDED_QUOTA", "EXCEEDEDQUOTA", "LIMIT_EXCEEDED"))
)


class _ErrorEntry(msgspec.Struct, frozen=True):
    error_code: str = msgspec.field(default="", name="errorCode")


async def meaning(route: RouteName, reply: StreamReply) -> SalesforceError:
    """Return the error that a reply's status and code stand for. Of its body nothing but the code is kept."""
    code = await _error_code(reply)
    status = reply.status
    # The identity service says 403 `Bad_OAuth_Token` of a token that every other route refuses with 401.
    if status == HTTPStatus.UNAUTHORIZED or (route == routes.USERINFO and status == HTTPStatus.FORBIDDEN):
        return Expired(route, code, status)
    if code in _LIMIT_CODES:
        return Limited(route, code, status)
    if code in _PASSING_CODES or status in _PASSING_STATUS:
        return Transient(route, code, status)
    if code == StatusCode.OTHER and status < HTTPStatus.BAD_REQUEST:
        # A redirect or another status that no route of ours has: not the org's word.
        return Unexpected(route, code, status)
    return Refused(route, code, status)


async def _error_code(reply: StreamReply) -> StatusCode:
    body = bytearray()
    try:
        async for chunk in reply.chunks():
            body += chunk
            if len(body) > ERROR_BODY_BYTES_MAX:
                return StatusCode.OTHER
        entries = msgspec.json.decode(body, type=list[_ErrorEntry])
    except (Interrupted, ReplyTooLarge, *UNREADABLE_JSON):
        return StatusCode.OTHER
    return StatusCode.parse(entries[0].error_code) if entries else StatusCode.OTHER
