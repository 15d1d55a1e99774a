"""From a call to its handler: one table of (method, pattern), for outer calls and for composite's inner ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from orgsim.errors import ApiError, NotEmulated, method_not_allowed, not_found, session_invalid
from orgsim.settings import NEWEST_VERSION, OLDEST_VERSION, OrgSettings
from orgsim.soql.steps import Steps, settled
from orgsim.wire import Request, Response, json_response

if TYPE_CHECKING:
    from orgsim.org import Org

_VERSION: Final = re.compile(r"v(\d+)\.(\d)$")
_RETIRED_FROM: Final = 20  # the first that REST had
_SUFFIX_LAST: Final = 57
_ROOT_SEGMENTS: Final = 3
_OVERRIDABLE: Final = "POST"
_SERVICES: Final = frozenset({"async", "auth", "oauth2", "scim", "soap"})


@dataclass(frozen=True, slots=True)
class Call:
    """What a handler gets: the org, the request, the values of the pattern's `{holes}`, and a way to make sub-calls."""

    org: Org
    request: Request
    params: Mapping[str, str]
    router: Router

    @property
    def user_id(self) -> str:
        """The calling user's id; ApiError 401 if there is none."""
        if self.request.session is None:
            raise session_invalid()
        return self.request.session.user_id

    @property
    def version(self) -> str:
        """The API version of the path, such as "62.0"."""
        return self.request.version or f"{NEWEST_VERSION}.0"

    @property
    def version_number(self) -> int:
        """The API version as a whole number, such as 62."""
        return int(self.version.partition(".")[0])

    def note_not_emulated(self, unknown: NotEmulated) -> None:
        """Let the transcript say why this call gets its 501."""
        self.org.transcript.note_not_emulated(
            self.org.clock.now(), self.request.method, self.request.path, unknown.what
        )

    def dispatch(self, request: Request, *, counted: bool = False) -> Response:
        """Answer a sub-call with the same session; `counted` makes it an API call of its own."""
        return self.router.dispatch(self.org, replace(request, session=self.request.session), counted=counted)


Handler = Callable[[Call], "Response | Steps[Response]"]
"""A handler that may take long returns a generator, which pauses now and then."""


@dataclass(frozen=True, slots=True)
class Route:
    """One row of the table. Parts of `pattern` are literal (any capitalisation), `{name}` or a final `{name*}`."""

    method: str
    pattern: str
    handler: Handler
    signed_in: bool = True
    counted: bool = True
    unlisted: bool = False
    """Left out of the list of what would be allowed: it takes one value of a hole only."""

    @property
    def parts(self) -> tuple[str, ...]:
        """The pattern cut at its slashes."""
        return tuple(part for part in self.pattern.split("/") if part)


class Router:
    """The registry and the dispatcher. `{version}` as third part stands for `vNN.0` and is checked here."""

    def __init__(self, routes: Iterable[Route] = ()) -> None:
        self._routes: dict[tuple[str, int], list[Route]] = {}
        for route in routes:
            self.add(route)

    def add(self, route: Route) -> None:
        """Put a route into the table; of several that match, the most literal one answers."""
        parts = route.parts
        rest = bool(parts) and parts[-1].endswith("*}")
        head = parts[0].lower() if parts and not parts[0].startswith("{") else ""
        self._routes.setdefault((head, -1 if rest else len(parts)), []).append(route)

    def register(
        self, method: str, pattern: str, handler: Handler, *, signed_in: bool = True, counted: bool = True
    ) -> None:
        """Add one route."""
        self.add(Route(method, pattern, handler, signed_in, counted))

    def dispatch(self, org: Org, request: Request, *, counted: bool = True) -> Response:
        """Answer a call at once."""
        return settled(self.dispatch_steps(org, request, counted=counted))

    def dispatch_steps(self, org: Org, request: Request, *, counted: bool = True) -> Steps[Response]:
        """Answer a call in steps. Never raises ApiError or NotEmulated: they become their answers here."""
        try:
            return (yield from self._answer(org, request, counted=counted))
        except ApiError as refused:
            response = json_response(refused.payload(), refused.status, refused.headers)
            return response.with_headers(org.usage.headers(request.session)) if counted else response
        except NotEmulated as unknown:
            org.transcript.note_not_emulated(org.clock.now(), request.method, request.path, unknown.what)
            return json_response(unknown.payload(), 501)

    def _answer(self, org: Org, request: Request, *, counted: bool) -> Steps[Response]:
        if request.uri_bytes > org.settings.uri_bytes_max:
            raise ApiError(414, "URI_TOO_LONG", "The requested URI exceeds the limit of 16384 bytes.")
        request = _checked_version(_overridden(request), org.settings)
        route, params = self._find(request)
        if route.signed_in and request.session is None:
            raise session_invalid(request.header("authorization") or "")
        org.settle()
        if counted and route.counted:
            org.usage.count(request.session)
        answer = route.handler(Call(org, request, params, self))
        response = answer if isinstance(answer, Response) else (yield from answer)
        if counted and route.counted:
            response = response.with_headers(org.usage.headers(request.session))
        return response.pretty() if request.header("x-prettyprint") == "1" else response

    def _find(self, request: Request) -> tuple[Route, dict[str, str]]:
        matches = [match for match in self._candidates(request.segments) if match is not None]
        if not matches:
            if request.segments[:1] == ("services",) and (request.version is not None or _is_service(request.segments)):
                what = f"the resource {request.method} {shape(request.segments)}"
                raise NotEmulated(what)
            raise not_found()
        best = max(literal for _, _, literal in matches)
        closest = [(route, params) for route, params, literal in matches if literal == best]
        for route, params in closest:
            if route.method == request.method or (route.method == "GET" and request.method == "HEAD"):
                return route, params
        raise method_not_allowed(request.method, {route.method for route, _ in closest if not route.unlisted})

    def _candidates(self, segments: tuple[str, ...]) -> Iterable[tuple[Route, dict[str, str], int] | None]:
        head = segments[0].lower() if segments else ""
        for key in ((head, len(segments)), (head, -1), ("", len(segments)), ("", -1)):
            for route in self._routes.get(key, ()):
                yield _match(route, segments)


def _match(route: Route, segments: tuple[str, ...]) -> tuple[Route, dict[str, str], int] | None:
    params: dict[str, str] = {}
    literal = 0
    parts = route.parts
    for place, part in enumerate(parts):
        if part.endswith("*}"):
            params[part[1:-2]] = "/".join(segments[place:])
            return route, params, literal
        if place >= len(segments):
            return None
        if part.startswith("{"):
            params[part[1:-1]] = segments[place]
        elif part.lower() == segments[place].lower():
            literal += 1
        else:
            return None
    return route, params, literal


def _is_service(segments: tuple[str, ...]) -> bool:
    """Whether the real service has resources of its own here; a path that no org has is plainly not found."""
    return len(segments) > 1 and segments[1].lower() in _SERVICES


def shape(segments: tuple[str, ...]) -> str:
    """Return a path without what it names: ids, versions and other words that are no identifiers become `*`."""
    return "/" + "/".join(segment if segment.isascii() and segment.isidentifier() else "*" for segment in segments)


def _overridden(request: Request) -> Request:
    wanted = request.param("_HttpMethod")
    return replace(request, method=wanted) if wanted and request.method == _OVERRIDABLE else request


def _checked_version(request: Request, settings: OrgSettings) -> Request:
    if len(request.segments) < 3 or request.segments[:2] != ("services", "data"):
        return request
    found = _VERSION.match(request.segments[2])
    if not found:
        raise not_found()
    number = int(found[1])
    if _RETIRED_FROM <= number < OLDEST_VERSION:
        raise ApiError(410, "GONE", "The requested resource is no longer available")
    if found[2] != "0" or not settings.version_oldest <= number <= settings.version_newest:
        raise not_found()
    return _without_suffix(request.with_version(f"{number}.0"), number)


def _without_suffix(request: Request, version: int) -> Request:
    """Return the call without `.json`, which paths of older versions may end in; NotEmulated for `.xml`."""
    last = request.segments[-1]
    if version > _SUFFIX_LAST or not last.endswith((".json", ".xml")) or len(request.segments) == _ROOT_SEGMENTS:
        return request
    if last.endswith(".xml"):
        what = "XML answers"
        raise NotEmulated(what)
    return replace(request, segments=(*request.segments[:-1], last.removesuffix(".json")))
