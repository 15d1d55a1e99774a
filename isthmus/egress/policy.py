"""Which requests may leave: a pure decision. A request is built from a route and checked holes, never from a URL.

Why not a check of verbs or URLs: a GET can write on Salesforce (`FOR VIEW`, revoking by query string), and two parsers
of one URL disagree. Here no URL exists until this module has made it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from enum import StrEnum
from typing import Final, Literal, NewType, TypeAlias
from urllib.parse import quote

from isthmus.egress.hosts import judge_host
from isthmus.values import OrgHost, Purpose

RouteName = NewType("RouteName", str)
Reach: TypeAlias = Purpose | Literal["login"]
"""Which part of the route table a channel may use: a connection's purpose, or the keeper's login requests."""

LOGIN: Final = "login"
HoleValue: TypeAlias = str | int | datetime
TARGET_BYTES_MAX: Final = 16_000
"""Salesforce answers 414 above 16,384 bytes of request target."""
SOQL_LENGTH_MAX: Final = 100_000


class Method(StrEnum):
    """The verbs that occur in the route table."""

    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


class Hole(StrEnum):
    """What may stand in a hole of a route."""

    VERSION = "version"
    API_NAME = "api_name"
    ID = "id"
    IDS = "ids"
    INSTANT = "instant"
    HTTP_DATE = "http_date"
    LOCATOR = "locator"
    QUERY_LOCATOR = "query_locator"
    COUNT = "count"
    SOQL = "soql"


class BodyKind(StrEnum):
    """What a request carries."""

    NONE = "none"
    JSON = "application/json; charset=UTF-8"
    CSV = "text/csv; charset=UTF-8"
    FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Route:
    """One request that may leave. `path` and the values of `query` and `headers` have holes written `{name}`.

    `idempotent`: sending it twice leaves the org as sending it once, so it may be repeated after an interruption.
    `counted`: the org counts it as an API call. `compress`: the body goes out gzipped. `seconds_max`: how long it may
    take; None: what the channel allows for its kind. `carries`: routes whose requests
    it takes along, `carries_queries_max` of them queries; the policy writes its body, nobody else does.
    """

    name: RouteName
    method: Method
    path: str
    reaches: frozenset[Reach]
    holes: Mapping[str, Hole] = field(default_factory=dict[str, Hole])
    query: tuple[tuple[str, str], ...] = ()
    optional_query: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    body: BodyKind = BodyKind.NONE
    accept: str = "application/json"
    compress: bool = False
    idempotent: bool = True
    counted: bool = True
    request_bytes_max: int = 0
    reply_bytes_max: int = 16 * 1024 * 1024
    seconds_max: float | None = None
    carries: frozenset[RouteName] = frozenset()
    carries_max: int = 0
    carries_queries_max: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A wish to send a request: the name of a route and what its holes hold; `parts` go along with one that carries."""

    route: RouteName
    holes: Mapping[str, HoleValue] = field(default_factory=dict[str, HoleValue])
    parts: tuple[Call, ...] = ()


class DenyReason(StrEnum):
    """Why a request was not built."""

    UNKNOWN_ROUTE = "the route is not in the table"
    OUT_OF_REACH = "the connection's purpose does not include the route"
    HOST = "the host is not one of Salesforce's"
    HOLES = "the holes given are not those of the route"
    HOLE_VALUE = "a hole has a value that is not of its kind"
    TOO_LONG = "the request target is too long"
    PARTS = "the requests to be taken along are not those that the route carries"


@dataclass(frozen=True, slots=True)
class Allowed:
    """The request that may be sent, complete but for credentials and (unless the policy wrote it) body."""

    route: Route
    method: Method
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes | None = None


@dataclass(frozen=True, slots=True)
class Denied:
    """The request that was not built, and why."""

    reason: DenyReason


Decision: TypeAlias = Allowed | Denied

_ID = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_IDS = re.compile(r"[A-Za-z0-9]{18}(?:,[A-Za-z0-9]{18}){0,199}")
_API_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,79}")
_VERSION = re.compile(r"[1-9][0-9]\.0")
_LOCATOR = re.compile(r"[A-Za-z0-9_=-]{1,256}")
_QUERY_LOCATOR = re.compile(r"[A-Za-z0-9]{15,36}(?:-[0-9]{1,9})?")
_HOLE = re.compile(r"\{([a-z_]+)\}")
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'")
_WRITING_CLAUSE = re.compile(r"\b(?:FOR|UPDATE|USING)\b", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_COUNT_MAX: Final = 1_000_000


def decide(call: Call, reach: Reach, host: OrgHost, routes: Mapping[RouteName, Route], *, loopback: bool) -> Decision:  # noqa: PLR0911 one return per reason
    """Build the request that `call` wishes for, or say why not. `loopback` admits plain http to loopback addresses."""
    route = routes.get(call.route)
    if route is None:
        return Denied(DenyReason.UNKNOWN_ROUTE)
    if reach not in route.reaches:
        return Denied(DenyReason.OUT_OF_REACH)
    if judge_host(host, loopback=loopback) is not None:
        return Denied(DenyReason.HOST)
    optional = {name for _, template in route.optional_query for name in _HOLE.findall(template)}
    if not set(route.holes) - optional <= set(call.holes) <= set(route.holes):
        return Denied(DenyReason.HOLES)
    rendered = {name: render_hole(route.holes[name], value) for name, value in call.holes.items()}
    filled = {name: text for name, text in rendered.items() if text is not None}
    if len(filled) < len(rendered):
        return Denied(DenyReason.HOLE_VALUE)
    target = _target(route, filled)
    if len(target) > TARGET_BYTES_MAX:
        return Denied(DenyReason.TOO_LONG)
    headers = (("Accept", route.accept), *((name, _filled(template, filled)) for name, template in route.headers))
    body = None
    if route.carries or call.parts:
        body = _carried(call, route, [decide(part, reach, host, routes, loopback=loopback) for part in call.parts])
        if body is None:
            return Denied(DenyReason.PARTS)
    return Allowed(route, route.method, target, headers, body)


def _carried(call: Call, route: Route, parts: list[Decision]) -> bytes | None:
    """Return the body of a request that takes reading ones along, each allowed by itself; None if it may not."""
    if not 0 < len(parts) <= route.carries_max or any(part.route not in route.carries for part in call.parts):
        return None
    entries: list[dict[str, str]] = []
    queries = 0
    for number, part in enumerate(parts):
        if isinstance(part, Denied) or part.method is not Method.GET or part.route.carries:
            return None
        queries += Hole.SOQL in part.route.holes.values()
        entries.append({"method": part.method.value, "url": part.target, "referenceId": f"r{number}"})
    if queries > route.carries_queries_max:
        return None
    return json.dumps({"allOrNone": False, "compositeRequest": entries}).encode()


def render_hole(kind: Hole, value: HoleValue) -> str | None:
    """Return how `value` is written into a hole of this kind, or None if it is not of the kind."""
    if kind in {Hole.INSTANT, Hole.HTTP_DATE}:
        return _instant(kind, value) if isinstance(value, datetime) and value.tzinfo is not None else None
    if kind is Hole.COUNT:
        fits = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _COUNT_MAX
        return str(value) if fits else None
    if not isinstance(value, str):
        return None
    if kind is Hole.SOQL:
        return str(value) if _reads_only(value) else None
    pattern = {
        Hole.ID: _ID,
        Hole.IDS: _IDS,
        Hole.API_NAME: _API_NAME,
        Hole.VERSION: _VERSION,
        Hole.LOCATOR: _LOCATOR,
        Hole.QUERY_LOCATOR: _QUERY_LOCATOR,
    }[kind]
    return str(value) if pattern.fullmatch(value) else None


def _instant(kind: Hole, value: datetime) -> str | None:
    utc = value.astimezone(UTC)
    if kind is Hole.HTTP_DATE:
        return format_datetime(utc, usegmt=True)
    return utc.strftime("%Y-%m-%dT%H:%M:%SZ") if value.year > 999 else None  # noqa: PLR2004 four digits


def _reads_only(soql: str) -> bool:
    """Whether a query is a SELECT without any clause that writes: `FOR VIEW`, `FOR REFERENCE`, `UPDATE VIEWSTAT`."""
    outside_quotes = _QUOTED.sub("''", soql)
    return (
        len(soql) <= SOQL_LENGTH_MAX
        and soql.startswith("SELECT ")
        and _CONTROL.search(soql) is None
        and _QUOTED.sub("", outside_quotes).count("'") == 0
        and _WRITING_CLAUSE.search(outside_quotes) is None
    )


def _target(route: Route, filled: Mapping[str, str]) -> str:
    path = _HOLE.sub(lambda match: quote(filled[match[1]], safe=""), route.path)
    pairs = [
        (key, _filled(template, filled))
        for key, template in (*route.query, *route.optional_query)
        if all(name in filled for name in _HOLE.findall(template))
    ]
    if not pairs:
        return path
    return path + "?" + "&".join(f"{key}={quote(value, safe='')}" for key, value in pairs)


def _filled(template: str, filled: Mapping[str, str]) -> str:
    return _HOLE.sub(lambda match: filled[match[1]], template)
