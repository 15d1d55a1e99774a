"""What a reading asks of an org and reports to its parent: every request is noted, rows leave in full messages.

Runs in the mover.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, TypeVar

import msgspec

from isthmus.audit.model import AuditMessage, ProgressMessage, RequestLine, SoFar
from isthmus.egress.policy import HoleValue
from isthmus.salesforce import audit_queries as q
from isthmus.salesforce.errors import Refused
from isthmus.salesforce.query import audit_pages
from isthmus.salesforce.schema import ObjectDescribe
from isthmus.salesforce.session import Session
from isthmus.salesforce.world import MESSAGE_BYTES_MAX, Report
from isthmus.values import ApiName

CHUNK_BYTES_MAX: Final = MESSAGE_BYTES_MAX - 1024

Record = TypeVar("Record")


@dataclass(slots=True)
class _Count:
    times: int = 0
    rows: int = 0


@dataclass(slots=True)
class Collector:
    """One reading on its way: where it reads, where it reports, what it has sent so far."""

    session: Session
    report: Report
    encoder: msgspec.json.Encoder = field(default_factory=msgspec.json.Encoder)
    sent: dict[tuple[str, str], _Count] = field(default_factory=dict[tuple[str, str], _Count])
    unavailable: list[str] = field(default_factory=list[str])
    login_rows: int = 0
    calls_estimated: int = 0
    history_start: datetime | None = None
    interruptions: int = 0
    _calls_before: int = 0

    @classmethod
    def of(cls, session: Session, report: Report, so_far: SoFar) -> Collector:
        """Return a collector that goes on from what an interrupted one had done."""
        return cls(
            session,
            report,
            sent={(line.name, line.text): _Count(line.times, line.rows) for line in so_far.requests},
            unavailable=list(so_far.unavailable),
            login_rows=so_far.login_rows,
            calls_estimated=so_far.calls_estimated,
            history_start=so_far.history_start,
            interruptions=so_far.interruptions + 1,
            _calls_before=so_far.api_calls,
        )

    @property
    def calls(self) -> int:
        """API calls of this reading, those before an interruption included."""
        return self._calls_before + self.session.calls

    def so_far(self) -> SoFar:
        """Return what is to be known of the reading besides its rows."""
        return SoFar(
            history_start=self.history_start,
            login_rows=self.login_rows,
            unavailable=tuple(self.unavailable),
            requests=tuple(
                RequestLine(name, text, count.times, count.rows) for (name, text), count in self.sent.items()
            ),
            api_calls=self.calls,
            calls_estimated=self.calls_estimated,
            interruptions=self.interruptions,
        )

    async def send(self, message: AuditMessage) -> None:
        """Report one message."""
        await self.report.send(self.encoder.encode(message))

    async def send_rows(self, kind: str, rows: Iterable[msgspec.Struct]) -> None:
        """Report rows in messages that are as full as they may be."""
        parts: list[bytes] = []
        size = 0
        for row in rows:
            part = self.encoder.encode(row)
            if parts and size + len(part) + 1 > CHUNK_BYTES_MAX:
                await self.send_packed(kind, b"[" + b",".join(parts) + b"]")
                parts, size = [], 0
            parts.append(part)
            size += len(part) + 1
        if parts:
            await self.send_packed(kind, b"[" + b",".join(parts) + b"]")

    async def send_packed(self, kind: str, rows: bytes) -> None:
        """Report rows that are a JSON list already, short enough for one message."""
        await self.report.send(b'{"kind":"' + kind.encode() + b'","rows":' + rows + b"}")

    async def progress(self, percent: int) -> None:
        """Report how far the reading is."""
        await self.send(ProgressMessage(percent, sum(count.rows for count in self.sent.values()), self.calls))

    def note(self, name: str, text: str, rows: int) -> None:
        """Remember a request that was sent, and how many rows came back."""
        count = self.sent.setdefault((name, text), _Count())
        count.times += 1
        count.rows += rows

    async def describe(self, name: str) -> ObjectDescribe | None:
        """Return the describe, or None if the connected user does not see the object."""
        self.note("describe", f"GET /sobjects/{name}/describe", 0)
        try:
            return await self.session.describe(ApiName(name))
        except Refused:
            return None

    async def select(self, name: str, holes: Mapping[str, HoleValue], row: type[Record]) -> AsyncIterator[list[Record]]:
        """Yield the pages of a constant query. One that the org refuses was sent all the same, and is noted."""
        read = 0
        try:
            async for page in audit_pages(self.session, name, holes, row):
                read += len(page.rows)
                yield list(page.rows)
        finally:
            self.note(name, q.AUDIT_QUERIES[name].text, read)

    async def select_all(self, name: str, holes: Mapping[str, HoleValue], row: type[Record]) -> list[Record]:
        """Return all rows of a constant query that has few."""
        return [record async for page in self.select(name, holes, row) for record in page]


def has_fields(describe: ObjectDescribe | None, names: Iterable[str]) -> bool:
    """Whether the connected user may query the object and sees all these fields of it."""
    return describe is not None and describe.queryable and {f.name for f in describe.fields}.issuperset(names)
