"""A session with one org: calls are counted, tokens renewed once, interruptions of idempotent requests retried."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime

from isthmus.clock import Clock
from isthmus.egress.policy import HoleValue, RouteName
from isthmus.egress.transport import Body, Channel, Reply, StreamReply
from isthmus.salesforce.lease import Leases
from isthmus.salesforce.schema import ObjectDescribe, ObjectListed
from isthmus.values import ApiName


@dataclass(frozen=True, slots=True)
class ApiLimits:
    """API calls of the last 24 hours: used and allowed."""

    used: int
    max: int


class Session:
    """One org, one purpose. All methods raise `SalesforceError`, `LeaseLost` or `EgressError`."""

    def __init__(self, channel: Channel, leases: Leases, api_version: str, clock: Clock) -> None: ...

    @property
    def calls(self) -> int:
        """How many API calls this session has made, as the org counts them."""
        raise NotImplementedError

    @property
    def usage(self) -> ApiLimits | None:
        """The org's own count as its last answer told it (`Sforce-Limit-Info`), or None before the first."""
        raise NotImplementedError

    @property
    def api_version(self) -> str:
        """The version that every request of this session names, like `62.0`."""
        raise NotImplementedError

    async def call(
        self, route: RouteName, holes: Mapping[str, HoleValue] | None = None, body: Body | None = None
    ) -> Reply:
        """Send a request and return its 2xx reply. `version` is filled in. Other statuses raise `SalesforceError`."""
        raise NotImplementedError

    def stream(
        self, route: RouteName, holes: Mapping[str, HoleValue] | None = None, body: Body | None = None
    ) -> AbstractAsyncContextManager[StreamReply]:
        """Like `call`, with the reply's body in chunks; nothing is retried once the first chunk was handed out."""
        raise NotImplementedError

    async def describe(self, name: ApiName) -> ObjectDescribe:
        """Return the object's describe. Raises `Refused` with NOT_FOUND if the user does not see it."""
        raise NotImplementedError

    async def describe_global(self) -> tuple[ObjectListed, ...]:
        """Return every object that the user sees."""
        raise NotImplementedError

    async def limits(self) -> ApiLimits:
        """Return the day's API allowance (costs one call; needs View Setup, else `Refused`)."""
        raise NotImplementedError

    async def server_time(self) -> datetime:
        """Return the org's clock (the Date header of a cheap request), in UTC, to the second."""
        raise NotImplementedError

    async def covered_until(self, name: ApiName, start: datetime, end: datetime) -> datetime:
        """Return `latestDateCovered` of getUpdated over [start, end): up to there every change is visible."""
        raise NotImplementedError

    async def close(self) -> None:
        """Close the connections."""
