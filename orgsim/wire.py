"""One call and one answer, independent of the HTTP server underneath, so that composite calls can reuse them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, cast
from urllib.parse import parse_qsl, unquote

import msgspec

from orgsim.errors import ApiError as ApiError  # noqa: PLC0414  # re-exported: handlers need one import
from orgsim.errors import NotEmulated as NotEmulated  # noqa: PLC0414  # re-exported like ApiError

JSON_TYPE: Final = "application/json;charset=UTF-8"


@dataclass(frozen=True, slots=True)
class Session:
    """Who calls: the user behind an access token and the app that the token was given to."""

    user_id: str
    client_id: str = ""
    app_name: str = ""
    token: str = ""
    scopes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Request:
    """A call. `path` is raw (still percent-encoded, no query); `segments` are its decoded, non-empty parts.

    `headers` have lower-case names. `session` is None where no valid token came along. `version` is "62.0" for paths
    below `/services/data/v62.0` (set by the router). `body` is the whole body, already decompressed.
    `uri_bytes` is the length of path and query.
    """

    method: str
    path: str
    segments: tuple[str, ...]
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes | None = None
    session: Session | None = None
    version: str | None = None
    uri_bytes: int = 0

    @classmethod
    def build(
        cls,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        session: Session | None = None,
    ) -> Request:
        """Make a request from a raw target such as `/services/data/v62.0/query?q=...`."""
        path, _, query = target.partition("?")
        return cls(
            method=method,
            path=path,
            segments=tuple(unquote(part) for part in path.split("/") if part),
            query=tuple(parse_qsl(query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in (headers or {}).items()},
            body=body,
            session=session,
            uri_bytes=len(target),
        )

    def param(self, name: str) -> str | None:
        """Return the first value of a query parameter, or None."""
        return next((value for key, value in self.query if key == name), None)

    def header(self, name: str) -> str | None:
        """Return a header by its lower-case name, or None."""
        return self.headers.get(name)

    def json(self) -> object:
        """Return the decoded JSON body; ApiError JSON_PARSER_ERROR if there is none or it is malformed."""
        try:
            return json.loads(self.body or b"")
        except (ValueError, RecursionError):
            raise ApiError(400, "JSON_PARSER_ERROR", _json_complaint(self.body or b"")) from None

    def json_object(self) -> dict[str, object]:
        """Return the decoded JSON body, which must be an object."""
        value = self.json()
        if not isinstance(value, dict):
            raise ApiError(400, "JSON_PARSER_ERROR", "The HTTP entity body is required to be a JSON object.")
        return {str(key): entry for key, entry in value.items()}  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # JSON from outside

    def with_version(self, version: str) -> Request:
        """Return the same call with the API version filled in."""
        return replace(self, version=version)


_CUT_SHORT: Final = "Unexpected end-of-input"


def _json_complaint(body: bytes) -> str:
    if not body.strip():
        return "The HTTP entity body is required, but this request has no entity body."
    try:
        json.loads(body)
    except json.JSONDecodeError as broken:
        place = f"at [line:{broken.lineno}, column:{broken.colno}]"
        letter = broken.doc[broken.pos : broken.pos + 1]
        return f"Unexpected character ('{letter}' (code {ord(letter)})) {place}" if letter else f"{_CUT_SHORT} {place}"
    except (ValueError, RecursionError):
        pass
    return "Unexpected character at [line:1, column:1]"


Body = bytes | Iterable[bytes] | AsyncIterator[bytes]


class NoPayload:
    """Marks answers whose body is not JSON made by us."""


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. `payload` is the JSON value behind `body` where there is one (composite calls embed it)."""

    status: int
    body: Body = b""
    headers: tuple[tuple[str, str], ...] = ()
    payload: object = NoPayload

    def header(self, name: str) -> str | None:
        """Return the first header of this name in any capitalisation, or None."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def with_headers(self, extra: Sequence[tuple[str, str]]) -> Response:
        """Return the same answer with more headers."""
        return replace(self, headers=(*self.headers, *extra))

    def pretty(self) -> Response:
        """Return the answer indented the way `X-PrettyPrint: 1` asks for; others than JSON unchanged."""
        if self.payload is NoPayload or not isinstance(self.body, bytes) or not self.body:
            return self
        return replace(self, body=_spread(json.loads(self.body), "").encode())


def _spread(value: object, indent: str) -> str:
    """Return JSON with one member a line; the entries of an array follow each other on theirs."""
    deeper = indent + "  "
    match value:
        case dict() if value:
            members = cast("dict[str, object]", value).items()
            lines = [f"{json.dumps(name, ensure_ascii=False)} : {_spread(entry, deeper)}" for name, entry in members]
            return "{\n" + deeper + f",\n{deeper}".join(lines) + f"\n{indent}}}"
        case dict():
            return "{ }"
        case list():
            entries = ", ".join(_spread(entry, indent) for entry in cast("list[object]", value))
            return f"[ {entries} ]" if entries else "[ ]"
        case _:
            return json.dumps(value, ensure_ascii=False)


def json_response(value: object, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> Response:
    """Return an answer whose body is this JSON value."""
    return Response(status, msgspec.json.encode(value), (("Content-Type", JSON_TYPE), *headers), value)


def empty_response(status: int = 204, headers: Sequence[tuple[str, str]] = ()) -> Response:
    """Return an answer without a body."""
    return Response(status, b"", tuple(headers), None)
