"""The way to a simulated org: everything that can go wrong between a client and a server, at every await."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from isthmus.egress.errors import Interrupted, RequestDenied, Unreachable
from isthmus.egress.policy import Call, Denied, Route, RouteName, decide
from isthmus.egress.transport import Body, StreamReply
from isthmus.salesforce.routes import ROUTES
from isthmus.values import OrgHost, Purpose, Secret
from tests.simulation.answers import Answer, refusal
from tests.simulation.loop import Process, SimLoop
from tests.simulation.rest import Front

REQUEST_S: Final = 0.3
"""How long a request is under way at most, also one whose client is gone by then."""
PASSING: Final = (420, 500, 502, 503)


@dataclass
class Trouble:
    """Chances of what can go wrong with one request; all 0 is fair weather."""

    unreachable: float = 0.0
    lost_before: float = 0.0
    lost_after: float = 0.0
    cut_answer: float = 0.0
    cut_upload: float = 0.0
    server_error: float = 0.0
    token_dies: float = 0.0
    slow: float = 0.0


class SimWire:
    """Requests of one session; asks the real policy to build them, and lets the org do them in its own time."""

    def __init__(
        self,
        loop: SimLoop,
        front: Front,
        host: OrgHost,
        *,
        process: Process,
        servers: Process,
        trouble: Trouble,
        seen: Callable[[str, RouteName, Answer], None],
    ) -> None:
        self._loop = loop
        self._front = front
        self._host = host
        self._process = process
        self._servers = servers
        self._trouble = trouble
        self._seen = seen

    @property
    def host(self) -> OrgHost:
        return self._host

    def route(self, name: RouteName) -> Route:
        route = ROUTES.get(name)
        if route is None:
            message = "no such route"
            raise RequestDenied(message)
        return route

    def stream(
        self, call: Call, body: Body | None = None, *, bearer: Secret | None = None
    ) -> AbstractAsyncContextManager[StreamReply]:
        return self._stream(call, body, "" if bearer is None else bearer.reveal_text())

    async def close(self) -> None:
        await asyncio.sleep(0)

    @asynccontextmanager
    async def _stream(self, call: Call, body: Body | None, token: str) -> AsyncGenerator[StreamReply]:
        self._process.require_alive()
        decided = decide(call, Purpose.SYNC, self._host, ROUTES, loopback=True)
        if isinstance(decided, Denied):
            raise RequestDenied(decided.reason.value)
        await asyncio.sleep(self._loop.rng.random() * 0.02)
        if self._chance(self._trouble.unreachable):
            raise Unreachable(call.route)
        sent = await self._sent(call.route, body if decided.body is None else decided.body)
        answer = await self._answered(call.route, decided.method.value, decided.target, sent, token)
        self._process.require_alive()
        yield StreamReply(answer.status, answer.headers, lambda: self._chunks(call.route, answer))

    async def _sent(self, route: RouteName, body: Body | None) -> bytes:
        if body is None or isinstance(body, bytes):
            return body or b""
        parts: list[bytes] = []
        async for part in body:
            self._process.require_alive()
            if self._chance(self._trouble.cut_upload):
                raise Interrupted(route)
            parts.append(part)
        return b"".join(parts)

    async def _answered(self, route: RouteName, method: str, target: str, body: bytes, token: str) -> Answer:
        """Let the org work on the request in a task of its own: it goes on if the client breaks off, or is killed."""
        if self._chance(self._trouble.lost_before):
            raise Interrupted(route)
        done: asyncio.Future[Answer] = self._loop.create_future()
        self._process.require_alive()
        self._loop.spawn(self._servers, self._serve(route, (method, target, body, token), done))
        if self._chance(self._trouble.lost_after):
            await asyncio.sleep(self._loop.rng.random() * REQUEST_S)
            raise Interrupted(route)
        return await done

    async def _serve(
        self, route: RouteName, request: tuple[str, str, bytes, str], done: asyncio.Future[Answer]
    ) -> None:
        method, target, body, token = request
        await asyncio.sleep(self._loop.rng.random() * REQUEST_S * (1.0 if self._chance(self._trouble.slow) else 0.1))
        if self._chance(self._trouble.server_error):
            answer = refusal(self._loop.rng.choice(PASSING), "SERVER_UNAVAILABLE")
        elif token != self._front.org.token and target != "/services/data":
            answer = refusal(401, "INVALID_SESSION_ID")
        else:
            try:
                answer = self._front.handle(method, target, body)
            except Exception as error:
                done.set_exception(error)
                return
            if self._chance(self._trouble.token_dies):
                self._front.org.renew_token()
        self._seen(token, route, answer)
        if not done.done():
            done.set_result(answer)

    async def _chunks(self, route: RouteName, answer: Answer) -> AsyncIterator[bytes]:
        cut = self._chance(self._trouble.cut_answer)
        middle = self._loop.rng.randint(0, len(answer.body))
        for part in (answer.body[:middle], answer.body[middle:]):
            await asyncio.sleep(0)
            self._process.require_alive()
            if part:
                yield part
            if cut:
                raise Interrupted(route)

    def _chance(self, of: float) -> bool:
        return of > 0.0 and self._loop.rng.random() < of
