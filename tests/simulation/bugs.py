"""Bugs that are planted to see that the simulation finds them: each replaces a part that the engine is given.

No module of the product is changed: what is put in the place of a wire, a report, a lease, a job or a database does
what a mistake in the engine would do.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from types import MappingProxyType
from typing import Any, Final, TypeVar

import msgspec

from isthmus.egress.policy import Call, Route, RouteName
from isthmus.egress.transport import Body, StreamReply
from isthmus.salesforce import routes
from isthmus.salesforce.endpoint import Endpoint
from isthmus.salesforce.errors import LeaseLost
from isthmus.salesforce.lease import Lease, LeaseBook, Leases
from isthmus.salesforce.session import Wire
from isthmus.salesforce.world import Report
from isthmus.sync.flow.frames import Frame, Moved, RowsFailed, WindowSettled, decode, encode
from isthmus.sync.flow.job import SyncJob
from isthmus.sync.model import StepKind
from isthmus.values import OrgHost, Secret
from tests.simulation.bugs_of_books import AdvancesTooEarly, ForgetsFailedWindows, IgnoresTheFence
from tests.simulation.bugs_of_queues import GivesUpWhenOvertaken, NeverSweeps
from tests.simulation.loop import Process
from tests.simulation.movers import Parts
from tests.simulation.world import Plant

Row = TypeVar("Row")
_MILLISECOND: Final = timedelta(milliseconds=1)


class _Wire:
    """A wire whose questions and answers pass through the hands of a bug."""

    def __init__(
        self,
        inner: Wire,
        asked: Callable[[Call], Call],
        answered: Callable[[Call, bytes], bytes],
        headers: Callable[[Call, Mapping[str, str]], Mapping[str, str]],
    ) -> None:
        self._headers = headers
        self._inner = inner
        self._asked = asked
        self._answered = answered

    @property
    def host(self) -> OrgHost:
        return self._inner.host

    def route(self, name: RouteName) -> Route:
        return self._inner.route(name)

    def stream(
        self, call: Call, body: Body | None = None, *, bearer: Secret | None = None
    ) -> AbstractAsyncContextManager[StreamReply]:
        return self._stream(self._asked(call), body, bearer)

    async def close(self) -> None:
        await self._inner.close()

    @asynccontextmanager
    async def _stream(self, call: Call, body: Body | None, bearer: Secret | None) -> AsyncGenerator[StreamReply]:
        async with self._inner.stream(call, body, bearer=bearer) as reply:
            if reply.status >= 400:
                yield reply
                return
            whole = b"".join([chunk async for chunk in reply.chunks()])
            changed = self._answered(call, whole)

            async def chunks() -> AsyncIterator[bytes]:
                yield changed

            yield dataclasses.replace(reply, headers=self._headers(call, reply.headers), chunks=chunks)


class WirePlant(Plant):
    """A bug on the way to the orgs; each session gets wires of its own."""

    def asked(self, call: Call) -> Call:
        return call

    def answered(self, call: Call, body: bytes) -> bytes:
        del call
        return body

    def headers(self, call: Call, headers: Mapping[str, str]) -> Mapping[str, str]:
        del call
        return headers

    def parts(self, parts: Parts) -> Parts:
        def wire(process: Process, index: int, endpoint: Endpoint) -> Wire:
            return _Wire(parts.wire(process, index, endpoint), self.asked, self.answered, self.headers)

        return dataclasses.replace(parts, wire=wire)


class DropsTheLastPage(WirePlant):
    """A reader that does not follow `nextRecordsUrl`, and does not count either."""

    def answered(self, call: Call, body: bytes) -> bytes:
        if call.route not in {routes.QUERY, routes.QUERY_MORE}:
            return body
        page = json.loads(body)
        if page["records"]:
            page |= {"done": True, "totalSize": len(page["records"])}
        return json.dumps(page).encode()


class LeavesOutTheBorder(WirePlant):
    """A window that is open at both ends: `>` where `>=` belongs."""

    def asked(self, call: Call) -> Call:
        soql = call.holes.get("soql")
        if isinstance(soql, str):
            return dataclasses.replace(call, holes={**call.holes, "soql": soql.replace(" >= ", " > ")})
        return call


class LosesTies(WirePlant):
    """A reader that pages by stamp: rows with the stamp of the last row of a page are lost on the next page."""

    def __init__(self) -> None:
        self._lost = 0
        self._last: str | None = None

    def asked(self, call: Call) -> Call:
        soql = call.holes.get("soql")
        if isinstance(soql, str) and "ORDER BY" in soql and not soql.startswith("SELECT SystemModstamp"):
            with_stamp = re.sub(r"^SELECT ", "SELECT SystemModstamp,", soql)
            return dataclasses.replace(call, holes={**call.holes, "soql": with_stamp})
        return call

    def answered(self, call: Call, body: bytes) -> bytes:
        if call.route == routes.QUERY:
            self._lost, self._last = 0, None
        if call.route not in {routes.QUERY, routes.QUERY_MORE}:
            return body
        page = json.loads(body)
        rows = page["records"]
        if (self._last is not None and not page["done"]) or call.route == routes.QUERY_MORE:
            kept = [row for row in rows if row.get("SystemModstamp") != self._last]
            # A page is never left empty, or the client would notice.
            kept = kept or rows
            self._lost += len(rows) - len(kept)
            page["records"] = kept
        self._last = rows[-1].get("SystemModstamp") if rows else None
        page["totalSize"] -= self._lost
        return json.dumps(page).encode()


class OverlooksEarlierJobs(WirePlant):
    """A mover that does not look for upload jobs that a killed one left behind."""

    def answered(self, call: Call, body: bytes) -> bytes:
        return b'{"done":true,"records":[]}' if call.route == routes.INGEST_LIST else body


class TakesHalfAnExport(WirePlant):
    """A reader of exports that does not compare the rows with the number that the org announced."""

    def answered(self, call: Call, body: bytes) -> bytes:
        if call.route != routes.EXPORT_PAGE:
            return body
        lines = body.splitlines(keepends=True)
        return b"".join(lines[: max(2, len(lines) - 1)])


class _Report:
    """A report whose frames pass through the hands of a bug."""

    def __init__(self, inner: Report, changed: Callable[[Frame], Frame | None]) -> None:
        self._inner = inner
        self._changed = changed

    async def send(self, message: bytes) -> None:
        frame = self._changed(decode(message))
        if frame is not None:
            await self._inner.send(encode(frame))


class _ReportPlant(Plant):
    """A bug in what a mover says."""

    def changed(self, frame: Frame) -> Frame | None:
        return frame

    def parts(self, parts: Parts) -> Parts:
        def report(inner: Report) -> Report:
            return _Report(parts.report(inner), self.changed)

        return dataclasses.replace(parts, report=report)


class NoOverlap(_ReportPlant):
    """The next window begins where this one ended, whatever transactions are open."""

    def changed(self, frame: Frame) -> Frame | None:
        if isinstance(frame, WindowSettled) and frame.watermark is not None:
            return dataclasses.replace(frame, watermark=frame.window.until)
        return frame


class CountsFailedAsDone(_ReportPlant):
    """Rows that the target refused are counted as written."""

    def changed(self, frame: Frame) -> Frame | None:
        return Moved(frame.step, 0, frame.rows, 0) if isinstance(frame, RowsFailed) else frame


class JobPlant(Plant):
    """A bug in what is asked of a mover."""

    def changed(self, job: SyncJob) -> SyncJob:
        return job

    def parts(self, parts: Parts) -> Parts:
        def job(wanted: SyncJob) -> SyncJob:
            return self.changed(parts.job(wanted))

        return dataclasses.replace(parts, job=job)


class SkipsTheSecondPass(JobPlant):
    """Deferred lookups are never set."""

    def changed(self, job: SyncJob) -> SyncJob:
        steps = [
            msgspec.structs.replace(each, windows=()) if each.step.kind is StepKind.LINK else each for each in job.steps
        ]
        return msgspec.structs.replace(job, steps=tuple(steps))


class RetriesAnEmptyWindow(JobPlant):
    """A retry that forgets which window it was for: it reads the last millisecond of it."""

    def changed(self, job: SyncJob) -> SyncJob:
        def shrunk(window: Any) -> Any:
            if not window.retry:
                return window
            return msgspec.structs.replace(window, since=window.until - _MILLISECOND)

        steps = [
            msgspec.structs.replace(each, windows=tuple(shrunk(window) for window in each.windows))
            for each in job.steps
        ]
        return msgspec.structs.replace(job, steps=tuple(steps))


class LooksForDeletionsLast(JobPlant):
    """Deletions count from the end of a first run: what is deleted between two attempts at it stays for ever.

    This one was real; the simulation found it.
    """

    def changed(self, job: SyncJob) -> SyncJob:
        return msgspec.structs.replace(job, steps=tuple(sorted(job.steps, key=lambda each: each.ordinal)))


class _Leases:
    """Leases that go on with what they have when they are withdrawn."""

    def __init__(self, inner: Leases) -> None:
        self._inner = inner
        self._held: Lease | None = None

    async def current(self) -> Lease:
        try:
            self._held = await self._inner.current()
        except LeaseLost:
            if self._held is None:
                raise
        return self._held

    async def renew(self) -> Lease:
        return await self._inner.renew()


class IgnoresRevocation(Plant):
    """A mover that goes on with the token it has after its lease was withdrawn."""

    def parts(self, parts: Parts) -> Parts:
        def leases(book: LeaseBook, endpoint: Endpoint) -> Leases:
            return _Leases(parts.leases(book, endpoint))

        return dataclasses.replace(parts, leases=leases, deaf=True)


BUGS: Final[Mapping[str, type[Plant]]] = MappingProxyType(
    {
        bug.__name__: bug
        for bug in (
            AdvancesTooEarly,
            CountsFailedAsDone,
            DropsTheLastPage,
            ForgetsFailedWindows,
            GivesUpWhenOvertaken,
            IgnoresRevocation,
            IgnoresTheFence,
            LeavesOutTheBorder,
            LooksForDeletionsLast,
            LosesTies,
            NeverSweeps,
            NoOverlap,
            OverlooksEarlierJobs,
            RetriesAnEmptyWindow,
            SkipsTheSecondPass,
            TakesHalfAnExport,
        )
    }
)
