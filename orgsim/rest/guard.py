"""What every REST handler checks and knows: headers that change meaning, objects that exist, who writes."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from orgsim.errors import ApiError, NotEmulated, not_found
from orgsim.router import Call, Handler, shape
from orgsim.schema.absent import refuse_absent
from orgsim.schema.model import ObjectDef
from orgsim.soql.steps import Steps
from orgsim.store.results import Row, RowError, WriteContext
from orgsim.wire import Response, empty_response

_BATCH_SIZE: Final = re.compile(r"batchSize\s*=\s*(\d+)", re.IGNORECASE)
_REFUSED_HEADERS: Final = ("sforce-query-lob", "sforce-locale")
_REFUSED_PREFIX: Final = "x-sfdc-packageversion"
_TAG_HEADERS: Final = ("if-match", "if-none-match")
_TAGGED_OBJECT: Final = "Account"
_RECORD_STATUS: Final = {
    "INVALID_CROSS_REFERENCE_KEY": 404,
    "ENTITY_IS_DELETED": 404,
    "INSUFFICIENT_ACCESS_OR_READONLY": 403,
}


def check_headers(call: Call) -> None:
    """Refuse headers whose meaning is not emulated."""
    headers = call.request.headers
    for name in _REFUSED_HEADERS:
        if name in headers:
            what = f"the header {name}"
            raise NotEmulated(what)
    _check_tags(call)
    if any(name.startswith(_REFUSED_PREFIX) for name in headers):
        what = "package versions (x-sfdc-packageversion-...)"
        raise NotEmulated(what)
    if "defaultnamespace=" in headers.get("sforce-call-options", "").lower().replace(" ", ""):
        what = "a default namespace in Sforce-Call-Options"
        raise NotEmulated(what)
    duplicate = headers.get("sforce-duplicate-rule-header", "").lower()
    if "includerecorddetails=true" in duplicate.replace(" ", ""):
        what = "includeRecordDetails in Sforce-Duplicate-Rule-Header"
        raise NotEmulated(what)
    assign = headers.get("sforce-auto-assign", "").upper()
    if assign not in {"", "TRUE", "FALSE"}:
        what = "an assignment rule id in Sforce-Auto-Assign"
        raise NotEmulated(what)
    if "updatemru=true" in headers.get("sforce-mru", "").lower().replace(" ", ""):
        what = "Sforce-Mru: updateMru=true"
        raise NotEmulated(what)
    kind = headers.get("content-type", "")
    if call.request.body and kind.startswith(("multipart/", "application/xml", "text/xml")):
        what = f"request bodies of type {kind.partition(';')[0]}"
        raise NotEmulated(what)
    if call.request.body and kind and not kind.lower().startswith("application/json"):
        raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", f"Unsupported Media Type: {kind.partition(';')[0].strip()}")
    if headers.get("accept", "").startswith(("application/xml", "text/xml")):
        what = "XML answers"
        raise NotEmulated(what)


def _check_tags(call: Call) -> None:
    """Entity tags exist for rows of Account; elsewhere a condition that nobody checks would be a silent guess."""
    given = [name for name in _TAG_HEADERS if name in call.request.headers]
    tagged = call.params.get("object", "").lower() == _TAGGED_OBJECT.lower() and "id" in call.params
    if given and not tagged:
        what = f"the header {given[0]} on anything but a row of {_TAGGED_OBJECT}"
        raise NotEmulated(what)


def guarded(handler: Handler) -> Handler:
    """Return the handler behind a check of the headers that change meaning."""

    def checked(call: Call) -> Response | Steps[Response]:
        check_headers(call)
        return handler(call)

    return checked


def missing(call: Call) -> Response:
    """Answer a resource that the real service has below an object or row: loudly that it is not here."""
    what = f"the resource {call.request.method} {shape(call.request.segments)}"
    raise NotEmulated(what)


def entity_tag(call: Call, definition: ObjectDef, row: Row) -> str | None:
    """Return the ETag of a row of Account; None for other objects."""
    if definition.name != _TAGGED_OBJECT:
        return None
    digest = hashlib.sha256(f"{row['Id']} {row.get('SystemModstamp')} {row.get('LastModifiedDate')}".encode()).digest()
    zipped = "--gzip" if "gzip" in (call.request.header("accept-encoding") or "") else ""
    return f'"{base64.b64encode(digest[:15]).decode()}{zipped}"'


def tag_condition(call: Call, tag: str | None) -> Response | None:
    """Return 304 or raise 412 where If-Match or If-None-Match says so; None to go on."""
    if tag is None:
        return None
    wanted, unwanted = (_tags(call.request.header(name)) for name in _TAG_HEADERS)
    bare = _bare(tag)
    if wanted and "*" not in wanted and bare not in wanted:
        raise ApiError(412, "PRECONDITION_FAILED", "One or more conditions given in the request failed.")
    if unwanted and ("*" in unwanted or bare in unwanted):
        if call.request.method in {"GET", "HEAD"}:
            return empty_response(304, (("ETag", tag),))
        raise ApiError(412, "PRECONDITION_FAILED", "One or more conditions given in the request failed.")
    return None


def _tags(text: str | None) -> set[str]:
    return {_bare(part) for part in (text or "").split(",") if part.strip()}


def _bare(tag: str) -> str:
    """Return a tag without quotes and compression mark: the same row, however it is packed."""
    return tag.strip().strip('"').removesuffix("--gzip")


def find_object(call: Call, name: str | None = None) -> ObjectDef:
    """Return the object of the path; ApiError 404 if it does not exist for the caller."""
    name = name if name is not None else call.params["object"]
    definition = call.org.visible_object(name, call.user_id)
    if definition is None:
        refuse_absent(name)
        raise not_found()
    return definition


def writer(call: Call) -> WriteContext:
    """Return who writes, for the write engine."""
    return WriteContext(call.user_id, "rest", call.request.headers)


def page_rows(call: Call) -> int:
    """Return the page size that Sforce-Query-Options asks for, within the limits."""
    settings = call.org.settings
    found = _BATCH_SIZE.search(call.request.header("sforce-query-options") or "")
    if not found:
        return settings.query_page_rows
    return min(max(int(found[1]), settings.query_page_rows_min), settings.query_page_rows_max)


def record_refusal(error: RowError, *others: RowError) -> ApiError:
    """Return the refusal of a single-record call; the first error gives the status."""
    refusal = _record_refusal(error)
    refusal.others = tuple(map(_record_refusal, others))
    return refusal


def _record_refusal(error: RowError) -> ApiError:
    if error.code == "INVALID_CROSS_REFERENCE_KEY" and not error.fields:
        return not_found("The requested resource does not exist")
    status = _RECORD_STATUS.get(error.code, 400)
    if error.code == "INVALID_CROSS_REFERENCE_KEY" or (error.code == "ENTITY_IS_DELETED" and error.fields):
        status = 400
    return ApiError(status, error.code, error.message, error.fields)


def not_modified(call: Call, changed_at: datetime) -> Response | None:
    """Return 304 or raise 412 where a conditional header says so; None to go on."""
    stamp = changed_at.replace(microsecond=0)
    since = _http_date(call.request.header("if-modified-since"))
    if since is not None and stamp <= since:
        return empty_response(304, (("Last-Modified", http_date(stamp)),))
    before = _http_date(call.request.header("if-unmodified-since"))
    if before is not None and stamp > before:
        raise ApiError(412, "PRECONDITION_FAILED", "One or more conditions given in the request failed.")
    return None


def _http_date(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def http_date(moment: datetime) -> str:
    """Return a moment as HTTP writes it, whatever the locale."""
    moment = moment.astimezone(UTC)
    day = f"{_DAYS[moment.weekday()]}, {moment.day:02d} {_MONTHS[moment.month - 1]} {moment.year}"
    return f"{day} {moment.hour:02d}:{moment.minute:02d}:{moment.second:02d} GMT"


def flag(text: object) -> bool:
    """Return a boolean given as JSON or as text."""
    return text is True or (isinstance(text, str) and text.strip().lower() == "true")
