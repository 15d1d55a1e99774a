"""The herald of audits: results, failures, recoveries and finance summaries, one at a time, as mails may be large.

Documents come through functions that give them out only while a delivery of their notice is under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, LiteralString
from uuid import UUID

from isthmus.audit.cadence.change import ToldReport, told_report, told_summary
from isthmus.audit.cadence.telling import (
    AuditDelivery,
    Month,
    Told,
    failure_notice,
    finance_notice,
    finance_span,
    result_notice,
)
from isthmus.db.database import Arguments, Row
from isthmus.db.storable import UserText
from isthmus.notices.channels import Channel, ChannelKind
from isthmus.notices.model import Notice
from isthmus.worker.herald import Herald, NewNotice

_DOCUMENTS: Final[dict[str, str]] = {"pdf": "report.pdf", "xlsx": "report.xlsx"}


@dataclass(frozen=True, slots=True)
class _NewNotice(NewNotice):
    alias: str
    scheduled: bool


@dataclass(frozen=True, slots=True)
class _Document:
    content: bytes


@dataclass(frozen=True, slots=True)
class _FinanceRow:
    alias: str
    taken_at: datetime
    line: str | None
    latest: UUID | None


class AuditHerald(Herald[_NewNotice, AuditDelivery]):
    """Who tells of audits."""

    schema = "audit"
    new = _NewNotice
    due = AuditDelivery
    at_most = 10
    together = 1

    def wants(self, channel: Channel, notice: _NewNotice) -> bool:
        """Failures and recoveries also go to those who want every failure."""
        if channel.audit.orgs and notice.alias not in channel.audit.orgs:
            return False
        if not notice.scheduled and not channel.audit.manual and notice.kind != "recovery":
            return False
        return ("audit" in channel.events and channel.audit.results) or notice.kind in channel.events

    def summary(self, channel: Channel, now: datetime) -> Arguments | None:
        """Return the month of the latest finance summary, and the orgs that it is about."""
        if channel.audit.monthly is None:
            return None
        span = finance_span(channel.audit.monthly, channel.zone, now)
        return {"span_start": span.since, "span_end": span.until, "only_orgs": _orgs(channel)}

    async def text(self, delivery: AuditDelivery, channel: Channel) -> Notice:
        """Return what is sent, made of the reports that the notice is about, and with the documents asked for."""
        if delivery.kind == "failure":
            return failure_notice(delivery, self.public_url, channel.zone)
        if delivery.kind == "finance":
            return finance_notice(delivery, await self._months(delivery, channel), self.public_url, channel.zone)
        now = await _told(await self._document(delivery, "report.json"))
        was = await _told(await self._document(delivery, "report.json", previous=True))
        files: dict[str, bytes] = {}
        for kind in channel.audit.attach if channel.kind is ChannelKind.MAIL else ():
            for found in await self._document(delivery, _DOCUMENTS[kind]):
                files[_DOCUMENTS[kind]] = bytes(found.content)
        return result_notice(delivery, Told(now, was, files), self.public_url, channel.zone)

    async def _months(self, delivery: AuditDelivery, channel: Channel) -> list[Month]:
        rows = await self._asked("audit.finance_rows", _FinanceRow, delivery, {"only_orgs": _orgs(channel)})
        months: list[Month] = []
        for row in rows:
            latest: list[_Document] = []
            if row.latest is not None:
                latest = await self._asked("audit.finance_report", _Document, delivery, {"audit": row.latest})
            months.append(Month(row.alias, row.taken_at, told_summary(row.line), await _told(latest)))
        return months

    async def _document(self, delivery: AuditDelivery, name: str, *, previous: bool = False) -> list[_Document]:
        asked: Arguments = {"wanted": UserText(name), "previous": previous}
        return await self._asked("audit.notice_document", _Document, delivery, asked)

    async def _asked(
        self, function: LiteralString, row: type[Row], delivery: AuditDelivery, more: Arguments
    ) -> list[Row]:
        async with self.database.system() as tx:
            arguments: Arguments = {"tenant": delivery.tenant_id, "notice": delivery.notice_id, **more}
            return await tx.call(function, row=row, arguments=arguments)


async def _told(report: Sequence[_Document]) -> ToldReport | None:
    return await asyncio.to_thread(told_report, bytes(report[0].content)) if report else None


def _orgs(channel: Channel) -> UserText:
    return UserText(",".join(sorted(channel.audit.orgs)))
