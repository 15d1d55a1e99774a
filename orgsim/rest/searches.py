"""Searches over REST: SOSL, and the same by parameters."""

from __future__ import annotations

from typing import Final, cast

import msgspec

from orgsim.errors import ApiError, NotEmulated, not_found
from orgsim.router import Call
from orgsim.sosl.parser import GROUPS, Find, Group, parse_find, parse_returned
from orgsim.sosl.search import run_search
from orgsim.sosl.terms import malformed_search
from orgsim.wire import Response, json_response

PARAMETERIZED_SINCE: Final = 36
WRAPPED_SINCE: Final = 37
_NEEDED: Final = "No search term found. The search term must be enclosed in braces."
_GLOBAL: Final = frozenset({"q", "in", "sobject", "fields", "defaultlimit", "overalllimit", "spellcorrection"})
_PER_OBJECT: Final = frozenset({"fields", "where", "orderby", "limit"})


class _Object(msgspec.Struct):
    name: str
    fields: list[str] = []
    where: str | None = None
    orderBy: str | None = None  # noqa: N815  # the name on the wire
    limit: int | None = None


class _Wanted(msgspec.Struct):
    """A search by parameters, as the body of a POST states it."""

    q: str
    fields: list[str] = []
    sobjects: list[_Object] = []
    scope: str = msgspec.field(default="ALL", name="in")
    defaultLimit: int | None = None  # noqa: N815  # the name on the wire
    overallLimit: int | None = None  # noqa: N815  # the name on the wire
    spellCorrection: bool = True  # noqa: N815  # the name on the wire; nothing is corrected here


_KNOWN: Final = frozenset(field.encode_name for field in msgspec.structs.fields(_Wanted))
_KNOWN_OF_OBJECT: Final = frozenset(_Object.__struct_fields__)


def search(call: Call) -> Response:
    """Answer GET /search?q=."""
    text = call.request.param("q")
    if not text:
        raise malformed_search(message=_NEEDED)
    return _answer(call, parse_find(text))


def by_parameters(call: Call) -> Response:
    """Answer GET /parameterizedSearch."""
    raw: dict[str, object] = {}
    objects: dict[str, dict[str, object]] = {}
    for name, value in call.request.query:
        key = name.lower()
        if key == "sobject":
            for part in value.split(","):
                objects.setdefault(part.strip().lower(), {"name": part.strip()})
        elif "." in key:
            continue
        elif key not in _GLOBAL:
            _refuse(name)
        else:
            raw[next(known for known in _KNOWN if known.lower() == key)] = _typed(key, value)
    for name, value in call.request.query:
        owner, dot, what = name.lower().partition(".")
        if dot:
            if what not in _PER_OBJECT or owner not in objects:
                _refuse(name)
            objects[owner]["orderBy" if what == "orderby" else what] = _typed(what, value)
    return _by_wanted(call, {**raw, "sobjects": list(objects.values())})


def by_body(call: Call) -> Response:
    """Answer POST /parameterizedSearch."""
    return _by_wanted(call, call.request.json_object())


def _typed(key: str, value: str) -> object:
    return [part.strip() for part in value.split(",")] if key == "fields" else value


def _refuse(name: str) -> None:
    what = f"the search parameter {name}"
    raise NotEmulated(what)


def _by_wanted(call: Call, raw: dict[str, object]) -> Response:
    if call.version_number < PARAMETERIZED_SINCE:
        raise not_found()
    for name in raw:
        if name not in _KNOWN:
            _refuse(name)
    objects = raw.get("sobjects")
    for entry in cast("list[object]", objects) if isinstance(objects, list) else []:
        for name in cast("dict[str, object]", entry) if isinstance(entry, dict) else ():
            if name not in _KNOWN_OF_OBJECT:
                _refuse(f"sobjects.{name}")
    try:
        wanted = msgspec.convert(raw, _Wanted, strict=False)
    except msgspec.ValidationError:
        raise ApiError(400, "JSON_PARSER_ERROR", "The search parameters cannot be read") from None
    if not wanted.q:
        raise malformed_search(message=_NEEDED)
    group = wanted.scope.upper()
    if group not in GROUPS:
        raise malformed_search(message=f"unexpected token: {wanted.scope}")
    returning = tuple(parse_returned(_spec(entry, wanted), entry.name) for entry in wanted.sobjects)
    return _answer(call, Find(wanted.q, cast("Group", group), returning, wanted.overallLimit))


def _spec(entry: _Object, wanted: _Wanted) -> str:
    limit = wanted.defaultLimit if entry.limit is None else entry.limit
    parts = [", ".join(entry.fields or wanted.fields or ["Id"])]
    parts += [f"WHERE {entry.where}"] if entry.where else []
    parts += [f"ORDER BY {entry.orderBy}"] if entry.orderBy else []
    parts += [] if limit is None else [f"LIMIT {limit}"]
    return " ".join(parts)


def _answer(call: Call, find: Find) -> Response:
    records = run_search(call.org, find, user_id=call.user_id, version=call.version_number)
    return json_response({"searchRecords": records} if call.version_number >= WRAPPED_SINCE else records)
