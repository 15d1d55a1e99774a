"""Several calls in one: composite, batch and graph."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final, cast
from urllib.parse import quote

import msgspec

from orgsim.errors import ApiError, NotEmulated
from orgsim.rest.references import REFERENCE, REFERENCE_ID, NoSuchReference, fill
from orgsim.router import Call
from orgsim.wire import Request, Response, json_response

_FORBIDDEN_HEADERS: Final = frozenset({"accept", "authorization", "content-type"})
_VERSIONED: Final = re.compile(r"/services/data/v\d+\.\d+/", re.IGNORECASE)
_LIMITED: Final = re.compile(r"/services/data/v\d+\.\d+/(?:composite/sobjects|query|queryAll)\b", re.IGNORECASE)
_STRICT_REFERENCES_SINCE: Final = 52
_HALTED: Final = "The transaction was rolled back since another operation in the same transaction failed."
_FIRST_ERROR: Final = 400
Entry = dict[str, object]


def _entries(body: Mapping[str, object], key: str) -> list[Entry]:
    raw = body.get(key)
    if not isinstance(raw, list):
        raise ApiError(400, "REQUIRED_FIELD_MISSING", f"{key} is required")
    entries = cast("list[object]", raw)
    if not entries or not all(isinstance(entry, dict) for entry in entries):
        raise ApiError(400, "INVALID_INPUT", f"{key} must be a list of objects")
    return cast("list[Entry]", entries)


def composite(call: Call) -> Response:
    """Answer POST /composite."""
    body = call.request.json_object()
    entries = _entries(body, "compositeRequest")
    if len(entries) > call.org.settings.composite_calls_max:
        raise ApiError(400, "LIMIT_EXCEEDED", "Composite request cannot have more than 25 subrequests")
    limited = sum(1 for entry in entries if _LIMITED.match(str(entry.get("url"))))
    if limited > call.org.settings.composite_queries_max:
        message = "Composite request cannot have more than 5 query or collection subrequests"
        raise ApiError(400, "LIMIT_EXCEEDED", message)
    answers, _ = _run(call, entries, all_or_none=body.get("allOrNone") is True)
    return json_response({"compositeResponse": answers})


def _run(call: Call, entries: list[Entry], *, all_or_none: bool) -> tuple[list[Entry], bool]:
    """Run the sub-calls in order; returns their answers and whether all succeeded."""
    _check_entries(call, entries)
    answers: list[Entry] = []
    values: dict[str, object] = {}
    with call.org.savepoint() as roll_back:
        failed_at: int | None = None
        for place, entry in enumerate(entries):
            answer = _one(call, entry, values, all_or_none=all_or_none)
            answers.append(answer)
            if not _succeeded(answer):
                failed_at = place
                if all_or_none:
                    break
        if all_or_none and failed_at is not None:
            roll_back()
            answers = [
                answers[place]
                if place == failed_at
                else _answer(entry, 400, _refusal("PROCESSING_HALTED", _HALTED), {})
                for place, entry in enumerate(entries)
            ]
    return answers, failed_at is None


def _succeeded(answer: Entry) -> bool:
    if cast("int", answer["httpStatusCode"]) >= _FIRST_ERROR:
        return False
    body = answer["body"]
    if isinstance(body, list):
        return not any(
            isinstance(row, dict) and cast("Entry", row).get("success") is False for row in cast("list[object]", body)
        )
    return True


def _check_entries(call: Call, entries: list[Entry]) -> None:
    seen: set[str] = set()
    for entry in entries:
        reference = str(entry.get("referenceId") or "")
        if not reference or (call.version_number >= _STRICT_REFERENCES_SINCE and not REFERENCE_ID.match(reference)):
            message = (
                f"Provided referenceId ('{reference}') must start with a letter or a number, and it can contain only"
                " letters, numbers and underscores ('_')."
            )
            raise ApiError(400, "INVALID_INPUT", message)
        if reference in seen:
            raise ApiError(400, "INVALID_INPUT", f"Duplicate ReferenceId provided: {reference}")
        seen.add(reference)
        headers = entry.get("httpHeaders")
        if isinstance(headers, dict) and _FORBIDDEN_HEADERS & {str(key).lower() for key in cast("Entry", headers)}:
            message = "Accept, Authorization and Content-Type are not allowed in subrequests"
            raise ApiError(400, "INVALID_INPUT", message)
        if not _VERSIONED.match(str(entry.get("url"))):
            raise ApiError(400, "INVALID_INPUT", "The url of a subrequest must start with /services/data/vXX.X/")


def _one(call: Call, entry: Entry, values: dict[str, object], *, all_or_none: bool) -> Entry:
    lenient = call.version_number >= _STRICT_REFERENCES_SINCE
    try:
        filled = fill(entry.get("body"), values, null_allowed=lenient)
        url = _filled_url(str(entry["url"]), values, lenient=lenient)
    except NoSuchReference as missing:
        return _answer(entry, 400, _refusal("PROCESSING_HALTED", missing.message), {})
    request = sub_request(str(entry.get("method", "GET")), url, filled, _headers(call, entry, all_or_none=all_or_none))
    response = call.dispatch(request)
    payload = payload_of(response)
    headers: dict[str, object] = {
        name: value for name, value in response.headers if name in {"Location", "ETag", "Last-Modified"}
    }
    values[str(entry["referenceId"])] = payload
    return _answer(entry, response.status, payload, headers)


def _headers(call: Call, entry: Entry, *, all_or_none: bool) -> dict[str, str]:
    kept = {key: value for key, value in call.request.headers.items() if key.startswith("sforce-")}
    own = entry.get("httpHeaders")
    if isinstance(own, dict):
        kept |= {str(key).lower(): str(value) for key, value in cast("Entry", own).items()}
    if all_or_none:
        kept["x-orgsim-all-or-none"] = "true"
    return kept


def _filled_url(url: str, values: Mapping[str, object], *, lenient: bool) -> str:
    def replacement(match: re.Match[str]) -> str:
        value = fill(match[0], values, null_allowed=lenient)
        return quote("" if value is None else str(value), safe="")

    return REFERENCE.sub(replacement, url)


def _refusal(code: str, message: str) -> list[Entry]:
    return [{"errorCode": code, "message": message}]


def _answer(entry: Entry, status: int, body: object, headers: Mapping[str, object]) -> Entry:
    return {
        "body": body,
        "httpHeaders": dict(headers),
        "httpStatusCode": status,
        "referenceId": entry.get("referenceId"),
    }


def sub_request(method: str, url: str, body: object, headers: Mapping[str, str]) -> Request:
    """Return the request of a sub-call."""
    encoded = None if body is None else json.dumps(body).encode()
    return Request.build(method.upper(), url.replace(" ", "%20"), headers=headers, body=encoded)


def payload_of(response: Response) -> object:
    """Return the JSON value of an answer; None for empty ones."""
    if isinstance(response.payload, type):
        what = "answers without JSON inside composite calls"
        raise NotEmulated(what)
    if isinstance(response.body, bytes) and response.body and _has_raw(response.payload):
        return msgspec.json.decode(response.body)
    return response.payload


def _has_raw(payload: object) -> bool:
    """Say whether records were written out already, which references cannot look into."""
    return isinstance(payload, dict) and isinstance(cast("Entry", payload).get("records"), msgspec.Raw)


def batch(call: Call) -> Response:
    """Answer POST /composite/batch: independent sub-calls, each counted as a call."""
    body = call.request.json_object()
    entries = _entries(body, "batchRequests")
    if len(entries) > call.org.settings.composite_calls_max:
        raise ApiError(400, "LIMIT_EXCEEDED", "Batch request cannot have more than 25 subrequests")
    results: list[Entry] = []
    halted = False
    failed = False
    for entry in entries:
        if halted:
            refusal = _refusal("BATCH_PROCESSING_HALTED", "Batch processing halted per request")
            results.append({"statusCode": 412, "result": refusal})
            continue
        url = str(entry.get("url", "")).lstrip("/")
        target = f"/{url}" if url.lower().startswith("services/data/") else f"/services/data/{url}"
        request = sub_request(str(entry.get("method", "GET")), target, entry.get("richInput"), {})
        response = call.dispatch(request, counted=True)
        bad = response.status >= _FIRST_ERROR
        failed = failed or bad
        halted = bad and body.get("haltOnError") is True
        results.append({"statusCode": response.status, "result": payload_of(response)})
    return json_response({"hasErrors": failed, "results": results})


def graph(call: Call) -> Response:
    """Answer POST /composite/graph: every graph is all or nothing."""
    settings = call.org.settings
    graphs = _entries(call.request.json_object(), "graphs")
    sizes = [len(_entries(entry, "compositeRequest")) for entry in graphs]
    if len(graphs) > settings.composite_graphs_max or sum(sizes) > settings.composite_graph_nodes_max:
        raise ApiError(400, "LIMIT_EXCEEDED", "Composite graph limits exceeded")
    ids = [entry.get("graphId") for entry in graphs]
    if len(set(map(str, ids))) < len(ids) or not all(ids):
        raise ApiError(400, "INVALID_INPUT", "Every graph needs a graphId of its own")
    answers: list[Entry] = []
    for entry in graphs:
        inner, good = _run(call, _entries(entry, "compositeRequest"), all_or_none=True)
        answers.append(
            {
                "graphId": entry["graphId"],
                "graphResponse": {"compositeResponse": inner},
                "isSuccessful": good,
            }
        )
    return json_response({"graphs": answers})
