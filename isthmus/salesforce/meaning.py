"""What a reply that is no success means: one error of ours, made of its status and its code and of nothing else."""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import Final, cast

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


_PASSING_REDIRECTS: Final = frozenset({302, 303, 307})
"""Not for good: a maintenance page is shown like this. None is followed."""
RETRY_AFTER_S_MAX: Final = 60.0
"""An org that wants to be left alone for longer is asked again all the same, and then by the next run."""
_SECONDS: Final = re.compile(r"[0-9]{1,9}")
_CODE_KEYS: Final = ("errorCode", "exceptionCode", "statusCode", "error")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_XML_CODE: Final = re.compile(
    rb"<(?:[A-Za-z]\w*:)?(?:errorCode|exceptionCode|faultcode)(?:\s[^<>]*)?>\s*(?:\w+:)?([A-Za-z_]{3,64})\s*</"
)
_WORD_BORDER: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


async def meaning(route: RouteName, reply: StreamReply) -> SalesforceError:
    """Return the error that a reply's status and code stand for. Of its body nothing but the code is kept."""
    code = await _error_code(reply)
    status = reply.status
    # The identity service says 403 `Bad_OAuth_Token` of a token that every other route refuses with 401.
    forbidden_token = route == routes.USERINFO and status == HTTPStatus.FORBIDDEN
    # Bulk jobs may say it with 400.
    if status == HTTPStatus.UNAUTHORIZED or code == StatusCode.INVALID_SESSION_ID or forbidden_token:
        return Expired(route, code, status)
    if code in _LIMIT_CODES:
        return Limited(route, code, status)
    if code in _PASSING_CODES or status in _PASSING_STATUS or status in _PASSING_REDIRECTS:
        return Transient(route, code, status, wait_s=_retry_after_s(reply.headers.get("retry-after", "")))
    if code == StatusCode.OTHER and status < HTTPStatus.BAD_REQUEST:
        # A redirect for good or another status that no route of ours has: not the org's word.
        return Unexpected(route, code, status)
    return Refused(route, code, status)


def _retry_after_s(text: str) -> float:
    """Return the seconds of a `Retry-After`, bounded; 0 for a date, which would need a clock that both share."""
    return min(float(text), RETRY_AFTER_S_MAX) if _SECONDS.fullmatch(text) else 0.0


async def _error_code(reply: StreamReply) -> StatusCode:
    body = bytearray()
    try:
        async for chunk in reply.chunks():
            body += chunk
            if len(body) > ERROR_BODY_BYTES_MAX:
                return StatusCode.OTHER
    except (Interrupted, ReplyTooLarge):
        return StatusCode.OTHER
    return code_in(bytes(body))


def code_in(unverified_body: bytes) -> StatusCode:
    """Return the code of an error body, OTHER if it has none.

    REST answers a JSON array of errors; one error alone, XML, and the spelling of the older Bulk API (`InvalidJob`) are
    seen too, behind a byte order mark or not. Pages and plain text have no code.
    """
    body = unverified_body.removeprefix(_BYTE_ORDER_MARK)
    try:
        found: object = msgspec.json.decode(body)
    except UNREADABLE_JSON:
        match = _XML_CODE.search(body)
        return _parsed(match[1].decode("ascii")) if match else StatusCode.OTHER
    entry: object = next(iter(cast("list[object]", found)), None) if isinstance(found, list) else found
    if not isinstance(entry, dict):
        return StatusCode.OTHER
    texts = (cast("dict[str, object]", entry).get(key) for key in _CODE_KEYS)
    return next((_parsed(text) for text in texts if isinstance(text, str)), StatusCode.OTHER)


def _parsed(text: str) -> StatusCode:
    """Return the code, in whatever spelling: `INVALID_SESSION_ID`, `InvalidSessionId`, `INVALIDJOB`, `InvalidJob`."""
    spellings = (text, text.upper(), _WORD_BORDER.sub("_", text).upper())
    return next((code for code in map(StatusCode.parse, spellings) if code != StatusCode.OTHER), StatusCode.OTHER)
