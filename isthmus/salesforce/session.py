"""A session with one org: calls are counted, a refused token is renewed once, idempotent requests are repeated."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Annotated, Final, Protocol, TypeAlias, TypeVar

import msgspec

from isthmus.clock import Clock
from isthmus.egress.errors import Interrupted, ReplyTooLarge, Unreachable
from isthmus.egress.policy import Call, HoleValue, Route, RouteName
from isthmus.egress.transport import Body, Reply, StreamReply
from isthmus.salesforce import routes
from isthmus.salesforce.errors import UNREADABLE_JSON, Expired, Refused, Transient, Unexpected
from isthmus.salesforce.lease import Lease, Leases
from isthmus.salesforce.meaning import meaning
from isthmus.salesforce.schema import ObjectDescribe, ObjectListed, parse_describe, parse_object_list
from isthmus.salesforce.status_code import StatusCode
from isthmus.salesforce.together import Question, Together, question
from isthmus.salesforce.version import VersionListed, choose_version, may_be_version
from isthmus.values import ApiName, OrgHost, Secret

ATTEMPTS_MAX: Final = 5
"""How often an idempotent request is sent before its failure is the caller's: waits of 0.5, 1, 2 and 4 seconds."""
FIRST_WAIT_S: Final = 0.5
_USAGE: Final = re.compile(r"(?<![\w-])api-usage=([0-9]{1,12})/([0-9]{1,12})\b")
"""The org's own usage; `per-app-api-usage` is another count."""

Decoded = TypeVar("Decoded")
RowCount: TypeAlias = Annotated[int, msgspec.Meta(ge=0, lt=1 << 40)]
"""A count that an org gives: never negative, and no more than any org can hold."""


@dataclass(frozen=True, slots=True)
class ApiLimits:
    """API calls of the last 24 hours: used and allowed."""

    used: int
    max: int


class _Limit(msgspec.Struct, frozen=True, rename="pascal"):
    max: RowCount
    remaining: Annotated[int, msgspec.Meta(gt=-(1 << 40), lt=1 << 40)]
    """Negative once an org has let more calls pass than it allows."""


class _Limits(msgspec.Struct, frozen=True):
    daily: _Limit = msgspec.field(name="DailyApiRequests")


@dataclass(frozen=True, slots=True)
class Deletions:
    """Ids of records deleted in a span, complete between `earliest` and `covered`. Shows a count only."""

    ids: tuple[str, ...]
    earliest: datetime
    covered: datetime
    times: tuple[datetime, ...] = ()
    """When each was deleted, where the list says so."""

    def __repr__(self) -> str:
        """Show the count, nothing more."""
        return f"<{len(self.ids)} Deletions>"


class _DeletedRow(msgspec.Struct, frozen=True):
    id: str
    deleted_date: str | None = msgspec.field(name="deletedDate", default=None)


class _Deleted(msgspec.Struct, frozen=True, rename="camel"):
    deleted_records: list[_DeletedRow]
    earliest_date_available: str
    latest_date_covered: str


class _Updated(msgspec.Struct, frozen=True, rename="camel"):
    latest_date_covered: str


class Wire(Protocol):
    """What a session needs of its way to an org; `egress.transport.Channel` is the one that leaves the machine."""

    @property
    def host(self) -> OrgHost:
        """The one host that it reaches."""
        ...

    def route(self, name: RouteName) -> Route:
        """Return the route of that name. Raises `RequestDenied`."""
        ...

    def stream(
        self, call: Call, body: Body | None = None, *, bearer: Secret | None = None
    ) -> AbstractAsyncContextManager[StreamReply]:
        """Send and hand out the reply while it arrives. Raises `EgressError` only; every HTTP status is a reply."""
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


class Session:
    """One org, one purpose. All methods raise `SalesforceError`, `LeaseLost` or `EgressError`."""

    def __init__(self, channel: Wire, leases: Leases, api_version: str, clock: Clock) -> None:
        """Take over the channel. `api_version` like `62.0`."""
        self._channel = channel
        self._leases = leases
        self._api_version = api_version
        self._version_fits = False
        self._clock = clock
        self._calls = 0
        self._usage: ApiLimits | None = None
        self._asked: dict[Question, Reply] = {}

    @property
    def calls(self) -> int:
        """How many API calls this session has made, as the org counts them."""
        return self._calls

    @property
    def usage(self) -> ApiLimits | None:
        """The org's own count as its last answer told it (`Sforce-Limit-Info`), or None before the first."""
        return self._usage

    @property
    def api_version(self) -> str:
        """The version that every request of this session names, like `62.0`."""
        return self._api_version

    @property
    def clock(self) -> Clock:
        """The clock that measures durations (windows follow the org's clock, see `server_time`)."""
        return self._clock

    async def call(
        self, route: RouteName, holes: Mapping[str, HoleValue] | None = None, body: Body | None = None
    ) -> Reply:
        """Send a request and return its 2xx reply; `version` is filled in. Other statuses raise `SalesforceError`.

        An idempotent route with a `bytes` body (or none) is tried `ATTEMPTS_MAX` times, also after half a reply.
        """
        asked = self._asked.pop(question(route, holes), None) if self._asked else None
        if asked is not None:
            return asked
        attempts = self._attempts(route, body)
        for attempt in range(1, attempts + 1):
            try:
                async with self._stream(route, holes, body) as reply:
                    parts = [chunk async for chunk in reply.chunks()]
            except Interrupted:
                if attempt < attempts:
                    await asyncio.sleep(_wait_s(attempt))
                    continue
                raise Transient(route) from None
            except ReplyTooLarge:
                raise Unexpected(route) from None
            return Reply(reply.status, reply.headers, b"".join(parts))
        raise Transient(route)

    async def ask_together(self, questions: Sequence[Call]) -> None:
        """Ask up to 25 reading requests, 5 of them queries, in one request, which the org counts as one call.

        Each answer waits for the `call` that asks the same; a question that the org refused in here is asked by itself
        then, and an org that refuses the whole is asked everything by itself.
        """
        parts = tuple(Call(each.route, self._filled(each.route, each.holes)) for each in questions)
        try:
            async with self._stream(routes.TOGETHER, None, None, parts) as reply:
                body = b"".join([chunk async for chunk in reply.chunks()])
            self._asked |= decode(routes.TOGETHER, body, Together).replies(questions)
        except (Refused, Unexpected, Interrupted, ReplyTooLarge):
            return

    def stream(
        self, route: RouteName, holes: Mapping[str, HoleValue] | None = None, body: Body | None = None
    ) -> AbstractAsyncContextManager[StreamReply]:
        """Like `call`, with the 2xx reply's body in chunks; nothing is repeated once a reply has begun.

        Reading a broken body raises `Interrupted`.
        """
        return self._stream(route, holes, body)

    async def json(
        self,
        route: RouteName,
        reply_type: type[Decoded],
        holes: Mapping[str, HoleValue] | None = None,
        body: Body | None = None,
    ) -> Decoded:
        """Call and decode the reply; raises `Unexpected` if it is not of `reply_type`."""
        reply = await self.call(route, holes, body)
        return decode(route, reply.body, reply_type)

    async def describe(self, name: ApiName) -> ObjectDescribe:
        """Return the object's describe. Raises `Refused` with NOT_FOUND if the user does not see it."""
        reply = await self.call(routes.DESCRIBE, {"object": name})
        try:
            return parse_describe(reply.body)
        except UNREADABLE_JSON:
            raise Unexpected(routes.DESCRIBE) from None

    async def describe_global(self) -> tuple[ObjectListed, ...]:
        """Return every object that the user sees."""
        reply = await self.call(routes.OBJECTS)
        try:
            return parse_object_list(reply.body)
        except UNREADABLE_JSON:
            raise Unexpected(routes.OBJECTS) from None

    async def limits(self) -> ApiLimits:
        """Return the day's API allowance (costs one call; needs View Setup, else `Refused`)."""
        daily = (await self.json(routes.LIMITS, _Limits)).daily
        return ApiLimits(daily.max - daily.remaining, daily.max)

    async def server_time(self) -> datetime:
        """Return the org's clock in UTC, to the second: the Date header of a request that the org does not count."""
        reply = await self.call(routes.VERSIONS)
        try:
            return parsedate_to_datetime(reply.headers["date"]).astimezone(UTC)
        except (KeyError, ValueError, OverflowError):
            raise Unexpected(routes.VERSIONS) from None

    async def covered_until(self, name: ApiName, start: datetime, end: datetime) -> datetime:
        """Return `latestDateCovered` of getUpdated over [start, end): up to there every change is visible.

        The org ignores seconds and wants start < end. Raises `Refused` with INVALID_REPLICATION_DATE or
        EXCEEDED_ID_LIMIT.
        """
        updated = await self.json(routes.UPDATED, _Updated, {"object": name, "start": start, "end": end})
        return _instant(routes.UPDATED, updated.latest_date_covered)

    async def deleted(self, name: ApiName, start: datetime, end: datetime) -> Deletions:
        """Return what was deleted in [start, end), by getDeleted. Bounds and refusals as for `covered_until`."""
        found = await self.json(routes.DELETED, _Deleted, {"object": name, "start": start, "end": end})
        return Deletions(
            tuple(row.id for row in found.deleted_records),
            _instant(routes.DELETED, found.earliest_date_available),
            _instant(routes.DELETED, found.latest_date_covered),
            tuple(_instant(routes.DELETED, row.deleted_date) for row in found.deleted_records if row.deleted_date),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._channel.close()

    @asynccontextmanager
    async def _stream(
        self,
        route: RouteName,
        holes: Mapping[str, HoleValue] | None,
        body: Body | None,
        parts: tuple[Call, ...] = (),
    ) -> AsyncGenerator[StreamReply]:
        filled = self._filled(route, holes)
        attempts = self._attempts(route, body)
        renewals = 1 if _is_replayable(body) else 0
        lease = await self._leases.current()
        attempt = 1
        while True:
            context = self._attempt(Call(route, filled, parts), body, lease)
            try:
                reply = await context.__aenter__()
            except (Transient, Expired) as error:
                if isinstance(error, Expired) and renewals:
                    renewals -= 1
                    lease = await self._leases.renew()
                    continue
                if isinstance(error, Expired) or attempt == attempts:
                    raise
                await asyncio.sleep(max(_wait_s(attempt), error.wait_s))
                attempt += 1
                lease = await self._leases.current()
                continue
            except Refused as error:
                if not await self._other_version(error):
                    raise
                filled = self._filled(route, holes)
                continue
            self._version_fits = self._version_fits or "version" in filled
            break
        try:
            yield reply
        except BaseException as error:
            if not await context.__aexit__(type(error), error, error.__traceback__):
                raise
        else:
            await context.__aexit__(None, None, None)

    async def _other_version(self, error: Refused) -> bool:
        """Choose another version if the first of our requests was refused for want of ours; return whether one was."""
        if self._version_fits or not may_be_version(error):
            return False
        self._version_fits = True
        listed = await self.json(routes.VERSIONS, list[VersionListed])
        chosen = choose_version(each.version for each in listed)
        if chosen is None:
            raise Refused(routes.VERSIONS, StatusCode.parse("UNSUPPORTED_API_VERSION"))
        changed, self._api_version = chosen != self._api_version, chosen
        return changed

    @asynccontextmanager
    async def _attempt(self, call: Call, body: Body | None, lease: Lease) -> AsyncGenerator[StreamReply]:
        """Send once. Raises what the reply's status means; yields only a 2xx reply."""
        if lease.instance != self._channel.host:
            # The token is for another host than the one dialled: it must not be sent there.
            raise Unexpected(call.route)
        answered = entered = False
        counted = self._channel.route(call.route).counted
        try:
            async with self._channel.stream(call, body, bearer=lease.token) as reply:
                answered = True
                self._calls += counted
                self._note_usage(reply.headers)
                if not HTTPStatus.OK <= reply.status < HTTPStatus.MULTIPLE_CHOICES:
                    raise await meaning(call.route, reply)
                entered = True
                yield reply
        except (Unreachable, Interrupted) as error:
            # Cut before the answer: the org has most likely worked on it, so it counts.
            self._calls += counted and not answered and isinstance(error, Interrupted)
            if entered:
                raise
            raise Transient(call.route) from None

    def _filled(self, route: RouteName, holes: Mapping[str, HoleValue] | None) -> dict[str, HoleValue]:
        filled = dict(holes or {})
        if "version" in self._channel.route(route).holes:
            filled["version"] = self._api_version
        return filled

    def _attempts(self, route: RouteName, body: Body | None) -> int:
        return ATTEMPTS_MAX if self._channel.route(route).idempotent and _is_replayable(body) else 1

    def _note_usage(self, headers: Mapping[str, str]) -> None:
        match = _USAGE.search(headers.get("sforce-limit-info", ""))
        if match is not None:
            self._usage = ApiLimits(int(match[1]), int(match[2]))


def _instant(route: RouteName, text: str) -> datetime:
    try:
        instant = datetime.fromisoformat(text.replace("+0000", "+00:00"))
        if instant.tzinfo is None:
            raise Unexpected(route)
        return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unexpected(route) from None


def _is_replayable(body: Body | None) -> bool:
    return body is None or isinstance(body, bytes)


def _wait_s(attempt: int) -> float:
    return FIRST_WAIT_S * 2 ** (attempt - 1)


def decode(route: RouteName, body: bytes, reply_type: type[Decoded]) -> Decoded:
    """Decode a reply; what the type does not name is dropped. Raises `Unexpected`."""
    try:
        return msgspec.json.decode(body, type=reply_type)
    except UNREADABLE_JSON:
        raise Unexpected(route) from None
